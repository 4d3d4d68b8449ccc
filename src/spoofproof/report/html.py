"""One self-contained HTML page: style, script, pictures and sounds are all inside; nothing is fetched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..results import CellResult, Results
from ..scores import ScoreTable
from ..types import CLEAN, Estimate
from . import calibration, marks, plots, text, view, words
from .samples import samples
from .templates import environment, part
from .words import ACCURACY, AUROC, EER, FALSE_ALARM, MISS, ORACLE, SHOWN, Shown


def html(results: Results, table: ScoreTable, run: Path) -> str:
    """The page. run: the folder whose ``samples/`` are listened to (may be absent). Everything else is Results."""
    return environment().get_template("report/page.html.j2").render(_context(results, table, run))


def _context(results: Results, table: ScoreTable, run: Path) -> dict[str, Any]:
    metrics = [m for m in SHOWN if any(m.of(c.metrics) for c in results.cells.values())]
    curves = [m for m in (EER, ACCURACY) if m in metrics]
    sounds = samples(results, run)
    frozen = _frozen(results)
    worst = view.worst_conditions(results)
    of = view.groups(results)
    return {
        "results": results,
        "record": results.record,
        "corpus": results.record.get("corpus", {}),
        "made": results.record.get("made", {}),
        "style": Markup(part("report/page.css")),
        "script": Markup(part("report/page.js")),
        "measured": view.what_was_measured(results),
        "headlines": view.headlines(results),
        "sign": {d: marks.mark(results, d) for d in results.detectors},
        "footnotes": marks.footnotes(results),
        "common": marks.common_rows(results),
        "common_words": marks.common_words(results) if results.common else "",
        "calibration": _calibration(results),
        "calibration_columns": calibration.COLUMNS,
        "calibration_words": calibration.EXPLAINED,
        "shift": calibration.shift,
        "heat_of": heat,
        "contamination": marks.contamination_rows(results),
        "overview": plots.overview(results),
        "keys": [(i, d, plots.key(i)) for i, d in enumerate(results.detectors)],
        "metrics": metrics,
        "heat": {
            m.key: [_heat_family(results, m, name, list(gs)) for name, gs in _families(of)] for m in metrics
        },
        "heat_ends": {m.key: _heat_ends(results, m) for m in metrics},
        "curves": {
            m.key: [
                (g, plots.severity(results, g, plots.axis(results, m)))
                for g in of
                if g.counted and len(g.conditions) > 1
            ]
            for m in curves
        },
        "curve_metrics": curves,
        "frozen": frozen,
        "frozen_span": max(
            [0.05, *(row[k].value for f in frozen for row in f["rows"] for k in ("miss", "passed"))]
        ),
        "worst": [(d, rows) for d in results.detectors if (rows := [w for w in worst if w.detector == d])],
        "inverted": [i for i in view.inverted(results) if i.sure],
        "below_half": [i for i in view.inverted(results) if not i.sure],
        "breakdowns": text.breakdown_rows(results),
        "comparisons": text.comparison_rows(results),
        "notes": view.notes(results),
        "differing": [c for c in results.conditions if view.differs(c)],
        "conditions": [c for c in results.conditions if c.name != CLEAN],
        "originals": sounds.originals,
        "heard": sounds.heard,
        "left_out": sounds.left_out,
        "cells": [_cell_row(results, c) for c in results.cells.values()],
        "cell_metrics": [*metrics[:1], *metrics[1:], *([ORACLE] if _any(results, ORACLE) else [])],
        "low_coverage": view.low_coverage(results),
        "incomplete": view.incomplete(results),
        "not_run": view.not_run(results),
        "duplicates": view.duplicates(results),
        "facts": _told(results.record.get("corpus", {}).get("facts", {})),
        "audit": _told(results.record.get("corpus", {}).get("audit", {})),
        "shortcut": shortcut_sentence(results.record.get("corpus", {}).get("audit", {})),
        "run_rows": text.run_rows(results),
        "reproduce": text.reproduce(results),
        "digest": str(results.record.get("corpus", {}).get("digest", ""))[:12],
        "eer": EER,
        "auroc": AUROC,
        "words": words,
        "view": view,
        "trials": len(table.trials),
    }


def _any(results: Results, metric: Shown) -> bool:
    return any(metric.of(c.metrics) for c in results.cells.values())


def _families(of: Sequence[view.Group]) -> list[tuple[str, list[view.Group]]]:
    found: dict[str, list[view.Group]] = {}
    for group in of:
        found.setdefault(group.family, []).append(group)
    return list(found.items())


def heat(metric: Shown, value: float) -> float:
    """Where a value lies on the colour scale: 0 = best, 1 = worst end of the metric's span."""
    best, bad = metric.span
    return min(1.0, max(0.0, (value - best) / (bad - best)))


def _heat_cell(metric: Shown, estimate: Estimate | None, tip: Sequence[str]) -> dict[str, Any]:
    if estimate is None:
        return {"value": words.NOTHING, "range": "", "heat": None, "sort": "", "tip": "", "inverted": False}
    upside = (metric.key == "eer" and estimate.low > 0.5) or (metric.key == "auroc" and estimate.high < 0.5)
    return {
        "value": metric.say(estimate.value),
        "range": metric.range(estimate),
        "heat": round(heat(metric, estimate.value), 3),
        "sort": repr(estimate.value),
        "tip": "\n".join(
            [*tip, f"{metric.title} {metric.both(estimate)}"] + (["inverted"] if upside else [])
        ),
        "inverted": upside,
    }


