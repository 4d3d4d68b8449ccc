"""Published weights that are too large, or not ours, to ship: where they lie and how they get there.

A set is looked for in the folder that its environment variable names, in ``$SPOOFPROOF_DATA/weights/NAME`` and in the
user's cache, in this order; every file is checked against the SHA-256 written here before it is used.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .audio import whole_file
from .errors import MissingPart, UnknownName

BASE = "SPOOFPROOF_WEIGHTS_URL"
_TIMEOUT = 60.0  # seconds without a byte


@dataclass(frozen=True, slots=True)
class Weights:
    """variable: the environment variable that names their folder. files: SHA-256 (hexadecimal) by file name."""

    variable: str
    files: Mapping[str, str]


SETS: Mapping[str, Weights] = {
    "dtln": Weights(
        "SPOOFPROOF_DTLN",
        {
            "model_1.onnx": "22b91cae3855e5a0620e66a917ca6c82c58db0e842c770f58d86751c5e8d4ae3",
            "model_2.onnx": "e20c92f9233fccf29cddf86970d0d0161a03aebccc26d6f4d5639c4d5ec2e639",
        },
    ),
    "lyra": Weights(
        "SPOOFPROOF_LYRA",
        {
            "soundstream_encoder.tflite": "237da0b16226fb0a68d49551c81bebf614e42142af72764448359f68581e88f1",
            "quantizer.tflite": "841ee05989687d32d1f616a8ad1419fc7eda37599d3c05c7cf5a0d60ccf8ac5c",
            "lyragan.tflite": "50e7839cda4f30599a3a34cfaddcd9c98449b049eee884e1a74295780448ad06",
        },
    ),
}


def folder(name: str) -> Path | None:
    """The first folder that holds every file of the set ``name``, None where there is none. Raises UnknownName."""
    return next(
        (place for place in _places(name) if all((place / file).is_file() for file in _set(name).files)), None
    )


def missing(name: str) -> str:
    """ "" where the set ``name`` is here, else one sentence with every way to get it."""
    if folder(name) is not None:
        return ""
    return (
        f"the weights of {name} ({', '.join(_set(name).files)}) are not here: set {_set(name).variable} to their folder, "
        f"put them into {_shown(_cache(name))}, or set {BASE} to an address that serves {name}/FILE and run: spoofproof fetch {name}"
    )


def read(place: Path, name: str) -> dict[str, bytes]:
    """The bytes of every file of the set ``name`` in the folder ``place``. Raises MissingPart where one is not the published one."""
    found = {}
    for file, expected in _set(name).files.items():
        found[file] = (place / file).read_bytes()
        if (actual := _sha256(found[file])) != expected:
            raise MissingPart(
                f"{place / file} is not the published file: its SHA-256 is {actual}, expected {expected}. "
                f"Delete it and run: spoofproof fetch {name}"
            )
    return found


def fetch(name: str) -> Path:
    """Download the set ``name`` into the user's cache, file by file, each verified before it appears; its folder.

    The address is ``$SPOOFPROOF_WEIGHTS_URL/NAME/FILE``. What is there and right is not fetched again.
    Raises UnknownName for an unknown set, MissingPart without an address, for one that does not answer, and for bytes
    with another checksum; RunConflict when the disk is full.
    """
    target = _cache(name)
    for file, expected in _set(name).files.items():
        path = target / file
        if path.is_file() and _sha256(path.read_bytes()) == expected:
            continue
        base = os.environ.get(BASE, "").rstrip("/")
        if not base:
            raise MissingPart(
                f"no address to fetch {name} from: set {BASE} to one that serves {name}/{file} "
                f"(https://…, or file:///… for a folder), or copy the files into {target}"
            )
        download(f"{base}/{name}/{file}", path, expected)
    return target


def download(url: str, path: Path, sha256: str) -> None:
    """Write what ``url`` serves to ``path`` if its SHA-256 is ``sha256`` (hexadecimal). Raises MissingPart, RunConflict."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            content = answer.read()
    except (OSError, ValueError) as error:  # URLError and time-outs are OSErrors; ValueError: not an address
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise MissingPart(f"cannot fetch {url}: {reason}. Check {BASE} and the network") from error
    actual = _sha256(content)
    if actual != sha256:
        raise MissingPart(
            f"{url} served other bytes than the published file: SHA-256 {actual}, expected {sha256}. Nothing was written"
        )
    with whole_file(path) as out:
        out.write(content)


def _set(name: str) -> Weights:
    if name not in SETS:
        raise UnknownName.among("set of weights", name, SETS)
    return SETS[name]


def _places(name: str) -> list[Path]:
    own, shared = os.environ.get(_set(name).variable), os.environ.get("SPOOFPROOF_DATA")
    places = [Path(own).expanduser()] if own else []
    if shared:
        places.append(Path(shared).expanduser() / "weights" / name)
    return [*places, _cache(name)]


def _cache(name: str) -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "spoofproof" / "weights" / name


def _shown(path: Path) -> str:
    """A path for a report that others read: the home folder stays unnamed."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
