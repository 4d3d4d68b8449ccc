"""What may be chosen about a service, with defaults that are safe on a laptop."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadPlan


@dataclass(frozen=True, slots=True)
class Settings:
    """state: folder for jobs, keys and uploads in flight (made with mode 0700). runs: bench runs to show, None for none.

    detector: what scores, as on the command line; "" for the one ``detect`` uses. table: its abstention table, None for the
    shipped one. host, port: where it listens.
    names: further host names by which it is reached, of this machine or of a proxy before it.
    workers: processes that decode and score. queue: items that may wait, further ones are refused (429).
    max_bytes, max_seconds: of one file; sync_seconds: of a file that ``/v1/detect`` answers at once;
    corrupt_seconds: of a file that ``/v1/corrupt`` takes. batch: files in one job.
    answer_seconds: that a client waits on the line before its file becomes a job. wall_seconds: of a worker for one item, long_wall_seconds for one of a job; cpu_seconds: processor time for either;
    memory: address space of a worker in bytes.
    attempts: how often an item is begun before a dying worker is taken for its fault.
    upload_seconds: for a whole upload; idle_seconds: without a byte, in either direction.
    rate: requests a minute for each key, 0 for no limit; burst: how many of them at once. streams: live streams at once.
    keep: leave uploads and results where they are. keep_hours: how long results of jobs are kept otherwise.
    """

    state: Path
    runs: Path | None = None
    detector: str = ""
    table: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8321
    names: tuple[str, ...] = ()
    workers: int = 2
    queue: int = 32
    max_bytes: int = 200_000_000
    max_seconds: float = 4 * 3600.0
    sync_seconds: float = 300.0
    corrupt_seconds: float = 60.0
    batch: int = 100
    answer_seconds: float = 60.0
    wall_seconds: float = 60.0
    long_wall_seconds: float = 3600.0
    cpu_seconds: float = 3600.0
    memory: int = 6_000_000_000
    attempts: int = 3
    upload_seconds: float = 300.0
    idle_seconds: float = 20.0
    rate: float = 120.0
    burst: int = 30
    streams: int = 4
    keep: bool = False
    keep_hours: float = 24.0

    @property
    def open_to_others(self) -> bool:
        """Whether anyone but this machine is meant to reach it: then it asks for keys."""
        return bool(self.names) or not is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address, can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def default_state() -> Path:
    """SPOOFPROOF_STATE, else spoofproof/serve in XDG_STATE_HOME, else in ~/.local/state."""
    named = os.environ.get("SPOOFPROOF_STATE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path("~/.local/state").expanduser()) / "spoofproof" / "serve"


def check(settings: Settings) -> Settings:
    """The same settings, each within its range. Raises BadPlan with the first that is not."""
    for name in (
        "workers", "queue", "max_bytes", "max_seconds", "sync_seconds", "corrupt_seconds", "batch", "answer_seconds", "wall_seconds",
        "long_wall_seconds", "cpu_seconds", "attempts", "upload_seconds", "idle_seconds", "burst", "keep_hours",
    ):  # fmt: skip
        if not getattr(settings, name) > 0:
            raise BadPlan(f"{name} is more than 0, not {getattr(settings, name)}")
    if settings.rate < 0 or settings.streams < 0:
        raise BadPlan("rate and streams are at least 0")
    if settings.memory < 1_000_000_000:
        raise BadPlan(f"a worker needs an address space of at least 1e9 bytes, not {settings.memory}")
    if settings.runs is not None and not settings.runs.is_dir():
        raise BadPlan(f"{settings.runs} is no folder; --runs takes the folder that holds run folders")
    return settings
