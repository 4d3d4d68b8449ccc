"""From scores to log-likelihood ratios and to a threshold, fitted on development scores; never looks at audio."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from .errors import BadScores
from .metrics.curve import both
from .metrics.rank import eer_threshold
from .types import Scores

_STEPS = 200


@dataclass(frozen=True, slots=True)
class Calibration:
    """llr = scale * score + offset (natural log, bona fide over spoof). scale >= 0: the order is never turned round."""

    scale: float
    offset: float

    def apply(self, scores: ArrayLike) -> Scores:
        """Log-likelihood ratios of scores, shape (N,) -> (N,), float64."""
        return np.asarray(scores, dtype=np.float64) * self.scale + self.offset


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
