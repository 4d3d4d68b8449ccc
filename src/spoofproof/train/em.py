"""Gaussian mixtures by expectation maximisation; numpy only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..detectors.features import Features
from ..detectors.lfcc_gmm import Mixture
from ..errors import SpoofproofError
from ..types import Rng

_CHUNK = 8_192  # frames at a time: the posteriors of 200 000 frames would fill gigabytes


def fit(
    frames: Features,
    components: int,
    rng: Rng,
    *,
    iterations: int = 20,
    floor: float = 1e-2,
    start: Mixture | None = None,
    report: Callable[[int, float], None] = lambda step, likelihood: None,
) -> Mixture:
    """Maximum-likelihood mixture of ``components`` diagonal Gaussians, started by k-means.

    frames: shape (T, D), T >= components. floor: smallest variance, as a share of each dimension's variance over
    all frames. start: go on from this mixture. report(step, mean log-likelihood of a frame in nats before the step).

    Bishop, Pattern Recognition and Machine Learning, §9.2. Raises SpoofproofError where frames are too few.
    """
    if len(frames) < components:
        raise SpoofproofError(
            f"{components} components need at least as many frames; there are {len(frames)}. "
            "Give more training data of this class, or fewer components"
        )
    smallest = np.maximum(floor * frames.var(axis=0, dtype=np.float64), 1e-8)
    mixture = start or _from_clusters(frames, _clusters(frames, components, rng), smallest)
    for step in range(iterations):
        mixture, likelihood = improve(mixture, frames, smallest)
        report(step, likelihood)
    return mixture


def improve(mixture: Mixture, frames: Features, smallest: np.ndarray) -> tuple[Mixture, float]:
    """One step of EM and the mean log-likelihood before it. Components without frames keep their place."""
    k, d = mixture.mean.shape
    count, first, second, likelihood = np.zeros(k), np.zeros((k, d)), np.zeros((k, d)), 0.0
    for begin in range(0, len(frames), _CHUNK):
        x = frames[begin : begin + _CHUNK]
        parts = mixture.components(x)
        top = parts.max(axis=1, keepdims=True)
        share = np.exp(parts - top)
        total = share.sum(axis=1, keepdims=True)
        likelihood += float((top + np.log(total)).sum(dtype=np.float64))
        share /= total
        count += share.sum(axis=0, dtype=np.float64)
        first += share.T @ x
        second += share.T @ np.square(x)
    lives = count > 1e-3
    safe = np.where(lives, count, 1.0)[:, None]
    mean = np.where(lives[:, None], first / safe, mixture.mean)
    variance = np.where(lives[:, None], second / safe - mean**2, mixture.variance)
    weight = np.maximum(count, 1e-6)
    return _mixture(weight / weight.sum(), mean, np.maximum(variance, smallest)), likelihood / len(frames)


def _clusters(frames: Features, components: int, rng: Rng, rounds: int = 8) -> np.ndarray:
    """Index of the nearest of ``components`` centres, shape (T,), by Lloyd's rounds from random frames."""
    centres = frames[rng.choice(len(frames), components, replace=False)].astype(np.float32)
    nearest = np.zeros(len(frames), dtype=np.int64)
    for _ in range(rounds):
        offset = 0.5 * np.square(centres).sum(axis=1)
        for begin in range(0, len(frames), _CHUNK):
            nearest[begin : begin + _CHUNK] = (frames[begin : begin + _CHUNK] @ centres.T - offset).argmax(
                axis=1
            )
        count = np.bincount(nearest, minlength=components)
        total = np.zeros_like(centres, dtype=np.float64)
        np.add.at(total, nearest, frames)
        lives = count > 0
        centres[lives] = (total[lives] / count[lives, None]).astype(np.float32)
    return nearest


def _from_clusters(frames: Features, nearest: np.ndarray, smallest: np.ndarray) -> Mixture:
    k = int(nearest.max()) + 1
    held = [frames[nearest == i] for i in range(k)]
    held = [x for x in held if len(x)]
    count = np.array([len(x) for x in held], dtype=np.float64)
    mean = np.stack([x.mean(axis=0, dtype=np.float64) for x in held])
    variance = np.stack([x.var(axis=0, dtype=np.float64) for x in held])
    return _mixture(count / count.sum(), mean, np.maximum(variance, smallest))


def _mixture(weight: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> Mixture:
    return Mixture(weight.astype(np.float32), mean.astype(np.float32), variance.astype(np.float32))
