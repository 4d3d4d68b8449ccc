"""Renderings of clips on disk: decoded, vocoded and corrupted once, then read in crops while a network learns.

A file is named by everything that decides what is in it, so that recipes share it, a killed run goes on after the
last whole one, and a clip that changed is rendered anew. It holds a float32 step, then int16 samples in units of it
(full scale is the clip's peak: the noise of rounding lies as low as in the 16-bit file that the clip came from).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..audio import WINDOW_SAMPLES, open_audio, whole_file
from ..corpora.vocoders import VOCODERS
from ..corrupt import corrupt, missing_for, steps
from ..detectors.prepare import RATE, level, trim
from ..errors import MissingPart
from ..streams import stream
from ..types import CLEAN, Clip, Samples
from . import workers
from .data import Example
from .recipe import Recipe

HEARD = 2 * WINDOW_SAMPLES  # of a longer file, no more than this is kept (unless the window is longer)
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Rendering:
    """One rendering of an example: a condition ("clean" for none), and the key that fixes its chance."""

    condition: str
    key: str


@dataclass(frozen=True, slots=True)
class Job:
    """The renderings of one example that are lacking, each with the file it goes to."""

    example: Example
    seed: int
    samples: int
    lacking: tuple[tuple[Rendering, Path], ...]


@dataclass(frozen=True, slots=True)
class Waves:
    """Prepared renderings of examples. files[example][copy]; all are at 16 kHz, trimmed, at -26 dB."""

    files: tuple[tuple[Path, ...], ...]

    def length(self, example: int, copy: int) -> int:
        """In samples."""
        return (self.files[example][copy].stat().st_size - 4) // 2

    def cut(self, example: int, copy: int, samples: int, place: float = 0.0) -> Samples:
        """``samples`` samples, shape (samples,); place: 0 (the start) to 1 (the end). A shorter clip is repeated."""
        path = self.files[example][copy]
        spare = (path.stat().st_size - 4) // 2 - samples
        start = int(place * (spare + 1)) if spare > 0 else 0
        with path.open("rb") as file:
            step = np.frombuffer(file.read(4), dtype="<f4")[0]
            file.seek(4 + 2 * min(start, max(spare, 0)))
            held = np.frombuffer(file.read(2 * samples), dtype="<i2")
        return np.resize(held.astype(np.float32) * step, samples)


def training_renderings(example: Example, recipe: Recipe) -> list[Rendering]:
    """The clip as it is, then ``copies - 1`` times through 1 to ``chain`` conditions, drawn by the seed and the clip.

    A twin goes through the very conditions of the clip that it was made from: they differ in the synthesis alone.
    """
    conditions, clip = recipe.augment.conditions, example.trial.id
    found = [Rendering(CLEAN, clip)]
    for copy in range(1, recipe.augment.copies):
        rng = stream(recipe.seed, "conditions", clip, str(copy))
        count = int(rng.integers(1, min(recipe.augment.chain, len(conditions)) + 1))
        drawn = sorted(rng.choice(len(conditions), count, replace=False))
        found.append(Rendering("+".join(conditions[i] for i in drawn), f"{clip}#{copy}"))
    return found


def selection_renderings(example: Example, recipe: Recipe) -> list[Rendering]:
    """The clip as it is, then under each condition that selection asks for."""
    return [Rendering(c, f"{example.trial.id}#select") for c in (CLEAN, *recipe.select.conditions)]


def rendered(
    examples: Sequence[Example],
    recipe: Recipe,
    wanted: Callable[[Example, Recipe], list[Rendering]],
    folder: Path,
    progress: Callable[..., None],
    what: str,
) -> Waves:
    """Make what is lacking, by ``[run] workers`` processes, and return all.

    Raises MissingPart where a condition cannot run here, BadAudio for a file that cannot be read.
    """
    for condition in {*recipe.augment.conditions, *recipe.select.conditions}:
        missing = missing_for(condition)
        if missing:
            raise MissingPart(f"the recipe hears {condition}, which cannot run here: {missing}")
    files, jobs, samples = [], [], max(HEARD, recipe.window)
    for example in examples:
        heard = wanted(example, recipe)
        paths = [_path(folder, example, recipe.seed, samples, r) for r in heard]
        files.append(tuple(paths))
        lacking = tuple((r, p) for r, p in zip(heard, paths, strict=True) if not p.exists())
        if lacking:
            jobs.append(Job(example, recipe.seed, samples, lacking))
    whole = len(examples) - len(jobs)
    workers.do(render, jobs, recipe.run.workers, lambda n: progress(whole + n, len(examples), what), folder)
    return Waves(tuple(files))


def render(job: Job) -> None:
    """Make and write the renderings of a job. Loudness is equal before the condition, and again after it."""
    example = job.example
    clean = level(trim(open_audio(example.trial.path, RATE, seconds=job.samples / RATE)))
    if example.maker:
        clean = VOCODERS[example.maker](clean, stream(job.seed, "vocoder", example.key))
    for rendering, path in job.lacking:
        clip = corrupt(clean, rendering.condition, key=rendering.key, seed=job.seed)
        write(level(trim(clip)), path)


def write(clip: Clip, path: Path) -> None:
    """One file of the store."""
    step = np.float32(max(float(np.abs(clip.samples).max()), 1e-9) / 32767)
    with whole_file(path) as file:
        file.write(step.astype("<f4").tobytes() + np.round(clip.samples / step).astype("<i2").tobytes())


def _path(folder: Path, example: Example, seed: int, samples: int, rendering: Rendering) -> Path:
    makers: list[Any] = [steps(rendering.condition)[i][0].run for i in range(len(steps(rendering.condition)))]
    facts = [
        _FORMAT,
        __version__,
        content(example.trial.path),
        example.key,
        seed,
        samples,
        rendering.condition,
        rendering.key,
        [_source(f) for f in (*makers, *([VOCODERS[example.maker]] if example.maker else []))],
    ]
    name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
    return folder / name[:2] / f"{name}.wave"


@lru_cache(maxsize=1_000_000)
def content(path: Path) -> str:
    """SHA-256 of a clip's file; "" where it is not there: opening it will say so."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@lru_cache(maxsize=1000)
def _source(function: Any) -> str:
    """SHA-256 of the module that a corruption or a vocoder stands in: when its code changes, so may its sound."""
    module = sys.modules[getattr(function, "__module__", type(function).__module__)]
    path = getattr(module, "__file__", None)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
