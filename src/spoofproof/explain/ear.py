"""A detector as a black box that answers questions: clips of one length in, scores out, every call counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..ask import ask, finite, load_detector
from ..audio import WINDOW_SAMPLES, resample, window
from ..errors import BadAudio
from ..types import Clip, Detector, DetectorSpec, Samples, Scores

RATE = 16_000
LEAST_SECONDS = 0.5
LLR = "log-likelihood ratio"
SCORE = "score"


@dataclass(slots=True)
class Ear:
    """One loaded detector. unit: LLR where its card says that its score is a calibrated log odds, else SCORE.

    A positive score speaks for real speech only where unit is LLR; elsewhere nothing is known of where its zero lies.
    """

    name: str
    spec: DetectorSpec
    detector: Detector
    calls: int = field(default=0)

    @classmethod
    def load(cls, text: str) -> Ear:
        """The detector ``name``, ``name@file`` or ``file.py:name``. Raises what ``ask.load_detector`` raises."""
        return cls(text, *load_detector(text))

    @property
    def unit(self) -> str:
        """What its scores are."""
        return LLR if str(self.spec.card().get("score", "")).startswith("log odds") else SCORE

    def scores(self, waves: Sequence[Samples]) -> Scores:
        """Scores of 16 kHz waves, shape (N,), in the order given. Raises BadScores where one is not a finite number."""
        found: list[float] = []
        for start in range(0, len(waves), max(1, self.spec.batch)):
            part = [self._heard(x) for x in waves[start : start + max(1, self.spec.batch)]]
            found += finite(ask(self.detector, part, self.name), self.name).tolist()
        self.calls += len(waves)
        return np.array(found)

    def _heard(self, wave: Samples) -> Clip:
        clip = resample(Clip(np.ascontiguousarray(wave, dtype=np.float32), RATE), self.spec.rate)
        if self.spec.seconds is None:
            return clip
        return window(clip, max(1, round(self.spec.seconds * self.spec.rate)))


def excerpt(clip: Clip, start: float = 0.0) -> Clip:
    """What is explained: 64 600 samples at 16 kHz from ``start`` seconds on, the field's window; less where the clip ends.

    Raises BadAudio where less than half a second is left.
    """
    if not 0 <= start < float("inf"):
        raise BadAudio(f"an explanation starts at 0 s or later, not at {start} s")
    first = int(start * clip.rate)
    need = (
        WINDOW_SAMPLES * clip.rate // RATE + clip.rate
    )  # a second more, so that resampling has no edge there
    cut = clip.samples[first : first + need]
    if cut.size < LEAST_SECONDS * clip.rate:
        raise BadAudio(
            f"{clip.seconds:.2f} s of audio, explained from {start:g} s on: {cut.size / clip.rate:.2f} s are left; "
            f"at least {LEAST_SECONDS} s are needed. Give a longer clip, or an earlier start"
        )
    return Clip(np.ascontiguousarray(resample(Clip(cut, clip.rate), RATE).samples[:WINDOW_SAMPLES]), RATE)
