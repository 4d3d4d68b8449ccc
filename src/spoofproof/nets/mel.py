"""Spectra as the networks that make sound need them: mel input, and an inverse STFT made of sums and products."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

FLOOR = 1e-3  # of a mel band's magnitude: -60 dB and lower beneath speech at -26 dB of full scale


class LogMel(nn.Module):  # type: ignore[misc]
    """(B, T) samples -> (B, bands, T // hop) natural logarithms of mel magnitudes, floored at FLOOR.

    bank: (bands, fft / 2 + 1) filters. Frame k is a periodic Hann window centred on (k + 1/2) · hop; zeros lie around
    the clip. T is a multiple of hop.
    """

    def __init__(self, bank: Tensor, hop: int) -> None:
        super().__init__()
        self.hop, self.fft = hop, 2 * (bank.shape[1] - 1)
        self.register_buffer("bank", bank)
        self.register_buffer("window", torch.hann_window(self.fft))

    def forward(self, wave: Tensor) -> Tensor:
        magnitude = magnitudes(wave, self.window, self.hop)
        return torch.matmul(self.bank, magnitude).clamp_min(FLOOR).log()


def magnitudes(wave: Tensor, window: Tensor, hop: int) -> Tensor:
    """(B, T) -> (B, fft / 2 + 1, T // hop) magnitudes; frames as above; the gradient is finite at zero."""
    side = (len(window) - hop) // 2
    padded = nn.functional.pad(wave, (side, side))
    spectra = torch.stft(padded, len(window), hop, window=window, center=False, return_complex=True)
    return (spectra.real.square() + spectra.imag.square() + 1e-9).sqrt()


class Analysis(nn.Module):  # type: ignore[misc]
    """(B, T) -> (B, 2 · bins, T // hop) real and imaginary parts of Hann frames, centred on (k + 1/2) · hop.

    T is a multiple of hop. A convolution with the windowed DFT, so that an exported graph has nothing but sums.
    """

    def __init__(self, fft: int, hop: int) -> None:
        super().__init__()
        self.hop, self.fft = hop, fft
        turn = 2 * math.pi * torch.outer(torch.arange(fft // 2 + 1), torch.arange(fft)).double() / fft
        window = torch.hann_window(fft, dtype=torch.float64)
        self.register_buffer("kernel", torch.cat([turn.cos(), -turn.sin()]).mul(window)[:, None].float())

    def forward(self, wave: Tensor) -> Tensor:
        side = (self.fft - self.hop) // 2
        padded = nn.functional.pad(wave[:, None], (side, side))
        return nn.functional.conv1d(padded, self.kernel, stride=self.hop)


class Synthesis(nn.Module):  # type: ignore[misc]
    """(B, K, 2 · bins) real and imaginary parts -> (B, K · hop) samples: the inverse of Hann frames that overlap.

    fft is a multiple of hop, at least thrice: then the squared windows add up to a constant (fft / hop · 3/8) and the
    least-squares inverse (Griffin and Lim 1984) is one product and as many shifted sums as frames overlap. Frame k is
    centred on (k + 1/2) · hop; within fft - hop samples of either end frames are missing and the sound fades out.
    """

    def __init__(self, fft: int, hop: int) -> None:
        super().__init__()
        self.hop, self.overlap = hop, fft // hop
        assert fft == self.overlap * hop and self.overlap >= 3
        bins = fft // 2 + 1
        turn = 2 * math.pi * torch.outer(torch.arange(bins), torch.arange(fft)).double() / fft
        twice = torch.full((bins, 1), 2.0, dtype=torch.float64)
        twice[0] = twice[-1] = 1.0  # 0 Hz and Nyquist have no mirror image
        window = torch.hann_window(fft, dtype=torch.float64) / (fft * self.overlap * 3 / 8)
        self.register_buffer(
            "kernel", torch.cat([turn.cos() * twice, -turn.sin() * twice]).mul(window).float()
        )

    def forward(self, spectra: Tensor) -> Tensor:
        frames = torch.matmul(spectra, self.kernel)  # (B, K, fft)
        parts = frames.chunk(self.overlap, dim=2)
        pad = nn.functional.pad
        last = self.overlap - 1
        total = sum(
            pad(part, (0, 0, i, last - i)) for i, part in enumerate(parts)
        )  # (B, K + overlap - 1, hop)
        assert isinstance(total, Tensor)
        side = (self.overlap - 1) * self.hop // 2
        flat = total.flatten(1)
        return flat[:, side : flat.shape[1] - side]
