"""Mel spectrogram to waveform, in two ways that leave unlike traces: an inverse STFT, or transposed convolutions."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from .mel import Synthesis

Head = Literal["istft", "upsample"]
BANDS, HOP = 80, 256  # of the mel input: mel bands, and samples between two frames


class Block(nn.Module):  # type: ignore[misc]
    """ConvNeXt in one dimension (Liu et al. 2022; Siuzdak 2023): (B, C, T) -> (B, C, T), a residual step."""

    def __init__(self, width: int, inner: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.rise, self.fall = nn.Linear(width, inner), nn.Linear(inner, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.fall(nn.functional.gelu(self.rise(y)))
        return x + (self.scale * y).transpose(1, 2)


class SpectralHead(nn.Module):  # type: ignore[misc]
    """(B, C, T) -> (B, T · frames · hop) samples: log magnitudes and phases of ``frames`` STFT frames for each step.

    The phase is any real number, wrapped by the sine and the cosine (Vocos, Siuzdak 2023, §3.2).
    """

    def __init__(self, width: int, fft: int, hop: int, frames: int) -> None:
        super().__init__()
        self.frames, self.bins = frames, fft // 2 + 1
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, frames * 2 * self.bins)
        self.synthesis = Synthesis(fft, hop)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.synthesis(self.spectra(x))
        return y

    def spectra(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, T · frames, 2 · bins): real parts, then imaginary parts."""
        y = self.out(self.norm(x.transpose(1, 2)))
        y = y.reshape(y.shape[0], -1, 2 * self.bins)
        level, phase = y.chunk(2, dim=2)
        magnitude = level.clamp_max(5.0).exp()  # 148: ten times the loudest bin of prepared speech
        return torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], dim=2)


class Spectral(nn.Module):  # type: ignore[misc]
    """(B, 80, T) log mel -> (B, 256 · T): ConvNeXt blocks and a head that predicts two STFT frames a mel frame."""

    def __init__(self, width: int, inner: int, depth: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(BANDS, width, 7, padding=3)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*[Block(width, inner, 1 / depth) for _ in range(depth)])
        self.head = SpectralHead(width, fft=512, hop=HOP // 2, frames=2)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.norm(self.enter(mel).transpose(1, 2)).transpose(1, 2)
        wave: Tensor = self.head(self.blocks(x))
        return wave


class Residues(nn.Module):  # type: ignore[misc]
    """Mean of residual stacks of dilated convolutions of several kernel sizes (HiFi-GAN's fusion, second kind)."""

    def __init__(
        self, width: int, kernels: tuple[int, ...] = (3, 7), dilations: tuple[int, ...] = (1, 3)
    ) -> None:
        super().__init__()
        self.stacks = nn.ModuleList(
            nn.ModuleList(nn.Conv1d(width, width, k, dilation=d, padding=d * (k // 2)) for d in dilations)
            for k in kernels
        )

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for stack in self.stacks:
            y = x
            for convolution in stack:
                y = y + convolution(leaky_relu(y, 0.1))
            total = total + y
        return total / len(self.stacks)


class Upsampling(nn.Module):  # type: ignore[misc]
    """(B, 80, T) log mel -> (B, 256 · T): transposed convolutions by 8, 8 and 4 with residual dilated blocks between.

    A small HiFi-GAN (Kong, Kim and Bae 2020): its images above each stage's Nyquist frequency are the trace.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(BANDS, width, 7, padding=3)
        self.rise, self.fuse = nn.ModuleList(), nn.ModuleList()
        for factor in (8, 8, 4):
            self.rise.append(
                nn.ConvTranspose1d(width, width // 2, 2 * factor, stride=factor, padding=factor // 2)
            )
            width //= 2
            self.fuse.append(Residues(width))
        self.leave = nn.Conv1d(width, 1, 7, padding=3)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.enter(mel)
        for rise, fuse in zip(self.rise, self.fuse, strict=True):
            x = fuse(rise(leaky_relu(x, 0.1)))
        return torch.tanh(self.leave(leaky_relu(x, 0.1))).squeeze(1)


def vocoder(*, head: Head = "istft", width: int = 192, inner: int = 576, depth: int = 6) -> nn.Module:
    """A network (B, 80, T) log mel magnitudes -> (B, 256 · T) samples; mel frame k is centred on (k + 1/2) · 256.

    inner, depth: of the ConvNeXt blocks; an ``upsample`` head has neither.
    """
    return Spectral(width, inner, depth) if head == "istft" else Upsampling(width)
