"""Are the scores what they claim to be? Metrics of log-likelihood ratios (natural log, bona fide over spoof)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..registry import metric
from ..types import Scores
from .curve import Rates, both, error_rates

BINS = 10
_POINTS = 2000


@metric(better="lower", needs="llr")
def cllr(*, bonafide: Scores, spoof: Scores) -> float:
    """Cost of log-likelihood ratios in bits: 0 = perfect, 1 = knows nothing, above 1 = misleads.

    1/2 mean_bonafide log2(1 + e^-x) + 1/2 mean_spoof log2(1 + e^x), safe against overflow. Source: Brümmer and
    du Preez 2006; ASVspoof 5 evaluation plan. Raises BadScores.
    """
    b, s = both(bonafide, spoof)
    return float(surprise(b)[0].mean() + surprise(s)[1].mean())


@metric(better="lower")
def min_cllr(*, bonafide: Scores, spoof: Scores) -> float:
    """Cllr after the best increasing recalibration of this very set: what is left is lack of discrimination.

    The recalibration is isotonic regression (pool adjacent violators), read off the convex hull of the staircase.
    Source: Brümmer and du Preez 2006. Raises BadScores.
    """
    _, miss, false_alarm = error_rates(bonafide, spoof)
    corners = hull_points(miss, 1 - false_alarm)
    return float(_bits(np.diff(miss[corners]), np.diff(1 - false_alarm[corners])).sum() / 2)


@metric(better="lower", needs="llr")
def ece(*, bonafide: Scores, spoof: Scores) -> float:
    """Expected calibration error, 0 to 1: how far stated probabilities lie from what happens, at equal priors.

    The probability of bona fide is 1 / (1 + e^-x); it is cut into 10 bins of equal width, both classes weigh one half
    whatever their counts, and |stated - found| is averaged over the bins. Source: Naeini et al. 2015 (ECE), at the
    prior for which a log-likelihood ratio is a log-odds. Raises BadScores.
    """
    b, s = both(bonafide, spoof)
    error = np.zeros(BINS)
    for scores, is_bonafide in ((b, True), (s, False)):
        where, gap = bin_gaps(scores, is_bonafide)
        error += np.bincount(where, weights=gap, minlength=BINS) / (2 * scores.size)
    return float(np.abs(error).sum())


def surprise(llr: Scores) -> tuple[Scores, Scores]:
    """Half the bits lost on each score if it is (bona fide, spoof)."""
    return np.logaddexp(0, -llr) / (2 * np.log(2)), np.logaddexp(0, llr) / (2 * np.log(2))


def bin_gaps(llr: Scores, is_bonafide: bool) -> tuple[NDArray[np.intp], Scores]:
    """(bin, found - stated) of each score, for the calibration error."""
    stated = 1 / (1 + np.exp(-np.clip(llr, -700, 700)))
    return np.minimum((stated * BINS).astype(np.intp), BINS - 1), float(is_bonafide) - stated


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a reliability diagram. low, high: its edges, probability of bona fide. stated: mean probability of what
    fell into it; found: share of bona fide in it; both at equal priors, NaN where nothing fell into it."""

    low: float
    high: float
    stated: float
    found: float
    n_bonafide: int
    n_spoof: int


def reliability(*, bonafide: Scores, spoof: Scores) -> list[Bin]:
    """A reliability diagram of log-likelihood ratios: is what is said to be 80 % sure right in 80 % of the cases?

    The bins are those of ``ece``, and both classes weigh one half. Source: Bröcker and Smith 2007; Niculescu-Mizil and
    Caruana 2005. Raises BadScores.
    """
    b, s = both(bonafide, spoof)
    edges = np.linspace(0, 1, BINS + 1)
    counts, sums = [], []
    for scores, is_bonafide in ((b, True), (s, False)):
        where, gap = bin_gaps(scores, is_bonafide)
        counts.append(np.bincount(where, minlength=BINS))
        sums.append(np.bincount(where, weights=float(is_bonafide) - gap, minlength=BINS))
    shares = [n / x.size for n, x in zip(counts, (b, s), strict=True)]
    with np.errstate(invalid="ignore"):
        found = shares[0] / (shares[0] + shares[1])
        stated = (sums[0] / b.size + sums[1] / s.size) / (shares[0] + shares[1])
    return [
        Bin(
            low=float(edges[k]),
            high=float(edges[k + 1]),
            stated=float(stated[k]),
            found=float(found[k]),
            n_bonafide=int(counts[0][k]),
            n_spoof=int(counts[1][k]),
        )
        for k in range(BINS)
    ]


