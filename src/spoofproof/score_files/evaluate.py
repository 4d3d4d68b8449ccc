"""Metrics of a score file, with intervals: no audio, no model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..stats import estimates, unseen
from ..stats import resamples as draw
from ..types import Estimate
from .read import read_scores

METRICS = ("eer", "eer_asvspoof", "auroc", "min_dcf", "act_dcf", "cllr", "ece", "min_tdcf")
_LLR_NOTE = (
    "act_dcf, cllr and ece take the scores for natural-log likelihood ratios; ignore them if they are not"
)


@dataclass(frozen=True, slots=True)
class FileResults:
    """Metrics of a score file with their intervals, and notes that must be shown beside them."""

    metrics: Mapping[str, Estimate]
    notes: tuple[str, ...] = field(default=())


def evaluate_files(
    path: Path | str,
    *,
    format: str,
    key: Path | str | None = None,
    higher: str | None = None,
    metrics: Sequence[str] = METRICS,
    threshold: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> FileResults:
    """Metrics of a score file with clustered intervals. No audio, no model.

    threshold: also gives accuracy, miss and false alarm rates at it (accept as bona fide when score >= threshold).
    Raises what ``read_scores`` raises.
    """
    read = read_scores(path, format=format, key=key, higher=higher)
    names = [*metrics]
    if threshold is not None:
        names += ["accuracy", "balanced_accuracy", "f1", "miss_rate", "false_alarm_rate"]
    drawn = draw(read.trials, count=resamples, seed=seed)
    found = estimates(
        read.trials,
        read.scores,
        names,
        threshold=threshold,
        llrs=lambda x: x,
        drawn=drawn,
        confidence=confidence,
    )
    notes = [*read.notes, drawn.note]
    if {"act_dcf", "cllr", "ece"} & set(found):
        notes.append(_LLR_NOTE)
    if any(math.isnan(e.low) or e.value in (0, 1) for e in found.values()):
        notes.append(unseen.NOTE)
    return FileResults(found, tuple(notes))
