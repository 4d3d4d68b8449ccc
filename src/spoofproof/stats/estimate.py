"""A metric with its interval, in one call: for one set of scores, or for two detectors on the same trials."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .. import registry
from ..errors import BadScores
from ..types import Estimate, Scores, Trial
from . import unseen
from .intervals import p_value
from .resample import Resamples, resamples
from .weighted import CURVES, DECISIONS, Bootstrap, Llrs, Values

LLR = ("act_dcf", "cllr", "ece")
_AT_THRESHOLD = {
    "miss_rate": "miss",
    "false_alarm_rate": "false_alarm",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "f1": "f1",
} | {f"{name}_frozen": name for name in DECISIONS}
_LEAST = "min_cllr"
EVIDENCE = ("cllr_raw", "cllr_isotonic", "cllr_loss", "llr_bonafide", "llr_spoof")
_AT_ORACLE = {f"{name}_oracle": name for name in DECISIONS}


def metric_values(
    boot: Bootstrap,
    names: Sequence[str],
    *,
    threshold: float | None = None,
    llrs: Llrs | None = None,
    isotonic: Llrs | None = None,
) -> dict[str, Values]:
    """Measured value and resampled values, shape (1 + B,), of each metric that can be computed, in the order given.

    names: registered metrics, and the decision metrics as ``…_frozen`` (at ``threshold``) and ``…_oracle`` (at the EER
    threshold of each resample), and EVIDENCE: Cllr of the raw scores and of ``isotonic``, Cllr − min Cllr, and the mean
    llr of each class. Metrics that need a ``threshold``, ``llrs`` or ``isotonic`` are left out where it is None.
    Raises UnknownName.
    """
    found: dict[str, Values] = {}
    curves, oracle = [n for n in names if n in CURVES and n != _LEAST], [n for n in names if n in _AT_ORACLE]
    if {_LEAST, "cllr_loss"} & set(names):  # a hull is dear: once, and on the shorter staircase of runs
        found |= boot.curves([_LEAST])
    if curves or oracle:
        found |= boot.curves(curves, [_AT_ORACLE[n] for n in oracle])
    fixed = {n: _AT_THRESHOLD[n] for n in names if n in _AT_THRESHOLD}
    if fixed and threshold is not None:
        decided = boot.at_threshold(list(dict.fromkeys(fixed.values())), threshold)
        found |= {name: decided[form] for name, form in fixed.items()}
    if "eer_asvspoof" in names:
        found["eer_asvspoof"] = boot.asvspoof()
    if llrs is not None and set(names) & set(LLR):
        found |= boot.of_llr(llrs)
    if llrs is not None and set(names) & set(EVIDENCE):
        found |= _evidence(boot, llrs, isotonic, found.get(_LEAST))
    ours = {*CURVES, *_AT_ORACLE, *_AT_THRESHOLD, *LLR, *EVIDENCE, "eer_asvspoof"}
    for name in names:
        if name not in ours and _possible(name, threshold, llrs):
            found[name] = boot.of_any(name, llrs=llrs, threshold=threshold)
    return {name: found[name] for name in names if name in found}


def estimate_of(
    values: Values, boot: Bootstrap, metric: str | None, *, confidence: float = 0.95, difference: bool = False
) -> Estimate:
    """Values of shape (1 + B,) as an Estimate. metric, difference: as for ``unseen.ends``."""
    low, high = unseen.ends(
        values,
        lambda: boot.units,
        metric,
        confidence=confidence,
        clusters=boot.drawn.fewest,
        difference=difference,
    )
    return Estimate(float(values[0]), low, high, boot.bonafide.size, boot.spoof.size)


def estimates(
    trials: Sequence[Trial],
    scores: Scores,
    names: Sequence[str],
    *,
    threshold: float | None = None,
    llrs: Llrs | None = None,
    drawn: Resamples | None = None,
    count: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """Metrics of ``scores`` (shape (N,), one a trial, NaN = no score) with clustered bootstrap intervals.

    drawn: resamples of these very trials, to share them between calls; otherwise ``count`` of them from ``seed``.
    Raises BadScores (a class without scores), UnknownName.
    """
    drawn = drawn or resamples(trials, count=count, seed=seed)
    boot = Bootstrap(drawn, *_usable(trials, scores))
    values = metric_values(boot, names, threshold=threshold, llrs=llrs)
    return {name: estimate_of(v, boot, name, confidence=confidence) for name, v in values.items()}


def estimate(
    trials: Sequence[Trial],
    scores: Scores,
    metric: str = "eer",
    *,
    threshold: float | None = None,
    llrs: Llrs | None = None,
    drawn: Resamples | None = None,
    count: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """One metric with its interval, see ``estimates``. Raises BadScores also where the metric needs what is not given."""
    found = estimates(
        trials,
        scores,
        [metric],
        threshold=threshold,
        llrs=llrs,
        drawn=drawn,
        count=count,
        seed=seed,
        confidence=confidence,
    )
    if metric not in found:
        raise BadScores(f"{metric} needs a threshold or log-likelihood ratios; give threshold=… or llrs=…")
    return found[metric]


def paired_difference(
    trials: Sequence[Trial],
    first: Scores,
    second: Scores,
    metric: str = "eer",
    *,
    drawn: Resamples | None = None,
    count: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[Estimate, float]:
    """(first - second with its interval, two-sided p-value), over the trials that have both scores.

    Both are computed from the same resamples, so that what is common to them (hard speakers) cancels. Of the
    same scores the difference is 0 and nothing else. first, second: shape (N,), NaN = no score. Raises
    BadScores, UnknownName.
    """
    drawn = drawn or resamples(trials, count=count, seed=seed)
    use = np.isfinite(first) & np.isfinite(second)
    a, b = (Bootstrap(drawn, *_usable(trials, x, use)) for x in (first, second))
    difference = metric_values(a, [metric])[metric] - metric_values(b, [metric])[metric]
    p = p_value(difference[1:], clusters=drawn.fewest)
    if unseen.still(difference):
        p = max(p, unseen.chance_of(metric, float(difference[0]), a.units))
    exact = unseen.still(difference) and unseen.alike(metric, a.scores, b.scores)
    whose = None if exact else metric
    return estimate_of(difference, a, whose, confidence=confidence, difference=True), p


def _evidence(boot: Bootstrap, llrs: Llrs, isotonic: Llrs | None, least: Values | None) -> dict[str, Values]:
    maps: dict[str, Llrs] = {"raw": lambda scores: scores, "linear": llrs}
    found = boot.evidence(maps | ({"isotonic": isotonic} if isotonic else {}))
    cllr, bonafide, spoof = found["linear"]
    values = {"cllr_raw": found["raw"][0], "llr_bonafide": bonafide, "llr_spoof": spoof}
    values |= {"cllr_loss": cllr - least} if least is not None else {}
    return values | ({"cllr_isotonic": found["isotonic"][0]} if isotonic else {})


def _usable(
    trials: Sequence[Trial], scores: Scores, use: NDArray[np.bool_] | None = None
) -> tuple[Scores, NDArray[np.bool_]]:
    array = np.asarray(scores, dtype=np.float64)
    if array.shape != (len(trials),):
        raise BadScores(f"{len(trials)} trials and scores of shape {array.shape}; expected one score a trial")
    if np.isinf(array).any():
        raise BadScores(f"{int(np.isinf(array).sum())} scores are infinite; NaN stands for 'no score'")
    return array, np.isfinite(array) if use is None else use


def _possible(name: str, threshold: float | None, llrs: Llrs | None) -> bool:
    needs = registry.metrics[name].needs
    return not ((needs == "threshold" and threshold is None) or (needs == "llr" and llrs is None))
