"""Losses. Each is one function of (logits, batch, settings); ``weight`` 0 makes every one equal to ``erm``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor
from torch.nn.functional import log_softmax, relu

from .recipe import Optimiser


@dataclass(frozen=True)
class Target:
    """bonafide: (B,) float32, 0 to 1, before smoothing. pairs: (P, 2) rows of a bona fide crop and of its twin."""

    bonafide: Tensor
    pairs: Tensor


def erm(logits: Tensor, target: Target, settings: Optimiser) -> Tensor:
    """Cross-entropy with smoothed labels and class weights, averaged over the batch (empirical risk)."""
    return _entropies(logits, target, settings).mean()


def paired(logits: Tensor, target: Target, settings: Optimiser) -> Tensor:
    """``erm``, and ``weight`` times the mean shortfall below ``margin`` of a clip's log odds over its twin's."""
    odds = (logits[:, 1] - logits[:, 0])[target.pairs]
    return (
        erm(logits, target, settings)
        + settings.weight * relu(settings.margin - odds[:, 0] + odds[:, 1]).mean()
    )


def focal(logits: Tensor, target: Target, settings: Optimiser) -> Tensor:
    """Cross-entropy times (1 - p of the truth) to the power ``weight`` (Lin et al. 2017, "Focal loss")."""
    right = logits.softmax(dim=1)
    missed = 1 - (target.bonafide * right[:, 1] + (1 - target.bonafide) * right[:, 0])
    return (missed.clamp(min=1e-6) ** settings.weight * _entropies(logits, target, settings)).mean()


def _entropies(logits: Tensor, target: Target, settings: Optimiser) -> Tensor:
    """(B, 2) logits -> (B,) weighted cross-entropies."""
    smooth = target.bonafide * (1 - 2 * settings.smoothing) + settings.smoothing
    odds = log_softmax(logits.float(), dim=1)
    for_bonafide, for_spoof = settings.weights
    return -(for_bonafide * smooth * odds[:, 1] + for_spoof * (1 - smooth) * odds[:, 0])


OBJECTIVES: Mapping[str, Callable[[Tensor, Target, Optimiser], Tensor]] = MappingProxyType(
    {"erm": erm, "paired": paired, "focal": focal}
)
