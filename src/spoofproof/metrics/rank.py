"""Metrics of order alone: any increasing function of the scores gives the same value."""

from __future__ import annotations

import numpy as np

from ..registry import metric
from ..types import Scores
from .curve import area, balanced_point, both, crossing, error_rates, threshold_at


@metric(better="lower")
def eer(*, bonafide: Scores, spoof: Scores) -> float:
    """Equal error rate, 0 to 1, tie-safe: miss = false alarm on the staircase joined by straight lines.

    Equal scores are one step, and accept-all and reject-all are points of the curve, so that a detector that always
    says the same has 0.5. The joined staircase is the ROC of randomised thresholds (Fawcett 2006, section 6).
    bonafide, spoof: shape (N,), finite. Raises BadScores.
    """
    _, miss, false_alarm = error_rates(bonafide, spoof)
    return float(crossing(miss, false_alarm))


@metric(better="lower")
def eer_asvspoof(*, bonafide: Scores, spoof: Scores) -> float:
    """EER as the ASVspoof evaluation packages compute it: for comparison with published figures, wrong on ties.

    One trial a step, equal scores in the order bona fide, then spoof; the mean of both error rates where they are
    closest. A constant detector gets 1.0. Source: ASVspoof 2019 and 2021 evaluation packages (compute_eer).
    Raises BadScores.
    """
    return asvspoof_point(bonafide=bonafide, spoof=spoof)[0]


@metric(better="higher")
def auroc(*, bonafide: Scores, spoof: Scores) -> float:
    """Area under the ROC, 0 to 1: the chance that a bona fide trial scores above a spoofed one, ties counting half.

    The Mann-Whitney statistic (Hanley and McNeil 1982). Below 0.5 the scores point the wrong way. Raises BadScores.
    """
    _, miss, false_alarm = error_rates(bonafide, spoof)
    return float(area(miss, false_alarm))


def eer_threshold(*, bonafide: Scores, spoof: Scores) -> float:
    """The finite threshold at which miss and false alarm rate are closest; accept when score >= threshold.

    It lies half way between two neighbouring scores, so that it stays where it is when a score moves by rounding.
    Raises BadScores.
    """
    distinct, miss, false_alarm = error_rates(bonafide, spoof)
    return threshold_at(distinct, int(balanced_point(miss, false_alarm)))


def asvspoof_point(*, bonafide: Scores, spoof: Scores) -> tuple[float, float]:
    """(EER, threshold) as the ASVspoof packages find them; their threshold is the highest rejected score itself.

    With ">= accepts", that one trial is then accepted. Kept for comparison with published figures. Raises BadScores.
    """
    b, s = both(bonafide, spoof)
    scores = np.concatenate([b, s])
    order = np.argsort(scores, kind="stable")
    is_bonafide = order < b.size
    miss = np.append(0, np.cumsum(is_bonafide)) / b.size
    false_alarm = (s.size - np.append(0, np.cumsum(~is_bonafide))) / s.size
    k = int(np.argmin(np.abs(miss - false_alarm)))
    threshold = scores[order[k - 1]] if k else np.nextafter(scores[order[0]], -np.inf)
    return float((miss[k] + false_alarm[k]) / 2), float(threshold)
