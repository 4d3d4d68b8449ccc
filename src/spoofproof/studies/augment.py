"""``spoofproof study augment``: clean training against training with some corruptions, on seen and on held-out ones.

Two arms of one recipe, each trained with several seeds, are scored by the bench on the same trials. What differs
between the arms is the augmentation alone, and what is held out is checked by the recipe, not promised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ..bench import identity
from ..corrupt import missing_for
from ..errors import BadCorpus, BadPlan
from ..plan import expand
from ..registry import read_corpus
from ..report.study import Column, Figure, Page, Section, Table, write_page
from ..report.study_plots import Row, forest
from ..results.grid import Grid, Values
from ..scores import digest_of
from ..stats import holm, unseen
from ..types import CLEAN, LABELS, Trial
from . import common
from .common import ACCURACY, EER
from .recipes import Training, family, prepared, train_all, variant
from .seeds import OverSeeds, over_seeds

ARMS = ("clean", "augmented")
SEEN = (
    "gaussian_noise@30", "gaussian_noise@20", "gaussian_noise@10", "low_pass@0.5", "low_pass@0.3", "mp3@40", "mp3@16",
    "reverb@0.3", "reverb@0.8",
)  # fmt: skip
HELD_OUT = (
    "background_noise@20", "background_noise@10", "high_pass@0.1", "high_pass@0.3", "echo@0.3", "echo@0.7", "opus@16",
    "opus@8", "packet_loss@5", "packet_loss@20", "quantization@256", "quantization@64", "time_stretch@0.9",
    "pitch_shift@-0.5", "parametric_codec@2.4",
)  # fmt: skip


def study_augment(
    trials: Sequence[Trial],
    out: Path,
    *,
    corpus: str,
    recipe: Path | None = None,
    seen: Sequence[str] = SEEN,
    held_out: Sequence[str] = HELD_OUT,
    seeds: int = 3,
    quick: bool = False,
    facts: Mapping[str, Any] | None = None,
    seed: int = 2025,
    workers: int = 1,
    count: int = 1000,
    tell: common.Tell = common.quiet,
    command: Sequence[str] = (),
) -> Page:
    """Train 2 x ``seeds`` detectors, score them on the dev and eval ``trials``, and write the report into ``out``.

    corpus: the text of the corpus that the recipes train on. recipe: a base recipe (default: a small lfcc-lcnn).
    seen: conditions that the augmented arm trains on; held_out: conditions of other corruptions, which nothing in
    training goes through. quick: a tenth of the training, to see whether all works.

    Raises BadPlan (a corruption in both lists, one seed), MissingPart (torch, a codec), BadCorpus, RunConflict.
    """
    kept = common.heard(trials)
    trained_on, unseen = _spelled(seen, held_out)
    if seeds < 2:
        raise BadPlan(
            "--seeds is at least 2: without a second seed its share of the difference cannot be told"
        )
    base = recipe.read_text(encoding="utf-8") if recipe and recipe.is_file() else _default(recipe)
    jobs = [
        Training(arm, number, prepared(variant(base, arm == "augmented", seed + number, corpus, trained_on, unseen, quick)), out)
        for number in range(seeds)
        for arm in ARMS
    ]  # fmt: skip
    _check_sources(kept, corpus)
    common.claim(
        out,
        {
            "study": "augment", "recipes": {job.name: job.text for job in jobs}, "seen": trained_on,
            "held_out": unseen, "trials": digest_of(kept), "seed": seed,
        },
    )  # fmt: skip
    references = train_all(jobs, workers, tell)
    table = common.score(
        "augment", list(references.values()), [*trained_on, *unseen], kept, out / "run", seed=seed, workers=workers,
        tell=tell, corpus=facts,
    )  # fmt: skip
    grid = common.grid_of(table, resamples=count)
    names = {arm: [references[arm, number] for number in range(seeds)] for arm in ARMS}
    usable = common.usable(grid, list(references.values()), [*trained_on, *unseen])
    found = _Found(grid, names, [c for c in usable if c in trained_on], [c for c in usable if c in unseen])
    ids = {r: identity(r)["identity"][:12] for r in references.values()}
    page = _page(found, common.corpus_words(table), base, ids, out, quick=quick)
    page = replace(page, cautions=(*common.met_words(table, grid), *page.cautions))
    if command:
        page = replace(page, command=common.said(command))
    write_page(page, out)
    return page


def _check_sources(trials: Sequence[Trial], corpus: str) -> None:
    """Before anything is trained: are there eval trials of both classes that training will not have met?"""
    met = {t.source for t in read_corpus(corpus) if t.part != "eval"} - {""}
    left = {t.label for t in trials if t.part == "eval" and t.source not in met}
    if len(left) < len(LABELS):
        raise BadCorpus(
            f"no {' and no '.join(sorted(set(LABELS) - left))} eval trial is left but of sources that are met in training: "
            "its source is in the train or dev part, too. A corpus for this study is split by source"
        )


def _default(recipe: Path | None) -> str:
    if recipe is not None:
        raise BadPlan(f"no such recipe: {recipe}. Leave --recipe out for a small lfcc-lcnn")
    return (resources.files(__package__) / "augment.toml").read_text(encoding="utf-8")


def _spelled(seen: Sequence[str], held_out: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both lists spelled out, without what cannot run here. Raises BadPlan where a corruption is in both, or a list empty."""
    lists = []
    for what, texts in (("seen", seen), ("held-out", held_out)):
        spelled = list(
            dict.fromkeys(c for text in texts for c in expand(text) if c != CLEAN and not missing_for(c))
        )
        if not spelled:
            raise BadPlan(
                f"no {what} corruption is left to study; name some that can run here (spoofproof list corruptions)"
            )
        lists.append(spelled)
    both = {f for c in lists[0] for f in family(c)} & {f for c in lists[1] for f in family(c)}
    if both:
        raise BadPlan(
            f"{', '.join(sorted(both))} is both seen and held out. A corruption is unseen only if nothing of it was seen: "
            "take it out of --seen or of --held-out"
        )
    return lists[0], lists[1]


