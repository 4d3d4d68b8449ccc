"""AASIST and AASIST-L: graph attention over bands and times of the raw waveform."""

from __future__ import annotations

from ..audio import WINDOW_SAMPLES
from ..registry import detector
from ..types import Detector
from .network import card_or, network, published
from .prepare import RATE

_SOURCE = (
    "Jung et al. 2022, AASIST: audio anti-spoofing using integrated spectro-temporal graph attention networks"
)


@detector(
    rate=RATE,
    seconds=WINDOW_SAMPLES / RATE,
    card=card_or("aasist", {"parameters": 297_866, "architecture": _SOURCE}),
    cost=320,
)
def aasist(path: str = "") -> Detector:
    """AASIST: sinc filters, residual blocks, graphs over bands and times; score is the log odds of bona fide.

    path: another .onnx, or a .pth in the layout in which AASIST and AASIST-L are published (needs torch; which of both it
    is shows in its shapes). A published checkpoint gives the official score: the second logit, higher = more bona fide,
    of the unprepared first 64 600 samples; not log odds. Raises MissingPart, SpoofproofError.
    """
    if path.endswith(".pth"):
        return published("aasist", path, ("aasist", "aasist-l"))
    return network("aasist", path)


@detector(
    rate=RATE,
    name="aasist-l",
    seconds=WINDOW_SAMPLES / RATE,
    card=card_or("aasist-l", {"parameters": 85_306, "architecture": _SOURCE}),
    cost=200,
)
def aasist_l(path: str = "") -> Detector:
    """AASIST-L: AASIST with 24 channels instead of 64; score is the log odds of bona fide.

    path: another .onnx, or a published .pth, as of aasist. Raises MissingPart, SpoofproofError.
    """
    if path.endswith(".pth"):
        return published("aasist-l", path, ("aasist-l",))
    return network("aasist-l", path)
