"""GMM-UBM: a background mixture by expectation maximisation, adapted to both classes, calibrated on the dev part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import calibrate
from ..audio import WINDOW_SAMPLES
from ..detectors.cepstra import LEARNED
from ..detectors.features import Features
from ..detectors.gmm_ubm import Ubm
from ..detectors.learned import Encoder
from ..detectors.prepare import RATE
from ..errors import BadPlan, MissingPart, SpoofproofError
from ..metrics.llr import cllr
from ..metrics.rank import auroc, eer
from ..streams import stream
from ..types import CLEAN, Clip, Scores
from . import waves
from .course import Course, Made
from .data import Example, Parts, chances
from .em import fit
from .map_adaptation import adapted_means
from .recipe import Recipe
from .waves import Waves

LIMITS = (
    "A mixture over short-time features of 1 207 short clips of few sources: much of what it knows is how these sources "
    "sound. Log odds are calibrated on a small development part at equal priors. "
    "For measuring robustness, not for judging anyone's recording."
)
_PER = 50  # frames from each draw of a clip
_STRETCH = 64  # consecutive frames, for the auto-encoder

Report = Callable[..., None]


def train(recipe: Recipe, parts: Parts, course: Course) -> Made:
    """Render, fit, calibrate, write. It takes a minute: an interrupted run does it again, to the same bytes."""
    store = Path(recipe.run.cache).expanduser() if recipe.run.cache else course.folder.parent / "waves"
    heard = [
        waves.rendered(examples, recipe, wanted, store, course.progress, f"renderings of {name}")
        for name, examples, wanted in (
            ("train", parts.train, waves.training_renderings),
            ("dev", parts.dev, waves.selection_renderings),
            ("what is left out", parts.left, waves.selection_renderings),
        )
    ]
    model = fitted(recipe, parts.train, heard[0], course.log, course.progress)
    conditions = (CLEAN, *recipe.select.conditions)
    raw = [ratios(model, heard[1], copy) for copy in range(len(conditions))]
    model = calibrated(model, raw[0], parts.dev, recipe)
    figures = {"dev": judged(model, dict(zip(conditions, raw, strict=True)), parts.dev, recipe)}
    if parts.left:
        figures["left"] = judged(model, {CLEAN: ratios(model, heard[2])}, parts.left, recipe)
    path = course.folder / f"{recipe.detector}.npz"
    model.save(path)
    facts = {
        "feature": recipe.front.kind,
        "dimensions": len(model.centre),
        "components": len(model.world.weight),
        "against": recipe.ubm.against,
        "calibration": {"scale": model.slope, "offset": model.offset, "on": "clean"},
    }
    return Made(path, figures, facts, LIMITS)


def fitted(recipe: Recipe, examples: Sequence[Example], heard: Waves, log: Report, progress: Report) -> Ubm:
    """A GMM-UBM that is not calibrated yet. Raises BadPlan, MissingPart (torch, for the auto-encoder)."""
    settings = recipe.ubm
    if settings.against not in ("made", "copied"):
        raise BadPlan(f'[model] against is "made" or "copied", not {settings.against!r}')
    if settings.relevance < 0 or min(settings.rounds, settings.components, settings.iterations) < 1:
        raise BadPlan("[model]: relevance is at least 0; rounds, components and iterations are at least 1")
    kinds = {e.kind for e in examples}
    if settings.against not in kinds:
        raise BadPlan(
            f'[model] against = "{settings.against}", but there is no such clip; see copy_synthesis'
        )
    encoder = _encoder(recipe, examples, heard, log, progress) if recipe.front.kind == LEARNED else None
    rng = stream(recipe.seed, "gmm-ubm", recipe.front.kind)
    odds = chances(examples, settings.against)
    held = [
        _frames(recipe, encoder, heard, odds * [e.kind == kind for e in examples], rng, progress)
        for kind in ("bonafide", settings.against)
    ]
    both = np.concatenate(held)
    centre, scale = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-3)

    def report(step: int, likelihood: float) -> None:
        log(event="em", step=step, likelihood=round(likelihood, 5))
        progress(step + 1, settings.iterations, "expectation maximisation")

    world = fit(
        (both - centre) / scale,
        settings.components,
        rng,
        iterations=settings.iterations,
        floor=settings.floor,
        report=report,
    )
    real, fake = (
        adapted_means(world, (x - centre) / scale, settings.relevance, settings.rounds) for x in held
    )
    return Ubm(recipe.front, encoder, centre, scale, world, real, fake)


def calibrated(model: Ubm, raw: Scores, examples: Sequence[Example], recipe: Recipe) -> Ubm:
    """With the scale and offset that make log odds of its mean ratios on dev; a scale of 0 where they point wrongly."""
    real, fake = _classes(raw, examples, recipe)
    found = calibrate.fit(bonafide=real, spoof=fake)
    return replace(model, slope=found.scale, offset=found.offset)


def ratios(model: Ubm, heard: Waves, copy: int = 0) -> Scores:
    """Mean log-likelihood ratio of each rendering ``copy``, in nats, before calibration; shape (N,)."""
    clips = (Clip(heard.cut(i, copy, WINDOW_SAMPLES), RATE) for i in range(len(heard.files)))
    return np.array([model.ratio(model.front(clip, model.encoder)) for clip in clips])


def judged(
    model: Ubm, raw: Mapping[str, Scores], examples: Sequence[Example], recipe: Recipe
) -> dict[str, Any]:
    """Trials, Cllr of the clean log odds, and AUROC and EER of the ratios under each condition, against the kind of
    spoof that it was trained on: as the card of a network has them."""
    against, found = recipe.ubm.against, dict[str, Any]()
    for condition, scores in raw.items():
        real, fake = _classes(scores, examples, recipe)
        if not real.size or not fake.size:
            continue
        if condition == CLEAN:
            odds = [model.slope * x + model.offset for x in (real, fake)]
            found["trials"] = {"bonafide": real.size, "spoof": fake.size}
            found["cllr"] = round(cllr(bonafide=odds[0], spoof=odds[1]), 4)
        found[condition] = {against: ranks(real, fake)}
    return found


def ranks(real: Scores, fake: Scores) -> dict[str, float]:
    """AUROC and EER of scores of bona fide and of spoofed clips, as a card has them."""
    return {
        "auroc": round(auroc(bonafide=real, spoof=fake), 4),
        "eer": round(eer(bonafide=real, spoof=fake), 4),
    }


def _classes(raw: Scores, examples: Sequence[Example], recipe: Recipe) -> tuple[Scores, Scores]:
    kinds = np.array([e.kind for e in examples])
    return raw[kinds == "bonafide"], raw[kinds == recipe.ubm.against]


def _frames(
    recipe: Recipe,
    encoder: Encoder | None,
    heard: Waves,
    odds: np.ndarray,
    rng: np.random.Generator,
    progress: Report,
) -> Features:
    """``frames`` frames of renderings drawn by ``odds``: 50 from each draw. A rendering is heard once, however often."""
    draws = max(1, recipe.ubm.frames // _PER)
    clips = rng.choice(len(odds), draws, p=odds / odds.sum())
    drawn = np.stack([clips, rng.integers(0, recipe.augment.copies, draws)], axis=1)
    different, times = np.unique(drawn, axis=0, return_counts=True)
    held = []
    for done, ((index, copy), count) in enumerate(zip(different, times, strict=True)):
        clip = Clip(heard.cut(int(index), int(copy), WINDOW_SAMPLES), RATE)
        frames = recipe.front(clip, encoder)
        if not np.isfinite(frames).all():
            raise SpoofproofError(f"the features of {heard.files[index][copy].name} are not finite")
        held.append(frames[rng.integers(0, len(frames), _PER * count)])
        progress(done + 1, len(different), f"features ({recipe.front.kind})")
    return np.concatenate(held)


def _encoder(
    recipe: Recipe, examples: Sequence[Example], heard: Waves, log: Report, progress: Report
) -> Encoder:
    """The auto-encoder, learnt from one stretch of every rendering of what the mixtures hear; it knows no labels."""
    try:
        from .autoencoder import train_encoder
    except ImportError:
        raise MissingPart.extra("training an auto-encoder", "train") from None
    rng, base = stream(recipe.seed, "gmm-ubm", "stretches"), recipe.front.base
    samples = base.frame + (_STRETCH - 1) * base.shift
    stretches = [
        recipe.front.log_spectra(heard.cut(i, copy, samples, rng.uniform()))
        for i, e in enumerate(examples)
        if e.kind in ("bonafide", recipe.ubm.against)
        for copy in range(recipe.augment.copies)
    ]

    def report(step: int, loss: float) -> None:
        if (step + 1) % 100 == 0:
            log(event="encoder", step=step + 1, loss=round(loss, 5))
        progress(step + 1, recipe.encoder.steps, f"auto-encoder, loss {loss:.3f}")

    spectra = np.stack(stretches).astype(np.float32)
    return train_encoder(spectra, recipe.front.coefficients, recipe.encoder, recipe.seed, report)
