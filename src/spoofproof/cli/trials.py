"""Trials for a command: a corpus by its name, and how many of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..types import Trial


def open_corpus(
    text: str, *, size: int, speech: Path | None, progress: Callable[..., None]
) -> tuple[Sequence[Trial], dict[str, Any]]:
    """Trials and the facts for the record. Only the built-in corpus is made on the spot, and can tell how."""
    from ..registry import read_corpus

    name, _, root = text.partition(":")
    if name != "builtin":
        return read_corpus(text), {"name": text}
    from ..corpora.builtin import builtin, builtin_facts

    options: dict[str, Any] = {"size": size} if size else {}
    folder = speech or (Path(root) if root else None)
    trials = builtin(folder, progress=progress, **options)
    return trials, {"name": "builtin", "facts": builtin_facts(trials)}


def limited(trials: Sequence[Trial], limit: int, seed: int) -> Sequence[Trial]:
    """At most ``limit`` trials of each part and class, drawn by the seed, in the corpus's order."""
    from ..streams import stream

    keep: set[str] = set()
    for part, label in sorted({(t.part, t.label) for t in trials}):
        ids = sorted(t.id for t in trials if (t.part, t.label) == (part, label))
        order = stream(seed, "limit", part, label).permutation(len(ids))
        keep.update(ids[i] for i in order[:limit])
    return [t for t in trials if t.id in keep]
