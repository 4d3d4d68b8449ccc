"""Is this recording real? ``spoofproof.detect(path)``, and all that the answer rests on.

inputs.py        what a person may point at → recordings
stream.py        a recording of any length → windows, in bounded memory
listen.py        windows → scores, and the quality of the recording
frames.py, speech.py, quality.py    speech, noise, bandwidth, clipping, traces of codecs
table.py         what was measured of the detector on development clips; fit.py makes it
calibration.py   scores → log-likelihood ratio, probability, interval
axes.py, reliability.py, verdict.py    what may be said on audio of such quality
judge.py         the whole, once for each recording; answer.py: what comes out
batch.py, text.py, tables.py, page.py   thousands of recordings; answers for people and for programs

The room itself can be called, since it has the name of the function: ``spoofproof.detect("call.wav")``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..types import Clip
    from .answer import Answer
    from .judge import detect

__all__ = ["detect"]


class _Room(ModuleType):
    """A module that answers like the function of its name."""

    def __call__(
        self, source: Path | str | Clip, *, detector: str = "", prior: float = 0.5, table: Path | None = None
    ) -> Answer:
        from ..shipped import DETECTOR
        from .judge import detect

        return detect(source, detector=detector or DETECTOR, prior=prior, table=table)


def __getattr__(name: str) -> object:
    if name == "detect":
        from .judge import detect

        return detect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


sys.modules[__name__].__class__ = _Room
