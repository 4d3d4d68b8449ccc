"""A detector of your own: spoofproof bench --detector examples/my_detector.py:mine (or mine@3.5, or mine@best.onnx)."""

import numpy as np

import spoofproof


@spoofproof.detector(rate=16_000)
def mine(exponent: str = "2") -> spoofproof.Detector:
    """Crest of the waveform: how far its peak stands above its mean magnitude. Higher = more bona fide."""
    power = float(exponent)  # load your model here, once

    def score(clips):
        return [
            float(np.max(np.abs(c.samples)) ** power / (np.mean(np.abs(c.samples)) + 1e-9)) for c in clips
        ]

    return score
