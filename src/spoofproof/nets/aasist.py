"""AASIST and AASIST-L: raw waveform, residual blocks, and two kinds of graphs that look at each other.

Source: Jung et al. 2022, "AASIST: audio anti-spoofing using integrated spectro-temporal graph attention networks".
297 866 and 85 306 parameters, as in its table 1; what the text leaves open was read off the published weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .graph import Attention, Keep, Stack
from .residual import BANDS, SincMap, encoder, peaks


class Branch(nn.Module):  # type: ignore[misc]
    """One of the two branches: two stacking layers around a pooling, with a master node that is learnt."""

    def __init__(self, inside: int, outside: int, keep: float) -> None:
        super().__init__()
        self.master = nn.Parameter(torch.randn(1, 1, inside))
        self.one, self.two = Stack(inside, outside, 100.0), Stack(outside, outside, 100.0)
        self.keep_bands, self.keep_times = Keep(keep, outside), Keep(keep, outside)

    def forward(self, times: Tensor, bands: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        times, bands, master = self.one(times, bands, self.master)
        bands, times = self.keep_bands(bands), self.keep_times(times)
        more_times, more_bands, more_master = self.two(times, bands, master)
        return times + more_times, bands + more_bands, master + more_master


class Aasist(nn.Module):  # type: ignore[misc]
    """(B, T) samples, T >= 8 000 -> logits (B, 2), spoof first.

    wide: channels of the last four blocks and of the first graphs. keep: share of the nodes that the poolings keep:
    of the bands, of the times, and of both inside each branch.
    """

    def __init__(self, wide: int, keep: tuple[float, float, float], outside: int = 32) -> None:
        super().__init__()
        self.front, self.encoder = SincMap(), encoder(wide, project_first=True)
        self.position = nn.Parameter(torch.randn(1, BANDS, wide))
        self.bands, self.times = Attention(wide, wide, 2.0), Attention(wide, wide, 2.0)
        self.keep_bands, self.keep_times = Keep(keep[0], wide), Keep(keep[1], wide)
        self.left, self.right = Branch(wide, outside, keep[2]), Branch(wide, outside, keep[2])
        self.branch_dropout, self.dropout = nn.Dropout(0.2), nn.Dropout(0.5)
        self.logits = nn.Linear(5 * outside, 2)

    def forward(self, wave: Tensor) -> Tensor:
        bands, times = peaks(self.encoder(self.front(wave)))
        bands = self.keep_bands(self.bands(bands + self.position))
        times = self.keep_times(self.times(times))
        left, right = self.left(times, bands), self.right(times, bands)
        times, bands, master = (
            torch.maximum(self.branch_dropout(a), self.branch_dropout(b))
            for a, b in zip(left, right, strict=True)
        )
        seen = [times.abs().amax(1), times.mean(1), bands.abs().amax(1), bands.mean(1), master.squeeze(1)]
        logits: Tensor = self.logits(self.dropout(torch.cat(seen, dim=1)))
        return logits


def aasist() -> Aasist:
    """AASIST, 297 866 parameters."""
    return Aasist(64, (0.5, 0.7, 0.5))


def aasist_l() -> Aasist:
    """AASIST-L, 85 306 parameters."""
    return Aasist(24, (0.4, 0.5, 0.7))
