#!/bin/sh
# The two commands of the README, on a machine that has Python 3.11+ and nothing else:
#   ./go bench [options of spoofproof bench]     install, build the built-in corpus, score, report
#   ./go test  [options of pytest]               install what the tests need, lint, check types, run the tests
#   ./go COMMAND ...                             any other spoofproof command, in the same environment
set -eu
cd "$(dirname "$0")"
venv=${SPOOFPROOF_VENV:-.venv}

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

find_python() {
  for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  say "Python 3.11 or newer is needed and none was found. On Debian or Ubuntu: apt-get install python3"
  exit 2
}

# Debian splits pip out of Python. As root its package is installed; otherwise pip is unpacked from the package, which
# needs no rights, and put into the environment from there.
make_environment() {
  python=$(find_python)
  say "making the environment in $venv with $python"
  if "$python" -c 'import ensurepip' 2>/dev/null && "$python" -m venv "$venv" 2>/dev/null; then return; fi
  rm -rf "$venv"
  minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing python3-venv"
    { apt-get update -qq && apt-get install -y -qq "python$minor-venv" ca-certificates; } >/dev/null
    "$python" -m venv "$venv"
    return
  fi
  if command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1; then
    say "unpacking pip from Debian's package (no root)"
    scratch=$(mktemp -d)
    (cd "$scratch" && apt-get download python3-pip-whl >/dev/null && dpkg-deb -x ./*.deb .)
    "$python" -m venv --without-pip "$venv"
    wheel=$(echo "$scratch"/usr/share/python-wheels/pip-*.whl)
    "$venv/bin/python" "$wheel/pip" install --quiet --no-index "$wheel"
    rm -rf "$scratch"
    return
  fi
  say "this Python cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)"
  exit 2
}

# install EXTRAS: only when pyproject.toml or the extras are not those of the last time
install() {
  [ -x "$venv/bin/python" ] || make_environment
  mark="$venv/.installed-${1:-core}-$(cksum <pyproject.toml | tr ' ' '-')"
  [ -e "$mark" ] && return
  say "installing${1:+ with $1} (once)"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e ".${1:+[$1]}"
  touch "$mark"
}

command=${1:-help}
[ $# -gt 0 ] && shift
case $command in
  help) sed -n '2,5s/^# \{0,1\}//p' "$0" ;;
  test)
    install test,train,neural,foundation,web,scale,fast
    "$venv/bin/ruff" check --quiet src tests examples benchmarks docs recipes
    "$venv/bin/ruff" format --quiet --check src tests examples benchmarks docs recipes
    "$venv/bin/mypy"
    OMP_NUM_THREADS=1 exec "$venv/bin/python" -m pytest -n "${SPOOFPROOF_TEST_WORKERS:-2}" "$@"
    ;;
  serve)
    install web
    exec "$venv/bin/spoofproof" serve "$@"
    ;;
  *)
    install ""
    exec "$venv/bin/spoofproof" "$command" "$@"
    ;;
esac
