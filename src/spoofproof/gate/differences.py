"""Paired differences of every cell of two runs, from the same clustered resamples of the same trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import registry
from ..errors import BadScores, UnknownName
from ..results.conditions import by_corruption, condition_infos, counted
from ..results.grid import Frozen, freeze
from ..scores import OK, Cell
from ..stats import Bootstrap, Resamples, resamples, unseen
from ..stats.estimate import EVIDENCE, metric_values
from ..stats.intervals import interval
from ..stats.units import Units, units_of
from ..stats.weighted import CURVES, DECISIONS
from ..types import CLEAN, Estimate, Scores, Trial
from .sides import Match, Side

Values = NDArray[np.float64]
Better = Literal["lower", "higher"]
Kind = Literal["error", "skipped"]
Tick = Callable[[int, int], None]
ALL = "all corruptions"
_HIGHER = ("accuracy", "balanced_accuracy", "f1")
_NEITHER = ("llr_bonafide", "llr_spoof")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A metric, by the names of a report (``eer``, ``miss_frozen`` …), and the drop that is still allowed, in its
    unit; infinite where none is too large."""

    metric: str
    limit: float = math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """One cell of both runs, over the trials that have a score in both.

    before, after: the metric in the baseline and in the candidate. drop: how much worse the candidate is (after - before
    where lower is better, before - after where higher is), with its interval. values: shape (1 + B,), the drop under each
    resample, the measured one first. condition: its name, or ALL for the mean over corruptions, each corruption the mean of
    its levels. clusters: the fewest of a kind that were drawn. unscored: shared trials without a score in the baseline.
    units: how many trials are independent, where no resample moves the drop and yet the truth may be another
    (neither errs on few trials); None where the resamples say how sure it is, and where both gave the same
    scores.
    """

    baseline: str
    candidate: str
    condition: str
    metric: str
    better: Better
    limit: float
    before: float
    after: float
    drop: Estimate
    values: Values
    clusters: int
    unscored: int = 0
    conditions: int = 1
    units: Units | None = None

    def interval(self, confidence: float) -> tuple[float, float]:
        """Of the drop; NaN where no resample moves it and no bound is known."""
        return _interval(self.values, self.metric, self.clusters, self.units, confidence)


