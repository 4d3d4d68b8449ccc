"""Spectra as plain convolutions with a windowed Fourier basis, so that an exported network holds nothing but products.

``Lfcc`` here is ``detectors.features.Lfcc`` in torch, constant for constant; a test holds one against the other.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .sinc import RATE

_FLOOR = 1e-10  # added to each power: 100 dB below a full-scale frame


class Power(nn.Module):  # type: ignore[misc]
    """(B, T) samples -> (B, fft / 2 + 1, 1 + (T - frame) // shift) power; a full-scale sine peaks near 1.

    taper: of ``frame`` samples, sum 2. Frames lie inside the clip, none is padded.
    """

    basis: Tensor

    def __init__(self, taper: NDArray[np.float64], shift: int, fft: int) -> None:
        super().__init__()
        self.shift = shift
        angle = 2 * np.pi * np.outer(np.arange(fft // 2 + 1), np.arange(taper.size)) / fft
        basis = np.concatenate([np.cos(angle), np.sin(angle)]) * taper
        self.register_buffer("basis", _float(basis).unsqueeze(1), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        real, imaginary = functional.conv1d(wave.unsqueeze(1), self.basis, stride=self.shift).chunk(2, dim=1)
        return real.square() + imaginary.square()


def log_power(power: Tensor) -> Tensor:
    """log(power + 1e-10), written with numbers that survive an export: torch's ONNX exporter leaves out a term of 1e-8
    or less, and digital silence would then be minus infinity."""
    return torch.log(power * (1 / _FLOOR) + 1.0) + math.log(_FLOOR)


class Lfcc(nn.Module):  # type: ignore[misc]
    """(B, T) samples -> (B, 3 coefficients, frames): linear-frequency cepstra, their slopes, the slopes' slopes.

    Frames of 320 samples every 160, FFT 512, 20 triangles from 0 to 8 kHz, orthonormal DCT, emphasis 0.97, slopes by
    least squares over +-2 frames. normalise: take from each statics coefficient its mean over the clip.
    """

    bank: Tensor
    dct: Tensor
    slope: Tensor

    def __init__(self, filters: int = 20, coefficients: int = 20, normalise: bool = False) -> None:
        super().__init__()
        self.normalise = normalise
        taper = np.hamming(320)
        self.power = Power(2 * taper / taper.sum(), 160, 512)
        self.register_buffer("bank", _float(_triangles(filters, 512)), persistent=False)
        self.register_buffer("dct", _float(_cosines(coefficients, filters)), persistent=False)
        self.register_buffer("slope", _float(np.array([[[-0.2, -0.1, 0.0, 0.1, 0.2]]])), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        sharp = torch.cat([wave[:, :1], wave[:, 1:] - 0.97 * wave[:, :-1]], dim=1)
        static = self.dct @ log_power(self.bank @ self.power(sharp))
        first = self._slope(static)
        if self.normalise:
            static = static - static.mean(dim=2, keepdim=True)
        return torch.cat([static, first, self._slope(first)], dim=1)

    def _slope(self, x: Tensor) -> Tensor:
        rows = functional.pad(x, (2, 2), mode="replicate").flatten(0, 1).unsqueeze(1)
        return functional.conv1d(rows, self.slope).view(x.shape)


def _triangles(filters: int, fft: int) -> NDArray[np.float64]:
    """Filters with linearly spaced centres that reach to their neighbours', shape (filters, fft / 2 + 1)."""
    edges = np.linspace(0, RATE / 2, filters + 2)
    hz = np.arange(fft // 2 + 1) * RATE / fft
    return np.asarray(np.clip(1 - np.abs(hz - edges[1:-1, None]) / (edges[1] - edges[0]), 0, None))


def _cosines(coefficients: int, filters: int) -> NDArray[np.float64]:
    """Orthonormal DCT-II, shape (coefficients, filters)."""
    k, n = np.arange(coefficients)[:, None], np.arange(filters)
    basis = np.sqrt(2 / filters) * np.cos(np.pi * k * (2 * n + 1) / (2 * filters))
    basis[0] /= np.sqrt(2)
    return np.asarray(basis)


def _float(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
