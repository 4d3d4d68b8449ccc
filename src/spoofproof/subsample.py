"""What heavy detectors hear: a declared, paired part of the trials and levels of a run.

A network that needs a third of a second of a core for each clip would turn minutes into hours. A plan can therefore
say that detectors beyond some cost hear fewer trials and fewer levels. Which ones depends on the plan's seed alone:
every heavy detector hears the same trials under every condition, so that all differences stay paired.

A run on a budget (``Reach``) goes into one random order of the trials, the same for all conditions and detectors, as deep
as time allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import registry
from .errors import BadPlan, UnknownName
from .streams import stream
from .types import CLEAN, LABELS, Condition, Ref, Trial

LEVELS = ("mildest", "middle", "severest")
CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Heavy:
    """above: a detector that declares a higher cost (ms a clip on one core) hears the sub-sample. eval, dev: trials of each
    class, at least 1 and 0. levels: which of each corruption's levels in the plan, of LEVELS. controls: which controls,
    by name; no other control is heard. Raises BadPlan, UnknownName.
    """

    above: float
    eval: int
    dev: int
    levels: tuple[str, ...]
    controls: tuple[str, ...] = ("identity",)

    def __post_init__(self) -> None:
        if not self.above >= 0 or self.eval < 1 or self.dev < 0:
            raise BadPlan(
                "in [heavy] above is a cost in ms a clip, at least 0; eval (at least 1) and dev (at least 0) count trials of "
                f"each class; got above = {self.above:g}, eval = {self.eval}, dev = {self.dev}"
            )
        for level in self.levels:
            if level not in LEVELS:
                raise UnknownName.among("level in [heavy]", level, LEVELS)
        if not self.levels:
            raise BadPlan(f"levels in [heavy] names at least one of {', '.join(LEVELS)}")
        known = [spec.name for spec in registry.corruptions if spec.family == CONTROL]
        for name in self.controls:
            if name not in known:
                raise UnknownName.among("control in [heavy]", name, known)

    def covers(self, detector: str) -> bool:
        """Whether ``detector`` (NAME or NAME@ARGUMENT) declares a cost beyond ``above``. Raises UnknownName."""
        return registry.detectors[Ref.parse(detector).name].cost > self.above

    def conditions(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of a plan's conditions that heavy detectors hear, in the plan's order.

        Of each corruption the mildest, middle and severest of the levels in the plan, as ``levels`` says; clean, chains and
        the named controls whole. Raises BadPlan, UnknownName.
        """
        groups: dict[str, list[tuple[int, str]]] = {}
        kept = set()
        for place, name in enumerate(names):
            steps = Condition.parse(name).steps
            spec = registry.corruptions[steps[0].name] if len(steps) == 1 else None
            if spec is None or spec.family == CONTROL:
                kept |= {name} if spec is None or spec.name in self.controls else set()
                continue
            level = spec.parse_level(steps[0].arg)
            severity = spec.levels.index(level) if level in spec.levels else len(spec.levels) + place
            groups.setdefault(spec.name, []).append((severity, name))
        for levels in groups.values():
            ordered = [name for _, name in sorted(levels)]
            place_of = {"mildest": 0, "middle": len(ordered) // 2, "severest": len(ordered) - 1}
            kept |= {ordered[place_of[word]] for word in self.levels}
        return tuple(name for name in names if name in kept or name == CLEAN)

    def trials(self, trials: Sequence[Trial], seed: int) -> tuple[str, ...]:
        """Ids of the trials that heavy detectors hear, in the order of ``trials``; drawn by ``seed``, whatever that order.

        A larger number of trials holds the smaller draw.
        """
        kept: set[str] = set()
        for part, most in (("eval", self.eval), ("dev", self.dev)):
            for label in LABELS:
                mine = [t for t in trials if (t.part, t.label) == (part, label)]
                kept.update(_spread(mine, most, seed, part, label))
        return tuple(t.id for t in trials if t.id in kept)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the run's record."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Reach:
    """How deep a run on a budget has gone into the draw of ``places``, for each condition.

    depths: by condition, eval trials of each class that every detector hears; a condition that is not named is not heard.
    dev: trials of each class of the part dev, under "clean". first: the depth that every condition had before any other:
    the facts of a condition are of these trials, so that they can be compared.
    """

    depths: Mapping[str, int]
    dev: int
    first: int

    @classmethod
    def read(cls, budget: Mapping[str, Any]) -> Reach:
        """From ``budget`` of a run's record."""
        return cls(dict(budget["reach"]), budget["dev"], budget["first"])

    def holds(self, condition: str, trial: Trial, place: int) -> bool:
        """Whether a trial at ``place`` of its class is heard under a condition."""
        return place < (self.dev if trial.part == "dev" else self.depths.get(condition, 0))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the run's record."""
        return {"reach": dict(self.depths), "dev": self.dev, "first": self.first}


def places(trials: Sequence[Trial], seed: int) -> dict[str, int]:
    """By trial id its place, 0 and up, in a random order of its part and class.

    The first n of a class are a sample of it in which every trial has the same chance, n over the size of the class, attacks
    are held in proportion to their sizes, and within an attack speakers (sources, where no speaker is known). A deeper sample holds the
    shallower one. The order depends on ``seed`` and the trials, not on how they are listed.

    Systematic sampling from a circle with a random start (Cochran 1977, Sampling Techniques, 3rd ed., chapter 8): attacks
    and speakers lie together on it, shuffled within; the steps go round it as van der Corput's numbers do.
    """
    classes: dict[tuple[str, str], dict[tuple[str, str], list[str]]] = {}
    for trial in trials:
        strata = classes.setdefault((trial.part, trial.label), {})
        strata.setdefault((trial.attack, trial.speaker or trial.source), []).append(trial.id)
    found: dict[str, int] = {}
    for key, strata in classes.items():
        circle: list[str] = []
        for name, ids in sorted(strata.items()):
            ids = sorted(ids)
            circle += [ids[i] for i in stream(seed, "places", *key, *name).permutation(len(ids))]
        start = int(stream(seed, "places", *key).integers(len(circle)))
        steps = (_round_and_round(len(circle)) + start) % len(circle)
        found |= {circle[spot]: place for place, spot in enumerate(steps)}
    return found


def _round_and_round(n: int) -> NDArray[np.int64]:
    """0 to n - 1 in the order of their mirrored bits: any beginning of it is spread evenly over the whole."""
    bits = max(1, (n - 1).bit_length())
    counts = np.arange(1 << bits)
    mirrored = np.zeros_like(counts)
    for bit in range(bits):
        mirrored |= (counts >> bit & 1) << (bits - 1 - bit)
    return mirrored[mirrored < n]


def _spread(trials: Sequence[Trial], most: int, seed: int, *keys: str) -> list[str]:
    """At most ``most`` ids: attacks as even as can be, then speakers (sources, where no speaker is known) within them."""
    strata: dict[tuple[str, str], list[str]] = {}
    for trial in trials:
        strata.setdefault((trial.attack, trial.speaker or trial.source), []).append(trial.id)
    names = sorted(strata)
    rank = stream(seed, "heavy", *keys).permutation(len(names))
    waiting = {}
    for name in names:
        ids = sorted(strata[name])
        order = stream(seed, "heavy", *keys, *name).permutation(len(ids))
        waiting[name] = [ids[i] for i in reversed(order)]
    taken: list[str] = []
    attacks: Counter[str] = Counter()
    speakers: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    place = dict(zip(names, map(int, rank), strict=True))
    while len(taken) < most and waiting:
        name = min(waiting, key=lambda n: (attacks[n[0]], pairs[n], speakers[n[1]], place[n]))
        taken.append(waiting[name].pop())
        attacks[name[0]] += 1
        speakers[name[1]] += 1
        pairs[name] += 1
        if not waiting[name]:
            del waiting[name]
    return taken
