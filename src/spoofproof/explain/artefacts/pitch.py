"""How regular the voice is: from one period to the next, and over 50 ms of its melody.

A larynx is never quite regular: jitter of sustained adult vowels lies around 0.3 to 1 % (Baken and Orlikoff, Clinical
Measurement of Speech and Voice, 2000), more in running speech. Vocoders that place pulses by a smooth contour have less.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import savgol_filter

from .analysis import HOP, RATE, Analysis, Floats
from .measure import Reading, Span, measure, unknown

_LEAST_PERIODS = 20
_CONTOUR = 11  # frames of 5 ms


@measure(
    "jitter",
    family="pitch",
    unit="%",
    low="voice periods more regular than a larynx's",
    high="voice periods irregular",
)
def jitter(heard: Analysis) -> Reading:
    """Local jitter: mean difference of neighbouring voice periods over the mean period, in percent.

    Periods by matching waveforms, each to the next within 20 % of the pitch track's period and to a fraction of a
    sample (the cross-correlation method of Praat, Boersma 1993); pairs that differ by more than 30 % are left out.
    """
    differences: list[float] = []
    lengths: list[float] = []
    spans = []
    for first, last in heard.runs((heard.f0 > 0) & heard.speech, 0.06):
        periods = _periods(heard, first, last)
        if periods.size < 3:
            continue
        steps = np.abs(np.diff(periods))
        good = steps < 0.3 * np.minimum(periods[1:], periods[:-1])
        differences += steps[good].tolist()
        lengths += periods.tolist()
        spans.append(Span(*heard.when(first, last), 0.0, 1000.0))
    if len(differences) < _LEAST_PERIODS:
        return unknown("too few voice periods follow each other")
    return Reading(100 * float(np.mean(differences) / np.mean(lengths)), tuple(spans[:8]))


@measure(
    "pitch micro-variation",
    family="pitch",
    unit="cents",
    low="a melody smoother than a voice's",
    high="a melody that trembles",
    digits=1,
)
def roughness(heard: Analysis) -> Reading:
    """How far the pitch lies, root mean square in cents, from a parabola through the 55 ms around it (Savitzky-Golay)."""
    rest: list[float] = []
    spans = []
    for first, last in heard.runs((heard.f0 > 0) & heard.speech, 0.1):
        cents = 1200 * np.log2(heard.f0[first:last])
        if np.abs(np.diff(cents)).max() > 300:  # an octave error is no melody
            continue
        smooth = savgol_filter(cents, _CONTOUR, 2)
        rest += np.square(cents - smooth)[2:-2].tolist()
        spans.append(Span(*heard.when(first, last), 0.0, 1000.0))
    if len(rest) < 2 * _LEAST_PERIODS:
        return unknown("there is too little steadily voiced speech")
    return Reading(float(np.sqrt(np.mean(rest))), tuple(spans[:8]))


def _periods(heard: Analysis, first: int, last: int) -> Floats:
    """Lengths in samples of the periods that follow each other through the voiced frames first to last."""
    x = heard.samples.astype(np.float64)
    start = first * HOP
    place = float(start + np.argmax(np.abs(x[start : start + round(RATE / heard.f0[first])])))
    found = []
    while True:
        frame = min(round(place / HOP), last - 1)
        period = RATE / heard.f0[frame]
        length = _match(
            x, round(place) - round(period / 3), period
        )  # the pulse, and its tail rather than the last one's
        if length is None or place + length >= last * HOP:
            break
        found.append(length)
        place += length
    return np.array(found)


def _match(x: Floats, start: int, period: float) -> float | None:
    """The lag within 20 % of ``period`` at which the period from ``start`` on comes again; None at the clip's ends."""
    wide, low, high = round(period), int(period * 0.8), int(np.ceil(period * 1.2))
    if start < 0 or start + high + 1 + wide >= x.size or low < 2:
        return None
    piece = x[start : start + wide]
    later = np.lib.stride_tricks.sliding_window_view(x[start + low - 1 : start + high + 1 + wide], wide)
    norm = np.sqrt(np.square(later).sum(axis=1) * np.square(piece).sum()) + 1e-12
    likeness = later @ piece / norm
    best = int(np.argmax(likeness[1:-1])) + 1
    before, at, after = likeness[best - 1 : best + 2]
    bend = before - 2 * at + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return low - 1 + best + float(np.clip(shift, -0.5, 0.5))
