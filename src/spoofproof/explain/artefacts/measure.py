"""A measure: one named number of an excerpt, where it comes from, and what its ends sound like. The table of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...errors import SpoofproofError, UnknownName
from .analysis import Analysis

Family = Literal["high band", "phase", "pitch", "breath", "vocoder", "codec", "silence"]


@dataclass(frozen=True, slots=True)
class Span:
    """A region: seconds, and Hz."""

    start: float
    end: float
    low_hz: float = 0.0
    high_hz: float = 8000.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a measure found. value: NaN where it cannot be measured, and ``why`` says why. where: at most eight spans."""

    value: float
    where: tuple[Span, ...] = ()
    why: str = ""

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)


Run: TypeAlias = Callable[[Analysis], Reading]


@dataclass(frozen=True, slots=True)
class Measure:
    """name: as in the tables. unit: of the value. low, high: what a low and a high value sound like, for the summary.

    summary: first sentence of the function's docstring. digits: decimals that are shown.
    """

    name: str
    family: Family
    unit: str
    low: str
    high: str
    digits: int
    run: Run
    summary: str

    def say(self, value: float) -> str:
        """Value and unit as text: "3.50 kHz"."""
        return f"{value:.{self.digits}f} {self.unit}".rstrip()


MEASURES: dict[str, Measure] = {}


def measure(
    name: str, *, family: Family, unit: str, low: str, high: str, digits: int = 2
) -> Callable[[Run], Run]:
    """Register ``f(analysis) -> Reading``. Raises SpoofproofError for a name that is taken."""

    def register(run: Run) -> Run:
        if name in MEASURES:
            raise SpoofproofError(f"the measure {name!r} is registered twice; rename one of them")
        said = " ".join((run.__doc__ or "").split("\n\n")[0].split())
        MEASURES[name] = Measure(name, family, unit, low, high, digits, run, said)
        return run

    return register


def of(name: str) -> Measure:
    """The measure of that name. Raises UnknownName."""
    if name not in MEASURES:
        raise UnknownName.among("measure", name, MEASURES)
    return MEASURES[name]


def unknown(why: str) -> Reading:
    """No value, and why."""
    return Reading(math.nan, (), why)
