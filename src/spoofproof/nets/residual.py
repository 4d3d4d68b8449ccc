"""What AASIST and RawGAT-ST share below their graphs: sinc filters pooled to a map, and residual blocks over it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .sinc import Sinc

BANDS = 23  # of the 70 sinc filters after pooling by 3; a frame is 3 samples


class SincMap(nn.Module):  # type: ignore[misc]
    """(B, T) samples -> (B, 1, 23, (T - 128) // 3): rectified sinc filters, pooled by 3 x 3, normalised, SELU."""

    def __init__(self) -> None:
        super().__init__()
        self.sinc = Sinc(70, 129)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, wave: Tensor) -> Tensor:
        pooled = functional.max_pool2d(self.sinc(wave).unsqueeze(1).abs(), 3)
        return functional.selu(self.norm(pooled))


class Block(nn.Module):  # type: ignore[misc]
    """(B, inside, 23, T) -> (B, outside, 23, T // 3): two 2 x 3 convolutions beside a shortcut, pooled over time.

    The published code normalises and rectifies the input of every block but the first, and then convolves the input
    itself. The published weights are what that network learnt (this first normalisation has weight 1 and offset 0 to
    the last bit: it never saw a gradient), so ``unused`` is only kept to hold those numbers and to be counted as
    they are counted in the papers.
    """

    def __init__(self, inside: int, outside: int, project: bool) -> None:
        super().__init__()
        self.unused = None if inside == 1 else nn.BatchNorm2d(inside)
        self.enter = nn.Conv2d(inside, outside, (2, 3), padding=(1, 1))
        self.norm = nn.BatchNorm2d(outside)
        self.leave = nn.Conv2d(outside, outside, (2, 3), padding=(0, 1))
        self.short = nn.Conv2d(inside, outside, (1, 3), padding=(0, 1)) if project else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.leave(functional.selu(self.norm(self.enter(x))))
        return thirds(y + (x if self.short is None else self.short(x)))


def encoder(wide: int, project_first: bool) -> nn.Sequential:
    """The six blocks: two of 32 channels, four of ``wide``; time shrinks by 729.

    project_first: whether the first block's shortcut is a convolution (AASIST), or adds its one channel to all
    (RawGAT-ST).
    """
    widths = [(1, 32), (32, 32), (32, wide), (wide, wide), (wide, wide), (wide, wide)]
    return nn.Sequential(*(Block(a, b, a != b and (a > 1 or project_first)) for a, b in widths))


def thirds(x: Tensor) -> Tensor:
    """Largest of each three neighbours in time: (B, C, F, T) -> (B, C, F, T // 3)."""
    if torch.is_grad_enabled() or torch.compiler.is_exporting():
        return functional.max_pool2d(x, (1, 3))
    # the same numbers, and without gradients torch has an eight times faster way; an exported file has not
    return functional.max_pool1d(x.flatten(1, 2), 3).unflatten(1, x.shape[1:3])


def peaks(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Largest magnitude over time and over bands: (B, C, F, T) -> nodes (B, F, C) and (B, T, C)."""
    size = maps.abs()
    return torch.amax(size, dim=3).transpose(1, 2), torch.amax(size, dim=2).transpose(1, 2)