@dataclass(frozen=True, slots=True)
class _Cell:
    """One group of conditions: both arms, and augmented - clean."""

    arms: dict[str, OverSeeds]
    difference: OverSeeds
    p: float = float("nan")

    @property
    def shown(self) -> bool:
        return self.p < 0.05


class _Found:
    """The numbers of the study: by group of conditions and metric, over seeds and trials."""

    def __init__(self, grid: Grid, names: dict[str, list[str]], seen: list[str], held_out: list[str]) -> None:
        self.grid, self.names = grid, names
        self.groups = {"clean": [CLEAN], "seen": seen, "held out": held_out}
        self.groups = {name: of for name, of in self.groups.items() if of}
        by_name: dict[str, list[str]] = {}
        for c in [*seen, *held_out]:
            by_name.setdefault(common.corruption_of(c), []).append(c)
        self.seen_names = {common.corruption_of(c) for c in seen}
        self.main = self._cells({(g, m): (of, m) for g, of in self.groups.items() for m in (EER, ACCURACY)})
        self.single = self._cells({(n, EER): (of, EER) for n, of in by_name.items()})

    def _cells(self, wanted: Mapping[tuple[str, str], tuple[list[str], str]]) -> dict[tuple[str, str], _Cell]:
        cells = {}
        for key, (conditions, metric) in wanted.items():
            values = {arm: self._values(arm, conditions, metric) for arm in ARMS}
            cells[key] = _Cell(
                {arm: self._over(v, metric, bounded=True) for arm, v in values.items()},
                self._over(values["augmented"] - values["clean"], metric),
            )
        corrected = holm([cell.difference.p for cell in cells.values()])
        return {k: _Cell(c.arms, c.difference, p) for (k, c), p in zip(cells.items(), corrected, strict=True)}

    def transfer(self) -> OverSeeds:
        """Change of EER on held-out corruptions minus its change on seen ones."""
        change = {
            g: self._values("augmented", self.groups[g], EER) - self._values("clean", self.groups[g], EER)
            for g in ("seen", "held out")
        }
        return self._over(change["held out"] - change["seen"], EER, of=4)

    def _values(self, arm: str, conditions: Sequence[str], metric: str) -> Values:
        return np.stack([common.mean_values(self.grid, d, conditions, metric) for d in self.names[arm]])

    def _over(self, values: Values, metric: str, *, bounded: bool = False, of: int = 2) -> OverSeeds:
        """of: how many values of the metric it is made of, at most; each may be wrong where none moves."""
        drawn = self.grid.drawn
        assert drawn is not None
        real = int(self.grid.is_bonafide.sum())
        return over_seeds(
            values,
            clusters=drawn.fewest,
            n_bonafide=real,
            n_spoof=len(self.grid.trials) - real,
            bounded=bounded,
            reach=lambda tail: of * unseen.reach(metric, self.grid.units(), tail / of),
        )


