"""What is measured of every 20 ms of a recording: level, periodicity, flatness. Speech and noise are told from these.

Four bytes a number, three numbers a frame: an hour of audio is 2 MB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ..spectrum import hann
from ..types import Samples

RATE = 16_000
FRAME = 640  # 40 ms: two periods of the lowest voice
HOP = 320  # 20 ms
SILENCE_DB = -120.0  # level of digital silence
_FFT = 2048
_PITCH_HZ = (70.0, 400.0)
_VOICE_HZ = (80.0, 2000.0)  # where the harmonics of a voice stand out of noise
_SPEECH_HZ = (200.0, 4000.0)
_AT_ONCE = 256  # frames

Values = NDArray[np.float32]

_HZ = np.fft.rfftfreq(_FFT, 1 / RATE)
_WINDOW = hann(FRAME)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One value a frame, all of shape (F,), float32; frame k is 40 ms around 20·k + 20 ms.

    level: power above 80 Hz in dB of full scale, at least -120. periodicity: highest normalised autocorrelation at the
    lags of a voice (70 to 400 Hz), 0 to 1. flatness: of the spectrum from 200 to 4000 Hz in dB (geometric over
    arithmetic mean), at most 0; -2.5 for white noise.
    """

    level: Values
    periodicity: Values
    flatness: Values

    @property
    def frames(self) -> int:
        """How many."""
        return int(self.level.size)


class Tracker:
    """Collects the track of audio at 16 kHz that comes in blocks of any size: ``add`` each, then ``track``."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._parts: list[tuple[Values, Values, Values]] = []

    def add(self, block: Samples) -> None:
        """Samples of shape (n,) that follow those before."""
        self._rest = np.concatenate([self._rest, block])
        self._measure(at_least=_AT_ONCE)

    def _measure(self, at_least: int) -> None:
        while (count := (self._rest.size - FRAME) // HOP + 1) >= at_least:
            count = min(count, _AT_ONCE)
            views = np.lib.stride_tricks.sliding_window_view(self._rest, FRAME)[: count * HOP : HOP]
            self._parts.append(measure(views))
            self._rest = self._rest[count * HOP :].copy()

    def track(self) -> Track:
        """What was collected; audio shorter than a frame is one frame, followed by zeros."""
        self._measure(at_least=1)
        parts = self._parts
        if not parts:
            parts = [measure(np.pad(self._rest, (0, FRAME - self._rest.size))[None])]
        level, periodicity, flatness = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Track(level, periodicity, flatness)


def measure(frames: NDArray[np.float32]) -> tuple[Values, Values, Values]:
    """Level, periodicity and flatness of frames, shape (F, 640), each of shape (F,)."""
    power = np.abs(fft.rfft(frames.astype(np.float64) * _WINDOW, _FFT, axis=1)) ** 2
    power[:, _VOICE_HZ[0] > _HZ] = 0.0
    scale = 2 / (_FFT * (_WINDOW**2).sum())  # Parseval: mean square of the frame, one-sided spectrum
    level = 10 * np.log10(np.maximum(power.sum(axis=1) * scale, 10 ** (SILENCE_DB / 10)))
    silent = level <= SILENCE_DB
    speech = power[:, _between(_SPEECH_HZ)] + 1e-20
    flatness = 10 * (np.log10(speech).mean(axis=1) - np.log10(speech.mean(axis=1)))
    periodicity = _periodicity(power)
    periodicity[silent], flatness[silent] = 0.0, 0.0
    return level.astype(np.float32), periodicity.astype(np.float32), flatness.astype(np.float32)


def _periodicity(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Autocorrelation over that of the window (Boersma 1993, equation 9), its maximum over the lags of a voice."""
    voice = np.where(_between(_VOICE_HZ), power, 0.0)
    lags = slice(int(RATE / _PITCH_HZ[1]), int(RATE / _PITCH_HZ[0]) + 1)
    r = fft.irfft(voice, _FFT, axis=1)
    own = fft.irfft(np.abs(fft.rfft(_WINDOW, _FFT)) ** 2, _FFT)
    ratio = r[:, lags] / np.maximum(r[:, :1], 1e-20) / (own[lags] / own[0])
    return np.asarray(np.clip(ratio.max(axis=1), 0.0, 1.0), dtype=np.float64)


def _between(band: tuple[float, float]) -> NDArray[np.bool_]:
    return (band[0] <= _HZ) & (band[1] >= _HZ)
