"""Spectrogram ResNet18: log power spectrum, pre-activation residual network, attentive pooling over time.

Sources: Li et al. 2025 (|STFT| with 512 points and a pre-activation ResNet18 with self-attention pooling), the shape
of the network after Zhang et al. 2021 (one-class ResNet18 of ASVspoof): a stem that shrinks frequency by three, four
stages of two blocks (He et al. 2016, "Identity mappings"), one convolution over all that is left of frequency.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .spectrum import Power, log_power

_BINS = 11  # of 257, after the stem and three halvings


class Block(nn.Module):  # type: ignore[misc]
    """(B, inside, F, T) -> (B, outside, F / stride, T / stride): normalise, rectify, convolve, twice."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.before, self.between = nn.BatchNorm2d(inside), nn.BatchNorm2d(outside)
        self.enter = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        self.leave = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        same = stride == 1 and inside == outside
        self.short = None if same else nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.before(x))
        short = x if self.short is None else self.short(y)
        out: Tensor = self.leave(functional.relu(self.between(self.enter(y)))) + short
        return out


class SpecResnet(nn.Module):  # type: ignore[misc]
    """(B, T) samples, T >= 8 000 -> logits (B, 2), spoof first. width: channels of the first stage."""

    def __init__(self, width: int, shift: int) -> None:
        super().__init__()
        taper = np.hanning(513)[:512]
        self.power = Power(2 * taper / taper.sum(), shift, 512)
        self.norm = nn.BatchNorm1d(257)
        self.stem = nn.Conv2d(1, width, (9, 3), (3, 1), padding=(4, 1), bias=False)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            *(
                block
                for i, (a, b) in enumerate(pairwise(widths))
                for block in (Block(a, b, 1 if i == 0 else 2), Block(b, b, 1))
            )
        )
        self.last = nn.BatchNorm2d(8 * width)
        self.gather = nn.Conv2d(8 * width, 4 * width, (_BINS, 3), padding=(0, 1), bias=False)
        self.gathered = nn.BatchNorm1d(4 * width)
        self.attention = nn.Linear(4 * width, 1, bias=False)
        self.logits = nn.Linear(8 * width, 2)

    def forward(self, wave: Tensor) -> Tensor:
        x = self.norm(log_power(self.power(wave))).unsqueeze(1)
        x = self.gather(functional.relu(self.last(self.stages(self.stem(x))))).squeeze(2)
        x = functional.relu(self.gathered(x)).transpose(1, 2)
        share = torch.softmax(self.attention(torch.tanh(x)), dim=1)
        mean = (share * x).sum(1)
        deviation = ((share * (x - mean.unsqueeze(1)).square()).sum(1) + 1e-5).sqrt()
        logits: Tensor = self.logits(torch.cat([mean, deviation], dim=1))
        return logits


def spec_resnet(width: int = 64, shift: int = 256) -> SpecResnet:
    """Spectrogram ResNet18; ``width=16`` is the small one. shift: samples from one spectrum to the next."""
    return SpecResnet(width, shift)
