"""Folders of recorded noises and room responses, when somebody has some: found, sorted by kind, read at any rate."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..audio import open_audio
from ..errors import BadCorpus
from ..types import Rng, Samples

NOISE = "SPOOFPROOF_NOISE"
ROOMS = "SPOOFPROOF_RIR"
OTHER = "other"  # recordings of no kind that has a name here
_ENDINGS = {".wav", ".flac", ".ogg", ".mp3", ".opus", ".m4a", ".aif", ".aiff"}
_TABLE = "noise-and-rooms.csv"
_LONGEST = 60.0  # seconds read of a recording
_FADE = 0.05  # seconds of cross-fade where a recording is repeated
_WORDS: Mapping[str, tuple[str, ...]] = {
    "babble": ("babble", "crowd", "cafe", "cafeteria", "restaurant", "party"),
    "wind": ("wind",),
    "rain": ("rain",),
    "footsteps": ("footstep", "footsteps", "steps", "walking"),
    "breathing": ("breath", "breathing", "breathe"),
    "coughing": ("cough", "coughing", "coughs"),
    "clock_tick": ("clock", "tick", "ticking"),
    "sneezing": ("sneeze", "sneezing", "sneezes"),
    "music": ("music", "song", "piano", "guitar", "orchestra"),
}


def folder(variable: str) -> Path | None:
    """The folder that an environment variable names, None where it is not set."""
    value = os.environ.get(variable, "")
    return Path(value).expanduser() if value else None


def trouble(variable: str) -> str:
    """Why the folder that ``variable`` names cannot be used, in a sentence; "" when it can, or is not set."""
    root = folder(variable)
    if root is None:
        return ""
    if not root.is_dir():
        return f"{variable} names {root}, which is not a folder. Name one that holds audio files, or unset it"
    if not files(root):
        return f"{variable} names {root}, which holds no audio file. Name another folder, or unset it"
    return ""


@lru_cache(maxsize=8)
def files(root: Path) -> tuple[Path, ...]:
    """All audio files below ``root``, sorted by name, so that a draw means the same file on every machine."""
    found = (path for path in root.rglob("*") if path.suffix.lower() in _ENDINGS)
    return tuple(sorted(found, key=lambda path: path.relative_to(root).as_posix()))


def in_use() -> dict[str, str]:
    """The folders that are set, each with a SHA-256 over names and sizes of its recordings: a run's record holds it."""
    found = {}
    for variable in (NOISE, ROOMS):
        root = folder(variable)
        if root is not None and root.is_dir():
            listed = "\n".join(f"{p.relative_to(root).as_posix()} {p.stat().st_size}" for p in files(root))
            found[variable] = hashlib.sha256(listed.encode()).hexdigest()
    return found


@lru_cache(maxsize=8)
def by_kind(root: Path) -> Mapping[str, tuple[Path, ...]]:
    """The recordings below ``root`` by kind of noise; those of no known kind under "other".

    The kind is a word of the column ``condition`` in a table noise-and-rooms.csv (columns path, condition; in the
    folder or the one above it), else of the file's name, else of a folder's, from the innermost outwards.
    """
    table = _conditions(root)
    kinds: dict[str, list[Path]] = {}
    for path in files(root):
        names = [
            table.get(path.resolve(), ""),
            path.stem,
            *reversed(path.relative_to(root).parent.parts),
            root.name,
        ]
        kinds.setdefault(next(filter(None, map(_kind, names)), OTHER), []).append(path)
    return {kind: tuple(paths) for kind, paths in kinds.items()}


def recorded(paths: tuple[Path, ...], samples: int, rate: int, rng: Rng) -> Samples:
    """One of ``paths`` drawn, from a random place on, repeated with a cross-fade where it is short; shape (samples,).

    Raises BadAudio for a file that cannot be read, BadCorpus for one that is silent.
    """
    path = paths[int(rng.integers(len(paths)))]
    place = float(rng.random())
    noise = read(path, rate)
    if not noise.any():
        raise BadCorpus(f"{path} is silent; take it out of the folder that {NOISE} names")
    if noise.size > samples:
        start = int(place * (noise.size - samples + 1))
        piece = noise[start : start + samples]
        if piece.any():
            return piece
    return looped(noise, samples, int(place * noise.size), round(_FADE * rate))


def looped(noise: Samples, samples: int, start: int, fade: int) -> Samples:
    """``samples`` samples of ``noise`` without end, from ``start`` on.

    Each end is faded into the beginning over ``fade`` samples (at most half of it) with constant power.
    """
    fade = min(fade, noise.size // 2)
    loop = noise.copy() if not fade else noise[fade:].copy()
    if fade:
        angle = (np.arange(fade, dtype=np.float32) + 0.5) * np.float32(np.pi / 2 / fade)
        loop[-fade:] = noise[-fade:] * np.cos(angle) + noise[:fade] * np.sin(angle)
    return np.asarray(np.take(loop, np.arange(start, start + samples), mode="wrap"))


@lru_cache(maxsize=32)
def read(path: Path, rate: int) -> Samples:
    """The first minute of a recording at ``rate`` Hz. Raises BadAudio."""
    return open_audio(path, rate, _LONGEST).samples


def _kind(name: str) -> str:
    words = set(re.split(r"[^a-z]+", name.lower()))
    return next((kind for kind, known in _WORDS.items() if words.intersection(known)), "")


def _conditions(root: Path) -> Mapping[Path, str]:
    for base in (root, root.parent):
        if (base / _TABLE).is_file():
            with (base / _TABLE).open(newline="", encoding="utf-8") as file:
                return {
                    (base / row["path"]).resolve(): row["condition"]
                    for row in csv.DictReader(file)
                    if row.get("path") and row.get("condition")
                }
    return {}
