"""From scores to log-likelihood ratios and to a threshold, fitted on development scores; never looks at audio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from .errors import BadScores
from .metrics.curve import both, error_rates
from .metrics.llr import hull_points
from .metrics.rank import eer_threshold
from .types import Scores

_STEPS = 200


@dataclass(frozen=True, slots=True)
class Calibration:
    """llr = scale * score + offset (natural log, bona fide over spoof). scale >= 0: the order is never turned round."""

    scale: float
    offset: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale < 0:
            raise BadScores(
                f"a linear calibration has a finite scale of at least 0 and a finite offset, not {self.scale} and {self.offset}"
            )

    def apply(self, scores: ArrayLike) -> Scores:
        """Log-likelihood ratios of scores, shape (N,) -> (N,), float64."""
        return np.asarray(scores, dtype=np.float64) * self.scale + self.offset

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a card or the metadata of a weights file; ``from_dict`` reads them back to the last bit."""
        return {"kind": "linear", "scale": self.scale, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """llr as an increasing function of the score: joined straight lines through (scores, llrs), flat beyond the ends.

    scores: K >= 1 numbers, strictly increasing. llrs: K finite numbers, never decreasing: the order is never turned
    round. Raises BadScores when they are not so.
    """

    scores: tuple[float, ...]
    llrs: tuple[float, ...]

    def __post_init__(self) -> None:
        x, y = np.array(self.scores, float), np.array(self.llrs, float)
        good = x.size > 0 and x.shape == y.shape and np.isfinite(x).all() and np.isfinite(y).all()
        if not good or (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
            raise BadScores(
                "an isotonic calibration has as many llrs as scores, all finite; scores increase and llrs never decrease"
            )

    def apply(self, scores: ArrayLike) -> Scores:
        """Log-likelihood ratios of scores, shape (N,) -> (N,), float64."""
        return np.interp(np.asarray(scores, dtype=np.float64), self.scores, self.llrs)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a card or the metadata of a weights file; ``from_dict`` reads them back to the last bit."""
        return {"kind": "isotonic", "scores": list(self.scores), "llrs": list(self.llrs)}


def from_dict(values: Mapping[str, Any]) -> Calibration | Isotonic:
    """What ``to_dict`` of either calibration wrote. Raises BadScores for anything else."""
    try:
        if values["kind"] == "linear":
            return Calibration(float(values["scale"]), float(values["offset"]))
        if values["kind"] == "isotonic":
            return Isotonic(tuple(map(float, values["scores"])), tuple(map(float, values["llrs"])))
        why = f"its kind is {values['kind']!r}"
    except (KeyError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
    raise BadScores(
        f"this is no calibration ({why}); expected kind = linear with scale and offset, or kind = isotonic with scores "
        "and llrs, as to_dict writes them"
    )


def fit(*, bonafide: Scores, spoof: Scores, prior: float = 0.5) -> Calibration:
    """Affine calibration by prior-weighted logistic regression (Brümmer and du Preez 2006; Platt 1999).

    bonafide, spoof: development scores, shape (N,), finite. prior: of bona fide, 0 to 1, at which the log loss is
    minimised; it weighs the classes, whatever their counts, and is subtracted again, so that the result is a
    likelihood ratio.

    Where the classes can be separated the unregularised scale is infinite. Platt's targets mend that: the target of a
    class with N trials is (N + 1) / (N + 2), not 1, which is one trial of doubt and fades with N. Scores that point the
    wrong way get scale 0 (llr 0: no evidence); polarity is never mended in silence.

    Raises BadScores.
    """
    b, s = both(bonafide, spoof)
    if not 0 < prior < 1:
        raise BadScores(f"the prior of bona fide lies between 0 and 1, not {prior}")
    x = np.concatenate([b, s])
    centre, spread = (
        (b.mean() + s.mean()) / 2,
        math.sqrt((b.var() + s.var()) / 2 + (b.mean() - s.mean()) ** 2 / 4),
    )
    if spread == 0:
        return Calibration(0.0, 0.0)
    z = (x - centre) / spread
    target = np.append(np.full(b.size, (b.size + 1) / (b.size + 2)), np.full(s.size, 1 / (s.size + 2)))
    weight = np.append(np.full(b.size, prior / b.size), np.full(s.size, (1 - prior) / s.size))
    logit = math.log(prior / (1 - prior))
    scale, offset = _newton(z, target, weight, logit)
    if scale <= 0:
        return Calibration(0.0, 0.0)
    return Calibration(float(scale / spread), float(offset - scale * centre / spread))


def fit_isotonic(*, bonafide: Scores, spoof: Scores) -> Isotonic:
    """Calibration by pool adjacent violators (Brümmer and de Villiers 2013, the BOSARIS toolkit; Zadrozny and Elkan 2002).

    bonafide, spoof: development scores, shape (N,), finite. Equal scores are one step. The llr of a pool is the log of
    (its share of the bona fide trials / its share of the spoofed ones): the counts of the classes, which are a prior,
    are divided out. Between two pools it is interpolated.

    A pool of one class alone would be worth an infinite llr. Laplace's rule mends that: some doubt stands below all scores and
    as much above, pooled like any other: of each class the share 1 / (N + 2), N trials of the smaller class. |llr|
    then stays below ln(N + 1), and the effect fades with N. (BOSARIS puts one trial of each class at either end, which
    is the same for classes of one size; with shares, scores that say nothing or point the wrong way get llr 0.)

    Raises BadScores.
    """
    b, s = both(bonafide, spoof)
    distinct, miss, false_alarm = error_rates(b, s)
    places = np.arange(-1, distinct.size + 1)  # of the low doubt, of every score, of the high doubt
    doubt = 1 / (min(b.size, s.size) + 2)
    steps = [
        np.concatenate([[doubt], np.diff(rejected) * (1 - 2 * doubt), [doubt]])
        for rejected in (miss, 1 - false_alarm)
    ]
    corners = hull_points(*(np.append(0.0, np.cumsum(share)) for share in steps))
    db, ds = (np.add.reduceat(share, corners[:-1]) for share in steps)
    llrs = np.log(db / ds)
    knots: dict[float, float] = {}
    for first, last, llr in zip(corners[:-1], corners[1:], llrs, strict=True):
        inside = [int(k) for k in places[first:last] if 0 <= k < distinct.size]
        for place in inside[:1] + inside[-1:]:
            knots[float(distinct[place])] = float(llr)
    return Isotonic(tuple(knots), tuple(np.maximum.accumulate(list(knots.values())).tolist()))


def frozen_threshold(*, bonafide: Scores, spoof: Scores) -> float:
    """The threshold a user would have fixed: where miss and false alarm meet on clean development scores.

    It is then carried to every corruption. (The other choice, llr = 0 after ``fit``, is the Bayes threshold at equal
    priors and costs.) Raises BadScores.
    """
    return eer_threshold(bonafide=bonafide, spoof=spoof)


def _newton(z: Scores, target: Scores, weight: Scores, logit: float) -> tuple[float, float]:
    """Minimise the weighted log loss of sigmoid(a z + c + logit) by damped Newton steps; convex, two unknowns."""
    design = np.column_stack([z, np.ones_like(z)])
    theta = np.zeros(2)

    def loss(at: Scores) -> float:
        y = design @ at + logit
        return float(weight @ (np.logaddexp(0, y) - target * y))

    value = loss(theta)
    for _ in range(_STEPS):
        p = expit(design @ theta + logit)
        gradient = design.T @ (weight * (p - target))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(theta - size * step) > value - 1e-4 * size * float(gradient @ step) and size > 1e-10:
            size /= 2
        theta = theta - size * step
        value = loss(theta)
        if float(np.abs(gradient).max()) < 1e-10:
            break
    return float(theta[0]), float(theta[1])
