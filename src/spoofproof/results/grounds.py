"""Which trials each detector is measured on, and the common ground of several: what all of them were to hear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..scores import ScoreTable
from .grid import Grid, freeze
from .nouns import SubSample


class Grounds:
    """Grids over the trials of one detector, or over those that several have in common; equal trials share a grid.

    left_out: ids of eval trials that a detector is not to be measured on. heavy: the detectors that heard a sub-sample,
    as the run's record says. frozen: thresholds and calibrations, by detector, on the dev trials that it heard.
    """

    def __init__(
        self,
        table: ScoreTable,
        names: Sequence[str],
        left_out: Mapping[str, frozenset[str]],
        *,
        count: int,
        seed: int,
        confidence: float,
    ) -> None:
        self.table = table
        self.names = list(names)
        self.trials = [t for t in table.trials if t.part == "eval"]
        if table.record.get("budget"):  # what nobody heard is no evidence, and no cluster of it is drawn
            heard = {name for cell in table.cells.values() for name in cell.ids}
            self.trials = [t for t in self.trials if t.id in heard]
        self._part: Mapping[str, Any] = table.record.get("heavy") or {}
        known = table.record.get("detectors", {})
        self.heavy = [
            d for d in table.detectors if isinstance(known, Mapping) and self._part and known[d].get("heavy")
        ]
        everything = frozenset(t.id for t in self.trials)
        sample = everything & frozenset(self._part.get("trials", ()))
        self._heard = {d: sample if d in self.heavy else everything for d in table.detectors}
        self._mine = {
            d: _without(ids, left_out.get(d, frozenset())) for d, ids in self._heard.items()
        }  # the same set where it can be: of many trials one is held
        self.frozen = {d: freeze(table, d) for d in table.detectors}
        self._how: dict[str, Any] = {"count": count, "seed": seed, "confidence": confidence}
        self._grids: dict[frozenset[str], Grid] = {}

    @property
    def bounded(self) -> bool:
        """Whether an estimate has rested on what no resample moves."""
        return any(grid.bounded for grid in self._grids.values())

    def own(self, detector: str) -> Grid:
        """All metrics over the trials of one detector."""
        return self._grid(self._mine[detector], self.names)

    def common(self, detectors: Sequence[str], names: Sequence[str]) -> Grid:
        """``names`` (or more) over the trials that all of ``detectors`` are measured on."""
        first, *others = (self._mine[d] for d in detectors)
        for ids in others:
            first = first if ids is first else first & ids
        return self._grid(first, names)

    def everything(self, detector: str, names: Sequence[str]) -> Grid:
        """``names`` (or more) over all trials that a detector heard, those left out among them."""
        return self._grid(self._heard[detector], names)

    def within(self, detector: str, without: frozenset[str], names: Sequence[str]) -> Grid:
        """``names`` (or more) over a detector's trials except ``without``."""
        return self._grid(_without(self._mine[detector], without), names)

    def meant(self, detector: str, condition: str) -> bool:
        """Whether a detector was to hear a condition."""
        return detector not in self.heavy or condition in self._part["conditions"]

    def sub_sample(self, detector: str) -> SubSample | None:
        """What a heavy detector heard; None for any other, and where its part is the whole."""
        names = self.table.record.get("conditions", ())
        sample = set(self._part.get("trials", ()))
        if detector not in self.heavy:
            return None
        mine = [t.label for t in self.trials if t.id in sample]
        whole = [t.label for t in self.trials]
        conditions = tuple(self._part["conditions"])
        if len(mine) == len(whole) and len(conditions) == len(names):
            return None
        return SubSample(
            n_bonafide=mine.count("bonafide"),
            n_spoof=mine.count("spoof"),
            of_bonafide=whole.count("bonafide"),
            of_spoof=whole.count("spoof"),
            conditions=conditions,
            of_conditions=len(names),
            levels=tuple(self._part["levels"]),
        )

    def _grid(self, ids: frozenset[str], names: Sequence[str]) -> Grid:
        grid = self._grids.get(ids)
        if grid is None or not set(names) <= set(grid.names):
            mine = [t for t in self.trials if t.id in ids]
            more = dict.fromkeys([*(grid.names if grid else ()), *names])
            grid = self._grids[ids] = Grid(self.table, mine, list(more), self.frozen, **self._how)
        return grid


def _without(ids: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    return ids - others if others else ids
