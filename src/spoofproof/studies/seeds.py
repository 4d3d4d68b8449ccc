"""Intervals for what was trained several times: over the seeds of training and over the trials, at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from ..errors import BadScores
from ..results.grid import Values
from ..types import Estimate

UNSTABLE = 0.10


@dataclass(frozen=True, slots=True)
class OverSeeds:
    """The mean over seeds with its interval and two-sided p of "it is 0". each: the value of every seed. spread: their
    standard deviation; unstable: above ten points (as the ASCA study found it can be)."""

    estimate: Estimate
    p: float
    each: tuple[float, ...]
    spread: float

    @property
    def unstable(self) -> bool:
        """Whether the seeds differ so much that their mean hides it."""
        return self.spread > UNSTABLE


def over_seeds(
    values: Values,
    *,
    clusters: int,
    n_bonafide: int = 0,
    n_spoof: int = 0,
    confidence: float = 0.95,
    bounded: bool = False,
    reach: Callable[[float], float] = lambda tail: math.nan,
) -> OverSeeds:
    """values: shape (S, 1 + B), for each seed the measured value and the resampled ones (the same resamples for all).

    Two things vary: which trials were drawn (the bootstrap variance of the mean over seeds, times n / (n - 1) for n
    clusters, as in ``stats.interval``), and which seeds (the sample variance of the measured values over S: on the
    same trials it holds none of the former). The sum has Satterthwaite's degrees of freedom and Student's t. bounded:
    cut the interval to 0 … 1. reach: how far the truth may lie, but for a chance of ``tail``, where neither
    moves the mean (``stats.unseen``); without it nothing is said then. Raises BadScores for fewer than two
    seeds: their spread cannot be known.
    """
    if values.ndim != 2 or len(values) < 2:
        raise BadScores("an interval over training seeds needs at least two seeds; give --seeds 2 or more")
    seeds, n = len(values), max(2, clusters)
    each = values[:, 0]
    mean = float(each.mean())
    trials = float(np.nanvar(values[:, 1:].mean(axis=0))) * n / (n - 1)
    trained = float(each.var(ddof=1)) / seeds
    total = trials + trained
    spread = float(each.std(ddof=1))
    if not math.isfinite(total) or total == 0:
        p = 1.0 if total == 0 and mean == 0 else math.nan
        half = reach((1 - confidence) / 2) if total == 0 else math.nan
    else:
        freedom = total**2 / (trials**2 / (n - 1) + trained**2 / (seeds - 1))
        half = float(-stdtrit(freedom, (1 - confidence) / 2)) * math.sqrt(total)
        p = float(2 * stdtr(freedom, -abs(mean) / math.sqrt(total)))
    low, high = mean - half, mean + half
    if bounded:
        low, high = max(0.0, low), min(1.0, high)
    return OverSeeds(Estimate(mean, low, high, n_bonafide, n_spoof), p, tuple(map(float, each)), spread)
