"""What is compared with what: detectors that heard alike, and the common ground of those that did not."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..stats import unseen
from ..types import CLEAN
from . import summary
from .conditions import by_corruption, counted, heard_by
from .grid import Grid, Values
from .grounds import Grounds
from .nouns import Breakdown, ConditionInfo
from .summary import EER, Lookup, Means, Pair

SHARED = (EER, "auroc")


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Detectors, the conditions that all of them were to hear and have values under, and how these make up means.

    grid: the trials that all have in common. alone: means are each detector's own, over its own trials, as where all of
    them were to hear the same; otherwise over ``grid``.
    """

    detectors: tuple[str, ...]
    infos: tuple[ConditionInfo, ...]
    grid: Grid
    alone: bool
    groups: Mapping[str, Sequence[ConditionInfo]]
    families: Mapping[str, Sequence[str]]

    @property
    def sure(self) -> bool:
        """Whether its detectors have trials of both classes in common."""
        return self.grid.drawn is not None

    def values(self, grounds: Grounds) -> Lookup:
        """Where the values of a cell come from."""
        return (lambda d, c: grounds.own(d).values(d, c)) if self.alone else self.grid.values

    def means(self, grounds: Grounds) -> Means:
        """Means over levels, corruptions and families."""
        return summary.means(self.values(grounds), self.detectors, self.groups, self.families)

    def scopes(self, means: Means) -> dict[str, dict[str, Values]]:
        """scope -> detector -> EER values over ``grid``: "clean", and "all" where there are corruptions."""
        clean = {d: v[EER] for d in self.detectors if (v := self.grid.values(d, CLEAN)) is not None}
        everything = {d: means[d, "all"][EER] for d in self.detectors if EER in means.get((d, "all"), {})}
        return {scope: values for scope, values in (("clean", clean), ("all", everything)) if values}

    def breakdowns(self, grounds: Grounds, infos: Sequence[ConditionInfo]) -> list[Breakdown]:
        """Of each detector, over the levels that it was to hear."""
        names = [i.name for i in infos if grounds.meant(self.detectors[0], i.name)]
        return summary.breakdowns(self.values(grounds), self.detectors, by_corruption(heard_by(infos, names)))


def classes(grounds: Grounds, infos: Sequence[ConditionInfo], live: Sequence[str]) -> list[Ground]:
    """The detectors that heard everything, and those that heard the sub-sample; one of the two where all heard alike."""
    light = tuple(d for d in live if d not in grounds.heavy)
    heavy = tuple(d for d in live if d in grounds.heavy)
    found = []
    for mine, needed in ((light, light), (heavy, live)):
        if mine:
            names = [
                i.name for i in infos if grounds.meant(mine[0], i.name) and _all(grounds, needed, i.name)
            ]
            found.append(_ground(grounds, mine, heard_by(infos, names), alone=True))
    return found


def shared(grounds: Grounds, parts: Sequence[Ground]) -> Ground:
    """The ground that all detectors have in common: the trials of all, the conditions of the smallest class."""
    everyone = tuple(d for d in grounds.table.detectors for part in parts if d in part.detectors)
    infos = parts[-1].infos
    alike = len(parts) == 1 and len({id(grounds.own(d)) for d in everyone}) == 1
    return parts[0] if alike else _ground(grounds, everyone, infos, alone=False)


def leaders(parts: Sequence[Ground]) -> Sequence[Ground]:
    """The classes that are ranked with each other: those that heard everything where there are two or more of them, so that
    a heavy detector beside them does not bring their ranks down to the few trials that it heard; otherwise all."""
    return parts[:1] if len(parts[0].detectors) > 1 else parts


def pairs(grounds: Grounds, parts: Sequence[Ground], whole: Ground) -> list[Pair]:
    """Every two detectors, on clean audio and over all corruptions, each pair over what both were to hear."""
    home = {d: part for part in parts for d in part.detectors}
    found: dict[str, list[Pair]] = {"clean": [], "all": []}
    for first, second in itertools.combinations([d for d in grounds.table.detectors if d in home], 2):
        ground = home[first] if home[first] is home[second] else whole
        grid = grounds.common([first, second], SHARED)
        if grid.drawn is None:
            continue
        both = _ground(grounds, (first, second), ground.infos, alone=False, grid=grid)
        levels = [i.name for name in both.families.get("all", ()) for i in both.groups[name]]
        names = {"clean": [CLEAN], "all": levels}
        for scope, values in both.scopes(both.means(grounds)).items():
            if first in values and second in values:
                of = (values[first], values[second])
                exact = unseen.still(of[0] - of[1]) and all(
                    grid.alike(EER, (first, c), (second, c)) for c in names[scope]
                )
                found[scope].append(Pair(first, second, scope, of, grid, len(names[scope]), exact))
    return [*found["clean"], *found["all"]]


def _all(grounds: Grounds, detectors: Sequence[str], condition: str) -> bool:
    return all(grounds.own(d).values(d, condition) is not None for d in detectors)


def _ground(
    grounds: Grounds,
    detectors: tuple[str, ...],
    infos: Sequence[ConditionInfo],
    *,
    alone: bool,
    grid: Grid | None = None,
) -> Ground:
    grid = grid or grounds.common(detectors, SHARED)
    if not alone:
        kept = [i.name for i in infos if all(grid.values(d, i.name) is not None for d in detectors)]
        infos = heard_by(infos, kept)
    groups = by_corruption(infos)
    return Ground(detectors, tuple(infos), grid, alone, groups, counted(groups))
