"""Fusion: several detectors hear the same clip, and their scores are weighed and added in the log-odds domain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import registry
from ..audio import resample, whole_file
from ..errors import BadScores, SpoofproofError
from ..registry import detector
from ..shipped import card, weights
from ..types import Clip, Detector, Ref
from .prepare import RATE, require_rate

ENDING = ".members.json"  # fusion.json beside it is the card
_MEND = 'Make one with a recipe of detector = "fusion" and: spoofproof train RECIPE.toml'


@dataclass(frozen=True, slots=True)
class Member:
    """detector: "name" or "name@argument"; a path in the argument is taken from the folder of the fusion's file first.
    weight: of its score in the sum. sha256: of its weights file, "" where it has none."""

    detector: str
    weight: float
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Fusion:
    """score = offset + Σ weight · score of a member: log odds of bona fide, by logistic regression on dev.

    Source: Brümmer and de Villiers 2011, "The BOSARIS toolkit user guide" (linear logistic regression fusion).
    """

    members: tuple[Member, ...]
    offset: float

    def save(self, path: Path) -> None:
        """Write the .json file. Raises RunConflict (disk full)."""
        facts = {"members": [asdict(m) for m in self.members], "offset": self.offset}
        with whole_file(path) as file:
            file.write(json.dumps(facts, indent=1, sort_keys=True).encode() + b"\n")

    @classmethod
    def load(cls, path: Path) -> Fusion:
        """Read what ``save`` wrote. Raises SpoofproofError for another file."""
        try:
            facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            members = tuple(
                Member(str(m["detector"]), float(m["weight"]), str(m["sha256"])) for m in facts["members"]
            )
            offset = float(facts["offset"])
            if not members or not np.isfinite([offset, *(m.weight for m in members)]).all():
                raise ValueError("no members, or a weight that is no number")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SpoofproofError(
                f"{path} holds no fusion ({type(error).__name__}: {error}). {_MEND}"
            ) from None
        return cls(members, offset)


_CARD: Mapping[str, object] = {
    "kind": "combination",
    "data": "none of its own: it ships without members; a recipe names some and fits their weights on dev",
    "date": "2026-11-24",
    "licence": "Apache-2.0",
    "contamination": [],
    "augmentation": [],
    "how": 'a recipe with detector = "fusion" and [model] members = ["lfcc-gmm", "aasist"]; then fusion@fusion.members.json',
    "limits": "As weak as what its members have in common; its weights hold for speech like that of dev.",
}


@detector(rate=RATE, name="fusion", card=lambda: card("fusion")() or _CARD, cost=50)
def fusion(path: str = "") -> Detector:
    """Fusion: a weighted sum of the scores of several detectors, fitted by logistic regression on development data.

    path: a .json file that names the members and their weights, see ``Fusion``. All of them hear the same clip. A
    member that is missing, or whose weights are not those that the fusion was fitted with, is an error.
    Raises MissingPart, UnknownName, SpoofproofError.
    """
    file = weights("fusion", ".json", path) if path else weights("fusion", ENDING, "")
    model = Fusion.load(file)
    members = [(m.weight, *member(m.detector, file.parent, m.sha256)) for m in model.members]

    def score(clips: Sequence[Clip]) -> list[float]:
        for clip in clips:
            require_rate(clip)
        total = np.full(len(clips), model.offset)
        for weight, rate, ear in members:
            total += weight * scores_of(ear, [resample(clip, rate) for clip in clips])
        return [float(x) for x in total]

    return score


def member(text: str, folder: Path, sha256: str | None = None) -> tuple[int, Detector]:
    """(rate, detector) of a member; sha256: what its weights must have, None for any.

    Raises SpoofproofError that names the member: for one that cannot be loaded, is changed, or is a fusion itself.
    """
    ref = located(text, folder)
    if ref.name == "fusion":
        raise SpoofproofError(
            f"{text} is a fusion; a fusion's members are single detectors. Name its members instead"
        )
    try:
        spec = registry.detectors[ref.name]
        found = fingerprint(ref)
        if sha256 is not None and found != sha256:
            raise SpoofproofError(
                f"its weights are not those that the fusion was fitted with (SHA-256 {found[:12] or 'none'}…, "
                f"expected {sha256[:12] or 'none'}…). Fit the fusion again, or bring the old weights back"
            )
        return spec.rate, spec.make(ref.arg) if ref.arg else spec.make()
    except SpoofproofError as error:
        raise type(error)(f"the fusion's member {text}: {error}") from None


def located(text: str, folder: Path) -> Ref:
    """The member's name and argument; an argument that is a file in ``folder`` becomes its path."""
    ref = Ref.parse(text)
    beside = folder / ref.arg
    return Ref(ref.name, str(beside)) if ref.arg and beside.is_file() else ref


def fingerprint(ref: Ref) -> str:
    """SHA-256 of the file that an argument names, else of the shipped weights as their card has it, else ""."""
    if ref.arg and Path(ref.arg).expanduser().is_file():
        return hashlib.sha256(Path(ref.arg).expanduser().read_bytes()).hexdigest()
    return "" if ref.arg else str(registry.detectors[ref.name].card().get("weights", ""))


def scores_of(ear: Detector, clips: Sequence[Clip]) -> np.ndarray:
    """A member's scores, one a clip, float64. Raises BadScores for another number of them or one that is not finite."""
    found = np.asarray(list(ear(clips)), dtype=np.float64)
    if found.shape != (len(clips),) or not np.isfinite(found).all():
        raise BadScores(
            f"a fusion's member gave {found.shape} scores for {len(clips)} clips, or one that is no number"
        )
    return found
