"""Expected costs of decisions, with ASVspoof 5's parameters (track 1: prior of spoof 0.05, costs 1 and 10)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import BadScores
from ..registry import metric
from ..types import Scores
from .curve import Rates, both, checked, error_rates, lowest
from .rank import asvspoof_point

P_SPOOF = 0.05
C_MISS = 1.0
C_FALSE_ALARM = 10.0
P_TARGET = 0.9405
P_NONTARGET = 0.0095

DCF_MISS = C_MISS * (1 - P_SPOOF)
DCF_FALSE_ALARM = C_FALSE_ALARM * P_SPOOF
DCF_DEFAULT = min(DCF_MISS, DCF_FALSE_ALARM)
BAYES_THRESHOLD = -math.log(DCF_MISS / DCF_FALSE_ALARM)


@dataclass(frozen=True, slots=True)
class AsvErrors:
    """Error rates, 0 to 1, of a speaker verifier at its threshold: what a spoofing detector works in tandem with.

    false_alarm: non-target speakers accepted; miss: targets rejected; false_alarm_spoof: spoofed trials accepted.
    """

    false_alarm: float
    miss: float
    false_alarm_spoof: float


# The verifier of the ASVspoof 5 evaluation package (its default operating point).
ASVSPOOF5_ASV = AsvErrors(0.01881016557566423, 0.01880141010575793, 0.4607082907604729)


@metric(better="lower")
def min_dcf(*, bonafide: Scores, spoof: Scores) -> float:
    """Normalised detection cost at the best threshold for this very set; 1 = no better than a fixed answer.

    min over t of [0.95 P_miss(t) + 0.5 P_fa(t)] / 0.5: Pspoof 0.05, Cmiss 1, Cfa 10. Source: ASVspoof 5 evaluation
    plan, track 1. Raises BadScores.
    """
    _, miss, false_alarm = error_rates(bonafide, spoof)
    return float(lowest_dcf(miss, false_alarm))


@metric(better="lower", needs="llr")
def act_dcf(*, bonafide: Scores, spoof: Scores) -> float:
    """Normalised detection cost at the Bayes threshold -ln(1.9) = -0.642 of log-likelihood ratios.

    What a user pays who trusts the scores as they are: min DCF plus the loss of bad calibration. Scores: natural-log
    likelihood ratios, bona fide over spoof. Source: ASVspoof 5 evaluation plan, track 1. Raises BadScores.
    """
    b, s = both(bonafide, spoof)
    miss, false_alarm = (b < BAYES_THRESHOLD).mean(), (s >= BAYES_THRESHOLD).mean()
    return float((DCF_MISS * miss + DCF_FALSE_ALARM * false_alarm) / DCF_DEFAULT)


@metric(better="lower")
def min_tdcf(*, bonafide: Scores, spoof: Scores, asv: AsvErrors = ASVSPOOF5_ASV) -> float:
    """Normalised cost of detector and speaker verifier in tandem at the best detector threshold.

    t-DCF(t) = [C0 + C1 P_miss(t) + C2 P_fa(t)] / [C0 + min(C1, C2)], see ``tandem_costs``. ``asv``: the verifier's
    error rates, by default those of ASVspoof 5. Source: Kinnunen et al. 2020 (constrained t-DCF); ASVspoof 2021 and 5
    evaluation plans. Raises BadScores.
    """
    _, miss, false_alarm = error_rates(bonafide, spoof)
    return float(lowest_tdcf(miss, false_alarm, asv))


def min_tdcf_2019(*, bonafide: Scores, spoof: Scores, asv: AsvErrors) -> float:
    """Minimum t-DCF in ASVspoof 2019's definition, normalised by min(C1, C2) and without C0.

    Needs the verifier's own error rates on the same data (``asv_errors``). Source: Kinnunen et al. 2018; ASVspoof 2019
    evaluation plan. Raises BadScores, also where the verifier leaves nothing for the detector to do.
    """
    _, miss, false_alarm = error_rates(bonafide, spoof)
    _, c1, c2 = tandem_costs(asv)
    if min(c1, c2) <= 0:
        raise BadScores(
            f"the verifier's errors (miss {asv.miss:.3g}, false alarm {asv.false_alarm:.3g}, spoof accepted "
            f"{asv.false_alarm_spoof:.3g}) leave nothing for a spoofing detector to do: t-DCF of 2019 is not defined"
        )
    return float(lowest(miss, false_alarm, c1, c2) / min(c1, c2))


def a_dcf(
    *,
    target: Scores,
    nontarget: Scores,
    spoof: Scores,
    priors: tuple[float, float, float] = (P_TARGET, P_NONTARGET, P_SPOOF),
    costs: tuple[float, float, float] = (C_MISS, C_FALSE_ALARM, C_FALSE_ALARM),
) -> float:
    """Architecture-agnostic detection cost of a spoofing-robust speaker verifier (three classes), at its best threshold.

    min over t of [Cmiss Ptar P_miss(t) + Cfa,non Pnon P_fa,non(t) + Cfa,spf Pspf P_fa,spf(t)], divided by the smaller
    cost of rejecting all or accepting all. target, nontarget, spoof: scores of the three classes, higher = accept.
    priors, costs: target, non-target, spoof; ASVspoof 5's. Source: Shim et al. 2024 (a-DCF). Raises BadScores.
    """
    classes = [
        np.sort(checked(x, n)) for x, n in ((target, "target"), (nontarget, "non-target"), (spoof, "spoof"))
    ]
    distinct = np.unique(np.concatenate(classes))
    below = [np.append(0.0, np.searchsorted(x, distinct, side="right") / x.size) for x in classes]
    weight = [p * c for p, c in zip(priors, costs, strict=True)]
    cost = weight[0] * below[0] + weight[1] * (1 - below[1]) + weight[2] * (1 - below[2])
    return float(cost.min() / min(weight[0], weight[1] + weight[2]))


def asv_errors(*, target: Scores, nontarget: Scores, spoof: Scores) -> AsvErrors:
    """Error rates of a speaker verifier at its own EER threshold (targets against non-targets), ASVspoof's way.

    target, nontarget, spoof: verification scores, higher = same speaker. Source: ASVspoof 2019 evaluation plan.
    Raises BadScores.
    """
    t, n = checked(target, "target"), checked(nontarget, "non-target")
    _, threshold = asvspoof_point(bonafide=t, spoof=n)
    accepted = (checked(spoof, "spoof") >= threshold).mean()
    return AsvErrors(float((n >= threshold).mean()), float((t < threshold).mean()), float(accepted))


def tandem_costs(asv: AsvErrors) -> tuple[float, float, float]:
    """(C0, C1, C2): the verifier's own cost, and the weights of the detector's misses and false alarms."""
    c0 = P_TARGET * C_MISS * asv.miss + P_NONTARGET * C_FALSE_ALARM * asv.false_alarm
    return c0, P_TARGET * C_MISS - c0, P_SPOOF * C_FALSE_ALARM * asv.false_alarm_spoof


def lowest_dcf(miss: Rates, false_alarm: Rates) -> Rates:
    """min DCF from error rates, along axis 0."""
    return lowest(miss, false_alarm, DCF_MISS, DCF_FALSE_ALARM) / DCF_DEFAULT


def lowest_tdcf(miss: Rates, false_alarm: Rates, asv: AsvErrors = ASVSPOOF5_ASV) -> Rates:
    """min t-DCF (2021 and 5) from error rates, along axis 0."""
    c0, c1, c2 = tandem_costs(asv)
    return lowest(miss, false_alarm, c1, c2, c0) / (c0 + min(c1, c2))
