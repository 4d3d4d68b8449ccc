"""How often a value is met in real and in synthetic speech: the reference table, and what it says of one value.

The table holds the values of every measure on development speech, class by class and sorted, and how well each tells
the classes apart. ``recipes/artefacts.py`` makes it from the train and dev parts; the test part is never read.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..calibrate import Calibration
from ..errors import BadPlan
from ..types import Estimate

Kind = Literal["real", "synthetic", "copied"]
KINDS: tuple[Kind, ...] = ("real", "synthetic", "copied")

RARE = 0.1  # a value is rare in a class where at most this share lies as far out
TIMES = 2.0  # and speaks for the other class where it is at least so many times as common there
_CLIP = 3.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One measure on the reference speech.

    direction: +1 where synthetic speech lies higher, -1 where lower, as found on the train part. values: by class,
    sorted. auroc: share of pairs of development clips in which the synthetic one lies further in that direction.
    sources: the same within each source of the development part. strong: see ``assess``.
    """

    direction: int
    values: Mapping[str, Sequence[float]]
    auroc: Estimate
    sources: Mapping[str, Estimate]
    strong: bool

    def share(self, kind: Kind, value: float, side: int) -> float:
        """Share of a class's clips that are at ``value`` or beyond it, upwards (side +1) or downwards (-1)."""
        held = self.values[kind]
        count = len(held) - bisect_left(held, value) if side > 0 else bisect_right(held, value)
        return count / len(held) if held else float("nan")

    def standing(self, value: float) -> float:
        """How real the value looks: in robust standard deviations from the median of real speech, at most 3 either way."""
        low, middle, high = np.percentile(self.values["real"], [25, 50, 75])
        spread = max(float(high - low) / 1.349, 1e-9)
        return float(np.clip(-self.direction * (value - middle) / spread, -_CLIP, _CLIP))


@dataclass(frozen=True, slots=True)
class Reference:
    """The table. measures: by name. together: the calibration of the mean standing of the strong measures, None where
    there is none. facts: where it comes from, and the figures of the combination."""

    measures: Mapping[str, Entry]
    together: Calibration | None
    facts: Mapping[str, Any]

    @property
    def strong(self) -> tuple[str, ...]:
        """Names of the strong measures, in order."""
        return tuple(name for name, entry in self.measures.items() if entry.strong)

    def measured(self, values: Mapping[str, float]) -> float | None:
        """Log-likelihood ratio, bona fide over synthetic, of the strong measures; None where one of them is unknown."""
        if self.together is None or not all(np.isfinite(values[name]) for name in self.strong):
            return None
        return float(self.together.apply([self.standing(values)])[0])

    def standing(self, values: Mapping[str, float]) -> float:
        """Mean standing of the strong measures: all count alike, so that nothing is fitted but the calibration."""
        return float(np.mean([self.measures[name].standing(values[name]) for name in self.strong]))


def load(path: Path | None = None) -> Reference:
    """The shipped table, or one of your own. Raises BadPlan where a file is none."""
    if path is None:
        return _shipped()
    try:
        return read(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadPlan(f"cannot read the reference table {path}: {error}") from None


def read(text: str) -> Reference:
    """A table from its JSON. Raises BadPlan."""
    try:
        raw = json.loads(text)
        measures = {name: _entry(one) for name, one in raw["measures"].items()}
        fitted = raw["together"]
        together = None if fitted is None else Calibration(float(fitted["scale"]), float(fitted["offset"]))
        return Reference(measures, together, raw["facts"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadPlan(
            f"this is no reference table of artefacts ({type(error).__name__}: {error}). "
            "Make one with: python recipes/artefacts.py OUT"
        ) from None


def written(table: Reference) -> str:
    """The JSON that ``read`` reads; values with five significant digits."""
    measures = {
        name: {
            "direction": entry.direction,
            "strong": entry.strong,
            "auroc": _five(entry.auroc),
            "sources": {source: _five(e) for source, e in entry.sources.items()},
            "values": {kind: list(values) for kind, values in entry.values.items()},
        }
        for name, entry in table.measures.items()
    }
    together = (
        None if table.together is None else {"scale": table.together.scale, "offset": table.together.offset}
    )
    lines = [
        f" {json.dumps(name)}: {json.dumps(one, separators=(',', ':'))}" for name, one in measures.items()
    ]
    return (
        "{\n"
        + f'"facts": {json.dumps(table.facts, ensure_ascii=False)},\n'
        + f'"together": {json.dumps(together)},\n'
        + '"measures": {\n'
        + ",\n".join(lines)
        + "\n}\n}\n"
    )


def rounded(value: float) -> float:
    """Five significant digits: what the table holds, and what a clip's value is compared with."""
    return float(f"{value:.5g}")


@lru_cache(maxsize=1)
def _shipped() -> Reference:
    return read((resources.files(__package__) / "artefacts.json").read_text(encoding="utf-8"))


def _entry(one: Mapping[str, Any]) -> Entry:
    values = {kind: tuple(sorted(map(float, one["values"][kind]))) for kind in KINDS}
    sources = {source: Estimate(*e) for source, e in one["sources"].items()}
    return Entry(int(one["direction"]), values, Estimate(*one["auroc"]), sources, bool(one["strong"]))


def _five(e: Estimate) -> list[float]:
    return [round(e.value, 4), round(e.low, 4), round(e.high, 4), e.n_bonafide, e.n_spoof]
