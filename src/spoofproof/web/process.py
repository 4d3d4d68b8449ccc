"""A worker seen from the service: started, given one order at a time, killed when it hangs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpora.prompts import cache_root
from ..errors import SpoofproofError
from .settings import Settings

_LINE = 64_000_000  # bytes of the longest answer: a timeline of hours is some 10 MB
_START_SECONDS = 300.0  # libraries and weights, on a machine that is busy
_PASSED_ON = ("SPOOFPROOF_", "PYTHON", "LC_", "MALLOC_", "LD_LIBRARY_PATH", "LANG", "PATH", "HOME", "VIRTUAL_ENV", "XDG_")  # fmt: skip
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Died(Exception):
    """The process ended: killed, crashed, or out of its limits. begun: whether it had taken the task up."""

    def __init__(self, begun: bool = False) -> None:
        super().__init__(begun)
        self.begun = begun


class Hung(Exception):
    """The process did not answer in time and was killed."""


class Worker:
    """One process and its private folder. Not for two tasks at once. ``restarts``: how often it had to be replaced."""

    def __init__(self, settings: Settings, number: str) -> None:
        self._settings = settings
        self._number = number
        self._process: asyncio.subprocess.Process | None = None
        self._folder: Path | None = None
        self.restarts = -1
        self.holds: tuple[str, ...] = ()
        self.detector = ""

    @property
    def pid(self) -> int | None:
        """Process id, None while there is none."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def start(self) -> None:
        """Start the process, or do nothing where it runs. Raises SpoofproofError when the detector is no detector,
        Died or Hung when it does not come up."""
        if self.pid is not None:
            return
        await self.stop()
        self.restarts += 1
        base = self._settings.state / "workers"
        base.mkdir(exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{self._number}-", dir=base))
        environment = {k: v for k, v in os.environ.items() if k.startswith(_PASSED_ON)} | _THREADS
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "spoofproof.web.worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            cwd=self._folder, env=environment, limit=_LINE, start_new_session=True,
        )  # fmt: skip
        setup = {
            "folder": str(self._folder),
            "memory": self._settings.memory,
            "file_bytes": self._settings.max_bytes,
            "readable": [str(path) for path in _readable(self._settings)],
            "detector": self._settings.detector,
            "table": str(self._settings.table or ""),
        }
        ready = await self._ask(setup, _START_SECONDS)
        if "refused" in ready:
            raise SpoofproofError(ready["refused"])
        self.holds, self.detector = tuple(ready["ready"]), ready["detector"]

    async def run(
        self, task: str, options: Mapping[str, Any], *, source: Path | None, out: Path | None, seconds: float
    ) -> dict[str, Any]:
        """Do one task. source: a file lent to the worker as "in". out: where a file that it makes goes.

        seconds: of wall-clock time. Raises Died, Hung, and what ``start`` raises.
        """
        await self.start()
        assert self._folder is not None
        if source is not None:
            os.link(source, self._folder / "in")
        order = {"task": task, "options": dict(options), "cpu_seconds": self._settings.cpu_seconds}
        reply = await self._ask(order, seconds, says_begun=True)
        made = self._folder / "out"
        if out is not None and made.exists():
            made.replace(out)
        self._sweep()
        return reply

    async def stop(self) -> None:
        """Kill the process where there is one, and remove its folder."""
        # Both are let go of at once: while we wait for the end of the one, another task may start it anew.
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        if process is not None:
            if process.returncode is None:
                _kill(process.pid)
            await process.wait()
            if process.stdin is not None:
                process.stdin.close()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    async def _ask(
        self, order: Mapping[str, Any], seconds: float, *, says_begun: bool = False
    ) -> dict[str, Any]:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        begun = not says_begun
        try:
            async with asyncio.timeout(seconds):
                process.stdin.write(json.dumps(order).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
                if says_begun and line:
                    begun = True
                    line = await process.stdout.readline()
            if not line.endswith(b"\n"):
                raise Died
            reply: dict[str, Any] = json.loads(line)
        except TimeoutError:
            await self.stop()
            raise Hung from None
        except (Died, OSError, ValueError):  # closed pipe; a line too long or no JSON
            await self.stop()
            raise Died(begun) from None
        except asyncio.CancelledError:
            await self.stop()
            raise
        return reply

    def _sweep(self) -> None:
        assert self._folder is not None
        for path in self._folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _readable(settings: Settings) -> list[Path]:
    """What a worker may read for its weights: the cache, what SPOOFPROOF_… variables name, the detector's own file."""
    named = [
        Path(v) for k, v in os.environ.items() if k.startswith("SPOOFPROOF_") and k != "SPOOFPROOF_STATE"
    ]
    of_detector = [Path(part) for part in settings.detector.replace(".py:", ".py@").split("@") if part]
    paths = [cache_root(), *named, *of_detector, *filter(None, [settings.table])]
    return [path.expanduser().resolve() for path in paths if path.is_absolute() or path.exists()]
