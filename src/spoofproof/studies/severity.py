"""Levels at which a reference detector falls to stated accuracies, so that severities of unlike corruptions compare.

After the severities "low, medium, high" of the ASCA study (arXiv 2504.11622): there by hand, here by bisection.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .axis import Axis

BUDGET = 12  # evaluations that a target may rest on, those shared with other targets included
CLOSE = 0.005  # accuracy: near enough to stop
REACHED = 0.02  # accuracy: near enough to say that a target was reached
UNSTEADY = 0.04  # a rise of accuracy with severity that is called non-monotone
CHANCE = 0.5

Accuracies = dict[float, float]
Asking = Generator[list[float], Accuracies, "Search"]


@dataclass(frozen=True, slots=True)
class Found:
    """The level for one target; level None where there is none. note says why, or how good it is ("reached")."""

    target: float
    level: float | None
    accuracy: float
    note: str
    evaluations: int


@dataclass(frozen=True, slots=True)
class Search:
    """All that was heard along one axis (level -> accuracy, mild to severe), and the level of each target."""

    axis: Axis
    known: tuple[tuple[float, float], ...]
    found: tuple[Found, ...]
    rise: float

    @property
    def monotone(self) -> bool:
        """Whether accuracy never rose with severity by more than its wobble."""
        return self.rise <= UNSTEADY


def search(axis: Axis, targets: Sequence[float], clean: float, budget: int = BUDGET) -> Asking:
    """Ask for the accuracy at levels until every target has its level: a generator that yields levels wanted now and
    is sent their accuracies.

    First the published levels, which show whether accuracy falls with severity; then, where they do not reach far
    enough, what lies beyond them; then bisection inside the mildest pair of levels that a target lies between. Where
    the response is not monotone the mildest crossing counts, and the search says so. Nothing is drawn at random.
    """
    known: Accuracies = {}
    known |= yield list(axis.first)
    asked = [t for t in targets if CHANCE < t <= clean]
    if asked and not axis.kinds:
        for level in axis.milder:
            if known[_ordered(axis, known)[0]] >= max(asked) or len(known) >= budget:
                break
            known |= yield [level]
        for level in axis.severer:
            if min(known.values()) <= min(asked) or len(known) >= budget:
                break
            known |= yield [level]
    shared = len(known)
    spent = dict.fromkeys(asked, 0)
    while True:
        wanted = {t: _next(axis, known, t) for t in asked if shared + spent[t] < budget}
        new = sorted({level for level in wanted.values() if level is not None and level not in known})
        if not new:
            break
        for target, next_ in wanted.items():
            spent[target] += next_ is not None
        known |= yield new
    order = _ordered(axis, known)
    rise, least = 0.0, math.inf
    for level in order:
        least = min(least, known[level])
        rise = max(rise, known[level] - least)
    found = [_found(axis, known, t, clean, shared + spent.get(t, 0)) for t in targets]
    return Search(axis, tuple((x, known[x]) for x in order), tuple(found), 0.0 if axis.kinds else rise)


def _ordered(axis: Axis, known: Accuracies) -> list[float]:
    """Levels heard, mild to severe (kinds in their published order)."""
    return sorted(known) if axis.kinds or axis.order > 0 else sorted(known, reverse=True)


def _bracket(axis: Axis, known: Accuracies, target: float) -> tuple[float, float] | None:
    """The mildest neighbours (milder, severer) between which accuracy falls below ``target``; None where it never does."""
    order = _ordered(axis, known)
    for mild, severe in pairwise(order):
        if known[mild] >= target > known[severe]:
            return mild, severe
    return None


def _next(axis: Axis, known: Accuracies, target: float) -> float | None:
    """The level to hear next for a target; None where it is found, or where there is nothing left to hear."""
    between = None if axis.kinds else _bracket(axis, known, target)
    if between is None or min(abs(known[x] - target) for x in between) <= CLOSE:
        return None
    return axis.between(*between)


def _found(axis: Axis, known: Accuracies, target: float, clean: float, spent: int) -> Found:
    order = _ordered(axis, known)

    def at(level: float, note: str = "") -> Found:
        off = known[level] - target
        if not note:
            note = "reached" if abs(off) <= REACHED else f"nearest available, {100 * off:+.1f} points off"
        return Found(target, level, known[level], note.replace("-", "−"), spent)

    def nothing(note: str) -> Found:
        return Found(target, None, math.nan, note, spent)

    if target <= CHANCE:
        return nothing(f"at or below chance ({100 * CHANCE:.0f} %): no level means this")
    if target > clean:
        return nothing(f"above the accuracy on clean audio ({100 * clean:.1f} %)")
    if axis.kinds:
        return at(min(order, key=lambda x: (abs(known[x] - target), order.index(x))))
    between = _bracket(axis, known, target)
    if between is None:
        if known[order[0]] < target:
            return nothing(f"already at {100 * known[order[0]]:.1f} % at the mildest level, {order[0]:g}")
        best = min(order, key=lambda x: (known[x], order.index(x)))
        if abs(known[best] - target) <= REACHED:
            return at(best)
        return nothing(f"never reached: still {100 * known[best]:.1f} % at {best:g}")
    level = min(between, key=lambda x: (abs(known[x] - target), order.index(x)))
    if abs(known[level] - target) > REACHED and not axis.steps:
        mild, severe = between
        jump = (
            f"jumps from {100 * known[mild]:.1f} % at {mild:g} to {100 * known[severe]:.1f} % at {severe:g}"
        )
        return at(level, jump)
    return at(level)
