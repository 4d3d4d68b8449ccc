"""The parts of the service one at a time: what is written down, what is refused, what is closed off. No worker runs."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra web")

import itertools

from spoofproof.errors import BadPlan, BadScores
from spoofproof.web.guard import HEADERS, Guard, allowed_names, host_name
from spoofproof.web.jobs import Jobs, new_id
from spoofproof.web.keys import Keys, new_key, revoke_key
from spoofproof.web.limits import Buckets
from spoofproof.web.live import RATE, Rolling
from spoofproof.web.metrics import Metrics
from spoofproof.web.problems import Problem
from spoofproof.web.runs import find_run, find_runs
from spoofproof.web.settings import Settings, check, is_loopback
from spoofproof.web.upload import Form, receive
from spoofproof.web.worker import answer

# --- jobs ----------------------------------------------------------------------------------------------------------


def accepted(jobs: Jobs, items: int = 1, *, waited: bool = False, owner: str = "") -> str:
    job = new_id()
    for n in range(items):
        jobs.upload(job, n).write_bytes(b"audio")
    jobs.add(job, owner, "detect", {"max_seconds": 5}, items=items, waited=waited)
    return job


def test_those_who_wait_on_the_line_come_first_and_others_in_their_order(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    first, second, waits = accepted(jobs, 2), accepted(jobs), accepted(jobs, waited=True)
    order = [(item.job, item.n) for item in iter(lambda: jobs.claim(waited_only=False), None)]
    assert order == [(waits, 0), (first, 0), (first, 1), (second, 0)]
    assert jobs.waiting() == 0


def test_a_reserved_worker_takes_nothing_else(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    accepted(jobs)
    assert jobs.claim(waited_only=True) is None
    waits = accepted(jobs, waited=True)
    item = jobs.claim(waited_only=True)
    assert item is not None and item.job == waits and item.attempts == 1


def test_an_item_that_is_queued_again_keeps_its_place_and_its_count(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    first = accepted(jobs)
    accepted(jobs)
    item = jobs.claim(waited_only=False)
    assert item is not None
    jobs.requeue(item)
    again = jobs.claim(waited_only=False)
    assert again is not None and (again.job, again.attempts) == (first, 2)


def test_after_a_crash_what_ran_is_queued_and_files_of_nobody_are_gone(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    kept, line = accepted(jobs, 2), accepted(jobs, waited=True)
    stray = jobs.uploads / f"{new_id()}.0"
    stray.write_bytes(b"half an upload")
    while jobs.claim(waited_only=False):
        pass
    jobs.close()
    again = Jobs(tmp_path)
    assert again.recover() == 2
    assert again.get(line) is None
    assert {p.name for p in again.uploads.iterdir()} == {f"{kept}.0", f"{kept}.1"}


def test_states_of_a_job_follow_its_items(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = accepted(jobs, 2)

    def state() -> str:
        found = jobs.get(job)
        assert found is not None
        return found.state

    assert state() == "queued"
    one = jobs.claim(waited_only=False)
    assert one is not None and state() == "running"
    jobs.failed(one, "no audio", 422)
    assert state() == "running"
    two = jobs.claim(waited_only=False)
    assert two is not None
    jobs.done(two, {"llr": 1.0})
    assert state() == "done"
    jobs.failed(two, "no audio either", 422)
    assert state() == "failed"


def test_old_jobs_are_pruned_with_their_files_and_open_ones_are_not(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    ended, open_ = accepted(jobs), accepted(jobs)
    item = jobs.claim(waited_only=False)
    assert item is not None and item.job == ended
    jobs.done(item, {})
    assert jobs.prune(3600) == 0
    assert jobs.prune(0) == 1
    assert jobs.get(ended) is None and jobs.get(open_) is not None
    assert {p.name for p in jobs.uploads.iterdir()} == {f"{open_}.0"}


# --- uploads -------------------------------------------------------------------------------------------------------

BOUNDARY = "line"


def part(name: str, content: bytes, filename: str = "", kind: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"' + (
        f'; filename="{filename}"' if filename else ""
    )
    return (
        head.encode()
        + (f"\r\nContent-Type: {kind}" if kind else "").encode()
        + b"\r\n\r\n"
        + content
        + b"\r\n"
    )


END = f"--{BOUNDARY}--\r\n".encode()
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def taken(
    folder: Path,
    body: bytes,
    kind: str = TYPE,
    *,
    step: int = 7,
    files: int = 1,
    size: int = 1000,
    fields: frozenset[str] = frozenset({"condition"}),
) -> Form:
    async def chunks() -> AsyncIterator[bytes]:
        for i in range(0, len(body), step):
            yield body[i : i + step]

    return asyncio.run(
        receive(
            kind,
            chunks(),
            lambda n: folder / f"f{n}",
            max_bytes=size,
            max_files=files,
            fields=fields,
            seconds=5,
        )
    )


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_body_is_the_same_however_it_is_cut(tmp_path: Path, step: int) -> None:
    content = bytes(range(256)) + b"\r\n--lin\r\n--line\r"
    form = taken(
        tmp_path, part("file", content, "a.wav", "audio/wav") + part("condition", b"mp3@8") + END, step=step
    )
    assert form == Form(1, {"condition": "mp3@8"})
    assert (tmp_path / "f0").read_bytes() == content


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"{}", "application/json", 415, "multipart/form-data"),
        (b"", "", 415, "multipart/form-data"),
        (b"x", "multipart/form-data", 415, "multipart/form-data"),
        (b"no boundary here", TYPE, 400, "damaged"),
        (part("file", b"a" * 50, "x.wav", "audio/wav"), TYPE, 400, "cut off"),
        (part("file", b"a" * 50, "x.wav", "audio/wav")[:-20], TYPE, 400, "cut off"),
        (part("condition", b"mp3@8") + END, TYPE, 422, "no file"),
        (part("file", b"a" * 1001, "x.wav", "audio/wav") + END, TYPE, 413, "larger"),
        (part("file", b"<html>", "x.html", "text/html") + END, TYPE, 415, "text/html"),
        (part("file", b"a", "x", "audio/wav") * 2 + END, TYPE, 413, "at most 1 file"),
        (part("url", b"http://example.org/a.wav") + END, TYPE, 422, "unknown field 'url'"),
        (part("condition", b"m" * 5000) + END, TYPE, 413, "longer than"),
        (part("condition", b"\xff\xfe") + END, TYPE, 422, "UTF-8"),
        (part("file", b"a", "n" * 3500, "audio/wav") + END, TYPE, 413, "header"),
    ],
)  # fmt: skip
def test_what_is_no_upload_is_refused_and_leaves_nothing(
    tmp_path: Path, body: bytes, kind: str, status: int, words: str
) -> None:
    with pytest.raises(Problem) as caught:
        taken(tmp_path, body, kind)
    assert caught.value.status == status and words in caught.value.detail
    assert list(tmp_path.iterdir()) == []


def test_a_file_at_the_limit_is_taken(tmp_path: Path) -> None:
    assert taken(tmp_path, part("file", b"a" * 1000, "x", "audio/wav") + END).files == 1


def test_names_of_clients_never_become_paths(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    taken(inside, part("file", b"a", "../../evil.wav", "audio/wav") + END)
    assert {p.name for p in tmp_path.rglob("*")} == {"inside", "f0"}


# --- keys, rates, hosts --------------------------------------------------------------------------------------------


def test_a_key_is_stored_as_a_hash_that_only_its_owner_can_read(tmp_path: Path) -> None:
    key = new_key(tmp_path, "press")
    file = tmp_path / "keys.json"
    assert key not in file.read_text() and stat.S_IMODE(file.stat().st_mode) == 0o600
    other = new_key(tmp_path, "radio")
    keys = Keys(tmp_path)
    assert keys.name_of(key) == "press" and keys.name_of(other) == "radio"
    assert keys.name_of(key + "x") is None and keys.name_of("") is None
    rows = json.loads(file.read_text())
    assert rows["press"]["salt"] != rows["radio"]["salt"]
    revoke_key(tmp_path, "press")
    assert Keys(tmp_path).name_of(key) is None and Keys(tmp_path).name_of(other) == "radio"
    with pytest.raises(BadPlan, match="there is a key 'radio'"):
        new_key(tmp_path, "radio")
    for bad in ("", "a b", "../x", "x" * 41):
        with pytest.raises(BadPlan, match="named with letters"):
            new_key(tmp_path, bad)
    file.write_text("[]")
    with pytest.raises(BadPlan, match="damaged"):
        Keys(tmp_path)


def test_a_session_is_of_its_key_and_no_token_is_guessed(tmp_path: Path) -> None:
    new_key(tmp_path, "press")
    keys = Keys(tmp_path)
    token = keys.open_session("press")
    assert keys.of_session(token) == "press"
    assert keys.of_session(token[:-1]) is None and keys.of_session("") is None


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = 0.0
    buckets = Buckets(rate=60, burst=3, now=lambda: now)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]
    assert buckets.take("b") == 0
    now = 1.0
    assert [buckets.take("a") for _ in range(2)] == [0, 1]
    now = 1000.0
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 1]
    assert all(Buckets(0, 1).take("a") == 0 for _ in range(100))


def test_what_counts_as_this_machine() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.2", "example.org", "")))
    assert (
        host_name("LocalHost:80") == "localhost" and host_name("[::1]:80") == "::1" and host_name("[") == ""
    )
    names = allowed_names("127.0.0.1", ("Voices.example",))
    assert (
        names is not None and {"localhost", "::1", "voices.example"} <= names and "example.org" not in names
    )
    assert allowed_names("0.0.0.0", ()) is None


def test_a_defect_is_answered_with_the_same_headers_and_its_trace_is_left_to_the_log() -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    metrics = Metrics()
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"host", b"localhost")]}
    with pytest.raises(ZeroDivisionError):  # the server writes it down
        asyncio.run(Guard(broken, metrics, None)(scope, None, send))  # type: ignore[arg-type]
    start, body = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert start["status"] == 500 and headers.items() >= HEADERS.items()
    assert headers["content-type"] == "application/problem+json" and headers["cache-control"] == "no-store"
    assert json.loads(body["body"])["status"] == 500 and b"secret" not in body["body"]
    assert 'route="other",status="500"' in metrics.text({})


def test_a_detector_that_fails_is_named_without_its_folder(tmp_path: Path) -> None:
    name = "/home/somebody/known.py:known"

    def fail(*_: object, **__: object) -> None:
        raise BadScores(f"{name} gives no number for {tmp_path / 'in'}")

    order = {"task": "detect", "options": {"max_seconds": 9.0}}
    said = answer(order, tmp_path, SimpleNamespace(name=name, answer=fail))  # type: ignore[arg-type]
    assert said == {"refused": "known.py:known gives no number for the file", "status": 422}


def test_settings_out_of_range_are_named(tmp_path: Path) -> None:
    for field, value in (
        ("workers", 0),
        ("queue", -1),
        ("max_bytes", 0),
        ("rate", -1),
        ("memory", 1),
        ("runs", tmp_path / "no"),
    ):
        with pytest.raises(BadPlan, match=field if field != "memory" else "address space"):
            check(Settings(tmp_path, **{field: value}))  # type: ignore[arg-type]


def test_others_are_let_in_only_where_there_is_a_key(tmp_path: Path) -> None:
    from spoofproof.web.app import make_app

    for settings in (Settings(tmp_path, host="0.0.0.0"), Settings(tmp_path, names=("voices.example",))):
        with pytest.raises(BadPlan, match="no key"):
            make_app(settings)
    new_key(tmp_path, "press")
    make_app(Settings(tmp_path, host="0.0.0.0"))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


# --- runs, metrics, streams ----------------------------------------------------------------------------------------


def test_only_runs_of_the_folder_itself_are_shown(tmp_path: Path) -> None:
    shelf, outside = tmp_path / "shelf", tmp_path / "outside"
    for place in (shelf / "good", shelf / "half", outside):
        place.mkdir(parents=True)
        (place / "run.json").write_text('{"plan": "smoke"}')
    (shelf / "half" / "run.json").write_text('{"plan": ')
    (outside / "secret.html").write_text("secret")
    (shelf / "good" / "report.html").symlink_to(outside / "secret.html")
    (shelf / "link").symlink_to(outside)
    (shelf / "empty").mkdir()
    assert [run.name for run in find_runs(shelf)] == ["good"]
    assert find_runs(shelf)[0].report is None
    for name in ("..", "../outside", "link", "good/", "/etc", "", ".", "good\0"):
        assert find_run(shelf, name) is None
    assert find_runs(None) == []


def test_metrics_are_in_the_text_format_of_prometheus() -> None:
    metrics = Metrics()
    metrics.count("spoofproof_refused_total", reason='a "b"\\\n')
    for seconds in (0.01, 0.02, 1000):
        metrics.time("/v1/detect", seconds)
    lines = metrics.text({"spoofproof_workers": 2}).splitlines()
    assert 'spoofproof_refused_total{reason="a \\"b\\"\\\\\\n"} 1' in lines
    assert "spoofproof_workers 2" in lines and "# TYPE spoofproof_workers gauge" in lines
    found = {
        line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in lines if "request_seconds_bucket" in line
    }
    at = 'spoofproof_request_seconds_bucket{le="%s",route="/v1/detect"}'
    assert [found[at % edge] for edge in ("0.01", "0.025", "60.0", "+Inf")] == ["1", "2", "2", "3"]
    assert 'spoofproof_request_seconds_sum{route="/v1/detect"} 1000.030000' in lines


@pytest.mark.parametrize("step", [1, 333, 3200, 16_001])
def test_windows_of_a_stream_hold_its_last_seconds_however_it_comes(step: int) -> None:
    samples = bytes(b for i in range(6 * RATE) for b in (i % 251, i // 251 % 251))
    if step == 1:
        samples = samples[: 2 * int(2.2 * RATE)]
    rolling = Rolling()
    ends = []
    for i in range(0, len(samples), step):
        heard = rolling.push(samples[i : i + step])
        if heard is not None:
            ends.append(heard.end)
            assert len(heard.pcm) % 2 == 0
            assert heard.pcm == samples[2 * round(heard.start * RATE) : 2 * round(heard.end * RATE)]
            assert heard.end - heard.start == pytest.approx(min(4.0, heard.end), abs=1e-9)
    assert ends[0] == pytest.approx(1.0, abs=step / 2 / RATE)
    gaps = [b - a for a, b in itertools.pairwise(ends)]
    assert all(0 < gap <= 0.5 + step / RATE for gap in gaps)
    last = rolling.last()
    assert last is not None and last.pcm.endswith(samples[-1000:])
    assert Rolling().last() is None


# --- the sandbox ---------------------------------------------------------------------------------------------------

SANDBOX = """
import json, os, socket, subprocess, sys, threading, pathlib, signal
from spoofproof.web import sandbox
folder, other = map(pathlib.Path, sys.argv[1:3])
holds = sandbox.enter(folder, memory=2_000_000_000, file_bytes=10_000)
sandbox.allow_cpu(30)

