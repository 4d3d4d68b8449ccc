"""Tables for other programs: CSV (tidy and wide) and one JSON file that holds all of Results."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..results import Results
from ..types import Estimate
from .view import groups, mean
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
        "means.csv": _text(("detector", "over", "metric", *_ESTIMATE), _means(results)),
        "eer.csv": _wide(results, EER),
        "accuracy.csv": _wide(results, ACCURACY),
        "eer_by_corruption.csv": _by_corruption(results, EER),
        "accuracy_by_corruption.csv": _by_corruption(results, ACCURACY),
        "comparisons.csv": _text(
            ("first", "second", "scope", "metric", "difference", "low", "high", "p", "p_corrected"),
            (
                (c.first, c.second, c.scope, c.metric, *_fields(c.difference)[:3], c.p, c.p_corrected)
                for c in results.comparisons
            ),
        ),
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
)


def _cells(results: Results) -> Iterable[Sequence[Any]]:
    for detector in results.detectors:
        for condition in results.conditions:
            about = [getattr(condition, name) for name in _CONDITION]
            cell = results.cells.get((detector, condition.name))
            head = [detector, condition.name, *about]
            if cell is None:
                yield [*head, "", "", *[None] * 5, None, condition.why or "not scored"]
                continue
            if not cell.metrics:
                yield [*head, "", "", *[None] * 5, cell.coverage, cell.note]
            for kind, of in (("value", cell.metrics), ("delta", cell.delta)):
                for metric, estimate in of.items():
                    yield [*head, metric, kind, *_fields(estimate), cell.coverage, cell.note]


def _conditions(results: Results) -> Iterable[Sequence[Any]]:
    for condition in results.conditions:
        yield [
            condition.name,
            *(getattr(condition, name) for name in _CONDITION),
            condition.distortion_db,
            condition.origin,
        ]


def _means(results: Results) -> Iterable[Sequence[Any]]:
    for (detector, name), aggregate in results.aggregates.items():
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
