"""One self-contained page of an explanation: the text, the map over the spectrogram, the test, the measures.

Nothing is fetched: the style is that of the bench's report, the spectrogram a PNG inside, the map cells of an SVG.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from ..audio import whole_file
from ..report.samples import png, spectrogram
from ..report.templates import environment, part
from ..types import Clip
from .ear import RATE, excerpt
from .facts import Explanation, Finding
from .summary import places, span

_WIDE, _HIGH = 900.0, 300.0
_LEFT, _TOP = 56.0, 12.0
_PIXELS = 8000.0  # Hz from bottom to top of the spectrogram


def page(made: Explanation, clip: Clip, name: str) -> str:
    """The HTML. clip: what was explained, whole; name: what the reader knows it by. Raises BadAudio as ``explain`` does."""
    return (
        environment()
        .get_template("explain/page.html.j2")
        .render(
            e=made,
            name=name,
            style=Markup(part("report/page.css")),
            script=Markup(part("report/page.js")),
            map=picture(made, clip),
            curves=curves(made),
            places=lambda f: places(f) if f.where else "",
            tally=tally,
            span=span,
            strong=[f for f in made.findings if f.strong],
            weak=[f for f in made.findings if not f.strong],
        )
    )


def write(made: Explanation, clip: Clip, path: Path, name: str) -> None:
    """The page as a file that appears only when whole. Raises RunConflict."""
    with whole_file(path) as file:
        file.write(page(made, clip, name).encode())


def picture(made: Explanation, clip: Clip) -> Markup:
    """The spectrogram with the cells of the map over it, in SVG; the frequency axis is linear, as the spectrogram's."""
    heard = excerpt(clip, made.start)
    grid, change = made.occlusion.grid, made.occlusion.change
    most = max(float(abs(change).max()), 1e-9)
    length = heard.samples.size / RATE
    shown = base64.b64encode(png(spectrogram(heard))).decode()
    parts = [
        f'<image href="data:image/png;base64,{shown}" x="{_LEFT}" y="{_TOP}" width="{_WIDE}" height="{_HIGH}" '
        'preserveAspectRatio="none" class="under"/>'
    ]
    times, hz = [float(x) for x in grid.times], [float(x) for x in grid.hz]
    for t, b in np.ndindex(*change.shape):
        value = float(change[t, b])
        depth = abs(value) / most
        if depth < 0.05:
            continue
        x, y, w, h = _box(times[t], times[t + 1], hz[b], hz[b + 1], length)
        tip = f"{span(times[t], times[t + 1], hz[b], hz[b + 1])}\n{value:+.3f}"
        side = "spoof" if value < 0 else "real"
        parts.append(
            f'<rect class="cell {side}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" '
            f'fill-opacity="{0.75 * depth:.3f}"><title>{tip}</title></rect>'
        )
    for i, r in enumerate(made.occlusion.regions, 1):
        x, y, w, h = _box(r.start, r.end, r.low_hz, r.high_hz, length)
        parts.append(
            f'<rect class="found" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"/>'
            f'<text class="number" x="{x + 5:.1f}" y="{y + 15:.1f}">{i}</text>'
        )
    parts += _axes(length, made.start)
    return _svg(
        parts, _LEFT + _WIDE + 12, _TOP + _HIGH + 34, "Spectrogram with the map of what moved the score"
    )


def curves(made: Explanation) -> Markup:
    """The three curves of the deletion test, in SVG."""
    d = made.deletion
    wide, high, left, top = 520.0, 220.0, 56.0, 12.0
    heights = [*d.by_map, *d.by_random, *d.by_loudness]
    low, top_value = min(0.0, *heights), max(1e-9, *heights)
    room = top_value - low

    def at(share: float, value: float) -> tuple[float, float]:
        return left + share / d.shares[-1] * wide, top + (top_value - value) / room * high

    parts = [
        f'<line class="coin" x1="{left}" x2="{left + wide}" y1="{at(0, 0)[1]:.1f}" y2="{at(0, 0)[1]:.1f}"/>'
    ]
    for value in (low, top_value):
        parts.append(
            f'<text class="tick" x="{left - 6}" y="{at(0, value)[1] + 4:.1f}" text-anchor="end">{value:.2f}</text>'
        )
    for share in d.shares:
        if share in (0.0, 0.1, 0.2, 0.3, 0.5):
            x = at(share, low)[0]
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{top + high + 18}" text-anchor="middle">{share:.0%}</text>'
            )
    for number, (values, dashed) in enumerate(
        ((d.by_map, ""), (d.by_random, " dashed"), (d.by_loudness, " dashed"))
    ):
        points = " ".join(
            f"{x:.1f},{y:.1f}" for x, y in (at(s, v) for s, v in zip(d.shares, values, strict=True))
        )
        parts.append(f'<g class="s{number}"><polyline class="line{dashed}" points="{points}"/></g>')
    return _svg(parts, left + wide + 12, top + high + 30, "Movement of the score as cells are deleted")


def tally(f: Finding) -> str:
    """How often a finding is met: "8 % of 49 real, 31 % of 160 synthetic"; "" without a value.

    Of what speaks for a side: how often it is seen at all, then how often this far out. Else the latter alone.
    """
    if f.real is None or f.synthetic is None:
        return ""
    if f.seen_real is None or f.seen_synthetic is None:
        return (
            f"{100 * f.real:.0f} % of {f.n_real} real, {100 * f.synthetic:.0f} % of {f.n_synthetic} synthetic"
        )
    return (
        f"seen in {100 * f.seen_real:.0f} % of {f.n_real} real, {100 * f.seen_synthetic:.0f} % of {f.n_synthetic} "
        f"synthetic; this far out in {100 * f.real:.0f} %, {100 * f.synthetic:.0f} %"
    )


def _box(
    start: float, end: float, low: float, high: float, length: float
) -> tuple[float, float, float, float]:
    x, w = start / length * _WIDE, (end - start) / length * _WIDE
    y, h = (1 - high / _PIXELS) * _HIGH, (high - low) / _PIXELS * _HIGH
    return _LEFT + x, _TOP + y, w, h


def _axes(length: float, start: float) -> list[str]:
    parts = []
    for khz in (0, 2, 4, 6, 8):
        y = _TOP + (1 - khz / 8) * _HIGH + 4
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y:.1f}" text-anchor="end">{khz} kHz</text>')
    seconds = 0.0
    while seconds <= length:
        x = _LEFT + seconds / length * _WIDE
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{_TOP + _HIGH + 20}" text-anchor="middle">{start + seconds:g} s</text>'
        )
        seconds += 0.5
    return parts


def _svg(parts: Sequence[str], width: float, height: float, title: str) -> Markup:
    inside = "".join(parts)
    return Markup(
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{title}">{inside}</svg>'
    )
