"""LFCC-GMM: its two experts by expectation maximisation, calibrated on the dev part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detectors.features import Features
from ..detectors.lfcc_gmm import Expert, LfccGmm, View, seen
from ..streams import stream
from .data import Kind, Parts, chances
from .em import fit
from .evidence import Floats, calibrated
from .recipe import Recipe

Stored = NDArray[np.float16]


@dataclass(frozen=True)
class Made:
    """A trained LFCC-GMM."""

    model: LfccGmm
    facts: dict[str, Any]
    ending: str = ".npz"

    def evidence(self, stored: Stored) -> list[Floats]:
        """Calibrated log odds of each expert for stored features (N, frames, D): two arrays of shape (N,)."""
        return _evidence(self.model.experts, stored, self.model.features.coefficients)

    def save(self, path: Path) -> None:
        self.model.save(path)


def train_gmm(
    recipe: Recipe,
    parts: Parts,
    train: Stored,
    dev: Stored,
    folder: Path,
    log: Callable[..., None],
    progress: Callable[..., None],
) -> Made:
    """Fit and calibrate. It takes a minute: an interrupted run does it again, to the same bytes."""
    static, settings = recipe.features.coefficients, recipe.gmm
    plan: list[tuple[View, Kind, int]] = [
        ("roughness", "made", settings.smooth_components),
        ("dynamics", "copied", settings.components),
    ]
    experts = []
    for turn, (view, against, components) in enumerate(plan):
        rng = stream(recipe.seed, "gmm", view)
        odds = chances(parts.train, against)
        held = [
            _frames(train, odds * [e.kind == kind for e in parts.train], view, static, settings.frames, rng)
            for kind in ("bonafide", against)
        ]
        both = np.concatenate(held)
        centre, scale = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-3)
        mixtures = []
        for side, frames in enumerate(held):

            def report(step: int, likelihood: float, at: int = 2 * turn + side) -> None:
                log(event="em", mixture=at, step=step, likelihood=round(likelihood, 5))
                progress(
                    at * settings.iterations + step + 1, 4 * settings.iterations, "expectation maximisation"
                )

            mixtures.append(
                fit(
                    (frames - centre) / scale,
                    components,
                    rng,
                    iterations=settings.iterations,
                    floor=settings.floor,
                    report=report,
                )
            )
        experts.append(Expert(view, centre, scale, mixtures[0], mixtures[1]))
    fitted = calibrated(_evidence(experts, dev, static), parts.dev)
    experts = [
        replace(expert, slope=slope, offset=offset)
        for expert, (slope, offset) in zip(experts, fitted, strict=True)
    ]
    return Made(LfccGmm(recipe.features, tuple(experts)), {"calibration": fitted})


def _frames(
    train: Stored, odds: Floats, view: View, static: int, count: int, rng: np.random.Generator
) -> Features:
    """``count`` frames of what an expert sees, from renderings drawn by ``odds``: 50 frames from each draw."""
    per = 50
    held = []
    for index in np.sort(rng.choice(len(train), max(1, count // per), p=odds / odds.sum())):
        clip = train[index, rng.integers(train.shape[1])].astype(np.float32)
        frames = seen(view, clip, static)
        held.append(frames[rng.integers(0, len(frames), per)])
    return np.concatenate(held)


def _evidence(experts: Sequence[Expert], stored: Stored, static: int) -> list[Floats]:
    return [np.array([e.log_odds(x.astype(np.float32), static) for x in stored]) for e in experts]
