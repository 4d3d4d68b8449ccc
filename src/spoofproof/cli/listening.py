"""What ``spoofproof listen`` does: read sound as it comes, judge the last seconds, print a line."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

import typer

from ..errors import BadAudio, MissingPart
from .console import note

_CHUNK = 16_000  # bytes, at most, that are taken at once: half a second
_RECORDERS = {
    "arecord": ("-q", "-f", "S16_LE", "-r", "16000", "-c", "1", "-t", "raw"),
    "parec": ("--format=s16le", "--rate=16000", "--channels=1", "--latency-msec=100"),
}


@contextmanager
def microphone() -> Iterator[BufferedIOBase]:
    """Raw PCM of the microphone, by ALSA's or PulseAudio's recorder. Raises MissingPart where neither is here."""
    for name, options in _RECORDERS.items():
        program = shutil.which(name)
        if program is not None:
            with subprocess.Popen([program, *options], stdout=subprocess.PIPE) as recorder:
                assert recorder.stdout is not None
                try:
                    yield cast(BufferedIOBase, recorder.stdout)
                finally:
                    recorder.terminate()
            return
    raise MissingPart(
        "the microphone is read by arecord (Debian: alsa-utils) or parec (pulseaudio-utils); install one, "
        "or pipe 16 kHz PCM into: spoofproof listen"
    )


def follow(pipe: BufferedIOBase, detector: str, table: Path | None, as_json: bool) -> None:
    """Print a verdict for every half second of ``pipe`` until it ends. Raises BadAudio for WAV of another kind."""
    import numpy as np

    from ..detect.judge import judge
    from ..shipped import DETECTOR
    from ..types import Clip
    from ..web.live import RATE, Heard, Rolling

    the_judge = judge(detector or DETECTOR, table=table)
    rolling = Rolling()
    said = False

    def say(heard: Heard) -> None:
        nonlocal said
        said = True
        samples = np.frombuffer(heard.pcm, "<i2").astype(np.float32) / np.float32(32_768)
        answer = the_judge.answer(Clip(samples, RATE), "the stream").as_dict()
        if as_json:
            line = {k: v for k, v in answer.items() if k not in {"path", "timeline", "spans"}}
            typer.echo(json.dumps({"start": heard.start, "end": heard.end, **line}))
        else:
            typer.echo(_line(heard.end, answer))

    head = pipe.read(12)
    first = b"" if _is_wav(head) else head
    if not first and head:
        _skip_to_data(pipe)
    try:
        chunk = first + (pipe.read1(_CHUNK) if first or head else b"")
        while chunk:
            heard = rolling.push(chunk)
            if heard is not None:
                say(heard)
            chunk = pipe.read1(_CHUNK)
    except KeyboardInterrupt:
        note("stopped")
        return
    last = rolling.last()
    if last is None:
        raise BadAudio(
            "less than a second of sound came in; expected 16-bit mono PCM at 16 kHz, or WAV of that kind"
        )
    if not said:
        say(last)


def _line(end: float, answer: dict[str, Any]) -> str:
    why = f"  ({answer['reasons'][0]})" if answer["reasons"] else ""
    chance = f"{answer['probability']:.0%} synthetic [{answer['low']:.0%}, {answer['high']:.0%}]"
    return f"{end:8.1f} s  {answer['verdict']:<16}  {chance}{why}"


def _is_wav(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WAVE"


def _skip_to_data(pipe: BufferedIOBase) -> None:
    """Read a WAV head up to its samples. A pipe has no length, so what the head says of it is not believed."""
    expected = "expected WAV with 16-bit PCM, mono, 16 kHz; convert with: ffmpeg -i FILE -ac 1 -ar 16000 -f s16le - | spoofproof listen"
    while True:
        chunk = pipe.read(8)
        if len(chunk) < 8:
            raise BadAudio(f"the WAV ends within its head; {expected}")
        size = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            return
        body = pipe.read(size + size % 2)
        if chunk[:4] == b"fmt ":
            found = tuple(int.from_bytes(body[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8), (14, 16)))
            if found != (1, 1, 16_000, 16):
                raise BadAudio(
                    f"the WAV has format {found[0]}, {found[1]} channels, {found[2]} Hz, {found[3]} bits; {expected}"
                )
