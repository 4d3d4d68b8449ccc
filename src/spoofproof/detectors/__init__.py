"""Detectors. Importing this room registers the built-in ones; one file an idea, one import line each.

A detector of one's own needs nothing from here: see docs/detectors.md.
"""

from . import (
    aasist,
    controls,
    enhanced,
    foundation,
    fusion,
    gmm_ubm,
    lfcc_gmm,
    lfcc_lcnn,
    rawgat_st,
    rawnet2,
    spec_resnet,
    spectttra,
    texture,
)

__all__ = [
    "aasist",
    "controls",
    "enhanced",
    "foundation",
    "fusion",
    "gmm_ubm",
    "lfcc_gmm",
    "lfcc_lcnn",
    "rawgat_st",
    "rawnet2",
    "spec_resnet",
    "spectttra",
    "texture",
]
