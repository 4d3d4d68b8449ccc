"""Every metric under every resample, all resamples at once: a trial drawn w times counts w times.

The curve of one set of scores is sorted once; a resample only changes the weights of its steps. Metrics are computed
from (points x resamples) arrays by the same functions that give the measured value, so that both cannot differ. Of many
trials only the points that matter are made (``ladder``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .. import registry
from ..errors import BadScores
from ..metrics import cost, decision, llr
from ..metrics.curve import Rates, area, balanced_point, both, crossing
from ..types import Scores
from .ladder import Climb, Ladder, Pairs, counts_of, pairs_fit
from .resample import Resamples
from .units import Units, units_of

_LADDER = 2_000  # trials from which on it is quicker to look for the points that matter
_SMALL = 20_000  # entries of a table that is quicker to multiply whole than sparse
_BLOCK = 3_000_000  # points x resamples at a time: 24 MB an array
Values = NDArray[np.float64]
Steps = NDArray[np.intp]
Llrs = Callable[[Scores], Scores]

CURVES: dict[str, Callable[[Rates, Rates], Rates]] = {
    "eer": crossing,
    "auroc": area,
    "min_dcf": cost.lowest_dcf,
    "min_tdcf": cost.lowest_tdcf,
    "min_cllr": llr.min_cllr_of,
}


class _Form(Protocol):
    def __call__(self, miss: Rates, false_alarm: Rates, n_bonafide: Rates, n_spoof: Rates, /) -> Rates: ...


DECISIONS: dict[str, _Form] = {
    "accuracy": decision.accuracy_of,
    "balanced_accuracy": decision.balanced_of,
    "f1": decision.f1_of,
    "miss": lambda m, f, nb, ns: m,
    "false_alarm": lambda m, f, nb, ns: f,
}


_LOWEST = {  # weights of miss and false alarm, and what is added: what the metric is the minimum of, but for a factor
    "min_dcf": (cost.DCF_MISS, cost.DCF_FALSE_ALARM, 0.0),
    "min_tdcf": (*cost.tandem_costs(cost.ASVSPOOF5_ASV)[1:], cost.tandem_costs(cost.ASVSPOOF5_ASV)[0]),
}


class Bootstrap:
    """One set of scores under the resamples of its trials. Column 0 of every result is the measured value itself.

    scores: shape (N,), in the order of the resampled trials; trials where ``use`` (shape (N,), bool) is False are left
    out of every draw, however often they are drawn. Raises BadScores for NaN and where a class is missing.
    """

    def __init__(self, drawn: Resamples, scores: Scores, use: NDArray[np.bool_] | None = None) -> None:
        keep = np.ones(drawn.cell.size, bool) if use is None else use
        self.drawn = drawn
        self._keep = keep
        self.scores = np.asarray(scores, dtype=np.float64)[keep]
        self.cell = drawn.cell[keep]
        self.is_bonafide = drawn.bonafide[keep]
        self.bonafide, self.spoof = both(self.scores[self.is_bonafide], self.scores[~self.is_bonafide])

    @property
    def width(self) -> int:
        """Length of every result: 1 + B."""
        return 1 + self.drawn.count

    @cached_property
    def units(self) -> Units:
        """How many of the trials are independent."""
        return units_of(self.drawn, self._keep)

    def curves(self, names: Sequence[str], oracle: Sequence[str] = ()) -> dict[str, Values]:
        """Metrics of the whole curve (``names``, keys of CURVES), and metrics of decisions (``oracle``, keys of
        DECISIONS; in the result under "NAME_oracle") at the EER threshold found anew in each resample.

        Each of shape (1 + B,). Where only ``names`` are asked for, runs of one class are one step: the joined
        staircase and its corners stay the same.
        """
        if self.scores.size >= _LADDER:
            return self._climbed(names, oracle)
        out = {name: np.empty(self.width) for name in [*names, *(f"{name}_oracle" for name in oracle)]}
        for columns, miss, false_alarm, n_bonafide, n_spoof in self._staircase(
            *self._steps(merge=not oracle)
        ):
            for name in names:
                out[name][columns] = CURVES[name](miss, false_alarm)
            if oracle:
                rates = _at_oracle(miss, false_alarm)
                for name in oracle:
                    out[f"{name}_oracle"][columns] = DECISIONS[name](*rates, n_bonafide, n_spoof)
        return out

    def at_threshold(self, names: Sequence[str], threshold: float) -> dict[str, Values]:
        """Metrics of decisions (keys of DECISIONS) at one threshold for all resamples."""
        wrong = np.where(self.is_bonafide, self.scores < threshold, self.scores >= threshold)
        rates, sizes = self._means([wrong])
        return {name: DECISIONS[name](rates[0][0], rates[1][0], sizes[0], sizes[1]) for name in names}

    def of_llr(self, llrs: Llrs) -> dict[str, Values]:
        """act_dcf, cllr and ece of the scores turned into log-likelihood ratios by ``llrs``."""
        x = llrs(self.scores)
        wrong = np.where(self.is_bonafide, x < cost.BAYES_THRESHOLD, x >= cost.BAYES_THRESHOLD)
        surprise = np.where(self.is_bonafide, *llr.surprise(x))
        where, gap = np.empty(x.size, np.intp), np.empty(x.size)
        for mask in (self.is_bonafide, ~self.is_bonafide):
            where[mask], gap[mask] = llr.bin_gaps(x[mask], bool(self.is_bonafide[mask][0]))
        gaps = (np.where(where == k, gap, 0.0) for k in range(llr.BINS))
        (b, s), _ = self._means(chain([wrong, surprise], gaps))
        dcf = (cost.DCF_MISS * b[0] + cost.DCF_FALSE_ALARM * s[0]) / cost.DCF_DEFAULT
        return {"act_dcf": dcf, "cllr": b[1] + s[1], "ece": np.abs((b[2:] + s[2:]) / 2).sum(axis=0)}

    def evidence(self, maps: Mapping[str, Llrs]) -> dict[str, tuple[Values, Values, Values]]:
        """name -> (Cllr, mean llr of bona fide, mean llr of spoof) of the scores turned into llrs by each map."""

        def columns() -> Iterator[Values]:
            for llrs in maps.values():
                x = llrs(self.scores)
                yield np.where(self.is_bonafide, *llr.surprise(x))
                yield x

        (b, s), _ = self._means(columns())
        return {
            name: (b[k] + s[k], b[k + 1], s[k + 1])
            for name, k in zip(maps, range(0, b.shape[0], 2), strict=True)
        }

    def found(self, llrs: Llrs) -> Values:
        """Share of bona fide, at equal priors, in each bin of a reliability diagram: shape (bins, 1 + B), NaN where a
        bin is empty."""
        x = llrs(self.scores)
        where = llr.bin_gaps(x, True)[0]
        (b, s), _ = self._means(where == k for k in range(llr.BINS))
        with np.errstate(invalid="ignore"):
            result: Values = b / (b + s)
        return result

    def asvspoof(self) -> Values:
        """eer_asvspoof, shape (1 + B,): a trial drawn w times is w steps, equal scores in the order bona fide, spoof.

        Runs of one class are walked in one stride; the step inside the run at which |miss - false alarm| is smallest
        follows from the step's length, 1 over the size of the class.
        """
        order = np.lexsort((~self.is_bonafide, self.scores))
        new = np.append(True, self.is_bonafide[order][1:] != self.is_bonafide[order][:-1])
        step = np.empty(order.size, np.intp)
        step[order] = np.cumsum(new) - 1
        is_bonafide = self.is_bonafide[order][new]
        out = np.empty(self.width)
        if self.scores.size >= _LADDER:
            ladder = self._ladder(step, is_bonafide.size)
            for columns, weights in self._weights(ladder.blocks):
                climb = Climb(ladder, weights)
                for some, first, miss, false_alarm in climb.crossings():
                    sizes = climb.n_bonafide[some], climb.n_spoof[some]
                    out[columns.start + some] = _walked(miss, false_alarm, *sizes, is_bonafide[first:])
            return out
        for columns, miss, false_alarm, n_bonafide, n_spoof in self._staircase(step, is_bonafide.size):
            out[columns] = _walked(miss, false_alarm, n_bonafide, n_spoof, is_bonafide)
        return out

    def of_any(self, name: str, *, llrs: Llrs | None = None, threshold: float | None = None) -> Values:
        """Any registered metric, by repeating each score as often as it was drawn: slow, for plug-ins.

        Raises BadScores where the metric needs log-likelihood ratios or a threshold and none is given.
        """
        spec = registry.metrics[name]
        if (spec.needs == "llr" and llrs is None) or (spec.needs == "threshold" and threshold is None):
            what = "log-likelihood ratios" if spec.needs == "llr" else "a threshold"
            raise BadScores(f"the metric {name} needs {what}, which development trials would give")
        scores = llrs(self.scores) if spec.needs == "llr" and llrs else self.scores
        more = {"threshold": threshold} if spec.needs == "threshold" else {}
        out = np.empty(self.width)
        for columns, weights in self._weights(scores.size):
            counts = weights[self.cell].astype(np.intp)
            for i, column in enumerate(range(columns.start, columns.stop)):
                b, s = (np.repeat(scores[m], counts[m, i]) for m in (self.is_bonafide, ~self.is_bonafide))
                out[column] = spec.run(bonafide=b, spoof=s, **more) if b.size and s.size else np.nan
        return out

    def _climbed(self, names: Sequence[str], oracle: Sequence[str]) -> dict[str, Values]:
        """``curves`` of many trials."""
        out = {name: np.empty(self.width) for name in [*names, *(f"{name}_oracle" for name in oracle)]}
        step, steps = self._steps(merge=not oracle)
        ladder = self._ladder(step, steps)
        pairs = Pairs(ladder) if "auroc" in names and pairs_fit(ladder) else None
        for columns, weights in self._weights(ladder.blocks):
            climb = Climb(ladder, weights)
            if "eer" in names or oracle:
                for some, _, miss, false_alarm in climb.crossings():
                    if "eer" in names:
                        out["eer"][columns.start + some] = crossing(miss, false_alarm)
                    rates = _at_oracle(miss, false_alarm)
                    for name in oracle:
                        sizes = climb.n_bonafide[some], climb.n_spoof[some]
                        out[f"{name}_oracle"][columns.start + some] = DECISIONS[name](*rates, *sizes)
            for name in set(names) & set(_LOWEST):
                out[name][columns] = climb.lowest(*_LOWEST[name], CURVES[name])
            if pairs is not None:
                out["auroc"][columns] = pairs.area(weights, climb.n_bonafide, climb.n_spoof)
        if "auroc" in names and pairs is None:
            for columns, miss, false_alarm, _, _ in self._staircase(*self._steps(merge=True)):
                out["auroc"][columns] = area(miss, false_alarm)
        if "min_cllr" in names:
            out["min_cllr"] = self._climbed_hull()
        return out

    def _climbed_hull(self) -> Values:
        """min_cllr of many trials, of the points that it would look at."""
        step, steps = self._steps(merge=True)
        ladder = self._ladder(step, steps, edges=llr.looked_at(steps + 1))
        out = np.empty(self.width)
        for columns, weights in self._weights(ladder.blocks):
            climb = Climb(ladder, weights)
            out[columns] = llr.min_cllr_at(climb.miss, climb.false_alarm)
        return out

    def _ladder(self, step: Steps, steps: int, edges: Steps | None = None) -> Ladder:
        return Ladder(step, steps, self.cell, self.is_bonafide, self.drawn.unit.size, edges=edges)

    def _weights(self, rows: int) -> Iterator[tuple[slice, Values]]:
        """(columns of the result, multiplicities (C, b)), the measured value (all 1) in front."""
        step = max(2, min(self.width, _BLOCK // max(1, rows, self.drawn.unit.size)))
        for start in range(0, self.width, step):
            stop = min(self.width, start + step)
            drawn = self.drawn.weights(max(0, start - 1), stop - 1)
            ones = np.ones((self.drawn.unit.size, 1))
            yield slice(start, stop), np.hstack([ones, drawn]) if start == 0 else drawn

    def _staircase(self, step: Steps, steps: int) -> Iterator[tuple[slice, Rates, Rates, Rates, Rates]]:
        """(columns, miss, false alarm, bona fide and spoof drawn) of blocks of resamples; rates (points, b).

        NaN columns where a class has vanished from a resample (possible only where trials are left out).
        """
        matrices = [self._matrix(step, mask, steps) for mask in (self.is_bonafide, ~self.is_bonafide)]
        for columns, weights in self._weights(steps):
            rejected = []
            for matrix in matrices:
                total = np.zeros((steps + 1, weights.shape[1]))
                total[1:] = matrix @ weights
                np.cumsum(total, axis=0, out=total)
                rejected.append(total)
            (b, s), (nb, ns) = rejected, (rejected[0][-1].copy(), rejected[1][-1].copy())
            with np.errstate(invalid="ignore"):
                b /= nb
                s /= ns
            np.subtract(1, s, out=s)
            yield columns, b, s, nb, ns

    def _steps(self, *, merge: bool) -> tuple[Steps, int]:
        """(step of each trial, number of steps): equal scores, and if ``merge`` runs of one class, share a step."""
        distinct, group = np.unique(self.scores, return_inverse=True)
        group = group.reshape(-1)
        if not merge:
            return group, distinct.size
        kind = np.bincount(group, weights=self.is_bonafide) > 0
        kind = kind + 2 * (np.bincount(group, weights=~self.is_bonafide) > 0)
        new = np.append(True, (kind[1:] != kind[:-1]) | (kind[1:] == 3))
        run = np.cumsum(new) - 1
        return run[group], int(run[-1]) + 1

    def _matrix(self, step: Steps, mask: NDArray[np.bool_], steps: int) -> Values | sparse.csr_array:
        """How many trials of a class each (step, combination) holds."""
        return counts_of(step[mask], self.cell[mask], (steps, self.drawn.unit.size), dense=_SMALL)

    def _means(
        self, columns: Iterable[Values | NDArray[np.bool_]]
    ) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
        """Weighted class means of m columns of per-trial values, which are made and used one after the other:
        two arrays (m, 1 + B), and the two class sizes."""
        sizes = [np.empty(self.width) for _ in range(2)]
        c = self.drawn.unit.size
        masks = (self.is_bonafide, ~self.is_bonafide)
        counts = [np.bincount(self.cell[m], minlength=c) for m in masks]
        both_sums = [[np.bincount(self.cell[m], weights=v[m], minlength=c) for m in masks] for v in columns]
        sums = [np.stack(of_class) for of_class in zip(*both_sums, strict=True)]
        out = [np.empty((len(both_sums), self.width)) for _ in masks]
        for some, weights in self._weights(c):
            for i in range(2):
                sizes[i][some] = counts[i] @ weights
                with np.errstate(invalid="ignore"):
                    out[i][:, some] = (sums[i] @ weights) / sizes[i][some]
        return (out[0], out[1]), (sizes[0], sizes[1])


def _at_oracle(miss: Rates, false_alarm: Rates) -> tuple[Rates, Rates]:
    """(miss, false alarm) where both are closest."""
    point = balanced_point(miss, false_alarm)[None]
    m, f = (np.take_along_axis(x, point, axis=0)[0] for x in (miss, false_alarm))
    return m, f


def _walked(
    miss: Rates, false_alarm: Rates, n_bonafide: Rates, n_spoof: Rates, runs: NDArray[np.bool_]
) -> Rates:
    """eer_asvspoof from the rates at the ends of runs; runs: whether each is bona fide."""
    gap = miss - false_alarm
    run = np.argmax(gap >= 0, axis=0) - 1
    at = (run, np.arange(run.size))
    forward = runs[run]
    length = 1 / np.where(forward, n_bonafide, n_spoof)
    walked = np.ceil(-gap[at] / length - 0.5 - 1e-9) * length
    result: Rates = (miss[at] + false_alarm[at] + np.where(forward, walked, -walked)) / 2
    return result
