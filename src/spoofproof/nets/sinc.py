"""Fixed band-pass filters on the mel scale: the ears of RawNet2, RawGAT-ST and AASIST."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

RATE = 16_000


def bandpasses(filters: int, taps: int) -> NDArray[np.float32]:
    """Impulse responses of ``filters`` adjacent band-passes that cover 0 to 8 kHz, shape (filters, taps), taps odd.

    Each is the difference of two ideal low-passes, cut to ``taps`` samples by a Hamming window; the edges lie at
    equal steps on the mel scale, 2595 log10(1 + f / 700).

    Source: Ravanelli and Bengio 2018 (SincNet), with the fixed cut-offs of Tak et al. 2021 (RawNet2 anti-spoofing).
    """
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, filters + 1) / 2595) - 1)
    n = np.arange(taps) - (taps - 1) / 2
    cut = 2 * edges[:, None] / RATE  # in units of half the sampling rate
    lowpass = cut * np.sinc(cut * n)
    window = np.hamming(taps).astype(np.float32)
    return np.asarray(window * (lowpass[1:] - lowpass[:-1]).astype(np.float32), dtype=np.float32)


class Sinc(nn.Module):  # type: ignore[misc]
    """(B, T) samples -> (B, filters, T - taps + 1): ``bandpasses`` as a buffer, never trained, not in checkpoints."""

    kernels: Tensor

    def __init__(self, filters: int, taps: int) -> None:
        super().__init__()
        kernels = torch.from_numpy(bandpasses(filters, taps)).unsqueeze(1)
        self.register_buffer("kernels", kernels, persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        return functional.conv1d(wave.unsqueeze(1), self.kernels)
