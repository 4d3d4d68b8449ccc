"""What studies share: their folder, their trials, means over conditions, and paired differences with their correction."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import bench, registry
from ..bench import Progress, check_trials
from ..errors import BadCorpus, RunConflict
from ..plan import Plan
from ..results.contamination import in_training
from ..results.grid import Grid, Values
from ..results.grounds import Grounds
from ..scores import ScoreTable, write_json
from ..stats import holm, p_value, unseen
from ..types import CLEAN, LABELS, Condition, Estimate, Ref, Trial

Tell = Callable[..., None]  # tell(done, total, text)

EER, ACCURACY, MISS, FALSE_ALARM, AUROC = (
    "eer",
    "balanced_accuracy_frozen",
    "miss_frozen",
    "false_alarm_frozen",
    "auroc",
)
METRICS = (EER, AUROC, ACCURACY, MISS, FALSE_ALARM)


def quiet(*update: object) -> None:
    """A progress that nobody watches."""


def heard(trials: Sequence[Trial], *, dev: bool = True) -> list[Trial]:
    """The dev and eval trials of a corpus, in its order. Raises BadCorpus where a class is missing from either.

    dev: whether thresholds are frozen, for which both classes must be in the dev part.
    """
    kept = [t for t in trials if t.part != "train"]
    check_trials(kept)
    for label in LABELS if dev else ():
        if not any(t.part == "dev" and t.label == label for t in kept):
            raise BadCorpus(
                f"the part dev holds no {label} trial, and a study freezes its thresholds on clean dev trials; "
                "give the corpus a dev part with both classes"
            )
    return kept


def claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Take ``folder`` for a study with these settings (plain values), or go on with it.

    Raises RunConflict where it holds a study with other settings, naming which.
    """
    path = folder / "study.json"
    mine = json.loads(json.dumps(settings))
    if path.exists():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunConflict(f"{path} is damaged ({error}); move the folder away and run again") from None
        differ = sorted(key for key in {*known, *mine} if known.get(key) != mine.get(key))
        if differ:
            raise RunConflict(
                f"{folder} holds a study with other settings ({', '.join(differ)}); nothing was changed. "
                "Choose another --out, or delete that folder"
            )
        return
    write_json(path, mine)


