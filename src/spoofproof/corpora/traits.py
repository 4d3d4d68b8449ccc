"""What can be known of an audio file without listening to it: length, level, silence, band, container."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..audio import open_audio
from ..errors import BadAudio
from ..types import Clip

NUMERIC: Mapping[str, str] = {
    "duration": "s",
    "loudness": "dBFS",
    "peak": "dBFS",
    "leading silence": "s",
    "trailing silence": "s",
    "bandwidth": "Hz",
    "roll-off": "Hz",
    "DC offset": "FS",
    "sample rate": "Hz",
    "channels": "",
}
"""Trivial features and their units."""

CATEGORICAL = ("codec", "ending")

FLOOR_DB = -120.0
SILENCE_DB = -40.0  # below the loudest frame
BAND_DB = -60.0  # below the strongest bin of the long-term spectrum
_FRAME = 1024


@dataclass(frozen=True, slots=True)
class Traits:
    """Trivial features of one file. numbers: by the names of NUMERIC. kinds: by those of CATEGORICAL.

    digest: of the decoded samples and their rate: equal digests are the same sound in whatever container.
    """

    numbers: Mapping[str, float]
    kinds: Mapping[str, str]
    digest: str


def traits(path: Path) -> Traits:
    """Decode a whole file and measure it. Raises BadAudio when it is missing, unreadable or cut short."""
    clip = open_audio(path)
    rate, channels, codec, promised = _header(path, clip)
    if promised is not None and clip.samples.size < promised - clip.rate * 0.1:
        raise BadAudio(
            f"{path} is cut short: its header promises {promised / clip.rate:.2f} s, it holds {clip.seconds:.2f} s"
        )
    if _riff_cut_short(path):
        raise BadAudio(f"{path} is cut short: the file is smaller than its RIFF header says")
    x = clip.samples
    digest = hashlib.blake2b(np.ascontiguousarray(x).tobytes(), digest_size=16)
    digest.update(str(clip.rate).encode())
    leading, trailing = silences(clip)
    bandwidth, rolloff = bands(clip)
    numbers = {
        "duration": clip.seconds,
        "loudness": _db(float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))),
        "peak": _db(float(np.abs(x).max())),
        "leading silence": leading,
        "trailing silence": trailing,
        "bandwidth": bandwidth,
        "roll-off": rolloff,
        "DC offset": abs(float(x.mean(dtype=np.float64))),
        "sample rate": float(rate),
        "channels": float(channels),
    }
    return Traits(numbers, {"codec": codec, "ending": path.suffix.lower()}, digest.hexdigest())


def silences(clip: Clip) -> tuple[float, float]:
    """(leading, trailing) silence in seconds: frames of 10 ms more than 40 dB below the loudest one.

    Both are the whole duration for a clip of zeros.
    """
    hop = max(1, clip.rate // 100)
    x = np.square(clip.samples.astype(np.float64))
    frames = np.add.reduceat(x, np.arange(0, x.size, hop))
    peak = frames.max()
    if peak <= 0:
        return clip.seconds, clip.seconds
    loud = np.flatnonzero(frames > peak * 10 ** (SILENCE_DB / 10))
    return float(loud[0] * hop / clip.rate), float(max(0, x.size - (loud[-1] + 1) * hop) / clip.rate)


def bands(clip: Clip) -> tuple[float, float]:
    """(bandwidth, roll-off) in Hz of the long-term average spectrum (Hann, 1024 samples, half overlapped).

    bandwidth: the highest frequency within 60 dB of the strongest. roll-off: 95 % of the energy lies below it.
    Both are 0 for a clip of zeros.
    """
    power = _spectrum(clip.samples)
    if power.max() <= 0:
        return 0.0, 0.0
    step = clip.rate / _FRAME
    top = int(np.flatnonzero(power >= power.max() * 10 ** (BAND_DB / 10))[-1])
    share = np.cumsum(power) / power.sum()
    return top * step, int(np.searchsorted(share, 0.95)) * step


def _spectrum(samples: NDArray[np.float32], most: int = 2000) -> NDArray[np.float64]:
    x = samples if samples.size >= _FRAME else np.pad(samples, (0, _FRAME - samples.size))
    frames = np.lib.stride_tricks.sliding_window_view(x, _FRAME)[:: _FRAME // 2]
    if len(frames) > most:  # a song: every n-th frame says as much
        frames = frames[:: -(-len(frames) // most)]
    window = np.hanning(_FRAME + 2)[1:-1].astype(np.float32)  # no zero at the edge: one sample is heard
    power: NDArray[np.float64] = np.square(np.abs(np.fft.rfft(frames * window, axis=1))).mean(axis=0)
    return power


def _db(amplitude: float) -> float:
    return max(FLOOR_DB, 20 * float(np.log10(max(amplitude, 1e-12))))


def _header(path: Path, clip: Clip) -> tuple[int, int, str, int | None]:
    """(rate, channels, codec, frames promised or None) as the container says; what libsndfile cannot open has no more."""
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, RuntimeError, OSError):
        return clip.rate, 1, path.suffix.lower().lstrip("."), None
    codec = f"{info.format} {info.subtype}".lower()
    return int(info.samplerate), int(info.channels), codec, int(info.frames) if info.frames < 2**40 else None


def _riff_cut_short(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    size = int.from_bytes(head[4:8], "little")
    return (
        head[:4] == b"RIFF" and head[8:] == b"WAVE" and 0 < size < 0xFFFFFFFF and path.stat().st_size < size
    )
