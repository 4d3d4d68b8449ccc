"""Every metric under every resample, all resamples at once: a trial drawn w times counts w times.

The curve of one set of scores is sorted once; a resample only changes the weights of its steps. Metrics are computed
from (points x resamples) arrays by the same functions that give the measured value, so that both cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .. import registry
from ..errors import BadScores
from ..metrics import cost, decision, llr
from ..metrics.curve import Rates, area, balanced_point, both, crossing, error_rates
from ..types import Scores
from .resample import Resamples

_LARGE = 20_000
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


class Bootstrap:
    """One set of scores under the resamples of its trials. Column 0 of every result is the measured value itself.

    scores: shape (N,), in the order of the resampled trials; trials where ``use`` (shape (N,), bool) is False are left
    out of every draw, however often they are drawn. Raises BadScores for NaN and where a class is missing.
    """

    def __init__(self, drawn: Resamples, scores: Scores, use: NDArray[np.bool_] | None = None) -> None:
        keep = np.ones(drawn.cell.size, bool) if use is None else use
        self.drawn = drawn
        self.scores = np.asarray(scores, dtype=np.float64)[keep]
        self.cell = drawn.cell[keep]
        self.is_bonafide = drawn.bonafide[keep]
        self.bonafide, self.spoof = both(self.scores[self.is_bonafide], self.scores[~self.is_bonafide])

    @property
    def width(self) -> int:
        """Length of every result: 1 + B."""
        return 1 + self.drawn.count

    def curves(self, names: Sequence[str], oracle: Sequence[str] = ()) -> dict[str, Values]:
        """Metrics of the whole curve (``names``, keys of CURVES), and metrics of decisions (``oracle``, keys of
        DECISIONS; in the result under "NAME_oracle") at the EER threshold found anew in each resample.

        Each of shape (1 + B,). Where only ``names`` are asked for, runs of one class are one step: the joined
        staircase and its corners stay the same. Beyond 20 000 trials resampled oracle thresholds are looked for at
        the ends of runs too (the measured one is exact): the rates move by less than a run, the time by a factor 5.
        """
        out = {name: np.empty(self.width) for name in [*names, *(f"{name}_oracle" for name in oracle)]}
        merge = not oracle or self.scores.size > _LARGE
        for columns, miss, false_alarm, n_bonafide, n_spoof in self._staircase(*self._steps(merge=merge)):
            for name in names:
                out[name][columns] = CURVES[name](miss, false_alarm)
            if oracle:
                point = balanced_point(miss, false_alarm)[None]
                m, f = (np.take_along_axis(x, point, axis=0)[0] for x in (miss, false_alarm))
                for name in oracle:
                    out[f"{name}_oracle"][columns] = DECISIONS[name](m, f, n_bonafide, n_spoof)
        if oracle and merge:
            _, miss, false_alarm = error_rates(self.bonafide, self.spoof)
            k = int(balanced_point(miss, false_alarm))
            n_bonafide, n_spoof = (np.array([float(x.size)]) for x in (self.bonafide, self.spoof))
            for name in oracle:
                exact = DECISIONS[name](miss[k : k + 1], false_alarm[k : k + 1], n_bonafide, n_spoof)
                out[f"{name}_oracle"][0] = exact[0]
        return out

    def at_threshold(self, names: Sequence[str], threshold: float) -> dict[str, Values]:
        """Metrics of decisions (keys of DECISIONS) at one threshold for all resamples."""
        wrong = np.where(self.is_bonafide, self.scores < threshold, self.scores >= threshold)
        rates, sizes = self._means(wrong[:, None].astype(np.float64))
        return {name: DECISIONS[name](rates[0][0], rates[1][0], sizes[0], sizes[1]) for name in names}

    def of_llr(self, llrs: Llrs) -> dict[str, Values]:
        """act_dcf, cllr and ece of the scores turned into log-likelihood ratios by ``llrs``."""
        x = llrs(self.scores)
        wrong = np.where(self.is_bonafide, x < cost.BAYES_THRESHOLD, x >= cost.BAYES_THRESHOLD)
        surprise = np.where(self.is_bonafide, *llr.surprise(x))
        gaps = np.zeros((x.size, llr.BINS))
        for mask in (self.is_bonafide, ~self.is_bonafide):
            where, gap = llr.bin_gaps(x[mask], bool(self.is_bonafide[mask][0]))
            gaps[np.flatnonzero(mask), where] = gap
        (b, s), _ = self._means(np.column_stack([wrong, surprise, gaps]))
        dcf = (cost.DCF_MISS * b[0] + cost.DCF_FALSE_ALARM * s[0]) / cost.DCF_DEFAULT
        return {"act_dcf": dcf, "cllr": b[1] + s[1], "ece": np.abs((b[2:] + s[2:]) / 2).sum(axis=0)}

    def evidence(self, maps: Mapping[str, Llrs]) -> dict[str, tuple[Values, Values, Values]]:
        """name -> (Cllr, mean llr of bona fide, mean llr of spoof) of the scores turned into llrs by each map."""
        columns = []
        for llrs in maps.values():
            x = llrs(self.scores)
            columns += [np.where(self.is_bonafide, *llr.surprise(x)), x]
        (b, s), _ = self._means(np.column_stack(columns))
        return {
            name: (b[k] + s[k], b[k + 1], s[k + 1])
            for name, k in zip(maps, range(0, b.shape[0], 2), strict=True)
        }

    def found(self, llrs: Llrs) -> Values:
        """Share of bona fide, at equal priors, in each bin of a reliability diagram: shape (bins, 1 + B), NaN where a
        bin is empty."""
        x = llrs(self.scores)
        inside = np.zeros((x.size, llr.BINS))
        for mask in (self.is_bonafide, ~self.is_bonafide):
            inside[np.flatnonzero(mask), llr.bin_gaps(x[mask], True)[0]] = 1.0
        (b, s), _ = self._means(inside)
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
        for columns, miss, false_alarm, n_bonafide, n_spoof in self._staircase(step, is_bonafide.size):
            gap = miss - false_alarm
            run = np.argmax(gap >= 0, axis=0) - 1
            at = (run, np.arange(run.size))
            forward = is_bonafide[run]
            length = 1 / np.where(forward, n_bonafide, n_spoof)
            walked = np.ceil(-gap[at] / length - 0.5 - 1e-9) * length
            out[columns] = (miss[at] + false_alarm[at] + np.where(forward, walked, -walked)) / 2
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

    def _matrix(self, step: NDArray[np.intp], mask: NDArray[np.bool_], steps: int) -> sparse.csr_array:
        """How many trials of a class each (step, combination) holds."""
        shape = (steps, self.drawn.unit.size)
        matrix = sparse.coo_array((np.ones(int(mask.sum())), (step[mask], self.cell[mask])), shape=shape)
        return matrix.tocsr()

    def _means(self, values: NDArray[np.float64]) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
        """Weighted class means of columns of per-trial values: two arrays (m, 1 + B), and the two class sizes."""
        out = [np.empty((values.shape[1], self.width)) for _ in range(2)]
        sizes = [np.empty(self.width) for _ in range(2)]
        c = self.drawn.unit.size
        masks = (self.is_bonafide, ~self.is_bonafide)
        counts = [np.bincount(self.cell[m], minlength=c) for m in masks]
        sums = [
            np.stack([np.bincount(self.cell[m], weights=v[m], minlength=c) for v in values.T]) for m in masks
        ]
        for columns, weights in self._weights(c):
            for i in range(2):
                sizes[i][columns] = counts[i] @ weights
                with np.errstate(invalid="ignore"):
                    out[i][:, columns] = (sums[i] @ weights) / sizes[i][columns]
        return (out[0], out[1]), (sizes[0], sizes[1])
