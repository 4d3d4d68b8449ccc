"""The card beside a trained generator: what it is, what it heard, how near it comes, and what it cannot do."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ... import __version__
from ...shipped import sha256
from .data import Speech
from .recipe import Recipe

LIMITS = {
    "neural-vocoder": (
        "Trained on little speech at 16 kHz for minutes on a processor. Nothing above 8 kHz, one speaker at a time, no "
        "music. Measured, not listened to. For making spoofed trials, not for producing speech."
    ),
    "neural-codec": (
        "Trained on little speech at 16 kHz for minutes on a processor. Speech only: it keeps a mel spectrogram and no "
        "phase, and the vocoder sounds it, so that music and noise come out rough. Measured, not listened to. A "
        "corruption for measuring detectors, not a format for keeping sound."
    ),
}


def card_of(
    recipe: Recipe,
    file: str,
    train: Speech,
    dev: Speech,
    figures: Mapping[str, Mapping[str, float]],
    facts: Mapping[str, Any],
    weights: Path,
) -> dict[str, Any]:
    """The card as JSON. figures: by part; facts: what the export tells of the network."""
    return {
        "kind": "generator",
        "made_with": f"spoofproof {__version__}, recipe {file}",
        "date": datetime.now(UTC).date().isoformat(),
        "recipe": file,
        "recipe_sha256": hashlib.sha256(recipe.text.encode()).hexdigest(),
        "weights": sha256(weights),
        "bytes": weights.stat().st_size,
        "data": {
            "corpus": recipe.corpus,
            "parts": "bona fide clips: train for learning, dev for selection; no other part was read",
            "train": _count(train),
            "dev": _count(dev),
        },
        "contamination": sorted({t.source for t in (*train.trials, *dev.trials)}),
        "figures": {
            part: {key: round(value, 4) for key, value in sorted(found.items())}
            for part, found in figures.items()
        },
        "figures_are": "mean distances in nats (see train.generative.losses.Distance); a codec's at half its stages",
        "model": dict(facts),
        "licence": (
            "Weights: Apache-2.0. The clips they were trained on bear various licences, some unstated; none of them is "
            "part of the weights file or of this package."
        ),
        "limits": LIMITS[recipe.generator],
    }


def _count(speech: Speech) -> dict[str, Any]:
    return {
        "bonafide": len(speech.trials),
        "minutes": round(speech.seconds / 60, 1),
        "sources": dict(sorted(Counter(t.source for t in speech.trials).items())),
    }
