"""Which trials are drawn how often: whole speakers and whole attacks, not single trials.

Trials of one speaker, and of one attack, are alike; a resample that draws trials one by one takes them for more
evidence than they are, and its intervals are too narrow. So clusters are drawn: bona fide trials by speaker, spoofed
trials by speaker and by attack at once, with multiplicity (draws of the speaker) x (draws of the attack): the two-way
"pigeonhole" bootstrap (Owen 2007, Annals of Applied Statistics 1:386; Owen and Eckles 2012). A speaker who has bona
fide and spoofed trials is drawn once for both. Where a class has no two speakers, its sentences (``pair``) take their
place, and where there are none of these, its trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadScores
from ..streams import stream
from ..types import Trial

FEW = 10
VERY_FEW = 5  # clusters: below it a bootstrap has hardly any distinct draws
_KEEP = 60_000_000  # multiplicities held in memory (2 bytes each); beyond it they are drawn again at each use
_ATTEMPTS = 1000

Unit = Literal["cluster", "trial"]
Numbers = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """B resamples of N trials, as multiplicities of the C combinations (class, speaker, attack) that occur.

    cell: shape (N,), each trial's combination. bonafide: shape (N,), bool. unit, attack: shape (C,), the drawn clusters
    of a combination, -1 for none. clusters: how many there are, by kind ("bona fide speakers", "attacks", …).
    redrawn: draws thrown away because a class had vanished from them.
    """

    count: int
    seed: int
    cell: Numbers
    bonafide: Flags
    unit: Numbers
    attack: Numbers
    clusters: dict[str, int]
    redrawn: int = 0
    _attempt: Numbers = field(default_factory=lambda: np.zeros(0, np.intp))
    _held: NDArray[np.uint16] | None = None

    @property
    def fewest(self) -> int:
        """The smallest number of clusters of any kind: what the intervals rest on."""
        return min(self.clusters.values())

    @property
    def note(self) -> str:
        """One sentence for the reader of an interval."""
        rests = ", ".join(f"{n} {kind}" for kind, n in self.clusters.items())
        text = f"intervals: {self.count} resamples of {rests}"
        if self.fewest < FEW:
            text += (
                f"; with only {self.fewest} clusters of a kind they are rough, and widened by Student's t "
                "(expanded percentiles)"
            )
        if self.fewest < VERY_FEW:
            text += (
                "; resamples of so few cannot spread as far as the truth may lie: an interval of a difference may "
                "leave out 0 where the p-value, which knows the number of clusters, does not"
            )
        if self.redrawn:
            text += f"; {self.redrawn} draws without one of the classes were drawn again"
        return text

    def weights(self, start: int, stop: int) -> NDArray[np.float64]:
        """Multiplicities of the combinations in resamples start to stop, shape (C, stop - start)."""
        if self._held is not None:
            return self._held[:, start:stop].astype(np.float64)
        drawn = [self._draw(b, int(self._attempt[b])) for b in range(start, stop)]
        return np.stack(drawn, axis=1).astype(np.float64)

    def _draw(self, b: int, attempt: int) -> NDArray[np.uint16]:
        rng = stream(self.seed, "bootstrap", str(b), str(attempt))
        weight = np.ones(self.unit.size, np.uint16)
        for factor in (self.unit, self.attack):
            n = int(factor.max()) + 1
            if n:
                drawn = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.uint16)
                weight *= np.where(factor >= 0, drawn[factor], np.uint16(1))
        return weight


def resamples(
    trials: Sequence[Trial], *, count: int = 1000, seed: int = 0, unit: Unit = "cluster"
) -> Resamples:
    """Draw ``count`` resamples of ``trials``, from ``stream(seed, "bootstrap", …)`` alone.

    unit: "cluster", or "trial" for independent trials (where no two share a speaker or an attack, or to compare).
    A resample from which a class has vanished is drawn again, and counted in ``redrawn``.
    Raises BadScores when a class has no trials, or when 1000 draws in a row lack one.
    """
    bonafide = np.array([t.label == "bonafide" for t in trials], dtype=bool)
    if not bonafide.any() or bonafide.all():
        raise BadScores(f"both classes are needed; got {bonafide.sum()} bona fide of {bonafide.size} trials")
    units, attacks, clusters = _clusters(trials, bonafide, unit)
    code = ((units + 1) * (attacks.max() + 2) + attacks + 1) * 2 + bonafide
    _, first, cell = np.unique(code, return_index=True, return_inverse=True)
    found = Resamples(count, seed, cell.reshape(-1), bonafide, units[first], attacks[first], clusters)
    return _settled(found, bonafide[first])


def _settled(found: Resamples, is_bonafide: Flags) -> Resamples:
    """The same with every draw checked for both classes, and held where that is cheap."""
    hold = found.count * is_bonafide.size <= _KEEP
    attempts = np.zeros(found.count, np.intp)
    held = np.zeros((is_bonafide.size, found.count), np.uint16) if hold else None
    sure = (
        min(is_bonafide.sum(), (~is_bonafide).sum()) > 1000 and not hold
    )  # cannot vanish: chance below e^-300
    for b in range(0 if sure else found.count):
        weight = found._draw(b, 0)
        while not (weight[is_bonafide].any() and weight[~is_bonafide].any()):
            attempts[b] += 1
            if attempts[b] >= _ATTEMPTS:
                raise BadScores(
                    f"{_ATTEMPTS} draws of clusters in a row held one class only: {found.clusters}. "
                    "Give more speakers and attacks, or none at all (then single trials are drawn)."
                )
            weight = found._draw(b, int(attempts[b]))
        if held is not None:
            held[:, b] = weight
    return Resamples(
        found.count,
        found.seed,
        found.cell,
        found.bonafide,
        found.unit,
        found.attack,
        found.clusters,
        int(attempts.sum()),
        attempts,
        held,
    )


def _clusters(
    trials: Sequence[Trial], bonafide: Flags, unit: Unit
) -> tuple[Numbers, Numbers, dict[str, int]]:
    """(unit, attack, counts): each trial's clusters as numbers, -1 for none."""
    n = len(trials)
    units = np.arange(n)  # every trial its own cluster, until something better is known
    attacks = np.full(n, -1)
    counts: dict[str, int] = {}
    named = {
        word: _numbered([getattr(t, kind) for t in trials])
        for word, kind in (("speakers", "speaker"), ("sentences", "pair"))
    }
    kinds = np.where(bonafide, -1, _numbered([t.attack for t in trials]))
    for name, mine in (("bona fide", bonafide), ("spoof", ~bonafide)):
        known = np.zeros(n, bool)
        word = "trials"
        for offset, kind in enumerate(named if unit == "cluster" else (), start=1):
            if np.unique(named[kind][mine & (named[kind] >= 0)]).size > 1:
                word, known = kind, mine & (named[kind] >= 0)
                units[known] = named[kind][known] + offset * n
                break
        has_attack = mine & (kinds >= 0)
        if unit == "cluster" and np.unique(kinds[has_attack]).size > 1:
            attacks[has_attack] = kinds[has_attack]
            units[has_attack & ~known] = -1  # its attack is its cluster
            counts["attacks"] = np.unique(kinds[has_attack]).size
        drawn = units[mine & (units >= 0)]
        if drawn.size:
            counts[f"{name} {word}"] = np.unique(drawn).size
    return _compact(units), _compact(attacks), counts


def _numbered(values: Sequence[str]) -> Numbers:
    """Numbers of the distinct texts in sorted order, -1 for the empty one."""
    numbers = {value: i for i, value in enumerate(sorted(set(values) - {""}))} | {"": -1}
    return np.array([numbers[v] for v in values], dtype=np.intp)


def _compact(values: Numbers) -> Numbers:
    """The same clusters numbered 0, 1, 2, …; -1 stays."""
    out = np.full(values.size, -1, dtype=np.intp)
    some = values >= 0
    out[some] = np.unique(values[some], return_inverse=True)[1].reshape(-1)
    return out
