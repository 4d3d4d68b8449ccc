"""One training run from its recipe to its weights and card."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from ..audio import whole_file
from ..errors import MissingPart
from ..shipped import beside
from .card import card_of
from .course import Course, Made
from .data import Parts, read
from .folder import Journal, claim
from .mixtures import FUSION, GMM, TEXTURE, UBM
from .recipe import Recipe

_TRAINERS = {
    GMM: (".gmm", "train_gmm"),
    UBM: (".ubm", "train"),
    FUSION: (".fuse", "train"),
    TEXTURE: (".texture", "train"),
}  # without a network


def run(
    recipe: Path,
    data: Path | None = None,
    out: Path | None = None,
    progress: Callable[..., None] = lambda *update: None,
) -> Path:
    """Train what ``recipe`` says and write weights, card and log under ``out``; returns the weights' path.

    recipe: a TOML file, see ``train.recipe``. data: root of the corpus (default: SPOOFPROOF_DATA). out: default
    runs/train/RECIPE. progress(done, total, text). The same recipe, data and machine give the same bytes, whether
    or not the run was interrupted.

    Raises BadPlan, UnknownName (recipe), BadCorpus (data), MissingPart (torch, a codec, a device), RunConflict
    (``out`` holds another recipe's run, or the disk is full), SpoofproofError (the loss is not finite).
    """
    began = time.monotonic()
    settings = Recipe.load(recipe)
    train = trainer(settings)
    folder = out or Path("runs") / "train" / Path(recipe).stem
    claim(folder, settings.text, settings.like)
    log = Journal(folder / "log.jsonl")
    parts = read(settings, data)
    sizes = {k: len(getattr(parts, k)) for k in ("train", "dev", "left")}
    log(event="start", recipe=Path(recipe).name, **sizes)
    made = train(settings, parts, Course(data, folder, log, progress, began))
    for part, figures in made.figures.items():
        log(event="score", part=part, **figures)
    with whole_file(
        beside(made.weights) if made.weights.is_dir() else folder / f"{settings.detector}.json"
    ) as file:
        card = card_of(settings, Path(recipe).name, parts, made)
        file.write(json.dumps(card, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    log(event="end", weights=card["weights"])
    return made.weights


def trainer(recipe: Recipe) -> Callable[[Recipe, Parts, Course], Made]:
    """The function that trains what a recipe names. Raises MissingPart (torch), UnknownName, BadPlan (a setting)."""
    if recipe.detector in _TRAINERS:
        module, name = _TRAINERS[recipe.detector]
        return getattr(importlib.import_module(module, __package__), name)  # type: ignore[no-any-return]
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingPart.extra("training a network", "train") from None
    from .network import checked, train_network

    checked(recipe)
    return train_network
