"""Over conditions and between detectors: means, relative error, breakdown, comparisons, ranks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from ..stats import holm, p_value, rank_intervals
from ..types import CLEAN, Estimate
from .conditions import CONTROL
from .grid import Grid, Values
from .nouns import Breakdown, Comparison, ConditionInfo

EER = "eer"
POINTS = 0.10
CHANCE = 0.5

Means = dict[tuple[str, str], dict[str, Values]]
Groups = Mapping[str, Sequence[ConditionInfo]]


def means(
    grid: Grid, detectors: Sequence[str], groups: Groups, families: Mapping[str, Sequence[str]]
) -> Means:
    """(detector, corruption | family | "all") -> metric -> shape (1 + B,): mean over levels, then over corruptions.

    A corruption that is named like a family keeps the name.
    """
    found: Means = {}
    for detector in detectors:
        for name, levels in groups.items():
            cells = [grid.values(detector, info.name) for info in levels]
            found[detector, name] = _mean([cell for cell in cells if cell is not None])
        for family, members in families.items():
            found.setdefault((detector, family), _mean([found[detector, name] for name in members]))
    return found


def relative_errors(
    grid: Grid, detectors: Sequence[str], groups: Groups, members: Sequence[str], reference: str
) -> tuple[dict[str, Values], list[str]]:
    """({detector: mean over corruptions of (sum of EERs over levels / the reference's sum)}, corruptions left out).

    Left out is a corruption under which the reference makes no error at all: nothing can be divided by it.
    Source: the mean corruption error of Hendrycks and Dietterich 2019, with a named reference.
    """
    sums = {
        (d, name): sum((_eer(grid, d, i.name) for i in groups[name]), start=np.zeros(1))
        for d in detectors
        for name in members
    }
    usable = [name for name in members if sums[reference, name][0] > 0]
    if not usable:
        return {}, list(members)
    found = {}
    for detector in detectors:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.stack([sums[detector, name] / sums[reference, name] for name in usable])
        found[detector] = np.where(np.isfinite(ratios).all(axis=0), ratios.mean(axis=0), np.nan)
    return found, [name for name in members if name not in usable]


def breakdowns(grid: Grid, detectors: Sequence[str], groups: Groups) -> list[Breakdown]:
    """For each detector and corruption the mildest level whose EER reaches clean + 10 points, or one half if less."""
    found = []
    for detector, (name, levels) in itertools.product(detectors, groups.items()):
        clean = grid.values(detector, CLEAN)
        if clean is None or levels[0].family == CONTROL:
            continue
        limit = min(float(clean[EER][0]) + POINTS, CHANCE)
        broken = next((i for i in levels if float(_eer(grid, detector, i.name)[0]) >= limit), None)
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


def compare(grid: Grid, scopes: Mapping[str, Mapping[str, Values]]) -> list[Comparison]:
    """All pairs of detectors in each scope, scope -> detector -> EER values; Holm over all of them together."""
    assert grid.drawn is not None
    rows: list[tuple[str, str, str, Estimate, float]] = []
    for scope, values in scopes.items():
        for first, second in itertools.combinations(values, 2):
            difference = values[first] - values[second]
            p = p_value(difference[1:], clusters=grid.drawn.fewest)
            rows.append((first, second, scope, grid.estimate(difference), p))
    corrected = holm([row[-1] for row in rows])
    return [
        Comparison(first, second, scope, EER, difference, p, q)
        for (first, second, scope, difference, p), q in zip(rows, corrected, strict=True)
    ]


def rank(grid: Grid, values: Mapping[str, Values]) -> dict[str, Estimate]:
    """Rank of each detector (1 = lowest EER) with the interval of its ranks in the shared resamples."""
    assert grid.drawn is not None
    whole = grid.estimate(next(iter(values.values()))) if values else Estimate(0, 0, 0, 0, 0)
    return rank_intervals(
        {name: float(v[0]) for name, v in values.items()},
        {name: v[1:] for name, v in values.items()},
        confidence=grid.confidence,
        clusters=grid.drawn.fewest,
        n_bonafide=whole.n_bonafide,
        n_spoof=whole.n_spoof,
    )


def _eer(grid: Grid, detector: str, condition: str) -> Values:
    values = grid.values(detector, condition)
    return values[EER] if values is not None else np.full(1, np.nan)


def _mean(cells: Sequence[Mapping[str, Values]]) -> dict[str, Values]:
    if not cells:
        return {}
    shared = [name for name in cells[0] if all(name in cell for cell in cells)]
    return {name: np.mean([cell[name] for cell in cells], axis=0) for name in shared}
