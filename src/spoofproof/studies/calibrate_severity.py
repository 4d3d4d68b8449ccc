"""``spoofproof calibrate-severity``: the search of ``severity``, with a detector, a corpus, and a folder that remembers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import registry
from ..audio import WINDOW_SAMPLES, whole_file
from ..bench import identity
from ..calibrate import frozen_threshold
from ..cell import Job, condition_trials
from ..corrupt import seconds_needed
from ..errors import BadPlan, BadScores
from ..report.study import Column, Figure, Page, Section, Table, write_page
from ..report.study_plots import Curve, curves
from ..scale import do
from ..scores import OK, cell_path, digest_of, read_cell, write_json
from ..stats import estimate, resamples
from ..stats.resample import Resamples
from ..types import CLEAN, CorruptionSpec, Estimate, Scores, Trial
from . import common
from .axis import Axis, axes
from .severity import BUDGET, CHANCE, REACHED, Asking, Found, Search, search

_RATE = 16_000
_SPARE = 0.25
NAMES = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found. clean: balanced accuracy on clean audio. skipped: corruptions that were not searched, and why."""

    threshold: float
    clean: Estimate
    targets: tuple[float, ...]
    searches: tuple[Search, ...]
    intervals: dict[str, Estimate]
    skipped: dict[str, str]


class _Ear:
    """Hears conditions with the detector and keeps what it heard: a level that is on disk is not heard again."""

    def __init__(
        self,
        detector: str,
        trials: Sequence[Trial],
        folder: Path,
        seconds: float,
        seed: int,
        workers: int,
        tell: common.Tell,
    ) -> None:
        self.detector, self.trials, self.folder = detector, tuple(trials), folder
        self.seconds, self.seed, self.workers, self.tell = seconds, seed, workers, tell
        self.eval = [t for t in trials if t.part == "eval"]
        self.bonafide = np.array([t.label == "bonafide" for t in self.eval])
        self.threshold = math.nan

    def hear(self, conditions: Sequence[str]) -> None:
        """Score what is missing of ``conditions``."""
        jobs = [
            Job(
                run=self.folder, condition=c, detectors=(self.detector,), trials=condition_trials(c, self.trials),
                seconds=self.seconds, seed=self.seed, rate=_RATE, samples=WINDOW_SAMPLES, pad="repeat", measured=8, listen=0,
            )
            for c in conditions
            if not cell_path(self.folder, self.detector, c).exists()
        ]  # fmt: skip
        total, done = sum(len(job.trials) for job in jobs), 0

        def tick(n: int) -> None:
            nonlocal done
            done += n
            self.tell(done, total, ", ".join(job.condition for job in jobs[:3]))

        do(jobs, workers=self.workers, tick=tick, done=lambda job: None)

    def freeze(self) -> None:
        """Fix the threshold on clean dev trials. Raises BadScores."""
        cell = read_cell(cell_path(self.folder, self.detector, CLEAN))
        labels = {t.id: t.label for t in self.trials if t.part == "dev"}
        scores: dict[str, list[float]] = {"bonafide": [], "spoof": []}
        for name, value, status in zip(cell.ids, cell.scores, cell.status, strict=True):
            if status == OK and name in labels:
                scores[labels[name]].append(float(value))
        self.threshold = frozen_threshold(
            bonafide=np.array(scores["bonafide"]), spoof=np.array(scores["spoof"])
        )

    def scores(self, condition: str) -> Scores:
        """Scores of the eval trials, in order, NaN where there is none."""
        cell = read_cell(cell_path(self.folder, self.detector, condition))
        by_id = {
            i: s for i, s, status in zip(cell.ids, cell.scores, cell.status, strict=True) if status == OK
        }
        return np.array([by_id.get(t.id, np.nan) for t in self.eval])

    def accuracy(self, condition: str) -> float:
        """Balanced accuracy at the frozen threshold. Raises BadScores where a class has no score."""
        scores = self.scores(condition)
        sides = []
        for mask, right in (
            (self.bonafide, scores >= self.threshold),
            (~self.bonafide, scores < self.threshold),
        ):
            use = mask & np.isfinite(scores)
            if not use.any():
                raise BadScores(f"no trial of one class could be scored under {condition}; its cell says why")
            sides.append(float(right[use].mean()))
        return sum(sides) / 2

    def interval(self, condition: str, drawn: Resamples) -> Estimate:
        """The same with its clustered interval."""
        return estimate(
            self.eval,
            self.scores(condition),
            "balanced_accuracy_frozen",
            threshold=self.threshold,
            drawn=drawn,
        )


