"""Compare and gate: what regressed is found and named, what did not is left alone, what is missing is no pass.

1. many tests together: closed forms, and the family-wise error over simulated pairs of runs
2. two runs: identical, planted regressions, strict, metrics, means
3. what cannot be compared: other trials, plans, windows, audio; missing cells, lost scores, one class
4. JUnit, Markdown, JSON, exit codes
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from spoofproof.errors import BadScores, RunConflict, UnknownName
from spoofproof.gate import ALL, Side, Verdict, Wanted, as_dict, differences, judge, junit, markdown, match
from spoofproof.metrics.rank import eer
from spoofproof.scores import Cell, cell_path, condition_path, write_cell, write_json, write_trials
from spoofproof.stats import paired_difference, together
from spoofproof.types import Scores, Trial

CONDITIONS = ("clean", "buzz@1", "buzz@2", "hiss@1", "codec@1", "codec@2", "identity")
FAMILY = {"buzz": "noise", "hiss": "noise", "codec": "compression", "identity": "control", "clean": "clean"}


def make_trials(
    speakers: int = 20, attacks: int = 20, each: int = 4, part: str = "eval"
) -> tuple[Trial, ...]:
    """Every speaker with as many bona fide trials as spoofed ones."""
    return tuple(
        Trial(
            f"{part}-{label}-{s}-{i}",
            Path("x"),
            label,  # type: ignore[arg-type]
            speaker=f"s{s}",
            attack="" if label == "bonafide" else f"a{(s + 5 * i) % attacks}",
            part=part,  # type: ignore[arg-type]
        )
        for s in range(speakers)
        for i in range(each)
        for label in ("bonafide", "spoof")
    )


TRIALS = make_trials()
DEV = make_trials(part="dev")


def record(
    detectors: Sequence[str], conditions: Sequence[str] = CONDITIONS, **changes: Any
) -> dict[str, Any]:
    return {
        "format": 1,
        "seed": 0,
        "window": {"rate": 16000, "samples": 64600, "pad": "repeat"},
        "recordings": {},
        "heavy": None,
        "conditions": list(conditions),
        "detectors": {d: {"card": {}, "identity": d} for d in detectors},
        "made": {"at": "2026-11-24T10:00:00+00:00"},
    } | changes


def facts(name: str, **changes: Any) -> dict[str, Any]:
    corruption, _, level = name.partition("@")
    return {
        "corruption": corruption if name != "clean" else "",
        "family": FAMILY[corruption],
        "level": float(level) if level else None,
        "index": int(level) if level else 0,
        "digest": f"digest of {name}",
        "status": "ok",
        "why": "",
    } | changes


def scores_of(trials: Sequence[Trial], condition: str, apart: float = 3.0, seed: int = 0) -> Scores:
    """Bona fide ``apart`` above spoof; the noise is the trial's and the condition's own."""
    rng = np.random.default_rng([seed, sum(map(ord, condition))])
    own = np.random.default_rng(7).normal(size=len(trials))
    return (
        own + 0.3 * rng.normal(size=len(trials)) + apart * np.array([t.label == "bonafide" for t in trials])
    )


def make_run(
    folder: Path,
    weaker: Mapping[str, float] | None = None,
    *,
    detectors: Sequence[str] = ("mine",),
    conditions: Sequence[str] = CONDITIONS,
    trials: tuple[Trial, ...] = TRIALS,
    without: Sequence[str] = (),
    broken: Mapping[str, int] | None = None,
    of_condition: Mapping[str, Mapping[str, Any]] | None = None,
    dev: bool = False,
    **changes: Any,
) -> Path:
    """A run folder. weaker: condition -> how much less the classes are apart. without: conditions without a cell.
    broken: condition -> trials that end in an error."""
    everything = (*trials, *DEV) if dev else trials
    write_json(folder / "run.json", record(detectors, conditions, **changes))
    write_trials(folder / "trials.parquet", everything)
    for c in conditions:
        write_json(condition_path(folder, c), facts(c) | dict((of_condition or {}).get(c, {})))
        for d in detectors:
            rows = everything if c == "clean" else trials
            scores = scores_of(rows, c, 3.0 - (weaker or {}).get(c, 0.0))
            n = (broken or {}).get(c, 0)
            scores[:n] = np.nan
            status = ("error: decoder",) * n + ("ok",) * (len(rows) - n)
            if c not in without:
                write_cell(cell_path(folder, d, c), Cell(tuple(t.id for t in rows), scores, status))
    return folder


def judged(a: Path, b: Path, limit: float = 0.02, *metrics: str, **options: Any) -> Verdict:
    how = {k: options.pop(k) for k in ("strict", "level") if k in options}
    between = {k: options.pop(k) for k in ("pairs", "shared") if k in options}
    wanted = [Wanted(m, limit) for m in metrics or ("eer",)]
    return judge(differences(match(Side.open(a), Side.open(b), **between), wanted, **options), **how)


# 1. many tests together


def draws(shifts: Sequence[float], count: int = 4000, shared: float = 0.0, seed: int = 0) -> np.ndarray:
    """Tests whose measured differences are ``shifts`` and whose resamples are normal about them, with correlation."""
    rng = np.random.default_rng(seed)
    noise = np.sqrt(shared) * rng.normal(size=(1, count)) + np.sqrt(1 - shared) * rng.normal(
        size=(len(shifts), count)
    )
    point = np.array(shifts)[:, None]
    return np.hstack([point, point + noise])


def test_one_test_is_the_normal_or_students_tail() -> None:
    for shift in (0.5, 1.3, 2.2):
        many = together(draws([shift], 40_000), clusters=10**6)
        assert (
            many.alone[0] == pytest.approx(norm.sf(shift), abs=0.006) and many.corrected[0] == many.alone[0]
        )
        few = together(draws([shift], 40_000), clusters=5)
        assert few.alone[0] == pytest.approx(student.sf(shift / np.sqrt(5 / 4), 4), abs=0.006)
        both = together(draws([-shift], 40_000), clusters=10**6, two_sided=True)
        assert both.alone[0] == pytest.approx(2 * norm.sf(shift), abs=0.01)
        beyond = together(draws([shift], 40_000), margin=shift, clusters=50)
        assert beyond.alone[0] == pytest.approx(0.5, abs=0.01)


def test_independent_tests_pay_for_their_number_and_copies_do_not() -> None:
    """Independent: 1 - (1 - p)^M (Sidak). Copies of one test: p itself."""
    shifts = [3.0] + [0.0] * 49
    apart = together(draws(shifts, 20_000), clusters=10**6)
    assert apart.corrected[0] == pytest.approx(1 - norm.cdf(3.0) ** 50, abs=0.01)
    copies = together(np.repeat(draws([3.0], 20_000), 50, axis=0), clusters=10**6)
    assert np.allclose(copies.corrected, copies.alone[0])
    assert copies.alone[0] == pytest.approx(norm.sf(3.0), abs=0.001)


def test_what_was_found_no_longer_stands_in_the_way() -> None:
    """Step-down: the second of two is held against one test, not two; and no p is below that of a larger difference."""
    found = together(draws([6.0, 1.9], 20_000), clusters=10**6)
    assert found.corrected[1] == pytest.approx(norm.sf(1.9), abs=0.004)
    alone = together(draws([1.9, 0.0], 20_000), clusters=10**6)
    assert alone.corrected[0] == pytest.approx(1 - norm.cdf(1.9) ** 2, abs=0.006)
    many = together(draws(list(np.linspace(0, 4, 30))), clusters=30)
    assert (np.diff(many.corrected) <= 0).all() and (many.corrected >= many.alone).all()


def test_a_hundred_cells_can_be_called_from_a_thousand_resamples() -> None:
    """What a Bonferroni or Holm correction of bootstrap p-values cannot do: 100 / 1001 is above 0.05."""
    found = together(draws([8.0] + [0.0] * 99, 1000), clusters=40)
    assert found.corrected[0] < 0.01 and (found.corrected[1:] > 0.05).all()


def test_differences_without_spread_are_beyond_doubt_or_nothing() -> None:
    values = np.vstack([np.full(101, 0.4), np.zeros(101), np.full(101, 0.02), np.full(101, np.nan)])
    found = together(values, margin=0.02, clusters=8)
    assert found.corrected[0] == 1 / 101 and found.corrected[1] == found.corrected[2] == 1
    assert np.isnan(found.corrected[3]) and np.isnan(found.alone[3])


def test_what_would_have_been_called_is_called() -> None:
    values = draws([0.0] * 20, 999, shared=0.5)
    limit = together(values, margin=0.1, clusters=12).called
    for step, called in ((1e-6, True), (-1e-6, False)):
        moved = values.copy()
        moved[3] += limit[3] + step
        assert (together(moved, margin=0.1, clusters=12).corrected[3] <= 0.05) == called


class Held(Side):
    """A run in memory."""

    def cell(self, detector: str, condition: str) -> Cell | None:
        found: Cell | None = self.record["cells"].get(condition)
        return found


def held(trials: tuple[Trial, ...], scores: Mapping[str, Scores]) -> Side:
    ids, good = tuple(t.id for t in trials), ("ok",) * len(trials)
    cells = {c: Cell(ids, x, good) for c, x in scores.items()}
    return Held(Path("held"), record(("m",), tuple(scores)) | {"cells": cells}, trials, {})


def test_a_hundred_cells_of_equal_detectors_raise_a_false_alarm_in_at_most_one_of_twenty_gates() -> None:
    """Two detectors of equal power on clustered trials, the limit 0, which is where a gate errs most; and the same cells
    tested one by one raise an alarm nearly always, so that the correction is what is seen here."""
    trials = make_trials(12, 6, 2)
    real = np.array([t.label == "bonafide" for t in trials])
    speaker = np.array([int(t.speaker[1:]) for t in trials])
    pairs, alarms, alone = 40, 0, 0
    for seed in range(pairs):
        rng = np.random.default_rng(seed)
        common = 1.5 * real + rng.normal(0, 0.5, 12)[speaker] + rng.normal(size=real.size)
        runs = [
            {
                f"c{k}": common + rng.normal(0, 0.4, 12)[speaker] + rng.normal(0, 0.7, real.size)
                for k in range(100)
            }
            for _ in range(2)
        ]
        a, b = (held(trials, scores) for scores in runs)
        found = judge(differences(match(a, b), [Wanted("eer", 0.0)], resamples=200, seed=seed))
        assert len(found.judged) == 100
        alarms += any(j.word == "regressed" for j in found.judged)
        alone += any(j.p < 0.05 for j in found.judged)
    assert alarms <= 6  # 2 expected at the level; above 6 with a chance of 0.3 %
    assert alone >= 0.8 * pairs


# 2. two runs


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("gate") / "v1", dev=True)


def test_identical_runs_pass_both_gates(base: Path, tmp_path: Path) -> None:
    same = make_run(tmp_path / "v2", dev=True)
    for strict in (False, True):
        found = judged(base, same, 0.0, "eer", "auroc", "miss_frozen", "cllr", strict=strict)
        assert found.word == "passed" and found.exit_code == 0
        assert len(found.judged) == 4 * (len(CONDITIONS) + 1)
        for j in found.judged:
            assert (j.difference.drop.value, j.difference.drop.low, j.difference.drop.high) == (0, 0, 0)
            assert j.p == j.corrected == j.different == 1 and j.word == "passed"


def test_a_planted_regression_is_found_and_named_and_nothing_else(base: Path, tmp_path: Path) -> None:
    worse = make_run(tmp_path / "v2", {"codec@2": 2.0}, dev=True)
    found = judged(base, worse)
    assert [j.difference.condition for j in found.failed if j.difference.conditions == 1] == ["codec@2"]
    assert found.word == "failed" and found.exit_code == 1
    j = next(j for j in found.failed if j.difference.condition == "codec@2")
    labels = np.array([t.label == "bonafide" for t in TRIALS])
    before, after = scores_of(TRIALS, "codec@2"), scores_of(TRIALS, "codec@2", 1.0)
    values = [eer(bonafide=x[labels], spoof=x[~labels]) for x in (before, after)]
    assert (j.difference.before, j.difference.after) == pytest.approx(values)
    assert j.difference.drop.value == pytest.approx(values[1] - values[0])
    expected, _ = paired_difference(TRIALS, after, before)
    assert (j.difference.drop.low, j.difference.drop.high) == pytest.approx((expected.low, expected.high))
    back = judged(worse, base)
    assert back.word == "passed"
    assert next(j for j in back.judged if j.difference.condition == "codec@2").word == "better"


def test_the_limit_is_what_a_drop_is_held_against(base: Path, tmp_path: Path) -> None:
    worse = make_run(tmp_path / "v2", {"codec@2": 2.0}, dev=True)
    assert judged(base, worse, 0.02).word == "failed"
    within = judged(base, worse, 0.5)
    assert within.word == "passed"
    assert next(j for j in within.judged if j.difference.condition == "codec@2").word == "worse"
    p = [
        next(j.corrected for j in judged(base, worse, x).judged if j.difference.condition == "codec@2")
        for x in (0, 0.1, 0.2)
    ]
    assert p == sorted(p)


def test_strict_asks_for_proof_and_bounds_the_drop_at_the_level(base: Path, tmp_path: Path) -> None:
    """A small drop that the usual gate lets through is not shown to be small either."""
    little = make_run(tmp_path / "v2", {"hiss@1": 0.3}, dev=True)
    assert judged(base, little, 0.02).word == "passed"
    strict = judged(base, little, 0.02, strict=True)
    assert {j.difference.condition for j in strict.failed} - {ALL} == {"hiss@1"}
    assert {j.word for j in strict.failed} == {"unproven"} and strict.exit_code == 1
    j = next(j for j in strict.failed if j.difference.condition == "hiss@1")
    assert j.difference.drop.value < j.bound <= j.difference.drop.high
    assert judged(base, little, j.bound, strict=True).word == "passed"
    assert judged(base, little, j.bound - 1e-6, strict=True).word == "failed"


def test_the_mean_over_corruptions_sees_what_no_cell_shows(tmp_path: Path) -> None:
    """A little worse everywhere; the mean is that of a report: over levels, then over corruptions, no control in it."""
    many = make_trials(40, 40)
    before = make_run(tmp_path / "v1", trials=many)
    found = judged(before, make_run(tmp_path / "v2", dict.fromkeys(CONDITIONS, 0.4), trials=many), 0.0)
    mean = next(j for j in found.judged if j.difference.condition == ALL)
    cells = {j.difference.condition: j.difference for j in found.judged}
    groups = (("buzz@1", "buzz@2"), ("hiss@1",), ("codec@1", "codec@2"))
    expected = np.mean([np.mean([cells[c].values for c in group], axis=0) for group in groups], axis=0)
    assert mean.difference.values == pytest.approx(expected) and mean.difference.conditions == 5
    assert [j.difference.condition for j in found.failed] == [ALL]


def test_metrics_turn_the_way_that_is_worse(base: Path, tmp_path: Path) -> None:
    """Higher AUROC is better, and a threshold that slid shows in the frozen rates while the EER stays."""
    worse = make_run(tmp_path / "v2", {"codec@2": 2.0}, dev=True)
    found = judged(
        base, worse, 0.01, "auroc", "accuracy_frozen", "false_alarm_frozen", "miss_frozen", "cllr_loss"
    )
    at = {j.difference.metric: j for j in found.judged if j.difference.condition == "codec@2"}
    assert (
        at["auroc"].difference.better == "higher"
        and at["auroc"].difference.after < at["auroc"].difference.before
    )
    assert all(
        at[m].difference.drop.value > 0 and at[m].word == "regressed"
        for m in ("auroc", "accuracy_frozen", "miss_frozen")
    )
    slid = make_run(tmp_path / "v3", dev=True)
    cell = Side.open(slid).cell("mine", "codec@2")
    assert cell is not None
    write_cell(cell_path(slid, "mine", "codec@2"), replace(cell, scores=cell.scores - 3))
    assert judged(base, slid, 0.02, "eer").word == "passed"
    assert {j.difference.condition for j in judged(base, slid, 0.02, "miss_frozen").failed} == {
        "codec@2",
        ALL,
    }
    for bad in ("err", "miss_frosen"):
        with pytest.raises(UnknownName, match="Did you mean"):
            judged(base, slid, 0.02, bad)
    with pytest.raises(BadScores, match="no side of it"):
        judged(base, slid, 0.02, "llr_spoof")


def test_detectors_are_paired_by_name_or_as_told(base: Path, tmp_path: Path) -> None:
    renamed = make_run(tmp_path / "v2", detectors=["mine@new=2.onnx"])
    assert match(Side.open(base), Side.open(renamed)).pairs == (("mine", "mine@new=2.onnx"),)
    two = make_run(tmp_path / "two", {"codec@2": 2.0}, detectors=["other", "mine"])
    assert match(Side.open(base), Side.open(two)).pairs == (("mine", "mine"),)
    told = match(Side.open(base), Side.open(two), pairs=["mine=other"])
    assert told.pairs == (("mine", "other"),) and "candidate only: mine" in " ".join(told.notes)
    four = make_run(tmp_path / "four", detectors=["a", "b=c"])
    more = make_run(tmp_path / "more", detectors=["d=e", "f"])
    assert match(Side.open(four), Side.open(more), pairs=["b=c=d=e", "a=f"]).pairs == (
        ("b=c", "d=e"),
        ("a", "f"),
    )
    with pytest.raises(RunConflict, match="no detector is in both"):
        match(Side.open(four), Side.open(more))
    with pytest.raises(RunConflict, match="twice"):
        match(Side.open(four), Side.open(more), pairs=["a=f", "a=d=e"])
    with pytest.raises(RunConflict, match="OLD=NEW"):
        match(Side.open(base), Side.open(two), pairs=["mine"])
    with pytest.raises(UnknownName, match="detector of the candidate"):
        match(Side.open(base), Side.open(two), pairs=["mine=othr"])


# 3. what cannot be compared


def test_other_trials_plans_and_windows_are_refused_with_what_is_shared(base: Path, tmp_path: Path) -> None:
    fewer = make_run(tmp_path / "fewer", trials=TRIALS[:120])
    with pytest.raises(RunConflict, match=r"120 are shared, of 160 eval trials .* and 120 in .*--shared"):
        match(Side.open(base), Side.open(fewer))
    found = judged(base, fewer, shared=True)
    assert found.judged[0].difference.drop.n_bonafide == 60 and found.word == "passed"
    assert any("120 eval trials that both runs have" in n for n in found.comparison.notes)
    none = make_run(
        tmp_path / "none",
        trials=tuple(replace(t, id="o" + t.id) for t in TRIALS),
    )
    with pytest.raises(RunConflict, match=r"0 are shared.*Nothing can be paired"):
        match(Side.open(base), Side.open(none), shared=True)
    flipped = make_run(tmp_path / "flipped", trials=(replace(TRIALS[0], label="spoof"), *TRIALS[1:]))
    with pytest.raises(RunConflict, match="bona fide in one run and spoof in the other"):
        match(Side.open(base), Side.open(flipped), shared=True)
    one = make_run(tmp_path / "one", trials=tuple(t for t in TRIALS if t.label == "spoof"))
    with pytest.raises(RunConflict, match="one class only"):
        match(Side.open(base), Side.open(one), shared=True)
    plan = make_run(tmp_path / "plan", conditions=[*CONDITIONS[:-2], "buzz@3"])
    with pytest.raises(
        RunConflict, match=r"5 conditions are shared, 2 only in .*codec@2, identity.*1 only in .*buzz@3"
    ):
        match(Side.open(base), Side.open(plan))
    assert len(judged(base, plan, shared=True).judged) == 6
    for change in ({"seed": 1}, {"window": {"rate": 8000}}, {"recordings": {"room": "x"}}):
        other = make_run(tmp_path / f"other{next(iter(change))}", **change)
        with pytest.raises(RunConflict, match=f"not the same experiment: different {next(iter(change))}"):
            match(Side.open(base), Side.open(other), shared=True)
    with pytest.raises(RunConflict, match="not a run folder"):
        Side.open(tmp_path)


def test_missing_cells_are_errors_and_never_passes(base: Path, tmp_path: Path) -> None:
    half = make_run(tmp_path / "half", without=["buzz@2"], dev=True)
    found = judged(base, half)
    assert found.word == "incomplete" and found.exit_code == 2
    assert [(g.condition, g.kind) for g in found.comparison.gaps] == [("buzz@2", "error")]
    assert "the candidate has no such cell" in found.errors[0].why
    worse = make_run(tmp_path / "worse", {"codec@2": 2.0}, without=["buzz@2"], dev=True)
    assert judged(base, worse).exit_code == 1
    not_run = {"codec@1": {"status": "not run", "why": "libfoo is missing"}}
    here = make_run(tmp_path / "here", without=["codec@1"], of_condition=not_run)
    assert "libfoo is missing" in judged(base, here).errors[0].why
    neither = judged(here, here)
    assert neither.word == "passed" and [g.kind for g in neither.comparison.gaps] == ["skipped"]
    everything = make_run(tmp_path / "empty", without=CONDITIONS)
    assert judged(base, everything).word == "incomplete" and not judged(base, everything).judged
    damaged = make_run(tmp_path / "damaged", dev=True)
    cell_path(damaged, "mine", "buzz@1").write_bytes(b"PAR1 no parquet")
    assert "cannot be read" in judged(base, damaged).errors[0].why


def test_scores_that_were_lost_do_not_flatter(base: Path, tmp_path: Path) -> None:
    """The candidate fails on trials that the baseline scored: an error, unless it is allowed for and said."""
    lost = make_run(tmp_path / "lost", broken={"hiss@1": 8})
    found = judged(base, lost)
    assert [g.condition for g in found.errors] == ["hiss@1"] and "no score for 8 of the 160" in found.errors[
        0
    ].why
    allowed = judged(base, lost, max_lost=0.05)
    cell = next(j.difference for j in allowed.judged if j.difference.condition == "hiss@1")
    assert allowed.word == "passed" and cell.drop.n_bonafide + cell.drop.n_spoof == 152
    assert judged(base, lost, max_lost=0.049).word == "incomplete"
    turned = judged(lost, base)
    cell = next(j.difference for j in turned.judged if j.difference.condition == "hiss@1")
    assert turned.word == "passed" and cell.unscored == 8
    nothing = make_run(tmp_path / "nothing", broken={"hiss@1": 160})
    assert "both classes are needed" in judged(nothing, nothing).errors[0].why


def test_audio_that_was_not_the_same_is_an_error(base: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "v2", of_condition={"codec@1": {"digest": "another encoder"}}, dev=True)
    found = judged(base, other)
    assert [g.condition for g in found.errors] == ["codec@1"] and "--other-audio" in found.errors[0].why
    allowed = judged(base, other, other_audio=True)
    assert allowed.word == "passed" and any("codec@1" in n for n in allowed.comparison.notes)


def test_a_metric_that_needs_a_threshold_is_an_error_without_one(tmp_path: Path) -> None:
    bare = make_run(tmp_path / "bare")
    found = judged(bare, bare, 0.02, "miss_frozen", "eer")
    assert {g.metric for g in found.errors} == {"miss_frozen"} and len(found.errors) == len(CONDITIONS)
    assert "no threshold can be frozen" in found.errors[0].why


def test_heavy_detectors_are_compared_over_what_both_heard(tmp_path: Path) -> None:
    sample = [t.id for t in TRIALS[:80]]
    part = {"conditions": ["clean", "buzz@1"], "trials": sample}
    known = {d: {"card": {}, "identity": d, "heavy": d == "big"} for d in ("big", "small")}
    run = make_run(tmp_path / "v1", detectors=["big", "small"], heavy=part)
    rec = json.loads((run / "run.json").read_text())
    write_json(run / "run.json", rec | {"detectors": known})
    found = judged(run, run)
    big = [j.difference for j in found.judged if j.difference.candidate == "big"]
    assert [d.condition for d in big] == ["clean", "buzz@1"]
    assert big[0].drop.n_bonafide + big[0].drop.n_spoof == 80
    assert {g.kind for g in found.comparison.gaps} == {"skipped"} and found.word == "passed"
    small = [j.difference for j in found.judged if j.difference.candidate == "small"]
    assert small[0].drop.n_bonafide + small[0].drop.n_spoof == 160


# 4. what others read


def checked_suites(text: bytes) -> list[Xml.Element]:
    """The suites of a JUnit file that keeps to both schemas in use (Ant's and that of Jenkins' xUnit plug-in): only
    attributes and elements that both know, those that either demands, in the order that both demand, and true counts."""
    root = Xml.fromstring(text)
    assert root.tag == "testsuites" and not root.attrib
    needed = {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "time"}
    for suite in root:
        assert suite.tag == "testsuite" and needed <= set(suite.attrib) <= needed | {"skipped"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        tags = [e.tag for e in suite]
        order = ["properties", *["testcase"] * tags.count("testcase"), "system-out", "system-err"]
        assert tags == order
        cases = suite.findall("testcase")
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"} and len(case) <= 1
            for inner in case:
                assert inner.tag in ("failure", "error", "skipped")
                assert set(inner.attrib) == (set() if inner.tag == "skipped" else {"message", "type"})
        assert int(suite.attrib["tests"]) == len(cases)
        for tag, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.attrib[key]) == sum(case.find(tag) is not None for case in cases), key
        assert len({case.attrib["name"] for case in cases}) == len(cases)
    return list(root)


def test_junit_holds_every_cell_and_the_counts_agree(base: Path, tmp_path: Path) -> None:
    not_run = {"identity": {"status": "not run", "why": "no room"}}
    a = make_run(tmp_path / "a", without=["identity"], of_condition=not_run, detectors=["x", "y <&> \x07"])
    b = make_run(
        tmp_path / "b",
        {"codec@2": 2.0},
        without=["identity", "hiss@1"],
        of_condition=not_run,
        detectors=["x", "y <&> \x07"],
    )
    found = judged(a, b)
    suites = checked_suites(junit(found))
    assert [s.attrib["name"] for s in suites] == ["x", "y <&> \ufffd"]
    for suite in suites:
        assert int(suite.attrib["tests"]) == len(CONDITIONS) + 1
        assert suite.attrib["errors"] == suite.attrib["skipped"] == "1"
    failures = [c for s in suites for c in s.iter("failure")]
    assert len(failures) == len(found.failed)
    texts = [str(f.attrib["message"]) + str(f.text) for f in failures]
    assert any("codec@2" in t and "allowed 2 points" in t and "corrected" in t for t in texts)
    assert junit(found) == junit(judged(a, b))
    assert all(s.attrib["failures"] == "0" for s in checked_suites(junit(judged(base, base))))


def test_markdown_and_json_say_the_same(base: Path, tmp_path: Path) -> None:
    worse = make_run(tmp_path / "v2", {"codec@2": 2.0}, without=["buzz@2"], dev=True)
    found = judged(base, worse, 0.02, "eer", "auroc")
    text = markdown(found)
    known = json.loads(json.dumps(as_dict(found), allow_nan=False))
    assert known["verdict"] == "failed" and known["exit_code"] == 1
    regressed = [c for c in known["cells"] if c["verdict"] == "regressed"]
    assert {c["condition"] for c in regressed} >= {"codec@2"}
    assert len(regressed) == len(found.failed) and len(known["gaps"]) == 2
    head, failed, missing = text.split("\n## ")[:3]
    assert known["headline"] in head and missing.startswith("Missing") and "buzz@2" in missing
    assert all(c["condition"] in failed for c in regressed) and "hiss@1" not in failed
    cell = next(c for c in regressed if c["metric"] == "eer")
    assert f"{100 * cell['after']:.1f} %" in failed and cell["low"] <= cell["drop"] <= cell["high"]


def run_cli(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spoofproof", *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=240,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_the_commands_and_their_exit_codes(base: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "v2", {"codec@2": 2.0}, dev=True)
    gate = ("gate", "--baseline", base, "--resamples", 300)
    done = run_cli(
        *gate,
        "--candidate",
        "v2",
        "--max-drop",
        0.02,
        "--junit",
        "out/j.xml",
        "--markdown",
        "m.md",
        cwd=tmp_path,
    )
    assert done.returncode == 1 and "codec@2" in done.stdout and "failed" in done.stdout, done.stderr
    assert checked_suites((tmp_path / "out" / "j.xml").read_bytes())
    assert "codec@2" in (tmp_path / "m.md").read_text()
    fine = run_cli(*gate, "--candidate", base, "--json", cwd=tmp_path)
    assert fine.returncode == 0 and json.loads(fine.stdout)["verdict"] == "passed", fine.stderr
    shown = run_cli("compare", base, "v2", "--resamples", 300, cwd=tmp_path)
    assert shown.returncode == 0 and "worse" in shown.stdout and "regressed" not in shown.stdout, shown.stderr
    bad = run_cli(*gate, "--candidate", tmp_path, cwd=tmp_path)
    assert bad.returncode == 2 and "not a run folder" in bad.stderr and "Traceback" not in bad.stderr
    worse = run_cli("compare", base, "v2", "--max-drop", 0.02, "--metric", "eer=x", cwd=tmp_path)
    assert worse.returncode == 2 and "NAME=DROP" in worse.stderr
