"""The course of a training as a small picture: loss and development figures over epochs, one SVG with nothing outside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LEGEND, HEIGHT, LEFT, TOP, GAP = 860, 240, 190, 64, 34, 46
_COLOURS = ("#3b6ea8", "#c2571a", "#3f8f4f", "#8a5aa8", "#a8893b", "#4f8f8f")


def svg(panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], title: str) -> str:
    """One panel a title, one line a name (eleven at most have a place in the legend). panels: title -> name -> points (epoch, value), values that are not finite
    are left out. Text and axes follow the reader's colour scheme."""
    ends = [x for lines in panels.values() for points in lines.values() for x, _ in points]
    last = max(ends, default=1.0) or 1.0
    total = TOP + len(panels) * (HEIGHT + GAP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" role="img" font-family="sans-serif" '
        f'font-size="12"><title>{escape(title)}</title><style>text{{fill:#222}}.a{{stroke:#8888;stroke-width:1}}'
        ".l{fill:none;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>",
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for row, (name, lines) in enumerate(panels.items()):
        out += _panel(name, lines, TOP + row * (HEIGHT + GAP), last)
    return "\n".join([*out, "</svg>\n"])


def _panel(
    name: str, lines: Mapping[str, Sequence[tuple[float, float]]], top: float, last: float
) -> list[str]:
    values = [y for points in lines.values() for _, y in points if math.isfinite(y)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    right = WIDTH - LEGEND
    inner = right - LEFT

    def place(x: float, y: float) -> str:
        return f"{LEFT + inner * x / last:.1f},{top + 20 + HEIGHT * 0.85 * (high - y) / (high - low):.1f}"

    foot = top + 20 + HEIGHT * 0.85
    out = [
        f'<text x="{LEFT}" y="{top + 12}">{escape(name)}</text>',
        f'<line class="a" x1="{LEFT}" y1="{foot}" x2="{right}" y2="{foot}"/>',
        f'<text x="{LEFT - 6}" y="{top + 24}" text-anchor="end">{high:.3g}</text>',
        f'<text x="{LEFT - 6}" y="{foot}" text-anchor="end">{low:.3g}</text>',
        f'<text x="{right}" y="{foot + 16}" text-anchor="end">epoch {last:g}</text>',
    ]
    for index, (line, points) in enumerate(lines.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        path = " ".join(place(x, y) for x, y in points if math.isfinite(y))
        out.append(
            f'<polyline class="l" stroke="{colour}" points="{path}"><title>{escape(line)}</title></polyline>'
        )
        out.append(
            f'<text x="{right + 14}" y="{top + 24 + 16 * index}" style="fill:{colour}">{escape(line)}</text>'
        )
    return out
