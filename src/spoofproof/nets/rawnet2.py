"""RawNet2: sinc filters, residual blocks whose channels are rescaled, recurrent layers.

Sources: Jung et al. 2020 (RawNet2, feature map scaling); Tak et al. 2021, "End-to-end anti-spoofing with RawNet2", and
the sizes of the ASVspoof 2021 baseline: 20 filters of 1025 taps, blocks of 20 and 128 channels, three GRU layers of
1024. There the first normalisation of a block is computed and thrown away; here it is used, as the papers draw it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .sinc import Sinc

_SLOPE = 0.3  # of the leaky rectifiers


class Block(nn.Module):  # type: ignore[misc]
    """(B, inside, T) -> (B, outside, T // 3): residual, pooled, then each channel scaled and shifted by a gate."""

    def __init__(self, inside: int, outside: int, first: bool) -> None:
        super().__init__()
        self.before = (
            None if first else nn.BatchNorm1d(inside)
        )  # the first block's input is normalised already
        self.enter = nn.Conv1d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm1d(outside)
        self.leave = nn.Conv1d(outside, outside, 3, padding=1)
        self.short = None if inside == outside else nn.Conv1d(inside, outside, 1)
        self.gate = nn.Linear(outside, outside)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.before is None else functional.leaky_relu(self.before(x), _SLOPE)
        y = self.leave(functional.leaky_relu(self.norm(self.enter(y)), _SLOPE))
        y = functional.max_pool1d(y + (x if self.short is None else self.short(x)), 3)
        gate = torch.sigmoid(self.gate(y.mean(2))).unsqueeze(2)
        return y * gate + gate  # feature map scaling, "add and multiply" with one gate


class RawNet2(nn.Module):  # type: ignore[misc]
    """(B, T) samples, T >= 8 000 -> logits (B, 2), spoof first. gru: features of each of the ``layers``."""

    def __init__(self, filters: int, channels: int, gru: int, layers: int) -> None:
        super().__init__()
        self.sinc, self.norm = Sinc(filters, 1025), nn.BatchNorm1d(filters)
        widths = [filters, filters, filters, channels, channels, channels, channels]
        self.blocks = nn.Sequential(*(Block(a, b, i == 0) for i, (a, b) in enumerate(pairwise(widths))))
        self.last = nn.BatchNorm1d(channels)
        self.gru = nn.GRU(channels, gru, layers, batch_first=True)
        self.embedding, self.logits = nn.Linear(gru, gru), nn.Linear(gru, 2)

    def forward(self, wave: Tensor) -> Tensor:
        x = functional.max_pool1d(self.sinc(wave).abs(), 3)
        x = self.blocks(functional.leaky_relu(self.norm(x), _SLOPE))
        x = functional.leaky_relu(self.last(x), _SLOPE)
        states, _ = self.gru(x.transpose(1, 2))
        logits: Tensor = self.logits(self.embedding(states[:, -1]))
        return logits


def rawnet2(filters: int = 20, channels: int = 128, gru: int = 1024, layers: int = 3) -> RawNet2:
    """RawNet2 at the sizes of the ASVspoof 2021 baseline, 17.6 million parameters; ``gru=256, layers=1``: 0.8 million."""
    return RawNet2(filters, channels, gru, layers)
