"""GMM-UBM: one mixture for all speech, moved towards bona fide and towards spoofed speech; over any hand-made feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import WINDOW_SAMPLES
from ..errors import SpoofproofError
from ..registry import detector
from ..shipped import card, weights
from ..types import Clip, Detector
from .arrays import UNREADABLE, load_arrays, save_arrays
from .cepstra import Front
from .features import Features
from .learned import Encoder
from .lfcc_gmm import Mixture
from .prepare import RATE, prepare


@dataclass(frozen=True, eq=False)
class Ubm:
    """What a weights file holds. The three mixtures share their weights and variances; means are what adapts.

    front, encoder: what is heard, see ``cepstra`` (encoder: None for a hand-made feature). centre, scale: shape (D,);
    frames are (x - centre) / scale before the mixtures see them. world: the universal background model. bonafide,
    spoof: means, shape (K, D). slope, offset: calibration on development data, from the mean log-likelihood ratio of a
    frame, in nats, to log odds.

    Source: Reynolds, Quatieri and Dunn 2000, "Speaker verification using adapted Gaussian mixture models".
    """

    front: Front
    encoder: Encoder | None
    centre: Features
    scale: Features
    world: Mixture
    bonafide: Features
    spoof: Features
    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, clip: Clip) -> float:
        """Log odds of bona fide of a prepared clip."""
        return self.slope * self.ratio(self.front(clip, self.encoder)) + self.offset

    def ratio(self, frames: Features) -> float:
        """Mean over frames (T, D) of log p(x | bona fide) - log p(x | spoof), in nats, before calibration."""
        x = (frames - self.centre) / self.scale
        real, fake = self._classes
        return float((real.log_density(x) - fake.log_density(x)).mean(dtype=np.float64))

    @cached_property
    def _classes(self) -> tuple[Mixture, Mixture]:
        weight, variance = self.world.weight, self.world.variance
        return Mixture(weight, self.bonafide, variance), Mixture(weight, self.spoof, variance)

    def save(self, path: Path) -> None:
        """Write an .npz whose bytes depend on the content alone. Raises RunConflict (disk full)."""
        settings: dict[str, Any] = {"front": asdict(self.front), "slope": self.slope, "offset": self.offset}
        arrays: dict[str, NDArray[Any]] = {
            "centre": self.centre, "scale": self.scale, "weight": self.world.weight, "mean": self.world.mean,
            "variance": self.world.variance, "bonafide": self.bonafide, "spoof": self.spoof,
        }  # fmt: skip
        if self.encoder is not None:
            settings["context"] = self.encoder.context
            arrays |= self.encoder.arrays()
        save_arrays(path, settings, arrays)

    @classmethod
    def load(cls, path: Path) -> Ubm:
        """Read what ``save`` wrote. Raises SpoofproofError when it is another kind of file, or damaged."""
        try:
            settings, held = load_arrays(path)
            told = settings["front"]
            front = Front(**{**told, "parts": tuple(told["parts"])})
            encoder = Encoder.of(held, settings["context"]) if "context" in settings else None
            world = Mixture(held["weight"], held["mean"], held["variance"])
            means = held["bonafide"], held["spoof"]
            return cls(
                front,
                encoder,
                held["centre"],
                held["scale"],
                world,
                *means,
                settings["slope"],
                settings["offset"],
            )
        except (*UNREADABLE, SpoofproofError) as error:
            raise SpoofproofError(
                f"{path} holds no GMM-UBM ({type(error).__name__}: {error}). "
                "Make one with: spoofproof train recipes/gmm-ubm.toml"
            ) from None


@detector(rate=RATE, name="gmm-ubm", seconds=WINDOW_SAMPLES / RATE, card=card("gmm-ubm"), cost=10)
def gmm_ubm(path: str = "") -> Detector:
    """GMM-UBM: a background mixture adapted to bona fide and to spoofed speech, over one of ten features (MFCC, CQCC, …).

    path: another .npz than the shipped one; it carries the settings of its feature. Raises MissingPart,
    SpoofproofError.
    """
    model = Ubm.load(weights("gmm-ubm", ".npz", path))

    def score(clips: Sequence[Clip]) -> list[float]:
        return [model(prepare(clip)) for clip in clips]

    return score
