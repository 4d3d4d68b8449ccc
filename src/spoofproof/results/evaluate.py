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
from ..stats import unseen
from ..stats.estimate import EVIDENCE
from ..stats.weighted import DECISIONS
from ..types import CLEAN, Estimate
from . import notes as say
from . import summary
from .common import Ground, classes, leaders, pairs, shared
from .conditions import CONTROL, condition_infos
from .contamination import Heard, in_training
from .grid import Grid, Values
from .grounds import Grounds
from .nouns import Aggregate, CellResult, ConditionInfo, Contamination, Results
from .reliability import diagrams
from .summary import EER

_SHOWN = ("accuracy", "f1", "miss", "false_alarm")
DEFAULT_METRICS: tuple[str, ...] = (
    *("eer", "auroc", "min_dcf", "act_dcf", "cllr", "ece", "min_tdcf"),
    *(f"{name}_frozen" for name in _SHOWN),
    *(f"{name}_oracle" for name in _SHOWN),
    "min_cllr",
    *EVIDENCE,
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
    without_contaminated: bool = False,
    progress: Tick = lambda done, total: None,
) -> Results:
    """Every number of a report, with intervals.

    Cells are measured on the eval trials that have a score. Thresholds (``…_frozen``) and the calibrations behind
    act_dcf, cllr, ece and their like are fixed on the dev trials of the clean cell; without such trials they are left
    out, and a note says so. Intervals, differences, p-values and ranks come from the same ``resamples`` clustered draws
    (``stats``), at ``confidence``.

    reference: the detector with relative error 1; by default the first in the plan that is not a control (``kind`` in
    its card). metrics: names of DEFAULT_METRICS, registered metrics, or any decision metric with ``_frozen`` or
    ``_oracle``. without_contaminated: measure each detector only on eval trials that its card does not list
    (``contamination``); both figures are in the results either way. progress(done, total): cells.

    Means go over the conditions that every detector has been scored under, so that none is spared a hard one; where
    heavy detectors heard a sub-sample, theirs go over that, and whatever is compared with them is computed anew over the
    trials and conditions that both were to hear. Raises UnknownName (a metric, a reference).
    """
    shown = list(dict.fromkeys(metrics if metrics is not None else DEFAULT_METRICS))
    _check_names(shown)
    sights = {d: in_training(table, d) for d in table.detectors}
    grounds = Grounds(
        table,
        list(dict.fromkeys([EER, *shown])),
        {d: sight.trials for d, sight in sights.items()} if without_contaminated else {},
        count=resamples,
        seed=seed,
        confidence=confidence,
    )
    infos = condition_infos(table)
    frozen = grounds.frozen
    base = Results(
        record=table.record,
        detectors=table.detectors,
        conditions=infos,
        cells=_cells(grounds, infos, shown, sights, progress),
        aggregates={},
        comparisons=(),
        breakdowns=(),
        ranks={},
        thresholds={d: f.threshold for d, f in frozen.items() if f.threshold is not None},
        calibrations={
            d: (f.calibration.scale, f.calibration.offset) for d, f in frozen.items() if f.calibration
        },
        maps={
            d: {"linear": f.calibration.to_dict(), "isotonic": f.isotonic.to_dict()}
            for d, f in frozen.items()
            if f.calibration and f.isotonic
        },
        heard={d: part for d in table.detectors if (part := grounds.sub_sample(d))},
        confidence=confidence,
        resamples=resamples,
    )
    live = [d for d in table.detectors if any(grounds.own(d).values(d, i.name) is not None for i in infos)]
    named = _reference(table, live, reference)
    notes = [*say.of_budget(table, base.cells), *say.of_run(grounds, infos, live)]
    if not live:
        return replace(
            base, notes=notes, contamination=_contamination(grounds, sights, (), without_contaminated)
        )
    parts = classes(grounds, infos, live)
    notes += say.left_out(grounds, infos, parts, live)
    whole = shared(grounds, parts)
    means = {key: values for part in parts for key, values in part.means(grounds).items()}
    rivals = pairs(grounds, parts, whole)
    ranked = shared(grounds, leaders(parts))
    scopes = ranked.scopes(ranked.means(grounds)) if ranked.sure else {}
    notes += say.unranked(parts, ranked) if scopes else []
    relative = _relative(grounds, parts, whole, named)
    notes += say.of_relative(named, {name for _, skipped in relative.values() for name in skipped})
    errors = {
        d: (grid.estimate(v, None if d == named else "relative error"), grid)
        for d, ((grid, v), _) in relative.items()
        if v is not None
    }
    first = grounds.own(parts[0].detectors[0])
    found = replace(
        base,
        aggregates=_aggregates(grounds.own, means, shown),
        common=_aggregates(lambda d: whole.grid, whole.means(grounds), shown)
        if whole.sure and len(parts) > 1
        else {},
        comparisons=summary.compare(rivals),
        breakdowns=[b for part in parts for b in part.breakdowns(grounds, infos)],
        ranks=summary.rank(ranked.grid, list(scopes.values())[-1]) if scopes else {},
        relative_error={d: estimate for d, (estimate, _) in errors.items()},
        reference=named if errors else "",
        reference_identity=_identity(table, named) if errors else "",
        notes=notes,
        clusters=dict(first.drawn.clusters) if first.drawn else {},
        contamination=_contamination(grounds, sights, parts, without_contaminated),
        reliability=[
            diagram
            for part in parts
            for d in part.detectors
            if {*EVIDENCE} <= {*shown}
            for diagram in diagrams(grounds.own(d), d, part.infos)
        ],
    )
    return replace(found, notes=[*found.notes, *say.of_unmoved(grounds)])


