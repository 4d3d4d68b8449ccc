"""LFCC-LCNN: a light convolutional network with max-feature-map over cepstra, run by ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import WINDOW_SAMPLES
from ..errors import SpoofproofError
from ..registry import detector
from ..types import Clip, Detector
from .cards import card, weights
from .features import Features, Lfcc
from .prepare import RATE, prepare


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
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        settings: dict[str, Any] = json.loads(
            session.get_modelmeta().custom_metadata_map["spoofproof.features"]
        )
        features = Lfcc(**settings)
    except Exception as error:  # the runtime raises classes of its own that share no useful parent
        raise SpoofproofError(
            f"{path} holds no LFCC-LCNN ({type(error).__name__}: {str(error)[:200]}). "
            "Make one with: spoofproof train recipes/lfcc-lcnn.toml"
        ) from None
    name = session.get_inputs()[0].name

    def network(frames: Features) -> float:
        (odds,) = session.run(None, {name: np.ascontiguousarray(frames[None])})
        return float(np.asarray(odds).reshape(-1)[0])

    return features, network
