"""LFCC-GMM: Gaussian mixtures over cepstra, one for each class; the oldest of the ASVspoof baselines, asked twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..audio import WINDOW_SAMPLES
from ..errors import SpoofproofError
from ..registry import detector
from ..shipped import card, weights
from ..types import Clip, Detector
from .arrays import UNREADABLE, load_arrays, save_arrays
from .features import Features, Lfcc, roughness
from .prepare import RATE, prepare

View = Literal["dynamics", "roughness"]


@dataclass(frozen=True, eq=False)
class Mixture:
    """A Gaussian mixture with diagonal covariances over D dimensions and K components.

    weight: shape (K,), adds up to 1. mean, variance: shape (K, D), variance > 0. float32.
    """

    weight: Features
    mean: Features
    variance: Features

    def components(self, frames: Features) -> Features:
        """log(weight_k · N(x; mean_k, variance_k)), shape (T, K), of frames (T, D): two products of matrices."""
        return np.asarray(frames @ self._linear + np.square(frames) @ self._square + self._constant)

    def log_density(self, frames: Features) -> Features:
        """Natural log density of each frame, shape (T,)."""
        parts = self.components(frames)
        top = parts.max(axis=1)
        return np.asarray(top + np.log(np.exp(parts - top[:, None]).sum(axis=1)))

    @cached_property
    def _linear(self) -> Features:
        return np.ascontiguousarray((self.mean / self.variance).T)

    @cached_property
    def _square(self) -> Features:
        return np.ascontiguousarray((-0.5 / self.variance).T.astype(np.float32))

    @cached_property
    def _constant(self) -> Features:
        mean, variance = self.mean.astype(np.float64), self.variance.astype(np.float64)
        inside = np.log(2 * np.pi * variance) + mean**2 / variance
        return np.asarray(np.log(self.weight.astype(np.float64)) - 0.5 * inside.sum(axis=1)).astype(
            np.float32
        )


@dataclass(frozen=True, eq=False)
class Expert:
    """Two mixtures that tell bona fide from one kind of spoof, by one view of the cepstra.

    view: "dynamics" (deltas, second deltas and roughness) or "roughness" alone; both are blind to a fixed channel.
    centre, scale: shape (D,); frames are (x - centre) / scale before the mixtures see them.
    slope, offset: calibration on development data, from the mean log-likelihood ratio of a frame to log odds.
    """

    view: View
    centre: Features
    scale: Features
    bonafide: Mixture
    spoof: Mixture
    slope: float = 1.0
    offset: float = 0.0

    def ratio(self, cepstra: Features, static: int) -> float:
        """Mean over frames of log p(x | bona fide) - log p(x | spoof), in nats, before calibration."""
        frames = (seen(self.view, cepstra, static) - self.centre) / self.scale
        ratio = self.bonafide.log_density(frames) - self.spoof.log_density(frames)
        return float(ratio.mean(dtype=np.float64))

    def log_odds(self, cepstra: Features, static: int) -> float:
        """Calibrated log odds of bona fide against this kind of spoof."""
        return self.slope * self.ratio(cepstra, static) + self.offset


@dataclass(frozen=True, eq=False)
class LfccGmm:
    """What a weights file holds: the front end, and one expert for each kind of spoof."""

    features: Lfcc
    experts: tuple[Expert, ...]

    def __call__(self, clip: Clip) -> float:
        """Log odds of bona fide of a prepared clip: against the kinds of spoof together, see ``together``."""
        cepstra = self.features(clip)
        return together([e.log_odds(cepstra, self.features.coefficients) for e in self.experts])

    def save(self, path: Path) -> None:
        """Write an .npz whose bytes depend on the content alone. Raises RunConflict (disk full)."""
        settings = {
            "features": asdict(self.features),
            "experts": [{"view": e.view, "slope": e.slope, "offset": e.offset} for e in self.experts],
        }
        arrays: dict[str, NDArray[Any]] = {}
        for index, e in enumerate(self.experts):
            arrays |= {f"{index}.centre": e.centre, f"{index}.scale": e.scale}
            for name, mixture in (("bonafide", e.bonafide), ("spoof", e.spoof)):
                arrays |= {f"{index}.{name}.{part}": getattr(mixture, part) for part in _PARTS}
        save_arrays(path, settings, arrays)

    @classmethod
    def load(cls, path: Path) -> LfccGmm:
        """Read what ``save`` wrote. Raises SpoofproofError when it is another kind of file, or damaged."""
        try:
            settings, held = load_arrays(path)
            experts = []
            for index, facts in enumerate(settings["experts"]):
                bonafide, spoof = (
                    Mixture(*(held[f"{index}.{name}.{part}"] for part in _PARTS))
                    for name in ("bonafide", "spoof")
                )
                centre, scale = held[f"{index}.centre"], held[f"{index}.scale"]
                experts.append(
                    Expert(facts["view"], centre, scale, bonafide, spoof, facts["slope"], facts["offset"])
                )
            return cls(Lfcc(**settings["features"]), tuple(experts))
        except UNREADABLE as error:
            raise SpoofproofError(
                f"{path} holds no LFCC-GMM ({type(error).__name__}: {error}). "
                "Make one with: spoofproof train recipes/lfcc-gmm.toml"
            ) from None


_PARTS = ("weight", "mean", "variance")


def seen(view: View, cepstra: Features, static: int) -> Features:
    """What an expert looks at, of cepstra (T, D) whose first ``static`` columns are the static ones; T - 2 rows."""
    rough = roughness(cepstra[:, :static])
    return rough if view == "roughness" else np.concatenate([cepstra[1:-1, static:], rough], axis=1)


def together(log_odds: Sequence[float]) -> float:
    """Log odds of bona fide against several kinds of spoof, from the log odds against each: -log Σ exp(-x).

    By Bayes' rule with one likelihood for each kind: a clip is bona fide only if it is so against all of them.

    >>> round(together([3.0]), 6), together([2.0, -50.0])
    (3.0, -50.0)
    """
    return float(-np.logaddexp.reduce(-np.asarray(log_odds, dtype=np.float64)))


@detector(rate=RATE, name="lfcc-gmm", seconds=WINDOW_SAMPLES / RATE, card=card("lfcc-gmm"))
def lfcc_gmm(path: str = "") -> Detector:
    """LFCC-GMM: Gaussian mixtures for each class over the dynamics of LFCC (the ASVspoof baseline, made blind to channels).

    path: another .npz than the shipped one. Raises MissingPart, SpoofproofError.
    """
    model = LfccGmm.load(weights("lfcc-gmm", ".npz", path))

    def score(clips: Sequence[Clip]) -> list[float]:
        return [model(prepare(clip)) for clip in clips]

    return score
