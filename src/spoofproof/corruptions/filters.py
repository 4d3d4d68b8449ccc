"""Linear filters: moving average, echo, Butterworth high-pass and low-pass, a narrower band by resampling."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import scipy  # its parts load when they are used: scipy.signal takes half a second
from numpy.typing import NDArray

from ..errors import BadPlan
from ..registry import corruption
from ..types import Clip, Rng
from . import measure
from .coding import at_rate

_PAPER = "Li et al. 2025, arXiv 2503.17577"
_REFERENCE_RATE = 16_000  # the windows of ``smooth`` are counted in samples at this rate
_ECHO_DELAY = 0.1  # seconds
_ORDER = 5
_EDGE = 0.97  # soxr HQ has fallen by 20 dB at this share of the lower rate's Nyquist frequency


def _window(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.boxcar_samples(clean, corrupted) * _REFERENCE_RATE / clean.rate


@corruption(
    family="modification",
    unit="samples at 16 kHz",
    levels=(6, 10, 14, 18, 22, 26),
    origin=_PAPER,
    measure=_window,
    tolerance=0.5,
)
def smooth(clip: Clip, level: float, rng: Rng) -> Clip:
    """Centred moving average: a low-pass with its first zero at 16 kHz / level.

    level: window in samples at 16 kHz, 1 to 16 000; at another rate as many milliseconds, rounded to whole samples (at least
    2). A window of even length reaches one sample further back than ahead (half a sample late). At the ends the
    window shrinks to what is there, so that the length is kept and no silence is added; the published code leaves
    the end silent and the sound half a window early. Raises BadPlan for another window.
    """
    if not 1 <= level <= 16_000:
        raise BadPlan(f"smooth@{level:g}: a window has 1 to 16000 samples")
    width = max(2, round(level * clip.rate / _REFERENCE_RATE)) if level > 1 else 1
    total = np.concatenate([[0.0], np.cumsum(clip.samples, dtype=np.float64)])
    here = np.arange(clip.samples.size)
    first = np.maximum(here - width // 2, 0)
    last = np.minimum(here + (width + 1) // 2, clip.samples.size)
    return clip.replace((total[last] - total[first]) / (last - first))


def _volume(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.echo_gain(clean, corrupted, _ECHO_DELAY)


@corruption(
    family="modification",
    unit="volume",
    levels=(0.1, 0.3, 0.5, 0.7, 0.9),
    origin=_PAPER,
    measure=_volume,
    tolerance=0.001,
)
def echo(clip: Clip, level: float, rng: Rng) -> Clip:
    """One echo 100 ms after the sound: y[n] = x[n] + level · x[n - 0.1 s], then scaled to the peak that the clip had.

    level: gain of the echo, relative to the sound, above 0 and at most 1. What would follow the clip's end is cut; a clip of at most 100 ms
    ends before its echo and stays as it is. (The published code puts the copy 100 ms *before* the sound and leaves
    the last 100 ms silent; the level there is the volume, as here.) Raises BadPlan for another gain.
    """
    if not 0 < level <= 1:
        raise BadPlan(f"echo@{level:g}: the volume of an echo is above 0 and at most 1")
    delay = round(_ECHO_DELAY * clip.rate)
    x = clip.samples.astype(np.float64)
    y = x.copy()
    y[delay:] += level * x[: max(0, x.size - delay)]
    peak = np.abs(y).max()
    return clip.replace(y * (np.abs(x).max() / peak) if peak else y)


def _high(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.cutoff_hz(clean, corrupted, low_pass=False) / (clean.rate / 2)


def _low(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.cutoff_hz(clean, corrupted, low_pass=True) / (clean.rate / 2)


@corruption(
    family="modification",
    unit="of Nyquist",
    levels=(0.1, 0.2, 0.3, 0.4, 0.5),
    origin=_PAPER,
    measure=_high,
    tolerance=0.005,
)
def high_pass(clip: Clip, level: float, rng: Rng) -> Clip:
    """Butterworth high-pass of order 5, causal.

    level: the frequency of -3 dB as a share (0 to 1, exclusive) of the clip's own Nyquist frequency: at 16 kHz, 0.1 is
    800 Hz; at 8 kHz, 400 Hz. Phase as in an analogue filter (delay is part of it). Raises BadPlan beyond the range.
    """
    return _butterworth(clip, level, "highpass")


@corruption(
    family="modification",
    unit="of Nyquist",
    levels=(0.5, 0.4, 0.3, 0.2, 0.1),
    origin=_PAPER,
    measure=_low,
    tolerance=0.005,
)
def low_pass(clip: Clip, level: float, rng: Rng) -> Clip:
    """Butterworth low-pass of order 5, causal.

    level: the frequency of -3 dB as a share (0 to 1, exclusive) of the clip's own Nyquist frequency: at 16 kHz, 0.1 is
    800 Hz; at 8 kHz, 400 Hz. Low frequencies come 3.24 / (2π f) s late, 0.6 ms at 800 Hz, as in an analogue
    filter. Raises BadPlan beyond the range.
    """
    return _butterworth(clip, level, "lowpass")


def _butterworth(clip: Clip, level: float, kind: Literal["highpass", "lowpass"]) -> Clip:
    if not 0 < level < 1:
        raise BadPlan(
            f"{kind} at {level:g}: the cut-off is a share of the Nyquist frequency, between 0 and 1"
        )
    return clip.replace(
        np.asarray(scipy.signal.sosfilt(_sections(level, kind), clip.samples.astype(np.float64)))
    )


@lru_cache(maxsize=64)
def _sections(level: float, kind: Literal["highpass", "lowpass"]) -> NDArray[np.float64]:
    """Second-order sections, shape (3, 6): to design them takes as long as to filter a second of audio."""
    return np.asarray(scipy.signal.butter(_ORDER, level, kind, output="sos"))


def _khz(clean: Clip, corrupted: Clip, level: float) -> float:
    edge = measure.bandwidth_hz(clean, corrupted)
    return min(clean.rate, 2 * edge / _EDGE) / 1000


@corruption(
    name="resample",
    family="modification",
    unit="kHz",
    levels=(12, 8, 6, 4, 3),
    measure=_khz,
    tolerance=0.2,
)
def narrow(clip: Clip, level: float, rng: Rng) -> Clip:
    """Down to a lower sampling rate and back (soxr HQ: linear phase, no delay): what lies above its half is lost.

    level: the rate in between, in kHz, 0.001 to 768. A clip whose own rate is not above it keeps its whole band, for there is
    nothing to lose: 12 kHz does nothing to a recording at 8 kHz, and the effective level says so. Raises BadPlan.
    """
    between = round(1000 * level)
    if not 1 <= between <= 768_000:
        raise BadPlan(f"resample@{level:g}: a sampling rate is above 0 and at most 768 kHz")
    return at_rate(clip, between, lambda samples: samples)
