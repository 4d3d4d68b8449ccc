"""Reverberation: a talker in a room."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ..errors import BadCorpus, BadPlan
from ..registry import corruption
from ..types import Clip, Rng, Samples
from . import measure
from .recordings import ROOMS, files, folder, read, trouble

_VOLUME = 50.0  # cubic metres: a living room
_DISTANCE = 1.0  # metres from talker to microphone
_NEAREST = 3  # recorded responses to draw from


def _seconds(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.rt60_of_response(measure.causal_response(clean, corrupted, 0.1 + 1.2 * level), clean.rate)


@corruption(
    family="modification",
    unit="s RT60",
    levels=(0.15, 0.3, 0.5, 0.8, 1.2),
    measure=_seconds,
    tolerance=0.05,
    available=lambda: trouble(ROOMS),
)
def reverb(clip: Clip, level: float, rng: Rng) -> Clip:
    """A room of 50 m³, the talker one metre away: direct sound, then noise that decays exponentially.

    level: RT60, the seconds in which the sound in the room falls by 60 dB, above 0 and up to 10. The direct sound is
    not delayed; the output has the power of the input, so that the room is heard and not its loudness. A longer
    decay also means more sound from the room than from the mouth (direct sound +0.3 dB at 0.15 s, -8.7 dB at 1.2 s).
    With a folder of recorded responses in SPOOFPROOF_RIR, one of the three whose measured RT60 is nearest is drawn
    instead; what it really was is the effective level. Raises BadPlan beyond the range.

    Polack's model (Moorer, Computer Music J. 3, 1979): signs are random, magnitudes follow the decay exactly. Ratio of
    direct to reverberant sound: critical distance 0.057 √(V / RT60) m (Kuttruff, Room Acoustics, ch. 5).
    """
    if not 0 < level <= 10:
        raise BadPlan(f"reverb@{level:g}: a reverberation time is above 0 and at most 10 seconds")
    root = folder(ROOMS)
    response = synthetic(level, clip.rate, rng) if root is None else _nearest(root, level, clip.rate, rng)
    x = clip.samples.astype(np.float64)
    n = fft.next_fast_len(x.size + min(x.size, response.size), real=True)
    wet = fft.irfft(fft.rfft(x, n) * fft.rfft(response[: x.size], n), n)[: x.size]
    power, wet_power = float(x @ x), float(wet @ wet)
    return clip.replace(wet * np.sqrt(power / wet_power) if wet_power else wet)


def synthetic(rt60: float, rate: int, rng: Rng) -> NDArray[np.float64]:
    """Impulse response of shape (about rt60 · rate,), the direct sound (1) first; down to -60 dB."""
    signs = (
        2.0 * rng.integers(0, 2, size=10 * rate) - 1
    )  # as many for every level: severities share their draw
    decay = np.exp(-3 * np.log(10) / (rt60 * rate) * np.arange(1, round(rt60 * rate) + 1))
    direct_db = 20 * np.log10(0.057 * np.sqrt(_VOLUME / rt60) / _DISTANCE)
    tail = signs[: decay.size] * decay
    tail *= 10 ** (-direct_db / 20) / np.sqrt((decay**2).sum())
    return np.concatenate([[1.0], tail])


def _nearest(root: Path, rt60: float, rate: int, rng: Rng) -> Samples:
    known = _times(root)
    if not known:
        raise BadCorpus(f"no file in {root} decays like a room; name another folder in {ROOMS}, or unset it")
    nearest = sorted(known, key=lambda item: abs(np.log(item[1] / rt60)))[:_NEAREST]
    return _aligned(nearest[int(rng.integers(len(nearest)))][0], rate)


@lru_cache(maxsize=4)
def _times(root: Path) -> tuple[tuple[Path, float], ...]:
    """Each response below ``root`` that decays as a room does, with its RT60 measured at 16 kHz.

    A room falls as fast from -5 to -25 dB as from -2 to -12, to within a factor of 1.5: filters and effects, which
    collections of responses hold too, do not.
    """
    times = []
    for path in files(root):
        response = _aligned(path, 16_000).astype(np.float64)
        early = measure.rt60_of_response(response, 16_000)
        late = measure.rt60_of_response(response, 16_000, top_db=-5, range_db=20)
        if 0.05 <= early <= 10 and 1 / 1.5 <= late / early <= 1.5:
            times.append((path, early))
    return tuple(times)


@lru_cache(maxsize=32)
def _aligned(path: Path, rate: int) -> Samples:
    """A recorded response from its direct sound on, taken as its largest sample, so that it delays nothing."""
    response = read(path, rate)
    return response[int(np.argmax(np.abs(response))) :]
