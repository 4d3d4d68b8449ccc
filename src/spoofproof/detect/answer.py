"""What comes out: an answer about one recording, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..errors import BadScores
from .quality import Quality

SCHEMA = "spoofproof.detect/1"

Verdict = Literal["likely real", "likely synthetic", "cannot tell"]
REAL: Verdict = "likely real"
SYNTHETIC: Verdict = "likely synthetic"
UNSURE: Verdict = "cannot tell"


@dataclass(frozen=True, slots=True)
class Window:
    """What was heard from ``start`` to ``end`` seconds. llr: natural log of the likelihood of bona fide over synthetic speech;
    probability: that it is synthetic, 0 to 1, at the answer's prior. speech: seconds of it in which somebody speaks."""

    start: float
    end: float
    llr: float
    probability: float
    speech: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How the detector did on development clips of such quality, when made to decide. quality: which, in words. misses:
    share of synthetic clips taken for real; accuses: share of real clips taken for synthetic; both 0 to 1, with the number
    of clips and the 95 % interval (low, high) beside them. text: the same in a sentence."""

    quality: str
    misses: float
    misses_interval: tuple[float, float]
    n_synthetic: int
    accuses: float
    accuses_interval: tuple[float, float]
    n_real: int
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one recording.

    path: as it was given. seconds: its length. verdict: "likely real", "likely synthetic" or "cannot tell". probability: that it
    is synthetic, 0 to 1, at ``prior``; low, high: its 95 % interval. llr: natural log of the likelihood of bona fide over
    synthetic speech; higher = more bona fide. detector: which. prior: probability of synthetic before listening. reasons:
    why it cannot tell, sentences, () where it can. timeline: overlapping windows. spans: (start, end) in seconds of what
    looks synthetic. quality: of the recording. reliability: measured, on audio like this; None where there are no figures.
    """

    path: str
    seconds: float
    verdict: Verdict
    probability: float
    low: float
    high: float
    llr: float
    detector: str
    prior: float
    reasons: tuple[str, ...]
    timeline: tuple[Window, ...]
    spans: tuple[tuple[float, float], ...]
    quality: Quality
    reliability: Reliability | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the fields in order; ``from_dict`` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Answer:
        """What ``as_dict`` gave, also after JSON. Raises BadScores for anything else."""
        try:
            found = dict(values)
            found["reasons"] = tuple(found["reasons"])
            found["timeline"] = tuple(Window(**window) for window in found["timeline"])
            found["spans"] = tuple((float(a), float(b)) for a, b in found["spans"])
            found["quality"] = Quality(**found["quality"])
            if found["reliability"] is not None:
                lookup = dict(found["reliability"])
                for name in ("misses_interval", "accuses_interval"):
                    lookup[name] = (float(lookup[name][0]), float(lookup[name][1]))
                found["reliability"] = Reliability(**lookup)
            return cls(**found)
        except (KeyError, TypeError, ValueError) as error:
            raise BadScores(
                f"this is no answer of spoofproof detect ({type(error).__name__}: {error})"
            ) from None
