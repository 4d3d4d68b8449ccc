"""From cells to a report's numbers, on runs whose answers are known.

1. cells: eval trials only, frozen on dev, deltas over shared trials, coverage, notes
2. conditions: duplicates, not run, missing, controls, kinds, chains
3. means, relative error, breakdown, comparisons, ranks
4. nothing breaks on half a run, on one class, without dev trials
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from spoofproof.errors import UnknownName
from spoofproof.metrics.llr import cllr
from spoofproof.metrics.rank import auroc, eer
from spoofproof.results import DEFAULT_METRICS, Results, evaluate
from spoofproof.scores import Cell, ScoreTable
from spoofproof.types import Scores, Trial

NOISE = [f"buzz@{level}" for level in (1, 2, 3)]
HISS = ["hiss@1", "hiss@2"]
CODEC = ["codec@1", "codec@2"]
ALL = ["clean", *NOISE, *HISS, *CODEC, "identity"]


def make_trials(n: int = 40, dev: int = 20, speakers: int = 12, attacks: int = 12) -> tuple[Trial, ...]:
    return tuple(
        Trial(
            f"{part}-{label}-{i}",
            Path("x"),
            label,  # type: ignore[arg-type]
            speaker=f"{part}{i % speakers}",
            attack=f"a{i % attacks}" if label == "spoof" else "",
            part=part,  # type: ignore[arg-type]
        )
        for part, count in (("dev", dev), ("eval", n))
        for i in range(count)
        for label in ("bonafide", "spoof")
    )


def facts(name: str) -> dict[str, Any]:
    family = {"buzz": "noise", "hiss": "noise", "codec": "compression", "identity": "control"}
    corruption, _, level = name.partition("@")
    single = name not in ("clean",) and "+" not in name
    return {
        "condition": name,
        "corruption": (corruption if "+" not in name else name) if name != "clean" else "",
        "family": family.get(corruption.split(".")[0], "clean") if "+" not in name else "chain",
        "unit": "dB",
        "level": float(level) if single and level else None,
        "index": int(level) if level and single else 0,
        "origin": "test",
        "status": "ok",
        "why": "",
        "effective": {"n": 2, "mean": 1.5, "low": 1.0, "high": 2.0} if level and single else None,
        "distortion_db": 3.0 if level else None,
        "digest": f"digest of {name}",
    }


def make_table(
    shifts: Mapping[str, Mapping[str, float]],
    conditions: Sequence[str] = ALL,
    trials: tuple[Trial, ...] | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> ScoreTable:
    """Detectors whose bona fide scores stand 4 - shift above spoof (by corruption, times the level)."""
    trials = trials or make_trials()
    noise = np.random.default_rng(5).normal(size=len(trials))
    cells = {}
    for detector, by in shifts.items():
        for c in conditions:
            corruption, _, level = c.partition("@")
            down = by.get(corruption, 0.0) * float(level if level.isdigit() else 1)
            rows = [(i, t) for i, t in enumerate(trials) if t.part == "eval" or c == "clean"]
            scores = np.array(
                [(4 - by.get("always", 0.0) - down) * (t.label == "bonafide") + noise[i] for i, t in rows]
            )
            cells[detector, c] = Cell(tuple(t.id for _, t in rows), scores, ("ok",) * len(rows))
    record = {
        "conditions": list(conditions),
        "detectors": {
            d: {"card": {"kind": (kinds or {}).get(d, "")}, "identity": f"id of {d}"} for d in shifts
        },
    }
    conditions_facts = {c: facts(c) | dict((changes or {}).get(c, {})) for c in conditions}
    return ScoreTable(MappingProxyType(record), trials, cells, conditions_facts)


TWO = {"good": {"buzz": 0.6, "codec": 0.3}, "bad": {"always": 1.5, "buzz": 0.6, "codec": 0.8}}


@pytest.fixture(scope="module")
def results() -> Results:
    return evaluate(make_table(TWO), resamples=999)


def eval_scores(table: ScoreTable, detector: str, condition: str) -> tuple[Scores, Scores]:
    labels = {t.id: t.label for t in table.trials if t.part == "eval"}
    cell = table.cells[detector, condition]
    pairs = [(labels[i], s) for i, s in zip(cell.ids, cell.scores, strict=True) if i in labels]
    b, s = (np.array([x for label, x in pairs if label == k]) for k in ("bonafide", "spoof"))
    return b, s


# 1. cells


def test_cells_are_measured_on_eval_trials(results: Results) -> None:
    table = make_table(TWO)
    for (detector, condition), cell in results.cells.items():
        b, s = eval_scores(table, detector, condition)
        assert cell.metrics["eer"].value == pytest.approx(eer(bonafide=b, spoof=s))
        assert cell.metrics["auroc"].value == pytest.approx(auroc(bonafide=b, spoof=s))
        assert (cell.metrics["eer"].n_bonafide, cell.metrics["eer"].n_spoof) == (40, 40)
        assert set(cell.metrics) == set(DEFAULT_METRICS)
        assert all(e.low <= e.value <= e.high for e in cell.metrics.values())
        assert cell.coverage == 1.0 and cell.note == ""
        threshold = results.thresholds[detector]
        assert cell.metrics["miss_frozen"].value == pytest.approx((b < threshold).mean())
        assert cell.metrics["false_alarm_frozen"].value == pytest.approx((s >= threshold).mean())
        scale, offset = results.calibrations[detector]
        expected = cllr(bonafide=scale * b + offset, spoof=scale * s + offset)
        assert cell.metrics["cllr"].value == pytest.approx(expected)


def test_thresholds_come_from_clean_development_trials_alone() -> None:
    table = make_table(TWO)
    before = evaluate(table, resamples=20, metrics=["eer"]).thresholds
    cells = dict(table.cells)
    clean = cells["good", "clean"]
    is_eval = np.array([i.startswith("eval") for i in clean.ids])
    cells["good", "clean"] = Cell(clean.ids, np.where(is_eval, clean.scores + 7, clean.scores), clean.status)
    moved = ScoreTable(table.record, table.trials, cells, table.conditions)
    assert evaluate(moved, resamples=20, metrics=["eer"]).thresholds == before
    cells["good", "clean"] = Cell(clean.ids, np.where(is_eval, clean.scores, clean.scores + 7), clean.status)
    moved = ScoreTable(table.record, table.trials, cells, table.conditions)
    assert evaluate(moved, resamples=20, metrics=["eer"]).thresholds["good"] == pytest.approx(
        before["good"] + 7
    )


def test_deltas_are_over_trials_scored_in_both() -> None:
    table = make_table(TWO)
    cells = dict(table.cells)
    cell = cells["bad", "buzz@3"]
    lost = np.array(["-bonafide-" in i for i in cell.ids]) & (cells["bad", "clean"].scores[-80:] < 2)
    status = tuple("error: gone" if x else "ok" for x in lost)
    cells["bad", "buzz@3"] = Cell(cell.ids, np.where(lost, np.nan, cell.scores), status)
    found = evaluate(ScoreTable(table.record, table.trials, cells, table.conditions), resamples=50)
    here = found.cells["bad", "buzz@3"]
    assert here.coverage == pytest.approx(1 - lost.sum() / 80)
    delta = here.delta["eer"]
    assert delta.n_bonafide + delta.n_spoof == 80 - lost.sum()
    kept = set(np.array(cell.ids)[~lost])
    clean = cells["bad", "clean"]
    values = []
    for part in (cells["bad", "buzz@3"], clean):
        rows = [(i, s) for i, s in zip(part.ids, part.scores, strict=True) if i in kept]
        b, s = (np.array([x for i, x in rows if label in i]) for label in ("-bonafide-", "-spoof-"))
        values.append(eer(bonafide=b, spoof=s))
    assert delta.value == pytest.approx(values[0] - values[1])
    assert values[1] < found.cells["bad", "clean"].metrics["eer"].value  # the lost trials were clean errors
    assert found.cells["bad", "clean"].delta == {}


def test_inverted_scores_are_said_to_be() -> None:
    found = evaluate(make_table({"good": {"buzz": 3.0}}), resamples=50)
    assert "inverted" in found.cells["good", "buzz@3"].note
    assert found.cells["good", "buzz@3"].metrics["auroc"].value < 0.5
    assert found.cells["good", "clean"].note == ""


# 2. conditions


def test_equal_audio_is_shown_and_counted_once() -> None:
    changes = {"buzz@2": {"digest": "same"}, "buzz@1": {"digest": "same"}, "codec@1": {"digest": "same"}}
    found = evaluate(make_table(TWO, changes=changes), resamples=50)
    by_name = {c.name: c for c in found.conditions}
    assert by_name["buzz@2"].duplicate_of == "buzz@1"
    assert by_name["buzz@1"].duplicate_of == by_name["codec@1"].duplicate_of == ""
    expected = np.mean([found.cells["bad", c].metrics["eer"].value for c in ("buzz@1", "buzz@3")])
    assert found.aggregates["bad", "buzz"].metrics["eer"].value == pytest.approx(expected)
    assert any("buzz@2 gives the same audio as buzz@1" in n for n in found.notes)
    assert ("bad", "buzz@2") in found.cells


def test_the_milder_level_is_the_original_whatever_the_order_of_the_plan() -> None:
    changes = {"buzz@3": {"digest": "same"}, "buzz@1": {"digest": "same"}}
    order = ["clean", "buzz@3", "buzz@2", "buzz@1"]
    found = evaluate(make_table(TWO, conditions=order, changes=changes), resamples=20, metrics=["eer"])
    assert [c.duplicate_of for c in found.conditions] == ["", "buzz@1", "", ""]


def test_facts_reach_the_report_and_gaps_are_named() -> None:
    table = make_table(TWO)
    cells = {key: cell for key, cell in table.cells.items() if key[1] not in ("codec@1", "codec@2")}
    known = {name: f for name, f in table.conditions.items() if name != "codec@2"}
    known["codec@1"] = facts("codec@1") | {"status": "not run", "why": "pip install it"}
    found = evaluate(ScoreTable(table.record, table.trials, cells, known), resamples=20)
    by_name = {c.name: c for c in found.conditions}
    assert (by_name["codec@1"].status, by_name["codec@1"].why) == ("not run", "pip install it")
    assert (by_name["codec@2"].status, by_name["codec@2"].corruption) == ("missing", "codec")
    noise = by_name["buzz@2"]
    assert (noise.level, noise.index, noise.unit, noise.effective, noise.effective_high) == (
        2,
        2,
        "dB",
        1.5,
        2,
    )
    assert ("good", "codec") not in found.aggregates and ("good", "all") in found.aggregates
    assert any("2 of 9 conditions have no scores" in n for n in found.notes)


# 3. means and comparisons


def test_means_go_over_levels_then_corruptions_without_controls(results: Results) -> None:
    def cell(detector: str, name: str) -> float:
        return results.cells[detector, name].metrics["eer"].value

    for d in ("good", "bad"):
        noise, hiss, codec = (np.mean([cell(d, c) for c in group]) for group in (NOISE, HISS, CODEC))
        assert results.aggregates[d, "hiss"].metrics["eer"].value == pytest.approx(hiss)
        assert results.aggregates[d, "compression"].metrics["eer"].value == pytest.approx(codec)
        everything = results.aggregates[d, "all"].metrics["eer"]
        assert everything.value == pytest.approx(np.mean([noise, hiss, codec]))
        assert everything.low <= everything.value <= everything.high
    assert ("good", "control") not in results.aggregates
    assert ("good", "identity") in results.aggregates


def test_relative_error_is_hendrycks_with_a_named_reference() -> None:
    found = evaluate(make_table(TWO), resamples=50, reference="bad")

    def ratio(group: Sequence[str]) -> float:
        good, bad = (sum(found.cells[d, c].metrics["eer"].value for c in group) for d in ("good", "bad"))
        return good / bad

    expected = np.mean([ratio(group) for group in (NOISE, HISS, CODEC)])
    assert found.relative_error["good"].value == pytest.approx(expected)
    assert found.relative_error["bad"].value == found.relative_error["bad"].high == 1.0
    assert (found.reference, found.reference_identity) == ("bad", "id of bad")
    with pytest.raises(UnknownName, match="bad"):
        evaluate(make_table(TWO), resamples=5, reference="bald")


def test_the_default_reference_is_no_control() -> None:
    found = evaluate(make_table(TWO, kinds={"good": "control"}), resamples=20, metrics=["eer"])
    assert found.reference == "bad"


def test_breakdown_is_the_mildest_level_ten_points_above_clean(results: Results) -> None:
    for b in results.breakdowns:
        clean = results.cells[b.detector, "clean"].metrics["eer"].value
        assert b.limit == pytest.approx(min(clean + 0.10, 0.5))
        values = [
            (c.level, results.cells[b.detector, c.name].metrics["eer"].value)
            for c in results.conditions
            if c.corruption == b.corruption
        ]
        crossed = [level for level, value in values if value >= b.limit]
        assert b.level == (min(level for level in crossed if level is not None) if crossed else None)
        assert bool(b.condition) == bool(crossed)
    assert {b.corruption for b in results.breakdowns} == {"buzz", "hiss", "codec"}
    assert any(b.level is not None for b in results.breakdowns)
    assert any(b.level is None for b in results.breakdowns)


def test_a_worse_detector_is_found_worse(results: Results) -> None:
    found = {c.scope: c for c in results.comparisons}
    assert set(found) == {"clean", "all"}
    everything = found["all"]
    assert (everything.first, everything.second, everything.metric) == ("good", "bad", "eer")
    assert everything.difference.high < 0 and everything.p <= everything.p_corrected < 0.05
    assert (results.ranks["good"].value, results.ranks["bad"].value) == (1, 2)
    assert (results.ranks["good"].low, results.ranks["good"].high) == (1, 1)


def test_kinds_and_chains_have_their_own_numbers_and_do_not_count() -> None:
    conditions = ["clean", "buzz@1", "buzz.rain@1", "buzz@1+codec@1"]
    found = evaluate(make_table(TWO, conditions=conditions), resamples=20)
    assert found.aggregates["good", "all"].metrics == found.aggregates["good", "noise"].metrics
    assert ("good", "buzz.rain") in found.aggregates and ("good", "buzz@1+codec@1") in found.aggregates
    alone = evaluate(make_table(TWO, conditions=["clean", "buzz.rain@1"]), resamples=20)
    assert ("good", "all") in alone.aggregates


def test_results_depend_on_the_seed_alone() -> None:
    table = make_table(TWO, conditions=["clean", "buzz@1"])
    a, b = (evaluate(table, resamples=30, seed=4) for _ in range(2))
    assert a.cells == b.cells and a.comparisons == b.comparisons
    assert evaluate(table, resamples=30, seed=5).cells != a.cells


# 4. half a run


def test_without_development_trials_frozen_metrics_are_left_out() -> None:
    found = evaluate(make_table(TWO, trials=make_trials(dev=0)), resamples=20)
    metrics = found.cells["good", "clean"].metrics
    assert "eer" in metrics and "accuracy_oracle" in metrics
    assert not {"act_dcf", "cllr", "ece", "accuracy_frozen"} & set(metrics)
    assert not found.thresholds and any("left out" in n for n in found.notes)


def test_conditions_that_a_detector_lacks_are_in_nobodys_mean() -> None:
    table = make_table(TWO)
    cells = {k: c for k, c in table.cells.items() if k != ("bad", "buzz@3")}
    found = evaluate(ScoreTable(table.record, table.trials, cells, table.conditions), resamples=20)
    expected = np.mean([found.cells["good", c].metrics["eer"].value for c in NOISE[:2]])
    hiss = found.aggregates["good", "hiss"].metrics["eer"].value
    family = found.aggregates["good", "all"].metrics["eer"].value
    codec = found.aggregates["good", "codec"].metrics["eer"].value
    assert family == pytest.approx(np.mean([expected, hiss, codec]))
    assert any("buzz@3" in n for n in found.notes)


def test_one_class_and_no_scores_give_notes_not_metrics() -> None:
    table = make_table({"good": {}}, conditions=["clean", "buzz@1", "hiss@1"])
    cells = dict(table.cells)
    for condition, keep in (("buzz@1", "spoof"), ("hiss@1", "nothing")):
        cell = cells["good", condition]
        status = tuple("ok" if keep in i else "error: x" for i in cell.ids)
        scores = np.where([s == "ok" for s in status], cell.scores, np.nan)
        cells["good", condition] = Cell(cell.ids, scores, status)
    found = evaluate(ScoreTable(table.record, table.trials, cells, table.conditions), resamples=20)
    assert found.cells["good", "buzz@1"].note == "one class only: 0 bona fide and 40 spoof scores"
    assert "no trial has a score" in found.cells["good", "hiss@1"].note
    assert not found.cells["good", "buzz@1"].metrics and not found.cells["good", "hiss@1"].delta
    real = tuple(t for t in make_trials() if t.label == "bonafide" or t.part == "dev")
    single = evaluate(make_table({"good": {}}, trials=real), resamples=20)
    assert single.ranks == {} and any("one class only" in n for n in single.notes)


def test_an_empty_run_and_unknown_metrics() -> None:
    table = make_table({"good": {}})
    empty = evaluate(ScoreTable(table.record, table.trials, {}, {}), resamples=10)
    assert empty.cells == {} and all(c.status == "missing" for c in empty.conditions)
    with pytest.raises(UnknownName, match="Did you mean eer"):
        evaluate(table, metrics=["eeer"])


def test_registered_metrics_of_any_kind_can_be_asked_for() -> None:
    names = ["min_cllr", "eer_asvspoof", "balanced_accuracy_frozen", "f1"]
    found = evaluate(make_table(TWO, conditions=["clean", "buzz@2"]), resamples=20, metrics=names)
    assert set(found.cells["bad", "buzz@2"].metrics) == set(names)
    assert found.ranks and found.aggregates["bad", "all"].metrics["min_cllr"].value > 0


def test_the_documented_metric_of_ones_own_gets_intervals(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    file = tmp_path / "mine.py"
    file.write_text(page.split("```python\n")[1].split("```")[0], encoding="utf-8")
    name = f"{file}:miss_at_one_percent"
    table = make_table(TWO, conditions=["clean", "buzz@2"])
    found = evaluate(table, resamples=20, metrics=[name]).cells["bad", "buzz@2"].metrics[name]
    b, s = eval_scores(table, "bad", "buzz@2")
    assert found.value == pytest.approx(np.mean(b < np.quantile(s, 0.99)))
    assert found.low < found.high
