"""The networks of the detectors, in torch. Imported by ``train``, and lazily by a detector that is given a checkpoint.

Every network takes samples (B, T) at 16 kHz, prepared, T >= 8 000, and returns logits (B, 2), spoof first; what it
says of a clip in eval mode does not depend on the other clips of the batch. One file an idea, one line here each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from ..errors import BadPlan, UnknownName, did_you_mean
from . import foundation
from .aasist import aasist, aasist_l
from .backbones import FAMILIES
from .detector import Detector
from .lfcc_lcnn import lfcc_lcnn
from .rawgat_st import rawgat_st
from .rawnet2 import rawnet2
from .spec_resnet import spec_resnet
from .spectttra import SLICES, spectttra

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "aasist": aasist,
    "aasist-l": aasist_l,
    "rawgat-st": rawgat_st,
    "rawnet2": rawnet2,
    "spec-resnet": spec_resnet,
    "lfcc-lcnn": lfcc_lcnn,
    **{name: partial(foundation.build, name) for name in FAMILIES},
    **{f"spectttra-{variant}": partial(spectttra, variant) for variant in SLICES},
}

__all__ = ["NETWORKS", "Detector", "build"]


def build(name: str, **settings: Any) -> nn.Module:
    """A new network, its weights drawn from torch's current generator. Raises UnknownName, BadPlan (a setting)."""
    if name not in NETWORKS:
        raise UnknownName.among("network", name, NETWORKS)
    known = inspect.signature(NETWORKS[name]).parameters
    for key in settings:
        if key not in known:
            raise BadPlan(f"the network {name} has no setting {key!r}. {did_you_mean(key, known)}")
    return NETWORKS[name](**settings)
