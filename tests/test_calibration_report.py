"""How calibration drifts under corruption: measured from cells, and said in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from spoofproof import report
from spoofproof.calibrate import fit, fit_isotonic, from_dict
from spoofproof.metrics.llr import cllr, ece, min_cllr, reliability
from spoofproof.report import calibration, view
from spoofproof.results import Results, evaluate
from spoofproof.scores import Cell, ScoreTable
from spoofproof.types import Scores
from test_results import ALL, TWO, eval_scores, make_table, make_trials

SLID = "codec@2"


def slid() -> ScoreTable:
    """Two detectors; under one condition the scores of "good" are those of clean, and all of them 3 lower."""
    made = make_table(TWO)
    cells = dict(made.cells)
    clean = cells["good", "clean"]
    keep = [i for i, name in enumerate(clean.ids) if name.startswith("eval")]
    ids = tuple(clean.ids[i] for i in keep)
    cells["good", SLID] = Cell(ids, clean.scores[keep] - 3, ("ok",) * len(ids))
    known = {d: {"summary": "A toy.", **of} for d, of in made.record["detectors"].items()}
    record = {**made.record, "plan": "toy", "detectors": known}
    return ScoreTable(MappingProxyType(record), made.trials, cells, made.conditions)


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return slid()


@pytest.fixture(scope="module")
def results(table: ScoreTable) -> Results:
    return evaluate(table, resamples=99)


def dev_scores(table: ScoreTable, detector: str) -> tuple[Scores, Scores]:
    cell = table.cells[detector, "clean"]
    pairs = [(i, s) for i, s in zip(cell.ids, cell.scores, strict=True) if i.startswith("dev")]
    b, s = (np.array([x for i, x in pairs if f"-{k}-" in i]) for k in ("bonafide", "spoof"))
    return b, s


@pytest.mark.parametrize("detector", ["good", "bad"])
@pytest.mark.parametrize("condition", ["clean", "buzz@3", SLID])
def test_cllr_before_and_after_is_fitted_on_dev_and_applied_to_eval(
    table: ScoreTable, results: Results, detector: str, condition: str
) -> None:
    dev_b, dev_s = dev_scores(table, detector)
    b, s = eval_scores(table, detector, condition)
    linear, isotonic = fit(bonafide=dev_b, spoof=dev_s), fit_isotonic(bonafide=dev_b, spoof=dev_s)
    of = results.cells[detector, condition].metrics
    expected = {
        "cllr_raw": cllr(bonafide=b, spoof=s),
        "cllr": cllr(bonafide=linear.apply(b), spoof=linear.apply(s)),
        "cllr_isotonic": cllr(bonafide=isotonic.apply(b), spoof=isotonic.apply(s)),
        "min_cllr": min_cllr(bonafide=b, spoof=s),
        "llr_bonafide": linear.apply(b).mean(),
        "llr_spoof": linear.apply(s).mean(),
    }
    for name, value in expected.items():
        assert of[name].value == pytest.approx(value, abs=1e-9), name
        assert of[name].low <= of[name].value <= of[name].high
    assert of["cllr_loss"].value == pytest.approx(expected["cllr"] - expected["min_cllr"], abs=1e-9)
    assert from_dict(results.maps[detector]["linear"]) == linear
    assert from_dict(results.maps[detector]["isotonic"]) == isotonic


def test_scores_that_slide_lose_calibration_and_nothing_else(results: Results) -> None:
    clean, here = (results.cells["good", c] for c in ("clean", SLID))
    scale = results.calibrations["good"][0]
    assert here.metrics["min_cllr"].value == pytest.approx(clean.metrics["min_cllr"].value)
    assert here.metrics["eer"].value == clean.metrics["eer"].value
    assert here.metrics["cllr_loss"].value > clean.metrics["cllr_loss"].value + 0.3
    for name in (
        "llr_bonafide",
        "llr_spoof",
    ):  # both classes, by as much, towards fake: with no spread at all
        shift = here.delta[name]
        assert (shift.low, shift.value, shift.high) == pytest.approx((-3 * scale,) * 3)
    row = next(r for r in calibration.rows(results, "good") if r.name == "codec")
    mean = np.mean([results.cells["good", c].metrics["llr_spoof"].value for c in ("codec@1", SLID)])
    assert row.shifts[1] == pytest.approx(mean - clean.metrics["llr_spoof"].value)


def test_diagrams_show_clean_and_where_it_drifts_most(table: ScoreTable, results: Results) -> None:
    losses = {
        c: results.cells["good", c].metrics["cllr_loss"].value for c in ALL if c not in ("clean", "identity")
    }
    worst = sorted(losses, key=lambda c: -losses[c])[:3]
    shown = calibration.diagrams(results, "good")
    assert list(shown) == ["clean", *worst] and SLID in worst
    assert all([one.scores for one in of] == ["raw", "linear", "isotonic"] for of in shown.values())
    linear = from_dict(results.maps["good"]["linear"])
    for condition, of in shown.items():
        b, s = (linear.apply(x) for x in eval_scores(table, "good", condition))
        assert of[1].ece == pytest.approx(ece(bonafide=b, spoof=s))
        for one, expected in zip(of[1].bins, reliability(bonafide=b, spoof=s), strict=True):
            assert one.found.value == pytest.approx(expected.found, nan_ok=True)
            assert (one.found.n_bonafide, one.found.n_spoof) == (expected.n_bonafide, expected.n_spoof)
            if np.isfinite(one.found.value):
                assert 0 <= one.found.low <= one.found.value <= one.found.high <= 1


def test_the_picture_has_its_points_where_the_numbers_are(results: Results) -> None:
    of = calibration.diagrams(results, "good")["clean"]
    svg = str(calibration.picture(of))
    points = re.findall(r'<circle class="mark" cx="([\d.]+)" cy="([\d.]+)" r="3" data-tip="([^"]*)"', svg)
    bins = [(one.scores, b) for one in of for b in one.bins if np.isfinite(b.found.value)]
    assert len(points) == len(bins) > 6
    for (x, y, tip), (scores, b) in zip(points, bins, strict=True):
        assert tip.startswith(f"{scores}: stated {b.stated:.2f}, found {b.found.value:.2f}")
        assert (float(x) - 30) / 190 == pytest.approx(b.stated, abs=0.02)
        assert (200 - float(y)) / 190 == pytest.approx(b.found.value, abs=0.001)


def test_every_format_has_it(table: ScoreTable, results: Results) -> None:
    loss = results.aggregates["good", "codec"].metrics["cllr_loss"]
    source = report.markdown(results)
    assert "## Calibration" in source
    row = next(x for x in source.split("## Calibration")[1].split("\n") if x.startswith("| codec |"))
    assert f"{loss.value:.3f} [{loss.low:.3f}–{loss.high:.3f}]" in row
    html = report.html(results, table, Path("nowhere"))
    assert 'id="calibration"' in html and 'id="heat-cllr_loss"' in html and "Calibration drift" in html
    assert html.count("panel-plot reliability") == 8  # two detectors, clean and three conditions
    files = report.csv_files(results)
    rows = {(r["detector"], r["over"]): r for r in csv.DictReader(io.StringIO(files["calibration.csv"]))}
    assert float(rows["good", "codec"]["cllr_loss"]) == loss.value
    raw = results.cells["bad", "clean"].metrics["cllr_raw"].value
    assert float(rows["bad", "clean"]["cllr_raw"]) == raw and float(rows["bad", "clean"]["shift_spoof"]) == 0
    bins = list(csv.DictReader(io.StringIO(files["reliability.csv"])))
    assert len(bins) == 2 * 4 * 3 * 10
    found = json.loads(json.dumps(report.as_json(results), allow_nan=False))
    assert from_dict(found["maps"]["good"]["isotonic"]) == from_dict(results.maps["good"]["isotonic"])
    assert len(found["reliability"]) == 24
    said = view.evidence_sentence(results, "good")
    assert (
        f"{results.aggregates['good', 'all'].metrics['cllr_loss'].value:.2f} of it" in said and said in html
    )


def test_without_development_trials_there_is_no_calibration_to_show() -> None:
    made = make_table(TWO, trials=make_trials(dev=0))
    made = ScoreTable(
        MappingProxyType({**made.record, "plan": "toy"}), made.trials, made.cells, made.conditions
    )
    found = evaluate(made, resamples=20)
    assert not found.maps and not found.reliability and not calibration.rows(found, "good")
    assert "## Calibration" not in report.markdown(found)
    assert min(cell.metrics["min_cllr"].value for cell in found.cells.values()) >= 0


def test_scores_that_point_the_wrong_way_are_worth_nothing_and_are_said_to_be() -> None:
    found = evaluate(make_table({"good": {"always": 9.0}}, conditions=["clean", "buzz@1"]), resamples=20)
    of = found.cells["good", "buzz@1"].metrics
    assert of["cllr"].value == of["cllr_isotonic"].value == pytest.approx(1.0) and of["cllr_raw"].value > 1
    assert from_dict(found.maps["good"]["isotonic"]).apply([-5.0, 5.0]) == pytest.approx([0.0, 0.0])