def calibrate_severity(
    detector: str,
    trials: Sequence[Trial],
    out: Path,
    *,
    targets: Sequence[float] = (0.95, 0.85, 0.70),
    corruptions: Sequence[str] = (),
    relative: bool = False,
    corpus: str = "",
    seed: int = 2025,
    workers: int = 1,
    count: int = 1000,
    tell: common.Tell = common.quiet,
    command: Sequence[str] = (),
) -> Page:
    """Find the level of each corruption at which ``detector`` has each target accuracy; report and plan into ``out``.

    The accuracy is the mean of both classes' (so that chance is one half, whatever their sizes), at the threshold
    frozen on clean dev trials. relative: a target t means as far between chance and the clean accuracy as t lies between
    chance and 1. corruptions: names; by default all plain ones. At most 12 evaluations a target; every level heard
    stays in the folder. The same call gives the same levels with any number of workers.

    Raises BadPlan (targets), UnknownName, BadCorpus, RunConflict, MissingPart.
    """
    wanted = _targets(targets)
    kept = common.heard(trials)
    specs, skipped = _specs(corruptions)
    sides = [axis for name, spec in specs.items() for axis in axes(spec, name=name)]
    every = [condition(axis, x) for axis in sides for x in (*axis.first, *axis.milder, *axis.severer)]
    seconds = max((seconds_needed(c, WINDOW_SAMPLES / _RATE) for c in [CLEAN, *every]), default=0.0) + _SPARE
    common.claim(
        out,
        {
            "study": "severity", "detector": detector, "identity": identity(detector)["identity"],
            "trials": digest_of(kept), "seed": seed, "seconds": round(seconds, 3),
        },
    )  # fmt: skip
    ear = _Ear(detector, kept, out, seconds, seed, workers, tell)
    ear.hear([CLEAN])
    ear.freeze()
    drawn = resamples(ear.eval, count=count)
    clean = ear.interval(CLEAN, drawn)
    if relative:
        wanted = tuple(CHANCE + (t - CHANCE) * (clean.value - CHANCE) / (1 - CHANCE) for t in wanted)
    searches = _drive(ear, sides, wanted, clean.value)
    intervals = {
        name: ear.interval(name, drawn)
        for s in searches
        for f in s.found
        if f.level is not None and (name := condition(s.axis, f.level))
    }
    found = Calibration(ear.threshold, clean, wanted, tuple(searches), intervals, skipped)
    page = _write(found, detector, corpus, kept, out, relative=relative, drawn=drawn, seed=seed)
    if command:
        page = replace(page, command=common.said(command))
    write_page(page, out)
    return page


def condition(axis: Axis, level: float) -> str:
    """The condition text of a level, as a plan writes it."""
    return f"{axis.corruption}@{registry.corruptions[axis.corruption].show_level(level)}"


def _drive(ear: _Ear, sides: Sequence[Axis], targets: Sequence[float], clean: float) -> list[Search]:
    """Run all searches side by side: a round hears every level that any of them wants next."""
    live: dict[int, Asking] = {}
    wanted: dict[int, list[float]] = {}
    done: dict[int, Search] = {}
    for i, axis in enumerate(sides):
        live[i] = search(axis, targets, clean)
        wanted[i] = next(live[i])
    while wanted:
        ear.hear([condition(sides[i], level) for i, levels in wanted.items() for level in levels])
        for i, levels in list(wanted.items()):
            try:
                wanted[i] = live[i].send({x: ear.accuracy(condition(sides[i], x)) for x in levels})
            except StopIteration as end:
                done[i] = end.value
                del wanted[i]
    return [done[i] for i in range(len(sides))]


def _targets(targets: Sequence[float]) -> tuple[float, ...]:
    if not targets:
        raise BadPlan("--targets names no accuracy; expected shares such as 0.95,0.85,0.70")
    for t in targets:
        if not 0 < t < 1:
            raise BadPlan(f"a target accuracy lies between 0 and 1, not {t:g}; 85 % is 0.85")
    return tuple(sorted(dict.fromkeys(targets), reverse=True))


