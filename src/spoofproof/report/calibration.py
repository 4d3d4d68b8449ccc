"""What a report says of calibration: before and after, where it drifts, and whether stated probabilities come true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..results import Reliability, Results
from ..types import CLEAN, Estimate
from . import view, words
from .words import LEAST, LOSS, Shown

COLUMNS: tuple[Shown, ...] = (
    Shown(
        "cllr_raw", "Cllr, raw", "lower", False, (0.0, 1.5), 1.0, "of the scores as they are, taken for llrs"
    ),
    Shown(
        "cllr",
        "Cllr, linear",
        "lower",
        False,
        (0.0, 1.5),
        1.0,
        "calibrated by logistic regression on clean dev",
    ),
    Shown(
        "cllr_isotonic", "Cllr, isotonic", "lower", False, (0.0, 1.5), 1.0, "calibrated by PAV on clean dev"
    ),
    LEAST,
    LOSS,
)
MEANS = (
    Shown(
        "llr_bonafide", "Mean llr, real", "higher", False, (0.0, 0.0), None, "mean linear llr of bona fide"
    ),
    Shown("llr_spoof", "Mean llr, fake", "lower", False, (0.0, 0.0), None, "mean linear llr of spoof"),
)
SHIFTS = ("Shift, real", "Shift, fake")
EXPLAINED = (
    "Calibrated on clean development trials, then carried to every corruption. Raw takes the scores for log-likelihood "
    "ratios as they are. Min is what the best increasing recalibration of the tested audio itself would reach; drift is what "
    "the frozen linear calibration costs beyond that, in bits. Shift is how far the mean llr of a class has moved from its clean "
    "value, in nats: below zero towards fake, above zero towards real."
)
_NAMES = {"raw": "raw", "linear": "linear", "isotonic": "isotonic"}
_SIDE, _PAD = 190, 30


@dataclass(frozen=True, slots=True)
class Row:
    """One corruption of one detector. values: COLUMNS. shifts: of the mean llr of each class from clean, in nats."""

    name: str
    kind: str
    values: tuple[Estimate | None, ...]
    shifts: tuple[float, float]


def rows(results: Results, detector: str) -> list[Row]:
    """clean, every corruption, their mean; [] for a detector that could not be calibrated."""
    clean = [view.at(results, detector, CLEAN, m) for m in (*COLUMNS, *MEANS)]
    if clean[1] is None:
        return []
    found = [_row("clean", "clean", clean, clean)]
    for group in view.corruptions(results):
        here = [view.mean(results, detector, group, m) for m in (*COLUMNS, *MEANS)]
        if here[1] is not None:
            found.append(_row(group.name, "", here, clean))
    overall = [view.overall(results, detector, m) for m in (*COLUMNS, *MEANS)]
    return [*found, _row("mean over corruptions", "mean", overall, clean)] if overall[1] else found


def _row(name: str, kind: str, here: Sequence[Estimate | None], clean: Sequence[Estimate | None]) -> Row:
    n = len(COLUMNS)
    shifts = [
        a.value - b.value if a is not None and b is not None else math.nan
        for a, b in zip(here[n:], clean[n:], strict=True)
    ]
    return Row(name, kind, tuple(here[:n]), (shifts[0], shifts[1]))


def shift(nats: float) -> str:
    """ "+0.41", "−1.20"; a dash for NaN."""
    return f"{nats:+.2f}".replace("-", "−") if math.isfinite(nats) else words.NOTHING


def table(results: Results, detector: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a detector, as text."""
    header = ["corruption", *(m.title for m in COLUMNS), *SHIFTS]
    return header, [
        [
            row.name,
            *(m.both(e) for m, e in zip(COLUMNS, row.values, strict=True)),
            *(shift(s) for s in row.shifts),
        ]
        for row in rows(results, detector)
    ]


def diagrams(results: Results, detector: str) -> dict[str, list[Reliability]]:
    """Condition -> its reliability diagrams before and after, clean first, then the worst."""
    found: dict[str, list[Reliability]] = {}
    for one in results.reliability:
        if one.detector == detector:
            found.setdefault(one.condition, []).append(one)
    return found


def reliability_table(results: Results, detector: str) -> tuple[list[str], list[list[str]]]:
    """Of each bin what was found, on clean audio and under the worst conditions, before and after."""
    of = [one for group in diagrams(results, detector).values() for one in group if one.scores != "isotonic"]
    header = ["stated", *(f"{one.condition}, {one.scores}" for one in of)]
    edges = [(b.low, b.high) for b in of[0].bins] if of else []
    body = [
        [f"{low:.1f}–{high:.1f}", *(_found(one.bins[k].found) for one in of)]
        for k, (low, high) in enumerate(edges)
    ]
    errors = ["ECE", *(f"{one.ece:.3f}" for one in of)]
    return header, [*body, errors] if of else []


def _found(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return words.NOTHING
    between = f" [{estimate.low:.2f}–{estimate.high:.2f}]" if math.isfinite(estimate.low) else ""
    return f"{estimate.value:.2f}{between}"


def picture(of: Sequence[Reliability]) -> Markup:
    """Stated against found probability of bona fide; the diagonal is honest. One line for each of raw, linear, isotonic."""
    said = "; ".join(f"{_NAMES[one.scores]}: calibration error {one.ece:.3f}" for one in of)
    out = [
        Markup(
            '<svg class="panel-plot reliability" viewBox="0 0 {0} {0}" role="img" aria-label="{1}">'
        ).format(_SIDE + 2 * _PAD - 20, f"Reliability under {of[0].condition}. {said}")
    ]
    for tick in (0.0, 0.5, 1.0):
        at = Markup('<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
        out += [at.format(_x(tick), _y(0), _x(tick), _y(1)), at.format(_x(0), _y(tick), _x(1), _y(tick))]
        label = Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="{}">{:g}</text>')
        out += [
            label.format(_x(tick), _y(0) + 14, "middle", tick),
            label.format(_x(0) - 5, _y(tick) + 3.5, "end", tick),
        ]
    out.append(
        Markup('<line class="coin" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
            _x(0), _y(0), _x(1), _y(1)
        )
    )
    out += [_line(k, one) for k, one in enumerate(of)]
    out.append(Markup("</svg>"))
    return Markup("\n").join(out)


def _line(k: int, one: Reliability) -> Markup:
    points = [
        (b, _x(b.stated) + 2 * (k - 1), _y(b.found.value)) for b in one.bins if math.isfinite(b.found.value)
    ]
    out = [Markup('<g class="s s{}">').format(k)]
    for b, x, _ in points:
        if math.isfinite(b.found.low):
            out.append(
                Markup(
                    '<line class="whisker thin" x1="{x:.1f}" x2="{x:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
                ).format(_y(b.found.low), _y(b.found.high), x=x)
            )
    line = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in points)
    out.append(Markup('<polyline class="line{}" points="{}"/>').format("" if k else " dashed", line))
    for b, x, y in points:
        tip = (
            f"{_NAMES[one.scores]}: stated {b.stated:.2f}, found {_found(b.found)}\n"
            f"{b.found.n_bonafide} bona fide, {b.found.n_spoof} spoof"
        )
        out.append(
            Markup('<circle class="mark" cx="{:.1f}" cy="{:.1f}" r="3" data-tip="{}"/>').format(x, y, tip)
        )
    out.append(Markup("</g>"))
    return Markup("").join(out)


def _x(value: float) -> float:
    return _PAD + value * _SIDE


def _y(value: float) -> float:
    return _SIDE + 10 - value * _SIDE
