"""Two runs and what they have in common: the same experiment, the same trials, which detector stands against which."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunConflict, UnknownName
from ..scores import Cell, ScoreTable, cell_path, condition_path, read_cell, read_record, read_trials
from ..types import Trial

_SAME = {
    "format": "version of the run folder",
    "seed": "seed",
    "window": "window",
    "recordings": "recordings behind the corruptions",
}
_SHARED = "To compare over what both have, say --shared."


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of two runs; its cells are read when they are asked for, one at a time."""

    run: Path
    record: Mapping[str, Any]
    trials: tuple[Trial, ...]
    facts: Mapping[str, Mapping[str, Any]]

    @classmethod
    def open(cls, run: Path | str) -> Side:
        """Read the record, the trials and the facts of a run folder. Raises RunConflict when it is not a run."""
        run = Path(run)
        record = read_record(run)
        facts = {
            name: json.loads(path.read_text(encoding="utf-8"))
            for name in record["conditions"]
            if (path := condition_path(run, name)).exists()
        }
        return cls(run, record, read_trials(run / "trials.parquet"), facts)

    @property
    def detectors(self) -> list[str]:
        """Detector names in the plan's order."""
        return list(self.record["detectors"])

    @property
    def conditions(self) -> list[str]:
        """Conditions in the plan's order."""
        return list(self.record["conditions"])

    def cell(self, detector: str, condition: str) -> Cell | None:
        """A cell, None where it has not been scored. Raises BadScores when the file is damaged."""
        path = cell_path(self.run, detector, condition)
        return read_cell(path) if path.exists() else None

    def table(self, cells: Mapping[tuple[str, str], Cell] | None = None) -> ScoreTable:
        """The run without its cells, or with these."""
        return ScoreTable(self.record, self.trials, cells or {}, self.facts)

    def is_heavy(self, detector: str) -> bool:
        """Whether a detector heard the plan's sub-sample only."""
        return bool(self.record.get("heavy") and self.record["detectors"][detector].get("heavy"))

    def meant(self, detector: str, condition: str) -> bool:
        """Whether the plan gives a condition to a detector."""
        return not self.is_heavy(detector) or condition in self.record["heavy"]["conditions"]

    def heard(self, detector: str) -> frozenset[str] | None:
        """Ids of the trials that a heavy detector was to hear, None for all of them."""
        return frozenset(self.record["heavy"]["trials"]) if self.is_heavy(detector) else None


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """What is compared. pairs: (detector of the baseline, of the candidate). trials: the shared eval trials, in the order,
    and with the speakers and attacks, of the baseline. unlike: conditions whose audio was not the same in both."""

    baseline: Side
    candidate: Side
    pairs: tuple[tuple[str, str], ...]
    conditions: tuple[str, ...]
    trials: tuple[Trial, ...]
    unlike: frozenset[str]
    notes: tuple[str, ...]


def match(baseline: Side, candidate: Side, *, pairs: Sequence[str] = (), shared: bool = False) -> Match:
    """Find out what two runs have in common.

    pairs: "old=new", which detector of the baseline stands against which of the candidate; by default those of the same
    name, or the only one of each. shared: compare over the trials and conditions that both have where they differ.

    Raises RunConflict: another window, seed or recordings; a trial with two labels; other trials or conditions and not
    ``shared``; nothing in common. Raises UnknownName for a detector that is not there.
    """
    _same_experiment(baseline, candidate)
    trials = _trials(baseline, candidate, shared)
    conditions = _conditions(baseline, candidate, shared)
    found = _pairs(baseline, candidate, pairs)
    left = [d for d in baseline.detectors if d not in {old for old, _ in found}]
    added = [d for d in candidate.detectors if d not in {new for _, new in found}]
    notes = []
    if left:
        notes.append(f"not compared, in the baseline only: {', '.join(left)}")
    if added:
        notes.append(f"not compared, in the candidate only: {', '.join(added)}")
    counts = [sum(t.part == "eval" for t in side.trials) for side in (baseline, candidate)]
    if counts != [len(trials)] * 2:
        notes.append(
            f"over the {len(trials)} eval trials that both runs have (baseline {counts[0]}, candidate {counts[1]})"
        )
    if shared and {*baseline.conditions} != {*candidate.conditions}:
        notes.append(f"over the {len(conditions)} conditions that both plans have")
    notes += _frozen_alike(baseline, candidate)
    unlike = frozenset(c for c in conditions if _unlike(baseline, candidate, c))
    return Match(baseline, candidate, tuple(found), tuple(conditions), tuple(trials), unlike, tuple(notes))


