"""From the scores of the windows of one recording to a log-likelihood ratio, a probability and an interval.

**What is averaged.** The score of a recording is the mean over its windows with speech. It is turned into a log-likelihood ratio by
a line fitted on development clips (``calibrate.fit``). Many windows are not multiplied like independent witnesses: they share
a voice, a generator and a channel, so an hour is worth no more than its mean; it is only known better.

**The interval** says where the answer would lie had the line been fitted on other speakers and generators, and had other stretches
of the same recording been heard. Both are drawn, 400 times each:

* The line: one of those in the table, fitted on resamples of whole speakers and whole generators.
* The mean: blocks of three neighbouring windows (which overlap by half) drawn with replacement, as many as there are
  (moving blocks, Künsch 1989, Annals of Statistics 17:1217). How much the score of a single window varies is not added for a
  recording that has but one: the line was fitted on clips of one window, so its probability has that doubt in it already.

It cannot say how far a generator, language or channel is off that nothing in the development data is like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from ..errors import BadPlan
from ..streams import stream
from .table import Table

DRAWS = 400
_BLOCK = 3  # windows
_TAIL = 2.5  # percent on either side


@dataclass(frozen=True, slots=True)
class Opinion:
    """llr: natural log of bona fide over synthetic. probability: that it is synthetic; low, high: 95 % interval. clear: log odds
    from one half to the nearer end of the interval; negative where the interval holds one half."""

    llr: float
    probability: float
    low: float
    high: float
    clear: float


def opinion(scores: ArrayLike, table: Table, prior: float = 0.5) -> Opinion:
    """What the windows of one recording with these scores, shape (W,), say together.

    prior: probability of synthetic speech before listening, between 0 and 1. W = 0: nothing was heard, the answer is the
    prior and the interval everything. Raises BadPlan for a prior outside (0, 1).
    """
    odds = prior_log_odds(prior)
    scores = np.asarray(scores, dtype=np.float64)
    if not scores.size:
        return Opinion(0.0, prior, 0.0, 1.0, -math.inf)
    llr = float(scores.mean()) * table.scale + table.offset
    lines = np.asarray(table.lines)
    drawn = _means(scores)
    rng = stream(0, "detect", "lines")
    pick = lines[rng.integers(len(lines), size=DRAWS)]
    log_odds = odds - (drawn * pick[:, 0] + pick[:, 1])
    low, high = np.percentile(log_odds, [_TAIL, 100 - _TAIL])
    here = odds - llr
    low, high = min(float(low), here), max(float(high), here)
    clear = low if here > 0 else -high
    return Opinion(llr, float(expit(here)), float(expit(low)), float(expit(high)), float(clear))


def probability(llr: NDArray[np.float64] | float, prior: float) -> NDArray[np.float64]:
    """Probability of synthetic from log-likelihood ratios of bona fide and the prior of synthetic."""
    return np.asarray(expit(prior_log_odds(prior) - np.asarray(llr, np.float64)), dtype=np.float64)


def prior_log_odds(prior: float) -> float:
    """Log odds of synthetic before listening. Raises BadPlan outside (0, 1)."""
    if not 0 < prior < 1:
        raise BadPlan(
            f"the prior is the probability of synthetic speech before listening, between 0 and 1; got {prior:g}"
        )
    return float(logit(prior))


def _means(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of the recording as they might have come out, shape (400,)."""
    n = scores.size
    rng = stream(0, "detect", "windows", str(n))
    starts = rng.integers(n, size=(DRAWS, -(-n // _BLOCK)))
    index = (starts[:, :, None] + np.arange(min(_BLOCK, n))) % n
    means = scores[index].reshape(DRAWS, -1)[:, :n].mean(axis=1)
    return np.asarray(means, dtype=np.float64)
