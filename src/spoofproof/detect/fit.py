"""Development clips → the table of a detector: calibration, reliability by quality, and when to say "cannot tell".

1. The line from scores to log-likelihood ratios is fitted on the clean clips, and on 100 resamples of speakers and generators.
2. A cell of an axis of quality is *usable* when the detector keeps there at least half of the advantage over a coin that it has on
   clean clips, in the mean of both error rates at even odds, over at least 20 clips of each class; or when a worse cell is. Elsewhere
   it cannot tell.
3. The risk-coverage curve, over clean and corrupted clips, is cross-fitted over five groups of speakers: nobody is judged by a line
   that has met his voice. From it comes the distance from even odds that the interval must keep: the least from which on the
   risk stays at or below ``TARGET``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calibrate import Calibration
from ..calibrate import fit as fit_line
from ..errors import BadScores
from ..stats import Resamples, estimates, resamples
from ..streams import stream
from ..types import CLEAN, Trial
from .axes import AXES
from .calibration import opinion
from .curve import ALWAYS, Judged, choose, curve
from .reliability import LEAST
from .rows import CROP, SEED, Row
from .table import Cell, Rate, Table
from .verdict import quality_reasons

TARGET = 0.2  # of those answered, at most so many wrongly, both classes weighed alike
KEEPS = 0.5  # share of its advantage over a coin that a detector must keep
_LINES = 100
_RESAMPLES = 300
_SPAN_SHARE = 0.05
_FOLDS = 5

_NOISY = ("gaussian_noise@20", "gaussian_noise@10", "gaussian_noise@5", "background_noise@20", "background_noise@10", "background_noise@5")  # fmt: skip
_MP3 = ("mp3@40", "mp3@24", "mp3@16", "mp3@8")
_NARROW = ("telephone@g711a", "telephone@amr-4.75", "low_pass@0.4", "opus@6")
BY_AXIS: dict[str, tuple[str, ...]] = {
    "speech_seconds": tuple(f"{CROP}{seconds}" for seconds in ("0.6", "1", "2")),
    "snr_db": _NOISY,
    "bandwidth_hz": (*_NARROW, *_MP3),
    "hole_share": _MP3,
    "clipping_share": ("clipping@0.4", "clipping@0.2"),
}
CONDITIONS = tuple(
    dict.fromkeys([CLEAN, *(c for of in BY_AXIS.values() for c in of), "opus@16", "reverb@0.5"])
)

Numbers = NDArray[np.float64]


def fit_table(rows: Sequence[Row], detector: str, weights: str, made: Mapping[str, Any]) -> Table:
    """The table from what was heard of development clips. Raises BadScores when a class is missing or the detector is no better than a coin."""
    rows = [row for row in rows if row.scores]
    _require_both(rows, "clips with speech")
    means = np.array([np.mean(row.scores) for row in rows])
    clean = np.array([row.condition == CLEAN for row in rows])
    line, lines = _lines([row for row in rows if row.condition == CLEAN], means[clean])
    cells = _cells(rows, means, line)
    table = Table(detector, weights, line.scale, line.offset, lines, 0.0, _span(rows, line), cells, (), made)
    points = curve(_cross_fitted(rows, means, table))
    return replace(table, clear=choose(points, TARGET), curve=points)


def judged_by(table: Table, rows: Sequence[Row]) -> list[Judged]:
    """What the table says of each row, at even odds; rows without speech or of unusable quality are never answered."""
    found = []
    for row in rows:
        said = opinion(row.scores, table)
        refused = not row.scores or bool(quality_reasons(row.quality, table))
        found.append(Judged(row.trial, ALWAYS if refused else said.clear, said.probability > 0.5))
    return found


def _cells(rows: Sequence[Row], means: Numbers, line: Calibration) -> tuple[Cell, ...]:
    """All cells, with error rates at even odds of ``line``."""
    clean = [i for i, row in enumerate(rows) if row.condition == CLEAN]
    at_best = _error(_cell("", 0, 0, [rows[i].trial for i in clean], line.apply(means[clean])))
    if at_best >= 0.5:
        raise BadScores(
            f"on clean clips this detector decides no better than a coin (error {at_best:.0%}): it may not answer"
        )
    most = 0.5 - KEEPS * (0.5 - at_best)
    found: list[Cell] = []
    for axis in AXES:
        mine = [i for i, row in enumerate(rows) if row.condition in (CLEAN, *BY_AXIS[axis.name])]
        places = [axis.cell(rows[i].quality) for i in mine]
        cells = []
        for k, (low, high) in enumerate(zip(axis.edges[:-1], axis.edges[1:], strict=True)):
            index = [i for i, place in zip(mine, places, strict=True) if place == k]
            cells.append(
                _cell(axis.name, low, high, [rows[i].trial for i in index], line.apply(means[index]))
            )
        good = [_enough(cell) and _error(cell) <= most for cell in cells]
        able = usable(good, low_is_bad=axis.low_is_bad)
        found += [replace(cell, usable=yes) for cell, yes in zip(cells, able, strict=True)]
    return tuple(found)


def usable(good: Sequence[bool], *, low_is_bad: bool) -> list[bool]:
    """Which cells of an axis, in its order, may be answered: those that are good, and those that are better than a good one."""
    return [any(good[: k + 1] if low_is_bad else good[k:]) for k in range(len(good))]


def _cell(name: str, low: float, high: float, trials: list[Trial], llrs: Numbers) -> Cell:
    n = {label: sum(t.label == label for t in trials) for label in ("bonafide", "spoof")}
    if not n["bonafide"] or not n["spoof"]:
        return Cell(name, low, high, False, None, None)
    drawn = resamples(trials, count=_RESAMPLES)
    rates = estimates(trials, llrs, ["miss_rate", "false_alarm_rate"], threshold=0.0, drawn=drawn)
    accuses, misses = (
        Rate(_short(rates[key].value), _short(rates[key].low), _short(rates[key].high), n[label])
        for key, label in (("miss_rate", "bonafide"), ("false_alarm_rate", "spoof"))
    )
    return Cell(name, low, high, False, misses, accuses)


def _enough(cell: Cell) -> bool:
    return (
        cell.misses is not None and cell.accuses is not None and min(cell.misses.n, cell.accuses.n) >= LEAST
    )


def _error(cell: Cell) -> float:
    assert cell.misses is not None and cell.accuses is not None
    return (cell.misses.value + cell.accuses.value) / 2


def _lines(rows: Sequence[Row], means: Numbers) -> tuple[Calibration, tuple[tuple[float, float], ...]]:
    trials = [row.trial for row in rows]
    real = np.array([t.label == "bonafide" for t in trials])
    line = fit_line(bonafide=means[real], spoof=means[~real])
    drawn = resamples(trials, count=_LINES)
    lines = [_line_of(drawn, b, means, real) for b in range(_LINES)]
    return line, tuple((_short(each.scale), _short(each.offset)) for each in lines)


def _line_of(drawn: Resamples, b: int, means: Numbers, real: NDArray[np.bool_]) -> Calibration:
    times = drawn.weights(b, b + 1)[drawn.cell, 0].astype(int)
    return fit_line(bonafide=np.repeat(means[real], times[real]), spoof=np.repeat(means[~real], times[~real]))


def _cross_fitted(rows: Sequence[Row], means: Numbers, table: Table) -> list[Judged]:
    """Each row judged by lines from the other groups of speakers (without names: of clips); by the table's own where these lack a class."""
    who = [row.trial.speaker or row.trial.id for row in rows]
    names = sorted(set(who))
    order = stream(SEED, "detect", "folds").permutation(len(names))
    fold = {name: int(place) % _FOLDS for name, place in zip(names, order, strict=True)}
    group = np.array([fold[name] for name in who])
    found: list[Judged] = []
    for k in range(_FOLDS):
        held = [row for row, g in zip(rows, group, strict=True) if g == k]
        rest = (group != k) & np.array([row.condition == CLEAN for row in rows])
        others = [row for row, keep in zip(rows, rest, strict=True) if keep]
        if len({row.trial.label for row in others}) == 2:
            line, lines = _lines(others, means[rest])
            found += judged_by(replace(table, scale=line.scale, offset=line.offset, lines=lines), held)
        else:
            found += judged_by(table, held)
    return found


def _span(rows: Sequence[Row], line: Calibration) -> float:
    """Log odds of synthetic that 1 in 20 windows of clean real speech reach; at least 0."""
    windows = np.concatenate(
        [row.scores for row in rows if row.condition == CLEAN and row.trial.label == "bonafide"]
    )
    return max(0.0, _short(float(np.quantile(-line.apply(windows), 1 - _SPAN_SHARE))))


def _require_both(rows: Sequence[Row], what: str) -> None:
    labels = {row.trial.label for row in rows}
    if len(labels) < 2:
        raise BadScores(
            f"{len(rows)} {what}, of the classes {sorted(labels) or 'none'}; both classes are needed"
        )


def _short(value: float) -> float:
    return float(f"{value:.5g}")
