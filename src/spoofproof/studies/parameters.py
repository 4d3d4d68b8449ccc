"""How many numbers a detector has learnt: from its card, else counted in its weights file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from .. import registry
from ..errors import SpoofproofError
from ..shipped import FOLDER
from ..types import Ref

_FLOATS = {1, 10, 11, 16}  # TensorProto: float, float16, double, bfloat16


def parameters(detector: str) -> tuple[int, str]:
    """(number, where it is from) of a detector reference; (0, why) where it cannot be told.

    In this order: the card beside a weights file that is named (training writes one), the numbers in that file, the
    detector's own card, the numbers in the shipped file.
    """
    ref = Ref.parse(detector)
    path = Path(ref.arg).expanduser() if ref.arg else None
    if path is not None and path.exists():
        if stated := _stated(_card_beside(path)):
            return stated, f"the card beside {path.name}"
        if found := counted(path):
            return found, f"counted in {path.name}"
    if stated := _stated(registry.detectors[ref.name].card()):
        return stated, "its card"
    for ending in (".onnx", ".npz"):
        shipped = FOLDER / f"{ref.name}{ending}"
        if shipped.is_file() and (found := counted(shipped)):
            return found, f"counted in the shipped {shipped.name}"
    return 0, "neither a card nor a weights file says how many"


def _stated(card: Mapping[str, object]) -> int:
    """``parameters`` of a card, or of its ``model``; 0 where it says none."""
    model = card.get("model")
    for place in (card, model if isinstance(model, Mapping) else {}):
        said = place.get("parameters")
        if isinstance(said, int) and not isinstance(said, bool) and said > 0:
            return said
    return 0


def _card_beside(path: Path) -> Mapping[str, object]:
    beside = path.with_suffix(".json")
    try:
        found = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() and path.is_file() else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def counted(path: Path) -> int:
    """Floating-point numbers in an .onnx, .npz or .safetensors file, or in the safetensors files of a folder; 0 for others.

    Constants that were not learnt (windows, filters) count with them in ONNX files. Raises SpoofproofError for a file
    that is damaged.
    """
    if path.is_dir():
        return sum(counted(file) for file in sorted(path.glob("*.safetensors")))
    try:
        if path.suffix == ".onnx":
            return sum(math.prod(dims) for kind, dims in _initialisers(path.read_bytes()) if kind in _FLOATS)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return sum(int(a.size) for a in arrays.values() if a.dtype.kind == "f")
        if path.suffix == ".safetensors":
            return _safetensors(path)
    except (ValueError, OSError, IndexError, KeyError) as error:
        raise SpoofproofError(f"the parameters of {path} cannot be counted: {error}") from None
    return 0


def _safetensors(path: Path) -> int:
    """From the header alone (8 bytes of length, then JSON); the file may be larger than memory."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(t["shape"]) for name, t in header.items() if name != "__metadata__" and "F" in t["dtype"]
    )


def _initialisers(model: bytes) -> Iterator[tuple[int, list[int]]]:
    """(data type, dimensions) of each initialiser: ModelProto.graph is field 7, GraphProto.initializer 5, TensorProto
    dims 1 and data_type 2 (onnx.proto3). Read here so that no further package is needed to count."""
    for number, graph in _fields(model):
        if number != 7 or not isinstance(graph, bytes):
            continue
        for inner, tensor in _fields(graph):
            if inner != 5 or not isinstance(tensor, bytes):
                continue
            dims: list[int] = []
            kind = 0
            for key, value in _fields(tensor):
                if key == 1:
                    dims += [value] if isinstance(value, int) else _packed(value)
                elif key == 2 and isinstance(value, int):
                    kind = value
            yield kind, dims


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a protocol buffer message: numbers as int, everything with a length as bytes."""
    view, at = memoryview(message), 0
    while at < len(view):
        tag, at = _varint(view, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(view, at)
            yield tag >> 3, value
        elif wire == 2:
            size, at = _varint(view, at)
            if at + size > len(view):
                raise ValueError("it ends in the middle of a field")
            yield tag >> 3, bytes(view[at : at + size])
            at += size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError(f"it is no protocol buffer (wire type {wire})")


def _packed(data: bytes) -> list[int]:
    found, at, view = [], 0, memoryview(data)
    while at < len(view):
        value, at = _varint(view, at)
        found.append(value)
    return found


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
