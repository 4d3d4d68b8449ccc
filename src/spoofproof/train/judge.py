"""What the development part says of a network: scores of its renderings, and the figure that selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..detectors.prepare import RATE
from ..metrics.rank import auroc, eer
from ..types import CLEAN, Scores
from .data import Example
from .recipe import Recipe, Select
from .waves import Waves

BATCH = 8


@dataclass(frozen=True)
class Judged:
    """scores[condition]: raw log odds of every example, shape (N,). figures[condition][kind]: {"auroc", "eer"}."""

    scores: Mapping[str, Scores]
    figures: Mapping[str, Mapping[str, Mapping[str, float]]]

    def mean(self, metric: str) -> float:
        """Over conditions and kinds."""
        return float(np.mean([by[metric] for kinds in self.figures.values() for by in kinds.values()]))


def judge(
    network: torch.nn.Module,
    examples: Sequence[Example],
    waves: Waves,
    recipe: Recipe,
    device: torch.device,
    *,
    seconds: float,
    conditions: Sequence[str] | None = None,
) -> Judged:
    """Score the examples under each of ``conditions`` (default: clean and those of selection), ``seconds`` of each."""
    all_of_them = (CLEAN, *recipe.select.conditions)
    chosen = all_of_them if conditions is None else conditions
    samples = round(seconds * RATE)
    found = {
        c: scores(network, waves, range(len(examples)), all_of_them.index(c), samples, device) for c in chosen
    }
    figures = {c: separation(s, examples, recipe.select) for c, s in found.items()}
    return Judged(found, figures)


def scores(
    network: torch.nn.Module,
    waves: Waves,
    rows: Sequence[int],
    copy: int,
    samples: int,
    device: torch.device,
) -> Scores:
    """Logit of bona fide minus logit of spoof, float64, shape (len(rows),), of the first ``samples`` samples."""
    network.eval()
    out: list[NDArray[np.float32]] = []
    with torch.no_grad():
        for at in range(0, len(rows), BATCH):
            wave = np.stack([waves.cut(i, copy, samples) for i in rows[at : at + BATCH]])
            logits = network(torch.from_numpy(wave).to(device)).float().cpu().numpy()
            out.append(logits[:, 1] - logits[:, 0])
    return np.concatenate(out).astype(np.float64)


def separation(found: Scores, examples: Sequence[Example], select: Select) -> dict[str, dict[str, float]]:
    """AUROC and EER of bona fide against each kind of spoof that selection asks for and that is there.

    NaN scores count as the worst that a detector can do: AUROC 0, EER 1.
    """
    kinds = np.array([e.kind for e in examples])
    out: dict[str, dict[str, float]] = {}
    for kind in select.kinds:
        bonafide, spoof = found[kinds == "bonafide"], found[kinds == kind]
        if not bonafide.size or not spoof.size:
            continue
        if not np.isfinite(np.concatenate([bonafide, spoof])).all():
            out[kind] = {"auroc": 0.0, "eer": 1.0}
            continue
        out[kind] = {
            "auroc": auroc(bonafide=bonafide, spoof=spoof),
            "eer": eer(bonafide=bonafide, spoof=spoof),
        }
    return out
