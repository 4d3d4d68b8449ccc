"""Risk over coverage (El-Yaniv and Wiener 2010, JMLR 11:1605): how wrong is it among those it answers, the more it declines?

Both classes weigh alike whatever their counts. Clips are declined in order of ``clear``, the distance in log odds from even odds to
the nearer end of the interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..stats import Resamples, resamples, unseen
from ..stats.units import units_of
from ..types import Trial
from .table import Point

ALWAYS = -99.0  # log odds: below any distance, so everything is answered
_POINTS = 20
_LEAST_COVERAGE = 0.1  # below which a risk rests on too few clips to choose by


@dataclass(frozen=True, slots=True)
class Judged:
    """A clip, its distance from even odds (ALWAYS for one that is never answered by choice), and whether it was called synthetic."""

    trial: Trial
    clear: float
    synthetic: bool


def curve(judged: Sequence[Judged], *, by_source: bool = False, count: int = 500) -> tuple[Point, ...]:
    """The curve from "answers everything" to the clearest clip, some 20 points; the second one is at distance 0.

    Intervals are clustered by speaker and generator, or by source. Raises BadScores when a class is missing.
    """
    clear = np.array([j.clear for j in judged])
    shares = np.linspace(0.0, 1.0, _POINTS, endpoint=False)
    positive = clear[clear > 0]
    steps = np.unique(np.quantile(positive, shares)) if positive.size else np.zeros(0)
    return points(judged, [ALWAYS, 0.0, *steps.tolist()], by_source=by_source, count=count)


def points(
    judged: Sequence[Judged], thresholds: Sequence[float], *, by_source: bool = False, count: int = 500
) -> tuple[Point, ...]:
    """Coverage and risk when those with ``clear`` at or above each threshold are answered."""
    drawn = _drawn(judged, by_source, count)
    found = []
    for threshold, answered, coverage, risk in _steps(judged, drawn, thresholds, count):
        units = partial(units_of, drawn, answered)
        low, high = unseen.ends(risk, units, unseen.RISK, clusters=drawn.fewest)
        found.append(Point(*(float(f"{x:.5g}") for x in (threshold, coverage[0], risk[0], low, high))))
    return tuple(found)


def drops(
    judged: Sequence[Judged], thresholds: Sequence[float], *, by_source: bool = False, count: int = 500
) -> tuple[tuple[float, float, float], ...]:
    """By how much the risk at each threshold lies below that of answering everything, and the 95 % interval of that: paired,
    each resample is judged both ways. Thresholds at which nothing is answered are left out, as in ``points``."""
    drawn = _drawn(judged, by_source, count)
    (_, _, _, whole), *steps = _steps(judged, drawn, [ALWAYS, *thresholds], count)
    found = []
    for _, _, _, risk in steps:
        drop = whole - risk  # NaN in a resample that holds none of those answered
        low, high = np.nanquantile(drop[1:], (0.025, 0.975))
        found.append((float(drop[0]), float(low), float(high)))
    return tuple(found)


Step = tuple[float, NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]


def _drawn(judged: Sequence[Judged], by_source: bool, count: int) -> Resamples:
    trials = [replace(j.trial, speaker=j.trial.source, attack="") if by_source else j.trial for j in judged]
    return resamples(trials, count=count)


def _steps(
    judged: Sequence[Judged], drawn: Resamples, thresholds: Sequence[float], count: int
) -> Iterator[Step]:
    """(threshold, who is answered, coverage, risk) where anybody is; the last two of the sample and of each resample."""
    weight = np.hstack([np.ones((len(judged), 1)), drawn.weights(0, count)[drawn.cell]])
    real = np.array([j.trial.label == "bonafide" for j in judged])
    wrong = np.array([j.synthetic for j in judged]) == real
    clear = np.array([j.clear for j in judged])
    for threshold in thresholds:
        answered = clear >= threshold
        coverage, risk = _balanced(weight, real, answered, answered & wrong)
        if coverage[0]:
            yield threshold, answered, coverage, risk


def choose(curve: Sequence[Point], target: float) -> float:
    """The least distance, 0 or more, from which on the risk stays at or below ``target``; where it never does, that of the least risk.

    Points that answer less than a tenth do not count. 0 when nothing is left.
    """
    able = sorted((p for p in curve if p.clear >= 0 and p.coverage >= _LEAST_COVERAGE), key=lambda p: p.clear)
    if not able:
        return 0.0
    stays = [p for i, p in enumerate(able) if all(later.risk <= target for later in able[i:])]
    return stays[0].clear if stays else min(able, key=lambda p: (p.risk, p.clear)).clear


def _balanced(
    weight: NDArray[np.float64],
    real: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(coverage, risk) of each column of weights, shape (B,)."""
    coverage, errors = np.zeros(weight.shape[1]), np.zeros(weight.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        for mine in (real, ~real):
            total = weight[mine].sum(axis=0)
            coverage += weight[mine & answered].sum(axis=0) / total / 2
            errors += weight[mine & wrong].sum(axis=0) / total / 2
        return coverage, errors / coverage
