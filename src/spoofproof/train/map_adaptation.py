"""Maximum a posteriori adaptation of a mixture's means; numpy only."""

from __future__ import annotations

import numpy as np

from ..detectors.features import Features
from ..detectors.lfcc_gmm import Mixture

_CHUNK = 8_192  # frames at a time, as in ``em``


def adapted_means(world: Mixture, frames: Features, relevance: float, rounds: int = 1) -> Features:
    """Means of ``world`` moved towards ``frames``: (K, D) from (T, D). Weights and variances stay.

    mean_k -> α_k E_k[x] + (1 - α_k) mean_k with α_k = n_k / (n_k + relevance), n_k the frames that component k answers
    for. relevance -> ∞ gives the background's own means, 0 those of maximum likelihood (one step of EM of the means);
    16 is usual. rounds: further ones find n_k and E_k[x] with the means so far, and always start from the world's.

    Source: Reynolds, Quatieri and Dunn 2000, equations 11 to 14; Gauvain and Lee 1994.
    """
    prior = world.mean.astype(np.float64)
    mean = prior
    for _ in range(rounds):
        count, total = _answers(Mixture(world.weight, mean.astype(np.float32), world.variance), frames)
        lives = count + relevance > 1e-9
        safe = np.where(lives, count + relevance, 1.0)[:, None]
        mean = np.where(lives[:, None], (total + relevance * prior) / safe, prior)
    return mean.astype(np.float32)


def _answers(mixture: Mixture, frames: Features) -> tuple[np.ndarray, np.ndarray]:
    """(n_k, Σ_t γ_k(t) x_t): how many frames each component answers for, and their sum, float64."""
    count, total = np.zeros(len(mixture.mean)), np.zeros(mixture.mean.shape)
    for begin in range(0, len(frames), _CHUNK):
        x = frames[begin : begin + _CHUNK]
        parts = mixture.components(x)
        share = np.exp(parts - parts.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        count += share.sum(axis=0, dtype=np.float64)
        total += share.T @ x
    return count, total
