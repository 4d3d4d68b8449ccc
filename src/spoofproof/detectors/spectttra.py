"""SpecTTTra α, β, γ: transformers for long audio. They ship without weights; these come by path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..errors import MissingPart, SpoofproofError
from ..registry import detector
from ..shipped import card, weights
from ..types import Detector, Samples
from .network import Odds, detector_of
from .network import read as read_network
from .prepare import RATE

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
    return detector_of(*_load(name, variant, path))


def _load(name: str, variant: str, path: str) -> tuple[int, Odds]:
    """(samples of the window, samples -> log odds of bona fide). Raises MissingPart, SpoofproofError."""
    file = Path(path).expanduser()
    if path and file.suffix in (".pth", ".bin"):
        if not file.is_file():
            raise MissingPart(f"{name}@{path}: no such file. Give the path of an .onnx, .pth or .bin file")
        return _published(name, variant, file)
    return read_network(name, weights(name, ".onnx", path))


def _published(name: str, variant: str, file: Path) -> tuple[int, Odds]:
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
