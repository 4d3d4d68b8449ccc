"""One training run of a network that makes sound, from its recipe to its weights and card."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...audio import whole_file
from ...errors import MissingPart, RunConflict
from .data import read
from .recipe import Recipe


def run(
    recipe: Path,
    data: Path | None = None,
    out: Path | None = None,
    progress: Callable[..., None] = lambda *update: None,
) -> Path:
    """Train what ``recipe`` says and write weights, card and log under ``out``; returns the weights' path.

    recipe: a TOML file, see ``train.generative.recipe``. data: root of the corpus (default: SPOOFPROOF_DATA). out:
    default runs/train/RECIPE. progress(done, total, text). The same recipe, data and machine give the same bytes,
    whether or not the run was interrupted.

    Raises BadPlan, UnknownName (recipe), BadCorpus (data), MissingPart (torch), RunConflict (``out`` holds another
    recipe's run, or the disk is full), SpoofproofError (a loss that is not finite).
    """
    settings = Recipe.load(recipe)
    folder = out or Path("runs") / "train" / Path(recipe).stem
    try:
        import torch
    except ImportError:
        raise MissingPart.extra("training a network", "train") from None
    from . import makers
    from .card import card_of
    from .loop import fit

    _claim(folder, settings)
    log = Journal(folder / "log.jsonl")
    train, dev = read(settings, data)
    log(event="start", recipe=Path(recipe).name, train=len(train.clips), dev=len(dev.clips))

    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    torch.use_deterministic_algorithms(True)
    maker = makers.MAKERS[settings.generator](settings)
    network, figures = fit(
        maker.network, maker.distance, maker.render, settings, train, dev, folder, log, progress
    )

    path = folder / f"{settings.name}.onnx"
    facts = maker.export(network, path)
    with whole_file(path.with_suffix(".json")) as file:
        card = card_of(settings, Path(recipe).name, train, dev, {"dev": figures}, facts, path)
        file.write(json.dumps(card, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    log(event="end", weights=card["weights"], **figures)
    return path


def _claim(folder: Path, recipe: Recipe) -> None:
    kept = folder / "recipe.toml"
    if kept.exists() and kept.read_text(encoding="utf-8") != recipe.text:
        raise RunConflict(
            f"{folder} holds a run of another recipe (see {kept.name} in it); nothing was changed. "
            "Choose another --out, or delete that folder"
        )
    if not kept.exists():
        with whole_file(kept) as file:
            file.write(recipe.text.encode())


class Journal:
    """A log of JSON lines, one an event; whole lines are appended, so that a kill loses at most the last."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, **event: Any) -> None:
        line = json.dumps({"time": round(time.time(), 1), **event}, ensure_ascii=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
