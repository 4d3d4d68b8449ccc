"""The constant-Q transform: frequency in equal steps of pitch, each heard by a filter as narrow as its pitch asks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..types import Samples

Reals = NDArray[np.float32]

_NARROWEST = 228.7  # Hz / relative step: what is added to each bandwidth (3.3 Hz at 96 bins an octave)


@dataclass(frozen=True)
class ConstantQ:
    """rate, high in Hz; octaves below ``high``; bins an octave; shift: samples between frames; start: of the first.

    Bin k lies at high · 2^((k - count + 1) / bins) and is heard through a Hann window over frequency that reaches
    from its lower to its upper neighbour, and further on each side (by 1.65 Hz at 96 bins an octave): without that
    the lowest filters would ring for longer than a clip lasts. Done by one Fourier transform of the clip, and one short inverse
    for each bin (Velasco et al. 2011; Schörkhuber et al. 2014, variable Q).
    """

    rate: int = 16_000
    high: float = 8_000.0
    octaves: int = 9
    bins: int = 96
    shift: int = 160
    start: int = 160

    @property
    def centres(self) -> NDArray[np.float64]:
        """Frequencies of the bins in Hz, shape (octaves * bins,), the last one below ``high``."""
        return np.asarray(self.high * 2.0 ** (np.arange(-self.octaves * self.bins, 0) / self.bins))

    def power(self, samples: Samples, frames: int) -> Reals:
        """Power in each bin, shape (frames, bins in all); a full-scale sine on a bin has 1. Frame i is centred on
        start + i · shift; the clip is followed by zeros up to a whole number of shifts, then by itself."""
        size = -(-max(samples.size, frames * self.shift) // self.shift) * self.shift
        spectrum = scipy.fft.rfft(np.pad(samples, (0, size - samples.size)))
        first, weight, fine = _filters(self, size)
        take = np.clip(first[:, None] + np.arange(weight.shape[1]), 0, spectrum.size - 1)
        steps = size // self.shift * fine
        parts = scipy.fft.ifft(spectrum[take] * weight, n=steps, axis=1)
        where = (fine * np.arange(frames) + round(self.start / self.shift * fine)) % steps
        found = parts[:, where].T * np.float32(2 * steps / size)
        return np.asarray(found.real**2 + found.imag**2, dtype=np.float32)


@lru_cache(maxsize=4)
def _filters(grid: ConstantQ, size: int) -> tuple[NDArray[np.int64], Reals, int]:
    """(first Fourier bin of each filter, its Hann weights side by side, how many times finer than ``shift`` time is)."""
    per = size / grid.rate  # Fourier bins a Hz
    ratio = 2.0 ** (1 / grid.bins)
    half = (grid.centres * (ratio - 1 / ratio) + _NARROWEST * (ratio - 1 / ratio)) / 2 * per
    centre = grid.centres * per
    first = np.ceil(centre - half).astype(np.int64)
    place = first[:, None] + np.arange(int(2 * half.max()) + 2)
    off = (place - centre[:, None]) / half[:, None]
    inside = (np.abs(off) < 1) & (place >= 0) & (place <= size // 2)
    weight = np.where(inside, 0.5 + 0.5 * np.cos(np.pi * off), 0).astype(np.float32)
    fine = -(-weight.shape[1] // (size // grid.shift))  # so fine that no filter's band is folded
    return first, weight, fine


@lru_cache(maxsize=8)
def cepstral_weights(grid: ConstantQ, count: int, lowest: int = 16) -> Reals:
    """What turns log powers of the bins into ``count`` cepstra: (bins in all, count), by linear frequency and DCT-II.

    Uniform resampling: the log spectrum is interpolated in straight lines onto a linear scale with ``lowest`` points
    in the first octave, and the orthonormal DCT-II is taken there. Both are linear, so that one matrix does them.

    Source: Todisco, Delgado and Evans 2016, "A new feature for automatic speaker verification anti-spoofing:
    constant Q cepstral coefficients".
    """
    hz = grid.centres
    line = np.arange(hz[0], hz[-1], hz[0] / lowest)
    left = np.clip(np.searchsorted(hz, line, side="right") - 1, 0, hz.size - 2)
    share = (line - hz[left]) / (hz[left + 1] - hz[left])
    k = np.arange(count)[:, None]
    basis = np.sqrt(2 / line.size) * np.cos(np.pi * k * (2 * np.arange(line.size) + 1) / (2 * line.size))
    basis[0] /= np.sqrt(2)
    out = np.zeros((hz.size, count))
    np.add.at(out, left, (basis * (1 - share)).T)
    np.add.at(out, left + 1, (basis * share).T)
    return out.astype(np.float32)
