"""How far may the truth lie from a value that no resample moves? What did not happen cannot be drawn.

Eight trials without an error are eight without an error in every resample, and a percentile interval would be
[0, 0]. The end is then the exact bound instead: what would be seen in this way with a chance of only ``tail``
(Clopper and Pearson 1934; the "rule of three", Hanley and Lippman-Hand 1983), over *independent units*, not
trials. That m units show nothing has a chance of at most (1 - p)^m, however alike the trials of a unit are: a
unit with the rate r and k trials shows nothing with the chance (1 - r)^k <= 1 - r, and their mean is 1 - p.

* A decision at a fixed threshold: 1 - tail^(1/m) for a class of m units.
* EER, the threshold being sought in the same scores: below the threshold of the true EER e one class errs
  with at least e, above it the other. Perfect order means no miss at it or no false alarm at it: a chance of
  at most (1 - e)^m + (1 - e)^n. Minimum costs a P_miss + b P_fa = d the same, at the point where both terms
  are at least d / 2.
* AUROC, P(bona fide > spoof): g pairs that share no unit are all in order with a chance of at most AUROC^g.
* min Cllr is the entropy of the class given the score, in bits, and a decision knows no more: at most h(EER).
* Cllr and means of llrs have no bound: one llr that was not seen may cost anything. Neither has ECE, or a
  metric of one's own.

A mean over conditions has the bound of one of them: if the mean is that far off, one of them is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from ..metrics import cost
from ..types import Scores
from .intervals import interval
from .units import Units
from .weighted import CURVES, DECISIONS, Values

RISK = "risk"  # share of errors among decisions of both classes, however these are weighted
NOTE = (
    "where no resample moves a value (no error, or nothing but errors), its interval ends at the exact bound for as many "
    "speakers and attacks as are independent; where there is no such bound, as for Cllr, no interval is shown"
)
_SAME = 1e-12  # sums in another order, not a spread
_TAILS = (1e-12, 0.5)
_NOTHING_SAID = {"cllr": 1.0, "ece": 0.0, "llr_bonafide": 0.0, "llr_spoof": 0.0}


def still(values: Values) -> bool:
    """Whether no resample moves the measured value (shape (1 + B,), the measured one first)."""
    drawn = values[1:][np.isfinite(values[1:])]
    return bool(drawn.size and np.isfinite(values[0]) and np.abs(drawn - values[0]).max() <= _SAME)


def ends(
    values: Values,
    units: Callable[[], Units],
    metric: str | None,
    *,
    confidence: float = 0.95,
    clusters: int | None = None,
    difference: bool = False,
) -> tuple[float, float]:
    """The interval of values of shape (1 + B,): that of ``interval``, and where no resample moves the
    measured one the exact bound. metric: whose values, or whose differences, they are; None where a value
    that nothing moves is the truth."""
    if metric is None or not still(values):
        return interval(values[1:], confidence=confidence, clusters=clusters, value=float(values[0]))
    bound = around_difference if difference else around
    return bound(metric, float(values[0]), units(), (1 - confidence) / 2)


def alike(metric: str, first: Scores, second: Scores) -> bool:
    """Whether two sets of scores are one for ``metric``, so that their difference is exact: they are the
    same, or one is the other shifted and the metric goes by order (or is a mean of llrs); and most trials
    have a score of their own. (Two detectors that say only 0 and 1 may say the same of a few trials by
    chance.)"""
    if not first.size or 2 * np.unique(first).size <= first.size:
        return False
    shifts = metric in (*CURVES, "eer_asvspoof", "llr_bonafide", "llr_spoof") or metric.endswith("_oracle")
    slack = _SAME * float(np.abs([first, second]).max()) if shifts else 0.0
    return bool(np.ptp(first - second) <= slack if shifts else np.array_equal(first, second))


def of_none(share: float, units: int, among: int, tail: float) -> float:
    """Most of the one class, at equal priors, in a bin of stated probabilities that holds ``share`` of the
    other and none of it. units, among: independent ones of the class that is missing, and of the other. Each
    rate is at its exact bound."""
    seen = max(share * among, 1e-9)
    least, most = float(betaincinv(seen, max(among - seen, 0.0) + 1, tail / 2)), _seldom(units, tail / 2)
    return most / (most + least)


def around(metric: str, value: float, units: Units, tail: float) -> tuple[float, float]:
    """Interval of a metric that no resample moves, each end missed with a chance of at most ``tail``; NaN
    where none is valid. Calibrations that say nothing (llr 0 for every trial there could be) are exact."""
    if _NOTHING_SAID.get(metric) == value:
        return value, value
    far, (least, most) = reach(metric, units, tail), _range(metric)
    if far == math.inf:
        return math.nan, math.nan
    return max(least, value - far), min(most, value + far)


def around_difference(metric: str, difference: float, units: Units, tail: float) -> tuple[float, float]:
    """The same of a difference of two values of a metric over the same trials, as far as it can go."""
    far, (least, most) = apart(metric, difference, units, tail), _range(metric)
    if far == math.inf:
        return math.nan, math.nan
    return max(least - most, difference - far), min(most - least, difference + far)


def apart(metric: str, difference: float, units: Units, tail: float) -> float:
    """How far the truth may lie from a difference that no resample moves, infinite where nothing is known.

    Two values at the same end: the difference is no more than the one of them that is wrong. At different
    ends both may be.
    """
    return reach(metric, units, tail) if abs(difference) <= _SAME else 2 * reach(metric, units, tail / 2)


def tail_of(metric: str, difference: float, units: Units, margin: float = 0.0) -> float:
    """One-sided p-value of "the difference is at most ``margin``" for one that no resample moves."""
    if difference - margin <= _SAME:
        return 1.0
    low, high = (math.log(tail) for tail in _TAILS)
    if not difference - apart(metric, difference, units, math.exp(high)) > margin:
        return 1.0
    for _ in range(40):
        middle = (low + high) / 2
        beyond = difference - apart(metric, difference, units, math.exp(middle)) > margin
        low, high = (low, middle) if beyond else (middle, high)
    return math.exp(high)


def chance_of(metric: str, difference: float, units: Units) -> float:
    """Two-sided p-value of "the difference is 0" for one that no resample moves."""
    return min(1.0, 2 * tail_of(metric, abs(difference), units))


def reach(metric: str, units: Units, tail: float) -> float:
    """How far the truth may lie from a value of ``metric`` that no resample moves, but for a chance of
    ``tail``; infinite where nothing is known."""
    m, n = units.bonafide, units.spoof
    name = metric.removesuffix("_rate").removesuffix("_frozen")
    if metric in ("eer", "eer_asvspoof"):
        return _both(m, n, tail, 1.0, 1.0)
    if metric == "auroc":
        return _seldom(units.pairs, tail)
    if metric == RISK:
        return _seldom(min(m, n), tail)
    if name in DECISIONS:
        return _moved(name, units, _seldom(m, tail), _seldom(n, tail))
    if metric.endswith("_oracle"):
        e = _both(m, n, tail, 1.0, 1.0)
        return _moved(metric.removesuffix("_oracle"), units, e, e)
    if metric == "act_dcf":
        return (cost.DCF_MISS * _seldom(m, tail) + cost.DCF_FALSE_ALARM * _seldom(n, tail)) / cost.DCF_DEFAULT
    if metric == "min_dcf":
        return min(
            1.0, _both(m, n, tail, cost.DCF_MISS / cost.DCF_DEFAULT, cost.DCF_FALSE_ALARM / cost.DCF_DEFAULT)
        )
    if metric == "min_tdcf":
        _, miss, false_alarm = (c / _tandem() for c in cost.tandem_costs(cost.ASVSPOOF5_ASV))
        return min(1.0, _both(m, n, tail, miss, false_alarm))
    if metric == "min_cllr":
        return _entropy(min(0.5, _both(m, n, tail, 1.0, 1.0)))
    return math.inf


def _seldom(units: int, tail: float) -> float:
    """The rate at which ``units`` independent ones show nothing with a chance of ``tail``."""
    return 1 - tail ** (1 / units) if units else 1.0


def _both(m: int, n: int, tail: float, a: float, b: float) -> float:
    """d with (1 - d / 2a)^m + (1 - d / 2b)^n = tail for the costs a and b; at a = b = 1 the EER, half of it."""
    scale = 1.0 if a == b == 1.0 else 2.0
    if not m or not n:
        return scale * max(a, b)
    low, high = 0.0, scale * max(a, b)
    for _ in range(60):
        d = (low + high) / 2
        chance = max(0.0, 1 - d / (scale * a)) ** m + max(0.0, 1 - d / (scale * b)) ** n
        low, high = (d, high) if chance > tail else (low, d)
    return high


def _moved(name: str, units: Units, miss: float, false_alarm: float) -> float:
    """The most that a metric of decisions changes where each rate leaves an end, 0 or 1, by that much."""
    form: Callable[..., NDArray[np.float64]] = DECISIONS[name]
    sizes = float(units.n_bonafide), float(units.n_spoof)
    far = 0.0
    for ends in product((0.0, 1.0), repeat=2):
        here = form(*map(np.float64, ends), *sizes)
        for off in product((0.0, miss), (0.0, false_alarm)):
            there = form(*(np.float64(abs(a - b)) for a, b in zip(ends, off, strict=True)), *sizes)
            far = max(far, abs(float(there) - float(here)))
    return far


def _range(metric: str) -> tuple[float, float]:
    if metric == "act_dcf":
        return 0.0, (cost.DCF_MISS + cost.DCF_FALSE_ALARM) / cost.DCF_DEFAULT
    return (cost.tandem_costs(cost.ASVSPOOF5_ASV)[0] / _tandem() if metric == "min_tdcf" else 0.0), 1.0


def _tandem() -> float:
    c0, miss, false_alarm = cost.tandem_costs(cost.ASVSPOOF5_ASV)
    return c0 + min(miss, false_alarm)


def _entropy(p: float) -> float:
    return 0.0 if p <= 0 else -p * math.log2(p) - (1 - p) * math.log2(1 - p)
