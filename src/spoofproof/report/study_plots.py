"""Pictures of studies as inline SVG, in the page's colours: intervals in rows, points over a scale, curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..types import Estimate
from . import words
from .plots import SERIES, marker

_WIDTH = 760
_ROW = 24


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a picture of intervals. series: its colour and sign. head: a heading instead of a value."""

    label: str
    estimate: Estimate | None = None
    series: int = 0
    head: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A dot of a scatter plot: x any positive number, estimate its height with an interval; line: joined with its like."""

    label: str
    x: float
    estimate: Estimate
    line: str = ""
    series: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, share) joined in order of x, and points that are marked on it with their tips."""

    label: str
    points: tuple[tuple[float, float], ...]
    marks: tuple[tuple[float, float, str], ...] = ()
    series: int = 0


def forest(rows: Sequence[Row], *, points: bool = False, reference: float | None = None) -> Markup:
    """Intervals in rows under a common scale. points: signed percentage points; reference: a dashed line."""
    known = [r.estimate for r in rows if r.estimate is not None and math.isfinite(r.estimate.value)]
    if not known:
        return Markup("")
    ends = [x for e in known for x in (e.value, e.low, e.high) if math.isfinite(x)]
    low, high = _round_range(
        min([*ends, *([] if reference is None else [reference])]),
        max(ends + ([reference] if reference is not None else [])),
    )
    left = 24 + 7.2 * min(44, max(len(r.label) for r in rows))
    height = _ROW * len(rows) + 34

    def x(value: float) -> float:
        return left + (_WIDTH - left - 20) * (min(max(value, low), high) - low) / (high - low)

    def say(e: Estimate) -> str:
        if points:
            return words.points(e)
        return f"{words.percent(e.value)} [{100 * e.low:.1f}–{100 * e.high:.1f}]"

    spoken = ". ".join(f"{r.label}: {say(r.estimate)}" for r in rows if r.estimate is not None)
    out = [_open(_WIDTH, height, spoken)]
    for tick in _ticks(low, high):
        out.append(_vertical(x(tick), 6, height - 24, "grid"))
        text = f"{100 * tick:+.0f}".replace("-", "−") if points else f"{100 * tick:.0f} %"
        out.append(_text(x(tick), height - 8, "0" if points and abs(tick) < 1e-9 else text))
    if reference is not None:
        out.append(_vertical(x(reference), 6, height - 24, "coin"))
    for i, row in enumerate(rows):
        y = 20 + _ROW * i
        style = "name" if row.head else "tick anchor"
        out.append(
            Markup('<text class="{}" x="{}" y="{}">{}</text>').format(
                style, 0 if row.head else 10, y + 4, _cut(row.label)
            )
        )
        e = row.estimate
        if e is None or not math.isfinite(e.value):
            continue
        out.append(Markup('<g class="s s{}">').format(row.series % SERIES))
        if math.isfinite(e.low) and math.isfinite(e.high):
            out.append(
                Markup('<line class="whisker" x1="{:.1f}" x2="{:.1f}" y1="{y}" y2="{y}"/>').format(
                    x(e.low), x(e.high), y=y
                )
            )
        out.append(marker(row.series, x(e.value), y, f"{row.label}\n{say(e)}", 4.4))
        out.append(Markup("</g>"))
    return Markup("\n").join([*out, Markup("</svg>")])


def scatter(points: Sequence[Point], *, x_title: str, y_title: str) -> Markup:
    """Shares against a logarithmic scale, with intervals; points of one line are joined from left to right."""
    if not points:
        return Markup("")
    height, left, bottom = 340, 60, 46
    logs = [math.log10(p.x) for p in points]
    x_low, x_high = min(logs) - 0.15, max(logs) + 0.35
    ends = [
        v for p in points for v in (p.estimate.value, p.estimate.low, p.estimate.high) if math.isfinite(v)
    ]
    low, high = _round_range(min(ends), max(ends))

    def at(p: Point, value: float) -> tuple[float, float]:
        across = (math.log10(p.x) - x_low) / (x_high - x_low)
        return left + across * (_WIDTH - left - 16), 10 + (height - bottom - 10) * (high - value) / (
            high - low
        )

    spoken = ". ".join(f"{p.label}: {y_title} {words.percent(p.estimate.value)} at {p.x:g}" for p in points)
    out = [_open(_WIDTH, height, spoken)]
    for tick in _ticks(low, high):
        y = 10 + (height - bottom - 10) * (high - tick) / (high - low)
        out.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
                left, _WIDTH - 16, y=y
            )
        )
        out.append(_text(left - 6, y + 4, f"{100 * tick:.0f} %", "end"))
    for tick in _log_ticks(x_low, x_high):
        across = left + (math.log10(tick) - x_low) / (x_high - x_low) * (_WIDTH - left - 16)
        out.append(_vertical(across, 10, height - bottom, "grid"))
        out.append(_text(across, height - bottom + 16, _engineering(tick)))
    out.append(_text((left + _WIDTH) / 2, height - 8, x_title))
    for name in dict.fromkeys(p.line for p in points if p.line):
        mine = sorted((p for p in points if p.line == name), key=lambda p: p.x)
        path = " ".join("{:.1f},{:.1f}".format(*at(p, p.estimate.value)) for p in mine)
        out.append(
            Markup('<g class="s s{}"><polyline class="line" points="{}"/></g>').format(
                mine[0].series % SERIES, path
            )
        )
    for p in points:
        x, y = at(p, p.estimate.value)
        out.append(Markup('<g class="s s{}">').format(p.series % SERIES))
        if math.isfinite(p.estimate.low) and math.isfinite(p.estimate.high):
            out.append(
                Markup('<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
                    at(p, p.estimate.low)[1], at(p, p.estimate.high)[1], x=x
                )
            )
        tip = f"{p.label}\n{y_title} {words.percent(p.estimate.value)}\n{x_title}: {p.x:,.4g}"
        out.append(marker(p.series, x, y, tip, 5))
        out.append(
            Markup('<text class="name" x="{:.1f}" y="{:.1f}">{}</text></g>').format(
                x + 9, y - 7, _cut(p.label)
            )
        )
    return Markup("\n").join([*out, Markup("</svg>")])


