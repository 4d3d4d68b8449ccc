"""What a report is made of: plain values, no methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..types import Estimate


@dataclass(frozen=True, slots=True)
class ConditionInfo:
    """What a report says of a condition.

    corruption: the registered name ("" for clean, the whole chain's text for chains). level: None for clean, chains
    and controls without one. index: 1 = mildest published level. effective: the level measured in the output, mean over the measured trials.
    duplicate_of: the milder condition with the same output, "" when none: shown, not counted twice.
    status: "ok", "not run" (why says the way to get it) or "missing" (not scored yet).
    """

    name: str
    corruption: str
    family: str
    unit: str = ""
    level: float | None = None
    index: int = 0
    effective: float | None = None
    effective_low: float | None = None
    effective_high: float | None = None
    distortion_db: float | None = None
    duplicate_of: str = ""
    status: str = "ok"
    why: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class CellResult:
    """The metrics of one detector under one condition. metrics, delta (paired difference to clean): by metric name.

    Empty where the cell is missing or holds one class only (``note`` says which).
    """

    detector: str
    condition: str
    metrics: Mapping[str, Estimate]
    delta: Mapping[str, Estimate]
    coverage: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One detector over many conditions: the mean over the levels of a corruption, then over corruptions.

    name: a corruption, a family, or "all" (the 18-odd corruptions; controls and duplicates left out).
    """

    detector: str
    name: str
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired difference ``first - second`` in one metric, with its interval and corrected p-value (Holm)."""

    first: str
    second: str
    scope: str
    metric: str
    difference: Estimate
    p: float
    p_corrected: float


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The mildest level of a corruption at which ``metric`` crosses ``limit``; level None when it never does."""

    detector: str
    corruption: str
    metric: str
    limit: float
    level: float | None
    condition: str


@dataclass(frozen=True, slots=True)
class Results:
    """Everything a report shows. ``ranks``: by detector, the rank (1 = best) in mean EER with its interval.

    relative_error: by detector, against ``reference`` (which has 1), the version of it in ``reference_identity``. thresholds: frozen on clean
    development trials, by detector. calibrations: (scale, offset) of llr = scale * score + offset. clusters: what the
    intervals rest on, by kind. confidence, resamples: of all intervals.
    """

    record: Mapping[str, Any]
    detectors: Sequence[str]
    conditions: Sequence[ConditionInfo]
    cells: Mapping[tuple[str, str], CellResult]
    aggregates: Mapping[tuple[str, str], Aggregate]
    comparisons: Sequence[Comparison]
    breakdowns: Sequence[Breakdown]
    ranks: Mapping[str, Estimate]
    relative_error: Mapping[str, Estimate] = field(default_factory=dict)
    reference: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    calibrations: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    confidence: float = 0.95
    resamples: int = 0
    clusters: Mapping[str, int] = field(default_factory=dict)
    reference_identity: str = ""
