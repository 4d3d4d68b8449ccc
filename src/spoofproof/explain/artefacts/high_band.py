"""Where the spectrum ends, and how abruptly: a missing high band.

Speech sounds at 16 kHz reach 8 kHz. Synthesis at a lower rate, or from a mel spectrogram that ends early, does not; nor
does a telephone or a low-rate codec, which is why the end alone is no proof.
"""

from __future__ import annotations

import numpy as np

from ...spectrum import lasting_falls
from .analysis import FFT, RATE, Analysis, Floats
from .measure import Reading, Span, measure, unknown

_LOWEST, _HIGHEST = 2000.0, 6900.0  # above it every resampler from 22.05 or 24 kHz has its own edge
_FALL = 15.0  # dB that the spectrum must fall, and stay down, to be called cut off
_TENTH = 10.0  # dB below the band: where it ends
_STEP = RATE / FFT


@measure(
    "cut-off frequency",
    family="high band",
    unit="kHz",
    low="the spectrum ends early",
    high="the spectrum reaches to the top",
)
def cut_off(heard: Analysis) -> Reading:
    """The frequency above which the speech has nothing, in kHz; 8 where it has something everywhere.

    Where the long-term spectrum of speech frames is 10 dB below the band for good, at its greatest lasting fall between 2 and
    6.9 kHz, if it falls by 15 dB or more within 0.6 kHz there.
    """
    if heard.speech.sum() < 20:
        return unknown("there is too little speech")
    at, fall = _edge(_long_term(heard))
    if fall < _FALL:
        return Reading(RATE / 2000)
    return Reading(at / 1000, (Span(0.0, heard.seconds, at, RATE / 2),))


@measure(
    "cut-off depth",
    family="high band",
    unit="dB",
    low="the spectrum fades gradually",
    high="the spectrum ends abruptly",
    digits=1,
)
def cut_off_depth(heard: Analysis) -> Reading:
    """How far the long-term spectrum falls within 0.6 kHz and stays down, in dB: sharpness of the edge of the band."""
    if heard.speech.sum() < 20:
        return unknown("there is too little speech")
    at, fall = _edge(_long_term(heard))
    return Reading(fall, (Span(0.0, heard.seconds, at, RATE / 2),))


def _long_term(heard: Analysis) -> Floats:
    """Mean power of speech frames in dB, smoothed over 125 Hz, shape (257,)."""
    mean = heard.power[heard.speech].mean(axis=0)
    smooth = np.convolve(np.pad(mean, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    return np.asarray(10 * np.log10(smooth + 1e-12))


def _edge(spectrum: Floats) -> tuple[float, float]:
    """(frequency in Hz, fall in dB) of the greatest fall after which nothing comes back: where the power has gone
    down to a tenth for good. The fall alone is equally deep from anywhere near an abrupt edge."""
    near, far = round(100 / _STEP), round(500 / _STEP)
    rest = np.maximum.accumulate(spectrum[::-1])[::-1]
    places = range(round(_LOWEST / _STEP), round(_HIGHEST / _STEP) + 1)
    best, at = 0.0, places[-1]
    for i, (_, fall) in zip(places, lasting_falls(spectrum, places, near=near, far=far), strict=True):
        if fall > best:
            best, at = fall, i
    tenth = rest[at + near] + best - _TENTH
    down = int(np.argmax(rest[at - far :] < tenth)) if best > _TENTH else far
    return (at - far + down) * _STEP, best
