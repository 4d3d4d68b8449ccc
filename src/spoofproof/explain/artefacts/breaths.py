"""Breaths: people who speak breathe in, and most synthesis does not.

After Ruinskiy and Lavner, "An effective algorithm for automatic detection and exact demarcation of breath sounds in
speech and song signals" (IEEE TASLP 15(3), 2007): a breath is a noise of 0.1 to 0.8 s in a pause, well below speech and
above the floor, without pitch.
"""

from __future__ import annotations

import numpy as np

from .analysis import FFT, RATE, Analysis, Flags
from .measure import Reading, Span, measure, unknown

_SHORTEST, _LONGEST = 0.1, 0.8  # s
_ABOVE_FLOOR, _BELOW_SPEECH = 6.0, 12.0  # dB
_LOW, _HIGH = 500.0, 3500.0  # where breaths of all people have their energy
_FLAT = -9.0  # dB: spectral flatness, that of white noise is about -2.5 in single frames and 0 in the mean


@measure(
    "breaths",
    family="breath",
    unit="a minute",
    low="no breath is heard",
    high="breaths are heard",
    digits=0,
)
def breaths(heard: Analysis) -> Reading:
    """Breath-like noises a minute of excerpt: unpitched noise of 0.1 to 0.8 s beside speech, 6 dB over the floor.

    In four seconds people breathe once or not at all, so that none heard says little by itself.
    """
    if heard.speech.sum() < 20:
        return unknown("there is too little speech")
    floor = float(np.percentile(heard.level, 5))
    between = (
        (heard.level > floor + _ABOVE_FLOOR) & (heard.level < heard.loud - _BELOW_SPEECH) & (heard.f0 == 0)
    )
    found = [
        Span(*heard.when(a, b), _LOW, _HIGH)
        for a, b in heard.runs(between, _SHORTEST)
        if heard.when(0, b - a)[1] <= _LONGEST and _noisy(heard, a, b) and _alone(heard.f0 > 0, a, b)
    ]
    return Reading(60 * len(found) / heard.seconds, tuple(found[:8]))


def _noisy(heard: Analysis, first: int, last: int) -> bool:
    """Flat enough for noise, and not a fricative, whose energy lies above 4 kHz."""
    mean = heard.power[first:last].mean(axis=0)
    hz = np.arange(mean.size) * RATE / FFT
    band = mean[(hz >= _LOW) & (hz <= _HIGH)] + 1e-14
    flatness = float(np.mean(10 * np.log10(band)) - 10 * np.log10(band.mean()))
    centre = float((hz * mean).sum() / (mean.sum() + 1e-14))
    return flatness > _FLAT and centre < 4000


def _alone(voiced: Flags, first: int, last: int, gap: int = 4) -> bool:
    """Not joined to a voiced sound on both sides, as a consonant between vowels is: a pause of 20 ms on one side."""
    before = voiced[max(0, first - gap) : first]
    after = voiced[last : last + gap]
    return not (before.any() and after.any())
