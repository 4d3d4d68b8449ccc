"""Speech enhancement in front of a detector: plain functions ``enhance(clip) -> clip`` and the dict that names them.

Each keeps the length and the rate, has no delay, draws nothing at random and carries nothing from clip to clip.

stft.py       windows that add up to one
noise.py      how loud the noise is in each bin of each frame
spectral.py   three classical gains over them: subtraction, Wiener, log-MMSE
recurrent.py  a small published network, whose weights are not shipped
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from ..errors import UnknownName
from ..types import Clip
from .recurrent import dtln, dtln_missing
from .spectral import log_mmse, spectral_subtraction, wiener

Enhancer: TypeAlias = Callable[[Clip], Clip]

__all__ = ["ENHANCERS", "Enhancer", "enhancer", "missing"]


def none(clip: Clip) -> Clip:
    """The clip as it is: what every enhancer is compared with."""
    return clip


ENHANCERS: Mapping[str, Enhancer] = MappingProxyType(
    {
        "none": none,
        "spectral-subtraction": spectral_subtraction,
        "wiener": wiener,
        "log-mmse": log_mmse,
        "dtln": dtln,
    }
)


def enhancer(name: str) -> Enhancer:
    """The enhancer called ``name``. Raises UnknownName."""
    if name not in ENHANCERS:
        raise UnknownName.among("enhancer", name, ENHANCERS)
    return ENHANCERS[name]


def missing(name: str) -> str:
    """ "" when the enhancer ``name`` can run here, else one sentence with the way to get what it lacks. Raises UnknownName."""
    enhancer(name)
    return dtln_missing() if name == "dtln" else ""
