"""``spoofproof study enhance``: does a speech enhancer before the detector help under noise, and what does it cost?

Every pair of enhancer and detector is a detector of the bench (``enhanced@ENHANCER/DETECTOR``): it hears the same
trials, and its threshold is frozen on clean development trials that went through the same enhancer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import registry
from ..bench import identity
from ..enhance import ENHANCERS, enhancer, missing
from ..errors import BadPlan
from ..plan import expand
from ..report.study import Column, Figure, Page, Section, Table, write_page
from ..report.study_plots import Row, forest
from ..report.words import many
from ..results.grid import Grid, Values
from ..scores import digest_of
from ..stats import Bootstrap
from ..types import CLEAN, Condition, Trial
from . import common
from .common import ACCURACY, EER, Difference

NOISY = ("gaussian_noise@20", "gaussian_noise@10", "gaussian_noise@5", "background_noise@20", "background_noise@10", "background_noise@5")  # fmt: skip
OTHER = ("reverb@0.5", "low_pass@0.3", "mp3@24", "opus@16", "quantization@64")
PLAIN = "none"
GROUPS = ("clean", "noise", "other")


def pair(name: str, detector: str) -> str:
    """The reference of a detector behind an enhancer; the detector itself for "none"."""
    return detector if name == PLAIN else f"enhanced@{name}/{detector}"


def study_enhance(
    detectors: Sequence[str],
    trials: Sequence[Trial],
    out: Path,
    *,
    enhancers: Sequence[str] = tuple(ENHANCERS),
    conditions: Sequence[str] = (*NOISY, *OTHER),
    corpus: Mapping[str, Any] | None = None,
    seed: int = 2025,
    workers: int = 1,
    count: int = 1000,
    tell: common.Tell = common.quiet,
    command: Sequence[str] = (),
) -> Page:
    """Score every detector behind every enhancer under clean and ``conditions``, and write the report into ``out``.

    Enhancers that cannot run here are left out, and the report says so. Raises UnknownName, BadPlan, BadCorpus, RunConflict.
    """
    kept = common.heard(trials)
    for name in enhancers:
        enhancer(name)
    absent = {name: why for name in enhancers if (why := missing(name))}
    names = [PLAIN, *(n for n in dict.fromkeys(enhancers) if n != PLAIN and n not in absent)]
    if len(names) < 2:
        raise BadPlan(f"no enhancer can run here: {'; '.join(absent.values()) or 'none was asked for'}")
    spelled = list(dict.fromkeys(c for text in conditions for c in expand(text) if c != CLEAN))
    references = [pair(n, d) for d in detectors for n in names]
    common.claim(
        out,
        {
            "study": "enhance", "detectors": {r: identity(r)["identity"] for r in references},
            "conditions": spelled, "trials": digest_of(kept), "seed": seed,
        },
    )  # fmt: skip
    table = common.score(
        "enhance",
        references,
        spelled,
        kept,
        out / "run",
        seed=seed,
        workers=workers,
        tell=tell,
        corpus=corpus,
    )
    grid = common.grid_of(table, resamples=count)
    found = _Found(grid, tuple(detectors), tuple(names), common.usable(grid, references, spelled))
    page = _page(found, common.corpus_words(table), absent, out)
    page = replace(page, cautions=(*common.met_words(table, grid), *page.cautions))
    if command:
        page = replace(page, command=common.said(command))
    write_page(page, out)
    return page


def noisy(condition: str) -> bool:
    """Whether every step of a condition adds noise: what an enhancer is made for."""
    steps = Condition.parse(condition).steps
    return bool(steps) and all(registry.corruptions[s.name].family == "noise" for s in steps)


class _Found:
    """The numbers of the study: values of each group of conditions, and the paired differences to no enhancer."""

    def __init__(
        self, grid: Grid, detectors: tuple[str, ...], names: tuple[str, ...], conditions: list[str]
    ) -> None:
        self.grid, self.detectors, self.names, self.conditions = grid, detectors, names, conditions
        self.groups = {
            "clean": [CLEAN],
            "noise": [c for c in conditions if noisy(c)],
            "other": [c for c in conditions if not noisy(c)],
        }
        self.groups = {k: v for k, v in self.groups.items() if v}
        self.gains = common.differences(grid, self._pairs(self.groups), lambda key: key[-1])
        self.single = common.differences(grid, self._pairs({c: [c] for c in [CLEAN, *conditions]}, (EER,)))

    def values(self, name: str, detector: str, conditions: Sequence[str], metric: str) -> Values:
        return common.mean_values(self.grid, pair(name, detector), conditions, metric)

    def _pairs(
        self, groups: Mapping[str, Sequence[str]], metrics: Sequence[str] = (EER, ACCURACY)
    ) -> dict[tuple[str, ...], tuple[Values, Values]]:
        return {
            (d, n, g, m): (self.values(n, d, of, m), self.values(PLAIN, d, of, m))
            for d in self.detectors
            for n in self.names
            if n != PLAIN
            for g, of in groups.items()
            for m in metrics
        }

    def unrefitted(self, name: str, detector: str, conditions: Sequence[str]) -> float:
        """Mean balanced accuracy with the threshold of the detector without an enhancer."""
        threshold = self.grid.frozen[detector].threshold
        if threshold is None or self.grid.drawn is None:
            return math.nan
        found: dict[str, list[float]] = {}
        for condition in conditions:
            scores = self.grid.scores(pair(name, detector), condition)
            boot = Bootstrap(self.grid.drawn, scores, np.isfinite(scores))
            value = boot.at_threshold(["balanced_accuracy"], threshold)["balanced_accuracy"][0]
            found.setdefault(common.corruption_of(condition), []).append(float(value))
        return float(np.mean([np.mean(v) for v in found.values()]))


_TITLE = {"clean": "clean", "noise": "noise", "other": "other corruptions"}


def _page(found: _Found, corpus: str, absent: Mapping[str, str], out: Path) -> Page:
    return Page(
        study="enhance",
        title="Does a speech enhancer before the detector help, and what does it cost on clean audio?",
        lead=(
            f"{many(len(found.detectors), 'detector')} behind {many(len(found.names) - 1, 'enhancer')}, under "
            f"{many(len(found.groups.get('noise', [])), 'noise condition')}, {many(len(found.groups.get('other', [])), 'other')}, and clean. "
            "Each pair's threshold is frozen on clean development trials that went through the same enhancer."
        ),
        findings=tuple(s for d in found.detectors for s in _findings(found, d)),
        cautions=(
            "An enhancer works on the window that the detector hears, after the corruption; a system that enhances whole recordings may differ.",
            "All of these enhancers are made for people's ears; none was trained to keep what gives a fake away.",
            "Differences are corrected for all that were asked here (Holm), for the groups and for single conditions apart.",
            *(f"{name} was left out: {why}" for name, why in absent.items()),
        ),
        sections=(
            Section("gain", "Gain and cost", _gain_words(), (_forest(found), _gains(found))),
            Section("refit", "The threshold", (
                "A threshold that was frozen without the enhancer stands in the wrong place once there is one. The columns compare both: refitted is what this study counts.",
            ), (_refit(found),)),
            Section("conditions", "Every condition", (), (_single(found),)),
        ),
        facts={
            "corpus": corpus,
            "enhancers": ", ".join(f"{n} ({_what(n)})" for n in found.names),
            "conditions": ", ".join([CLEAN, *found.conditions]),
            "means": "over the levels of a corruption, then over corruptions",
            "intervals": common.rests(found.grid) if found.grid.drawn else "",
            "scores": "run/ in this folder: a run of the bench, which spoofproof report shows in full",
        },
        command=common.said(
            ["spoofproof", "study", "enhance", *(w for d in found.detectors for w in ("--detector", d)), "--out", out]
        ),
    )  # fmt: skip


def _what(name: str) -> str:
    return (ENHANCERS[name].__doc__ or "").split("\n")[0].strip().rstrip(".")


def _gain_words() -> tuple[str, ...]:
    return (
        "Differences in EER, enhancer minus none, in percentage points: to the left of zero the enhancer helps.",
    )


def _findings(found: _Found, detector: str) -> list[str]:
    """One sentence a group: the best enhancer, and whether anything is shown."""
    said = []
    others = [n for n in found.names if n != PLAIN]
    for group in found.groups:
        of = {n: found.gains[detector, n, group, EER] for n in others}
        best = min(of, key=lambda n: of[n].difference.value)
        worst = max(of, key=lambda n: of[n].difference.value)
        helped = [n for n in others if of[n].shown and of[n].difference.value < 0]
        hurt = [n for n in others if of[n].shown and of[n].difference.value > 0]
        points = Column("", "points")
        where = {"clean": "On clean audio", "noise": "Under noise", "other": "Under the other corruptions"}[
            group
        ]
        verdict = (f"{', '.join(helped)} help" if helped else "no enhancer is shown to help") + (
            f" and {', '.join(hurt)} cost"
            if hurt
            else ", and none is shown to cost"
            if group != "noise"
            else ""
        )
        said.append(
            f"{common.label(detector)}. {where}: {verdict}. EER changes by {points.say(of[best].difference)} points with {best} (best)"
            + (f" and {points.say(of[worst].difference)} with {worst} (worst)." if worst != best else ".")
        )
    return said


def _forest(found: _Found) -> Figure:
    rows: list[Row] = []
    for detector in found.detectors:
        for group in found.groups:
            rows.append(Row(f"{common.label(detector)}: {_TITLE[group]}", head=True))
            rows += [
                Row(n, found.gains[detector, n, group, EER].difference, i)
                for i, n in enumerate(found.names)
                if n != PLAIN
            ]
    return Figure(
        "Change of EER by the enhancer (points), 95 % intervals",
        forest(rows, points=True, reference=0.0),
        "Paired on the same trials; left of zero is better.",
    )


def _gains(found: _Found) -> Table:
    columns = (
        Column("Detector"), Column("Enhancer"), Column("Audio"), Column("EER", "share"), Column("EER − none", "points"),
        Column("p", "p"), Column("Accuracy", "share"), Column("Accuracy − none", "points"), Column("p (accuracy)", "p"), Column("Shown"),
    )  # fmt: skip
    rows = []
    for d in found.detectors:
        for n in found.names:
            for g, of in found.groups.items():
                eer, accuracy = (found.grid.estimate(found.values(n, d, of, m), m) for m in (EER, ACCURACY))
                e, a = found.gains.get((d, n, g, EER)), found.gains.get((d, n, g, ACCURACY))
                rows.append(
                    (
                        d, n, _TITLE[g], eer, common.gap(e), common.chance(e), accuracy,
                        common.gap(a), common.chance(a), _verdict(e, a),
                    )
                )  # fmt: skip
    return Table(
        "gains",
        "EER, and accuracy at the threshold refitted on enhanced clean development trials",
        columns,
        tuple(rows),
        "Accuracy is the mean of both classes'. p is corrected for all differences of this table (Holm).",
    )


def _verdict(eer: Difference | None, accuracy: Difference | None) -> str:
    if eer is None or accuracy is None:
        return ""
    said = []
    if eer.shown:
        said.append("EER better" if eer.difference.value < 0 else "EER worse")
    if accuracy.shown:
        said.append("accuracy better" if accuracy.difference.value > 0 else "accuracy worse")
    return ", ".join(said) or "no difference shown"


def _refit(found: _Found) -> Table:
    rows = []
    for d in found.detectors:
        for n in found.names:
            for g, of in found.groups.items():
                refitted = float(found.values(n, d, of, ACCURACY)[0])
                kept = found.unrefitted(n, d, of)
                rows.append((d, n, _TITLE[g], refitted, kept, refitted - kept))
    return Table(
        "refit",
        "Accuracy with the threshold refitted, and with the one frozen without an enhancer",
        (
            Column("Detector"), Column("Enhancer"), Column("Audio"), Column("Refitted", "share"),
            Column("Not refitted", "share"), Column("Refitting gains", "points"),
        ),
        tuple(rows),
    )  # fmt: skip


def _single(found: _Found) -> Table:
    rows = []
    for d in found.detectors:
        for c in [CLEAN, *found.conditions]:
            for n in found.names:
                values = found.grid.values(pair(n, d), c)
                if values is None:
                    continue
                s = found.single.get((d, n, c, EER))
                rows.append((d, c, n, found.grid.estimate(values[EER], EER), common.gap(s), common.chance(s)))
    return Table(
        "conditions",
        "EER under every condition",
        (
            Column("Detector"), Column("Condition"), Column("Enhancer"), Column("EER", "share"),
            Column("EER − none", "points"), Column("p", "p"),
        ),
        tuple(rows),
    )  # fmt: skip
