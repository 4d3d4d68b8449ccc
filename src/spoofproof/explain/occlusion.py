"""Which regions of time and frequency moved the score: each is replaced by something neutral, and the score asked again.

Occlusion (Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014) on a spectrogram, for
any black box. Fine cells where a first look at coarse ones found something, so that the number of calls is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from ..errors import BadPlan
from ..types import Samples
from .ear import RATE, Ear
from .spectra import BINS, FFT, HOP, Canvas, Mask

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CELL_SECONDS = 0.25
BANDS = 8
CALLS = 96
REGIONS = 3
STANDS_OUT = 5.0  # medians of all cells' changes that a change must reach to be named
FEWEST_CALLS = 48


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Cells over an excerpt. times: edges in seconds, (T + 1,). hz: edges of the bands in Hz, (B + 1,)."""

    times: Floats
    hz: Floats
    frames: int

    @classmethod
    def over(cls, samples: int) -> Grid:
        """Cells of about 0.25 s by eight bands of equal width on the mel scale up to 8 kHz."""
        seconds = samples / RATE
        count = max(1, round(seconds / CELL_SECONDS))
        mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 1)
        return cls(np.linspace(0, seconds, count + 1), 700 * (10 ** (mel / 2595) - 1), -(-samples // HOP) + 1)

    @property
    def shape(self) -> tuple[int, int]:
        """(time cells, bands)."""
        return self.times.size - 1, self.hz.size - 1

    def region(self, cells: Flags) -> Mask:
        """The frames and bins of chosen cells: (T, B) -> (frames, 257)."""
        frame = np.searchsorted(self.times[1:-1], np.arange(self.frames) * HOP / RATE, side="right")
        bin_ = np.searchsorted(self.hz[1:-1], np.arange(BINS) * RATE / FFT, side="right")
        return np.asarray(cells[frame][:, bin_])


@dataclass(frozen=True, slots=True)
class Region:
    """Neighbouring cells that moved the score the same way, and by how much they move it together.

    change: score of the whole minus score without the region, in the detector's unit: below 0 it spoke for synthesis.
    """

    start: float
    end: float
    low_hz: float
    high_hz: float
    change: float


@dataclass(frozen=True, slots=True, eq=False)
class Occlusion:
    """The map. change: shape (T, B), score of the whole minus score without the cell: below 0 it spoke for synthesis.

    Cells that were only heard as part of a coarser one (``fine`` is false) hold an equal share of its change.
    regions: those that stand out, the largest change first; () where none does. calls: what it cost.
    """

    grid: Grid
    score: float
    change: Floats
    fine: Flags
    regions: tuple[Region, ...]
    calls: int


def occlude(wave: Samples, canvas: Canvas, ear: Ear, calls: int = CALLS) -> Occlusion:
    """The map of an excerpt with at most ``calls`` calls of the detector. Raises BadPlan below 48 calls, BadScores."""
    if calls < FEWEST_CALLS:
        raise BadPlan(f"an occlusion map needs at least {FEWEST_CALLS} calls of the detector, not {calls}")
    grid = Grid.over(wave.size)
    before = ear.calls
    score = float(ear.scores([wave])[0])
    change, fine = _cells(grid, canvas, ear, score, calls - 1 - REGIONS)
    regions = []
    for cells in outstanding(change, fine):
        together = score - float(ear.scores([canvas.without(grid.region(cells))])[0])
        t, b = np.nonzero(cells)
        regions.append(
            Region(
                float(grid.times[t.min()]),
                float(grid.times[t.max() + 1]),
                float(grid.hz[b.min()]),
                float(grid.hz[b.max() + 1]),
                together,
            )
        )
    regions.sort(key=lambda r: (-abs(r.change), r.start, r.low_hz))
    return Occlusion(grid, score, change, fine, tuple(regions), ear.calls - before)


def outstanding(change: Floats, fine: Flags) -> list[Flags]:
    """At most three sets of neighbouring cells of one sign whose changes are five times the median cell's or more.

    Only cells that were heard by themselves. [] where nothing moves, and where everything moves alike: then no place
    is better than another.
    """
    size = np.abs(change)
    least = max(STANDS_OUT * float(np.median(size)), 1e-6)
    found: list[tuple[float, Flags]] = []
    for sign in (-1, 1):
        marked = (np.sign(change) == sign) & (size >= least) & fine
        names, count = label(marked)
        for i in range(1, count + 1):
            cells = names == i
            found.append((float(size[cells].sum()), cells))
    found.sort(key=lambda item: (-item[0], tuple(np.argwhere(item[1])[0])))
    return [cells for _, cells in found[:REGIONS]]


def _cells(grid: Grid, canvas: Canvas, ear: Ear, score: float, calls: int) -> tuple[Floats, Flags]:
    """Changes of all cells: every cell where the calls reach, else blocks of 2 by 2 and the cells of the strongest."""
    shape = grid.shape
    change, fine = np.zeros(shape), np.ones(shape, dtype=np.bool_)
    if shape[0] * shape[1] <= calls:
        single = [_block(shape, t, b, 1, 1) for t in range(shape[0]) for b in range(shape[1])]
        change.ravel()[:] = _asked(grid, canvas, ear, score, single)
        return change, fine
    wide = 2
    while -(-shape[0] // wide) * (shape[1] // 2) > 2 * calls // 3:
        wide += 1
    blocks = [_block(shape, t, b, wide, 2) for t in range(0, shape[0], wide) for b in range(0, shape[1], 2)]
    found = _asked(grid, canvas, ear, score, blocks)
    fine[:] = False
    left = calls - len(blocks)
    for value, block in zip(found, blocks, strict=True):
        change[block] = value / block.sum()
    for i in np.argsort(-np.abs(found), kind="stable"):
        inside = [_block(shape, t, b, 1, 1) for t, b in np.argwhere(blocks[i])]
        if len(inside) > left or found[i] == 0:
            break
        left -= len(inside)
        for cell, value in zip(inside, _asked(grid, canvas, ear, score, inside), strict=True):
            change[cell], fine[cell] = value, True
    return change, fine


def _asked(grid: Grid, canvas: Canvas, ear: Ear, score: float, sets: list[Flags]) -> Floats:
    return np.asarray(score - ear.scores([canvas.without(grid.region(cells)) for cells in sets]))


def _block(shape: tuple[int, int], time: int, band: int, wide: int, high: int) -> Flags:
    cells = np.zeros(shape, dtype=np.bool_)
    cells[time : time + wide, band : band + high] = True
    return cells
