"""``spoofproof study size``: the same family at several sizes, robustness against parameters and measured cost."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from .. import registry
from ..ask import load_detector
from ..audio import WINDOW_SAMPLES, open_audio, resample, window
from ..bench import identity
from ..errors import BadPlan, SpoofproofError
from ..plan import expand
from ..report.study import Column, Figure, Page, Section, Table, write_page
from ..report.study_plots import Point, scatter
from ..results.grid import Grid, Values
from ..scale import one_thread
from ..scores import digest_of, write_json
from ..types import CLEAN, Estimate, Trial
from . import common
from .common import ACCURACY, EER
from .parameters import parameters

DEFAULT: Mapping[str, tuple[str, ...]] = {
    "AASIST": ("aasist-l", "aasist"),
    "SpecTTTra": ("spectttra-gamma", "spectttra-beta", "spectttra-alpha"),
}
_CLIPS = 8
_ROUNDS = 3
_RATE = 16_000


@dataclass(frozen=True, slots=True)
class Member:
    """A detector of a family. parameters: 0 where unknown (``source`` says why). milliseconds: median a clip, one thread."""

    family: str
    detector: str
    parameters: int
    source: str
    milliseconds: float


def families_here() -> dict[str, tuple[str, ...]]:
    """The default families as far as their detectors are registered and their weights are here."""
    found = {name: tuple(d for d in of if _loads(d)) for name, of in DEFAULT.items()}
    return {name: of for name, of in found.items() if len(of) > 1}


def _loads(detector: str) -> bool:
    if detector not in registry.detectors:
        return False
    try:
        load_detector(detector)
    except SpoofproofError:
        return False
    return True


def parse_family(text: str) -> tuple[str, tuple[str, ...]]:
    """``NAME=DETECTOR,DETECTOR,…``. Raises BadPlan."""
    name, equals, of = text.partition("=")
    members = tuple(part.strip() for part in of.split(",") if part.strip())
    if not equals or not name.strip() or not members:
        raise BadPlan(f"--family {text!r}: expected NAME=DETECTOR,DETECTOR, such as AASIST=aasist-l,aasist")
    return name.strip(), members


def study_size(
    families: Mapping[str, Sequence[str]],
    trials: Sequence[Trial],
    out: Path,
    *,
    conditions: Sequence[str] = (),
    corpus: Mapping[str, Any] | None = None,
    seed: int = 2025,
    workers: int = 1,
    count: int = 1000,
    tell: common.Tell = common.quiet,
    command: Sequence[str] = (),
) -> Page:
    """Score every member of ``families`` under ``conditions`` (default: the middle level of each corruption), time it,
    and write the report into ``out``. Raises BadPlan, UnknownName, BadCorpus, RunConflict, MissingPart."""
    members = [d for of in families.values() for d in of]
    if len(members) < 2:
        raise BadPlan(
            "a study of size needs at least two detectors. Name a family: --family NAME=SMALL,LARGE with detectors of "
            f"spoofproof list detectors (default: {'; '.join(n + '=' + ','.join(of) for n, of in DEFAULT.items())})"
        )
    twice = sorted({d for d in members if members.count(d) > 1})
    if twice:
        raise BadPlan(f"{', '.join(twice)} is in more than one family")
    kept = common.heard(trials)
    spelled = list(
        dict.fromkeys(
            c for text in conditions or common.middle_conditions() for c in expand(text) if c != CLEAN
        )
    )
    common.claim(
        out,
        {
            "study": "size", "families": {n: list(of) for n, of in families.items()},
            "detectors": {d: identity(d)["identity"] for d in members},
            "conditions": spelled, "trials": digest_of(kept), "seed": seed,
        },
    )  # fmt: skip
    sizes = {d: parameters(d) for d in members}
    cost = _cost(members, kept, out / "cost.json", tell)
    table = common.score(
        "size", members, spelled, kept, out / "run", seed=seed, workers=workers, tell=tell, corpus=corpus
    )
    grid = common.grid_of(table, resamples=count)
    found = [Member(name, d, *sizes[d], cost[d]) for name, of in families.items() for d in of]
    page = _page(grid, found, common.usable(grid, members, spelled), common.corpus_words(table), out)
    page = replace(page, cautions=(*common.met_words(table, grid), *page.cautions))
    if command:
        page = replace(page, command=common.said(command))
    write_page(page, out)
    return page


def _cost(members: Sequence[str], trials: Sequence[Trial], path: Path, tell: common.Tell) -> dict[str, float]:
    """Milliseconds a clip of each member, all measured in one go on the same clips; kept in ``path``.

    Rounds go over all members in turn, so that a busy machine slows them alike; the median of the rounds counts.
    """
    if path.exists():
        known: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))["milliseconds"]
        if set(known) == set(members):
            return known
    seconds = WINDOW_SAMPLES / _RATE
    clips = [
        window(open_audio(t.path, rate=_RATE, seconds=seconds), WINDOW_SAMPLES)
        for t in [t for t in trials if t.part == "eval"][:_CLIPS]
    ]
    taken: dict[str, list[float]] = {d: [] for d in members}
    with one_thread():
        for round_ in range(_ROUNDS + 1):  # the first one warms up
            for i, name in enumerate(members):
                spec, detector = load_detector(name)
                heard = [resample(c, spec.rate) for c in clips]
                start = time.perf_counter()
                for clip in heard:
                    detector([clip])
                if round_:
                    taken[name].append(1e3 * (time.perf_counter() - start) / len(heard))
                tell(round_ * len(members) + i + 1, (_ROUNDS + 1) * len(members), f"timing {name}")
    found = {name: float(np.median(times)) for name, times in taken.items()}
    write_json(
        path,
        {
            "milliseconds": found,
            "clips": len(clips),
            "seconds": seconds,
            "machine": platform.machine(),
            "threads": 1,
        },
    )
    return found


def pareto(cost: Sequence[float], error: Sequence[float]) -> list[bool]:
    """Which points no other one beats: none is at most as costly and at most as wrong, and better in one of them."""
    of = list(zip(cost, error, strict=True))
    return [
        not any(c <= mine[0] and e <= mine[1] and (c, e) != mine for c, e in of)
        and all(map(math.isfinite, mine))
        for mine in of
    ]


def _page(grid: Grid, members: Sequence[Member], conditions: Sequence[str], corpus: str, out: Path) -> Page:
    values = {m.detector: common.mean_values(grid, m.detector, conditions, EER) for m in members}
    clean = {m.detector: (grid.values(m.detector, CLEAN) or {}).get(EER) for m in members}
    tested = common.differences(grid, _pairs(members, values, clean))
    best = {
        what: dict(
            zip(
                [m.detector for m in members],
                pareto([cost(m) for m in members], [float(values[m.detector][0]) for m in members]),
                strict=True,
            )
        )
        for what, cost in (
            ("parameters", lambda m: float(m.parameters or math.inf)),
            ("milliseconds", lambda m: m.milliseconds),
        )
    }
    return Page(
        study="size",
        title="Does a larger detector of the same family stand more?",
        lead=f"{len(members)} detectors of {len({m.family for m in members})} families under clean audio and {len(conditions)} corrupted conditions: mean EER against parameters and against measured cost.",
        findings=tuple(_findings(members, tested)),
        cautions=(
            "Sizes of one family differ in more than their size where they were trained apart: compare inside a family, and see the cards.",
            "Milliseconds are of this machine, one thread, batches of one, all detectors in one run; their ratios carry over, their values do not.",
            *(f"{m.detector}: {m.source}; it is not in the first picture" for m in members if not m.parameters),
        ),
        sections=(
            Section(
                "pareto", "Error against size and cost",
                ("Lower and further left is better. Members of a family are joined by a line.",),
                (
                    Figure("Mean EER under corruption against parameters", scatter(_points(grid, members, values, "parameters"), x_title="parameters", y_title="mean EER")),
                    Figure("Mean EER under corruption against milliseconds a clip", scatter(_points(grid, members, values, "milliseconds"), x_title="ms a clip", y_title="mean EER")),
                ),
            ),
            Section("members", "Every member", (), (_members(grid, members, values, clean, best, conditions),)),
            Section("differences", "Sizes against each other", ("Paired on the same trials, inside each family; p is corrected for all of them (Holm).",), (_differences(members, tested),)),
            Section("corruptions", "Every condition", (), (_conditions(grid, members, conditions),)),
        ),
        facts={
            "corpus": corpus,
            "conditions": ", ".join([CLEAN, *conditions]),
            "cost": f"median of {_ROUNDS} rounds over {_CLIPS} clips of {WINDOW_SAMPLES / _RATE:.2f} s after a warm-up, one thread; cost.json",
            "intervals": common.rests(grid) if grid.drawn else "",
            "scores": "run/ in this folder: a run of the bench",
        },
        command=common.said(
            ["spoofproof", "study", "size", *_family_words(members), "--out", out]
        ),
    )  # fmt: skip


def _family_words(members: Sequence[Member]) -> list[str]:
    words = []
    for family in dict.fromkeys(m.family for m in members):
        of = ",".join(m.detector for m in members if m.family == family)
        words += ["--family", f"{family}={of}"]
    return words


def _pairs(
    members: Sequence[Member], values: Mapping[str, Values], clean: Mapping[str, Values | None]
) -> dict[tuple[str, ...], tuple[Values, Values]]:
    """Larger minus smaller inside a family, under corruption and clean."""
    found: dict[tuple[str, ...], tuple[Values, Values]] = {}
    for family in dict.fromkeys(m.family for m in members):
        of = sorted((m for m in members if m.family == family), key=lambda m: (m.parameters, m.milliseconds))
        for small, large in combinations(of, 2):
            found[large.detector, small.detector, "corrupted"] = (
                values[large.detector],
                values[small.detector],
            )
            one, other = clean[large.detector], clean[small.detector]
            if one is not None and other is not None:
                found[large.detector, small.detector, CLEAN] = (one, other)
    return found


def _findings(members: Sequence[Member], tested: Mapping[tuple[str, ...], common.Difference]) -> list[str]:
    points = Column("", "points")
    said = []
    family = {m.detector: m.family for m in members}
    for (large, small, where), d in tested.items():
        if where != "corrupted":
            continue
        verdict = (
            f"{'less' if d.difference.value < 0 else 'more'} error is shown"
            if d.shown
            else "no difference is shown"
        )
        said.append(
            f"{family[large]}: mean EER under corruption, {common.label(large)} minus {common.label(small)}: {points.say(d.difference)} points; {verdict}."
        )
    return said or ["No family has two members: nothing is compared by size."]


def _points(grid: Grid, members: Sequence[Member], values: Mapping[str, Values], what: str) -> list[Point]:
    names = list(dict.fromkeys(m.family for m in members))
    return [
        Point(
            common.label(m.detector),
            float(getattr(m, what)),
            grid.estimate(values[m.detector], EER),
            m.family,
            names.index(m.family),
        )
        for m in members
        if getattr(m, what) > 0
    ]


def _members(
    grid: Grid, members: Sequence[Member], values: Mapping[str, Values], clean: Mapping[str, Values | None],
    best: Mapping[str, Mapping[str, bool]], conditions: Sequence[str],
) -> Table:  # fmt: skip
    def accuracy(m: Member) -> Estimate:
        return grid.estimate(common.mean_values(grid, m.detector, conditions, ACCURACY), ACCURACY)

    return Table(
        "members",
        "Parameters, cost and error",
        (
            Column("Detector"), Column("Family"), Column("Parameters", "count"), Column("From"), Column("ms a clip", "short"),
            Column("EER clean", "share"), Column("EER corrupted", "share"), Column("Accuracy corrupted", "share"), Column("On the front"),
        ),
        tuple(
            (
                m.detector, m.family, m.parameters or None, m.source, m.milliseconds,
                None if (c := clean[m.detector]) is None else grid.estimate(c, EER),
                grid.estimate(values[m.detector], EER), accuracy(m),
                ", ".join(w for w in best if best[w][m.detector]),
            )
            for m in members
        ),
        "On the front: no other detector here has both less of this and less error (by the point estimates).",
    )  # fmt: skip


def _differences(members: Sequence[Member], tested: Mapping[tuple[str, ...], common.Difference]) -> Table:
    rows = tuple(
        (large, small, where, d.difference, d.p_corrected, "yes" if d.shown else "no")
        for (large, small, where), d in tested.items()
    )
    return Table(
        "differences",
        "EER, larger minus smaller",
        (Column("Larger"), Column("Smaller"), Column("Audio"), Column("Difference", "points"), Column("p", "p"), Column("Shown")),
        rows,
    )  # fmt: skip


def _conditions(grid: Grid, members: Sequence[Member], conditions: Sequence[str]) -> Table:
    rows = []
    for condition in [CLEAN, *conditions]:
        cells = [grid.values(m.detector, condition) for m in members]
        rows.append((condition, *(None if c is None else grid.estimate(c[EER], EER) for c in cells)))
    return Table(
        "conditions", "EER under every condition",
        (Column("Condition"), *(Column(m.detector, "share") for m in members)), tuple(rows),
    )  # fmt: skip
