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

    Empty where the cell is missing or holds one class only (``note`` says which). coverage: share of the trials that it was
    to hear. contaminated: share of its scored trials that the detector met in training, None where that is not known.
    all_trials, others: EER over all scored trials, and over those not met in training; empty where there are none such.
    """

    detector: str
    condition: str
    metrics: Mapping[str, Estimate]
    delta: Mapping[str, Estimate]
    coverage: float
    note: str = ""
    contaminated: float | None = None
    all_trials: Mapping[str, Estimate] = field(default_factory=dict)
    others: Mapping[str, Estimate] = field(default_factory=dict)


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
    """A paired difference ``first - second`` in one metric, with its interval and corrected p-value (Holm).

    Over the trials (``difference.n_…``) and conditions that both were to hear; conditions: how many these are.
    """

    first: str
    second: str
    scope: str
    metric: str
    difference: Estimate
    p: float
    p_corrected: float
    conditions: int = 1


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
class SubSample:
    """What a heavy detector heard: eval trials of each class, of how many; the conditions it was to hear, of how many;
    which levels of each corruption ("mildest", "middle", "severest")."""

    n_bonafide: int
    n_spoof: int
    of_bonafide: int
    of_spoof: int
    conditions: tuple[str, ...]
    of_conditions: int
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contamination:
    """Which of the eval trials a detector's card says it met in training. known: whether the card says anything.

    names: the sources, or the corpus. share: of the trials it was to hear. clean, mean: EER on clean audio and its mean
    over the corruptions, (over all trials, over the others); None where it cannot be computed.
    excluded: whether the report's other figures leave these trials out.
    """

    known: bool
    names: tuple[str, ...] = ()
    n_bonafide: int = 0
    n_spoof: int = 0
    share: float = 0.0
    clean: tuple[Estimate | None, Estimate | None] = (None, None)
    mean: tuple[Estimate | None, Estimate | None] = (None, None)
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Stated probabilities of bona fide between low and high: their mean, and the share that was bona fide. Both classes
    weigh one half. stated is NaN where nothing fell into the bin."""

    low: float
    high: float
    stated: float
    found: Estimate


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram. scores: "raw" (taken for llrs as they are), "linear" or "isotonic" (calibrated on dev)."""

    detector: str
    condition: str
    scores: str
    ece: float
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Everything a report shows. ``ranks``: by detector, the rank (1 = best) in mean EER with its interval.

    relative_error: by detector, against ``reference`` (which has 1), the version of it in ``reference_identity``. thresholds: frozen on clean
    development trials, by detector. calibrations: (scale, offset) of llr = scale * score + offset. clusters: what the
    intervals rest on, by kind. confidence, resamples: of all intervals.

    aggregates: each detector over all that it heard. Where some heard a sub-sample (``heard``, by detector), common holds
    the same means over what all of them heard; ranks are of those that heard everything, where there are two or more.
    maps: linear and isotonic calibration by detector, as plain values (``calibrate.from_dict`` reads them). contamination: by detector.
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
    heard: Mapping[str, SubSample] = field(default_factory=dict)
    common: Mapping[tuple[str, str], Aggregate] = field(default_factory=dict)
    contamination: Mapping[str, Contamination] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    reliability: Sequence[Reliability] = ()
