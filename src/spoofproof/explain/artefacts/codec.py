"""Traces of a perceptual codec: blocks of the spectrum that go missing for a moment, where it saved bits.

Liu, Sung and Qiao, "Detection of double MP3 compression" (Cognitive Computation 2, 2010), and the encoders' own habit
of zeroing bands. It is a trace of handling and not of synthesis; it is measured because it hides the other traces.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from ...spectrum import emptied
from .analysis import FFT, HOP, RATE, Analysis
from .measure import Reading, Span, measure, unknown

_LOWEST, _HIGHEST = 1000.0, 7000.0
_WIDE = 4  # bins of 31.25 Hz


@measure(
    "spectral holes",
    family="codec",
    unit="%",
    low="no spectral holes",
    high="parts of the spectrum go missing for moments, as after a codec of low rate",
)
def holes(heard: Analysis) -> Reading:
    """Share of the blocks of 125 Hz by 5 ms in speech, 1 to 7 kHz, that fall 20 dB below their neighbours, in percent.

    Neighbours: the median over 0.1 s of the same band, and over 0.9 kHz of the same frame.
    """
    if heard.speech.sum() < 20:
        return unknown("there is too little speech")
    first, last = round(_LOWEST * FFT / RATE), round(_HIGHEST * FFT / RATE)
    power = heard.power[:, first:last]
    blocks = power.reshape(len(power), -1, _WIDE).mean(axis=2)
    level = 10 * np.log10(blocks + 1e-13)
    in_time, in_band = (
        median_filter(level, (21, 1), mode="nearest"),
        median_filter(level, (1, 7), mode="nearest"),
    )
    missing = emptied(level, np.minimum(in_time, in_band)) & heard.speech[:, None]
    share = 100 * float(missing.sum() / (heard.speech.sum() * level.shape[1]))
    counts = missing.sum(axis=0)
    where: tuple[Span, ...] = ()
    if counts.any():
        band = int(np.argmax(counts))
        frames = np.flatnonzero(missing[:, band])
        low = _LOWEST + band * _WIDE * RATE / FFT
        where = (
            Span(
                frames[0] * HOP / RATE,
                min((frames[-1] + 1) * HOP / RATE, heard.seconds),
                low,
                low + _WIDE * RATE / FFT,
            ),
        )
    return Reading(share, where)
