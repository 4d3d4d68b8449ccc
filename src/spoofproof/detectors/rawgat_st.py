"""RawGAT-ST: one graph over bands, one over times of the raw waveform, multiplied."""

from __future__ import annotations

from ..audio import WINDOW_SAMPLES
from ..registry import detector
from ..types import Detector
from .network import card_or, network, published
from .prepare import RATE

_SOURCE = "Tak et al. 2021, End-to-end spectro-temporal graph attention networks, fusion by multiplication"


@detector(
    rate=RATE,
    name="rawgat-st",
    seconds=WINDOW_SAMPLES / RATE,
    card=card_or("rawgat-st", {"parameters": 436_778, "architecture": _SOURCE}),
    cost=640,
)
def rawgat_st(path: str = "") -> Detector:
    """RawGAT-ST: sinc filters, two residual encoders, two graphs and their product; score is the log odds of bona fide.

    path: another .onnx, or a .pth in the layout in which RawGAT-ST (mul) is published (needs torch). That gives the
    official score: the second logit, higher = more bona fide, of the unprepared first 64 600 samples; not log odds.
    Raises MissingPart, SpoofproofError.
    """
    if path.endswith(".pth"):
        return published("rawgat-st", path, ("rawgat-st",))
    return network("rawgat-st", path)
