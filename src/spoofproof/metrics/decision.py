"""Metrics of decisions at a given threshold: a score is accepted as bona fide when score >= threshold.

They say what a user meets, as long as the threshold was fixed without looking at the set that it is used on.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..registry import metric
from ..types import Scores
from .curve import Rates, both

Size = float | Rates


@metric(better="higher", needs="threshold")
def accuracy(*, bonafide: Scores, spoof: Scores, threshold: float) -> float:
    """Share of all trials decided rightly at ``threshold``, 0 to 1; follows the larger class (see balanced_accuracy).

    Accepted as bona fide when score >= threshold. Raises BadScores.
    """
    return _decide(accuracy_of, bonafide, spoof, threshold)


@metric(better="higher", needs="threshold")
def balanced_accuracy(*, bonafide: Scores, spoof: Scores, threshold: float) -> float:
    """Mean of the shares of each class decided rightly at ``threshold``, 0 to 1; a fixed answer has 0.5.

    Accepted as bona fide when score >= threshold. Raises BadScores.
    """
    return _decide(balanced_of, bonafide, spoof, threshold)


@metric(better="higher", needs="threshold")
def f1(*, bonafide: Scores, spoof: Scores, threshold: float) -> float:
    """F1 of finding spoofed speech (the positive class is spoof) at ``threshold``, 0 to 1.

    2 TP / (2 TP + FP + FN), TP = spoof rejected, FP = bona fide rejected, FN = spoof accepted. Follows the share of
    spoof in the set. Accepted as bona fide when score >= threshold. Raises BadScores.
    """
    return _decide(f1_of, bonafide, spoof, threshold)


@metric(better="lower", needs="threshold")
def miss_rate(*, bonafide: Scores, spoof: Scores, threshold: float) -> float:
    """Share of bona fide trials below ``threshold``, 0 to 1: real speech accused (ASVspoof's miss, P_miss).

    Accepted as bona fide when score >= threshold. Raises BadScores.
    """
    return _decide(lambda m, f, nb, ns: m, bonafide, spoof, threshold)


@metric(better="lower", needs="threshold")
def false_alarm_rate(*, bonafide: Scores, spoof: Scores, threshold: float) -> float:
    """Share of spoofed trials at or above ``threshold``, 0 to 1: fakes let through (ASVspoof's false alarm, P_fa).

    Accepted as bona fide when score >= threshold. Raises BadScores.
    """
    return _decide(lambda m, f, nb, ns: f, bonafide, spoof, threshold)


def accuracy_of(miss: Rates, false_alarm: Rates, n_bonafide: Size, n_spoof: Size) -> Rates:
    """Accuracy from error rates and (resampled) class sizes."""
    result: Rates = 1 - (miss * n_bonafide + false_alarm * n_spoof) / (n_bonafide + n_spoof)
    return result


def balanced_of(miss: Rates, false_alarm: Rates, n_bonafide: Size, n_spoof: Size) -> Rates:
    """Balanced accuracy from error rates; the sizes do not matter."""
    return 1 - (miss + false_alarm) / 2


def f1_of(miss: Rates, false_alarm: Rates, n_bonafide: Size, n_spoof: Size) -> Rates:
    """F1 of the class spoof from error rates and class sizes; 0 where no spoof is found."""
    found = 2 * (1 - false_alarm) * n_spoof
    result: Rates = found / (found + miss * n_bonafide + false_alarm * n_spoof)
    return result


class _Form(Protocol):
    def __call__(self, miss: Rates, false_alarm: Rates, n_bonafide: Size, n_spoof: Size, /) -> Rates: ...


def _decide(form: _Form, bonafide: ArrayLike, spoof: ArrayLike, threshold: float) -> float:
    b, s = both(bonafide, spoof)
    miss, false_alarm = np.float64((b < threshold).mean()), np.float64((s >= threshold).mean())
    return float(form(np.asarray(miss), np.asarray(false_alarm), float(b.size), float(s.size)))
