"""RawNet2: sinc filters, residual blocks and recurrent layers over the raw waveform."""

from __future__ import annotations

from ..audio import WINDOW_SAMPLES
from ..registry import detector
from ..types import Detector
from .network import card_or, network
from .prepare import RATE

_SOURCE = (
    "Tak et al. 2021, End-to-end anti-spoofing with RawNet2; sizes of the ASVspoof 2021 baseline or smaller"
)


@detector(
    rate=RATE, seconds=WINDOW_SAMPLES / RATE, card=card_or("rawnet2", {"architecture": _SOURCE}), cost=60
)
def rawnet2(path: str = "") -> Detector:
    """RawNet2: sinc filters, residual blocks that rescale their channels, a GRU; score is the log odds of bona fide.

    path: another .onnx than the shipped one. Raises MissingPart, SpoofproofError.
    """
    return network("rawnet2", path)
