"""Training: a recipe in, weights and their card out. torch is imported in here and nowhere else, and only for networks.

    recipe -> examples -> renderings on disk -> batches -> the loop -> calibration on dev -> weights, card, log

Everything is written under one folder; a run that was killed goes on from what is whole there, to the same bytes.
"""

from .run import run

__all__ = ["run"]
