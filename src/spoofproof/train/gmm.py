"""LFCC-GMM: its two experts by expectation maximisation, calibrated on the dev part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..detectors.features import Features
from ..detectors.lfcc_gmm import Expert, LfccGmm, View, seen, together
from ..streams import stream
from .course import Course, Made
from .data import Example, Kind, Parts, bonafide, chances, features
from .em import fit
from .evidence import Floats, area, calibrated
from .recipe import Recipe

Stored = NDArray[np.float16]


LIMITS = (
    "Trained on 1 207 short clips of few sources. It hears two cues only: trajectories of the cepstra that are smoother "
    "than those of recorded speech, and the traces of old vocoders. Added noise roughens the trajectories and hides the "
    "first cue; smoothing codecs imitate it. Log odds are calibrated on a small development part at equal priors. "
    "For measuring robustness, not for judging anyone's recording."
)


def train_gmm(recipe: Recipe, parts: Parts, course: Course) -> Made:
    """Fit, calibrate, write. It takes a minute: an interrupted run does it again, to the same bytes."""
    folder, progress = course.folder, course.progress
    train = features(parts.train, recipe.augment.copies, recipe, folder, progress)
    dev = features(parts.dev, 1, recipe, folder, progress)[:, 0]
    left = features(parts.left, 1, recipe, folder, progress)[:, 0] if parts.left else None
    model, fitted = fit_gmm(recipe, parts, train, dev, course)
    figures = {
        name: judge(examples, _evidence(model.experts, stored, recipe.features.coefficients))
        for name, examples, stored in (("dev", parts.dev, dev), ("left", parts.left, left))
        if stored is not None
    }
    path = folder / f"{recipe.detector}.npz"
    model.save(path)
    return Made(path, figures, {"calibration": fitted}, LIMITS)


def fit_gmm(
    recipe: Recipe, parts: Parts, train: Stored, dev: Stored, course: Course
) -> tuple[LfccGmm, list[tuple[float, float]]]:
    """Both experts from stored features, and the calibration that they got on dev."""
    static, settings = recipe.features.coefficients, recipe.gmm
    log, progress = course.log, course.progress
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
    return LfccGmm(recipe.features, tuple(experts)), fitted


def judge(examples: Sequence[Example], log_odds: Sequence[Floats]) -> dict[str, float]:
    """AUROC of the joint score against the corpus' own fakes, and against each vocoder's copies."""
    score = np.array([together(pair) for pair in zip(*log_odds, strict=True)])
    makers = sorted({e.maker for e in examples})
    found: dict[str, float] = {}
    for maker in makers:
        use = np.array([e.kind == "bonafide" or e.maker == maker for e in examples])
        value = area(score[use], bonafide([e for e, u in zip(examples, use, strict=True) if u]))
        if np.isfinite(value):
            found[maker or "fakes"] = round(value, 4)
    return found


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
