"""Weights that this project trained, which lie beside this file, and the cards that say what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import MissingPart, SpoofproofError

FOLDER = Path(__file__).parent
DETECTOR = (
    "lfcc-lcnn"  # what answers and explains unless told otherwise: the best single one (docs/results.md)
)


def card(name: str) -> Callable[[], Mapping[str, object]]:
    """A function that reads ``<name>.json`` beside this file; {} where that file is not there."""
    return lambda: _read(FOLDER / f"{name}.json")


def weights(name: str, ending: str, path: str) -> Path:
    """The file to load: ``path`` where one is given, else the one shipped as ``<name><ending>``.

    Raises MissingPart when it is not there, SpoofproofError when it ends in something else, or when the shipped
    file is not the one on its card.
    """
    if path:
        file = Path(path).expanduser()
        if file.suffix != ending:
            raise SpoofproofError(
                f"{name}@{path}: weights of {name} are a {ending} file, not {file.suffix or 'one without ending'}. "
                f"Make one with: spoofproof train recipes/{name}.toml"
            )
        if not file.is_file():
            raise MissingPart(
                f"{name}@{path}: no such file. Give the path of a {ending} file, or {name} alone for the shipped one"
            )
        return file
    file = FOLDER / f"{name}{ending}"
    if not file.is_file():
        raise MissingPart(
            f"the weights of {name} are not in this installation ({file.name} is missing). "
            f"Reinstall spoofproof, or make them with: spoofproof train recipes/{name}.toml"
        )
    stated = _read(FOLDER / f"{name}.json").get("weights")
    if stated is not None and stated != sha256(file):
        raise SpoofproofError(
            f"{file.name} is damaged: its SHA-256 is not the one on its card. Reinstall spoofproof"
        )
    return file


def sha256(weights: Path) -> str:
    """SHA-256 of a file, in hex; of a folder of weights, that of the names and SHA-256s of its *.safetensors."""
    if weights.is_dir():
        parts = [f"{file.name} {sha256(file)}\n" for file in sorted(weights.glob("*.safetensors"))]
        return hashlib.sha256("".join(parts).encode()).hexdigest()
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def beside(weights: Path) -> Path:
    """Where the card of weights of one's own lies: NAME.json beside a file, card.json inside a folder."""
    return weights / "card.json" if weights.is_dir() else weights.with_suffix(".json")


@lru_cache(maxsize=32)
def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
