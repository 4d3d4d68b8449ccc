"""Which measures are strong by themselves? Assess, strengthen, supplement, without a language model.

The three steps of X²-DFD (Chen et al., "X²-DFD: a framework for explainable and extendable deepfake detection", NeurIPS
2025) on acoustic measures: each is assessed by how well it tells the classes of development speech apart; the strong
ones are taken together; what they do not settle is left to the detector, and the explanation says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..calibrate import fit
from ..errors import BadCorpus
from ..stats import estimate, resamples
from ..types import Estimate, Scores, Trial
from .artefacts import MEASURES
from .reference import Entry, Reference, rounded

STRONG = 0.6  # AUROC in the weakest source: one source may tell the classes apart by its channel alone
_LEAST = 8  # known clips of a class that a source of the dev part must have, to be judged by
_FEWEST = 3  # the same for the train part, where only the direction is asked for


@dataclass(frozen=True, slots=True)
class Measured:
    """One clip of the reference speech: what it is, and its values. copied: made from a real clip by our vocoders."""

    trial: Trial
    values: Mapping[str, float]
    copied: bool = False
    score: float = float("nan")


def assess(
    train: Sequence[Measured],
    dev: Sequence[Measured],
    facts: Mapping[str, Any],
    seed: int = 0,
    count: int = 1000,
) -> Reference:
    """The reference table, its intervals from ``count`` resamples.

    Directions come from the sources of the train part that hold both classes; everything else from dev. A measure is
    strong where the AUROC within every dev source with both classes, copies left out, is at least 0.6, and the interval
    of the pooled one lies above 1/2. Raises BadCorpus without both classes in a source of each part.
    """
    recorded = [m for m in dev if not m.copied]
    entries = {}
    for name in MEASURES:
        direction = _direction(train, name)
        entries[name] = _entry(name, direction, recorded, dev, seed, count)
    table = Reference(entries, None, facts)
    if not table.strong:
        return table
    whole = [m for m in recorded if all(np.isfinite(m.values[name]) for name in table.strong)]
    standing = np.array([table.standing({k: rounded(v) for k, v in m.values.items()}) for m in whole])
    real = np.array([m.trial.label == "bonafide" for m in whole])
    together = fit(bonafide=standing[real], spoof=standing[~real])
    alone = np.array([m.score for m in whole])
    figures = {
        name: _figures(whole, scores, seed, count)
        for name, scores in {
            "measures": together.apply(standing),
            "detector": alone,
            "both": together.apply(standing) + alone,
        }.items()
        if np.isfinite(scores).all()
    }
    return replace(table, together=together, facts={**facts, "figures": figures, "judged": len(whole)})


def within(
    measured: Sequence[Measured], name: str, least: int = _LEAST
) -> dict[str, tuple[Scores, list[Trial]]]:
    """Values of a measure and their trials by source, for the sources with ``least`` known clips of each class."""
    found = {}
    for source in sorted({m.trial.source for m in measured}):
        mine = [m for m in measured if m.trial.source == source and np.isfinite(m.values[name])]
        count = Counter(m.trial.label for m in mine)
        if min(count["bonafide"], count["spoof"]) >= least:
            found[source] = np.array([m.values[name] for m in mine]), [m.trial for m in mine]
    return found


def _direction(train: Sequence[Measured], name: str) -> int:
    """+1 where synthetic speech lies higher in the mean over the sources, else -1."""
    sources = within([m for m in train if not m.copied], name, _FEWEST)
    if not sources:
        raise BadCorpus(
            f"no source of the train part has {_FEWEST} real and synthetic clips with a value of {name!r}"
        )
    higher = []
    for values, trials in sources.values():
        real = np.array([t.label == "bonafide" for t in trials])
        a, b = values[real][:, None], values[~real][None]
        higher.append(np.mean(b > a) + 0.5 * np.mean(b == a))
    return 1 if float(np.mean(higher)) >= 0.5 else -1


def _entry(
    name: str, direction: int, recorded: Sequence[Measured], dev: Sequence[Measured], seed: int, count: int
) -> Entry:
    sources = within(recorded, name)
    if not sources:
        raise BadCorpus(
            f"no source of the dev part has 8 real and 8 synthetic clips with a value of {name!r}"
        )
    by_source = {
        s: estimate(t, -direction * v, "auroc", seed=seed, count=count) for s, (v, t) in sources.items()
    }
    known = [m for m in recorded if np.isfinite(m.values[name])]
    scores = -direction * np.array([m.values[name] for m in known])
    pooled = estimate([m.trial for m in known], scores, "auroc", seed=seed, count=count)
    values = {
        "real": _sorted(name, [m for m in recorded if m.trial.label == "bonafide"]),
        "synthetic": _sorted(name, [m for m in recorded if m.trial.label == "spoof"]),
        "copied": _sorted(name, [m for m in dev if m.copied]),
    }
    strong = pooled.low > 0.5 and min(e.value for e in by_source.values()) >= STRONG
    return Entry(direction, values, pooled, by_source, strong)


def _sorted(name: str, measured: Sequence[Measured]) -> tuple[float, ...]:
    return tuple(sorted(rounded(m.values[name]) for m in measured if np.isfinite(m.values[name])))


def _figures(whole: Sequence[Measured], scores: Scores, seed: int, count: int) -> dict[str, list[float]]:
    trials = [m.trial for m in whole]
    drawn = resamples(trials, count=count, seed=seed)
    found = {name: estimate(trials, scores, name, drawn=drawn) for name in ("auroc", "eer")}
    return {name: _plain(e) for name, e in found.items()}


def _plain(e: Estimate) -> list[float]:
    return [round(e.value, 4), round(e.low, 4), round(e.high, 4), e.n_bonafide, e.n_spoof]
