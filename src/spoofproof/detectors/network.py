"""The one way from a network on disk to a detector: an .onnx file of ``spoofproof train``, or a published checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import runtime
from ..audio import WINDOW_SAMPLES, window
from ..errors import MissingPart, SpoofproofError
from ..shipped import card, weights
from ..types import Clip, Detector, Samples
from .prepare import prepare, require_rate

Odds = Callable[[Samples], float]


def network(name: str, path: str = "") -> Detector:
    """The detector ``name`` from its shipped .onnx, or from another at ``path``: log odds of bona fide of a prepared clip.

    Raises MissingPart when the file is not there, SpoofproofError when it is not that network.
    """
    return detector_of(*read(name, weights(name, ".onnx", path)))


def detector_of(samples: int, odds: Odds) -> Detector:
    """Prepare each clip to ``samples`` samples and score it, one at a time: a score never depends on its batch mates."""

    def score(clips: Sequence[Clip]) -> list[float]:
        return [odds(prepare(clip, samples).samples) for clip in clips]

    return score


def read(name: str, file: Path) -> tuple[int, Odds]:
    """(samples of the window, samples -> log odds of bona fide) of an .onnx that ``spoofproof train`` wrote for ``name``.

    Raises SpoofproofError for a file that is damaged, that holds another network, or that holds none of ours.
    """
    mend = f"Make one with: spoofproof train recipes/{name}.toml"
    model = runtime.network(file, what=name, mend=mend, engine=runtime.chosen())
    try:
        facts: dict[str, Any] = json.loads(model.facts["spoofproof.network"])
        found, samples = str(facts["name"]), int(facts["window"])
        (inside,), (answer,) = model.inputs, model.outputs
    except (KeyError, ValueError, TypeError) as error:
        raise SpoofproofError(f"{file} holds no {name} ({type(error).__name__}: {error}). {mend}") from None
    if found != name:
        raise SpoofproofError(f"{file} holds a {found}, not a {name}. Load it as {found}@{file}")
    return samples, lambda wave: float(model(**{inside: wave[None]})[answer].reshape(-1)[0])


def published(name: str, path: str, accepted: Sequence[str]) -> Detector:
    """The detector of a published checkpoint (.pth), run by torch: the score that the official code gives.

    That is the second logit, higher = more bona fide, of the clip as it comes: not trimmed, not levelled; its first
    64 600 samples, repeated when there are fewer. It is no log odds, and its threshold is not 0. accepted: which of
    ``nets.published`` may be in the file. Raises MissingPart without the file or torch, SpoofproofError for another file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise MissingPart(f"{name}@{path}: no such file. Give the path of a .pth or .onnx file")
    try:
        import torch

        from ..nets.published import read as read_published
    except ImportError:
        raise MissingPart.extra(f"{name}@{file.name}, a torch checkpoint,", "train") from None
    found, module = read_published(file)
    if found not in accepted:
        raise SpoofproofError(f"{file} holds a {found}, not a {name}. Load it as {found}@{file}")

    def score(clips: Sequence[Clip]) -> list[float]:
        scores = []
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # one order of sums, however many cores there are
        try:
            for clip in clips:
                require_rate(clip)
                heard = np.ascontiguousarray(window(clip, WINDOW_SAMPLES).samples[None])
                with torch.inference_mode():
                    scores.append(float(module(torch.from_numpy(heard))[0, 1]))
        finally:
            torch.set_num_threads(threads)
        return scores

    return score


def card_or(name: str, architecture: Mapping[str, object]) -> Callable[[], Mapping[str, object]]:
    """The card of the shipped weights; where none are shipped, what is known of the ``architecture`` without them."""
    known = {
        "kind": "architecture",
        "data": "none: no weights are in this installation",
        "date": "2026-11-24",
        "licence": "The code: Apache-2.0.",
        "contamination": [],
        "augmentation": [],
        "limits": "Scores nothing until weights are named or made.",
        "how": f"spoofproof train recipes/{name}.toml, then {name}@runs/train/{name}/{name}.onnx",
        **architecture,
    }
    return lambda: card(name)() or known
