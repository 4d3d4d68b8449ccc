"""A network and its calibration as one module: what is exported."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Detector(nn.Module):  # type: ignore[misc]
    """(B, T) prepared samples -> (B,) log odds of bona fide: slope (logit of bona fide - logit of spoof) + offset."""

    slope: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module, slope: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("slope", torch.tensor(slope, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32))

    def forward(self, wave: Tensor) -> Tensor:
        logits = self.network(wave)
        return self.slope * (logits[:, 1] - logits[:, 0]) + self.offset
