"""Tables for other programs: CSV (tidy and wide) and one JSON file that holds all of Results."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..results import Aggregate, Results
from ..types import Estimate
from . import calibration
from .view import groups, mean, meant
from .words import ACCURACY, EER, Shown

SCHEMA = 1
_ESTIMATE = ("value", "low", "high", "n_bonafide", "n_spoof")
_CONDITION = ("corruption", "family", "unit", "level", "index", "effective", "duplicate_of", "status", "why")


def csv_files(results: Results) -> dict[str, str]:
    """CSV texts by file name. Numbers are written with all their digits (repr of a float64), NaN as an empty field.

    cells.csv is tidy: one row a detector, condition, metric and kind ("value", or "delta" = paired difference to
    clean); a cell without metrics has one row with an empty metric and its note. The others are wide or small.
    """
    return {
        "cells.csv": _text(_CELLS, _cells(results)),
        "conditions.csv": _text(("condition", *_CONDITION, "distortion_db", "origin"), _conditions(results)),
        "means.csv": _text(("detector", "over", "metric", *_ESTIMATE), _means(results.aggregates)),
        "eer.csv": _wide(results, EER),
        "accuracy.csv": _wide(results, ACCURACY),
        "eer_by_corruption.csv": _by_corruption(results, EER),
        "accuracy_by_corruption.csv": _by_corruption(results, ACCURACY),
        "comparisons.csv": _text(
            (
                *("first", "second", "scope", "metric", "difference", *_ESTIMATE[1:]),
                *("conditions", "p", "p_corrected"),
            ),
            (
                (
                    c.first,
                    c.second,
                    c.scope,
                    c.metric,
                    *_fields(c.difference),
                    c.conditions,
                    c.p,
                    c.p_corrected,
                )
                for c in results.comparisons
            ),
        ),
        "common.csv": _text(("detector", "over", "metric", *_ESTIMATE), _means(results.common)),
        "heard.csv": _text(
            ("detector", *_HEARD),
            (
                (
                    d,
                    *(getattr(part, n) for n in _HEARD[:4]),
                    len(part.conditions),
                    part.of_conditions,
                    " ".join(part.levels),
                )
                for d, part in results.heard.items()
            ),
        ),
        "calibration.csv": _text(
            ("detector", "over", *(m.key for m in calibration.COLUMNS), "shift_bonafide", "shift_spoof"),
            (
                (d, row.name, *(e.value if e else None for e in row.values), *row.shifts)
                for d in results.detectors
                for row in calibration.rows(results, d)
            ),
        ),
        "reliability.csv": _text(
            ("detector", "condition", "scores", "ece", "from", "to", "stated", "found", *_ESTIMATE[1:]),
            (
                (one.detector, one.condition, one.scores, one.ece, b.low, b.high, b.stated, *_fields(b.found))
                for one in results.reliability
                for b in one.bins
            ),
        ),
        "contamination.csv": _text(_CONTAMINATION, _contamination(results)),
        "breakdowns.csv": _text(
            ("detector", "corruption", "metric", "limit", "level", "condition"),
            ((b.detector, b.corruption, b.metric, b.limit, b.level, b.condition) for b in results.breakdowns),
        ),
    }


def as_json(results: Results) -> dict[str, Any]:
    """All of Results as plain JSON values under stable keys; NaN and infinity become null.

    ``schema`` counts up when a key changes its meaning or goes away; new keys may appear without that.
    """
    plain: dict[str, Any] = finite(
        {
            "schema": SCHEMA,
            "record": results.record,
            "detectors": list(results.detectors),
            "conditions": [asdict(condition) for condition in results.conditions],
            "cells": [asdict_(cell) for cell in results.cells.values()],
            "aggregates": [asdict_(aggregate) for aggregate in results.aggregates.values()],
            "comparisons": [asdict(comparison) for comparison in results.comparisons],
            "breakdowns": [asdict(breakdown) for breakdown in results.breakdowns],
            "ranks": {name: asdict(rank) for name, rank in results.ranks.items()},
            "relative_error": {name: asdict(error) for name, error in results.relative_error.items()},
            "reference": results.reference,
            "thresholds": results.thresholds,
            "notes": list(results.notes),
            "calibrations": results.calibrations,
            "confidence": results.confidence,
            "resamples": results.resamples,
            "clusters": results.clusters,
            "reference_identity": results.reference_identity,
            "heard": {name: asdict(part) for name, part in results.heard.items()},
            "common": [asdict_(aggregate) for aggregate in results.common.values()],
            "contamination": {name: asdict(found) for name, found in results.contamination.items()},
            "maps": results.maps,
            "reliability": [asdict(one) for one in results.reliability],
        }
    )
    return plain


def asdict_(thing: Any) -> dict[str, Any]:
    """``dataclasses.asdict`` that also opens read-only mappings (which it would try to copy)."""
    return {name: _open(getattr(thing, name)) for name in thing.__dataclass_fields__}


def _open(value: Any) -> Any:
    if isinstance(value, Estimate):
        return asdict(value)
    if isinstance(value, Mapping):
        return {key: _open(inner) for key, inner in value.items()}
    return value


def finite(value: Any) -> Any:
    """Plain dicts, lists, texts and finite numbers; NaN, infinity and unknown things become null or text."""
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [finite(inner) for inner in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return finite(value.item()) if hasattr(value, "item") else str(value)


_CELLS = (
    "detector",
    "condition",
    *_CONDITION,
    "metric",
    "kind",
    *_ESTIMATE,
    "coverage",
    "note",
    "contaminated",
    "eer_all",
    "eer_others",
)
_HEARD = ("n_bonafide", "n_spoof", "of_bonafide", "of_spoof", "conditions", "of_conditions", "levels")
_CONTAMINATION = (
    *("detector", "known", "names", "n_bonafide", "n_spoof", "share", "excluded"),
    *(
        f"eer_{scope}_{kind}{end}"
        for scope in ("clean", "mean")
        for kind in ("all", "others")
        for end in ("", "_low", "_high")
    ),
)


def _cells(results: Results) -> Iterable[Sequence[Any]]:
    for detector in results.detectors:
        for condition in results.conditions:
            about = [getattr(condition, name) for name in _CONDITION]
            cell = results.cells.get((detector, condition.name))
            head = [detector, condition.name, *about]
            if cell is None:
                heard = meant(results, detector, condition.name)
                why = condition.why or (
                    "not scored" if heard else "not in the part that heavy detectors hear"
                )
                yield [*head, "", "", *[None] * 5, None, why, None, None, None]
                continue
            both = [of["eer"].value if "eer" in of else None for of in (cell.all_trials, cell.others)]
            if not cell.metrics:
                yield [*head, "", "", *[None] * 5, cell.coverage, cell.note, cell.contaminated, *both]
            for kind, of in (("value", cell.metrics), ("delta", cell.delta)):
                for metric, estimate in of.items():
                    end = [cell.coverage, cell.note, cell.contaminated, *both]
                    yield [*head, metric, kind, *_fields(estimate), *end]


def _contamination(results: Results) -> Iterable[Sequence[Any]]:
    for detector, c in results.contamination.items():
        figures = [_fields(e)[:3] if e else [None] * 3 for e in (*c.clean, *c.mean)]
        yield [
            *(detector, c.known, "; ".join(c.names), c.n_bonafide, c.n_spoof, c.share, c.excluded),
            *(x for figure in figures for x in figure),
        ]


def _conditions(results: Results) -> Iterable[Sequence[Any]]:
    for condition in results.conditions:
        yield [
            condition.name,
            *(getattr(condition, name) for name in _CONDITION),
            condition.distortion_db,
            condition.origin,
        ]


def _means(aggregates: Mapping[tuple[str, str], Aggregate]) -> Iterable[Sequence[Any]]:
    for (detector, name), aggregate in aggregates.items():
        for metric, estimate in aggregate.metrics.items():
            yield [detector, name, metric, *_fields(estimate)]


def _wide(results: Results, metric: Shown) -> str:
    """Rows: conditions. Columns: for each detector value, low, high."""
    header = ["condition", "corruption", "family", "level", "status", "duplicate_of"]
    header += [f"{detector}{end}" for detector in results.detectors for end in ("", " low", " high")]
    rows = []
    for c in results.conditions:
        row: list[Any] = [c.name, c.corruption, c.family, c.level, c.status, c.duplicate_of]
        for detector in results.detectors:
            cell = results.cells.get((detector, c.name))
            found = metric.of(cell.metrics) if cell else None
            row += [found.value, found.low, found.high] if found else [None] * 3
        rows.append(row)
    return _text(header, rows)


def _by_corruption(results: Results, metric: Shown) -> str:
    """Rows: corruptions. Columns: for each detector the mean over the counted levels, low, high."""
    header = ["corruption", "family", "levels counted"]
    header += [f"{detector}{end}" for detector in results.detectors for end in ("", " low", " high")]
    rows = []
    for group in groups(results):
        row: list[Any] = [group.name, group.family, len(group.counted)]
        for detector in results.detectors:
            found = mean(results, detector, group, metric)
            row += [found.value, found.low, found.high] if found else [None] * 3
        rows.append(row)
    return _text(header, rows)


def _fields(estimate: Estimate) -> list[Any]:
    return [getattr(estimate, name) for name in _ESTIMATE]


def _text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_field(value) for value in row] for row in rows)
    return out.getvalue()


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else ""
    return str(value)