_POINTS, _SHARE = Column("", "points"), Column("", "share")


def _page(found: _Found, corpus: str, base: str, ids: Mapping[str, str], out: Path, *, quick: bool) -> Page:
    seeds = len(found.names["clean"])
    return Page(
        study="augment",
        title="Does training with some corruptions help against others?",
        lead=(
            f"One recipe, trained {seeds} times clean and {seeds} times with {len(found.groups.get('seen', []))} corrupted conditions, "
            f"tested on clean audio, on those conditions, and on {len(found.groups.get('held out', []))} conditions of corruptions that nothing in training went through."
        ),
        findings=tuple(_findings(found)),
        cautions=(
            *(["--quick: a tenth of the training. These numbers show that everything runs, and nothing else."] if quick else []),
            "Both arms are trained on the same clips and selected on clean development data; the augmented arm hears each clip less often as it is.",
            f"Intervals hold the spread of {seeds} seeds and of the trials; with few seeds the former is roughly known.",
            "Live augmentation that is itself a corruption (noise, band-limiting, RawBoost) is off in both arms, so that the lists are the whole truth.",
            *_unstable(found),
        ),
        sections=(
            Section("arms", "Clean against augmented training", (), (_picture(found), _arms(found))),
            Section("corruptions", "Every corruption", ("Change of EER by the augmentation: left of zero it helps.",), (_single_picture(found), _single(found))),
            Section("seeds", "Every seed", (), (_seeds(found),)),
        ),
        facts={
            "corpus": corpus,
            "seen in training": ", ".join(found.groups.get("seen", [])),
            "held out": ", ".join(found.groups.get("held out", [])),
            "recipe": " ".join(line for line in base.splitlines() if line and not line.startswith("#"))[:400],
            "detectors": ", ".join(f"sha256:{i}" for i in ids.values()),
            "threshold": "frozen on clean development trials, for each trained detector its own",
            "intervals": (common.rests(found.grid) if found.grid.drawn else "") + "; and over seeds: Student's t with Satterthwaite's degrees of freedom",
            "scores": "run/ in this folder: a run of the bench; recipes/ and weights/ beside it",
        },
        command=common.said(["spoofproof", "study", "augment", "--seeds", seeds, *(["--quick"] if quick else []), "--out", out]),
        data={"seeds": {f"{g}/{m}": {arm: list(c.arms[arm].each) for arm in ARMS} for (g, m), c in found.main.items()}},
    )  # fmt: skip


def _findings(found: _Found) -> list[str]:
    where = {
        "clean": "On clean audio",
        "seen": "On the corruptions that were trained on",
        "held out": "On held-out corruptions",
    }
    said = []
    for group in ("held out", "seen", "clean"):
        if group not in found.groups:
            continue
        eer, accuracy = found.main[group, EER], found.main[group, ACCURACY]
        verdict = "a difference is shown" if eer.shown else "no difference is shown"
        said.append(
            f"{where[group]} EER is {_SHARE.say(eer.arms['clean'].estimate)} after clean training and {_SHARE.say(eer.arms['augmented'].estimate)} "
            f"after augmented training: {_POINTS.say(eer.difference.estimate)} points, {verdict}. Accuracy at the frozen threshold changes by "
            f"{_POINTS.say(accuracy.difference.estimate)} points{'' if accuracy.shown else ' (not shown)'}."
        )
    if {"seen", "held out"} <= set(found.groups):
        t = found.transfer()
        verdict = (
            "the gain is smaller where it was not trained for"
            if t.p < 0.05 and t.estimate.value > 0
            else "the gains do not differ so that it shows"
        )
        said.append(
            f"The change on held-out corruptions minus that on seen ones is {_POINTS.say(t.estimate)} points: {verdict}."
        )
    return said


