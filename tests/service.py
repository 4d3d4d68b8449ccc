"""A whole service in a process of its own, on a free port of loopback, with a detector whose answers are known.

The detector listens for a whistle: a voice with one at 3 kHz is synthetic, others are real; 4.5 kHz takes two seconds,
5 kHz never ends, 6 kHz takes the process down, 7 kHz asks for 64 GB.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile

import detect_toys
from signals import voice
from spoofproof.web.settings import Settings

TOY = '''
import os, time
import numpy as np
import spoofproof


@spoofproof.detector(rate=16_000)
def known(_: str = "") -> spoofproof.Detector:
    """Listens for a whistle: none or a low one is real, 3 kHz is synthetic; others are trouble."""

    def whistles(clip, at):
        power = np.abs(np.fft.rfft(clip.samples * np.hanning(clip.samples.size))) ** 2
        hz = np.fft.rfftfreq(clip.samples.size, 1 / clip.rate)
        beside = power[(abs(hz - at) > 60) & (abs(hz - at) < 200)].mean()
        return power[abs(hz - at) < 20].mean() > 30 * beside + 1e-9

    def score(clips):
        out = []
        for clip in clips:
            if whistles(clip, 4500):
                time.sleep(2)
            if whistles(clip, 5000):
                time.sleep(3600)
            if whistles(clip, 6000):
                os._exit(7)
            if whistles(clip, 7000):
                np.empty(1 << 33)
            out.append(-8.0 if whistles(clip, 3000) else 8.0)
        return out

    return score
'''

_RUN = """
import json, sys
from pathlib import Path
from spoofproof.web.serve import serve
from spoofproof.web.settings import Settings
given = json.loads(sys.argv[1])
for name in ("state", "runs", "table"):
    given[name] = given.get(name) and Path(given[name])
given["names"] = tuple(given.get("names", ()))
serve(Settings(**given), print)
"""


def write_toy(folder: Path) -> tuple[str, Path]:
    """The detector as FILE.py:NAME, and its table."""
    file = folder / "known.py"
    file.write_text(TOY)
    name = f"{file}:known"
    (folder / "known.json").write_text(json.dumps(detect_toys.table(name).to_dict()))
    return name, folder / "known.json"


def tone(hz: float, seconds: float = 1.5, rate: int = 16_000, kind: str = "WAV") -> bytes:
    """A file with a voice in it, so that there is speech, and a soft whistle that the detector goes by."""
    x = voice(seconds, rate=rate).samples
    x = x + 0.05 * np.sin(2 * np.pi * hz * np.arange(x.size) / rate)
    out = io.BytesIO()
    soundfile.write(out, x.astype(np.float32), rate, format=kind)
    return out.getvalue()


def upload(content: bytes, kind: str = "audio/wav") -> dict[str, Any]:
    """The ``files`` of a request with one recording, whose name has what names should not have."""
    return {"file": ('../../etc/"pass\nwd'.replace("\n", " ") + " ünï.wav", content, kind)}


@dataclasses.dataclass
class Service:
    """A running service. client: speaks to it. state: its folder. process: its own, not its workers'."""

    url: str
    state: Path
    process: subprocess.Popen[bytes]
    client: httpx.Client
    log: Path

    def workers(self) -> list[int]:
        """Process ids of the workers that are ready."""
        found = []
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    stat = (place / "stat").read_text().rsplit(")", 1)[1].split()
                    if int(stat[1]) == self.process.pid:
                        found.append(int(place.name))
        return found

    def kill(self, *, hard: bool = True) -> None:
        """End the service: as if the machine had gone, or as a person does."""
        self.process.send_signal(signal.SIGKILL if hard else signal.SIGINT)
        self.process.wait(60)

    def left(self) -> list[str]:
        """Files that are left of uploads and workers."""
        places = [self.state / "uploads", self.state / "workers"]
        return sorted(
            str(p.relative_to(self.state)) for place in places for p in place.rglob("*") if p.is_file()
        )

    def wait_for(self, job: str, seconds: float = 90) -> dict[str, Any]:
        """A job once it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            body: dict[str, Any] = self.client.get(f"/v1/jobs/{job}").json()
            if body["state"] in {"done", "failed"}:
                return body
            time.sleep(0.1)
        raise AssertionError(
            f"the job has not ended after {seconds} s: {body}; {self.log.read_text()[-2000:]}"
        )


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(
    state: Path, *, wait: bool = True, headers: dict[str, str] | None = None, **chosen: Any
) -> Iterator[Service]:
    """A service with these settings, its first worker ready; gone at the end."""
    port = free_port()
    given = {"state": str(state), "port": port} | {
        k: str(v) if isinstance(v, Path) else v for k, v in chosen.items()
    }
    assert set(given) <= {f.name for f in dataclasses.fields(Settings)}
    log = state.with_suffix(f".{port}.log")
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", _RUN, json.dumps(given)], stdout=out, stderr=out, env=os.environ | {"PYTHONUNBUFFERED": "1"})  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=120, headers=headers) as client:
        found = Service(url, state, process, client, log)
        try:
            end = time.monotonic() + 120
            while wait:
                with contextlib.suppress(httpx.TransportError):
                    health = client.get("/health").json()
                    assert not health["detail"], health
                    if health["workers"] >= given.get("workers", 2):
                        break
                assert process.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.3)
            yield found
        finally:
            if process.poll() is None:
                found.kill()