def _same_experiment(baseline: Side, candidate: Side) -> None:
    differ = [
        f"{word} ({_short(a)} against {_short(b)})"
        for key, word in _SAME.items()
        if (a := baseline.record.get(key)) != (b := candidate.record.get(key))
    ]
    if differ:
        raise RunConflict(
            f"{baseline.run} and {candidate.run} are not the same experiment: different {', '.join(differ)}. A difference "
            "of scores would be one of audio too. Score the candidate with the plan and the seed of the baseline."
        )


def _trials(baseline: Side, candidate: Side, shared: bool) -> list[Trial]:
    mine, its = ({t.id: t for t in side.trials if t.part == "eval"} for side in (baseline, candidate))
    both = [t for name, t in mine.items() if name in its]
    turned = [t.id for t in both if its[t.id].label != t.label]
    if turned:
        raise RunConflict(
            f"{len(turned)} trials are bona fide in one run and spoof in the other, such as {turned[0]!r}; the runs cannot be "
            "compared until one of the corpora is mended"
        )
    if len(both) < max(len(mine), len(its)) and not (shared and both):
        raise RunConflict(
            f"the runs are over other trials: {len(both)} are shared, of {len(mine)} eval trials in {baseline.run} and "
            f"{len(its)} in {candidate.run}. " + (_SHARED if both else "Nothing can be paired.")
        )
    counts = [sum(t.label == label for t in both) for label in ("bonafide", "spoof")]
    if not all(counts):
        raise RunConflict(f"the {len(both)} shared eval trials are of one class only; both are needed")
    return both


def _conditions(baseline: Side, candidate: Side, shared: bool) -> list[str]:
    its = {*candidate.conditions}
    both = [c for c in baseline.conditions if c in its]
    only = [c for c in baseline.conditions if c not in its]
    more = [c for c in candidate.conditions if c not in {*both}]
    if (only or more) and not (shared and both):
        raise RunConflict(
            f"the runs have other plans: {len(both)} conditions are shared"
            + (f", {len(only)} only in {baseline.run} ({_few(only)})" if only else "")
            + (f", {len(more)} only in {candidate.run} ({_few(more)})" if more else "")
            + f". {_SHARED if both else 'Nothing can be compared.'}"
        )
    return both


def _pairs(baseline: Side, candidate: Side, texts: Sequence[str]) -> list[tuple[str, str]]:
    if texts:
        found = [_pair(baseline, candidate, text) for text in texts]
        if len({new for _, new in found}) < len(found) or len({old for old, _ in found}) < len(found):
            raise RunConflict(f"--pair names a detector twice: {', '.join(texts)}")
        return found
    same = [(d, d) for d in baseline.detectors if d in candidate.detectors]
    if not same and len(baseline.detectors) == len(candidate.detectors) == 1:
        return [(baseline.detectors[0], candidate.detectors[0])]
    if not same:
        raise RunConflict(
            f"no detector is in both runs: {', '.join(baseline.detectors)} in {baseline.run}, "
            f"{', '.join(candidate.detectors)} in {candidate.run}. Say which stands against which: --pair OLD=NEW"
        )
    return same


def _pair(baseline: Side, candidate: Side, text: str) -> tuple[str, str]:
    """OLD=NEW; a name may hold an = of its own."""
    cuts = [(text[:i], text[i + 1 :]) for i, character in enumerate(text) if character == "="]
    fits = [(old, new) for old, new in cuts if old in baseline.detectors and new in candidate.detectors]
    if len(fits) == 1:
        return fits[0]
    if not cuts or len(fits) > 1:
        raise RunConflict(f"--pair {text!r} cannot be read; expected OLD=NEW, detectors of the two runs")
    old, new = cuts[0]
    if old not in baseline.detectors:
        raise UnknownName.among("detector of the baseline", old, baseline.detectors)
    raise UnknownName.among("detector of the candidate", new, candidate.detectors)


def _frozen_alike(baseline: Side, candidate: Side) -> list[str]:
    mine, its = ({t.id for t in side.trials if t.part == "dev"} for side in (baseline, candidate))
    if mine == its:
        return []
    return ["thresholds are frozen on other dev trials in the two runs: each its own, as each would be used"]


def _unlike(baseline: Side, candidate: Side, condition: str) -> bool:
    """Whether both runs wrote down what was heard, over the same trials, and it was not the same."""
    if any(side.facts.get(condition, {}).get("status") != "ok" for side in (baseline, candidate)):
        return False
    if [t.id for t in baseline.trials] != [t.id for t in candidate.trials]:
        return False
    if _everything_heard(baseline) != _everything_heard(candidate):
        return False
    return bool(baseline.facts[condition].get("digest") != candidate.facts[condition].get("digest"))


def _everything_heard(side: Side) -> object:
    """What the digests of a run are over: all trials, or the sub-sample where only heavy detectors are in it."""
    light = any(not side.is_heavy(d) for d in side.detectors)
    return True if light else tuple(side.record["heavy"]["trials"])


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:77]}…"
