"""Signals that the tests know everything about: tones, noise, impulses, and a source-filter voice."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from spoofproof.types import Clip


def tone(hz: float, seconds: float = 2.0, rate: int = 16_000, amplitude: float = 0.5) -> Clip:
    """A sine."""
    t = np.arange(int(seconds * rate)) / rate
    return Clip((amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32), rate)


def noise(seconds: float = 4.0, rate: int = 16_000, rms: float = 0.1, seed: int = 0) -> Clip:
    """White Gaussian noise."""
    x = np.random.default_rng(seed).standard_normal(int(seconds * rate)) * rms
    return Clip(x.astype(np.float32), rate)


def impulse(seconds: float = 1.0, rate: int = 16_000, at: float = 0.5, amplitude: float = 0.9) -> Clip:
    """One sample of ``amplitude`` at ``at`` seconds."""
    x = np.zeros(int(seconds * rate), dtype=np.float32)
    x[int(at * rate)] = amplitude
    return Clip(x, rate)


def voice(seconds: float = 4.0, rate: int = 16_000, f0: float = 120.0, seed: int = 0) -> Clip:
    """Speech-like: a jittered pulse train and aspiration through moving formants, in syllables, over a -50 dB floor."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    drift = f0 * (1 + 0.15 * np.sin(2 * np.pi * 0.4 * np.arange(n) / rate + rng.uniform(0, 6)))
    phase = np.cumsum(drift / rate)
    pulses = np.diff(np.floor(phase), prepend=0.0) * (1 + 0.05 * rng.standard_normal(n))
    source = lfilter([1.0], [1.0, -0.95], pulses) + 0.05 * rng.standard_normal(n)
    hop = rate // 8
    out = np.zeros(n)
    state = [np.zeros(2) for _ in range(4)]
    for start in range(0, n, hop):
        block = source[start : start + hop]
        for i, (centre, spread) in enumerate([(550, 250), (1500, 500), (2500, 300), (3600, 250)]):
            f = min(centre + rng.uniform(-spread, spread), 0.45 * rate)
            r = np.exp(-np.pi * (60 + 40 * i) / rate)
            block, state[i] = lfilter(
                [1 - r], [1, -2 * r * np.cos(2 * np.pi * f / rate), r * r], block, zi=state[i]
            )
        out[start : start + hop] = block
    syllables = 0.15 + np.clip(np.sin(2 * np.pi * 3.1 * np.arange(n) / rate), 0, 1)
    out = out * syllables
    out = out / (np.abs(out).max() + 1e-12) * 0.6 + 0.002 * rng.standard_normal(n)
    return Clip(out.astype(np.float32), rate)
