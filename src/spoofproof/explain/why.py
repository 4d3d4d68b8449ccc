"""One excerpt, one detector: the map, its test, the measures, and the text made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..shipped import DETECTOR
from ..streams import stream
from ..types import Clip
from .artefacts import MEASURES, Reading, readings
from .deletion import ORDERS, deletion
from .ear import Ear, excerpt
from .facts import Explanation, Finding, Side
from .occlusion import CALLS, occlude
from .reference import Entry, Reference, load, rounded
from .spectra import FILLS, Canvas
from .summary import summary

FILL = "median-noise"


def explain(
    clip: Clip,
    detector: str | Ear = DETECTOR,
    *,
    start: float = 0.0,
    calls: int = CALLS,
    orders: int = ORDERS,
    seed: int = 0,
    reference: Reference | None = None,
) -> Explanation:
    """Why a detector says what it says of ``clip``, from ``start`` seconds on for at most 4.04 s.

    detector: NAME, NAME@FILE or file.py:NAME, or one that is loaded. calls: of the detector for the map, at most; the
    deletion test takes 6 · (orders + 2) more. reference: another table than the shipped one. The same arguments give
    the same explanation. Raises BadAudio (too short), BadPlan, BadScores, UnknownName, MissingPart.
    """
    ear = Ear.load(detector) if isinstance(detector, str) else detector
    heard = excerpt(clip, start)
    table = load() if reference is None else reference
    before = ear.calls
    canvas = Canvas.of(heard.samples, FILLS[FILL], stream(seed, "explain", "fill"))
    found = occlude(heard.samples, canvas, ear, calls)
    test = deletion(canvas, ear, found, seed, orders)
    taken = readings(heard)
    made = Explanation(
        detector=ear.name,
        unit=ear.unit,
        start=start,
        end=start + heard.seconds,
        score=found.score,
        occlusion=found,
        deletion=test,
        findings=findings(taken, table),
        measured=table.measured({name: rounded(one.value) for name, one in taken.items()}),
        fill=FILL,
        seed=seed,
        calls=ear.calls - before,
        summary=(),
    )
    return replace(made, summary=summary(made))


def findings(taken: Mapping[str, Reading], table: Reference) -> tuple[Finding, ...]:
    """Every measure beside the reference speech: strong ones first, then those that speak for a side."""
    found = [_finding(name, one, table.measures[name]) for name, one in taken.items()]
    return tuple(sorted(found, key=lambda f: (not f.strong, not f.speaks, f.value is None)))


def _finding(name: str, one: Reading, entry: Entry) -> Finding:
    measure = MEASURES[name]
    speaks, line = _speaks(entry, rounded(one.value)) if one.known else ("", None)
    side = -entry.direction if speaks == "bonafide" else entry.direction
    at = _shares(entry, rounded(one.value) if one.known else None, side)
    seen = _shares(entry, line, side)
    return Finding(
        name=name,
        family=measure.family,
        unit=measure.unit,
        value=one.value if one.known else None,
        said=measure.say(one.value) if one.known else "",
        where=one.where,
        why=one.why,
        real=at[0],
        synthetic=at[1],
        line=line,
        seen_real=seen[0],
        seen_synthetic=seen[1],
        n_real=len(entry.values["real"]),
        n_synthetic=len(entry.values["synthetic"]),
        meaning=measure.high if side > 0 else measure.low,
        speaks=speaks,
        strong=entry.strong,
        auroc=entry.auroc.value,
        auroc_low=entry.auroc.low,
        auroc_high=entry.auroc.high,
    )


def _speaks(entry: Entry, value: float) -> tuple[Side, float | None]:
    """For which class a value speaks, and the line that it has reached."""
    line = entry.line("real", entry.direction)
    if line is not None and (value - line) * entry.direction >= 0:
        return "spoof", line
    line = entry.line("synthetic", -entry.direction)
    if line is not None and (line - value) * entry.direction >= 0:
        return "bonafide", line
    return "", None


def _shares(entry: Entry, value: float | None, side: int) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    return entry.share("real", value, side), entry.share("synthetic", value, side)