@dataclass(frozen=True, slots=True)
class Gap:
    """A cell that cannot be compared. kind: "error" where it should have been there, "skipped" where neither run was to have it."""

    baseline: str
    candidate: str
    condition: str
    metric: str
    kind: Kind
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All of it. note: what the intervals rest on."""

    match: Match
    wanted: tuple[Wanted, ...]
    found: tuple[Difference, ...]
    gaps: tuple[Gap, ...]
    notes: tuple[str, ...]
    resamples: int
    confidence: float


@dataclass(frozen=True, slots=True)
class _No:
    """Why there are no scores to compare; see Gap."""

    kind: Kind
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """The trials that a pair of detectors was to hear, and their resamples."""

    trials: tuple[Trial, ...]
    drawn: Resamples
    place: Mapping[str, int]
    is_bonafide: NDArray[np.bool_]


def differences(
    match: Match,
    wanted: Sequence[Wanted] = (Wanted("eer"),),
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    max_lost: float = 0.0,
    other_audio: bool = False,
    progress: Tick = lambda done, total: None,
) -> Comparison:
    """Every cell of both runs, and the mean over all corruptions, by metric.

    max_lost: share of the trials with a score in the baseline that the candidate may leave without one; beyond it the cell
    is an error, since nobody knows what it would have said. other_audio: compare also conditions whose audio was not the
    same in both runs. progress(done, total): cells.
    Raises UnknownName (a metric), BadScores (shared trials of which every resample lacks a class).
    """
    directions = {w.metric: better(w.metric) for w in wanted}
    work = _Work(match, tuple(wanted), directions, resamples, seed, confidence, max_lost, other_audio)
    found: list[Difference] = []
    gaps: list[Gap] = []
    total = len(match.pairs) * len(match.conditions)
    for i, pair in enumerate(match.pairs):
        ground = work.ground(pair)
        frozen = tuple(_frozen(s, d) for s, d in zip((match.baseline, match.candidate), pair, strict=True))
        mine: list[tuple[Difference, Values, Values]] = []
        for k, condition in enumerate(match.conditions):
            cells, missing = work.cell(pair, condition, ground, (frozen[0], frozen[1]))
            mine += cells
            gaps += missing
            progress(i * len(match.conditions) + k + 1, total)
        found += [d for d, _, _ in mine] + work.means(pair, mine, ground)
    notes = [*match.notes, *work.notes(), *([unseen.NOTE] if any(d.units for d in found) else [])]
    return Comparison(match, tuple(wanted), tuple(found), tuple(gaps), tuple(notes), resamples, confidence)


def better(metric: str) -> Better:
    """Which way a metric is better. Raises UnknownName, and BadScores for one that has no better side."""
    plain, _, kind = metric.rpartition("_")
    if plain in DECISIONS and kind in ("frozen", "oracle"):
        return "higher" if plain in _HIGHER else "lower"
    if metric in _NEITHER:
        raise BadScores(
            f"{metric} says where the evidence slid; no side of it is better. Use cllr, or cllr_loss."
        )
    if metric in EVIDENCE:
        return "lower"
    derived = [f"{name}_{kind}" for name in DECISIONS for kind in ("frozen", "oracle")]
    if ":" not in metric and metric not in registry.metrics:
        raise UnknownName.among("metric", metric, [*registry.metrics.names(), *derived, *EVIDENCE])
    return registry.metrics[metric].better


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    match: Match
    wanted: tuple[Wanted, ...]
    directions: Mapping[str, Better]
    count: int
    seed: int
    confidence: float
    max_lost: float
    other_audio: bool
    grounds: dict[frozenset[str] | None, _Ground] = field(default_factory=dict)

    def ground(self, pair: tuple[str, str]) -> _Ground:
        """Where both heard everything, all pairs share one set of resamples."""
        parts = [
            part
            for side, d in zip((self.match.baseline, self.match.candidate), pair, strict=True)
            if (part := side.heard(d)) is not None
        ]
        ids = frozenset.intersection(*parts) if parts else None
        if ids not in self.grounds:
            trials = tuple(t for t in self.match.trials if ids is None or t.id in ids)
            self.grounds[ids] = _Ground(
                trials,
                resamples(trials, count=self.count, seed=self.seed),
                {t.id: i for i, t in enumerate(trials)},
                np.array([t.label == "bonafide" for t in trials], dtype=bool),
            )
        return self.grounds[ids]

    def cell(
        self, pair: tuple[str, str], condition: str, ground: _Ground, frozen: tuple[Frozen, Frozen]
    ) -> tuple[list[tuple[Difference, Values, Values]], list[Gap]]:
        """(differences with the values of both runs, gaps) of one condition, by metric."""
        scores = self._scores(pair, condition, ground)
        if isinstance(scores, _No):
            return [], [Gap(*pair, condition, w.metric, scores.kind, scores.why) for w in self.wanted]
        before, after = scores
        use = np.isfinite(before) & np.isfinite(after)
        if not (use & ground.is_bonafide).any() or not (use & ~ground.is_bonafide).any():
            why = f"both classes are needed; the {int(use.sum())} trials with a score in both runs are of one"
            return [], [Gap(*pair, condition, w.metric, "error", why) for w in self.wanted]
        values = [
            _values(ground.drawn, x, use, f, list(self.directions))
            for x, f in zip((before, after), frozen, strict=True)
        ]
        found, gaps = [], []
        for w in self.wanted:
            if not all(w.metric in v and np.isfinite(v[w.metric][0]) for v in values):
                why = next((f.why for f in frozen if f.why), f"{w.metric} has no value")
                gaps.append(Gap(*pair, condition, w.metric, "error", why))
                continue
            a, b = (v[w.metric] for v in values)
            unscored = int((~np.isfinite(before)).sum())
            fixed = w.metric in CURVES or frozen[0].threshold == frozen[1].threshold
            units = None
            if unseen.still(a - b) and not (fixed and unseen.alike(w.metric, before[use], after[use])):
                units = units_of(ground.drawn, use)
            found.append((self._difference(pair, condition, w, a, b, ground, use, unscored, units), a, b))
        return found, gaps

    def means(
        self, pair: tuple[str, str], mine: Sequence[tuple[Difference, Values, Values]], ground: _Ground
    ) -> list[Difference]:
        """The mean over all corruptions, as a report makes it, where two or more conditions go into it."""
        found = []
        for w in self.wanted:
            cells = {d.condition: (a, b) for d, a, b in mine if d.metric == w.metric}
            infos = [i for i in condition_infos(self.match.baseline.table()) if i.name in cells]
            groups = by_corruption(infos)
            names = counted(groups).get("all", [])
            n = sum(len(groups[name]) for name in names)
            if n < 2:
                continue
            a, b = (
                np.mean([np.mean([cells[i.name][k] for i in groups[name]], axis=0) for name in names], axis=0)
                for k in (0, 1)
            )
            use = np.ones(len(ground.trials), bool)
            units = (
                _fewest(d.units for d, _, _ in mine if d.metric == w.metric) if unseen.still(a - b) else None
            )
            found.append(self._difference(pair, ALL, w, a, b, ground, use, 0, units, conditions=n))
        return found

    def notes(self) -> list[str]:
        """What the intervals rest on, and what was not the same."""
        said = [ground.drawn.note for ground in self.grounds.values()]
        if self.match.unlike and self.other_audio:
            said.append(
                f"the audio was not the same in both runs under {len(self.match.unlike)} conditions "
                f"({', '.join(sorted(self.match.unlike)[:3])} …): their differences are partly the audio's"
            )
        return list(dict.fromkeys(said))

    def _scores(self, pair: tuple[str, str], condition: str, ground: _Ground) -> tuple[Scores, Scores] | _No:
        """Scores of both over the ground."""
        sides = (self.match.baseline, self.match.candidate)
        meant = [side.meant(d, condition) for side, d in zip(sides, pair, strict=True)]
        if not all(meant):
            return _No("skipped", "the plan does not give this condition to a heavy detector")
        if condition in self.match.unlike and not self.other_audio:
            return _No(
                "error",
                "the audio was not the same in both runs (another version of a codec or of this program): run the baseline "
                "again, or say --other-audio",
            )
        try:
            cells = [side.cell(d, condition) for side, d in zip(sides, pair, strict=True)]
        except BadScores as error:
            return _No("error", str(error))
        if cells[0] is None or cells[1] is None:
            return _absent(self.match, condition, cells)
        before, after = (_placed(cell, ground.place) for cell in cells if cell is not None)
        had = np.isfinite(before)
        lost = int((had & ~np.isfinite(after)).sum())
        if lost > self.max_lost * max(1, int(had.sum())):
            return _No(
                "error",
                f"the candidate has no score for {lost} of the {int(had.sum())} trials that the baseline has one for; the "
                "status column of the cell says why (--max-lost allows for a share)",
            )
        return before, after

    def _difference(
        self,
        pair: tuple[str, str],
        condition: str,
        w: Wanted,
        a: Values,
        b: Values,
        ground: _Ground,
        use: NDArray[np.bool_],
        unscored: int,
        units: Units | None,
        conditions: int = 1,
    ) -> Difference:
        values = b - a if self.directions[w.metric] == "lower" else a - b
        clusters = ground.drawn.fewest
        low, high = _interval(values, w.metric, clusters, units, self.confidence)
        n_bonafide = int((use & ground.is_bonafide).sum())
        drop = Estimate(float(values[0]), low, high, n_bonafide, int(use.sum()) - n_bonafide)
        return Difference(
            *pair, condition, w.metric, self.directions[w.metric], w.limit, float(a[0]), float(b[0]), drop, values, clusters,
            unscored, conditions, units,
        )  # fmt: skip


def _interval(
    values: Values, metric: str, clusters: int, units: Units | None, confidence: float
) -> tuple[float, float]:
    if units is None:
        return interval(values[1:], confidence=confidence, clusters=clusters, value=float(values[0]))
    return unseen.ends(
        values, lambda: units, metric, confidence=confidence, clusters=clusters, difference=True
    )


def _fewest(found: Iterable[Units | None]) -> Units | None:
    """Of each kind the least, None where none is known: a mean is as sure as the least sure that goes into
    it."""
    known = [astuple(units) for units in found if units is not None]
    return Units(*map(min, zip(*known, strict=True))) if known else None


def _absent(match: Match, condition: str, cells: Sequence[Cell | None]) -> _No:
    said = [side.facts.get(condition, {}) for side in (match.baseline, match.candidate)]
    if all(f.get("status") == "not run" for f in said):
        return _No("skipped", f"not run in either: {said[0].get('why', '')}")
    missing = []
    for word, cell, facts in zip(("baseline", "candidate"), cells, said, strict=True):
        if cell is None:
            why = f" ({facts['why']})" if facts.get("why") else ""
            missing.append(f"the {word} has no such cell{why}")
    return _No("error", f"{' and '.join(missing)}; run its bench to the end")


def _frozen(side: Side, detector: str) -> Frozen:
    try:
        cell = side.cell(detector, CLEAN)
    except BadScores as error:
        return Frozen(None, None, why=str(error))
    return freeze(side.table({(detector, CLEAN): cell} if cell else {}), detector)


def _placed(cell: Cell, place: Mapping[str, int]) -> Scores:
    out = np.full(len(place), np.nan)
    for name, score, status in zip(cell.ids, cell.scores, cell.status, strict=True):
        i = place.get(name)
        if i is not None and status == OK:
            out[i] = score
    return out


def _values(
    drawn: Resamples, scores: Scores, use: NDArray[np.bool_], frozen: Frozen, names: Sequence[str]
) -> dict[str, Any]:
    boot = Bootstrap(drawn, scores, use)
    llrs = frozen.calibration.apply if frozen.calibration else None
    isotonic = frozen.isotonic.apply if frozen.isotonic else None
    return metric_values(boot, names, threshold=frozen.threshold, llrs=llrs, isotonic=isotonic)
