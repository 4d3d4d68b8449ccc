"""Are the scores what they claim to be? Metrics of log-likelihood ratios (natural log, bona fide over spoof)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..registry import metric
from ..types import Scores
from .curve import both, error_rates

BINS = 10


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
    db, ds = hull_steps(miss, 1 - false_alarm)
    total = db + ds
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = np.where(db > 0, -db * np.log2(db / total), 0) + np.where(ds > 0, -ds * np.log2(ds / total), 0)
    return float(bits.sum() / 2)


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


def hull_steps(miss: Scores, rejected: Scores) -> tuple[Scores, Scores]:
    """Steps (bona fide mass, spoof mass) of the greatest convex minorant of miss over rejected spoof.

    Each step is one pool of isotonic regression; both columns sum to 1.
    """
    hull: list[int] = []
    for k in range(miss.size):
        while len(hull) >= 2:
            i, j = hull[-2], hull[-1]
            turn = (rejected[j] - rejected[i]) * (miss[k] - miss[i]) - (miss[j] - miss[i]) * (
                rejected[k] - rejected[i]
            )
            if turn > 0:
                break
            hull.pop()
        hull.append(k)
    return np.diff(miss[hull]), np.diff(rejected[hull])