def min_cllr_of(miss: Rates, false_alarm: Rates) -> Rates:
    """min Cllr from error rates, along axis 0: shape (K, …) -> (…). Beyond 2000 points every n-th is looked at, which
    can only raise the value, by less than shows."""
    keep = looked_at(miss.shape[0])
    return min_cllr_at(miss[keep], false_alarm[keep])


def min_cllr_at(miss: Rates, false_alarm: Rates) -> Rates:
    """``min_cllr_of`` of all the points given."""
    shape = miss.shape[1:]
    y, x = (curve.reshape(curve.shape[0], -1) for curve in (miss, 1 - false_alarm))
    stack, top = hulls(x, y)
    columns = np.arange(y.shape[1])
    bits = np.zeros(y.shape[1])
    for k in range(int(top.max())):
        inside = k < top
        i, j = stack[k], stack[np.minimum(k + 1, top), columns]
        db, ds = (np.where(inside, z[j, columns] - z[i, columns], 0.0) for z in (y, x))
        bits += _bits(db, ds)
    bits[~np.isfinite(y[-1] + x[-1])] = np.nan
    result: Rates = (bits / 2).reshape(shape)
    return result


def looked_at(points: int) -> NDArray[np.intp]:
    """Which of so many points ``min_cllr_of`` looks at: all, or about 2000, both ends among them."""
    return np.unique(np.append(np.arange(0, points, -(-points // _POINTS)), points - 1))


def hulls(x: Rates, y: Rates) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Greatest convex minorants of many curves y over x at once, shape (K, B): (corners, index of the last corner).

    x and y never decrease along axis 0. Andrew's monotone chain (1979), all curves in step: corners[: last + 1, b] are
    the indices of the corners of curve b.
    """
    n, width = x.shape
    columns = np.arange(width)
    stack = np.zeros((n, width), np.intp)
    top = np.zeros(width, np.intp)
    for k in range(1, n):
        live = columns[top >= 1]
        while live.size:
            i, j = stack[top[live] - 1, live], stack[top[live], live]
            xi, yi = x[i, live], y[i, live]
            turn = (x[j, live] - xi) * (y[k, live] - yi) - (y[j, live] - yi) * (x[k, live] - xi)
            live = live[turn <= 0]
            top[live] -= 1
            live = live[top[live] >= 1]
        top += 1
        stack[top, columns] = k
    return stack, top


def hull_points(miss: Scores, rejected: Scores) -> NDArray[np.intp]:
    """Indices of the corners of the greatest convex minorant of miss over rejected spoof, shape (K,) -> (C,).

    The stretch between two corners is one pool of isotonic regression (pool adjacent violators).
    """
    stack, top = hulls(np.asarray(rejected)[:, None], np.asarray(miss)[:, None])
    corners: NDArray[np.intp] = stack[: int(top[0]) + 1, 0]
    return corners


def _bits(db: Rates, ds: Rates) -> Rates:
    """Entropy in bits of pools with the class masses db and ds."""
    total = db + ds
    with np.errstate(divide="ignore", invalid="ignore"):
        mine = np.where(db > 0, -db * np.log2(db / total), 0)
        result: Rates = mine + np.where(ds > 0, -ds * np.log2(ds / total), 0)
    return result
