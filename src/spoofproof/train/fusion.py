"""Fusion of detectors: the weights of their scores, by logistic regression on the development part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import BadScores
from .evidence import Floats, logistic


def fit(scores: Floats, bonafide: NDArray[np.bool_], ridge: float = 0.02) -> tuple[Floats, float]:
    """(weights, offset) of the log odds of bona fide at equal priors: (N, M) scores -> (M,), number.

    Linear logistic regression of log odds, both classes counting one half (Brümmer and de Villiers 2011). Each
    member's scores are measured in its own deviations first, so that rescaling a member, or adding a constant,
    changes nothing. ridge: shrinks these standardised weights; it also keeps them finite where dev can be separated.

    No weight is negative: a member that would get one tells nothing on dev that the others do not, or points the
    wrong way there, and polarity is never mended in silence. It gets 0 and the rest is fitted again.

    Raises BadScores for scores that are not finite or of one class only.
    """
    x, real = np.asarray(scores, dtype=np.float64), np.asarray(bonafide, dtype=bool)
    if x.ndim != 2 or len(x) != len(real) or not np.isfinite(x).all():
        raise BadScores("a fusion is fitted on finite scores, one column a member and one row a clip")
    if real.all() or not real.any():
        raise BadScores("a fusion is fitted on scores of both classes")
    weight = np.where(real, 0.5 / real.sum(), 0.5 / (~real).sum())
    centre, spread = weight @ x, np.sqrt(weight @ np.square(x - weight @ x))
    varies = spread > 1e-9 * (1 + np.abs(centre))
    scale = np.where(varies, spread, 1.0)
    z, used = (x - centre) / scale, np.flatnonzero(varies)
    found, offset = np.zeros(x.shape[1]), 0.0
    while used.size:
        part, offset = logistic(z[:, used], real, weight, ridge)
        if (part >= 0).all():
            found[used] = part
            break
        used = np.delete(used, part.argmin())
        offset = 0.0
    found = found / scale
    return found, offset - float(found @ centre)
