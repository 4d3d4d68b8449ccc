"""Graph attention over a handful of nodes: every node looks at every node. Shapes are (batch, nodes, features).

Sources: Tak et al. 2021 (RawGAT-ST) for ``Attention`` and ``Keep``; Jung et al. 2022 (AASIST), section 3, for ``Stack``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def _vector(size: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(size, 1)))


class _Nodes(nn.Module):  # type: ignore[misc]
    """Batch normalisation of each feature over batch and nodes, then SELU."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(size)

    def forward(self, x: Tensor) -> Tensor:
        return functional.selu(self.norm(x.flatten(0, 1)).view(x.shape))


class Attention(nn.Module):  # type: ignore[misc]
    """(B, N, inside) -> (B, N, outside): each node becomes a weighted sum of all, and of itself.

    The weight of a pair is a softmax (over the neighbours, at ``temperature``) of a learnt vector times the tanh of a
    learnt map of the product of both nodes.
    """

    def __init__(self, inside: int, outside: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.pair, self.weight = nn.Linear(inside, outside), _vector(outside)
        self.others, self.itself = nn.Linear(inside, outside), nn.Linear(inside, outside)
        self.end = _Nodes(outside)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(x)
        logits = (torch.tanh(self.pair(pairs(x))) @ self.weight).squeeze(-1)
        share = torch.softmax(logits / self.temperature, dim=2)
        out: Tensor = self.end(self.others(share @ x) + self.itself(x))
        return out


class Stack(nn.Module):  # type: ignore[misc]
    """Two kinds of nodes and a master (B, M, inside), (B, N, inside), (B, 1, inside) -> the same with ``outside``.

    The heterogeneous stacking graph attention layer: the nodes of both kinds are projected into one space and attend
    to each other, with one learnt vector for pairs within each kind and one for pairs across; the master node attends
    to all of them and none attends to it.
    """

    def __init__(self, inside: int, outside: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.first, self.second = nn.Linear(inside, inside), nn.Linear(inside, inside)
        self.pair, self.pair_master = nn.Linear(inside, outside), nn.Linear(inside, outside)
        self.weight_first, self.weight_second = _vector(outside), _vector(outside)
        self.weight_across, self.weight_master = _vector(outside), _vector(outside)
        self.others, self.itself = nn.Linear(inside, outside), nn.Linear(inside, outside)
        self.others_master, self.itself_master = nn.Linear(inside, outside), nn.Linear(inside, outside)
        self.end = _Nodes(outside)
        self.dropout = nn.Dropout(0.2)

    def forward(self, first: Tensor, second: Tensor, master: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        m = first.shape[1]
        x = self.dropout(torch.cat([self.first(first), self.second(second)], dim=1))
        logits = torch.tanh(self.pair_master(x * master)) @ self.weight_master
        share = torch.softmax(logits / self.temperature, dim=1).transpose(1, 2)
        master = self.others_master(share @ x) + self.itself_master(master)
        share = torch.softmax(self._logits(x, m) / self.temperature, dim=2)
        x = self.end(self.others(share @ x) + self.itself(x))
        return x[:, :m], x[:, m:], master

    def _logits(self, x: Tensor, m: int) -> Tensor:
        pair = torch.tanh(self.pair(pairs(x)))
        above = torch.cat([pair[:, :m, :m] @ self.weight_first, pair[:, :m, m:] @ self.weight_across], dim=2)
        below = torch.cat([pair[:, m:, :m] @ self.weight_across, pair[:, m:, m:] @ self.weight_second], dim=2)
        return torch.cat([above, below], dim=1).squeeze(-1)


class Keep(nn.Module):  # type: ignore[misc]
    """(B, N, D) -> (B, max(1, int(share N)), D): the nodes of the highest learnt scores, times their score (0 to 1)."""

    def __init__(self, share: float, size: int) -> None:
        super().__init__()
        self.share = share
        self.score = nn.Linear(size, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        score = torch.sigmoid(self.score(self.dropout(x)))
        count = max(1, int(x.shape[1] * self.share))
        best = torch.topk(score, count, dim=1).indices.expand(-1, -1, x.shape[2])
        return torch.gather(x * score, 1, best)


def pairs(x: Tensor) -> Tensor:
    """Products of all pairs of nodes: (B, N, D) -> (B, N, N, D)."""
    return x.unsqueeze(2) * x.unsqueeze(1)
