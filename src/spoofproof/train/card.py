"""The card that is written beside trained weights: what they are, what they heard, how well, and what they cannot do."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..shipped import sha256
from .data import Example, Parts
from .recipe import Recipe

LIMITS = (
    "Trained on 1 207 short clips of few sources. It hears two cues only: trajectories of the cepstra that are smoother "
    "than those of recorded speech, and the traces of old vocoders. Added noise roughens the trajectories and hides the "
    "first cue; smoothing codecs imitate it. Log odds are calibrated on a small development part at equal priors. "
    "For measuring robustness, not for judging anyone's recording."
)


def card_of(
    recipe: Recipe,
    file: str,
    parts: Parts,
    figures: Mapping[str, Any],
    facts: Mapping[str, Any],
    weights: Path,
) -> dict[str, Any]:
    """The card as JSON, see docs/detectors.md. figures: by part. facts: what the trainer tells of the model."""
    return {
        "kind": "detector",
        "made_with": f"spoofproof {__version__}, recipe {file}",
        "date": datetime.now(UTC).date().isoformat(),
        "recipe": file,
        "recipe_sha256": hashlib.sha256(recipe.text.encode()).hexdigest(),
        "weights": sha256(weights),
        "bytes": weights.stat().st_size,
        "score": "log odds of bona fide at equal priors, natural logarithm; higher is more bona fide",
        "data": {
            "corpus": recipe.data.corpus,
            "parts": "train for learning, dev for selection and calibration; no other part was read",
            "train": _count(parts.train),
            "dev": _count(parts.dev),
            "left_out": list(recipe.data.leave_out),
        },
        "contamination": sorted({e.trial.source for e in (*parts.train, *parts.dev)}),
        "augmentation": list(recipe.augment.conditions),
        "held_out": list(recipe.augment.held_out),
        "copy_synthesis": list(recipe.augment.copy_synthesis),
        "figures": {"auroc": figures},
        "model": dict(facts),
        "licence": (
            "Weights: Apache-2.0. The clips they were trained on bear various licences, some unstated; none of them is "
            "part of the weights file or of this package."
        ),
        "limits": LIMITS,
    }


def _count(examples: tuple[Example, ...]) -> dict[str, Any]:
    """Clips by kind, and bona fide and spoofed clips of each source."""
    own = [e for e in examples if not e.maker]
    sources = Counter((e.trial.source, e.trial.label) for e in own)
    return {
        **Counter(e.kind for e in examples),
        "sources": {
            source: {label: n for (s, label), n in sorted(sources.items()) if s == source}
            for source in sorted({s for s, _ in sources})
        },
    }
