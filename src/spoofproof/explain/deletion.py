"""Is the map true? Regions are deleted in its order, and in random orders; a true map moves the score sooner.

The deletion test (Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models", BMVC
2018), against random orders of the same cells rather than against nothing, and against the loudest cells first, which
a map must be worth more than.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from ..streams import stream
from .ear import Ear
from .occlusion import Occlusion
from .spectra import Canvas

Floats = NDArray[np.float64]

SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
ORDERS = 20


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deleting does to the score, in the detector's unit, counted towards the other class.

    shares: of the cells deleted, beginning with 0. by_map, by_random (the mean), by_loudness: movement of the score at
    each share. area: mean height of the map's curve above the random ones, with the 95 % interval low to high of that
    mean over ``orders`` random orders (Student's t). beaten: share of the random orders whose curve lies lower.
    passed: the interval lies above 0 and at least 95 % of the orders are beaten.
    """

    shares: tuple[float, ...]
    by_map: tuple[float, ...]
    by_random: tuple[float, ...]
    by_loudness: tuple[float, ...]
    area: float
    low: float
    high: float
    beaten: float
    orders: int
    calls: int
    passed: bool


def deletion(canvas: Canvas, ear: Ear, found: Occlusion, seed: int = 0, orders: int = ORDERS) -> Deletion:
    """The test of one map: 6 · (orders + 2) calls of the detector.

    The most important cell is that which speaks most for what the whole score says: for a score below 0 the cells of
    the most negative change. Raises BadScores.
    """
    before = ear.calls
    towards = -1.0 if found.score < 0 else 1.0  # deleting evidence for the score moves it this way round
    weight = (towards * found.change).ravel()
    rng = stream(seed, "explain", "deletion")
    chance = [rng.permutation(weight.size) for _ in range(orders)]
    rank = np.argsort(-weight, kind="stable")
    loud = np.argsort(-_loudness(canvas, found).ravel(), kind="stable")
    curves = np.stack([_curve(canvas, ear, found, order, towards) for order in (rank, loud, *chance)])
    areas = np.trapezoid(curves, (0.0, *SHARES), axis=1) / SHARES[-1]
    gaps = areas[0] - areas[2:]
    area, spread = float(gaps.mean()), float(gaps.std(ddof=1))
    reach = float(stdtrit(orders - 1, 0.975)) * spread / math.sqrt(orders)
    beaten = float(np.mean(gaps > 0))
    return Deletion(
        (0.0, *SHARES),
        tuple(curves[0].tolist()),
        tuple(curves[2:].mean(axis=0).tolist()),
        tuple(curves[1].tolist()),
        area,
        area - reach,
        area + reach,
        beaten,
        orders,
        ear.calls - before,
        area - reach > 0 and beaten >= 0.95,
    )


def _curve(canvas: Canvas, ear: Ear, found: Occlusion, order: NDArray[np.intp], towards: float) -> Floats:
    """Movement of the score at 0 and at each of SHARES, shape (7,)."""
    waves = []
    for share in SHARES:
        cells = np.zeros(order.size, dtype=np.bool_)
        cells[order[: max(1, round(share * order.size))]] = True
        waves.append(canvas.without(found.grid.region(cells.reshape(found.grid.shape))))
    return np.concatenate([[0.0], towards * (found.score - ear.scores(waves))])


def _loudness(canvas: Canvas, found: Occlusion) -> Floats:
    """Energy of each cell, shape (T, B)."""
    power = np.square(np.abs(canvas.there).astype(np.float64))
    out = np.zeros(found.grid.shape)
    for t, b in np.ndindex(*out.shape):
        cells = np.zeros(out.shape, dtype=np.bool_)
        cells[t, b] = True
        out[t, b] = power[found.grid.region(cells)].sum()
    return out
