"""One training run from its recipe to its weights and card."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import whole_file
from ..detectors.lfcc_gmm import together
from ..errors import MissingPart, RunConflict
from .card import card_of
from .data import Example, bonafide, features, read
from .evidence import Floats, area
from .recipe import Recipe

Log = Callable[..., None]


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

    Raises BadPlan, UnknownName (recipe), BadCorpus (data), MissingPart (torch, a codec), RunConflict (``out`` holds
    another recipe's run, or the disk is full).
    """
    settings = Recipe.load(recipe)
    folder = out or Path("runs") / "train" / Path(recipe).stem
    claim(folder, settings)
    log = Journal(folder / "log.jsonl")
    parts = read(settings, data)
    log(
        event="start",
        recipe=Path(recipe).name,
        **{k: len(getattr(parts, k)) for k in ("train", "dev", "left")},
    )

    train = features(parts.train, settings.augment.copies, settings, folder, progress)
    dev = features(parts.dev, 1, settings, folder, progress)[:, 0]
    left = features(parts.left, 1, settings, folder, progress)[:, 0] if parts.left else None

    fit: Callable[..., Any]
    if settings.detector == "lfcc-gmm":
        from .gmm import train_gmm

        fit = train_gmm
    else:
        try:
            import torch  # noqa: F401
        except ImportError:
            raise MissingPart.extra("training a network", "train") from None
        from .loop import train_lcnn

        fit = train_lcnn
    made = fit(settings, parts, train, dev, folder, log, progress)

    figures: dict[str, Any] = {}
    for name, examples, stored in (("dev", parts.dev, dev), ("left", parts.left, left)):
        if stored is not None:
            figures[name] = judge(examples, made.evidence(stored))
            log(event="score", part=name, **figures[name])
    path = folder / f"{settings.detector}{made.ending}"
    made.save(path)
    with whole_file(path.with_suffix(".json")) as file:
        card = card_of(settings, Path(recipe).name, parts, figures, made.facts, path)
        file.write(json.dumps(card, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    log(event="end", weights=card["weights"])
    return path


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


def claim(folder: Path, recipe: Recipe) -> None:
    """Take ``folder`` for this recipe. Raises RunConflict when it holds the run of another one."""
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
