"""Operating points: what share of each class is on the wrong side, at every threshold that makes a difference.

"Miss" = bona fide rejected (real speech accused); "false alarm" = spoof accepted (a fake let through): the words of
ASVspoof, where the detector guards a door. A score is accepted as bona fide when score >= threshold.

The functions of error rates work along axis 0, so that one call serves one curve, shape (K,), or B resampled ones,
shape (K, B).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadScores
from ..types import Scores

Rates: TypeAlias = NDArray[np.float64]


def checked(scores: ArrayLike, name: str) -> Scores:
    """``scores`` as float64, shape (N,), N >= 1, finite. Raises BadScores, which names the class ``name``."""
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1:
        raise BadScores(f"{name} scores have shape {array.shape}; expected one score a trial, shape (N,)")
    if not array.size:
        raise BadScores(f"there are no {name} scores; a metric needs both classes")
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise BadScores(
            f"{bad} of {array.size} {name} scores are NaN or infinite; leave those trials out and report the coverage"
        )
    return array


def both(bonafide: ArrayLike, spoof: ArrayLike) -> tuple[Scores, Scores]:
    """Both classes checked. Raises BadScores."""
    return checked(bonafide, "bona fide"), checked(spoof, "spoof")


def error_rates(bonafide: ArrayLike, spoof: ArrayLike) -> tuple[Scores, Rates, Rates]:
    """(scores, miss, false alarm) of the staircase; equal scores are one step.

    scores: the K distinct scores, ascending. miss, false alarm: K + 1 points from accept-all (0, 1) to reject-all
    (1, 0); point k rejects the k lowest distinct scores. Raises BadScores.
    """
    b, s = both(bonafide, spoof)
    scores = np.concatenate([b, s])
    order = np.argsort(scores)
    scores = scores[order]
    ends = np.append(np.flatnonzero(scores[1:] != scores[:-1]), scores.size - 1)
    rejected = np.append(0, np.cumsum(order < b.size)[ends])
    miss = rejected / b.size
    false_alarm = 1.0 - (np.append(0, ends + 1) - rejected) / s.size
    return scores[ends], miss, false_alarm


def threshold_at(distinct: Scores, point: int) -> float:
    """A finite threshold for operating point ``point``: half way between the neighbouring scores.

    Accept-all is the lowest score itself, reject-all the next float above the highest.
    """
    if point == 0:
        return float(distinct[0])
    if point == distinct.size:
        return float(np.nextafter(distinct[-1], np.inf))
    low, high = distinct[point - 1], distinct[point]
    middle = low / 2 + high / 2
    return float(middle if low < middle <= high else high)


def crossing(miss: Rates, false_alarm: Rates) -> Rates:
    """Where miss = false alarm on the points joined by straight lines. Shape (K, …) -> (…)."""
    gap = miss - false_alarm
    after = np.argmax(gap >= 0, axis=0)[None]
    before = after - 1
    low, high = (np.take_along_axis(gap, k, axis=0)[0] for k in (before, after))
    start, end = (np.take_along_axis(miss, k, axis=0)[0] for k in (before, after))
    result: Rates = start + (end - start) * (low / (low - high))
    return result


def balanced_point(miss: Rates, false_alarm: Rates) -> NDArray[np.intp]:
    """Index of the point with the smallest |miss - false alarm|, the lowest threshold among equals."""
    index: NDArray[np.intp] = np.argmin(np.abs(miss - false_alarm), axis=0)
    return index


def area(miss: Rates, false_alarm: Rates) -> Rates:
    """Area under the curve of accepted bona fide over accepted spoof, by trapezes; ties count one half."""
    accepted = 1 - (miss[1:] + miss[:-1]) / 2
    result: Rates = ((false_alarm[:-1] - false_alarm[1:]) * accepted).sum(axis=0)
    return result


def lowest(miss: Rates, false_alarm: Rates, a: float, b: float, floor: float = 0.0) -> Rates:
    """Minimum over the points of ``floor + a * miss + b * false_alarm``."""
    result: Rates = floor + (a * miss + b * false_alarm).min(axis=0)
    return result
