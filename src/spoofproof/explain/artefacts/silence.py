"""What is between the words: exact zeros, the noise floor and its jumps, and pauses.

A microphone in a room is never silent, and its floor does not change between words; what was cut, gated or synthesised
may be. How much silence a file holds is a known shortcut of data sets (Müller et al., "Speech is silver, silence is
golden: what do ASVspoof-trained models really learn?", 2021): here it is told, with its figures, and not relied on.
"""

from __future__ import annotations

import numpy as np

from .analysis import RATE, Analysis, runs_of
from .measure import Reading, Span, measure, unknown

_RUN = 160  # samples: 10 ms


@measure(
    "digital silence",
    family="silence",
    unit="%",
    low="no digital silence",
    high="stretches of digital silence",
)
def digital_silence(heard: Analysis) -> Reading:
    """Share of the excerpt that lies in runs of 10 ms or more of one and the same sample value, in percent."""
    same = np.concatenate([[False], np.diff(heard.samples) == 0])
    found = [(a - 1, b) for a, b in runs_of(same) if b - a + 1 >= _RUN]
    total = sum(b - a for a, b in found)
    longest = sorted(found, key=lambda run: run[0] - run[1])[:8]
    where = tuple(Span(a / RATE, b / RATE) for a, b in sorted(longest))
    return Reading(100 * total / heard.samples.size, where)


@measure(
    "noise floor",
    family="silence",
    unit="dB",
    low="an unusually quiet floor under the speech",
    high="a high noise floor",
    digits=1,
)
def floor(heard: Analysis) -> Reading:
    """Level of the quietest frames (5th percentile) below the loud ones (95th), in dB; 0 is no difference."""
    if heard.silent:
        return unknown("there is nothing to hear")
    return Reading(float(np.percentile(heard.level, 5)) - heard.loud)


@measure(
    "floor jumps",
    family="silence",
    unit="dB",
    low="a noise floor that stays the same between the pauses",
    high="a noise floor that jumps from pause to pause",
    digits=1,
)
def jumps(heard: Analysis) -> Reading:
    """The greatest difference, in dB, between the floors of two pauses that follow each other (10th percentiles)."""
    pauses = heard.runs(~heard.speech, 0.08)
    if len(pauses) < 2:
        return unknown("there are not two pauses to compare")
    floors = [float(np.percentile(heard.level[a:b], 10)) for a, b in pauses]
    steps = np.abs(np.diff(floors))
    worst = int(np.argmax(steps))
    (a, b), (c, d) = pauses[worst], pauses[worst + 1]
    return Reading(float(steps[worst]), (Span(*heard.when(a, b)), Span(*heard.when(c, d))))


@measure(
    "pause share",
    family="silence",
    unit="%",
    low="hardly a pause",
    high="much silence",
    digits=0,
)
def pauses(heard: Analysis) -> Reading:
    """Share of the excerpt, in percent, in pauses of 80 ms or more: 30 dB below the loud frames."""
    found = heard.runs(~heard.speech, 0.08)
    share = 100 * sum(b - a for a, b in found) / heard.speech.size
    return Reading(share, tuple(Span(*heard.when(a, b)) for a, b in found[:8]))
