"""A short text from the facts of an explanation, and from nothing else: no claim without its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .deletion import Deletion
from .ear import LLR
from .facts import Explanation, Finding
from .occlusion import Occlusion, Region

SHOWN = 4  # measures that are told of each kind


def summary(e: Explanation) -> tuple[str, ...]:
    """Sentences, the answer first; each says whether it stands on a strong measure or on the detector alone."""
    return tuple(_sentences(e))


def _sentences(e: Explanation) -> Iterator[str]:
    yield _score(e)
    yield _places(e.occlusion, e.unit)
    yield faithful(e.deletion, e.unit)
    strong = [f for f in e.findings if f.strong]
    telling = [f for f in strong if f.speaks]
    for f in telling[:SHOWN]:
        yield f"On a strong measure: {told(f)}"
    quiet = [f for f in strong if not f.speaks and f.value is not None]
    if quiet:
        yield "Strong, and unremarkable here: " + "; ".join(_short(f) for f in quiet[:SHOWN]) + "."
    yield _together(e, strong)
    weak = [f for f in e.findings if not f.strong and f.speaks]
    if weak:
        yield (
            "Weak by themselves, and no ground for a verdict: "
            + "; ".join(f"{_short(f)}, AUROC {f.auroc:.2f}" for f in weak[:SHOWN])
            + "."
        )
    if not telling:
        yield (
            f"No strong measure speaks for either side here: what is said of this excerpt stands on {e.detector} alone, "
            f"whose {e.unit} is {e.score:+.2f}."
        )
    unknown = [f for f in e.findings if f.value is None]
    if unknown:
        yield "Not measured: " + "; ".join(f"{f.name} ({f.why})" for f in unknown) + "."


def told(f: Finding) -> str:
    """One finding with its number, its place, and how often it is met."""
    where = f", {places(f)}" if f.where else ""
    return (
        f"{f.name} {f.said} ({f.meaning}){where}. {_often(f)} By itself it tells the classes apart with AUROC "
        f"{f.auroc:.2f} [{f.auroc_low:.2f}–{f.auroc_high:.2f}] on development speech."
    )


def places(f: Finding) -> str:
    """The first span of a finding in words; how many more there are."""
    first = f.where[0]
    more = f" and {len(f.where) - 1} more" if len(f.where) > 1 else ""
    if first.low_hz == first.high_hz:
        return f"at multiples of {first.low_hz:.1f} Hz"
    return f"at {span(first.start, first.end, first.low_hz, first.high_hz)}{more}"


def span(start: float, end: float, low_hz: float, high_hz: float) -> str:
    """Where: seconds and kHz."""
    return f"{start:.2f}–{end:.2f} s, {low_hz / 1000:.1f}–{high_hz / 1000:.1f} kHz"


def region(r: Region, unit: str) -> str:
    """A region and what it did, in words: without it the score would be …"""
    side = "synthetic" if r.change < 0 else "real"
    return (
        f"{span(r.start, r.end, r.low_hz, r.high_hz)} speaks for {side} speech (without it the {unit} moves by "
        f"{-r.change:+.2f})"
    )


def faithful(d: Deletion, unit: str) -> str:
    """The outcome of the deletion test."""
    figures = (
        f"{d.area:+.2f} [{d.low:+.2f} to {d.high:+.2f}] in {unit} over {d.orders} random orders, of which it beats "
        f"{100 * d.beaten:.0f} %"
    )
    if d.passed:
        return f"The map passes the deletion test: cells deleted in its order move the score further, by {figures}."
    return f"The map fails the deletion test, so do not rely on it: against random deletion its order gains {figures}."


def _score(e: Explanation) -> str:
    where = f"{e.detector} gives {e.start:.2f}–{e.end:.2f} s of the recording"
    if e.unit == LLR:
        side = "synthetic" if e.score < 0 else "real"
        return f"{where} a {LLR} of {e.score:+.2f}, which speaks for {side} speech."
    return (
        f"{where} a score of {e.score:+.2f}; where its threshold lies is not known here, so no side is named."
    )


def _places(o: Occlusion, unit: str) -> str:
    if not o.regions:
        largest = float(abs(o.change).max())
        return f"No region stands out: no cell of the map moves the {unit} by more than {largest:.2f}."
    return "What moved it: " + "; ".join(region(r, unit) for r in o.regions) + "."


def _together(e: Explanation, strong: Sequence[Finding]) -> str:
    if not strong:
        return f"None of the {len(e.findings)} measures tells real from synthetic speech reliably by itself."
    names = ", ".join(f.name for f in strong)
    if e.measured is None:
        return f"The strong measures ({names}) could not all be taken here."
    side = "synthetic" if e.measured < 0 else "real"
    said = f"The strong measures alone ({names}) give a {LLR} of {e.measured:+.2f}, for {side} speech"
    if e.unit != LLR:
        return f"{said}."
    agree = "agrees" if (e.measured < 0) == (e.score < 0) else "disagrees"
    return f"{said}; the detector, with {e.score:+.2f}, {agree}."


def _short(f: Finding) -> str:
    return f"{f.name} {f.said} ({_shares(f)})"


def _often(f: Finding) -> str:
    return f"As far out, or further: {_shares(f)}."


def _shares(f: Finding) -> str:
    real, synthetic = f.real or 0.0, f.synthetic or 0.0
    return (
        f"{100 * real:.0f} % of {f.n_real} real, {100 * synthetic:.0f} % of {f.n_synthetic} synthetic clips"
    )
