"""Training: a recipe in, weights and their card out. torch is imported in here and nowhere else, and only for networks.

    recipe -> examples -> renderings on disk -> batches -> the loop -> calibration on dev -> weights, card, log

Everything is written under one folder; a run that was killed goes on from what is whole there, to the same bytes.
"""

from collections.abc import Callable
from pathlib import Path

from . import generative
from .run import run as _detector


def run(
    recipe: Path,
    data: Path | None = None,
    out: Path | None = None,
    progress: Callable[..., None] = lambda *update: None,
) -> Path:
    """Train the detector, or the generator, that a recipe is for: see ``train.run.run``, ``train.generative.run``."""
    return (generative.run if generative.is_generator(recipe) else _detector)(recipe, data, out, progress)


__all__ = ["run"]