def _specs(names: Sequence[str]) -> tuple[dict[str, CorruptionSpec], dict[str, str]]:
    """The corruptions to search by the name they were asked for, and why others are not."""
    plain = [s.name for s in registry.corruptions if s.family != "control" and "." not in s.name]
    asked = {name: registry.corruptions[name] for name in names or plain}
    skipped = {name: s.available() for name, s in asked.items() if s.levels and s.available()}
    skipped |= {name: "it has no level" for name, s in asked.items() if not s.levels}
    return {name: s for name, s in asked.items() if name not in skipped}, skipped


def label(i: int, targets: Sequence[float]) -> str:
    """low, medium, high for three targets; else the target itself."""
    return NAMES[i] if len(targets) == len(NAMES) else f"at-{100 * targets[i]:.3g}"


def _write(
    found: Calibration,
    detector: str,
    corpus: str,
    trials: Sequence[Trial],
    out: Path,
    *,
    relative: bool,
    drawn: Resamples,
    seed: int,
) -> Page:
    labels = [label(i, found.targets) for i in range(len(found.targets))]
    rows = [
        _row(search, f, name, found)
        for search in found.searches
        for f, name in zip(search.found, labels, strict=True)
    ]
    write_json(out / "severity.json", _data(found, detector, labels))
    with whole_file(out / "severity.toml") as file:
        file.write(_plan(found, detector, labels, seed).encode())
    return _page(
        found,
        detector,
        corpus,
        trials,
        labels,
        rows,
        out,
        relative=relative,
        note=drawn.note.removeprefix("intervals: "),
    )


def _row(s: Search, f: Found, name: str, found: Calibration) -> tuple[Any, ...]:
    spec = registry.corruptions[s.axis.corruption]
    level = None if f.level is None else spec.show_level(f.level)
    shown = found.intervals.get(condition(s.axis, f.level)) if f.level is not None else None
    return (
        s.axis.name,
        name,
        f.target,
        level,
        spec.unit if level and not s.axis.kinds else "",
        shown,
        f.evaluations,
        f.note,
    )


def _data(found: Calibration, detector: str, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "detector": detector,
        "threshold": found.threshold,
        "clean_accuracy": [found.clean.value, found.clean.low, found.clean.high],
        "targets": dict(zip(labels, found.targets, strict=True)),
        "corruptions": {
            s.axis.name: {
                "corruption": s.axis.corruption,
                "unit": registry.corruptions[s.axis.corruption].unit,
                "monotone": s.monotone,
                "heard": [list(pair) for pair in s.known],
                "levels": {
                    name: {
                        "level": f.level,
                        "condition": None if f.level is None else condition(s.axis, f.level),
                        "accuracy": None if f.level is None else f.accuracy,
                        "note": f.note,
                        "evaluations": f.evaluations,
                    }
                    for f, name in zip(s.found, labels, strict=True)
                },
            }
            for s in found.searches
        },
        "not_searched": found.skipped,
    }


def _plan(found: Calibration, detector: str, labels: Sequence[str], seed: int) -> str:
    """A plan file: the levels as conditions, by target; levels that miss it by more than two points are left out."""
    lines = [
        f"# Levels at which {detector} has the accuracies {', '.join(f'{t:.3g}' for t in found.targets)}.",
        "# Use it with: spoofproof bench --plan severity.toml --detector …",
        f"summary = {json.dumps(f'severities calibrated on {detector}', ensure_ascii=False)}",
        f"seed = {seed}",
        f"detectors = [{json.dumps(detector, ensure_ascii=False)}]",
        "conditions = [",
        '  "clean",',
    ]
    for i, (name, target) in enumerate(zip(labels, found.targets, strict=True)):
        lines.append(f"  # {name}: accuracy {target:.3g}")
        for s in found.searches:
            f = s.found[i]
            if f.level is not None and abs(f.accuracy - f.target) <= REACHED:
                lines.append(f"  {json.dumps(condition(s.axis, f.level))},")
    return "\n".join([*lines, "]", ""])


