"""The two things that anybody does with a detector: load it, and ask it about clips."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from . import registry
from .errors import BadScores, SpoofproofError
from .runtime import chosen
from .types import Clip, Detector, DetectorSpec, Ref, Scores


def load_detector(text: str) -> tuple[DetectorSpec, Detector]:
    """The spec and the loaded model of ``name`` or ``name@argument`` in the chosen runtime, kept for the life of the process.

    Raises UnknownName, MissingPart and what the factory raises as SpoofproofError; any other failure of a
    factory becomes a SpoofproofError that names the detector.
    """
    return _loaded(text, chosen())


@lru_cache(maxsize=32)
def _loaded(text: str, engine: str) -> tuple[DetectorSpec, Detector]:
    ref = Ref.parse(text)
    spec = registry.detectors[ref.name]
    try:
        return spec, spec.make(ref.arg) if ref.arg else spec.make()
    except SpoofproofError:
        raise
    except Exception as error:
        raise SpoofproofError(
            f"the detector {text} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def ask(detector: Detector, clips: Sequence[Clip], name: str) -> Scores:
    """What ``detector`` says of each clip, shape (N,), float64; a score may still be NaN or infinite (see ``finite``).

    name: for the message. Raises BadScores where it does not give one number a clip, and what the detector raises.
    """
    scores = np.asarray(detector(clips), dtype=np.float64)
    if scores.shape != (len(clips),):
        raise BadScores(
            f"the detector {name} was given {len(clips)} clips and returned scores of shape {scores.shape}; "
            "expected one float a clip, one finite number each (a difference of logits, not the pair)"
        )
    return scores


def finite(scores: Scores, name: str) -> Scores:
    """The same scores, where all are numbers. Raises BadScores with the first that is none."""
    if not np.isfinite(scores).all():
        raise BadScores(
            f"the detector {name} gave a score that is no number ({scores[~np.isfinite(scores)][0]}); expected one finite "
            "float a clip"
        )
    return scores
