"""Which differences count. Two questions, and they are not each other's opposite.

Usual: *is it shown that the candidate got worse by more than the limit?* A cell regresses when the hypothesis "the drop is
at most the limit" is refused, corrected for all cells together, so that a candidate that is no worse fails a gate in at most
5 % of the cases, however many cells there are. On little evidence hardly anything is shown, and such a gate stays open.

Strict: *is it shown that it did not?* A cell passes when its drop is shown to be below the limit (non-inferiority): the upper
end of its one-sided interval lies at or below it. All cells must pass, so each is tested at the full level without a
correction (an intersection-union test, Berger 1982, Technometrics 24:295): a candidate that is worse than the limit in
any cell passes in at most 5 % of the cases. On little evidence nothing is shown, and such a gate stays shut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..stats import Unmoved, together, unseen
from .differences import Comparison, Difference, Gap

Word = Literal["regressed", "unproven", "worse", "better", "passed"]
_BAD = ("regressed", "unproven")


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A difference and what it comes to.

    word: "regressed" (worse than the limit: shown), "unproven" (strict: not shown to be within the limit), "worse" and
    "better" (a difference from 0 is shown, corrected for all; within the limit), "passed".
    p: of "the drop is at most the limit", as if it were the only cell; corrected: for all of them. different: of "there is
    no difference", two-sided, corrected. bound: upper end of the one-sided interval of the drop. called: the least drop that
    would have been called a regression.
    """

    difference: Difference
    word: Word
    p: float
    corrected: float
    different: float
    bound: float
    called: float


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """All cells judged. level: chance of a false alarm (usual), or of passing what should fail (strict)."""

    comparison: Comparison
    judged: tuple[Judged, ...]
    strict: bool
    level: float

    @property
    def failed(self) -> list[Judged]:
        """What regressed, or is unproven: the surest first."""
        bad = [j for j in self.judged if j.word in _BAD]
        return sorted(bad, key=lambda j: (j.corrected, j.difference.limit - j.difference.drop.value))

    @property
    def errors(self) -> list[Gap]:
        """Cells that should be there and cannot be compared."""
        return [gap for gap in self.comparison.gaps if gap.kind == "error"]

    @property
    def word(self) -> Literal["passed", "failed", "incomplete"]:
        """ "incomplete": nothing failed, but cells are missing, and a missing cell is no pass."""
        if self.failed:
            return "failed"
        return "incomplete" if self.errors or not self.judged else "passed"

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 2 incomplete."""
        return {"passed": 0, "failed": 1, "incomplete": 2}[self.word]


def judge(comparison: Comparison, *, strict: bool = False, level: float = 0.05) -> Verdict:
    """Judge every difference against its limit, all of them together; see the head of this file."""
    found = comparison.found
    if not found:
        return Verdict(comparison, (), strict, level)
    values = np.stack([d.values for d in found])
    limits = np.array([d.limit for d in found])
    clusters = np.array([float(d.clusters) for d in found])
    test = together(
        values, margin=limits, clusters=clusters, level=level, unmoved=_unmoved(found, level, limits)
    )
    apart = together(
        values, clusters=clusters, two_sided=True, level=level, unmoved=_unmoved(found, level)
    ).corrected
    judged = []
    for k, d in enumerate(found):
        bound = d.interval(1 - 2 * level)[1]
        word: Word = "passed"
        if apart[k] < level:
            word = "worse" if d.drop.value > 0 else "better"
        if strict and not bound <= d.limit:
            word = "unproven"
        if test.corrected[k] < level:
            word = "regressed"
        p, corrected, different = (float(x[k]) for x in (test.alone, test.corrected, apart))
        judged.append(Judged(d, word, p, corrected, different, bound, float(test.called[k])))
    return Verdict(comparison, tuple(judged), strict, level)


def _unmoved(
    found: Sequence[Difference], level: float, limits: NDArray[np.float64] | None = None
) -> Unmoved | None:
    """Exact tests of the differences that no resample moves: at most their limit, or without limits
    (two-sided) 0."""
    n = sum(d.units is not None for d in found)
    p, reach = np.full(len(found), np.nan), np.full(len(found), np.nan)
    for k, d in enumerate(found):
        if d.units is not None:
            p[k] = (
                unseen.chance_of(d.metric, d.drop.value, d.units)
                if limits is None
                else unseen.tail_of(d.metric, d.drop.value, d.units, limits[k])
            )
            reach[k] = unseen.apart(d.metric, d.drop.value, d.units, level / n)
    return Unmoved(p, reach) if n else None
