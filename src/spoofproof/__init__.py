"""Spoofproof: how far a speech deepfake detector can be trusted once the audio has been through the real world.

Importing this package loads no heavy library: every public name is fetched from its module at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Answer": "detect.answer",
    "BadAudio": "errors",
    "BadCorpus": "errors",
    "BadPlan": "errors",
    "BadScores": "errors",
    "Clip": "types",
    "Condition": "types",
    "Corruption": "types",
    "Detector": "types",
    "Estimate": "types",
    "Metric": "types",
    "MissingPart": "errors",
    "Plan": "plan",
    "Ref": "types",
    "RunConflict": "errors",
    "ScoreTable": "scores",
    "SpoofproofError": "errors",
    "Trial": "types",
    "UnknownName": "errors",
    "corpus": "registry",
    "corrupt": "corrupt",
    "corruption": "registry",
    "detect": "detect",
    "detector": "registry",
    "metric": "registry",
    "open_audio": "audio",
    "read_corpus": "registry",
    "run": "bench",
    "save_audio": "audio",
}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(
            f"module 'spoofproof' has no attribute {name!r}; it has: {', '.join(sorted(_HOMES))}"
        )
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


if TYPE_CHECKING:
    from .audio import open_audio, save_audio
    from .bench import run
    from .corrupt import corrupt
    from .detect import detect
    from .detect.answer import Answer
    from .errors import (
        BadAudio,
        BadCorpus,
        BadPlan,
        BadScores,
        MissingPart,
        RunConflict,
        SpoofproofError,
        UnknownName,
    )
    from .plan import Plan
    from .registry import corpus, corruption, detector, metric, read_corpus
    from .scores import ScoreTable
    from .types import Clip, Condition, Corruption, Detector, Estimate, Metric, Ref, Trial
