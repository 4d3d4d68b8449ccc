"""What stands on a foundation model: states over time (B, N, H) -> logits (B, 2), spoof first."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .aasist_head import AasistHead

_DROPOUT = 0.1


class Mean(nn.Module):  # type: ignore[misc]
    """Mean over time, dropout, linear, tanh, dropout, linear: the head of Li et al. 2025 (arXiv 2503.17577).

    mask: (B, N), true where a frame belongs to the clip; None where all do.
    """

    masks = True

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(_DROPOUT)
        self.hidden, self.logits = nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            mean = states.mean(dim=1)
        else:
            share = mask.to(states.dtype) / mask.sum(dim=1, keepdim=True)
            mean = torch.einsum("bnh,bn->bh", states, share)
        hidden = torch.tanh(self.hidden(self.dropout(mean)))
        logits: Tensor = self.logits(self.dropout(hidden))
        return logits


HEADS: dict[str, Callable[[int], nn.Module]] = {"mean": Mean, "aasist": AasistHead}
