"""Detectors. Importing this room registers the built-in ones; one file an idea, one import line each.

A detector of one's own needs nothing from here: see docs/detectors.md.
"""

from . import controls, foundation, lfcc_gmm, lfcc_lcnn

__all__ = ["controls", "foundation", "lfcc_gmm", "lfcc_lcnn"]