def attempt(do):
    try:
        do()
    except BaseException as error:
        return type(error).__name__
    return "done"

def connect():
    socket.create_connection(("127.0.0.1", 9), timeout=2)

def thread():
    one = threading.Thread(target=lambda: (folder / "of-thread").write_text("x"))
    one.start(); one.join()
    assert (folder / "of-thread").exists()

print(json.dumps({"holds": holds, "results": {
    "write inside": attempt(lambda: (folder / "a").write_text("x")),
    "read inside": attempt(lambda: (folder / "a").read_text()),
    "write outside": attempt(lambda: (other / "a").write_text("x")),
    "read outside": attempt(lambda: (other / "secret").read_text()),
    "list outside": attempt(lambda: list(other.iterdir())),
    "move outside": attempt(lambda: os.rename(folder / "a", other / "b")),
    "link in": attempt(lambda: os.link(other / "secret", folder / "s")),
    "large file": attempt(lambda: (folder / "large").write_bytes(b"x" * 20_000)),
    "much memory": attempt(lambda: bytearray(3_000_000_000)),
    "socket": attempt(lambda: socket.socket()),
    "connect": attempt(connect),
    "program": attempt(lambda: subprocess.run(["true"])),
    "fork": attempt(lambda: os.fork() or os._exit(0)),
    "signal": attempt(lambda: os.kill(os.getppid(), 0)),
    "thread": attempt(thread),
    "temporary": attempt(lambda: __import__("tempfile").TemporaryFile().close()),
}}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are of Linux")
def test_the_sandbox_holds(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("secret")
    done = subprocess.run(
        [sys.executable, "-P", "-c", SANDBOX, str(inside), str(outside)],
        capture_output=True, text=True, timeout=60, cwd=inside,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    results = said["results"]
    for allowed in ("write inside", "read inside", "thread", "temporary"):
        assert results.pop(allowed) == "done", allowed
    assert results.pop("large file") == "OSError"
    assert results.pop("much memory") == "MemoryError"
    assert results.pop("signal") in {"done", "PermissionError"}  # Landlock before its sixth version
    refused_by = {"files": ("write outside", "read outside", "list outside", "move outside", "link in"), "calls": ("socket", "connect", "program", "fork")}  # fmt: skip
    assert "limits" in said["holds"]
    for wall, names in refused_by.items():
        for name in names if wall in said["holds"] else ():
            crossed = {"OSError"} if name in {"move outside", "link in"} else set()  # EXDEV
            assert results[name] in {"PermissionError"} | crossed, (name, results)
    assert (outside / "secret").read_text() == "secret" and [p.name for p in outside.iterdir()] == ["secret"]
