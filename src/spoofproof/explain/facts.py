"""What an explanation holds: frozen records that turn into plain values, and nothing that is not a number or a place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

import numpy as np

from .artefacts import Span
from .deletion import Deletion
from .occlusion import Occlusion

Side = Literal["spoof", "bonafide", ""]


@dataclass(frozen=True, slots=True)
class Finding:
    """One measure of the excerpt beside the reference speech.

    value: in ``unit``, None where it could not be measured (``why``). where: spans. real, synthetic: share of the reference
    clips of each class that are at least as far out as this one, on the side ``speaks`` names where it names one, else on
    the synthetic side; None without a value. speaks: "spoof" or "bonafide" where the value is rare in one class and at
    least twice as common in the other, else "". llr: natural log of the ratio of the two densities, and only for strong
    measures. strong: whether the measure was found to tell the classes apart by itself on development speech.
    """

    name: str
    family: str
    unit: str
    value: float | None
    said: str
    where: tuple[Span, ...]
    why: str
    real: float | None
    synthetic: float | None
    n_real: int
    n_synthetic: int
    meaning: str
    speaks: Side
    strong: bool
    auroc: float
    auroc_low: float
    auroc_high: float


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why a detector said what it said of an excerpt, as far as that can be measured.

    start, end: of the excerpt, in seconds of the clip. score: of the excerpt, higher = more bona fide, in ``unit``.
    measured: log-likelihood ratio of the strong measures alone, None where they could not all be measured. summary:
    sentences, made of these facts only.
    """

    detector: str
    unit: str
    start: float
    end: float
    score: float
    occlusion: Occlusion
    deletion: Deletion
    findings: tuple[Finding, ...]
    measured: float | None
    fill: str
    seed: int
    calls: int
    summary: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: no NaN, no arrays; spans in seconds of the excerpt."""
        found: dict[str, Any] = plain(self)
        return found


def plain(value: Any) -> Any:
    """Records to dicts, arrays and tuples to lists, NaN and infinity to None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
