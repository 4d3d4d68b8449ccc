"""What a detector has met in training: the rule for names, the marks, and the figures with and without."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from spoofproof import bench, report
from spoofproof.metrics.rank import eer
from spoofproof.registry import detectors
from spoofproof.results import Results, evaluate
from spoofproof.results.contamination import corpus_name, in_training
from spoofproof.scores import ScoreTable
from spoofproof.types import Ref, Trial
from test_results import TWO, make_table, make_trials

CONDITIONS = ["clean", "buzz@1", "buzz@2"]


def sourced() -> tuple[Trial, ...]:
    """A fifth of the trials from "Old Page", the others from "fresh-page"."""
    return tuple(
        replace(t, source="Old Page" if k % 10 < 2 else "fresh-page") for k, t in enumerate(make_trials())
    )


def table(cards: Mapping[str, Any], corpus: str = "manifest:here") -> ScoreTable:
    made = make_table(TWO, conditions=CONDITIONS, trials=sourced())
    record = dict(made.record)
    record |= {"plan": "toy", "corpus": {"name": corpus}}
    listed = {d: {} if cards.get(d) is None else {"contamination": cards[d]} for d in TWO}
    record["detectors"] = {d: {"summary": "A toy.", "card": listed[d], "identity": d} for d in TWO}
    return ScoreTable(MappingProxyType(record), made.trials, made.cells, made.conditions)


def share(listed: object, corpus: str = "manifest:here") -> float:
    made = table({"good": listed}, corpus)
    return len(in_training(made, "good").trials) / sum(t.part == "eval" for t in made.trials)


# the rule


@pytest.mark.parametrize(
    ("listed", "corpus", "expected"),
    [
        ([], "manifest:here", 0.0),
        (["Old Page"], "manifest:here", 0.2),
        (["old-page"], "manifest:here", 0.2),  # letters and digits count, and nothing else
        (["source:OLD PAGE"], "manifest:here", 0.2),
        (["corpus:old page"], "manifest:here", 0.0),
        (["old"], "manifest:here", 0.0),  # no guessing
        (["old page", "fresh page"], "manifest:here", 1.0),
        (["ASVspoof2019 LA"], "asvspoof2019-la:/data", 1.0),
        (["corpus:asvspoof2019-la"], "asvspoof2019-la:/data", 1.0),
        (["source:asvspoof2019-la"], "asvspoof2019-la:/data", 0.0),
        (["asvspoof2019"], "asvspoof2019-la:/data", 0.0),
        (["manifest"], "manifest:here", 0.0),  # a reader of anybody's files is no corpus
        (["folders"], "folders:/x", 0.0),
        (["mine"], "readers.py:mine:/data", 1.0),
    ],
)
def test_names_match_by_an_explicit_rule(listed: list[str], corpus: str, expected: float) -> None:
    assert share(listed, corpus) == pytest.approx(expected)


def test_a_trial_without_a_source_matches_nothing() -> None:
    made = make_table({"good": {}}, conditions=["clean"])
    record = {**made.record, "detectors": {"good": {"card": {"contamination": ["", "-"]}}}}
    assert not in_training(ScoreTable(record, made.trials, made.cells, made.conditions), "good").trials


@pytest.mark.parametrize("listed", [None, "everything", 3])
def test_a_card_that_does_not_list_it_is_unknown_and_not_clean(listed: object) -> None:
    assert not in_training(table({"good": listed}), "good").known
    assert in_training(table({"good": []}), "good").known


def test_corpus_names() -> None:
    for text, name in [
        ("builtin", "builtin"),
        ("csv:x.csv", ""),
        ("in-the-wild:/d", "in-the-wild"),
        ("", ""),
    ]:
        assert corpus_name({"corpus": {"name": text}}) == name


# the figures


def rate(made: ScoreTable, detector: str, condition: str, without: bool) -> float:
    source = {t.id: t.source for t in made.trials if t.part == "eval"}
    cell = made.cells[detector, condition]
    rows = [
        (i, s)
        for i, s in zip(cell.ids, cell.scores, strict=True)
        if i in source and not (without and source[i] == "Old Page")
    ]
    b, s = (np.array([x for i, x in rows if f"-{k}-" in i]) for k in ("bonafide", "spoof"))
    return eer(bonafide=b, spoof=s)


@pytest.fixture(scope="module")
def made() -> ScoreTable:
    return table({"good": ["old page"]})


@pytest.fixture(scope="module")
def marked(made: ScoreTable) -> Results:
    return evaluate(made, resamples=60)


@pytest.fixture(scope="module")
def without(made: ScoreTable) -> Results:
    return evaluate(made, resamples=60, without_contaminated=True)


def test_cells_say_how_much_was_met_and_both_figures(made: ScoreTable, marked: Results) -> None:
    for condition in CONDITIONS:
        cell = marked.cells["good", condition]
        assert cell.contaminated == pytest.approx(0.2)
        assert cell.all_trials["eer"] == cell.metrics["eer"]
        assert cell.all_trials["eer"].value == pytest.approx(rate(made, "good", condition, False))
        assert cell.others["eer"].value == pytest.approx(rate(made, "good", condition, True))
        assert (cell.others["eer"].n_bonafide, cell.others["eer"].n_spoof) == (32, 32)
        unknown = marked.cells["bad", condition]
        assert unknown.contaminated is None and not unknown.others
    found = marked.contamination["good"]
    assert (found.names, found.n_bonafide, found.n_spoof, found.excluded) == (("Old Page",), 8, 8, False)
    for value, of in zip(found.mean, (False, True), strict=True):
        expected = np.mean([rate(made, "good", c, of) for c in CONDITIONS[1:]])
        assert value is not None and value.value == pytest.approx(expected)
    assert found.mean[0] == marked.aggregates["good", "all"].metrics["eer"]


def test_the_option_leaves_them_out_and_keeps_both_figures(
    made: ScoreTable, marked: Results, without: Results
) -> None:
    for condition in CONDITIONS:
        cell = without.cells["good", condition]
        assert cell.metrics["eer"].value == pytest.approx(rate(made, "good", condition, True))
        assert cell.metrics["eer"].n_spoof == 32 and cell.coverage == 1.0
        assert cell.all_trials["eer"].value == pytest.approx(rate(made, "good", condition, False))
        assert cell.others["eer"] == cell.metrics["eer"]
        assert without.cells["bad", condition].metrics == marked.cells["bad", condition].metrics
    assert without.contamination["good"].excluded
    assert without.contamination["good"].mean == marked.contamination["good"].mean
    for c in without.comparisons:  # paired: over the trials that both are measured on
        assert (c.difference.n_bonafide, c.difference.n_spoof) == (32, 32)
        first, second = (
            np.mean([rate(made, d, x, True) for x in (["clean"] if c.scope == "clean" else CONDITIONS[1:])])
            for d in (c.first, c.second)
        )
        assert c.difference.value == pytest.approx(first - second)


def test_a_detector_that_has_met_everything_has_no_figures_left() -> None:
    everything = table({"good": ["old page", "fresh page"]})
    found = evaluate(everything, resamples=20, without_contaminated=True)
    assert not found.cells["good", "clean"].metrics and found.cells["bad", "clean"].metrics
    assert found.contamination["good"].share == 1.0 and found.contamination["good"].clean[1] is None
    assert not found.comparisons and any("no usable cell" in n for n in found.notes)
    report.markdown(found)
    report.html(found, everything, Path("nowhere"))


# the report


@pytest.mark.parametrize("excluded", [False, True])
def test_every_format_marks_it(made: ScoreTable, marked: Results, without: Results, excluded: bool) -> None:
    results = without if excluded else marked
    console = Console(width=200, record=True, file=io.StringIO())
    report.terminal(results, console)
    said = "left out of its figures" if excluded else "--without-contaminated leaves them out"
    for text in (
        " ".join(console.export_text().split()),
        report.markdown(results),
        " ".join(report.html(results, made, Path("nowhere")).split()),
    ):
        assert "good ‡" in text and "Old Page" in text and said in text and "bad ‡" not in text
    assert "unknown" in report.markdown(results)
    files = report.csv_files(results)
    rows = {row["detector"]: row for row in csv.DictReader(io.StringIO(files["contamination.csv"]))}
    assert rows["good"]["share"] == "0.2" and rows["good"]["excluded"] == str(excluded)
    assert rows["bad"]["known"] == "False" and rows["bad"]["eer_clean_all"] == ""
    found = results.contamination["good"].clean[1]
    assert found is not None and float(rows["good"]["eer_clean_others"]) == found.value
    cells = list(csv.DictReader(io.StringIO(files["cells.csv"])))
    assert {row["contaminated"] for row in cells if row["detector"] == "good"} == {"0.2"}
    assert {row["contaminated"] for row in cells if row["detector"] == "bad"} == {""}
    assert json.loads(json.dumps(report.as_json(results)))["contamination"]["good"]["n_spoof"] == 8


# whose card


def test_weights_of_ones_own_do_not_bear_the_shipped_card(tmp_path: Path) -> None:
    spec = detectors["lfcc-gmm"]
    weights = tmp_path / "other.npz"
    weights.write_bytes(b"weights")
    shipped = bench._card(Ref.parse("lfcc-gmm"), spec)
    assert shipped["contamination"]
    ref = Ref("lfcc-gmm", str(weights))
    assert bench._card(ref, spec) == {}
    card = {"weights": hashlib.sha256(b"weights").hexdigest(), "contamination": ["x"]}
    weights.with_suffix(".json").write_text(json.dumps(card))
    assert bench._card(ref, spec) == card
    for wrong in ({**card, "weights": "0" * 64}, ["no card"]):
        weights.with_suffix(".json").write_text(json.dumps(wrong))
        assert bench._card(ref, spec) == {}
    assert bench._card(Ref.parse("random@7"), detectors["random"])["contamination"] == []