def _aggregates(
    grid_of: Callable[[str], Grid], means: summary.Means, shown: Sequence[str]
) -> dict[tuple[str, str], Aggregate]:
    return {
        (d, name): Aggregate(d, name, {m: grid_of(d).estimate(v, m) for m, v in values.items() if m in shown})
        for (d, name), values in means.items()
    }


def _relative(
    grounds: Grounds, parts: Sequence[Ground], whole: Ground, named: str
) -> dict[str, tuple[tuple[Grid, Values | None], list[str]]]:
    """Each detector against the reference, over the trials and conditions of both."""
    found = {}
    home = {d: part for part in parts for d in part.detectors}
    for detector in home:
        alike = home[detector] is home.get(named)
        ground = home[detector] if alike else whole
        grid = grounds.common([detector, named], [EER])
        error, skipped = summary.relative_error(
            grid.values, detector, ground.groups, ground.families.get("all", ()), named
        )
        found[detector] = ((grid, error if grid.drawn else None), skipped)
    return found


def _cells(
    grounds: Grounds,
    infos: Sequence[ConditionInfo],
    shown: Sequence[str],
    sights: Mapping[str, Heard],
    progress: Tick,
) -> dict[tuple[str, str], CellResult]:
    cells = grounds.table.cells
    todo = [(d, i.name) for d in grounds.table.detectors for i in infos if (d, i.name) in cells]
    found = {}
    for done, (detector, condition) in enumerate(todo, start=1):
        grid = grounds.own(detector)
        use = np.isfinite(grid.scores(detector, condition))
        values = grid.values(detector, condition)
        delta = grid.delta(detector, condition) if condition != CLEAN else None
        share, both = _met(grounds, sights[detector], detector, condition)
        found[detector, condition] = CellResult(
            detector,
            condition,
            {m: grid.estimate(v, m, use) for m, v in (values or {}).items() if m in shown},
            _deltas(grid, detector, condition, *delta, shown) if delta else {},
            float(use.sum()) / rows if (rows := grid.rows(detector, condition)) else float("nan"),
            _cell_note(grid, values, use),
            share,
            *both,
        )
        progress(done, len(todo))
    return found


def _deltas(
    grid: Grid,
    detector: str,
    condition: str,
    values: Mapping[str, Values],
    use: NDArray[np.bool_],
    shown: Sequence[str],
) -> dict[str, Estimate]:
    """Where nothing moves a difference, and the detector was not moved by the audio, it is exact."""
    cells = (detector, condition), (detector, CLEAN)
    exact = {m for m, v in values.items() if unseen.still(v) and grid.alike(m, *cells)}
    return {
        m: grid.estimate(v, None if m in exact else m, use, difference=True)
        for m, v in values.items()
        if m in shown
    }


