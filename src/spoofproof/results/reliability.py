"""Reliability diagrams: of what was said to be 80 % sure, how much was right? On clean audio and where it drifts most."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..metrics import llr
from ..stats import unseen
from ..stats.units import Units
from ..types import CLEAN, Estimate, Scores
from .conditions import CONTROL
from .grid import Grid, Values
from .nouns import ConditionInfo, Reliability, ReliabilityBin

WORST = 3
LOSS = "cllr_loss"


def diagrams(grid: Grid, detector: str, infos: Sequence[ConditionInfo]) -> list[Reliability]:
    """Before and after calibration, on clean audio and under the ``WORST`` conditions by Cllr − min Cllr.

    [] for a detector without development trials. infos: the conditions that count.
    """
    frozen = grid.frozen[detector]
    if frozen.calibration is None or frozen.isotonic is None or grid.drawn is None:
        return []
    maps: dict[str, Callable[[Scores], Scores]] = {
        "raw": lambda scores: scores,
        "linear": frozen.calibration.apply,
        "isotonic": frozen.isotonic.apply,
    }
    found = []
    for condition in [CLEAN, *_worst(grid, detector, infos)]:
        if grid.values(detector, condition) is not None:
            found += [_diagram(grid, detector, condition, name, of) for name, of in maps.items()]
    return found


def _worst(grid: Grid, detector: str, infos: Sequence[ConditionInfo]) -> list[str]:
    losses = {
        i.name: float(values[LOSS][0])
        for i in infos
        if i.name != CLEAN and i.family != CONTROL and i.status == "ok" and not i.duplicate_of
        if (values := grid.values(detector, i.name)) is not None and LOSS in values
    }
    return sorted(losses, key=lambda name: -losses[name])[:WORST]


def _diagram(
    grid: Grid, detector: str, condition: str, name: str, of: Callable[[Scores], Scores]
) -> Reliability:
    boot = grid.boot(detector, condition)
    b, s = of(boot.bonafide), of(boot.spoof)
    shares = boot.found(of)
    bins = tuple(
        ReliabilityBin(one.low, one.high, one.stated, _estimate(grid, share, one, boot.units))
        for one, share in zip(llr.reliability(bonafide=b, spoof=s), shares, strict=True)
    )
    return Reliability(detector, condition, name, llr.ece(bonafide=b, spoof=s), bins)


def _estimate(grid: Grid, values: Values, one: llr.Bin, units: Units) -> Estimate:
    if not np.isfinite(values[0]):
        return Estimate(np.nan, np.nan, np.nan, one.n_bonafide, one.n_spoof)
    whole = grid.estimate(values, None)
    low, high = whole.low, whole.high
    tail = (1 - grid.confidence) / 2
    if not one.n_bonafide:
        high = max(high, unseen.of_none(one.n_spoof / units.n_spoof, units.bonafide, units.spoof, tail))
    if not one.n_spoof:
        low = min(
            low, 1 - unseen.of_none(one.n_bonafide / units.n_bonafide, units.spoof, units.bonafide, tail)
        )
    return Estimate(whole.value, low, high, one.n_bonafide, one.n_spoof)
