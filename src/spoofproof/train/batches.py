"""One batch, as a function of the seed and the step alone: a run that goes on draws what an unbroken one would have."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detectors.prepare import RATE
from ..streams import stream
from ..types import Rng, Samples
from .data import Example
from .live import enliven
from .recipe import Recipe, Sampling
from .waves import Waves


@dataclass(frozen=True, slots=True)
class Batch:
    """wave: (B, T) float32. bonafide: (B,) float32, 1, 0, or between after mixup. pairs: (P, 2), rows of a bona fide
    crop and of its twin."""

    wave: NDArray[np.float32]
    bonafide: NDArray[np.float32]
    pairs: NDArray[np.int64]


@dataclass(frozen=True)
class Deck:
    """The examples of a run with their chances; ``batch(step)`` draws from it."""

    examples: Sequence[Example]
    waves: Waves
    recipe: Recipe
    odds: NDArray[np.float64]
    twins: Mapping[int, list[int]]
    alone: NDArray[np.float64]

    @classmethod
    def of(cls, examples: Sequence[Example], waves: Waves, recipe: Recipe) -> Deck:
        """Chances of every example, and of every bona fide clip that has a twin."""
        odds = chances(examples, recipe.sampling)
        twins = twins_of(examples)
        alone = np.array([odds[i] if i in twins else 0.0 for i in range(len(examples))])
        return cls(examples, waves, recipe, odds, twins, alone / max(alone.sum(), 1e-12))

    def batch(self, step: int) -> Batch:
        """The batch of a step, 0, 1, …"""
        recipe = self.recipe
        rng = stream(recipe.seed, "batch", str(step))
        low, high = recipe.optimiser.crop
        samples = round(RATE * rng.uniform(low, high) / 160) * 160
        size = recipe.optimiser.batch
        rows: list[Samples] = []
        bonafide: list[float] = []
        paired = int(recipe.sampling.paired * size / 2)
        for clip in rng.choice(len(self.odds), paired, p=self.alone) if paired else ():
            twin = self.twins[clip][int(rng.integers(len(self.twins[clip])))]
            for index in (clip, twin):  # the same stream twice: the same copy, place and treatment
                rows.append(
                    self._crop(int(index), samples, stream(recipe.seed, "pair", str(step), str(clip)))
                )
            bonafide += [1.0, 0.0]
        for slot, index in enumerate(rng.choice(len(self.odds), size - 2 * paired, p=self.odds)):
            own = stream(recipe.seed, "crop", str(step), str(slot))
            rows.append(self._crop(int(index), samples, own))
            bonafide.append(float(self.examples[index].kind == "bonafide"))
        wave, target = np.stack(rows), np.array(bonafide, dtype=np.float32)
        if recipe.live.mixup:
            wave, target = mixed(wave, target, recipe.live.mixup, rng)
        return Batch(wave, target, np.arange(2 * paired).reshape(paired, 2))

    def _crop(self, index: int, samples: int, rng: Rng) -> Samples:
        copies = len(self.waves.files[index])
        clean = copies == 1 or rng.random() < self.recipe.live.clean
        copy = 0 if clean else int(rng.integers(1, copies))
        return enliven(self.waves.cut(index, copy, samples, rng.random()), self.recipe.live, rng)


def batches(deck: Deck, first: int, last: int, loaders: int) -> Iterator[Batch]:
    """Batches of the steps ``first`` to ``last`` - 1, prepared ahead by threads; their number never reaches a batch."""
    with ThreadPoolExecutor(loaders, thread_name_prefix="loader") as pool:
        ahead: deque[Future[Batch]] = deque()
        try:
            for step in range(first, last):
                ahead.append(pool.submit(deck.batch, step))
                if len(ahead) > 2 * loaders:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def chances(examples: Sequence[Example], sampling: Sampling) -> NDArray[np.float64]:
    """Probability of drawing each example, shape (N,), adding up to 1.

    Labels by ``spoof``, spoofed clips and vocoded twins by ``copied``, then groups (source, generator, language) by
    their size to the ``power``. A kind that is not there leaves its share to the other kind of spoof.
    """
    share = {
        "bonafide": 1 - sampling.spoof,
        "made": sampling.spoof * (1 - sampling.copied),
        "copied": sampling.spoof * sampling.copied,
    }
    there = {e.kind for e in examples}
    for lacking, other in (("made", "copied"), ("copied", "made")):
        if lacking not in there and other in there:
            share[other] += share.pop(lacking)
    out = np.zeros(len(examples))
    for kind, part in share.items():
        mine = [i for i, e in enumerate(examples) if e.kind == kind]
        if mine:
            size = Counter(examples[i].group for i in mine)
            weight = np.array([size[examples[i].group] ** (sampling.power - 1) for i in mine])
            out[mine] = part * weight / weight.sum()
    return np.asarray(out / out.sum())


def twins_of(examples: Sequence[Example]) -> dict[int, list[int]]:
    """Index of each bona fide clip that has twins -> indices of them."""
    index = {e.key: i for i, e in enumerate(examples)}
    found: defaultdict[int, list[int]] = defaultdict(list)
    for i, e in enumerate(examples):
        if e.maker:
            found[index[e.trial.id]].append(i)
    return dict(found)


def mixed(
    wave: NDArray[np.float32], target: NDArray[np.float32], alpha: float, rng: Rng
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each row with a share Beta(alpha, alpha) of itself and the rest of another row (Zhang et al. 2018, "mixup")."""
    other = rng.permutation(len(wave))
    share = rng.beta(alpha, alpha, len(wave)).astype(np.float32)
    return (
        share[:, None] * wave + (1 - share[:, None]) * wave[other],
        share * target + (1 - share) * target[other],
    )
