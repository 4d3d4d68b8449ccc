"""Texture: statistics of every rendering, logistic regression over them, calibration on the dev part. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import calibrate
from ..audio import WINDOW_SAMPLES
from ..detectors.texture import SIZE, Texture, names, statistics
from ..errors import BadPlan
from ..metrics.llr import cllr
from ..metrics.rank import auroc, eer
from ..types import Scores
from . import waves
from .course import Course, Made
from .data import Example, Kind, Parts, chances
from .evidence import logistic
from .recipe import Recipe
from .waves import Waves

LIMITS = (
    "A linear rule over local statistics of the spectrogram, learnt from 1 207 short clips of few sources. Noise, codecs and "
    "band limits change these statistics more than synthesis does: it hears clean audio, and little else. Log odds are "
    "calibrated on a small development part at equal priors. For measuring robustness, not for judging anyone's recording."
)
_HEAVIEST = 12  # statistics named on the card


def train(recipe: Recipe, parts: Parts, course: Course) -> Made:
    """Render, measure, fit, calibrate, write. It takes minutes: an interrupted run measures again, to the same bytes.

    Raises BadPlan for settings out of range.
    """
    settings = recipe.texture
    if settings.ridge <= 0 or settings.limit <= 0 or not 0 <= settings.copied <= 1:
        raise BadPlan("[model]: ridge and limit are above 0, copied lies between 0 and 1")
    store = Path(recipe.run.cache).expanduser() if recipe.run.cache else course.folder.parent / "waves"
    measured: dict[str, NDArray[np.float32]] = {}
    for name, examples, wanted in (
        ("train", parts.train, waves.training_renderings),
        ("dev", parts.dev, waves.selection_renderings),
        ("left", parts.left, waves.selection_renderings),
    ):
        heard = waves.rendered(examples, recipe, wanted, store, course.progress, f"renderings of {name}")
        copies = recipe.augment.copies if name == "train" else 1
        measured[name] = _measured(heard, copies, course.progress, f"statistics of {name}")
    model = fitted(recipe, parts.train, measured["train"])
    dev = _sums(model, measured["dev"])
    real, fake = _classes(dev, parts.dev)
    found = calibrate.fit(bonafide=real, spoof=fake)
    model = replace(model, slope=found.scale, shift=found.offset)
    figures = {"dev": judged(model, dev, parts.dev)}
    if parts.left:
        figures["left"] = judged(model, _sums(model, measured["left"]), parts.left)
    path = course.folder / f"{recipe.detector}.npz"
    model.save(path)
    order = np.argsort(-np.abs(model.weight))[:_HEAVIEST]
    heaviest = {names()[i]: round(float(model.weight[i]), 3) for i in order}
    return Made(path, figures, {"parameters": SIZE + 1, "heaviest": heaviest}, LIMITS)


def fitted(recipe: Recipe, examples: Sequence[Example], measured: NDArray[np.float32]) -> Texture:
    """The rule, not calibrated. measured: statistics of every rendering, shape (N, copies, SIZE).

    Classes weigh the same, and within each the groups by the square root of their size, see ``data.chances``.
    """
    settings, copies = recipe.texture, measured.shape[1]
    kinds = {e.kind for e in examples}
    shares: dict[Kind, float] = {"made": 1 - settings.copied, "copied": settings.copied}
    present = {kind: share for kind, share in shares.items() if kind in kinds and share}
    odds = sum(
        (share / sum(present.values()) * chances(examples, kind) for kind, share in present.items()),
        start=np.zeros(len(examples)),
    )
    weight = np.repeat(odds / copies, copies)
    x = measured.reshape(-1, SIZE).astype(np.float64)
    centre = weight @ x
    scale = np.sqrt(weight @ np.square(x - centre)) + 1e-4
    real = np.repeat([e.kind == "bonafide" for e in examples], copies)
    z = np.clip((x - centre) / scale, -settings.limit, settings.limit)
    w, offset = logistic(z, real, weight, settings.ridge)
    single = (centre.astype(np.float32), scale.astype(np.float32), w.astype(np.float32))
    return Texture(*single, offset, settings.limit)


def judged(model: Texture, sums: Scores, examples: Sequence[Example]) -> dict[str, Any]:
    """Trials, AUROC and EER against the corpus' own spoofs, Cllr of the log odds, and AUROC against each vocoder's twins."""
    real, fake = _classes(sums, examples)
    found: dict[str, Any] = {"trials": {"bonafide": real.size, "spoof": fake.size}}
    if not real.size or not fake.size:
        return found
    odds = [model.slope * s + model.shift for s in (real, fake)]
    found |= {
        "auroc": round(auroc(bonafide=real, spoof=fake), 4),
        "eer": round(eer(bonafide=real, spoof=fake), 4),
        "cllr": round(cllr(bonafide=odds[0], spoof=odds[1]), 4),
    }
    for maker in sorted({e.maker for e in examples} - {""}):
        twins = sums[[e.maker == maker for e in examples]]
        found[f"auroc {maker}"] = round(auroc(bonafide=real, spoof=twins), 4)
    return found


def _measured(heard: Waves, copies: int, progress: Callable[..., None], what: str) -> NDArray[np.float32]:
    out = np.zeros((len(heard.files), copies, SIZE), dtype=np.float32)
    for index in range(len(heard.files)):
        for copy in range(copies):
            out[index, copy] = statistics(heard.cut(index, copy, WINDOW_SAMPLES))
        progress(index + 1, len(heard.files), what)
    return out


def _sums(model: Texture, measured: NDArray[np.float32]) -> Scores:
    return np.array([model.sum(x) for x in measured[:, 0]], dtype=np.float64)


def _classes(sums: Scores, examples: Sequence[Example]) -> tuple[Scores, Scores]:
    kinds = np.array([e.kind for e in examples])
    return sums[kinds == "bonafide"], sums[kinds == "made"]
