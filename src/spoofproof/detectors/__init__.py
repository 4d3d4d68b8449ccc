"""Detectors. Importing this room registers the built-in ones; one file an idea, one import line each.

A detector of one's own needs nothing from here: see docs/detectors.md.
"""

from . import controls, enhanced, foundation, fusion, gmm_ubm, lfcc_gmm, lfcc_lcnn, spectttra, texture

__all__ = [
    "controls",
    "enhanced",
    "foundation",
    "fusion",
    "gmm_ubm",
    "lfcc_gmm",
    "lfcc_lcnn",
    "spectttra",
    "texture",
]
