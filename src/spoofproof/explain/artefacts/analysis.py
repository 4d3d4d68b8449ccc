"""What all measures share, computed once: pitch, power over time and frequency, levels, what is speech and what is pause."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_opening

from ...corpora.source_filter import aperiodicity, pitch
from ...errors import BadAudio
from ...types import Clip, Samples

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

RATE = 16_000
FFT, HOP = 512, 80  # 32 ms, 5 ms: the frames of pitch()
SPEECH_DB = 30.0  # below the loud frames of the clip: what lies lower is a pause
FLOOR_DB = -100.0


@dataclass(frozen=True, eq=False)
class Analysis:
    """An excerpt at 16 kHz. samples: (T,). All frames are 5 ms apart and centred on sample i · 80."""

    samples: Samples

    @classmethod
    def of(cls, clip: Clip) -> Analysis:
        """Raises BadAudio for another rate."""
        if clip.rate != RATE:
            raise BadAudio(f"artefacts are measured at {RATE} Hz, not {clip.rate}; resample the clip first")
        return cls(clip.samples)

    @property
    def seconds(self) -> float:
        """Duration."""
        return float(self.samples.size / RATE)

    @cached_property
    def silent(self) -> bool:
        """Whether there is nothing to hear: no sample reaches -80 dB of full scale."""
        return bool(np.abs(self.samples).max() < 1e-4)

    @cached_property
    def f0(self) -> Floats:
        """Fundamental frequency in Hz a frame, 0 where unvoiced."""
        if self.silent:
            return np.zeros(self.samples.size // HOP + 1)
        return pitch(self.samples, RATE)

    @cached_property
    def noise_share(self) -> Floats:
        """Share of the power that is noise a frame and bin, shape (frames, 513); 1 where unvoiced."""
        return aperiodicity(self.samples, RATE, self.f0)

    @cached_property
    def power(self) -> Floats:
        """Power a frame and bin, shape (frames, 257), Hann windows of 32 ms; full-scale white noise is about 1/3."""
        return power_frames(self.samples, FFT, HOP)

    @cached_property
    def level(self) -> Floats:
        """Level of each frame in dB of full scale, over 20 ms, no lower than -100."""
        wide = 4 * HOP
        padded = np.pad(np.square(self.samples.astype(np.float64)), (wide // 2, wide))
        total = np.concatenate([[0.0], np.cumsum(padded)])
        starts = np.arange(self.samples.size // HOP + 1) * HOP
        mean = np.maximum(total[starts + wide] - total[starts], 0.0) / wide
        return np.asarray(10 * np.log10(mean + 10 ** (FLOOR_DB / 10)))

    @cached_property
    def loud(self) -> float:
        """Level of the loud frames in dB: the 95th percentile."""
        return float(np.percentile(self.level, 95))

    @cached_property
    def speech(self) -> Flags:
        """Frames within 30 dB of the loud ones; gaps below 50 ms are filled, islands below 30 ms left out."""
        if self.silent:
            return np.zeros(self.level.size, dtype=np.bool_)
        near = np.pad(self.level > self.loud - SPEECH_DB, 10, mode="edge")
        closed = binary_closing(near, np.ones(10))
        return np.asarray(binary_opening(closed, np.ones(6))[10:-10])

    def runs(self, flags: Flags, least: float = 0.0) -> list[tuple[int, int]]:
        """(first, last + 1) frame of each stretch where ``flags`` holds for at least ``least`` seconds."""
        return [(a, b) for a, b in runs_of(flags) if (b - a) * HOP / RATE >= least]

    def when(self, first: int, last: int) -> tuple[float, float]:
        """Seconds from the beginning of frame ``first`` to that of ``last``, inside the clip."""
        return first * HOP / RATE, min(last * HOP / RATE, self.seconds)


def runs_of(flags: Flags) -> list[tuple[int, int]]:
    """(first, last + 1) of each stretch of true.

    >>> runs_of(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def power_frames(x: Samples, fft: int, hop: int) -> Floats:
    """Power spectra of centred Hann windows of ``fft`` samples, shape (x.size // hop + 1, fft/2+1)."""
    taper = np.hanning(fft + 1)[:-1]
    padded = np.pad(x.astype(np.float64), (fft // 2, fft))
    frames = np.lib.stride_tricks.sliding_window_view(padded, fft)[::hop][: x.size // hop + 1]
    return np.asarray(np.square(np.abs(scipy.fft.rfft(frames * taper, axis=1))) / np.square(taper).sum())