def curves(of: Sequence[Curve], *, targets: Sequence[float], x_title: str, chance: float = 0.5) -> Markup:
    """Shares against a level (linear), with dashed lines at ``targets`` and the marked points."""
    spots = [p for c in of for p in c.points]
    if not spots:
        return Markup("")
    width, height, left, bottom = 380, 230, 42, 36
    x_low, x_high = min(x for x, _ in spots), max(x for x, _ in spots)
    spread = (x_high - x_low) or 1.0
    low = math.floor(10 * min([chance, *(y for _, y in spots)]) - 1e-9) / 10

    def at(x: float, y: float) -> tuple[float, float]:
        return left + 6 + (x - x_low) / spread * (width - left - 18), 8 + (height - bottom - 8) * (1 - y) / (
            1 - low
        )

    out = [
        _open(
            width,
            height,
            "; ".join(f"{c.label}: " + ", ".join(f"{y:.2f} at {x:g}" for x, y in c.points) for c in of),
            "panel-plot",
        )
    ]
    for tick in _ticks(low, 1.0):
        y = at(x_low, tick)[1]
        out.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
                left, width - 8, y=y
            )
        )
        out.append(_text(left - 5, y + 4, f"{100 * tick:.0f} %", "end"))
    for target in targets:
        y = at(x_low, target)[1]
        out.append(
            Markup('<line class="coin" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
                left, width - 8, y=y
            )
        )
    for k in range(5):
        x = x_low + spread * k / 4
        out.append(_text(at(x, low)[0], height - bottom + 16, words.short(x)))
    out.append(_text((left + width) / 2, height - 5, x_title))
    for c in of:
        path = " ".join("{:.1f},{:.1f}".format(*at(*p)) for p in sorted(c.points))
        out.append(
            Markup('<g class="s s{}"><polyline class="line" points="{}"/>').format(c.series % SERIES, path)
        )
        out += [marker(0, *at(x, y), size=2.2) for x, y in c.points]
        out += [marker(3, *at(x, y), tip, 5) for x, y, tip in c.marks]
        out.append(Markup("</g>"))
    return Markup("\n").join([*out, Markup("</svg>")])


def _open(width: float, height: float, label: str, kind: str = "overview") -> Markup:
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        kind, width, height, label
    )


def _vertical(x: float, top: float, bottom: float, style: str) -> Markup:
    return Markup('<line class="{}" x1="{x:.1f}" x2="{x:.1f}" y1="{}" y2="{}"/>').format(
        style, top, bottom, x=x
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> Markup:
    return Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, text
    )


def _cut(label: str) -> str:
    return label if len(label) <= 44 else f"{label[:43]}…"


def _round_range(low: float, high: float) -> tuple[float, float]:
    """Whole steps of five points around the values, at least ten points wide; shares have no room below zero."""
    least, low, high = low, math.floor(low * 20 - 0.1) / 20, math.ceil(high * 20 + 0.1) / 20
    if high - low < 0.1:
        low, high = low - 0.05, high + 0.05
    return (0.0, high) if least >= 0 > low else (low, high)


def _ticks(low: float, high: float) -> list[float]:
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / s <= 8 or s == 0.5)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    whole = range(math.floor(low), math.ceil(high) + 1)
    found = [m * 10.0**k for k in whole for m in (1, 2, 5) if low <= math.log10(m * 10.0**k) <= high]
    return found if len(found) <= 8 else [t for t in found if str(t)[0] == "1" or f"{t:e}"[0] == "1"]


def _engineering(value: float) -> str:
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:g}{letter}"
    return f"{value:g}"