def middle_conditions() -> list[str]:
    """The middle published level of each plain corruption that can run here: one condition for each idea."""
    found = []
    for spec in registry.corruptions:
        if spec.family != "control" and "." not in spec.name and spec.levels and not spec.available():
            found.append(str(Ref(spec.name, spec.show_level(spec.levels[len(spec.levels) // 2]))))
    return found


def score(
    name: str,
    detectors: Sequence[str],
    conditions: Sequence[str],
    trials: Sequence[Trial],
    folder: Path,
    *,
    seed: int,
    workers: int,
    tell: Tell,
    corpus: Mapping[str, Any] | None = None,
) -> ScoreTable:
    """A run of the bench in ``folder``; what it holds is not scored again. Raises what ``bench.run`` raises."""
    plan = Plan.make(name=name, detectors=detectors, conditions=conditions, seed=seed)

    def update(p: Progress) -> None:
        tell(p.done, p.total, p.condition)

    return bench.run(plan, trials, folder, corpus=corpus, workers=workers, progress=update)


def grid_of(table: ScoreTable, *, resamples: int, seed: int = 0, met: bool = False) -> Grid:
    """Every cell under the same clustered resamples, with the metrics that studies show.

    All detectors are measured on the same trials: those of no source that a card says one of them met in training,
    unless ``met``. Raises BadCorpus where that leaves out a class.
    """
    left_out = {} if met else {d: in_training(table, d).trials for d in table.detectors}
    grounds = Grounds(table, METRICS, left_out, count=resamples, seed=seed, confidence=0.95)
    grid = grounds.common(table.detectors, METRICS)
    if grid.drawn is None:
        raise BadCorpus(
            f"of {len(grounds.trials)} eval trials {len(grid.trials)} are left that no detector met in training, and "
            "they lack a class (or its speakers); choose another corpus, or detectors that have not met this one"
        )
    return grid


def met_words(table: ScoreTable, grid: Grid) -> list[str]:
    """What was left out because a detector met it in training, as a sentence; [] for nothing."""
    names = sorted({name for d in table.detectors for name in in_training(table, d).names})
    everything = sum(t.part == "eval" for t in table.trials)
    if len(grid.trials) == everything:
        return []
    return [
        f"{everything - len(grid.trials)} of {everything} eval trials are left out for all: by its card a detector "
        f"met their source in training ({', '.join(names)})."
    ]


def rests(grid: Grid) -> str:
    """What the intervals rest on, for the facts of a report."""
    return grid.drawn.note.removeprefix("intervals: ") if grid.drawn else ""


def corruption_of(condition: str) -> str:
    """The corruption a condition counts for in means: its name, or the whole text of a chain."""
    steps = Condition.parse(condition).steps
    return steps[0].name if len(steps) == 1 else condition


def usable(grid: Grid, detectors: Sequence[str], conditions: Sequence[str]) -> list[str]:
    """The conditions that every detector has values for, in order; clean is not among them."""
    return [c for c in conditions if c != CLEAN and all(grid.values(d, c) is not None for d in detectors)]


def mean_values(grid: Grid, detector: str, conditions: Sequence[str], metric: str) -> Values:
    """Mean over the levels of each corruption, then over corruptions: shape (1 + B,), the measured value first.

    NaN where a condition has no values or the metric could not be computed.
    """
    by_name: dict[str, list[Values]] = {}
    for condition in conditions:
        values = grid.values(detector, condition)
        found = (values or {}).get(metric)
        if found is None:
            found = np.full(1 + (grid.drawn.count if grid.drawn else 0), np.nan)
        by_name.setdefault(corruption_of(condition), []).append(found)
    return np.asarray(np.mean([np.mean(levels, axis=0) for levels in by_name.values()], axis=0))


@dataclass(frozen=True, slots=True)
class Difference:
    """first - second in one metric, paired over the same resamples. p_corrected: Holm over all that were asked together."""

    key: tuple[str, ...]
    difference: Estimate
    p: float
    p_corrected: float = float("nan")

    @property
    def shown(self) -> bool:
        """Whether a difference is shown at 5 % after the correction."""
        return self.p_corrected < 0.05


def gap(d: Difference | None) -> Estimate | None:
    """The difference for a table, None where nothing is compared."""
    return None if d is None else d.difference


def chance(d: Difference | None) -> float | None:
    """The corrected p for a table, None where nothing is compared."""
    return None if d is None else d.p_corrected


def differences(
    grid: Grid,
    pairs: Mapping[tuple[str, ...], tuple[Values, Values]],
    metric_of: Callable[[tuple[str, ...]], str] = lambda key: EER,
) -> dict[tuple[str, ...], Difference]:
    """By key, first - second with its interval and p, corrected over all ``pairs`` together (Holm)."""
    assert grid.drawn is not None
    found = []
    for key, (first, second) in pairs.items():
        values = first - second
        p = p_value(values[1:], clusters=grid.drawn.fewest)
        if unseen.still(values):
            p = max(p, unseen.chance_of(metric_of(key), float(values[0]), grid.units()))
        found.append(Difference(key, grid.estimate(values, metric_of(key), difference=True), p))
    corrected = holm([d.p for d in found])
    return {d.key: Difference(d.key, d.difference, d.p, q) for d, q in zip(found, corrected, strict=True)}


def corpus_words(table: ScoreTable) -> str:
    """The corpus of a run in one sentence, for the facts of a report."""
    corpus = table.record.get("corpus", {})
    counts = "; ".join(f"{row['part']} {row['label']} {row['trials']}" for row in corpus.get("counts", []))
    name = str(corpus.get("name", "")).partition(":")[0]
    return f"{name or 'trials'} ({counts}); trials sha256:{str(corpus.get('digest', ''))[:12]}"


def said(command: Sequence[object]) -> str:
    """A command line as it would be typed; absolute paths are cut to their last part."""
    words = [str(word) for word in command if word not in ("", None)]
    return shlex.join(_short(word) for word in words)


def label(detector: str) -> str:
    """A detector's reference without the folders in it, for people."""
    if detector.startswith("enhanced@"):  # its slash is no folder
        return detector
    return re.sub(r"[^@:]*/", "", detector)


def _short(word: str) -> str:
    head, colon, tail = word.partition(":")
    if colon and Path(tail).is_absolute():
        return f"{head}:{Path(tail).name}"
    return Path(word).name if Path(word).is_absolute() else word
