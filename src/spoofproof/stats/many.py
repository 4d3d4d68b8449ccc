"""Many differences tested together from shared resamples: step-down maxT.

A bootstrap p-value of B resamples cannot lie below 1 / (B + 1); multiplied by 100 cells (Holm, Bonferroni) none of 1000
resamples can ever be called. And the cells of a run are anything but independent: the same trials, the same two detectors.
The largest of all studentised differences has one distribution, which the shared resamples hold, dependence and all:
comparing each difference with it keeps the chance of any false alarm at the level stated (Westfall and Young 1993;
Romano and Wolf 2005, Econometrica 73:1237), and costs far less power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

Values = NDArray[np.float64]
_LEAST = 1e-300  # of a tail: beyond it the normal value is infinite


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """M tests. alone: p-values as if each were the only one. corrected: for all M. called: the least difference that would
    have had a corrected p below the level, given its spread. Each of shape (M,), NaN where a test had no values."""

    alone: Values
    corrected: Values
    called: Values


@dataclass(frozen=True, slots=True, eq=False)
class Unmoved:
    """Of tests whose difference no resample moves: their exact p-values, and how far beyond the margin a
    difference would have to be to be called. Each of shape (M,), NaN for the other tests."""

    p: Values
    reach: Values


def together(
    values: Values,
    *,
    margin: Values | float = 0.0,
    clusters: Values | int,
    two_sided: bool = False,
    level: float = 0.05,
    unmoved: Unmoved | None = None,
) -> Together:
    """Test "the difference is at most ``margin``" (``two_sided``: "is 0") of M differences at once.

    values: shape (M, 1 + B), the measured difference first, then those of shared resamples. clusters: how many drawn
    clusters each rests on, shape (M,) or one for all: a difference is divided by its bootstrap spread times
    sqrt(n / (n - 1)) and taken for Student's t with n - 1 degrees of freedom, as ``interval`` does; the resampled ones,
    whose spread is known, for normal. A difference without spread (a detector that broke altogether has an EER of one half
    in every resample) has its exact p-value (``unmoved``), corrected for the number of such tests
    (Bonferroni), since it has no place in the distribution of the others; without one it is beyond doubt
    where it exceeds the margin. NaN resamples of a test do not count for it.
    """
    point, drawn = values[:, 0], values[:, 1:]
    spread = _spread(drawn)
    n = np.maximum(2.0, np.broadcast_to(np.asarray(clusters, dtype=np.float64), point.shape))
    beyond = np.abs(point) if two_sided else point - margin
    z = _normal(beyond, spread * np.sqrt(n / (n - 1)), n)
    if unmoved is not None:
        p = unmoved.p / 2 if two_sided else unmoved.p
        z = np.where(np.isnan(p), z, -ndtri(np.maximum(p, _LEAST)))
    with np.errstate(divide="ignore", invalid="ignore"):
        stars = (drawn - point[:, None]) / spread[:, None]
    stars = np.where(np.isfinite(stars), np.abs(stars) if two_sided else stars, -np.inf)
    known = np.isfinite(point)
    alone, corrected = np.full(point.size, math.nan), np.full(point.size, math.nan)
    alone[known] = (1 + (stars[known] >= z[known, None]).sum(axis=1)) / (1 + drawn.shape[1])
    corrected[known] = _step_down(z[known], stars[known])
    called = _called(stars[known], spread, n, margin, level)
    if unmoved is not None:
        mine = np.isfinite(unmoved.p) & known
        alone[mine] = np.maximum(alone, unmoved.p)[mine]
        corrected[mine] = np.maximum(corrected, np.minimum(1, unmoved.p * mine.sum()))[mine]
        called = np.where(mine, margin + unmoved.reach, called)
    return Together(alone, corrected, called)


def _spread(drawn: Values) -> Values:
    some = np.isfinite(drawn).sum(axis=1) > 1
    found = np.zeros(drawn.shape[0])
    found[some] = np.nanstd(np.where(np.isfinite(drawn[some]), drawn[some], np.nan), axis=1, ddof=1)
    found[found < 1e-12] = 0.0  # sums in another order, not a spread
    return found


def _normal(beyond: Values, spread: Values, n: Values) -> Values:
    """Normal values with the tails that Student's t gives to differences in units of their spread."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(spread > 0, beyond / spread, np.where(beyond > 1e-12, np.inf, -np.inf))
    result: Values = -ndtri(np.maximum(stdtr(n - 1, -t), _LEAST))
    return result


def _step_down(z: Values, stars: Values) -> Values:
    """Corrected p-values: the largest is held against the largest of all, the next against the largest of the rest, …"""
    corrected = np.empty(z.size)
    order = np.argsort(-z, kind="stable")
    rest = np.maximum.accumulate(stars[order[::-1]], axis=0)[
        ::-1
    ]  # row k: the largest of test k and all below it
    worst = 0.0
    for rank, i in enumerate(order):
        worst = max(worst, (1 + int((rest[rank] >= z[i]).sum())) / (1 + stars.shape[1]))
        corrected[i] = worst
    return corrected


def _called(stars: Values, spread: Values, n: Values, margin: Values | float, level: float) -> Values:
    if not stars.size:
        return np.full(spread.size, math.nan)
    most = np.sort(stars.max(axis=0))
    place = math.ceil((1 - level) * (most.size + 1))  # so many of B lie at or below it that p = level
    tail = ndtr(-most[place - 1]) if place <= most.size else 0.0
    t = -stdtrit(n - 1, min(max(tail, _LEAST), 0.5))
    further = np.zeros(spread.size)
    some = spread > 0
    further[some] = (t * spread * np.sqrt(n / (n - 1)))[some]
    return margin + further
