"""Training of the networks that make sound: a neural vocoder and a neural codec, each from a recipe.

    recipe -> bona fide clips of the train part -> crops -> spectral losses, then a jury as well -> ONNX, card, log

Everything is written under one folder; a run that was killed goes on from its last mark, to the same bytes.
"""

from .recipe import is_generator
from .run import run

__all__ = ["is_generator", "run"]
