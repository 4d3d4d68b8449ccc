"""The first form of LFCC-LCNN: an .onnx that takes cepstra, not samples. To be deleted with the last such file:
this file, its import and its two lines in ``lfcc_lcnn.py``, and the tests that name it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import runtime
from ..errors import SpoofproofError
from ..types import Clip, Detector
from .features import Features, Lfcc
from .prepare import prepare

_MEND = "Make one with: spoofproof train recipes/lfcc-lcnn.toml"


def is_one(path: Path) -> bool:
    """Whether ``path`` is an .onnx of that form. Raises SpoofproofError when it cannot be read as ONNX."""
    return "spoofproof.features" in runtime.network(path, what="LFCC-LCNN", mend=_MEND).facts


def detector_of_frames(path: Path) -> Detector:
    """The detector of such a file. Raises SpoofproofError."""
    features, network = load(path)

    def score(clips: Sequence[Clip]) -> list[float]:
        return [network(features(prepare(clip))) for clip in clips]

    return score


def load(path: Path) -> tuple[Lfcc, Callable[[Features], float]]:
    """The front end and the network of an .onnx file: (T, D) features -> log odds.

    The front end's settings travel inside the file, as metadata. Raises SpoofproofError when it is not such a file.
    """
    model = runtime.network(path, what="LFCC-LCNN", mend=_MEND)
    try:
        settings: dict[str, Any] = json.loads(model.facts["spoofproof.features"])
        features = Lfcc(**settings)
    except (KeyError, ValueError, TypeError) as error:
        raise SpoofproofError(
            f"{path} holds no LFCC-LCNN ({type(error).__name__}: {error}). {_MEND}"
        ) from None
    (name,), (answer,) = model.inputs, model.outputs

    def network(frames: Features) -> float:
        return float(model(**{name: frames[None]})[answer].reshape(-1)[0])

    return features, network
