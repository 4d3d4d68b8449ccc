"""LFCC-LCNN: cepstra, convolutions with max-feature-map, and statistics over time.

Sources: Lavrentyeva et al. 2019 and Wang and Yamagishi 2021 (the ASVspoof 2021 baseline): its nine convolutions and
four poolings. There two recurrent layers follow; here the mean and the deviation over time, which train faster on few
clips and keep the answer free of where in the clip something stands.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .spectrum import Lfcc


class Mfm(nn.Module):  # type: ignore[misc]
    """Max-feature-map: the larger of two halves of the channels (Wu et al. 2018, "A light CNN")."""

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1)
        return b + torch.relu(a - b)  # max(a, b), with a gradient that is cheap on a CPU


class Lcnn(nn.Module):  # type: ignore[misc]
    """(B, T) samples, T >= 8 000 -> logits (B, 2), spoof first. channels: maps of the four stages, after Mfm."""

    def __init__(self, channels: Sequence[int], dropout: float, normalise: bool) -> None:
        super().__init__()
        a, b, c, d = channels
        self.front = Lfcc(normalise=normalise)
        self.norm = nn.BatchNorm1d(60)
        pool = nn.MaxPool2d(2)
        self.maps = nn.Sequential(
            *_mfm(1, a, 5), pool,
            *_mfm(a, a, 1), nn.BatchNorm2d(a), *_mfm(a, b, 3), pool, nn.BatchNorm2d(b),
            *_mfm(b, b, 1), nn.BatchNorm2d(b), *_mfm(b, c, 3), pool,
            *_mfm(c, c, 1), nn.BatchNorm2d(c), *_mfm(c, d, 3), nn.BatchNorm2d(d),
            *_mfm(d, d, 1), nn.BatchNorm2d(d), *_mfm(d, d, 3), pool,
        )  # fmt: skip
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(2 * 3 * d, 2)  # 60 coefficients halved four times are 3

    def forward(self, wave: Tensor) -> Tensor:
        maps = self.maps(self.norm(self.front(wave)).unsqueeze(1)).flatten(1, 2)
        mean = maps.mean(dim=2)
        deviation = ((maps - mean.unsqueeze(2)).square().mean(dim=2) + 1e-5).sqrt()
        logits: Tensor = self.logits(self.dropout(torch.cat([mean, deviation], dim=1)))
        return logits


def _mfm(inside: int, outside: int, width: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inside, 2 * outside, width, padding=width // 2), Mfm()


def lfcc_lcnn(
    channels: Sequence[int] = (32, 48, 64, 32), dropout: float = 0.7, normalise: bool = False
) -> Lcnn:
    """LFCC-LCNN at the channels of the ASVspoof 2021 baseline. normalise: take from the statics their mean over time."""
    return Lcnn(channels, dropout, normalise)
