"""Copies by the neural vocoders that this project trained, through ONNX Runtime: as modern synthesis makes them.

Both get the same mel spectrogram as ``mel_inversion`` and nothing else of the clip but its level.
"""

from __future__ import annotations

import numpy as np

from ..audio import fit, resample
from ..mel import AROUND, HOP, LEVEL, RATE, analyse, rms, sound
from ..runtime import in_pieces
from ..types import Clip, Samples

SILENCE = 1e-5  # peak below which there is nothing to analyse (-100 dBFS)
_PIECE = 40 * RATE // HOP * HOP


def copy(clip: Clip, name: str = "neural-vocoder", path: str = "") -> Clip:
    """``clip`` made again from its mel spectrogram: same length, rate and root mean square; silence stays silence.

    name: of shipped weights; path: another .onnx file of the same kind. Other rates are resampled to 16 kHz and back,
    so that nothing lies above 8 kHz. Raises MissingPart, SpoofproofError where the weights are not there or not a vocoder.
    """
    x = resample(clip, RATE).samples
    size = rms(x)
    if np.abs(x).max() < SILENCE or size <= SILENCE / 10:
        return clip.replace(np.zeros(clip.samples.size))

    def make(part: Samples) -> Samples:
        return sound(analyse(part), name, path)

    levelled = (x * (LEVEL / size)).astype(np.float32)
    made = in_pieces(levelled, make, piece=_PIECE, around=AROUND, frame=HOP)
    made *= np.float32(size / max(rms(made), 1e-9))
    back = resample(Clip(made, RATE), clip.rate)
    return clip.replace(fit(back.samples, clip.samples.size))
