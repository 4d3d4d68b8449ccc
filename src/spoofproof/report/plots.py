"""Pictures of the HTML report as inline SVG, drawn here.

Why no plotting library: plotly.js weighs 4.8 MB in every report and draws nothing without JavaScript; these pictures
are some 100 KB together, print, follow the page's colours (light and dark) through CSS classes, and need no script.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from ..results import ConditionInfo, Results
from ..types import CLEAN, Estimate
from . import view, words
from .words import EER, Shown

SERIES = 8  # colours in the style sheet; a ninth detector gets the first colour, dashed
_W, _H = 300, 196
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 10, 10, 40


@dataclass(frozen=True, slots=True)
class Axis:
    """The vertical axis shared by all panels of one metric."""

    metric: Shown
    low: float
    high: float

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _H - _BOTTOM - share * (_H - _TOP - _BOTTOM)

    def ticks(self) -> list[float]:
        return [k / 4 for k in range(5) if self.low <= k / 4 <= self.high]


def axis(results: Results, metric: Shown) -> Axis:
    """From 0 (or the lowest value, for accuracies) to what the largest value and its neighbours need."""
    values = [e.value for c in results.cells.values() if (e := metric.of(c.metrics)) is not None] or [0.5]
    if metric.better == "lower":
        return Axis(metric, 0.0, min(1.0, max(0.6, math.ceil(20 * max(values)) / 20 + 0.05)))
    return Axis(metric, max(0.0, min(0.4, math.floor(20 * min(values)) / 20 - 0.05)), 1.0)


def severity(results: Results, group: view.Group, scale: Axis) -> Markup:
    """One panel: a metric against the level, one line a detector with its interval as a band, clean as the anchor."""
    slots = _slots(group)
    step = (_W - _LEFT - _RIGHT) / len(slots)
    xs = [_LEFT + step * (i + 0.5) for i in range(len(slots))]
    said = "; ".join(_spoken(results, group, d, scale.metric) for d in results.detectors)
    parts = [
        Markup(
            '<svg class="panel-plot" viewBox="0 0 {} {}" role="img" aria-label="{} against the level of {}. {}">'
        ).format(
            _W, _H if any(_remark(slot) for slot in slots) else _H - 16, scale.metric.title, group.name, said
        )
    ]
    parts += _frame(scale, xs, slots, step)
    kinds = any(view.is_kind(c) for c in group.conditions)
    for i, detector in enumerate(results.detectors):
        shift = (i - (len(results.detectors) - 1) / 2) * min(5.0, step * 0.7 / len(results.detectors))
        points = [
            (
                x + (shift if kinds else 0),
                slot,
                view.at(results, detector, slot.name if slot else CLEAN, scale.metric),
            )
            for x, slot in zip(xs, slots, strict=True)
        ]
        parts.append(_series(i, detector, points, scale, joined=not kinds))
    parts.append(Markup("</svg>"))
    return Markup("\n").join(parts)


def overview(results: Results) -> Markup:
    """The headline as a picture: for each detector EER on clean audio and its mean under corruption, with intervals."""
    found = [h for h in view.headlines(results) if h.clean or h.under]
    if not found:
        return Markup("")
    row, left, width = 30, 14 + 7 * min(24, max(len(h.detector) for h in found)), 760
    top = max([0.55, *(e.high for h in found for e in (h.clean, h.under) if e and math.isfinite(e.high))])
    top = min(1.0, math.ceil(top * 20) / 20)
    height = row * len(found) + 30

    def x(value: float) -> float:
        return left + (width - left - 24) * min(max(value, 0.0), top) / top

    out = [
        Markup('<svg class="overview" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            width,
            height,
            "Clean and mean corrupted equal error rate of each detector. "
            + " ".join(f"{h.detector}: {h.sentences[0]}" for h in found),
        )
    ]
    for k in range(int(top * 10 + 1e-9) + 1):
        out.append(
            Markup('<line class="{}" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{}"/>').format(
                "coin" if k == 5 else "grid", height - 22, x=x(k / 10)
            )
        )
        out.append(
            Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                x(k / 10), height - 6, "50 % coin" if k == 5 else f"{10 * k} %"
            )
        )
    index = {d: i for i, d in enumerate(results.detectors)}
    for r, h in enumerate(found):
        y = 20 + row * r
        colour = f"s{index[h.detector] % SERIES}"
        out.append(Markup('<g class="s {}">').format(colour))
        if h.clean and h.under:
            out.append(
                Markup('<line class="reach" x1="{:.1f}" x2="{:.1f}" y1="{y}" y2="{y}"/>').format(
                    x(h.clean.value), x(h.under.value), y=y
                )
            )
        both = ((h.clean, "hollow", "clean"), (h.under, "full", "mean under corruption"))
        shown = [(e, kind, name) for e, kind, name in both if e is not None]
        for estimate, _, _ in shown:  # all intervals first, so that none lies over a dot
            if math.isfinite(estimate.low) and math.isfinite(estimate.high):
                out.append(
                    Markup('<line class="whisker" x1="{:.1f}" x2="{:.1f}" y1="{y}" y2="{y}"/>').format(
                        x(estimate.low), x(estimate.high), y=y
                    )
                )
        for estimate, kind, name in shown:
            out.append(
                Markup('<circle class="dot {}" cx="{:.1f}" cy="{}" r="6" data-tip="{}"/>').format(
                    kind, x(estimate.value), y, f"{h.detector}\n{name}: EER {EER.both(estimate)}"
                )
            )
        out.append(
            Markup('<text class="name" x="0" y="{}">{}</text></g>').format(
                y + 4, h.detector if len(h.detector) <= 24 else f"{h.detector[:23]}…"
            )
        )
    out.append(Markup("</svg>"))
    return Markup("\n").join(out)


def marker(series: int, x: float, y: float, tip: str = "", size: float = 3.6) -> Markup:
    """The sign of a detector: colour is never the only difference."""
    shape = series % 5
    s = size
    title = Markup(' data-tip="{}"').format(tip) if tip else Markup("")
    if shape == 0:
        return Markup('<circle class="mark" cx="{:.1f}" cy="{:.1f}" r="{:g}"{}/>').format(x, y, s, title)
    corners = {
        1: [(-s, -s), (s, -s), (s, s), (-s, s)],
        2: [(0, -1.25 * s), (1.2 * s, s), (-1.2 * s, s)],
        3: [(0, -1.4 * s), (1.4 * s, 0), (0, 1.4 * s), (-1.4 * s, 0)],
        4: [(0, 1.25 * s), (1.2 * s, -s), (-1.2 * s, -s)],
    }[shape]
    path = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return Markup('<polygon class="mark" points="{}"{}/>').format(path, title)


def key(series: int) -> Markup:
    """The legend's picture of a detector's line."""
    return Markup(
        '<svg class="key s s{}" viewBox="0 0 28 12" aria-hidden="true"><line class="line{}" x1="1" x2="27" y1="6" y2="6"/>{}</svg>'
    ).format(series % SERIES, _dashed(series), marker(series, 14, 6))


def _dashed(series: int) -> str:
    return " dashed" if series >= SERIES else ""


def _slots(group: view.Group) -> list[ConditionInfo | None]:
    """Positions from left to right; None is clean. Mild to severe, or by level around clean where levels lie on
    both sides of it (pitch, tempo): there the published order jumps from side to side."""
    levels = [c.level for c in group.conditions]
    known = [level for level in levels if level is not None]
    if len(known) != len(levels) or len(known) < 3 or any(view.is_kind(c) for c in group.conditions):
        return [None, *group.conditions]
    rising = [b > a for a, b in pairwise(known)]
    if all(rising) or not any(rising):
        return [None, *group.conditions]
    ordered = sorted(group.conditions, key=lambda c: c.level or 0.0)
    mildest, second = known[0], known[1]
    place = sum(level <= mildest if second > mildest else level < mildest for level in known)
    return [*ordered[:place], None, *ordered[place:]]


def _frame(
    scale: Axis, xs: Sequence[float], slots: Sequence[ConditionInfo | None], step: float
) -> Iterable[Markup]:
    right, bottom = _W - _RIGHT, _H - _BOTTOM
    for tick in scale.ticks():
        y = scale.y(tick)
        style = "coin" if tick == scale.metric.chance else "grid"
        yield Markup('<line class="{}" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
            style, _LEFT, right, y=y
        )
        yield Markup('<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
            _LEFT - 5, y + 3.5, f"{100 * tick:.0f} %"
        )
    for x, slot in zip(xs, slots, strict=True):
        name = "clean" if slot is None else view.level_text(slot) or "on"
        if slot is not None and slot.status != "ok":
            yield Markup(
                '<rect class="hatched" x="{:.1f}" y="{}" width="{:.1f}" height="{}" data-tip="{}"/>'
            ).format(x - step / 2, _TOP, step, bottom - _TOP, f"{slot.name}: not run\n{view.reason(slot)}")
        yield Markup('<text class="tick{}" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            " anchor" if slot is None else "", x, bottom + 14, name
        )
        if small := _remark(slot):
            yield Markup('<text class="tick small" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                x, bottom + 27, small
            )


def _remark(slot: ConditionInfo | None) -> str:
    """What stands under a level: that it did not run, equals another, or was measured as something else."""
    if slot is None:
        return ""
    if slot.status != "ok":
        return slot.status
    if slot.duplicate_of:
        return "= " + slot.duplicate_of.partition("@")[2]
    return "→ " + words.short(slot.effective) if view.differs(slot) else ""


_Point = tuple[float, ConditionInfo | None, Estimate | None]


def _series(i: int, detector: str, points: Sequence[_Point], scale: Axis, *, joined: bool) -> Markup:
    out = [Markup('<g class="s s{}" data-series="{}">').format(i % SERIES, i)]
    for piece in _pieces(points) if joined else []:
        whole = [p for p in piece if p[2] and math.isfinite(p[2].low) and math.isfinite(p[2].high)]
        if len(whole) > 1:
            upper = [f"{x:.1f},{scale.y(e.high):.1f}" for x, _, e in whole if e]
            lower = [f"{x:.1f},{scale.y(e.low):.1f}" for x, _, e in reversed(whole) if e]
            out.append(Markup('<polygon class="band" points="{}"/>').format(" ".join([*upper, *lower])))
        if len(piece) > 1:
            line = " ".join(f"{x:.1f},{scale.y(e.value):.1f}" for x, _, e in piece if e)
            out.append(Markup('<polyline class="line{}" points="{}"/>').format(_dashed(i), line))
    for x, slot, estimate in points:
        if estimate is None:
            continue
        if not joined and math.isfinite(estimate.low) and math.isfinite(estimate.high):
            out.append(
                Markup('<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
                    scale.y(estimate.low), scale.y(estimate.high), x=x
                )
            )
        tip = (
            f"{detector} · {slot.name if slot else CLEAN}\n{scale.metric.title} {scale.metric.both(estimate)}"
        )
        if slot is not None and slot.effective is not None and not view.is_kind(slot):
            tip += f"\nmeasured level: {words.short(slot.effective)} {slot.unit}"
        out.append(marker(i, x, scale.y(estimate.value), tip))
    out.append(Markup("</g>"))
    return Markup("").join(out)


def _pieces(points: Sequence[_Point]) -> list[list[_Point]]:
    """Runs of points without a gap: a missing level breaks the line instead of being drawn over."""
    pieces: list[list[_Point]] = [[]]
    for point in points:
        if point[2] is None:
            pieces.append([])
        else:
            pieces[-1].append(point)
    return [piece for piece in pieces if piece]


def _spoken(results: Results, group: view.Group, detector: str, metric: Shown) -> str:
    clean = view.at(results, detector, CLEAN, metric)
    last = [e for c in group.counted if (e := view.at(results, detector, c.name, metric)) is not None]
    if clean is None or not last:
        return f"{detector}: not scored"
    return f"{detector}: {metric.say(clean.value)} clean, {metric.say(last[-1].value)} at the severest level"


def text(value: object) -> Markup:
    """Any text, escaped."""
    return escape(str(value))
