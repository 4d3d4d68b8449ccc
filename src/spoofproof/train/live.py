"""What happens to a crop when it is drawn: cheap, keyed by the step, and blind to the label."""

from __future__ import annotations

import numpy as np
import scipy.fft

from ..detectors.prepare import RATE, level
from ..types import Clip, Rng, Samples
from .rawboost import add_noise, boost
from .recipe import Live


def enliven(x: Samples, live: Live, rng: Rng) -> Samples:
    """RawBoost, low-pass, white noise, by chance; level, gain. x: shape (T,), at 16 kHz; a new array."""
    chance = rng.random(3)
    if chance[0] < live.rawboost:
        x = boost(x, live.kinds, rng)
    if chance[1] < live.bandwidth:
        x = low_pass(x, rng.uniform(live.lowest, RATE / 2), rng.uniform(50, 500))
    if chance[2] < live.noise:
        x = add_noise(x, rng.standard_normal(x.size), rng.uniform(live.snr[0], live.snr[1])).astype(
            np.float32
        )
    if live.level:
        x = level(Clip(x, RATE)).samples
    return (x * 10 ** (live.gain * rng.uniform(-1, 1) / 20)).astype(np.float32)


def low_pass(x: Samples, edge: float, width: float) -> Samples:
    """Nothing above ``edge`` Hz: a half cosine over ``width`` Hz below it, without delay, as a resampler leaves it."""
    spectrum = scipy.fft.rfft(x)
    hertz = np.arange(spectrum.size) * RATE / x.size
    fall = np.clip((edge - hertz) / width, 0.0, 1.0)
    out = scipy.fft.irfft(spectrum * (0.5 - 0.5 * np.cos(np.pi * fall)).astype(np.float32), x.size)
    return np.asarray(out, dtype=np.float32)
