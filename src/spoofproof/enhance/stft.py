"""Short-time spectra that can be put together again: square roots of Hann windows, three quarters overlapped."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Real = NDArray[np.float64]
Spectra = NDArray[np.complex128]

SECONDS = 0.032
OVERLAP = 4  # frames that cover a sample


def frame_size(rate: int) -> int:
    """Samples in a frame at ``rate`` Hz: 32 ms, a multiple of the overlap, at least 16."""
    return max(16, OVERLAP * round(SECONDS * rate / OVERLAP))


def analyse(x: Real, size: int) -> Spectra:
    """Spectra of every frame, shape (frames, size / 2 + 1); the first and last samples are covered as often as others."""
    hop = size // OVERLAP
    frames = -(-(x.size + size - hop) // hop)
    padded = np.zeros((frames - 1) * hop + size)
    padded[size - hop : size - hop + x.size] = x
    view = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    return np.asarray(scipy.fft.rfft(view * _window(size), axis=1), dtype=np.complex128)


def synthesise(spectra: Spectra, size: int, samples: int) -> Real:
    """The inverse of ``analyse``, ``samples`` long: exact for spectra that were not changed."""
    hop = size // OVERLAP
    pieces = scipy.fft.irfft(spectra, n=size, axis=1) * _window(size)
    out = np.zeros((len(pieces) + OVERLAP - 1, hop))
    for quarter in range(OVERLAP):
        out[quarter : quarter + len(pieces)] += pieces[:, quarter * hop : (quarter + 1) * hop]
    return np.asarray(out.reshape(-1)[size - hop : size - hop + samples])


def _window(size: int) -> Real:
    """Root of a periodic Hann window, scaled so that its square, shifted by quarters, adds up to one."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    return np.sqrt(hann * 2 / OVERLAP)
