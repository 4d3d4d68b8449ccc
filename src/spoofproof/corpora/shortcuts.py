"""How well the label can be told from trivial features: each alone, and all of them in a small classifier."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from ..streams import stream
from .traits import CATEGORICAL, NUMERIC, Traits

LIMIT = 0.6  # a shortcut is flagged when its interval lies above this
FEWEST = 10  # of each class, below which nothing is said
FOLDS = 5

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How far one feature (or all of them) tells the classes apart.

    auroc: share of pairs in which the bona fide clip has the larger value, ties half; strength: max(auroc, 1 - auroc),
    with the interval low to high (DeLong; 95 %, corrected for the number of features by Bonferroni). bonafide, spoof:
    the medians (the commonest kind for codec and ending). flagged: low > 0.6.
    """

    feature: str
    unit: str
    auroc: float
    strength: float
    low: float
    high: float
    bonafide: float | str
    spoof: float | str
    flagged: bool


@dataclass(frozen=True, slots=True)
class Classifier:
    """The shortcut classifier: ridge logistic regression on all trivial features, scored out of fold.

    The interval is that of fixed scores; fitted ones spread wider around chance (on noise, 150 + 150 clips: standard
    deviation 0.046, where DeLong says 0.033). Below 0.5 is chance as well. flagged: low > 0.6.
    grouped_by: what a fold never shares with its training data ("speaker and pair", "pair", or "" for single clips).
    """

    auroc: float
    low: float
    high: float
    flagged: bool
    grouped_by: str
    groups: int
    features: tuple[str, ...]


def delong(bonafide: Floats, spoof: Floats, level: float = 0.95) -> tuple[float, float, float]:
    """(AUROC, low, high): tie-safe AUROC and its interval (DeLong et al. 1988 by ranks, Sun & Xu 2014, logit scale).

    Where every pair agrees there is no variance to estimate; the interval then reaches to 1 - 3 / min(n), the rule of
    three. Clips count as independent: with few speakers the interval is too narrow.
    """
    m, n = len(bonafide), len(spoof)
    ranks = rankdata(np.concatenate([bonafide, spoof]))
    by_bonafide = (ranks[:m] - rankdata(bonafide)) / n
    by_spoof = 1 - (ranks[m:] - rankdata(spoof)) / m
    area = float(by_bonafide.mean())
    if area in (0.0, 1.0):
        slack = min(1.0, 3 / min(m, n))
        return area, max(0.0, area - slack), min(1.0, area + slack)
    variance = float(by_bonafide.var(ddof=1) / m + by_spoof.var(ddof=1) / n) if min(m, n) > 1 else np.inf
    reach = norm.ppf(0.5 + level / 2) * np.sqrt(variance) / (area * (1 - area))
    middle = np.log(area / (1 - area))
    low, high = (float(1 / (1 + np.exp(-np.clip(middle + s * reach, -700, 700)))) for s in (-1, 1))
    return area, low, high


def single(found: Sequence[Traits], bonafide: Bools, seed: int = 0) -> list[Shortcut]:
    """One row a feature, strongest first; [] with fewer than 10 clips of a class. bonafide: shape (N,)."""
    if min(bonafide.sum(), (~bonafide).sum()) < FEWEST:
        return []
    level = 1 - 0.05 / (len(NUMERIC) + len(CATEGORICAL))
    rows = []
    for name, unit in NUMERIC.items():
        x = np.array([t.numbers[name] for t in found])
        middle = float(np.median(x[bonafide])), float(np.median(x[~bonafide]))
        rows.append(_row(name, unit, x, bonafide, middle, level))
    for name in CATEGORICAL:
        kinds = [t.kinds[name] for t in found]
        common = _commonest(kinds, bonafide), _commonest(kinds, ~bonafide)
        rows.append(_row(name, "", _cross_fitted(kinds, bonafide, seed), bonafide, common, level))
    return sorted(rows, key=lambda row: -row.strength)


def classifier(
    found: Sequence[Traits], bonafide: Bools, groups: Mapping[str, Sequence[Hashable]], seed: int = 0
) -> Classifier | None:
    """The shortcut classifier; None with fewer than 10 clips of a class.

    groups: candidates by name, best first: for each clip the group that must not be split between folds. The first
    with at least 10 groups and both classes in every training set is used; else clips are their own groups.
    """
    if min(bonafide.sum(), (~bonafide).sum()) < FEWEST:
        return None
    matrix, names = _matrix(found)
    chosen, folds, count = "", _folds(list(range(len(found))), bonafide, seed), len(found)
    for name, group in groups.items():
        candidate = _folds(group, bonafide, seed)
        if len(set(group)) >= 2 * FOLDS and _usable(candidate, bonafide):
            chosen, folds, count = name, candidate, len(set(group))
            break
    scores = np.zeros(len(found))
    for fold in range(FOLDS):
        held = folds == fold
        if held.any():
            scores[held] = _fit(matrix[~held], bonafide[~held])(matrix[held])
    area, low, high = delong(scores[bonafide], scores[~bonafide])
    return Classifier(area, low, high, low > LIMIT, chosen, count, names)


