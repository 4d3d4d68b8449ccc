"""Any detector behind a speech enhancer: ``enhanced@ENHANCER/DETECTOR``, such as ``enhanced@dtln/lfcc-gmm``."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np

from ..audio import resample, window
from ..enhance import ENHANCERS, enhancer, missing
from ..errors import BadPlan, MissingPart
from ..registry import detector, detectors
from ..types import Clip, Detector, Ref
from .prepare import RATE, require_rate

_KEPT = 64  # enhanced clips: the bench gives a batch of 16 to one detector after the other
_recent: OrderedDict[tuple[str, int, bytes], Clip] = OrderedDict()

_CARD: Mapping[str, object] = {
    "kind": "wrapper",
    "data": "none of its own: that of the detector behind it, and of the enhancer",
    "date": "2026-11-24",
    "contamination": [],
    "augmentation": [],
    "licence": "Apache-2.0; the DTLN weights are MIT and not shipped",
    "limits": (
        "What an enhancer takes away may be what gives a fake away: compare with enhanced@none/DETECTOR, on clean audio too. "
        "Its threshold is its own: the bench freezes it on enhanced clean development trials."
    ),
}


def inner(argument: str) -> tuple[str, str]:
    """(enhancer, detector reference) of ``ENHANCER/DETECTOR``. Raises BadPlan, UnknownName."""
    name, slash, behind = argument.partition("/")
    if not slash or not behind:
        raise BadPlan(
            f"enhanced@{argument}: expected enhanced@ENHANCER/DETECTOR, such as enhanced@wiener/lfcc-gmm. "
            f"Enhancers: {', '.join(ENHANCERS)}"
        )
    enhancer(name)
    return name, behind


@detector(rate=RATE, name="enhanced", card=lambda: _CARD, wraps=lambda argument: (inner(argument)[1],))
def enhanced(argument: str = "none/lfcc-gmm") -> Detector:
    """Any detector behind a speech enhancer: enhanced@ENHANCER/DETECTOR; the score is the detector's.

    The enhancer hears the clip at 16 kHz, then the detector hears it at its own rate and through its own window.
    Raises BadPlan, UnknownName, and MissingPart where the enhancer's weights are not here.
    """
    name, behind = inner(argument)
    if why := missing(name):
        raise MissingPart(why)
    ref = Ref.parse(behind)
    spec = detectors[ref.name]
    score = spec.make(ref.arg) if ref.arg else spec.make()

    def enhanced_score(clips: Sequence[Clip]) -> Sequence[float]:
        heard = []
        for clip in clips:
            require_rate(clip)
            better = resample(_cleaned(name, clip), spec.rate)
            heard.append(window(better, round(spec.seconds * spec.rate)) if spec.seconds else better)
        return score(heard)

    return enhanced_score


def _cleaned(name: str, clip: Clip) -> Clip:
    """The clip behind the enhancer ``name``. Detectors that share an enhancer share its work on the same samples."""
    key = (name, clip.rate, hashlib.blake2b(np.ascontiguousarray(clip.samples).tobytes()).digest())
    if key not in _recent:
        _recent[key] = enhancer(name)(clip)
        if len(_recent) > _KEPT:
            _recent.popitem(last=False)
    return _recent[key]
