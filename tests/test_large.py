"""Large runs in bounded memory: cells are read when asked for, and what many trials have in common is held once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spoofproof.errors import BadScores
from spoofproof.results import evaluate
from spoofproof.scores import Cell, ScoreTable, cell_path, read_cell, read_trials, write_cell, write_trials
from spoofproof.types import Trial
from test_gate import CONDITIONS, make_run


def test_cells_are_read_when_asked_for_and_few_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", broken={"buzz@1": 3})
    table = ScoreTable.read(run)
    assert len(table.cells) == len(CONDITIONS) and ("mine", "codec@1") in table.cells
    assert table.cells.get(("mine", "nothing")) is None
    first = table.cells["mine", "clean"]
    assert all(cell.ids is first.ids for cell in table.cells.values())  # one tuple for all
    for (detector, condition), cell in table.cells.items():
        alone = read_cell(cell_path(run, detector, condition))
        assert cell.ids == alone.ids and cell.status == alone.status
        assert np.array_equal(cell.scores, alone.scores, equal_nan=True)
    assert table.cells["mine", "buzz@1"].status[:4] == ("error: decoder",) * 3 + ("ok",)
    assert table.cells["mine", "clean"] is first
    monkeypatch.setattr("spoofproof.scores._ROWS", 0)
    assert table.cells["mine", "hiss@1"] is table.cells["mine", "hiss@1"]
    again = table.cells["mine", "clean"]
    assert again is not first and again.ids is first.ids
    cell_path(run, "mine", "hiss@1").write_bytes(b"PAR1")
    with pytest.raises(BadScores, match="cannot be read"):
        table.cells["mine", "hiss@1"]


def test_a_report_is_the_same_however_little_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run", {"codec@2": 1.0}, broken={"buzz@1": 3}, dev=True)
    plain = evaluate(ScoreTable.read(run), resamples=20, metrics=["eer", "cllr"])
    monkeypatch.setattr("spoofproof.scores._ROWS", 0)
    monkeypatch.setattr("spoofproof.results.grid._HELD", 0)
    tight = evaluate(ScoreTable.read(run), resamples=20, metrics=["eer", "cllr"])
    assert {k: c.metrics for k, c in plain.cells.items()} == {k: c.metrics for k, c in tight.cells.items()}
    assert {k: c.delta for k, c in plain.cells.items()} == {k: c.delta for k, c in tight.cells.items()}


def test_trials_come_back_as_they_were_and_share_what_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = tuple(
        Trial(
            f"t{i}", Path(f"a/{i % 3}.wav"), "spoof" if i % 2 else "bonafide", f"s{i % 4}", "vocoder" if i % 2 else "",
            "fr", "here", f"p{i}", "dev" if i % 5 else "eval", {"codec": "mp3"} if i % 2 else {},
        )
        for i in range(50)
    )  # fmt: skip
    write_trials(tmp_path / "trials.parquet", trials)
    monkeypatch.setattr("spoofproof.scores._BATCH", 7)
    found = read_trials(tmp_path / "trials.parquet")
    assert found == trials
    assert len({id(t.path) for t in found}) == 3 and len({id(t.attributes) for t in found}) == 2
    assert len({id(t.speaker) for t in found}) == 4 and len({id(t.label) for t in found}) == 2


def test_an_empty_cell_is_a_cell(tmp_path: Path) -> None:
    write_cell(tmp_path / "c.parquet", Cell((), np.zeros(0), ()))
    found = read_cell(tmp_path / "c.parquet")
    assert found.ids == found.status == () and found.scores.shape == (0,)
