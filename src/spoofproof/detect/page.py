"""Answers as one HTML page that needs nothing else: no script, no address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from ..report.templates import environment
from . import text
from .answer import REAL, SYNTHETIC, UNSURE, Answer

_CLASS = {REAL: "real", SYNTHETIC: "synthetic", UNSURE: "unsure"}
_WIDTH, _HEIGHT = 800, 120


def page(answers: Sequence[Answer], failed: Mapping[str, str]) -> str:
    """The page: a card for each recording, those that look synthetic first. failed: path → what is wrong with it."""
    order = {SYNTHETIC: 0, UNSURE: 1, REAL: 2}
    ranked = sorted(answers, key=lambda a: (order[a.verdict], -a.probability, a.path))
    shown = (
        environment()
        .get_template("detect/page.html.j2")
        .render(
            answers=ranked,
            failed=failed,
            text=text,
            kind=_CLASS,
            picture=picture,
            counts=[(name, sum(a.verdict == name for a in answers)) for name in (SYNTHETIC, UNSURE, REAL)],
        )
    )
    return shown.encode("utf-8", "replace").decode("utf-8")


def picture(answer: Answer) -> Markup:
    """The timeline as SVG: probability of synthetic over time, spans shaded, stretches without speech left out."""
    seconds = max(answer.seconds, 1e-9)

    def x(at: float) -> float:
        return at / seconds * _WIDTH

    parts = [
        f'<rect class="span" x="{x(a):.1f}" y="0" width="{max(1.0, x(b) - x(a)):.1f}" height="{_HEIGHT}"/>'
        for a, b in answer.spans
    ]
    parts.append(f'<line class="half" x1="0" x2="{_WIDTH}" y1="{_HEIGHT / 2}" y2="{_HEIGHT / 2}"/>')
    every = max(1, len(answer.timeline) // 2000)
    windows = [w for w in answer.timeline[::every] if w.speech > 0]
    for w in windows if len(windows) < 2 else ():
        y = (1 - w.probability) * _HEIGHT
        parts.append(
            f'<line class="trace" x1="{x(w.start):.1f}" x2="{x(w.end):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
    for one, other in pairwise(windows):
        if other.start <= one.end:
            points = " ".join(
                f"{x((w.start + w.end) / 2):.1f},{(1 - w.probability) * _HEIGHT:.1f}" for w in (one, other)
            )
            parts.append(f'<polyline class="trace" points="{points}"/>')
    label = Markup.escape(f"Probability of synthetic speech over {text.clock(answer.seconds)}")
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )
