"""LFCC-LCNN: a light convolutional network with max-feature-map over cepstra."""

from __future__ import annotations

from ..audio import WINDOW_SAMPLES
from ..registry import detector
from ..types import Detector
from .network import card_or, network
from .prepare import RATE

_SOURCE = "Wang and Yamagishi 2021, the LFCC-LCNN baseline of ASVspoof 2021, statistics over time for its recurrent layers"


@detector(
    rate=RATE,
    name="lfcc-lcnn",
    seconds=WINDOW_SAMPLES / RATE,
    card=card_or("lfcc-lcnn", {"architecture": _SOURCE}),
    cost=10,
)
def lfcc_lcnn(path: str = "") -> Detector:
    """LFCC-LCNN: a light CNN with max-feature-map over 60 cepstra and deltas; score is the log odds of bona fide.

    path: another .onnx than the shipped one. Raises MissingPart, SpoofproofError.
    """
    return network("lfcc-lcnn", path)
