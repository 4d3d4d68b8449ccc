"""Detectors that do not detect: what chance and one trivial cue would score."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import BadPlan
from ..registry import detector
from ..streams import stream
from ..types import Clip, Detector
from .features import Lfcc
from .prepare import RATE, prepare, require_rate

_RANDOM_CARD: Mapping[str, object] = {
    "kind": "control",
    "data": "none",
    "date": "2026-11-23",
    "licence": "Apache-2.0",
    "limits": "Knows nothing: AUROC and EER are one half, whatever the corpus, up to the luck of its draw.",
    "contamination": [],
    "augmentation": [],
}

_TILT_CARD: Mapping[str, object] = {
    "kind": "control",
    "data": "none; the direction was chosen once, see limits",
    "date": "2026-11-23",
    "licence": "Apache-2.0",
    "limits": (
        "One number of the long-term spectrum. That the flatter one counts as bona fide was read off every third clip of "
        "the train part of the project's data (AUROC 0.59 there, see docs/detectors.md); a corpus with other microphones may turn it round, and then "
        "the AUROC is below one half and is shown so."
    ),
    "contamination": [],
    "augmentation": [],
}


@detector(rate=RATE, name="random", card=lambda: _RANDOM_CARD)
def random(seed: str = "0") -> Detector:
    """Control: a draw from the standard normal, fixed by the clip's samples and by ``random@SEED``.

    Raises BadPlan for a seed that is not a whole number.
    """
    try:
        number = int(seed)
    except ValueError:
        raise BadPlan(f"random@{seed}: the seed is a whole number, such as random@7") from None

    def score(clips: Sequence[Clip]) -> list[float]:
        return [_draw(clip, number) for clip in clips]

    return score


@detector(rate=RATE, name="spectral-tilt", seconds=None, card=lambda: _TILT_CARD)
def spectral_tilt() -> Detector:
    """Control: how steeply the long-term log spectrum falls from 0.3 to 7 kHz, in dB per octave; flatter is bona fide."""
    return _tilt


def _tilt(clips: Sequence[Clip]) -> list[float]:
    return [slope_db_per_octave(prepare(clip)) for clip in clips]


def slope_db_per_octave(clip: Clip, low: float = 300.0, high: float = 7_000.0) -> float:
    """Least-squares slope of the mean power spectrum in dB against log2 of frequency, from ``low`` to ``high`` Hz.

    Weighted by 1/f, so that each octave counts the same. White noise has 0, pink noise -3. Silence has 0.
    """
    power = _SPECTRA.spectra(clip.samples).mean(axis=0, dtype=np.float64)
    hz = np.arange(power.size) * clip.rate / _SPECTRA.fft
    band = (hz >= low) & (hz <= high)
    octave, level = np.log2(hz[band]), 10 * np.log10(power[band] + 1e-12)
    weight = 1 / hz[band] / np.sum(1 / hz[band])
    octave = octave - weight @ octave
    return float((weight * octave) @ level / ((weight * octave) @ octave))


_SPECTRA = Lfcc(emphasis=0.0)


def _draw(clip: Clip, seed: int) -> float:
    require_rate(clip)
    content = hashlib.sha256(np.ascontiguousarray(clip.samples, dtype="<f4").tobytes()).hexdigest()
    return float(stream(seed, "random detector", content).standard_normal())
