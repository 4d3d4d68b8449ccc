"""How many trials of a class are independent of each other: no two of one speaker, no two of one attack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import maximum_bipartite_matching

from .resample import Resamples


@dataclass(frozen=True, slots=True)
class Units:
    """Trials of each class, and how many of them are independent: units of bona fide speech, of spoofed
    speech (no two of one speaker or one attack), and pairs of the two that have no unit in common."""

    n_bonafide: int
    n_spoof: int
    bonafide: int
    spoof: int
    pairs: int


def units_of(drawn: Resamples, use: NDArray[np.bool_] | None = None) -> Units:
    """Of the trials that were drawn and used (shape (N,), all by default).

    Spoofed trials are crossed: as many are independent as can be picked without meeting a speaker or an
    attack twice, a maximum matching. Pairs: m of one class and n of the other, c speakers in both: min(m, n,
    (m + n - c) // 2).
    """
    keep = np.ones(drawn.cell.size, bool) if use is None else use
    sides = keep & drawn.bonafide, keep & ~drawn.bonafide
    real, fake = (np.flatnonzero(np.bincount(drawn.cell[side], minlength=1)) for side in sides)
    m, n = (_independent(drawn.unit[cells], drawn.attack[cells]) for cells in (real, fake))
    shared = np.intersect1d(drawn.unit[real], drawn.unit[fake])
    c = min(m, n, int((shared >= 0).sum()))
    pairs = min(m, n, (m + n - c) // 2)
    return Units(int(sides[0].sum()), int(sides[1].sum()), m, n, pairs)


def _independent(unit: NDArray[np.intp], attack: NDArray[np.intp]) -> int:
    """Most combinations of which no two have a drawn cluster in common."""
    crossed = (unit >= 0) & (attack >= 0)
    if not crossed.any():
        return int(np.unique(unit[unit >= 0]).size + np.unique(attack[attack >= 0]).size)
    free = (
        int(attack.max()) + 1 + np.arange(unit.size)
    )  # a column of its own for a trial of no known attack …
    alone = int(unit.max()) + 1 + np.arange(unit.size)  # … and a row for one of no known speaker
    rows, columns = np.where(unit >= 0, unit, alone), np.where(attack >= 0, attack, free)
    graph = sparse.csr_array((np.ones(unit.size, np.int8), (rows, columns)))
    return int((maximum_bipartite_matching(sparse.csr_matrix(graph), perm_type="column") >= 0).sum())
