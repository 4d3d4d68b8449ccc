"""A network over a signal of any length, piece by piece."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Arrays = NDArray[np.float32]


def in_pieces(
    samples: Arrays, run: Callable[[Arrays], Arrays], *, piece: int, around: int, frame: int
) -> Arrays:
    """``run`` over a signal of any length in bounded memory, shape (T,) to (T,).

    run: a function of whole frames, (n · frame,) to (n · frame,). It is given ``piece`` samples at a time with
    ``around`` samples of what lies on each side, zeros beyond the ends, and its answer there is thrown away: where
    ``around`` covers what a network hears, the result does not depend on where it was cut. Both are whole frames.
    """
    assert piece % frame == 0 and around % frame == 0
    out = np.empty_like(samples)
    for start in range(0, samples.size, piece):
        stop = min(start + piece, samples.size)
        first, last = start - around, stop + around + -(stop - start) % frame
        part = np.zeros(last - first, dtype=np.float32)
        here = samples[max(0, first) : last]
        part[max(0, -first) : max(0, -first) + here.size] = here
        out[start:stop] = run(part)[around : around + stop - start]
    return out
