"""The folder of a training run: whose it is, and the log in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..audio import whole_file
from ..errors import RunConflict


def claim(folder: Path, text: str, same: Callable[[str], bool] = lambda kept: False) -> None:
    """Take ``folder`` for the recipe ``text``; ``same(kept)`` says that the one found there differs in nothing that matters.

    Raises RunConflict when the folder holds another recipe's run.
    """
    kept = folder / "recipe.toml"
    found = kept.read_text(encoding="utf-8") if kept.exists() else None
    if found is not None and found != text and not same(found):
        raise RunConflict(
            f"{folder} holds a run of another recipe (see {kept.name} in it); nothing was changed. "
            "Choose another --out, or delete that folder"
        )
    if found != text:
        with whole_file(kept) as file:
            file.write(text.encode())


class Journal:
    """A log of JSON lines, one an event; whole lines are appended, so that a kill loses at most the last."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, **event: Any) -> None:
        line = json.dumps({"time": round(time.time(), 1), **event}, ensure_ascii=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
