"""Keys for a service that others reach: shown once, kept as salted hashes; and sessions for the page.

A key has 256 random bits, so one round of SHA-256 with a salt cannot be searched through; a slow hash is for passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from pathlib import Path

from ..audio import whole_file
from ..errors import BadPlan

PREFIX = "spk_"
_SESSION_SECONDS = 12 * 3600.0
_SESSIONS = 1_000


def new_key(state: Path, name: str) -> str:
    """Make a key and store its hash in ``state``/keys.json. Returns the key: it cannot be had again.

    Raises BadPlan for a name that is taken or is no name (letters, digits, - and _, at most 40).
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
        raise BadPlan(f"a key is named with letters, digits, - and _, at most 40 of them; not {name!r}")
    rows = _read(state)
    if name in rows:
        raise BadPlan(
            f"there is a key {name!r} already; revoke it first (--revoke-key {name}) or take another name"
        )
    key = PREFIX + secrets.token_urlsafe(32)
    salt = secrets.token_hex(16)
    _write(state, {**rows, name: {"salt": salt, "sha256": _digest(salt, key)}})
    return key


def revoke_key(state: Path, name: str) -> None:
    """Forget a key; a running service forgets it at its next start. Raises BadPlan when there is none of that name."""
    rows = _read(state)
    if name not in rows:
        raise BadPlan(f"there is no key {name!r}; there is: {', '.join(sorted(rows)) or 'none'}")
    del rows[name]
    _write(state, rows)


class Keys:
    """The keys of a service as it started, and who is at the page."""

    def __init__(self, state: Path) -> None:
        self._rows = _read(state)
        self._sessions: dict[str, tuple[str, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def name_of(self, key: str) -> str | None:
        """Whose key this is, None for nobody's. Every row is compared, in constant time each."""
        found = None
        for name, row in self._rows.items():
            if hmac.compare_digest(_digest(row["salt"], key), row["sha256"]):
                found = name
        return found

    def open_session(self, name: str) -> str:
        """A token for the page's cookie, good for 12 hours or until the service stops."""
        now = time.monotonic()
        self._sessions = {k: v for k, v in self._sessions.items() if v[1] > now}
        while len(self._sessions) >= _SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        token = secrets.token_urlsafe(32)
        self._sessions[_digest("", token)] = (name, now + _SESSION_SECONDS)
        return token

    def of_session(self, token: str) -> str | None:
        """Whose session this is, None for nobody's."""
        name, until = self._sessions.get(_digest("", token), ("", 0.0))
        return name if until > time.monotonic() else None


def _digest(salt: str, key: str) -> str:
    return hashlib.sha256(f"{salt}{key}".encode()).hexdigest()


def _read(state: Path) -> dict[str, dict[str, str]]:
    path = state / "keys.json"
    if not path.exists():
        return {}
    try:
        rows: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
        return {name: {"salt": row["salt"], "sha256": row["sha256"]} for name, row in rows.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadPlan(
            f"{path} is damaged; remove it and make new keys with: spoofproof serve --new-key NAME"
        ) from None


def _write(state: Path, rows: dict[str, dict[str, str]]) -> None:
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = state / "keys.json"
    with whole_file(path) as out:
        out.write(json.dumps(rows, indent=1).encode())
    path.chmod(0o600)
