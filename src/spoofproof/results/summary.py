"""Over conditions and between detectors: means, relative error, breakdown, comparisons, ranks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..stats import holm, p_value, rank_intervals, unseen
from ..types import CLEAN, Estimate
from .conditions import CONTROL
from .grid import Grid, Values
from .nouns import Breakdown, Comparison, ConditionInfo

EER = "eer"
POINTS = 0.10
CHANCE = 0.5

Means = dict[tuple[str, str], dict[str, Values]]
Lookup = Callable[[str, str], Mapping[str, Values] | None]
Groups = Mapping[str, Sequence[ConditionInfo]]


def means(
    values: Lookup, detectors: Sequence[str], groups: Groups, families: Mapping[str, Sequence[str]]
) -> Means:
    """(detector, corruption | family | "all") -> metric -> shape (1 + B,): mean over levels, then over corruptions.

    A corruption that is named like a family keeps the name.
    """
    found: Means = {}
    for detector in detectors:
        for name, levels in groups.items():
            cells = [values(detector, info.name) for info in levels]
            found[detector, name] = _mean([cell for cell in cells if cell is not None])
        for family, members in families.items():
            found.setdefault((detector, family), _mean([found[detector, name] for name in members]))
    return found


def relative_error(
    values: Lookup, detector: str, groups: Groups, members: Sequence[str], reference: str
) -> tuple[Values | None, list[str]]:
    """(mean over corruptions of the detector's sum of EERs over levels / the reference's, corruptions left out).

    Left out is a corruption under which the reference makes no error at all: nothing can be divided by it; None where
    nothing is left. Source: the mean corruption error of Hendrycks and Dietterich 2019, with a named reference.
    """
    mine, its = (
        {name: sum((_eer(values, d, i.name) for i in groups[name]), start=np.zeros(1)) for name in members}
        for d in (detector, reference)
    )
    usable = [name for name in members if its[name][0] > 0]
    if not usable:
        return None, list(members)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.stack([mine[name] / its[name] for name in usable])
    error = np.where(np.isfinite(ratios).all(axis=0), ratios.mean(axis=0), np.nan)
    return error, [name for name in members if name not in usable]


def breakdowns(values: Lookup, detectors: Sequence[str], groups: Groups) -> list[Breakdown]:
    """For each detector and corruption the mildest level whose EER reaches clean + 10 points, or one half if less."""
    found = []
    for detector, (name, levels) in itertools.product(detectors, groups.items()):
        clean = values(detector, CLEAN)
        if clean is None or levels[0].family == CONTROL:
            continue
        limit = min(float(clean[EER][0]) + POINTS, CHANCE)
        broken = next((i for i in levels if float(_eer(values, detector, i.name)[0]) >= limit), None)
        found.append(
            Breakdown(
                detector,
                name,
                EER,
                limit,
                broken.level if broken else None,
                broken.name if broken else "",
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Pair:
    """Two detectors in a scope: their EER values over the same trials and resamples (those of ``grid``), and
    conditions. exact: both gave the same scores, so that their difference is 0 and nothing else."""

    first: str
    second: str
    scope: str
    values: tuple[Values, Values]
    grid: Grid
    conditions: int
    exact: bool = False


def compare(pairs: Sequence[Pair]) -> list[Comparison]:
    """The difference of each pair, with Holm's correction over all of them together."""
    rows: list[tuple[Pair, Estimate, float]] = []
    for pair in pairs:
        difference = pair.values[0] - pair.values[1]
        assert pair.grid.drawn is not None
        p = p_value(difference[1:], clusters=pair.grid.drawn.fewest)
        if unseen.still(difference):
            p = max(p, unseen.chance_of(EER, float(difference[0]), pair.grid.units()))
        rows.append((pair, pair.grid.estimate(difference, None if pair.exact else EER, difference=True), p))
    corrected = holm([p for _, _, p in rows])
    return [
        Comparison(pair.first, pair.second, pair.scope, EER, difference, p, q, pair.conditions)
        for (pair, difference, p), q in zip(rows, corrected, strict=True)
    ]


def rank(grid: Grid, values: Mapping[str, Values]) -> dict[str, Estimate]:
    """Rank of each detector (1 = lowest EER) with the interval of its ranks in the shared resamples."""
    assert grid.drawn is not None
    whole = grid.estimate(next(iter(values.values())), EER) if values else Estimate(0, 0, 0, 0, 0)
    return rank_intervals(
        {name: float(v[0]) for name, v in values.items()},
        {name: v[1:] for name, v in values.items()},
        confidence=grid.confidence,
        clusters=grid.drawn.fewest,
        n_bonafide=whole.n_bonafide,
        n_spoof=whole.n_spoof,
    )


def _eer(values: Lookup, detector: str, condition: str) -> Values:
    found = values(detector, condition)
    return found[EER] if found is not None else np.full(1, np.nan)


def _mean(cells: Sequence[Mapping[str, Values]]) -> dict[str, Values]:
    if not cells:
        return {}
    shared = [name for name in cells[0] if all(name in cell for cell in cells)]
    return {name: np.mean([cell[name] for cell in cells], axis=0) for name in shared}
