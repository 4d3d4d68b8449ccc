"""SpecTTTra α, β, γ: transformers for long audio. They ship without weights; these come by path."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import runtime
from ..errors import MissingPart, SpoofproofError
from ..registry import detector
from ..shipped import card, weights
from ..types import Clip, Detector, Samples
from .prepare import RATE, prepare

Network = Callable[[Samples], float]
_MILLIONS = {"alpha": (17, 19), "beta": (17, 21), "gamma": (17, 24)}  # at 5 s and at 120 s


def _card(variant: str) -> Callable[[], Mapping[str, object]]:
    """The card of the weights where some are shipped, else what is known without them."""
    at_5, at_120 = _MILLIONS[variant]
    name = f"spectttra-{variant}"
    return lambda: (
        card(name)()
        or {
            "kind": "architecture",
            "data": "none: it ships without weights, and scores nothing until some are named",
            "date": "2026-11-24",
            "licence": "The code: Apache-2.0. Published checkpoints bear their own.",
            "contamination": [],
            "augmentation": [],
            "parameters": f"as published {at_5} million for 5 s and {at_120} million for 120 s",
            "how": f"spoofproof train recipes/{name}.toml, then {name}@runs/train/{name}/{name}.onnx",
            "limits": (
                "Made for songs. The window is fixed when it is trained, since its positions are learnt. The published "
                "checkpoints know songs of Suno and Udio and nothing of cloned speech."
            ),
        }
    )


@detector(rate=RATE, name="spectttra-alpha", card=_card("alpha"), cost=200)
def spectttra_alpha(path: str = "") -> Detector:
    """SpecTTTra α: slices of 3 columns and 1 band, the most tokens and the best of the three in its paper.

    path: an .onnx that ``spoofproof train`` wrote for it, or a .pth or .bin in the layout in which SONICS publishes
    its checkpoints (needs torch). The window, 5 s or 120 s as published, is that of the file; a shorter clip is
    repeated to fill it. Raises MissingPart, SpoofproofError.
    """
    return _detector("alpha", path)


@detector(rate=RATE, name="spectttra-beta", card=_card("beta"), cost=100)
def spectttra_beta(path: str = "") -> Detector:
    """SpecTTTra β: slices of 5 columns and 3 bands; half the tokens of α.

    path: as of spectttra-alpha. Raises MissingPart, SpoofproofError.
    """
    return _detector("beta", path)


@detector(rate=RATE, name="spectttra-gamma", card=_card("gamma"), cost=80)
def spectttra_gamma(path: str = "") -> Detector:
    """SpecTTTra γ: slices of 7 columns and 5 bands; the fewest tokens and the fastest.

    path: as of spectttra-alpha. Raises MissingPart, SpoofproofError.
    """
    return _detector("gamma", path)


def _detector(variant: str, path: str) -> Detector:
    name = f"spectttra-{variant}"
    samples, network = _load(name, variant, path)

    def score(clips: Sequence[Clip]) -> list[float]:
        return [
            network(prepare(clip, samples).samples) for clip in clips
        ]  # one by one, as it may be minutes long

    return score


def _load(name: str, variant: str, path: str) -> tuple[int, Network]:
    """(samples of the window, samples -> log odds of bona fide). Raises MissingPart, SpoofproofError."""
    mend = f"Make one with: spoofproof train recipes/{name}.toml"
    file = Path(path).expanduser()
    if path and file.suffix in (".pth", ".bin"):
        if not file.is_file():
            raise MissingPart(f"{name}@{path}: no such file. Give the path of an .onnx, .pth or .bin file")
        return _published(name, variant, file)
    model = runtime.network(weights(name, ".onnx", path), what="SpecTTTra", mend=mend)
    try:
        facts: dict[str, Any] = json.loads(model.facts["spoofproof.network"])
        found, samples = str(facts["name"]), int(facts["window"])
        (inside,), (answer,) = model.inputs, model.outputs
    except (KeyError, ValueError, TypeError) as error:
        raise SpoofproofError(
            f"{path} holds no SpecTTTra ({type(error).__name__}: {error}). {mend}"
        ) from None
    if found != name:
        raise SpoofproofError(f"{path} holds a {found}, not a {name}. Load it as {found}@{path}")
    return samples, lambda wave: float(model(**{inside: wave[None]})[answer].reshape(-1)[0])


def _published(name: str, variant: str, file: Path) -> tuple[int, Network]:
    """A checkpoint in SONICS' layout, run by torch: the negative of its logit of "fake"."""
    try:
        import torch

        from ..nets.spectttra import read
    except ImportError:
        raise MissingPart.extra(f"a {file.suffix} of {name}", "train") from None
    settings, network = read(file)
    if settings["variant"] != variant:
        found = f"spectttra-{settings['variant']}"
        raise SpoofproofError(f"{file} holds a {found}, not a {name}. Load it as {found}@{file}")

    def odds(wave: Samples) -> float:
        with torch.no_grad():
            spoof, bonafide = network(torch.from_numpy(np.ascontiguousarray(wave[None])))[0].tolist()
        return float(bonafide - spoof)

    return network.samples, odds
