"""From B resampled values to an interval, a p-value, a rank."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from ..types import Estimate

Values = NDArray[np.float64]


def interval(
    values: Values,
    *,
    confidence: float = 0.95,
    clusters: int | None = None,
    value: float | None = None,
) -> tuple[float, float]:
    """Percentile interval of resampled values, shape (B,), widened where it rests on few clusters.

    The percentiles are expanded so that the interval would have Student's t length for a mean of ``clusters``
    observations (Hesterberg 2015, The American Statistician 69:371, section 5.3): a resample of n clusters spreads
    by sqrt((n - 1) / n) too little, and its spread is itself estimated. Percentiles, not "basic" or BCa: they never
    leave the range of a rate, do not depend on the scale, and need no acceleration, which has no agreed form for two
    crossed factors. A resample repeats trials, which pushes some metrics one way (ECE up, min DCF down); the interval is
    stretched to hold the measured ``value`` where that has pushed it past. NaN values are left out; (NaN, NaN) when
    none is left.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return math.nan, math.nan
    tail = expanded((1 - confidence) / 2, clusters)
    low, high = np.quantile(finite, [tail, 1 - tail])
    inside = float(low) if value is None or math.isnan(value) else value
    return min(float(low), inside), max(float(high), inside)


def expanded(tail: float, clusters: int | None) -> float:
    """The tail probability whose normal quantile is ``sqrt(n / (n - 1))`` times the t quantile of ``tail``."""
    if clusters is None or clusters < 2:
        return tail
    stretch = math.sqrt(clusters / (clusters - 1))
    return float(ndtr(stretch * stdtrit(clusters - 1, tail)))


def p_value(differences: Values, *, clusters: int | None = None) -> float:
    """Two-sided bootstrap p-value of "the difference is 0", from resampled differences, shape (B,).

    Twice the share of resamples on the far side of 0, (count + 1) / (B + 1), then turned by the same rule as the
    interval, so that p < 0.05 and "the 95 % interval leaves out 0" say the same (up to one resample).
    """
    finite = differences[np.isfinite(differences)]
    if not finite.size:
        return math.nan
    far = min((finite <= 0).sum(), (finite >= 0).sum())
    tail = min(0.5, (far + 1) / (finite.size + 1))
    if clusters is not None and clusters >= 2:
        stretch = math.sqrt(clusters / (clusters - 1))
        tail = float(stdtr(clusters - 1, ndtri(tail) / stretch))
    return float(min(1.0, 2 * tail))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): adjusted p-values in the order given; NaN stays NaN and does not count."""
    result = [math.nan] * len(p)
    order = sorted((value, i) for i, value in enumerate(p) if not math.isnan(value))
    worst = 0.0
    for rank, (value, i) in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - rank) * value))
        result[i] = worst
    return result


def rank_intervals(
    point: Mapping[str, float],
    values: Mapping[str, Values],
    *,
    confidence: float = 0.95,
    clusters: int | None = None,
    n_bonafide: int = 0,
    n_spoof: int = 0,
) -> dict[str, Estimate]:
    """Rank (1 = lowest value = best) of each name, with the interval of its ranks in the resamples.

    point: the measured value by name. values: the resampled ones, shape (B,), from shared resamples. Equal values
    share the mean of their ranks.
    """
    names = list(point)
    ranks = _ranks(np.array([[point[n]] for n in names]))[:, 0]
    drawn = _ranks(np.stack([values[n] for n in names])) if names else np.zeros((0, 0))
    found = {}
    for i, name in enumerate(names):
        low, high = interval(drawn[i], confidence=confidence, clusters=clusters, value=float(ranks[i]))
        found[name] = Estimate(float(ranks[i]), math.floor(low), math.ceil(high), n_bonafide, n_spoof)
    return found


def _ranks(values: Values) -> Values:
    """Ranks along axis 0, 1 = lowest, ties at their mean."""
    below = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    result: Values = below + (equal + 1) / 2
    return result
