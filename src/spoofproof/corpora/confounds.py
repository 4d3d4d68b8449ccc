"""What the protocol itself gives away: columns that predict the label, and what parts share that they should not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..errors import BadCorpus, UnknownName
from ..streams import stream
from ..types import Trial

COLUMNS = ("speaker", "attack", "language", "source", "pair")
_MOST_KINDS = 50
_PERMUTATIONS = 199


@dataclass(frozen=True, slots=True)
class Confound:
    """How much of the label's entropy a column explains.

    share: I(column; label) / H(label), 0 (nothing) to 1 (the column is the label). chance: its mean over 199
    permutations of the labels (many values explain much by chance). excess: (share - chance) / (1 - chance). p: share
    of the permutations that reach it. flagged: excess >= 0.1 and p <= 0.01. Clips count as independent.
    """

    column: str
    kinds: int
    share: float
    chance: float
    excess: float
    p: float
    flagged: bool


@dataclass(frozen=True, slots=True)
class Leak:
    """What two parts share. trials: how many trials of both parts carry a shared value."""

    by: str
    first: str
    second: str
    shared: int
    trials: int
    examples: tuple[str, ...]


def value(trial: Trial, by: str) -> str:
    """The trial's value of a field or an attribute, "" where it has none. Raises UnknownName for another field."""
    if by in COLUMNS or by in ("id", "label", "part"):
        return str(getattr(trial, by))
    if by in ("path", "attributes"):
        raise UnknownName.among("column", by, [*COLUMNS, *trial.attributes])
    return str(trial.attributes.get(by, ""))


def parts_disjoint(trials: Iterable[Trial], by: str = "speaker") -> list[Leak]:
    """What each two parts share in ``by`` (speaker, pair, attack, source, language, or an attribute); [] is good.

    Trials without a value are left out. Raises UnknownName where no trial has such a column.
    """
    trials = list(trials)
    if by not in (*COLUMNS, "id") and not any(by in trial.attributes for trial in trials):
        raise UnknownName.among("column", by, [*COLUMNS, *{key for t in trials for key in t.attributes}])
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for trial in trials:
        if found := value(trial, by):
            counts[trial.part][found] += 1
    leaks = []
    for first, second in combinations([part for part in ("train", "dev", "eval") if part in counts], 2):
        shared = sorted(counts[first].keys() & counts[second].keys())
        if shared:
            touched = sum(counts[first][name] + counts[second][name] for name in shared)
            leaks.append(Leak(by, first, second, len(shared), touched, tuple(shared[:5])))
    return leaks


def assert_disjoint(trials: Iterable[Trial], by: Sequence[str] = ("speaker", "attack", "source")) -> None:
    """Raise BadCorpus when two parts share a speaker, a generator or a source: no cross-domain test then.

    Source: XMAD-Bench (arXiv 2506.00462), whose cross-domain test differs from training in all three.
    """
    trials = list(trials)
    leaks = [leak for name in by for leak in parts_disjoint(trials, name)]
    if leaks:
        said = "; ".join(
            f"{leak.first} and {leak.second} share {leak.shared} of {leak.by} ({', '.join(leak.examples)}"
            f"{', …' if leak.shared > len(leak.examples) else ''}; {leak.trials} trials)"
            for leak in leaks
        )
        raise BadCorpus(
            f"the parts are not disjoint: {said}. Leave those trials out of one part, or ask for less: by=(…)"
        )


def confounds(trials: Sequence[Trial], seed: int = 0) -> list[Confound]:
    """Columns of the protocol against the label, worst first: speaker, language, source, and attributes that both
    classes carry (with 2 to 50 kinds). [] when one class is missing."""
    labels = np.array([trial.label == "bonafide" for trial in trials], dtype=np.int64)
    if not 0 < labels.sum() < len(labels):
        return []
    names = [
        "speaker",
        "language",
        "source",
        *sorted({key for trial in trials for key in trial.attributes} - set(COLUMNS)),
    ]
    rows = []
    for name in names:
        values = [value(trial, name) for trial in trials]
        kinds = len(set(values))
        told = np.array([v not in ("", "-") for v in values])
        if kinds < 2 or (name not in COLUMNS and kinds > _MOST_KINDS):
            continue
        if not told[labels == 1].any() or not told[labels == 0].any():
            continue  # a column that only one class fills describes that class and gives nothing away
        rows.append(_confound(name, values, labels, seed))
    return sorted(rows, key=lambda row: -row.excess)


def _confound(name: str, values: Sequence[str], labels: NDArray[np.int64], seed: int) -> Confound:
    codes = np.unique(np.array(values), return_inverse=True)[1]
    kinds = int(codes.max()) + 1
    share = explained(codes, labels)
    rng = stream(seed, "confound", name)
    null = np.array([explained(codes, rng.permutation(labels)) for _ in range(_PERMUTATIONS)])
    chance = float(null.mean())
    excess = (share - chance) / (1 - chance) if chance < 1 else 0.0
    p = float((1 + (null >= share - 1e-12).sum()) / (1 + _PERMUTATIONS))
    return Confound(name, kinds, share, chance, excess, p, excess >= 0.1 and p <= 0.01)


def explained(codes: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Uncertainty coefficient I(codes; labels) / H(labels), 0 to 1; codes and labels are integers, shape (N,)."""
    joint = np.bincount(codes * 2 + labels, minlength=2 * (int(codes.max()) + 1)).reshape(-1, 2) / len(labels)
    total = entropy(joint.sum(axis=0))
    return (total + entropy(joint.sum(axis=1)) - entropy(joint.ravel())) / total if total > 0 else 0.0


def entropy(shares: NDArray[np.float64]) -> float:
    """Entropy in nats of shares that sum to 1."""
    some = shares[shares > 0]
    return float(-(some * np.log(some)).sum())


def connected(trials: Sequence[Trial], by: Sequence[str] = ("speaker", "pair")) -> list[int]:
    """A group number for each trial: trials that share a value of any of ``by``, directly or over others."""
    parent = list(range(len(trials)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, trial in enumerate(trials):
        for name in by:
            if found := value(trial, name):
                parent[root(i)] = root(first.setdefault((name, found), i))
    return [root(i) for i in range(len(trials))]


def tally(trials: Iterable[Trial], by: str) -> list[Mapping[str, str | int]]:
    """Trials of each class by a column, most first."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for trial in trials:
        counts[value(trial, by)][trial.label] += 1
    rows = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    return [{by: name, "bonafide": n["bonafide"], "spoof": n["spoof"]} for name, n in rows]
