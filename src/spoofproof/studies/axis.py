"""The levels of a corruption as something to search along: mild to severe, with what lies beyond the published ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..corrupt import try_level
from ..errors import SpoofproofError
from ..types import CorruptionSpec

_SPREAD = 8.0  # largest over smallest level from which on steps are ratios
_BEYOND = (1, 2, 4)  # steps past the published ends that are looked at …
_STEPPED = (1, 2, 3, 5, 7, 11, 15)  # … and where a corruption takes only some levels (MP3: 48 to 160 kbit/s)
_WHOLE = 400  # whole numbers tried one by one where a corruption takes nothing in between

Valid = Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of a corruption. first: the levels that are heard first, mild to severe. milder, severer: what may be
    tried beyond them, nearest first. steps: every level there is, mild to severe, where there is nothing in between;
    () for a continuous one. kinds: the levels are kinds, not amounts. ratio: the middle of two levels is geometric."""

    corruption: str
    side: str
    first: tuple[float, ...]
    milder: tuple[float, ...] = ()
    severer: tuple[float, ...] = ()
    steps: tuple[float, ...] = ()
    kinds: bool = False
    ratio: bool = False

    @property
    def name(self) -> str:
        """For tables: the corruption, and the side of a two-sided one."""
        return f"{self.corruption} ({self.side})" if self.side else self.corruption

    @property
    def order(self) -> int:
        """+1 where a larger level is severer, -1 where it is milder."""
        return 1 if self.first[-1] > self.first[0] else -1

    def between(self, mild: float, severe: float) -> float | None:
        """A level between two, None where there is none (or none that can be told apart)."""
        if self.kinds:
            return None
        if self.steps:
            low, high = self.steps.index(mild), self.steps.index(severe)
            return self.steps[(low + high) // 2] if high - low > 1 else None
        exact = (mild * severe) ** 0.5 if self.ratio else (mild + severe) / 2
        middle = tidy(exact)
        return middle if min(mild, severe) < middle < max(mild, severe) else None


def tidy(level: float) -> float:
    """Four significant digits: what a plan file can say and the command line can read back."""
    return float(f"{level:.4g}")


def axes(spec: CorruptionSpec, valid: Valid | None = None, name: str = "") -> list[Axis]:
    """The axes of a corruption that has levels: one, or one each side of neutral where it is two-sided.

    name: what it was asked for as (file.py:name for a plug-in), by default its own.
    valid(level): whether the corruption takes a level; by default it is asked with half a second of noise.
    """
    valid = valid or (lambda level: accepts(spec, level))
    if name and name != spec.name:
        return [replace(axis, corruption=name) for axis in axes(spec, valid)]
    if spec.level_names:
        return [Axis(spec.name, "", spec.levels, kinds=True)]
    if not spec.two_sided:
        return [_axis(spec, "", spec.levels, None, valid)]
    inner = sorted(spec.levels)
    gaps = [(spec.levels.index(a) + spec.levels.index(b), a, b) for a, b in pairwise(inner)]
    _, low, high = min(gaps)  # the two mildest levels lie on either side of neutral
    neutral = (low + high) / 2
    sides = (
        ("below", sorted((x for x in spec.levels if x < neutral), reverse=True)),
        ("above", sorted(x for x in spec.levels if x > neutral)),
    )
    return [_axis(spec, side, tuple(levels), neutral, valid) for side, levels in sides if levels]


def accepts(spec: CorruptionSpec, level: float) -> bool:
    """Whether the corruption takes ``level``, see ``corrupt.try_level``."""
    try:
        try_level(spec, level)
    except SpoofproofError:
        return False
    return True


def _axis(
    spec: CorruptionSpec, side: str, levels: Sequence[float], neutral: float | None, valid: Valid
) -> Axis:
    ratio = (
        neutral is None
        and min(levels) > 0
        and max(levels) / min(levels) >= _SPREAD
        and not spec.unit.startswith("dB")
    )
    signed = spec.unit.startswith("dB")
    continuous = len(levels) < 2 or valid(levels[0] + (levels[1] - levels[0]) * 0.4142)
    counts = _BEYOND if continuous or ratio else _STEPPED
    milder = _beyond(levels[0], levels[1:2], ratio, signed, neutral, counts, outward=False)
    severer = _beyond(levels[-1], levels[-2:-1], ratio, signed, neutral, counts, outward=True)
    if continuous:
        ends = (_until_invalid(milder, valid), _until_invalid(severer, valid))
        return Axis(spec.name, side, tuple(levels), *ends, ratio=ratio)
    milder, severer = ([x for x in ends if valid(x)] for ends in (milder, severer))
    steps = _steps([*milder, *levels, *severer], levels, valid)
    return Axis(spec.name, side, tuple(levels), tuple(milder), tuple(severer), steps)


def _beyond(
    end: float,
    next_: Sequence[float],
    ratio: bool,
    signed: bool,
    neutral: float | None,
    counts: Sequence[int],
    *,
    outward: bool,
) -> list[float]:
    """Levels past an end of the published ones: by growing steps, but towards zero or neutral by halves."""
    if neutral is not None:
        if outward:
            return [tidy(neutral + (end - neutral) * k) for k in (1.5, 2, 3)]
        return [tidy(neutral + (end - neutral) / k) for k in (2, 4, 8, 16)]
    if not next_:
        return []
    step = end / next_[0] if ratio else end - next_[0]
    far = [end * step**k if ratio else end + step * k for k in counts]
    if signed or min(far) > 0:
        return [tidy(x) for x in far]
    return [tidy(end / 2**k) for k in (1, 2, 3, 4)]


def _until_invalid(levels: Sequence[float], valid: Valid) -> tuple[float, ...]:
    found: list[float] = []
    for level in levels:
        if not valid(level):
            break
        found.append(level)
    return tuple(found)


def _steps(known: Sequence[float], levels: Sequence[float], valid: Valid) -> tuple[float, ...]:
    """All levels between the ends that a corruption takes: the known ones, and whole numbers among them."""
    low, high = min(known), max(known)
    if high - low <= _WHOLE:
        whole = [float(x) for x in range(int(np.ceil(low)), int(high) + 1)]
    else:
        whole = sorted({tidy(round(x)) for x in np.geomspace(max(low, 1.0), high, _WHOLE // 2)})
    every = sorted({*known, *(x for x in whole if valid(x))})
    return tuple(every if levels[-1] > levels[0] else reversed(every))
