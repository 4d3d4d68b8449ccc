"""How reliable the detector was measured to be on audio of such quality, looked up and put in words."""

from __future__ import annotations

from fractions import Fraction

from .answer import Reliability
from .axes import AXES, Axis
from .quality import Quality
from .table import Cell, Table

LEAST = 20  # clips of each class, below which a rate is not told


def cells_of(quality: Quality, table: Table) -> list[tuple[Axis, Cell]]:
    """The cell of a recording on each axis on which it has a value and the table has cells."""
    found = []
    for axis in AXES:
        index = axis.cell(quality)
        mine = [cell for cell in table.cells if cell.axis == axis.name]
        if index is not None and index < len(mine):
            found.append((axis, mine[index]))
    return found


def lookup(quality: Quality, table: Table) -> Reliability | None:
    """The figures of the worst of the recording's cells (by the mean of both error rates); None where none was measured."""
    worst: tuple[float, Axis, Cell] | None = None
    for axis, cell in cells_of(quality, table):
        if cell.misses is None or cell.accuses is None or min(cell.misses.n, cell.accuses.n) < LEAST:
            continue
        error = (cell.misses.value + cell.accuses.value) / 2
        if worst is None or error > worst[0]:
            worst = (error, axis, cell)
    if worst is None:
        return None
    _, axis, cell = worst
    misses, accuses = cell.misses, cell.accuses
    assert misses is not None and accuses is not None
    quality_text = axis.say(cell.low, cell.high)
    return Reliability(
        quality=quality_text,
        misses=misses.value,
        misses_interval=(misses.low, misses.high),
        n_synthetic=misses.n,
        accuses=accuses.value,
        accuses_interval=(accuses.low, accuses.high),
        n_real=accuses.n,
        text=(
            f"With {quality_text}, and made to decide, it missed {one_in(misses.value, misses.n)} synthetic clips and accused "
            f"{one_in(accuses.value, accuses.n)} real ones."
        ),
    )


def one_in(share: float, n: int) -> str:
    """A share of n clips in words: the closest fraction with a denominator of at most 10.

    >>> one_in(0.17, 100), one_in(0.0, 40), one_in(0.62, 100)
    ('1 in 6', 'none of 40', '5 in 8')
    """
    if share <= 0:
        return f"none of {n}"
    if share >= 1:
        return f"all {n}"
    if share < 0.1:
        return f"1 in {round(1 / share)}"
    close = Fraction(share).limit_denominator(10)
    if close >= 1:
        return f"nearly all of {n}"
    return f"{close.numerator} in {close.denominator}"
