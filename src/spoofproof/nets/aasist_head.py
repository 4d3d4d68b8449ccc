"""The graphs of AASIST on the states of a foundation model instead of on sinc filters.

Source: Tak et al. 2022, "Automatic speaker verification spoofing and deepfake detection using wav2vec 2.0 and data
augmentation" (SSL-AASIST): a linear layer to 128 features, and blocks that keep every frame.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .aasist import Aasist
from .residual import Block

_FEATURES = 128
_WIDE = 64


class Squeezed(nn.Module):  # type: ignore[misc]
    """States (B, N, H) -> (B, 1, 42, N // 3): 128 features, pooled by 3 x 3, normalised, SELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(width, _FEATURES), nn.BatchNorm2d(1)

    def forward(self, states: Tensor) -> Tensor:
        pooled = functional.max_pool2d(self.linear(states).transpose(1, 2).unsqueeze(1), 3)
        return functional.selu(self.norm(pooled))


class Whole(Block):
    """A block of AASIST that does not pool over time: a state is already 20 ms."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside, project=inside != outside)
        self.unused = None

    def forward(self, x: Tensor) -> Tensor:
        y = self.leave(functional.selu(self.norm(self.enter(x))))
        return y + (x if self.short is None else self.short(x))


class AasistHead(Aasist):
    """States (B, N, H), N >= 3, all of the clip -> logits (B, 2), spoof first. Clips of other lengths go apart."""

    masks = False

    def __init__(self, width: int) -> None:
        super().__init__(_WIDE, (0.5, 0.5, 0.5))
        widths = [(1, 32), (32, 32), (32, _WIDE), (_WIDE, _WIDE), (_WIDE, _WIDE), (_WIDE, _WIDE)]
        self.front, self.encoder = Squeezed(width), nn.Sequential(*(Whole(a, b) for a, b in widths))
        self.position = nn.Parameter(torch.randn(1, _FEATURES // 3, _WIDE))

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(states)
