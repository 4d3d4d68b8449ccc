"""The table that a detector needs before it may answer: its line to log-likelihood ratios, when to say "cannot tell", and how
reliable it was. Made from development clips by ``recipes/abstain.py``; lies beside the weights as ``NAME.abstain.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import MissingPart, SpoofproofError
from ..shipped import FOLDER
from ..types import DetectorSpec, Ref

KIND = "spoofproof abstention table 1"


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of n clips, 0 to 1, with its 95 % interval, clustered by speaker and generator."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of an axis. usable: the detector may decide there (fit.py says when). misses: synthetic taken for real; accuses: real
    taken for synthetic; both when made to decide at even odds; None where a class had no clips."""

    axis: str
    low: float
    high: float
    usable: bool
    misses: Rate | None
    accuses: Rate | None


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the risk-coverage curve. clear: least log odds between one half and the interval. coverage: share of clips that
    are answered; risk: share of these answered wrongly; both with the classes weighed alike. low, high: 95 % interval of risk."""

    clear: float
    coverage: float
    risk: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Table:
    """detector, weights: which, by name and SHA-256 of its card ("" where it has none). scale, offset: llr = scale · score + offset.
    lines: the same fitted on resamples. clear: the answer is given when the interval keeps this distance in log odds from one half. span: log odds from which a window looks
    synthetic. cells: of all axes. curve: risk over coverage. made: what it was made from, for people."""

    detector: str
    weights: str
    scale: float
    offset: float
    lines: tuple[tuple[float, float], ...]
    clear: float
    span: float
    cells: tuple[Cell, ...]
    curve: tuple[Point, ...]
    made: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file; ``from_dict`` reads them back."""
        return {"kind": KIND, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Table:
        """Raises SpoofproofError for anything that ``to_dict`` did not write."""
        try:
            found = dict(values)
            if found.pop("kind") != KIND:
                raise ValueError(f"its kind is not {KIND!r}")
            found["lines"] = tuple((float(a), float(b)) for a, b in found["lines"])
            found["cells"] = tuple(_cell(cell) for cell in found["cells"])
            found["curve"] = tuple(Point(**point) for point in found["curve"])
            if not found["lines"]:
                raise ValueError("it has no lines")
            return cls(**found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpoofproofError(
                f"this is no abstention table ({type(error).__name__}: {error}); make one with recipes/abstain.py"
            ) from None


def load(detector: str, spec: DetectorSpec, file: Path | None = None) -> Table:
    """The table of a detector: from ``file``, or the one shipped with its weights.

    Raises MissingPart when there is none (scores of a detector without one mean nothing to a reader), SpoofproofError when it was
    made for other weights.
    """
    how = f"Make one from development data: python recipes/abstain.py fit DATA --detector {detector} --table FILE"
    path = file or FOLDER / f"{detector.replace('/', '_')}.abstain.json"
    ref = Ref.parse(detector)
    if file is None and (":" in ref.name or ref.arg):
        raise MissingPart(f"{detector} comes without an abstention table; give it with --table FILE. {how}")
    if not path.is_file():
        raise MissingPart(f"there is no abstention table {path.name} for {detector}. {how}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpoofproofError(f"{path} cannot be read as JSON ({error}). {how}") from None
    table = Table.from_dict(values)
    if table.detector != detector:
        raise SpoofproofError(f"{path.name} was made for {table.detector}, not for {detector}. {how}")
    weights = weights_of(spec, ref)
    if table.weights != weights:
        raise SpoofproofError(
            f"{path.name} was made for other weights of {detector} than are installed. {how}"
        )
    return table


def weights_of(spec: DetectorSpec, ref: Ref) -> str:
    """SHA-256 of the weights as on the card; of the file where a path is given; "" where nothing is known."""
    from ..shipped import sha256

    if ref.arg:
        path = Path(ref.arg).expanduser()
        return sha256(path) if path.exists() else ""
    return str(spec.card().get("weights", "") or "")


def _cell(values: Mapping[str, Any]) -> Cell:
    found = dict(values)
    for name in ("misses", "accuses"):
        found[name] = None if found[name] is None else Rate(**found[name])
    return Cell(**found)