def _row(
    name: str, unit: str, x: Floats, bonafide: Bools, middle: tuple[float | str, float | str], level: float
) -> Shortcut:
    area, low, high = delong(x[bonafide], x[~bonafide], level)
    if np.ptp(x) == 0:
        low = high = area
    strength, bottom, top = (area, low, high) if area >= 0.5 else (1 - area, 1 - high, 1 - low)
    return Shortcut(name, unit, area, strength, bottom, top, *middle, flagged=bottom > LIMIT)


def _commonest(kinds: Sequence[str], of: Bools) -> str:
    chosen = [kind for kind, wanted in zip(kinds, of, strict=True) if wanted]
    return max(sorted(set(chosen)), key=chosen.count)


def _cross_fitted(kinds: Sequence[str], bonafide: Bools, seed: int) -> Floats:
    """A kind as a number: the share of bona fide among the other folds' clips of that kind, drawn to the overall one.

    Out of fold, so that a rare kind does not look telling because it was counted with itself; the fold's own base
    rate is taken out, so that a useless kind gives ties and not the mirror image of the fold.
    """
    codes = np.unique(np.array(kinds), return_inverse=True)[1]
    folds = _folds(list(range(len(kinds))), bonafide, seed)
    out = np.zeros(len(kinds))
    for fold in range(FOLDS):
        held = folds == fold
        base = bonafide[~held].mean()
        total = np.bincount(codes[~held], minlength=codes.max() + 1)
        good = np.bincount(codes[~held], weights=bonafide[~held], minlength=codes.max() + 1)
        out[held] = ((good + 2 * base) / (total + 2) - base)[codes[held]]
    return np.round(out, 9) if codes.max() else np.zeros(len(kinds))


def _matrix(found: Sequence[Traits]) -> tuple[Floats, tuple[str, ...]]:
    """Features (N, D) and their names. Columns that do not vary are left out.

    Numbers as normal scores of their ranks (no outlier rules the fit), their squares (a class may lie on both sides),
    and one column a kind. The ranks are taken over all clips, which says nothing of their labels.
    """
    columns: dict[str, Floats] = {}
    for name in NUMERIC:
        x = np.array([t.numbers[name] for t in found])
        if np.ptp(x) > 0:
            columns[name] = norm.ppf((rankdata(x) - 0.5) / len(x))
            columns[f"{name}²"] = np.square(columns[name])
    for name in CATEGORICAL:
        kinds = [t.kinds[name] for t in found]
        for kind in sorted(set(kinds))[1:]:
            columns[f"{name}={kind}"] = np.array([float(k == kind) for k in kinds])
    return np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(found), 0)), tuple(columns)


def _fit(x: Floats, y: Bools, ridge: float = 1.0) -> Callable[[Floats], Floats]:
    """Ridge logistic regression on standardised columns by Newton's method: a function from features to scores.

    The scores leave the intercept out, so that folds with different class shares can be pooled.
    """
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-12 * (1 + np.abs(mean)), spread, np.inf)
    z = np.hstack([(x - mean) / spread, np.ones((len(x), 1))])
    penalty = np.full(z.shape[1], ridge)
    penalty[-1] = 1e-9
    weights = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(z @ weights, -30, 30)))
        gradient = z.T @ (y - p) - penalty * weights
        curvature = (z * (p * (1 - p))[:, None]).T @ z + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break

    def score(new: Floats) -> Floats:
        out: Floats = (new - mean) / spread @ weights[:-1]
        return out

    return score


def _folds(groups: Sequence[Hashable], bonafide: Bools, seed: int) -> NDArray[np.int64]:
    """A fold for each clip: whole groups, the largest first, each to the fold that is poorest in its classes."""
    order = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    index = np.array([order[group] for group in groups])
    sizes = np.stack(
        [np.bincount(index, weights=of, minlength=len(order)) for of in (bonafide, ~bonafide)], axis=1
    )
    share = sizes / np.maximum(sizes.sum(axis=0), 1)
    shuffled = stream(seed, "audit folds").permutation(len(order))
    fill = np.zeros((FOLDS, 2))
    chosen = np.zeros(len(order), dtype=np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled].sum(axis=1), kind="stable")]:
        fold = int(np.argmin(fill @ share[group]))
        chosen[group] = fold
        fill[fold] += share[group]
    out: NDArray[np.int64] = chosen[index]
    return out


def _usable(folds: NDArray[np.int64], bonafide: Bools) -> bool:
    return all(
        0 < bonafide[folds != fold].sum() < (folds != fold).sum()
        for fold in range(FOLDS)
        if (folds == fold).any()
    )
