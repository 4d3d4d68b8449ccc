"""What a trial costs in memory: planning, putting a cell together and reporting, as docs/scale.md states it
in bytes a row.

Each is done over N and over 4 N trials; the difference of the peaks, by tracemalloc and Arrow's own count, is
3 N rows. The full measurement is ``benchmarks/million.py``.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from spoofproof import bench, report
from spoofproof.cell import Job, Part, describe, put
from spoofproof.plan import Plan
from spoofproof.registry import read_corpus
from spoofproof.results import evaluate
from spoofproof.scores import (
    OK,
    Cell,
    ScoreTable,
    cell_path,
    condition_path,
    write_cell,
    write_json,
    write_trials,
)
from spoofproof.types import Once, Trial

N = 5_000
CONDITIONS = [f"gaussian_noise@{level}" for level in (5, 10, 20, 30, 40)]
PLAN = Plan.make(name="made", detectors=["random"], conditions=CONDITIONS)


def manifest(folder: Path, rows: int) -> Path:
    """Rows over 20 files, of which one is there; every column but the id has few values."""
    (folder / "0.wav").write_bytes(b"RIFF")
    path = folder / f"{rows}.csv"
    lines = (
        f"trial_{i:08d},{i % 20}.wav,{'spoof' if i % 2 else 'bonafide'},speaker {i % 7},"
        f"{'' if i % 2 == 0 else f'A{i % 5}'},en,{'eval' if i % 10 else 'dev'},studio {i % 3}"
        for i in range(rows)
    )
    path.write_text("\n".join(["id,path,label,speaker,attack,language,part,room", *lines]))
    return path


def peak(work: Callable[[], object]) -> int:
    """Bytes that ``work`` held at most, of Python, numpy and Arrow."""
    arrow = pa.default_memory_pool()
    before = arrow.bytes_allocated()
    tracemalloc.start()
    kept = work()
    most = tracemalloc.get_traced_memory()[1] + max(0, arrow.bytes_allocated() - before)
    tracemalloc.stop()
    del kept
    return most


def bytes_a_row(work: Callable[[int], object]) -> float:
    work(200)  # what is loaded once
    return (peak(lambda: work(4 * N)) - peak(lambda: work(N))) / (3 * N)


def test_planning_holds_a_few_hundred_bytes_a_row_whatever_the_conditions(tmp_path: Path) -> None:
    paths = {n: manifest(tmp_path, n) for n in (200, N, 4 * N)}

    def plan(rows: int) -> object:
        trials = read_corpus(f"manifest:{paths[rows]}")
        bench.check_trials(trials)
        record = bench.prepare(PLAN, trials, tmp_path / "none", {})
        return trials, bench.missing(PLAN, trials, tmp_path / "none", record)

    found = bytes_a_row(plan)
    assert 150 < found < 400
    trials, todo = plan(N)  # type: ignore[misc]
    assert len({id(job.trials) for job in todo.jobs if job.condition != "clean"}) == 1
    assert len({id(t.path) for t in trials}) == 20 and len({id(t.attributes) for t in trials}) == 3
    assert len({id(t.speaker) for t in trials}) == 7


def test_putting_a_cell_together_holds_less_than_a_row_in_python_would(tmp_path: Path) -> None:
    trials = {n: read_corpus(f"manifest:{manifest(tmp_path, n)}") for n in (200, N, 4 * N)}

    def write(rows: int) -> None:
        run, mine = tmp_path / str(rows), tuple(trials[rows])
        job = Job(run, "clean", ("random",), mine, 2.0, 0, 16_000, 16_000, "repeat", 0, 0)
        halves = [
            Cell(tuple(t.id for t in some), np.zeros(len(some)), (OK,) * len(some))
            for some in (mine[::2], mine[1::2])
        ]
        write_cell(cell_path(run, "random", "clean"), halves[0])
        put(job, [Part({"random": halves[1]}, b"", (), ())], facts=False)

    assert bytes_a_row(write) < 260


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        n: whole(folder / str(n), read_corpus(f"manifest:{manifest(folder, n)}")) for n in (200, N, 4 * N)
    }


def whole(run: Path, trials: list[Trial]) -> Path:
    """A run of one detector, its scores drawn."""
    plan = PLAN.with_(conditions=CONDITIONS[:2])
    write_json(run / "run.json", bench.prepare(plan, trials, run, {}))
    write_trials(run / "trials.parquet", trials)
    for k, condition in enumerate(plan.conditions):
        mine = [t for t in trials if t.part == "eval" or condition == "clean"]
        scores = np.random.default_rng(k).normal([float(t.label == "bonafide") for t in mine])
        write_cell(
            cell_path(run, "random", condition), Cell(tuple(t.id for t in mine), scores, (OK,) * len(mine))
        )
        facts = {"status": "ok", "why": "", "digest": condition, "effective": None, "distortion_db": None}
        write_json(condition_path(run, condition), describe(condition) | facts)
    return run


def test_a_report_holds_some_hundred_bytes_a_row(
    runs: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spoofproof.scores._BATCH", 500)  # what is read at a time is no cost of a row

    def results(rows: int) -> object:
        table = ScoreTable.read(runs[rows])
        return table, evaluate(table, resamples=20)

    assert bytes_a_row(results) < 520
    table = ScoreTable.read(runs[N])
    texts = {id(t.id) for t in table.trials}
    assert all(id(name) in texts for cell in table.cells.values() for name in cell.ids)


def test_the_page_does_not_grow_with_the_trials(runs: dict[int, Path]) -> None:
    tables = [ScoreTable.read(runs[n]) for n in (N, 4 * N)]
    small, large = (len(report.html(evaluate(t, resamples=20), t, runs[N])) for t in tables)
    assert large < 1.05 * small


def test_once_remembers_no_more_than_it_should() -> None:
    once = Once(most=2)
    texts = ["".join(["a", str(i % 3)]) for i in range(9)]
    found = [once(t) for t in texts]
    assert found == texts
    assert len({id(t) for t in found if t != "a2"}) == 2 and len({id(t) for t in found if t == "a2"}) == 3
