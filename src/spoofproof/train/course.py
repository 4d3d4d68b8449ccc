"""What a training run hands to a trainer, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Log = Callable[..., None]


@dataclass(frozen=True)
class Course:
    """What a trainer is given besides its recipe. root: of the corpus. began: ``time.monotonic()`` of the command."""

    root: Path | None
    folder: Path
    log: Log
    progress: Callable[..., None]
    began: float


@dataclass(frozen=True)
class Made:
    """What a trainer gives back. weights: the file or folder, written. figures: by part. facts: of the model. limits: in words.
    heard: sources that the weights know besides those of the recipe's parts."""

    weights: Path
    figures: dict[str, Any]
    facts: dict[str, Any]
    limits: str
    heard: tuple[str, ...] = ()