def _page(
    found: Calibration,
    detector: str,
    corpus: str,
    trials: Sequence[Trial],
    labels: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    out: Path,
    *,
    relative: bool,
    note: str,
) -> Page:
    name = common.label(detector)
    hit = sum(
        f.level is not None and abs(f.accuracy - f.target) <= REACHED for s in found.searches for f in s.found
    )
    unsteady = [s.axis.name for s in found.searches if not s.monotone]
    findings = [
        f"{hit} of {len(rows)} levels were found within two points of their target; the others say what stands in the way.",
        f"On clean audio {name} decides {Column('', 'share').say(found.clean)} rightly (mean of both classes).",
    ]
    if unsteady:
        findings.append(
            f"Not monotone: under {', '.join(unsteady)} accuracy rises again with severity; the mildest crossing counts."
        )
    cautions = [
        f"A severity is one of {name}: another detector may find the same level mild or severe. That is what it is for.",
        f"Do not report {name}'s accuracy at these levels as a finding: they were chosen to give it.",
        "Levels carry the uncertainty of the accuracies: see the intervals, clustered by speaker and attack.",
        *(f"{other} was not searched: {why}" for other, why in found.skipped.items()),
    ]
    table = Table(
        "levels",
        "Level of each corruption at each target",
        (
            Column("Corruption"), Column("Severity"), Column("Target", "share"), Column("Level"), Column("Unit"),
            Column("Accuracy there", "share"), Column("Heard", "count"), Column("Remark"),
        ),
        tuple(rows),
        "Heard: evaluations that the level rests on, those shared with other targets included. Accuracy: mean of both classes at the frozen threshold.",
    )  # fmt: skip
    pictures = tuple(
        Figure(
            s.axis.name,
            curves([_curve(s)], targets=[t for t in found.targets if t > CHANCE], x_title=_x_title(s)),
            small=True,
        )
        for s in found.searches
        if len(s.known) > 1
    )
    return Page(
        study="severity",
        title=f"How severe must each corruption be for {name} to fall to {', '.join(f'{100 * t:.0f} %' for t in found.targets)}?",
        lead="Levels of unlike corruptions are made comparable by what they do to one reference detector at the threshold that a user would have frozen on clean development audio.",
        findings=tuple(findings),
        cautions=tuple(cautions),
        sections=(
            Section("levels", "Levels", (), (table,)),
            Section("curves", "Accuracy against level", ("Diamonds mark the chosen levels, dashed lines the targets.",), pictures),
        ),
        facts={
            "detector": detector,
            "threshold": f"{found.threshold:.6g}, frozen on clean development trials",
            "trials": f"{len(trials)} of {corpus.partition(':')[0] or 'a corpus'}, sha256:{digest_of(trials)[:12]}",
            "targets": ", ".join(f"{n} = {t:.4g}" for n, t in zip(labels, found.targets, strict=True)),
            "search": f"published levels, then beyond, then bisection; at most {BUDGET} evaluations a target",
            "intervals": note,
            "as a plan": "severity.toml in this folder",
        },
        command=common.said(
            [
                "spoofproof", "calibrate-severity", "--detector", detector, "--corpus", corpus or "CORPUS",
                "--targets", ",".join(f"{t:g}" for t in found.targets), "--out", out,
            ]
        ),
    )  # fmt: skip


def _curve(s: Search) -> Curve:
    spec = registry.corruptions[s.axis.corruption]
    marks = tuple(
        (_place(s, f.level), f.accuracy, f"{100 * f.target:.0f} %: {spec.show_level(f.level)} {spec.unit}")
        for f in s.found
        if f.level is not None
    )
    return Curve(s.axis.name, tuple((_place(s, x), y) for x, y in s.known), marks)


def _place(s: Search, level: float) -> float:
    return (
        math.log10(level)
        if s.axis.ratio or (s.axis.steps and level > 0 and max(s.axis.steps) > 200)
        else level
    )


def _x_title(s: Search) -> str:
    unit = registry.corruptions[s.axis.corruption].unit
    if s.axis.kinds:
        return "kind, as listed from 0"
    logarithmic = s.axis.ratio or (s.axis.steps and max(s.axis.steps) > 200)
    return f"log10 of {unit}" if logarithmic else unit
