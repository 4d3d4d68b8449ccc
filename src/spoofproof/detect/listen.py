"""One recording, heard once: the score of every window, where there was speech, and how good the recording is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..ask import ask, finite
from ..audio import resample
from ..errors import BadAudio
from ..types import Clip, Detector, DetectorSpec
from .frames import RATE
from .quality import Quality, QualityMeter, spoken_in
from .stream import HOP, SHORTEST, Source, at_16k, opened, windows

SPOKEN = 0.3  # seconds of speech from which a window says something


@dataclass(frozen=True, slots=True, eq=False)
class Listened:
    """starts, ends: of the windows, in samples at 16 kHz; scores; speech: seconds of it in each. All of shape (W,), W >= 1."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    scores: NDArray[np.float64]
    speech: NDArray[np.float64]
    quality: Quality

    def spoken(self) -> NDArray[np.bool_]:
        """Windows that count, shape (W,): with 0.3 s of speech; where none has that much, those with any."""
        enough = self.speech >= SPOKEN
        return enough if enough.any() else self.speech > 0


def listen(
    source: Source, detector: Detector, spec: DetectorSpec, *, shown: str = "", longest: float | None = None
) -> Listened:
    """Decode, cut into windows that overlap by half, score each, and measure the quality, in one pass.

    Raises BadAudio for what cannot be decoded, for less than 0.5 s, and for more than ``longest`` seconds; BadScores when the
    detector gives no number.
    """
    name = shown or (str(source) if isinstance(source, str | Path) else "the clip")
    size = round((spec.seconds or 2 * HOP / RATE) * RATE)
    starts: list[int] = []
    ends: list[int] = []
    scores: list[float] = []
    try:
        with opened(source, name) as blocks:
            meter = QualityMeter(blocks.rate)
            pieces = windows(at_16k(blocks, meter, longest=longest), size, size // 2)
            while batch := list(islice(pieces, max(1, spec.batch))):
                clips = [resample(Clip(piece.samples, RATE), spec.rate) for piece in batch]
                scores += finite(ask(detector, clips, spec.name), spec.name).tolist()
                starts += [piece.start for piece in batch]
                ends += [piece.start + piece.samples.size for piece in batch]
    except BadAudio as error:
        raise BadAudio(str(error) if name in str(error) else f"{name}: {error}") from None
    if not ends:
        raise BadAudio(f"{name} holds no audio (0 samples)")
    quality, speech = meter.quality()
    if quality.seconds < SHORTEST:
        raise BadAudio(f"{name} is {quality.seconds:.2f} s long; at least {SHORTEST} s are needed")
    spoken = [spoken_in(speech, a, b) for a, b in zip(starts, ends, strict=True)]
    return Listened(np.array(starts), np.array(ends), np.array(scores), np.array(spoken), quality)