def _unstable(found: _Found) -> list[str]:
    bad = [
        f"{g} ({arm})" for (g, m), c in found.main.items() if m == EER for arm in ARMS if c.arms[arm].unstable
    ]
    return [f"Unstable: the seeds' EERs spread by more than ten points on {', '.join(bad)}."] if bad else []


def _picture(found: _Found) -> Figure:
    rows = []
    for group in found.groups:
        rows.append(Row(group, head=True))
        rows += [
            Row(f"{arm} training", found.main[group, EER].arms[arm].estimate, i) for i, arm in enumerate(ARMS)
        ]
    return Figure(
        "EER, mean over seeds, 95 % intervals over seeds and trials",
        forest(rows, reference=0.5),
        "The dashed line is a coin.",
    )


def _arms(found: _Found) -> Table:
    rows = []
    for (group, metric), c in found.main.items():
        rows.append(
            (
                group, "EER" if metric == EER else "accuracy, frozen", *(c.arms[a].estimate for a in ARMS),
                c.difference.estimate, c.p, c.arms["clean"].spread, c.arms["augmented"].spread, "yes" if c.shown else "no",
            )
        )  # fmt: skip
    return Table(
        "arms", "Both arms on each group of conditions",
        (
            Column("Audio"), Column("Metric"), Column("Clean training", "share"), Column("Augmented", "share"),
            Column("Augmented − clean", "points"), Column("p", "p"), Column("Spread of seeds, clean", "share"),
            Column("Spread, augmented", "share"), Column("Shown"),
        ),
        tuple(rows),
        "Means over the levels of a corruption, then over corruptions, then over seeds. Differences are paired by trial and seed; p is corrected for all of this table (Holm). Accuracy is the mean of both classes'.",
    )  # fmt: skip


def _single_picture(found: _Found) -> Figure:
    rows = []
    for title, wanted in (("seen", True), ("held out", False)):
        rows.append(Row(title, head=True))
        rows += [
            Row(n, c.difference.estimate, int(not wanted))
            for (n, _), c in found.single.items()
            if (n in found.seen_names) == wanted
        ]
    return Figure(
        "Change of EER (points), augmented minus clean training", forest(rows, points=True, reference=0.0)
    )


def _single(found: _Found) -> Table:
    rows = [
        (
            n, "seen" if n in found.seen_names else "held out", *(c.arms[a].estimate for a in ARMS),
            c.difference.estimate, c.p, "yes" if c.shown else "no",
        )
        for (n, _), c in found.single.items()
    ]  # fmt: skip
    return Table(
        "corruptions", "EER by corruption, mean over its levels",
        (
            Column("Corruption"), Column("In training"), Column("Clean training", "share"), Column("Augmented", "share"),
            Column("Augmented − clean", "points"), Column("p", "p"), Column("Shown"),
        ),
        tuple(rows),
        "p is corrected for all corruptions (Holm).",
    )  # fmt: skip


def _seeds(found: _Found) -> Table:
    rows: list[tuple[str | float | int, ...]] = [
        (arm, number, *(found.main[g, EER].arms[arm].each[number] for g in found.groups))
        for arm in ARMS
        for number in range(len(found.names[arm]))
    ]
    columns = (
        Column("Training"),
        Column("Seed", "count"),
        *(Column(f"EER {g}", "share") for g in found.groups),
    )
    return Table("seeds", "EER of every trained detector", columns, tuple(rows))
