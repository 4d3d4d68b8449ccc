"""RawGAT-ST: a graph over bands and one over time, multiplied node by node, and a third graph over the product.

Source: Tak et al. 2021, "End-to-end spectro-temporal graph attention networks for speaker verification anti-spoofing
and speech deepfake detection", the variant that fuses by multiplication (RawGAT-ST-mul).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .graph import Attention, Keep
from .residual import BANDS, SincMap, encoder, peaks

FRAMES = 29  # of 64 600 samples; the learnt map from times to nodes has this many inputs
_NODES = 12  # to which both graphs are brought before they are multiplied


class RawGatSt(nn.Module):  # type: ignore[misc]
    """(B, T) samples, T >= 8 000 -> logits (B, 2), spoof first.

    Two encoders hear the same filters, one for each graph. A window of another length than the published 64 600
    samples is brought to its 29 frames by taking the largest value in each of 29 equal stretches of time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.front = SincMap()
        self.encoder_bands, self.encoder_times = (
            encoder(64, project_first=False),
            encoder(64, project_first=False),
        )
        self.bands, self.times, self.both = Attention(64, 32), Attention(64, 32), Attention(32, 16)
        self.keep_bands, self.keep_times, self.keep_both = Keep(0.64, 32), Keep(0.81, 32), Keep(0.64, 16)
        self.align_bands = nn.Linear(int(BANDS * 0.64), _NODES)
        self.align_times = nn.Linear(int(FRAMES * 0.81), _NODES)
        self.score = nn.Linear(16, 1)
        self.logits = nn.Linear(int(_NODES * 0.64), 2)

    def forward(self, wave: Tensor) -> Tensor:
        x = self.front(wave)
        bands, _ = peaks(self.encoder_bands(x))
        _, times = peaks(self.encoder_times(x))
        if times.shape[1] != FRAMES:
            times = stretched(times, FRAMES)
        bands = self.align_bands(self.keep_bands(self.bands(bands)).transpose(1, 2))
        times = self.align_times(self.keep_times(self.times(times)).transpose(1, 2))
        both = self.keep_both(self.both((bands * times).transpose(1, 2)))
        logits: Tensor = self.logits(self.score(both).flatten(1))
        return logits


def stretched(nodes: Tensor, count: int) -> Tensor:
    """The largest of each feature in ``count`` equal stretches of time, (B, N, D) -> (B, count, D).

    Stretch i goes from i N / count, rounded down, to (i + 1) N / count, rounded up: adaptive max pooling, which the
    exporter does not know. Fewer nodes than stretches are repeated.
    """
    n = nodes.shape[1]
    edges = [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]
    width = max(stop - start for start, stop in edges)
    index = torch.tensor([[min(start + k, stop - 1) for k in range(width)] for start, stop in edges])
    return nodes[:, index.to(nodes.device)].amax(2)


def rawgat_st() -> RawGatSt:
    """RawGAT-ST-mul, 436 778 parameters (the paper: 437k)."""
    return RawGatSt()
