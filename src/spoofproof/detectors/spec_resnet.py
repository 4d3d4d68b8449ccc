"""Spectrogram ResNet18: a pre-activation residual network over the log power spectrum."""

from __future__ import annotations

from ..audio import WINDOW_SAMPLES
from ..registry import detector
from ..types import Detector
from .network import card_or, network
from .prepare import RATE

_SOURCE = "Li et al. 2025: |STFT| of 512 points, pre-activation ResNet18, self-attention pooling; narrower"


@detector(
    rate=RATE,
    name="spec-resnet",
    seconds=WINDOW_SAMPLES / RATE,
    card=card_or("spec-resnet", {"architecture": _SOURCE}),
    cost=20,
)
def spec_resnet(path: str = "") -> Detector:
    """Spectrogram ResNet18: residual network over log power spectra, attentive pooling; score is the log odds of bona fide.

    path: another .onnx than the shipped one. Raises MissingPart, SpoofproofError.
    """
    return network("spec-resnet", path)
