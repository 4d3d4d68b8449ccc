"""The card that is written beside trained weights: what they are, what they heard, how well, and what they cannot do."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from .. import __version__
from ..shipped import sha256
from .course import Made
from .data import Example, Parts
from .mixtures import GMM, TABLES
from .recipe import Recipe


def card_of(recipe: Recipe, file: str, parts: Parts, made: Made) -> dict[str, Any]:
    """The card as JSON, see docs/detectors.md. file: the recipe's name."""
    figures = {"auroc": made.figures} if recipe.detector == GMM else made.figures
    return {
        "kind": "detector",
        "made_with": f"spoofproof {__version__}, recipe {file}",
        "date": datetime.now(UTC).date().isoformat(),
        "recipe": file,
        "recipe_sha256": hashlib.sha256(recipe.text.encode()).hexdigest(),
        "weights": sha256(made.weights),
        "bytes": sum(
            file.stat().st_size for file in (made.weights, *made.weights.glob("*")) if file.is_file()
        ),
        "score": "log odds of bona fide at equal priors, natural logarithm; higher is more bona fide",
        "data": {
            "corpus": recipe.data.corpus,
            "parts": "train for learning, dev for selection and calibration; no other part was read",
            "train": _count(parts.train),
            "dev": _count(parts.dev),
            "left_out": list(recipe.data.leave_out),
            **({"extra": list(recipe.data.extra)} if recipe.data.extra else {}),
        },
        "contamination": sorted({e.trial.source for e in (*parts.train, *parts.dev)} | {*made.heard}),
        "augmentation": list(recipe.augment.conditions),
        "held_out": list(recipe.augment.held_out),
        "copy_synthesis": list(recipe.augment.copy_synthesis),
        **({} if recipe.detector in TABLES else {"live": asdict(recipe.live)}),
        "figures": figures,
        "model": made.facts,
        "licence": (
            "Weights: Apache-2.0. The clips they were trained on bear various licences, some unstated; none of them is "
            "part of the weights file or of this package."
        ),
        "limits": made.limits,
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
