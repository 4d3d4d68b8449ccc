"""Logistic regression by Newton's method, for one linear expert and for calibration; and areas and error rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..metrics.rank import auroc
from .data import Example, Kind

Floats = NDArray[np.float64]


def logistic(
    x: NDArray[np.floating], bonafide: NDArray[np.bool_], weight: Floats, ridge: float, rounds: int = 50
) -> tuple[Floats, float]:
    """(weights, offset) of the log odds of bona fide, minimising weighted cross-entropy + ridge/2 · |weights|².

    x: shape (N, D). weight: shape (N,), adding up to 1. Newton's steps with halving, as the loss is convex
    (Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, §4.4.1).
    """
    design = np.concatenate([np.asarray(x, dtype=np.float64), np.ones((len(x), 1))], axis=1)
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 1e-9
    sign = np.where(bonafide, 1.0, -1.0)

    def loss(w: Floats) -> float:
        return float(weight @ np.logaddexp(0, -sign * (design @ w)) + 0.5 * penalty @ (w * w))

    w = np.zeros(design.shape[1])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(design @ w, -500, 500)))
        slope = design.T @ (weight * (p - bonafide)) + penalty * w
        curve = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(penalty + 1e-12)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while loss(w - size * step) > loss(w) and size > 1e-6:
            size /= 2
        w = w - size * step
        if np.abs(size * step).max() < 1e-10:
            break
    return w[:-1], float(w[-1])


def calibrate(scores: Floats, examples: list[Example], against: Kind) -> tuple[float, float]:
    """(slope, offset) that turn scores of bona fide clips and of one kind of spoof into log odds at equal priors.

    Every clip of a class counts the same. A weak ridge keeps the slope finite where the classes do not overlap. A
    slope below zero would turn the expert round; then it is worth nothing, and gets 0.
    """
    use = np.array([e.kind in ("bonafide", against) for e in examples])
    real = np.array([e.kind == "bonafide" for e in examples])[use]
    x = scores[use]
    spread = float(x.std()) or 1.0
    weight = np.where(real, 0.5 / real.sum(), 0.5 / (~real).sum())
    (slope,), offset = logistic((x / spread)[:, None], real, weight, ridge=1e-2)
    return (float(slope / spread), offset) if slope > 0 else (0.0, 0.0)


def calibrated(evidence: Sequence[Floats], dev: Sequence[Example]) -> list[tuple[float, float]]:
    """(slope, offset) of the expert on generated speech and of the one on copies, fitted on the dev part."""
    made, copied = evidence
    return [calibrate(made, list(dev), "made"), calibrate(copied, list(dev), "copied")]


def area(scores: Floats, bonafide: NDArray[np.bool_]) -> float:
    """AUROC: the chance that a bona fide clip scores above a spoofed one, ties counting half (Mann-Whitney)."""
    if bonafide.all() or not bonafide.any():
        return float("nan")
    return auroc(bonafide=scores[bonafide].astype(np.float64), spoof=scores[~bonafide].astype(np.float64))
