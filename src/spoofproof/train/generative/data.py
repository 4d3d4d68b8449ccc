"""What a generator learns from: recorded speech only, levelled as the detectors level it, in random crops."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...audio import fit, open_audio
from ...detectors.prepare import RATE, level, trim
from ...errors import BadCorpus
from ...registry import read_corpus
from ...streams import stream
from ...types import Rng, Samples, Trial
from .recipe import Recipe

_LONGEST = 10.0  # seconds of a clip that are read
HEARD = 51_200  # samples of each development clip that are judged: 3.2 s, whole frames


@dataclass(frozen=True)
class Speech:
    """Bona fide clips of one part: trials and their samples at 16 kHz, trimmed, -26 dB RMS."""

    trials: tuple[Trial, ...]
    clips: tuple[Samples, ...]

    @property
    def seconds(self) -> float:
        return sum(clip.size for clip in self.clips) / RATE


def read(recipe: Recipe, root: Path | None) -> tuple[Speech, Speech]:
    """Bona fide speech of the parts "train" and "dev"; nothing else leaves this function.

    Raises BadCorpus where a part has none, BadAudio for a clip that cannot be read.
    """
    place = root or os.environ.get("SPOOFPROOF_DATA")
    trials = read_corpus(f"{recipe.corpus}:{place}" if place else recipe.corpus)
    parts = []
    for part in ("train", "dev"):
        mine = tuple(t for t in trials if t.part == part and t.label == "bonafide")
        if not mine:
            raise BadCorpus(f"the {part} part has no bona fide clip; a generator learns from recorded speech")
        parts.append(Speech(mine, tuple(_open(t) for t in mine)))
    return parts[0], parts[1]


def _open(trial: Trial) -> Samples:
    return level(trim(open_audio(trial.path, RATE, seconds=_LONGEST))).samples


def chances(trials: Sequence[Trial]) -> NDArray[np.float64]:
    """Probability of drawing each clip: a source's chance grows with the square root of its clips."""
    size = Counter(t.source for t in trials)
    weight = np.array([size[t.source] ** -0.5 for t in trials])
    return np.asarray(weight / weight.sum())


def crops(speech: Speech, odds: NDArray[np.float64], recipe: Recipe, step: int) -> NDArray[np.float32]:
    """The crops of a step, shape (batch, crop), each at a gain of its own. They depend on seed and step alone."""
    t = recipe.training
    rng = stream(recipe.seed, "step", str(step))
    chosen = rng.choice(len(odds), t.batch, p=odds)
    return np.stack([_crop(speech.clips[i], t.crop, rng) * _gain(t.gain, rng) for i in chosen])


def heard(speech: Speech) -> NDArray[np.float32]:
    """The first 3.2 s of every clip, shape (N, HEARD), zeros behind a shorter one."""
    return np.stack([fit(clip, HEARD) for clip in speech.clips])


def _crop(clip: Samples, length: int, rng: Rng) -> Samples:
    """A stretch that starts up to 50 ms before the clip, so that beginnings out of silence are heard too."""
    lead = RATE // 20
    start = int(rng.integers(-lead, max(1, clip.size - length + 1)))
    part = clip[max(0, start) : start + length]
    return fit(np.concatenate([np.zeros(max(0, -start), np.float32), part]), length)


def _gain(decibels: float, rng: Rng) -> np.float32:
    return np.float32(10 ** (rng.uniform(-decibels, decibels) / 20))
