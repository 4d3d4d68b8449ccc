"""LFCC-LCNN: a light convolutional network with max-feature-map over cepstra, run by ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import runtime
from ..audio import WINDOW_SAMPLES
from ..errors import SpoofproofError
from ..registry import detector
from ..shipped import card, weights
from ..types import Clip, Detector
from .features import Features, Lfcc
from .prepare import RATE, prepare

_MEND = "Make one with: spoofproof train recipes/lfcc-lcnn.toml"


@detector(rate=RATE, name="lfcc-lcnn", seconds=WINDOW_SAMPLES / RATE, card=card("lfcc-lcnn"))
def lfcc_lcnn(path: str = "") -> Detector:
    """LFCC-LCNN: a light CNN with max-feature-map over 60 cepstra and deltas; score is the log odds of bona fide.

    path: another .onnx than the shipped one. Raises MissingPart, SpoofproofError.
    """
    features, network = load(weights("lfcc-lcnn", ".onnx", path))

    def score(clips: Sequence[Clip]) -> list[float]:
        # one clip at a time: a score never depends on its batch mates
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
