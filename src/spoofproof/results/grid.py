"""Every cell of a run under the same resamples, so that any two of them can be subtracted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..calibrate import Calibration, Isotonic, fit, fit_isotonic, frozen_threshold
from ..errors import BadScores
from ..scores import ScoreTable, places_of
from ..stats import Bootstrap, Resamples, resamples, unseen
from ..stats.estimate import metric_values
from ..stats.units import Units, units_of
from ..types import CLEAN, LABELS, Estimate, Scores, Trial

Values = NDArray[np.float64]
_HELD = 20_000_000  # scores held in memory (8 bytes each); those of a large run are looked up again


@dataclass(frozen=True, slots=True)
class Frozen:
    """What was fixed on a detector's clean development trials; None where there are none of a class (``why``)."""

    threshold: float | None
    calibration: Calibration | None
    isotonic: Isotonic | None = None
    why: str = ""


class Grid:
    """Eval trials of a run, their resamples, and the values of every cell over them: shape (1 + B,), measured value first.

    trials: those that count; scores of others are not seen. frozen: by detector. drawn is None where the trials lack a
    class: then there are no values at all.
    """

    def __init__(
        self,
        table: ScoreTable,
        trials: Sequence[Trial],
        names: Sequence[str],
        frozen: Mapping[str, Frozen],
        *,
        count: int,
        seed: int,
        confidence: float,
    ) -> None:
        self.table = table
        self.names = list(names)
        self.confidence = confidence
        self.trials = list(trials)
        self.frozen = frozen
        self._ids = pa.array([t.id for t in self.trials], pa.string())
        self.is_bonafide = np.fromiter((t.label == "bonafide" for t in self.trials), bool, len(self.trials))
        self.drawn: Resamples | None = None
        if self.is_bonafide.any() and not self.is_bonafide.all():
            with contextlib.suppress(BadScores):  # so few clusters that a class vanishes from every draw
                self.drawn = resamples(self.trials, count=count, seed=seed)
        self.bounded = False  # whether an estimate has rested on what no resample moves
        self._units: tuple[NDArray[np.bool_] | None, Units] | None = None
        self._last: tuple[tuple[str, ...], NDArray[np.intp]] | None = None
        self._scores: dict[tuple[str, str], Scores] = {}
        self._values: dict[tuple[str, str], dict[str, Values] | None] = {}

    def scores(self, detector: str, condition: str) -> Scores:
        """Scores of the eval trials, in their order, NaN where there is none. All NaN for a missing cell."""
        key = (detector, condition)
        if key not in self._scores:
            out = np.full(len(self.trials), np.nan)
            cell = self.table.cells.get(key)
            if cell is not None:
                place = self._places(cell.ids)
                use = (place >= 0) & cell.good
                out[place[use]] = cell.scores[use]
            while self._scores and len(self._scores) * out.size > _HELD:
                del self._scores[next(iter(self._scores))]
            self._scores[key] = out
        return self._scores[key]

    def _places(self, ids: tuple[str, ...]) -> NDArray[np.intp]:
        """Where each trial of a cell stands among those that count, -1 for one that does not."""
        if self._last is None or self._last[0] is not ids:
            self._last = ids, places_of(ids, self._ids)
        return self._last[1]

    def values(self, detector: str, condition: str) -> dict[str, Values] | None:
        """Every metric of a cell over the trials it has scores for; None where it lacks a class."""
        key = (detector, condition)
        if key not in self._values:
            self._values[key] = self._compute(detector, condition, np.isfinite(self.scores(*key)))
        return self._values[key]

    def delta(self, detector: str, condition: str) -> tuple[dict[str, Values], NDArray[np.bool_]] | None:
        """Metrics minus the clean ones over the trials with a score in both, and which these are; None without both."""
        use = np.isfinite(self.scores(detector, condition)) & np.isfinite(self.scores(detector, CLEAN))
        here, clean = (self._over(detector, c, use) for c in (condition, CLEAN))
        if here is None or clean is None:
            return None
        return {name: here[name] - clean[name] for name in here if name in clean}, use

    def boot(self, detector: str, condition: str) -> Bootstrap:
        """The scores of a cell that has values, under the resamples."""
        assert self.drawn is not None
        scores = self.scores(detector, condition)
        return Bootstrap(self.drawn, scores, np.isfinite(scores))

    def alike(self, metric: str, first: tuple[str, str], second: tuple[str, str]) -> bool:
        """Whether two cells (detector, condition) are one for a metric, over the trials with a score in
        both."""
        a, b = self.scores(*first), self.scores(*second)
        use = np.isfinite(a) & np.isfinite(b)
        return unseen.alike(metric, a[use], b[use])

    def units(self, use: NDArray[np.bool_] | None = None) -> Units:
        """How many of the trials, or of those used, are independent."""
        assert self.drawn is not None
        if self._units is None or self._units[0] is not use:
            self._units = use, units_of(self.drawn, use)
        return self._units[1]

    def estimate(
        self,
        values: Values,
        metric: str | None,
        use: NDArray[np.bool_] | None = None,
        *,
        difference: bool = False,
    ) -> Estimate:
        """Values as an Estimate. metric: whose values or ``difference``s they are, None where a value that no
        resample moves is the truth. use: the trials they rest on, all by default."""
        assert self.drawn is not None
        low, high = unseen.ends(
            values,
            lambda: self.units(use),
            metric,
            confidence=self.confidence,
            clusters=self.drawn.fewest if use is None else self._fewest(use),
            difference=difference,
        )
        self.bounded |= metric is not None and unseen.still(values)
        mask = np.ones(len(self.trials), bool) if use is None else use
        n_bonafide = int((mask & self.is_bonafide).sum())
        return Estimate(float(values[0]), low, high, n_bonafide, int(mask.sum()) - n_bonafide)

    def _fewest(self, use: NDArray[np.bool_]) -> int:
        """The smallest number of clusters of any kind that ``use`` holds: a cell may hold fewer than the grid."""
        assert self.drawn is not None
        if use.all() or self.drawn.fewest < 2:
            return self.drawn.fewest
        drawn = self.drawn
        kinds = [drawn.unit[drawn.cell[use & mask]] for mask in (drawn.bonafide, ~drawn.bonafide)]
        kinds.append(drawn.attack[drawn.cell[use]])
        counts = [np.unique(kind[kind >= 0]).size for kind in kinds if (kind >= 0).any()]
        return max(2, min(counts))

    def rows(self, detector: str, condition: str) -> int:
        """How many of the eval trials a cell holds, with a score or without."""
        cell = self.table.cells.get((detector, condition))
        return int((self._places(cell.ids) >= 0).sum()) if cell is not None else 0

    def _over(self, detector: str, condition: str, use: NDArray[np.bool_]) -> dict[str, Values] | None:
        if np.array_equal(use, np.isfinite(self.scores(detector, condition))):
            return self.values(detector, condition)
        return self._compute(detector, condition, use)

    def _compute(self, detector: str, condition: str, use: NDArray[np.bool_]) -> dict[str, Values] | None:
        if self.drawn is None or not (use & self.is_bonafide).any() or not (use & ~self.is_bonafide).any():
            return None
        boot = Bootstrap(self.drawn, self.scores(detector, condition), use)
        frozen = self.frozen[detector]
        llrs = frozen.calibration.apply if frozen.calibration else None
        isotonic = frozen.isotonic.apply if frozen.isotonic else None
        return metric_values(boot, self.names, threshold=frozen.threshold, llrs=llrs, isotonic=isotonic)


def freeze(table: ScoreTable, detector: str) -> Frozen:
    """Threshold and calibrations of a detector, fitted on the development trials of its clean cell."""
    cell = table.cells.get((detector, CLEAN))
    if cell is None:
        return Frozen(None, None, why="the clean cell is missing")
    dev = [t for t in table.trials if t.part == "dev"]
    place = places_of(cell.ids, [t.id for t in dev])
    use = (place >= 0) & cell.good
    labels = np.array([t.label for t in dev], dtype=object)[place[use]]
    b, s = (cell.scores[use][labels == label] for label in LABELS)
    try:
        return Frozen(
            frozen_threshold(bonafide=b, spoof=s), fit(bonafide=b, spoof=s), fit_isotonic(bonafide=b, spoof=s)
        )
    except BadScores as error:
        return Frozen(None, None, why=f"no threshold can be frozen on clean development trials ({error})")
