"""Traces of a vocoder: lines at its frame rate, and harmonics that go on too far or not far enough.

Networks that raise frames to samples by transposed convolutions leave lines at multiples of the frame rate (Odena,
Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill 2016; Pons et al., "Upsampling artifacts in
neural audio synthesis", ICASSP 2021).
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from .analysis import RATE, Analysis, Floats
from .measure import Reading, Span, measure, unknown

FRAME_RATES = (50.0, 62.5, 75.0, 80.0, 22_050 / 256, 93.75, 100.0, 125.0, 22_050 / 128)
"""Hz: hops of 320, 256, 200, 160 and 128 samples at 16 kHz; 320, 300, 256 and 240 at 24 kHz; 256 and 128 at 22.05 kHz."""

_LOWEST, _HIGHEST = 1000.0, 7500.0  # below it the voice itself stands in the way
_MOST_DB = 20.0


@measure(
    "frame-rate comb",
    family="vocoder",
    unit="dB",
    low="no lines at frame rates",
    high="steady lines at multiples of a vocoder's frame rate",
    digits=1,
)
def comb(heard: Analysis) -> Reading:
    """How far the spectrum of the whole excerpt stands out at multiples of a frame rate, in dB; the strongest of nine.

    Mean over the multiples between 1 and 7.5 kHz of the level at the line over the median level around it, each within
    ±20 dB, less the mean of the same between the lines.
    """
    if heard.silent:
        return unknown("there is nothing to hear")
    rate, value = strongest(heard)
    return Reading(value, (Span(0.0, heard.seconds, rate, rate),))


@measure(
    "high-band harmonicity",
    family="vocoder",
    unit="dB",
    low="a voice that is noise in the high band",
    high="a voice that is periodic even in the high band",
    digits=1,
)
def high_harmonicity(heard: Analysis) -> Reading:
    """Periodic over noisy power of voiced frames between 4 and 8 kHz, in dB; the median.

    From the correlation of the band's envelope with itself a period later, as in mixed-excitation coders.
    """
    return _harmonicity(heard, 4000.0, 8000.0)


@measure(
    "low-band harmonicity",
    family="vocoder",
    unit="dB",
    low="a noisy voice in the low band",
    high="a voice almost without noise in the low band",
    digits=1,
)
def low_harmonicity(heard: Analysis) -> Reading:
    """Periodic over noisy power of voiced frames up to 2 kHz, in dB; the median."""
    return _harmonicity(heard, 0.0, 2000.0)


def strongest(heard: Analysis) -> tuple[float, float]:
    """(frame rate in Hz, how far its lines stand out in dB) of the strongest comb."""
    n = scipy.fft.next_fast_len(heard.samples.size, real=True)
    spectrum = np.square(np.abs(scipy.fft.rfft(heard.samples * np.hanning(heard.samples.size), n=n)))
    level = 10 * np.log10(spectrum + 1e-12)
    step = RATE / n
    wide = round(24 / step)  # the median of stretches of 24 Hz, joined by straight lines
    whole = level[: level.size // wide * wide].reshape(-1, wide)
    around = np.interp(np.arange(level.size), (np.arange(len(whole)) + 0.5) * wide, np.median(whole, axis=1))
    over = np.clip(level - around, -_MOST_DB, _MOST_DB)
    found = [(_lines(over, step, rate, 0.0) - _lines(over, step, rate, 0.5), rate) for rate in FRAME_RATES]
    value, rate = max(found)
    return rate, float(value)


def _lines(over: Floats, step: float, rate: float, shift: float) -> float:
    """Mean over the multiples of ``rate``, moved by ``shift`` of it, of the greatest of three bins."""
    at = (np.arange(np.ceil(_LOWEST / rate), np.floor(_HIGHEST / rate)) + shift) * rate
    bins = np.round(at / step).astype(int)
    return float(np.maximum(np.maximum(over[bins - 1], over[bins]), over[bins + 1]).mean())


def _harmonicity(heard: Analysis, low: float, high: float) -> Reading:
    voiced = (heard.f0 > 0) & heard.speech
    if voiced.sum() < 40:
        return unknown("there is too little voiced speech")
    share = heard.noise_share
    hz = np.arange(share.shape[1]) * RATE / (2 * (share.shape[1] - 1))
    noise = np.clip(share[voiced][:, (hz >= low) & (hz <= high)].mean(axis=1), 1e-3, 1 - 1e-3)
    where = [Span(*heard.when(a, b), low, high) for a, b in heard.runs(voiced, 0.1)]
    return Reading(float(np.median(10 * np.log10((1 - noise) / noise))), tuple(where[:8]))
