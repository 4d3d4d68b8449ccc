"""The short-time spectrum that regions are cut out of, and what is put in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..audio import fit
from ..types import Rng, Samples

Spectra: TypeAlias = NDArray[np.complex64]
Mask: TypeAlias = NDArray[np.bool_]
Fill: TypeAlias = Callable[[Spectra, Rng], Spectra]

FFT, HOP = 512, 128  # 32 ms and 8 ms at 16 kHz
BINS = FFT // 2 + 1


def stft(x: Samples) -> Spectra:
    """Spectra of centred periodic Hann windows, shape (frames, 257); frame i is centred on sample i · 128."""
    padded = np.pad(x.astype(np.float32, copy=False), (FFT // 2, FFT // 2 + (-x.size) % HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
    return np.asarray(scipy.fft.rfft(frames * _taper(), axis=1))


def istft(spectra: Spectra, samples: int) -> Samples:
    """The least-squares inverse (Griffin and Lim 1984): Hann windows squared, a quarter apart, add up to 3/2."""
    frames = scipy.fft.irfft(spectra, n=FFT, axis=1).astype(np.float32, copy=False)
    quarters = (frames * _taper()).reshape(len(frames), 4, HOP)
    weight = np.square(_taper()).reshape(4, HOP)
    out = np.zeros((len(frames) + 3, HOP), dtype=np.float32)
    total = np.zeros_like(out)
    for i in range(4):
        out[i : i + len(frames)] += quarters[:, i]
        total[i : i + len(frames)] += weight[i]
    flat = (out / np.maximum(total, np.float32(1e-3))).reshape(-1)
    return fit(np.asarray(flat[FFT // 2 :], dtype=np.float32), samples)


def median_level(spectra: Spectra, rng: Rng) -> Spectra:
    """Each bin at the median magnitude it has over the excerpt, its phases kept. Draws nothing."""
    return _at(spectra, np.median(np.abs(spectra), axis=0, keepdims=True))


def median_noise(spectra: Spectra, rng: Rng) -> Spectra:
    """Each bin at its median magnitude over the excerpt, with random phases."""
    level = np.median(np.abs(spectra), axis=0, keepdims=True)
    return np.asarray(level * _turns(spectra, rng), dtype=np.complex64)


def own_noise(spectra: Spectra, rng: Rng) -> Spectra:
    """The magnitudes that are there, with random phases: noise at the local level."""
    return np.asarray(np.abs(spectra) * _turns(spectra, rng), dtype=np.complex64)


def silence(spectra: Spectra, rng: Rng) -> Spectra:
    """Nothing at all. Draws nothing."""
    return np.zeros_like(spectra)


FILLS: Mapping[str, Fill] = MappingProxyType(
    {f.__name__.replace("_", "-"): f for f in (median_level, median_noise, own_noise, silence)}
)


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A wave whose regions can be taken out: its spectra beside the same spectra with everything filled."""

    size: int
    there: Spectra
    filled: Spectra

    @classmethod
    def of(cls, wave: Samples, fill: Fill, rng: Rng) -> Canvas:
        """wave: (T,) at 16 kHz."""
        there = stft(wave)
        return cls(wave.size, there, fill(there, rng))

    def without(self, region: Mask) -> Samples:
        """The wave with the fill where ``region``, shape (frames, 257), is true."""
        return istft(np.where(region, self.filled, self.there), self.size)


def _at(spectra: Spectra, level: NDArray[np.float32]) -> Spectra:
    size = np.abs(spectra)
    unit = np.where(size > 1e-12, spectra / np.maximum(size, np.float32(1e-12)), 1.0)
    return np.asarray(level * unit, dtype=np.complex64)


def _turns(spectra: Spectra, rng: Rng) -> Spectra:
    return np.asarray(np.exp(2j * np.pi * rng.random(spectra.shape)), dtype=np.complex64)


def _taper() -> Samples:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)
