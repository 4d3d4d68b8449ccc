"""How long a run will take, and how far a budget goes: words for both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import bar, note, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..cost import Forecast, Line
    from ..plan import Plan
    from ..scores import ScoreTable
    from ..types import Trial


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """ "90s", "10m", "1.5h" in seconds. Raises BadPlan."""
    from ..errors import BadPlan

    number, unit = text[:-1], text[-1:]
    try:
        found = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        found = 0.0
    if not 0 < found < float("inf"):
        raise BadPlan(f"--budget is a time with its unit: 90s, 10m or 1.5h; got {text!r}")
    return found


def scored(
    plan: Plan, trials: Sequence[Trial], folder: Path, *, budget: float | None, **how: Any
) -> ScoreTable:
    """The whole run, or as much of it as ``budget`` seconds allow."""
    from .. import bench
    from .. import budget as rounds

    if budget is None:
        return bench.run(plan, trials, folder, **how)
    table = rounds.run(plan, trials, folder, seconds=budget, **how)
    spent = table.record["budget"]
    note(f"{spent['rounds']} rounds, {said(spent['spent'])} in all")
    return table


def dry_run(plan: Plan, trials: Sequence[Trial], folder: Path, *, workers: int) -> None:
    """Measure, and print what is missing and what it will take; the run folder is neither made nor touched."""
    from ..bench import missing, prepare
    from ..cost import forecast, measure

    record = prepare(plan, trials, folder, {})
    todo = missing(plan, trials, folder, record)
    cells = len(record["conditions"]) * len(record["detectors"])
    if not todo.jobs:
        note(f"nothing is missing in {folder}: all cells that can be scored here are there")
        return
    with bar("measure", "conditions and detectors") as update:
        costs = measure(plan, trials, todo.jobs, progress=update)
    _show(forecast(plan, todo.jobs, costs, cells=cells, workers=workers), len(todo.not_run), folder)


def said(seconds: float) -> str:
    """ "0.8 s", "48 s", "12 min", "3.4 h"."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _show(found: Forecast, not_run: int, folder: Path) -> None:
    total = found.seconds * found.workers
    rows = [_row(line, total, cells=str(line.cells)) for line in found.detectors]
    table("Detectors", ("detector", "cells", "windows", "ms each", "one core", "share"), rows)
    rows = [_row(line, total, cells=str(line.cells)) for line in found.families]
    table("Corruptions, by family", ("family", "cells", "clips", "ms each", "one core", "share"), rows)
    rows = [_row(line, total, cells="") for line in found.other]
    table("Besides", ("what", "", "files, clips", "ms each", "one core", "share"), rows)
    absent = f"; {not_run} conditions cannot run here" if not_run else ""
    note(
        f"{found.cells} of {found.all_cells} cells are missing: {found.clips} clips to corrupt, {found.scores} windows to "
        f"score, {said(found.audio)} of audio{absent}"
    )
    note(
        f"about {said(found.seconds)} with {found.workers} worker{'s' if found.workers > 1 else ''} on idle cores "
        f"({said(total)} of one core), and the report. Nothing was written to {folder}."
    )


def _row(line: Line, total: float, cells: str) -> tuple[str, ...]:
    share = f"{100 * line.total / total:.0f} %" if total else ""
    clips = str(line.clips) if line.clips else ""
    return line.name, cells, clips, f"{1000 * line.each:.3g}", said(line.total), share