def _met(
    grounds: Grounds, sight: Heard, detector: str, condition: str
) -> tuple[float | None, tuple[dict[str, Estimate], dict[str, Estimate]]]:
    """(share of the scored trials met in training, (EER over all of them, EER over the others))."""
    if not sight.known:
        return None, ({}, {})
    grid = grounds.everything(detector, [EER])
    scored = np.isfinite(grid.scores(detector, condition))
    if not sight.trials:
        return 0.0, ({}, {})
    met = np.fromiter((t.id in sight.trials for t in grid.trials), bool, len(grid.trials)) & scored
    share = float(met.sum() / scored.sum()) if scored.any() else 0.0
    if not met.any():
        return share, ({}, {})
    grids = (grid, grounds.within(detector, sight.trials, [EER]))
    found = [_eer_of(g, detector, condition) for g in grids]
    return share, ({EER: found[0]} if found[0] else {}, {EER: found[1]} if found[1] else {})


def _eer_of(grid: Grid, detector: str, condition: str) -> Estimate | None:
    values = grid.values(detector, condition)
    return grid.estimate(values[EER], EER, np.isfinite(grid.scores(detector, condition))) if values else None


def _contamination(
    grounds: Grounds, sights: Mapping[str, Heard], parts: Sequence[Ground], excluded: bool
) -> dict[str, Contamination]:
    home = {d: part for part in parts for d in part.detectors}
    found = {}
    for detector, sight in sights.items():
        whole = grounds.everything(detector, [EER])
        met = [t.label for t in whole.trials if t.id in sight.trials]
        if not met:
            found[detector] = Contamination(sight.known)
            continue
        grids = (whole, grounds.within(detector, sight.trials, [EER]))
        clean = tuple(_eer_of(grid, detector, CLEAN) for grid in grids)
        mean = tuple(_mean_eer(grid, detector, home.get(detector)) for grid in grids)
        found[detector] = Contamination(
            sight.known,
            sight.names,
            met.count("bonafide"),
            met.count("spoof"),
            len(met) / len(whole.trials),
            (clean[0], clean[1]),
            (mean[0], mean[1]),
            excluded,
        )
    return found


def _mean_eer(grid: Grid, detector: str, ground: Ground | None) -> Estimate | None:
    if ground is None or grid.drawn is None:
        return None
    values = summary.means(grid.values, [detector], ground.groups, ground.families).get((detector, "all"), {})
    return grid.estimate(values[EER], EER) if EER in values else None


def _cell_note(grid: Grid, values: Mapping[str, Values] | None, use: NDArray[np.bool_]) -> str:
    if values is None:
        n_bonafide = int((use & grid.is_bonafide).sum())
        n_spoof = int(use.sum()) - n_bonafide
        if not n_bonafide and not n_spoof:
            return "no trial has a score; the status column of the cell says why"
        return f"one class only: {n_bonafide} bona fide and {n_spoof} spoof scores"
    area = values.get("auroc")
    if area is not None and grid.estimate(area, "auroc", use).high < 0.5:
        return f"inverted: AUROC {area[0]:.2f}; under this condition the scores point the wrong way"
    return ""


def _reference(table: ScoreTable, live: Sequence[str], asked: str | None) -> str:
    if asked is not None:
        if asked not in table.detectors:
            raise UnknownName.among("reference detector", asked, table.detectors)
        return asked
    known = {d: _detector(table, d) for d in live}
    whole = [d for d in live if not known[d].get("heavy")]  # a few trials are a poor yardstick
    able = [d for d in (*whole, *live) if (known[d].get("card") or {}).get("kind") != CONTROL]
    return next(iter((*able, *live)), "")


def _detector(table: ScoreTable, name: str) -> Mapping[str, Any]:
    detectors = table.record["detectors"]
    found: Mapping[str, Any] = detectors.get(name, {}) if isinstance(detectors, Mapping) else {}
    return found


def _identity(table: ScoreTable, name: str) -> str:
    return str(_detector(table, name).get("identity", ""))


def _check_names(names: Sequence[str]) -> None:
    derived = [f"{name}_{kind}" for name in DECISIONS for kind in ("frozen", "oracle")]
    known = [*registry.metrics.names(), *derived, *EVIDENCE]
    for name in names:
        if name not in known and ":" not in name:
            raise UnknownName.among("metric", name, known)
