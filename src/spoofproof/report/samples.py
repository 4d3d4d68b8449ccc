"""Clips to listen to: which ones, as data: URIs, each with a small spectrogram (a PNG written by hand: 20 lines)."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..audio import open_audio
from ..errors import BadAudio
from ..results import ConditionInfo, Results
from ..scores import file_name
from ..types import CLEAN, Clip
from . import view

AUDIO_LIMIT = (
    6_000_000  # characters of audio in one page: it still opens at once and goes through a mail server
)
_WIDTH, _HEIGHT, _SHADES = 160, 80, 24
_FFT = 512


@dataclass(frozen=True, slots=True)
class Sound:
    """One clip under one condition. audio, picture: data: URIs; audio is "" where the page is full."""

    condition: str
    audio: str
    picture: str


@dataclass(frozen=True, slots=True)
class Original:
    """A clean clip, that stands in the page once. label: "real speech", "fake", or the clip's name."""

    id: str
    label: str
    audio: str
    picture: str


@dataclass(frozen=True, slots=True)
class Listening:
    """A clip under a corruption at its mildest and severest level. label: "bonafide", "spoof", "" where unknown."""

    group: str
    label: str
    clean_id: str
    sounds: tuple[Sound, ...]


@dataclass(frozen=True, slots=True)
class Samples:
    """What a page lets one hear. left_out: clips that did not fit."""

    originals: tuple[Original, ...]
    heard: tuple[Listening, ...]
    left_out: int


def samples(results: Results, run: Path, limit: int = AUDIO_LIMIT) -> Samples:
    """The first clip of each class under each corruption at its mildest and severest level that left it.

    Clips are embedded as they lie in ``run/samples`` (FLAC, so that no second codec is heard) until ``limit``
    characters are used. Real speech comes before fakes, so that what is left out is the second example of a corruption
    and not its only one. A clip that cannot be read is skipped: a report does not depend on it.
    """
    originals, heard = [], []
    used, left_out = 0, 0
    for number, clip in enumerate(_clips(run)):
        clean = _sound(run, CLEAN, clip)
        if clean is None:
            continue
        label = clip.partition("-")[0] if clip.startswith(("bonafide-", "spoof-")) else ""
        said = {"bonafide": "real speech", "spoof": "a fake"}.get(label, clip)
        originals.append(Original(f"clean-{number}", said, clean.audio, clean.picture))
        used += len(clean.audio)
        for group in [*view.corruptions(results), *view.controls(results)]:
            sounds = []
            for condition in _ends(run, group.counted, clip):
                sound = _sound(run, condition, clip)
                if sound is None:
                    continue
                if used + len(sound.audio) > limit:
                    left_out += 1
                    sound = Sound(condition, "", sound.picture)
                used += len(sound.audio)
                sounds.append(sound)
            if sounds:
                heard.append(Listening(group.name, label, f"clean-{number}", tuple(sounds)))
    names = list(dict.fromkeys(item.group for item in heard))
    return Samples(tuple(originals), tuple(sorted(heard, key=lambda item: names.index(item.group))), left_out)


def spectrogram(clip: Clip) -> NDArray[np.uint8]:
    """Power over time and frequency as shades 0 to 23, shape (80, 160): row 0 is half the rate, 70 dB from top to floor."""
    x = clip.samples.astype(np.float64)
    if x.size < _FFT:
        x = np.pad(x, (0, _FFT - x.size))
    starts = np.linspace(0, x.size - _FFT, _WIDTH).astype(int)
    frames = x[starts[:, None] + np.arange(_FFT)] * np.hanning(_FFT)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1 : _FFT // 2 + 1] ** 2
    edges = np.linspace(0, power.shape[1], _HEIGHT + 1).astype(int)
    bands = np.add.reduceat(power, edges[:-1], axis=1) / np.diff(edges)
    level = 10 * np.log10(bands + 1e-12)
    top = max(float(level.max()), -40.0)  # silence stays dark instead of being blown up to full scale
    shades = np.clip((level - top + 70) / 70, 0, 1) * (_SHADES - 1)
    return np.ascontiguousarray(shades.round().astype(np.uint8).T[::-1])


def png(shades: NDArray[np.uint8]) -> bytes:
    """A palette PNG of shades 0 to 23, dark to bright (ISO/IEC 15948; colours rise in lightness only, as in magma)."""
    height, width = shades.shape
    stops = np.array(
        [[8, 8, 26], [86, 22, 108], [190, 55, 84], [249, 142, 60], [252, 253, 191]], dtype=np.float64
    )
    at = np.linspace(0, len(stops) - 1, _SHADES)
    palette = np.stack([np.interp(at, range(len(stops)), stops[:, k]) for k in range(3)], axis=1)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), shades], axis=1)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", palette.round().astype(np.uint8).tobytes()),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _ends(run: Path, conditions: Sequence[ConditionInfo], clip: str) -> list[str]:
    """Names of the mildest and the severest condition that left this clip."""
    there = [c.name for c in conditions if (_folder(run, c.name) / clip).is_file()]
    return there if len(there) < 2 else [there[0], there[-1]]


def _folder(run: Path, condition: str) -> Path:
    return run / "samples" / file_name(condition)


def _clips(run: Path) -> list[str]:
    """The first clean clip of each class (file names begin with it); the first of all where no class is named."""
    names = sorted(path.name for path in _folder(run, CLEAN).glob("*.flac"))
    firsts = {name.partition("-")[0]: name for name in reversed(names)}
    return [firsts[label] for label in ("bonafide", "spoof") if label in firsts] or names[:1]


def _sound(run: Path, condition: str, clip: str) -> Sound | None:
    path = _folder(run, condition) / clip
    try:
        raw = path.read_bytes()
        picture = png(spectrogram(open_audio(raw)))
    except (BadAudio, OSError):
        return None
    return Sound(condition, _uri("audio/flac", raw), _uri("image/png", picture))


def _uri(kind: str, raw: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"
