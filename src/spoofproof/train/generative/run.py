"""One training run of a network that makes sound, from its recipe to its weights and card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ...audio import whole_file
from ...errors import MissingPart
from ..folder import Journal, claim
from ..recipe import Run
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
    from ..device import settled
    from . import makers
    from .card import card_of
    from .loop import fit

    claim(folder, settings.text)
    log = Journal(folder / "log.jsonl")
    train, dev = read(settings, data)
    log(event="start", recipe=Path(recipe).name, train=len(train.clips), dev=len(dev.clips))

    with settled(Run(), torch.device("cpu")):
        torch.manual_seed(settings.seed)
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