def _heat_family(results: Results, metric: Shown, family: str, of: list[view.Group]) -> dict[str, Any]:
    rows = []
    for group in of:
        cells = []
        for detector in results.detectors:
            heard = [c for c in group.conditions if view.at(results, detector, c.name, metric)]
            n = min(len(group.counted), len(heard))
            tip = [f"{detector} · {group.name}", f"mean over {words.many(n, 'level')}"]
            low = view.worst(results, detector, [group], metric)
            cell = _heat_cell(metric, view.mean(results, detector, group, metric), tip)
            if low and cell["tip"] and len(group.counted) > 1:
                cell["tip"] += f"\nworst level {low[0].name}: {metric.both(low[1])}"
            cells.append(cell)
        rows.append({"group": group, "cells": cells})
    return {"family": family, "rows": rows}


def _heat_ends(results: Results, metric: Shown) -> dict[str, list[dict[str, Any]]]:
    """The rows above and below the corruptions: clean, mean over corruptions, worst condition."""
    of = view.corruptions(results)
    ends: dict[str, list[dict[str, Any]]] = {"clean": [], "mean": [], "worst": []}
    for d in results.detectors:
        ends["clean"].append(_heat_cell(metric, view.at(results, d, CLEAN, metric), [f"{d} · clean"]))
        ends["mean"].append(
            _heat_cell(metric, view.overall(results, d, metric), [f"{d} · mean over all corruptions"])
        )
        low = view.worst(results, d, of, metric)
        cell = _heat_cell(metric, low[1] if low else None, [f"{d} · {low[0].name}" if low else d])
        ends["worst"].append({**cell, "name": low[0].name if low else ""})
    return ends


def _frozen(results: Results) -> list[dict[str, Any]]:
    """For each detector: each group's errors at the frozen threshold beside both accuracies; [] without dev data."""
    made = []
    for detector in results.detectors:
        rows: list[dict[str, Any]] = []

        def add(
            name: str, kind: str, found: list[Estimate | None], rows: list[dict[str, Any]] = rows
        ) -> None:
            miss, passed, frozen, oracle = found
            if miss is None or passed is None or frozen is None:
                return
            rows.append(
                {
                    "name": name,
                    "kind": kind,
                    "miss": miss,
                    "passed": passed,
                    "frozen": frozen,
                    "oracle": oracle,
                    "gap": oracle.value - frozen.value if oracle else math.nan,
                }
            )

        wanted = (MISS, FALSE_ALARM, ACCURACY, ORACLE)
        add("clean", "clean", [view.at(results, detector, CLEAN, m) for m in wanted])
        for group in view.corruptions(results):
            add(group.name, "", [view.mean(results, detector, group, m) for m in wanted])
        add("mean over corruptions", "mean", [view.overall(results, detector, m) for m in wanted])
        if rows:
            made.append({"detector": detector, "rows": rows, "threshold": results.thresholds.get(detector)})
    return made


def _calibration(results: Results) -> list[dict[str, Any]]:
    """For each detector that was calibrated: the table, and reliability diagrams of clean and the worst conditions."""
    return [
        {
            "detector": detector,
            "rows": rows,
            "pictures": [
                (name, calibration.picture(of), [(one.scores, one.ece) for one in of])
                for name, of in calibration.diagrams(results, detector).items()
            ],
        }
        for detector in results.detectors
        if (rows := calibration.rows(results, detector))
    ]


def _cell_row(results: Results, cell: CellResult) -> dict[str, Any]:
    return {"cell": cell, "delta": cell.delta.get("eer")}


def shortcut_sentence(audit: Mapping[str, Any]) -> str:
    """How well trivial features alone tell the classes apart, in a sentence; "" where no audit measured it."""
    found = audit.get("classifier")
    if not isinstance(found, Mapping) or not isinstance(found.get("auroc"), (int, float)):
        return ""
    low, high = found.get("low"), found.get("high")
    between = (
        f" [{low:.2f}–{high:.2f}]" if isinstance(low, (int, float)) and isinstance(high, (int, float)) else ""
    )
    if found.get("flagged"):
        says = "a detector may score well here without listening"
    elif isinstance(high, (int, float)) and high <= 0.6:
        says = "near chance, as it should be"
    else:
        says = "no shortcut shown, but too few clips to rule one out"
    return (
        f"A classifier that sees only duration, loudness, silence, bandwidth and the like reaches AUROC "
        f"{found['auroc']:.2f}{between} (chance is 0.50): {says}."
    )


def _told(value: Any, name: str = "") -> dict[str, Any]:
    """Free-form facts as something the page can show: {"kind": "text" | "list" | "table" | "pairs", …}."""
    if isinstance(value, Mapping):
        pairs = [
            (str(k).replace("_", " "), _told(v)) for k, v in value.items() if v not in (None, "", [], {}, ())
        ]
        return {"kind": "pairs", "pairs": pairs}
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(row, Mapping) for row in value):
            header = list(dict.fromkeys(str(k) for row in value for k in row))
            rows = [[_scalar(row.get(k)) for k in header] for row in value]
            return {"kind": "table", "header": [h.replace("_", " ") for h in header], "rows": rows}
        items = [_scalar(item) for item in value]
        if all(len(item) < 24 for item in items):
            return {"kind": "text", "text": ", ".join(items)}
        return {"kind": "list", "items": items}
    return {"kind": "text", "text": _scalar(value)}


def _scalar(value: Any) -> str:
    if value is None:
        return words.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return words.short(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_scalar(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_scalar, value))
    return str(value)
