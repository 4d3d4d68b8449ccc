"""What a training run hears: examples, and, for mixtures, their renderings and features kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..audio import WINDOW_SAMPLES, open_audio, whole_file
from ..corpora.vocoders import VOCODERS
from ..corrupt import corrupt, missing_for
from ..detectors.prepare import RATE, level, prepare, trim
from ..errors import BadCorpus, BadPlan, MissingPart, SpoofproofError
from ..registry import read_corpus
from ..streams import stream
from ..types import LABELS, Clip, Trial
from .mixtures import GMM
from .recipe import Recipe

Progress = Callable[..., None]
Kind = Literal["bonafide", "made", "copied"]


@dataclass(frozen=True, slots=True)
class Example:
    """A clip to learn from: a trial as it is (maker ""), or its twin by a vocoder, which is spoofed."""

    trial: Trial
    maker: str = ""

    @property
    def kind(self) -> Kind:
        if self.maker:
            return "copied"
        return "bonafide" if self.trial.label == "bonafide" else "made"

    @property
    def key(self) -> str:
        return f"{self.trial.id}/{self.maker}" if self.maker else self.trial.id

    @property
    def group(self) -> tuple[str, str, str]:
        """What sampling is balanced over, within a label: source, generator, language."""
        return (self.trial.source, self.maker or self.trial.attack, self.trial.language)


@dataclass(frozen=True, slots=True)
class Parts:
    """train; dev: what is selected and calibrated on; left: the sources left out, scored at the end. All with twins."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    left: tuple[Example, ...]


def read(recipe: Recipe, root: Path | None) -> Parts:
    """The parts "train" and "dev" of the recipe's corpus; nothing else leaves this function.

    Raises BadCorpus when a class is missing from one of them, BadPlan for a source that is not there.
    """
    place = root or os.environ.get("SPOOFPROOF_DATA")
    named = f"{recipe.data.corpus}:{place}" if place and ":" not in recipe.data.corpus else recipe.data.corpus
    trials = read_corpus(named)
    train = [t for t in trials if t.part == "train"]
    for name in recipe.data.extra:
        more = [t for t in read_corpus(name) if t.part == "train"]
        if not more:
            raise BadCorpus(
                f"extra = {name!r} has no train part; only clips of a train part are learned from"
            )
        train += [replace(t, id=f"{name}/{t.id}") for t in more]
    out = set(recipe.data.leave_out)
    unknown = out - {t.source for t in train}
    if unknown:
        raise BadPlan(f"leave_out names {', '.join(sorted(unknown))}, which is no source of the train part")
    dev = [t for t in trials if t.part == "dev"]
    kept = [t for t in train if t.source not in out]
    for name, part in (("train", kept), ("dev", dev)):
        for label in LABELS:
            if not any(t.label == label for t in part):
                raise BadCorpus(f"the {name} part has no {label} clip; a detector is trained on both classes")
    left = [t for t in train if t.source in out]
    judged = recipe.augment.twins if recipe.detector == GMM else recipe.select.twins
    counts = ((kept, recipe.augment.twins), (dev, judged), (left, judged))
    return Parts(*(tuple(_with_twins(part, recipe, twins)) for part, twins in counts))


def _with_twins(trials: Sequence[Trial], recipe: Recipe, twins: int) -> list[Example]:
    real = [t for t in trials if t.label == "bonafide"]
    if twins < len(real):
        rng = stream(recipe.seed, "twins")
        odds = np.array([Counter(t.source for t in real)[t.source] ** -0.5 for t in real])
        drawn = rng.choice(len(real), twins, replace=False, p=odds / odds.sum())
        real = [real[i] for i in sorted(drawn)]
    return [Example(t) for t in trials] + [Example(t, m) for t in real for m in recipe.augment.copy_synthesis]


def renderings(example: Example, copies: int, recipe: Recipe) -> Iterator[Clip]:
    """``copies`` renderings of an example, each prepared as a detector prepares it. The first is the clip as it is.

    The others go through 1 to ``chain`` of the recipe's conditions. All chance depends on the seed, the example
    and the copy alone. Loudness is made equal before the conditions, so that none of them works on it.
    """
    clean = level(trim(open_audio(example.trial.path, RATE, seconds=2 * WINDOW_SAMPLES / RATE)))
    if example.maker:
        clean = VOCODERS[example.maker](clean, stream(recipe.seed, "vocoder", example.key))
    yield prepare(clean)
    conditions = recipe.augment.conditions
    for copy in range(1, copies):
        rng = stream(recipe.seed, "conditions", example.key, str(copy))
        count = int(rng.integers(1, min(recipe.augment.chain, len(conditions)) + 1))
        clip = clean
        for index in sorted(rng.choice(len(conditions), count, replace=False)):
            clip = corrupt(clip, conditions[index], key=f"{example.key}#{copy}", seed=recipe.seed)
        yield prepare(clip)


def features(
    examples: Sequence[Example], copies: int, recipe: Recipe, folder: Path, progress: Progress
) -> NDArray[np.float16]:
    """Features of every copy of every example, shape (examples, copies, frames, size), mapped from a file.

    Made once; a file of the same recipe and examples is used again. Half precision: its steps (0.001 of a nat) are
    far below what an MP3 changes. Raises MissingPart where a condition cannot run here, BadAudio for a bad file.
    """
    for condition in recipe.augment.conditions if copies > 1 else ():
        missing = missing_for(condition)
        if missing:
            raise MissingPart(f"the recipe trains on {condition}, which cannot run here: {missing}")
    path = folder / f"features-{_digest(examples, copies, recipe)}.npy"
    total = len(examples) * copies
    if not path.exists():
        shape = (len(examples), copies, recipe.features.frames(WINDOW_SAMPLES), recipe.features.size)
        with whole_file(path) as out:
            np.lib.format.write_array_header_2_0(
                out,
                {
                    "descr": np.lib.format.dtype_to_descr(np.dtype("<f2")),
                    "fortran_order": False,
                    "shape": shape,
                },
            )
            heard = ((e, clip) for e in examples for clip in renderings(e, copies, recipe))
            for done, (example, clip) in enumerate(heard):
                frames = recipe.features(clip)
                if not np.isfinite(frames).all():
                    raise SpoofproofError(
                        f"the features of {example.key} are not finite; look at {example.trial.path}"
                    )
                out.write(frames.astype("<f2").tobytes())
                progress(done + 1, total, "features")
    progress(total, total, "features")
    found: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return found


def chances(examples: Sequence[Example], against: Kind) -> NDArray[np.float64]:
    """Probability of drawing each example, shape (N,), adding up to 1: half bona fide, half spoofed of one kind.

    against: "made" (the spoofed clips of the corpus) or "copied" (the vocoders' twins). Within each half a group's
    chance grows with the square root of its size: neither the largest page nor a page of one clip rules.
    """
    out = np.zeros(len(examples))
    for kind in ("bonafide", against):
        mine = [i for i, e in enumerate(examples) if e.kind == kind]
        size = Counter(examples[i].group for i in mine)
        weight = np.array([size[examples[i].group] ** -0.5 for i in mine])
        out[mine] = 0.5 * weight / weight.sum()
    return out


def bonafide(examples: Iterable[Example]) -> NDArray[np.bool_]:
    """Whether each example is bona fide, shape (N,)."""
    return np.array([e.kind == "bonafide" for e in examples], dtype=bool)


def _digest(examples: Sequence[Example], copies: int, recipe: Recipe) -> str:
    facts = [asdict(recipe.features), copies, recipe.seed, [e.key for e in examples]]
    if copies > 1:
        facts += [recipe.augment.conditions, recipe.augment.chain]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
