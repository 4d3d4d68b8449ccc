"""The staircase of many trials, looked at only where it matters.

A resample of 600 000 trials has a staircase of as many steps, and its EER, its cheapest threshold and its oracle decisions
are each decided by a few of them. So the sorted trials are cut into about a thousand blocks (the square root of their number). How many trials of each
cluster lie in each block is counted once; one matrix product then gives the staircases of all resamples at the edges of the
blocks. Miss only rises and false alarm only falls: the block in which they cross is known from its edges, and so are the
blocks that no minimum can lie in. Only inside the others are steps taken one by one.

All counts are whole numbers below 2^53: the points found are those of the whole staircase, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Values = NDArray[np.float64]
Steps = NDArray[np.intp]
Flags = NDArray[np.bool_]
BLOCKS = 1.3  # times the square root of the trials
_DENSE = 8_000_000  # entries of a table of counts: 64 MB
_SLACK = 1e-12  # of a bound that was computed in floating point


class Ladder:
    """Trials in the order of their scores, in blocks that begin and end between two steps; a step larger than a block is a
    block by itself.

    step: shape (N,), the step of each trial, 0 to steps - 1. cell: shape (N,), the combination of each, 0 to
    combinations - 1. is_bonafide: shape (N,). edges: where blocks begin and end, in steps, 0 and ``steps`` among them; by
    default so that blocks are about equal.
    """

    def __init__(
        self,
        step: Steps,
        steps: int,
        cell: Steps,
        is_bonafide: Flags,
        combinations: int,
        *,
        edges: Steps | None = None,
    ) -> None:
        order = np.argsort(step, kind="stable")
        self.step, self.cell, self.is_bonafide = step[order], cell[order], is_bonafide[order]
        starts = np.searchsorted(self.step, np.arange(steps + 1))
        self.edges = even_edges(starts, max(1, round(BLOCKS * step.size**0.5))) if edges is None else edges
        self.begin = starts[self.edges]  # the first trial of each block, and N
        block = np.searchsorted(self.begin, np.arange(step.size), side="right") - 1
        self.real, self.fake = (
            counts_of(block[mine], self.cell[mine], (self.blocks, combinations), dense=_DENSE)
            for mine in (self.is_bonafide, ~self.is_bonafide)
        )

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return self.edges.size - 1

    def at_edges(self, weights: Values) -> tuple[Values, Values]:
        """Rejected (bona fide, spoof) at the edges of blocks, each (blocks + 1, b); weights: (combinations, b)."""
        found = []
        for counts in (self.real, self.fake):
            total = np.zeros((self.blocks + 1, weights.shape[1]))
            total[1:] = counts @ weights
            np.cumsum(total, axis=0, out=total)
            found.append(total)
        return found[0], found[1]

    def inside(self, block: int, weights: Values, columns: Steps) -> tuple[Values, Values]:
        """Rejected since the beginning of a block (bona fide, spoof), at its beginning and after each of its steps."""
        here = slice(self.begin[block], self.begin[block + 1])
        step = self.step[here]
        ends = np.append(np.flatnonzero(step[1:] != step[:-1]), step.size - 1)
        drawn = weights[np.ix_(self.cell[here], columns)]
        real = drawn * self.is_bonafide[here, None]
        found = []
        for part in (real, drawn - real):
            total = np.zeros((ends.size + 1, columns.size))
            total[1:] = np.cumsum(part, axis=0)[ends]
            found.append(total)
        return found[0], found[1]

    def has_inside(self, block: int) -> bool:
        """Whether a block holds more than one step."""
        return bool(self.edges[block + 1] - self.edges[block] > 1)


class Climb:
    """One block of resamples on a ladder: rates at the edges of blocks, and inside those that are asked for.

    n_bonafide, n_spoof: shape (b,), how many trials were drawn; NaN columns where a class has vanished from a resample.
    """

    def __init__(self, ladder: Ladder, weights: Values) -> None:
        self.ladder, self.weights = ladder, weights
        self._real, self._fake = ladder.at_edges(weights)
        self.n_bonafide, self.n_spoof = self._real[-1].copy(), self._fake[-1].copy()
        self.miss, self.false_alarm = self._rates(self._real, self._fake, slice(None))

    def crossings(self) -> Iterator[tuple[Steps, int, Values, Values]]:
        """(columns, first step, miss, false alarm) of the blocks in which the rates cross, for their resamples: rates at
        the beginning of the block and after each of its steps."""
        block = np.maximum(np.argmax(self.miss - self.false_alarm >= 0, axis=0) - 1, 0)
        for g in np.unique(block):
            columns = np.flatnonzero(block == g)
            yield columns, int(self.ladder.edges[g]), *self._inside(int(g), columns)

    def lowest(self, a: float, b: float, floor: float, of: Callable[[Values, Values], Values]) -> Values:
        """Minimum of ``of(miss, false alarm)`` over all steps, where that is increasing in floor + a miss + b false_alarm,
        a and b at least 0. Shape (b,)."""
        best = of(self.miss, self.false_alarm)
        cost = (floor + (a * self.miss + b * self.false_alarm)).min(axis=0)
        least = floor + (a * self.miss[:-1] + b * self.false_alarm[1:])  # no step inside a block is cheaper
        for g in np.flatnonzero((least <= cost + _SLACK).any(axis=1)):
            if self.ladder.has_inside(int(g)):
                columns = np.flatnonzero(least[g] <= cost + _SLACK)
                best[columns] = np.minimum(best[columns], of(*self._inside(int(g), columns)))
        return best

    def _inside(self, block: int, columns: Steps) -> tuple[Values, Values]:
        if not self.ladder.has_inside(block):
            both = slice(block, block + 2)
            return self.miss[both, columns], self.false_alarm[both, columns]
        real, fake = self.ladder.inside(block, self.weights, columns)
        real += self._real[block, columns]
        fake += self._fake[block, columns]
        return self._rates(real, fake, columns)

    def _rates(self, real: Values, fake: Values, columns: Steps | slice) -> tuple[Values, Values]:
        with np.errstate(invalid="ignore"):
            return real / self.n_bonafide[columns], 1 - fake / self.n_spoof[columns]


class Pairs:
    """How often a trial of each bona fide combination scores above one of each spoofed combination, ties counting half.

    With it the area under the curve of any resample is one weighted sum (Mann and Whitney 1947). ``ladder``: of the
    distinct scores.
    """

    def __init__(self, ladder: Ladder) -> None:
        real, fake = (x.toarray() if sparse.issparse(x) else x for x in (ladder.real, ladder.fake))
        self.of_real, self.of_fake = np.flatnonzero(real.any(axis=0)), np.flatnonzero(fake.any(axis=0))
        real, fake = real[:, self.of_real], fake[:, self.of_fake]
        above = np.zeros((self.of_real.size, self.of_fake.size))
        above += real.T @ (np.cumsum(fake, axis=0) - fake)
        place = np.zeros(int(ladder.cell.max()) + 1, np.intp)
        place[self.of_real], place[self.of_fake] = np.arange(self.of_real.size), np.arange(self.of_fake.size)
        for block in range(ladder.blocks):
            if ladder.has_inside(block):
                _add_inside(above, ladder, block, place)
            else:
                above += np.outer(real[block], fake[block]) / 2
        self.above = above

    def area(self, weights: Values, n_bonafide: Values, n_spoof: Values) -> Values:
        """AUROC of each resample, shape (b,); NaN where a class has vanished. weights: (combinations, b); n_bonafide,
        n_spoof: how many trials were drawn."""
        won = (weights[self.of_real] * (self.above @ weights[self.of_fake])).sum(axis=0)
        with np.errstate(invalid="ignore"):
            result: Values = won / (n_bonafide * n_spoof)
        return result


def pairs_fit(ladder: Ladder) -> bool:
    """Whether there are few enough combinations for a table of pairs."""
    n = int(ladder.real.shape[1])
    return ladder.blocks * n + n**2 // 4 <= _DENSE


def even_edges(starts: Steps, blocks: int) -> Steps:
    """Edges of about equal blocks, in steps. starts: shape (steps + 1,), the first trial of each step, and N. A step that
    reaches over a whole block begins and ends one."""
    wanted = np.linspace(0, starts[-1], blocks + 1)
    after = np.searchsorted(starts, wanted, side="left")
    before = np.searchsorted(starts, wanted, side="right") - 1
    return np.unique(np.concatenate([after, before]))


def counts_of(row: Steps, column: Steps, shape: tuple[int, int], *, dense: int) -> Values | sparse.csr_array:
    """How often each (row, column) occurs; sparse where the table has more than ``dense`` entries."""
    if shape[0] * shape[1] <= dense:
        code = row * shape[1] + column
        return np.bincount(code, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    return sparse.coo_array((np.ones(row.size), (row, column)), shape=shape).tocsr()


def _add_inside(above: Values, ladder: Ladder, block: int, place: Steps) -> None:
    """Pairs of trials that lie in one block."""
    here = slice(ladder.begin[block], ladder.begin[block + 1])
    real, step, place = ladder.is_bonafide[here], ladder.step[here], place[ladder.cell[here]]
    if not real.any() or real.all():
        return
    higher, lower = step[real][:, None], step[~real][None]
    won = (higher > lower) + (higher == lower) / 2
    code = place[real][:, None] * above.shape[1] + place[~real][None]
    above += np.bincount(code.ravel(), weights=won.ravel(), minlength=above.size).reshape(above.shape)
