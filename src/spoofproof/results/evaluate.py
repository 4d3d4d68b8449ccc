"""evaluate(table) -> Results: cells, means, comparisons, in one pass over shared resamples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import registry
from ..errors import UnknownName
from ..scores import ScoreTable
from ..stats.weighted import DECISIONS
from ..types import CLEAN
from . import summary
from .conditions import CONTROL, by_corruption, condition_infos, counted
from .grid import Grid, Values
from .nouns import Aggregate, CellResult, ConditionInfo, Results
from .summary import EER

_SHOWN = ("accuracy", "f1", "miss", "false_alarm")
DEFAULT_METRICS: tuple[str, ...] = (
    *("eer", "auroc", "min_dcf", "act_dcf", "cllr", "ece", "min_tdcf"),
    *(f"{name}_frozen" for name in _SHOWN),
    *(f"{name}_oracle" for name in _SHOWN),
)
Tick = Callable[[int, int], None]


def evaluate(
    table: ScoreTable,
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    reference: str | None = None,
    metrics: Sequence[str] | None = None,
    progress: Tick = lambda done, total: None,
) -> Results:
    """Every number of a report, with intervals.

    Cells are measured on the eval trials that have a score. Thresholds (``…_frozen``) and the calibration behind
    act_dcf, cllr and ece are fixed on the dev trials of the clean cell; without such trials they are left out, and a
    note says so. Intervals, differences, p-values and ranks come from the same ``resamples`` clustered draws
    (``stats``), at ``confidence``.

    reference: the detector with relative error 1; by default the first in the plan that is not a control (``kind`` in
    its card). metrics: names of DEFAULT_METRICS, registered metrics, or any decision metric with ``_frozen`` or
    ``_oracle``. progress(done, total): cells.

    Means go over the conditions that every detector has been scored under, so that none is spared a hard one.
    Raises UnknownName (a metric, a reference).
    """
    shown = list(dict.fromkeys(metrics if metrics is not None else DEFAULT_METRICS))
    _check_names(shown)
    grid = Grid(table, list(dict.fromkeys([EER, *shown])), count=resamples, seed=seed, confidence=confidence)
    infos = condition_infos(table)
    base = Results(
        record=table.record,
        detectors=table.detectors,
        conditions=infos,
        cells=_cells(grid, infos, shown, progress),
        aggregates={},
        comparisons=(),
        breakdowns=(),
        ranks={},
        thresholds={d: f.threshold for d, f in grid.frozen.items() if f.threshold is not None},
        calibrations={
            d: (f.calibration.scale, f.calibration.offset) for d, f in grid.frozen.items() if f.calibration
        },
        confidence=confidence,
        resamples=resamples,
    )
    live = [d for d in table.detectors if any(grid.values(d, i.name) is not None for i in infos)]
    named = _reference(table, live, reference)
    notes = _notes(grid, infos, live)
    if grid.drawn is None or not live:
        return replace(base, notes=notes)
    common = [i for i in infos if all(grid.values(d, i.name) is not None for d in live)]
    notes += _left_out(grid, infos, common, live)
    groups = by_corruption(common)
    families = counted(groups)
    means = summary.means(grid, live, groups, families)
    scopes = _scopes(grid, means, live)
    relative, skipped = summary.relative_errors(grid, live, groups, families.get("all", ()), named)
    if skipped:
        notes.append(f"relative error leaves out {', '.join(skipped)}: {named} makes no error there")
    return replace(
        base,
        aggregates={
            (d, name): Aggregate(d, name, {m: grid.estimate(v) for m, v in values.items() if m in shown})
            for (d, name), values in means.items()
        },
        comparisons=summary.compare(grid, scopes),
        breakdowns=summary.breakdowns(grid, live, by_corruption(infos)),
        ranks=summary.rank(grid, list(scopes.values())[-1]) if scopes else {},
        relative_error={d: grid.estimate(v) for d, v in relative.items()},
        reference=named if relative else "",
        reference_identity=_identity(table, named) if relative else "",
        notes=notes,
        clusters=dict(grid.drawn.clusters),
    )


def _cells(
    grid: Grid, infos: Sequence[ConditionInfo], shown: Sequence[str], progress: Tick
) -> dict[tuple[str, str], CellResult]:
    todo = [(d, i.name) for d in grid.table.detectors for i in infos if (d, i.name) in grid.table.cells]
    found = {}
    for done, (detector, condition) in enumerate(todo, start=1):
        use = np.isfinite(grid.scores(detector, condition))
        values = grid.values(detector, condition)
        delta = grid.delta(detector, condition) if condition != CLEAN else None
        found[detector, condition] = CellResult(
            detector,
            condition,
            {m: grid.estimate(v, use) for m, v in (values or {}).items() if m in shown},
            {m: grid.estimate(v, delta[1]) for m, v in delta[0].items() if m in shown} if delta else {},
            float(use.mean()) if use.size else float("nan"),
            _cell_note(grid, values, use),
        )
        progress(done, len(todo))
    return found


def _cell_note(grid: Grid, values: Mapping[str, Values] | None, use: NDArray[np.bool_]) -> str:
    if values is None:
        n_bonafide = int((use & grid.is_bonafide).sum())
        n_spoof = int(use.sum()) - n_bonafide
        if not n_bonafide and not n_spoof:
            return "no trial has a score; the status column of the cell says why"
        return f"one class only: {n_bonafide} bona fide and {n_spoof} spoof scores"
    area = values.get("auroc")
    if area is not None and grid.estimate(area).high < 0.5:
        return f"inverted: AUROC {area[0]:.2f}; under this condition the scores point the wrong way"
    return ""


def _scopes(grid: Grid, means: summary.Means, live: Sequence[str]) -> dict[str, dict[str, Values]]:
    """scope -> detector -> EER values: "clean", and "all" where there are corruptions."""
    clean = {d: values[EER] for d in live if (values := grid.values(d, CLEAN)) is not None}
    everything = {d: means[d, "all"][EER] for d in live if EER in means.get((d, "all"), {})}
    return {scope: values for scope, values in (("clean", clean), ("all", everything)) if values}


def _reference(table: ScoreTable, live: Sequence[str], asked: str | None) -> str:
    if asked is not None:
        if asked not in table.detectors:
            raise UnknownName.among("reference detector", asked, table.detectors)
        return asked
    cards = {d: (_detector(table, d).get("card") or {}) for d in live}
    return next((d for d in live if cards[d].get("kind") != CONTROL), live[0] if live else "")


def _detector(table: ScoreTable, name: str) -> Mapping[str, Any]:
    detectors = table.record["detectors"]
    found: Mapping[str, Any] = detectors.get(name, {}) if isinstance(detectors, Mapping) else {}
    return found


def _identity(table: ScoreTable, name: str) -> str:
    return str(_detector(table, name).get("identity", ""))


def _notes(grid: Grid, infos: Sequence[ConditionInfo], live: Sequence[str]) -> list[str]:
    notes = []
    if grid.drawn is None:
        notes.append("the eval trials hold one class only: no metric exists")
    else:
        notes.append(grid.drawn.note)
    for detector, frozen in grid.frozen.items():
        if frozen.why and detector in live:
            notes.append(
                f"{detector}: {frozen.why}; act_dcf, cllr, ece and the …_frozen metrics are left out"
            )
        if frozen.calibration is not None and frozen.calibration.scale == 0:
            notes.append(
                f"{detector}: on clean development trials higher scores are not more bona fide; calibrated to llr 0"
            )
    for info in infos:
        if info.duplicate_of:
            notes.append(f"{info.name} gives the same audio as {info.duplicate_of}: shown, not counted")
    waiting = [i for i in infos if i.status != "ok"]
    if waiting:
        notes.append(
            f"{len(waiting)} of {len(infos)} conditions have no scores ({', '.join(i.name for i in waiting[:5])}"
            f"{', …' if len(waiting) > 5 else ''}) and are in no mean"
        )
    return notes


def _left_out(
    grid: Grid, infos: Sequence[ConditionInfo], common: Sequence[ConditionInfo], live: Sequence[str]
) -> list[str]:
    partial = [i.name for i in infos if i.status == "ok" and i not in common]
    idle = [d for d in grid.table.detectors if d not in live]
    notes = []
    if partial:
        notes.append(
            f"{len(partial)} conditions lack a usable cell of some detector and are in no mean: "
            f"{', '.join(partial[:5])}{', …' if len(partial) > 5 else ''}"
        )
    if idle:
        notes.append(f"no usable cell yet of {', '.join(idle)}")
    return notes


def _check_names(names: Sequence[str]) -> None:
    derived = [f"{name}_{kind}" for name in DECISIONS for kind in ("frozen", "oracle")]
    known = [*registry.metrics.names(), *derived]
    for name in names:
        if name not in known and ":" not in name:
            raise UnknownName.among("metric", name, known)
