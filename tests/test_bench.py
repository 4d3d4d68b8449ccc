"""The engine: same bytes however it is run, every failure a row, nothing lost, no experiment mixed with another.

1. decode once, corrupt once: every detector hears the same windows at its own rate
2. 1, 2 and 4 workers, a killed and resumed run, and another batch size give the same bytes
3. a broken file, a failing detector, a NaN: ``error`` rows with their cause, coverage counted
4. a folder of another experiment is refused, and stays as it was
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spoofproof import bench, cell
from spoofproof.audio import open_audio, window
from spoofproof.corrupt import corrupt
from spoofproof.errors import BadCorpus, BadPlan, BadScores, RunConflict
from spoofproof.plan import Plan
from spoofproof.scores import ScoreTable, cell_path, condition_path
from spoofproof.types import Trial
from toys import write_corpus, write_detectors

CONDITIONS = [
    "clean",
    "identity",
    "gaussian_noise@20",
    "gaussian_noise@5",
    "low_pass@0.2",
    "time_stretch@1.3",
]


def plan(folder: Path, *detectors: str, conditions: Sequence[str] = CONDITIONS) -> Plan:
    file = write_detectors(folder)
    return Plan.make(
        name="toy", detectors=[f"{file}:{d}" for d in detectors], conditions=conditions, samples=16_000
    )


def everything(run: Path) -> dict[str, bytes]:
    """All cells, facts and samples of a run, by relative path."""
    found = {
        p for folder in ("scores", "conditions", "samples") for p in (run / folder).rglob("*") if p.is_file()
    }
    return {str(p.relative_to(run)): p.read_bytes() for p in sorted(found)}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def whole(trials: list[Trial], tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """An unbroken run in this process."""
    folder = tmp_path_factory.mktemp("whole")
    the_plan = plan(folder, "tilt", "narrow")
    bench.run(the_plan, trials, folder / "run")
    return the_plan, folder / "run"


def test_every_detector_hears_the_corrupted_window_at_its_own_rate(
    whole: tuple[Plan, Path], trials: list[Trial]
) -> None:
    the_plan, run = whole
    table = ScoreTable.read(run)
    trial = next(t for t in trials if t.id == "eval-spoof-0")
    heard = window(
        corrupt(open_audio(trial.path), "gaussian_noise@5", key=trial.id, seed=the_plan.seed), 16_000
    )
    power = np.abs(np.fft.rfft(heard.samples)) ** 2 + 1e-9
    expected = np.log(power[:1000].mean()) - np.log(power[1000:].mean())
    tilt, narrow = the_plan.detectors
    found = table.cells[tilt, "gaussian_noise@5"]
    assert found.scores[found.ids.index(trial.id)] == pytest.approx(expected, abs=1e-6)
    peaks = table.cells[narrow, "clean"].scores - 8000
    assert ((peaks > 0.3) & (peaks < 0.7)).all()


def test_clean_holds_dev_and_eval_and_other_conditions_eval_alone(
    whole: tuple[Plan, Path], trials: list[Trial]
) -> None:
    the_plan, run = whole
    table = ScoreTable.read(run)
    for detector in the_plan.detectors:
        assert table.cells[detector, "clean"].ids == tuple(t.id for t in trials)
        assert table.cells[detector, "low_pass@0.2"].ids == tuple(t.id for t in trials if t.part == "eval")


def test_identity_scores_equal_clean_scores(whole: tuple[Plan, Path], trials: list[Trial]) -> None:
    the_plan, run = whole
    table = ScoreTable.read(run)
    for detector in the_plan.detectors:
        clean, same = table.cells[detector, "clean"], table.cells[detector, "identity"]
        keep = [i for i, name in enumerate(clean.ids) if name in same.ids]
        assert np.array_equal(clean.scores[keep], same.scores)


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_gives_the_same_bytes(
    workers: int, whole: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    the_plan, run = whole
    bench.run(the_plan, trials, tmp_path / "run", workers=workers)
    assert everything(tmp_path / "run") == everything(run)


@pytest.mark.parametrize("batch", [1, 5])
def test_any_batch_size_gives_the_same_bytes(
    batch: int, whole: tuple[Plan, Path], trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_plan, run = whole
    monkeypatch.setattr(cell, "BATCH", batch)
    bench.run(the_plan, trials, tmp_path / "run")
    assert everything(tmp_path / "run") == everything(run)


def test_reversed_trials_give_the_same_scores(
    whole: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    the_plan, run = whole
    backwards = bench.run(the_plan, trials[::-1], tmp_path / "run")
    for key, found in ScoreTable.read(run).cells.items():
        other = backwards.cells[key]
        assert dict(zip(found.ids, found.scores, strict=True)) == dict(
            zip(other.ids, other.scores, strict=True)
        )


def test_resume_fills_only_what_is_missing(
    whole: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    the_plan, run = whole
    bench.run(the_plan, trials, tmp_path / "run")
    lost = [
        cell_path(tmp_path / "run", the_plan.detectors[0], "clean"),
        condition_path(tmp_path / "run", "identity"),
    ]
    lost += [cell_path(tmp_path / "run", d, "identity") for d in the_plan.detectors]
    kept = {
        p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "scores").rglob("*.parquet") if p not in lost
    }
    for path in lost:
        path.unlink()
    bench.run(the_plan, trials, tmp_path / "run")
    assert everything(tmp_path / "run") == everything(run)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_kill_9_loses_at_most_the_cells_in_flight(
    whole: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    the_plan, run = whole
    program = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        "from pathlib import Path\n"
        "from spoofproof import bench\n"
        "from spoofproof.plan import Plan\n"
        "from spoofproof.scores import read_trials\n"
        "if __name__ == '__main__':\n"
        "    plan = Plan.make(name='toy', detectors=sys.argv[4:], conditions=sys.argv[3].split(), samples=16_000)\n"
        "    bench.run(plan, read_trials(Path(sys.argv[2]) / 'trials.parquet'), Path(sys.argv[1]), workers=2)\n"
    )
    script = tmp_path / "go.py"
    script.write_text(program)
    args = [
        sys.executable,
        str(script),
        str(tmp_path / "run"),
        str(run),
        " ".join(the_plan.conditions),
        *the_plan.detectors,
    ]
    process = subprocess.Popen(args, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run").rglob("*.parquet"))[1:] and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {p: b for p, b in everything(tmp_path / "run").items() if not p.endswith(".part")}
    complete = everything(run)
    assert before and all(complete[path] == content for path, content in before.items())
    bench.run(the_plan, trials, tmp_path / "run")
    after = {p: b for p, b in everything(tmp_path / "run").items() if not p.endswith(".part")}
    assert after == complete


def test_half_files_of_a_killed_run_are_swept_once_they_are_old(trials: list[Trial], tmp_path: Path) -> None:
    the_plan = plan(tmp_path, "tilt", conditions=["clean"])
    bench.run(the_plan, trials, tmp_path / "run")
    old, young = tmp_path / "run" / "scores" / "old.part", tmp_path / "run" / "scores" / "young.part"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    bench.run(the_plan, trials, tmp_path / "run")
    assert young.exists() and not old.exists()


def test_workers_do_not_outlive_their_parent(
    whole: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    """Not even in the middle of a clip."""
    (tmp_path / "sleeper.py").write_text(
        "import os, time, spoofproof\n"
        "from pathlib import Path\n"
        "@spoofproof.detector(rate=16_000)\n"
        "def sleeper(_: str = '') -> spoofproof.Detector:\n"
        "    'Falls asleep.'\n"
        "    def score(clips):\n"
        "        Path(__file__).with_name(f'{os.getpid()}.asleep').touch()\n"
        "        time.sleep(300)\n"
        "    return score\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from spoofproof import bench\n"
        "from spoofproof.plan import Plan\n"
        "from spoofproof.scores import read_trials\n"
        "if __name__ == '__main__':\n"
        "    trials = read_trials(Path(sys.argv[1]) / 'trials.parquet')\n"
        "    plan = Plan.make(name='t', detectors=['sleeper.py:sleeper'], conditions=['clean', 'identity'])\n"
        "    bench.run(plan, trials, Path('run'), workers=2)\n"
    )
    process = subprocess.Popen([sys.executable, str(script), str(whole[1])], cwd=tmp_path)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.asleep"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    children = [int(path.stem) for path in tmp_path.glob("*.asleep")]
    assert len(children) == 2
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_a_broken_file_is_an_error_row_with_its_cause(trials: list[Trial], tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF this is no audio")
    bad = Trial("bad", broken, "spoof")
    gone = Trial("gone", tmp_path / "gone.wav", "bonafide")
    table = bench.run(plan(tmp_path, "tilt"), [*trials, bad, gone], tmp_path / "run")
    for found in table.cells.values():
        status = dict(zip(found.ids, found.status, strict=True))
        assert "broken.wav" in status["bad"] and status["bad"].startswith("error: ")
        assert "no such file" in status["gone"]
        assert np.isnan(found.scores[found.ids.index("bad")])
        assert found.coverage == pytest.approx(1 - 2 / len(found.ids))


def test_a_detector_that_fails_or_answers_nan_gives_error_rows(trials: list[Trial], tmp_path: Path) -> None:
    table = bench.run(plan(tmp_path, "moody", conditions=["clean", "clipping@0.2"]), trials, tmp_path / "run")
    name = table.detectors[0]
    assert all("too loud for me" in status for status in table.cells[name, "clean"].status)
    assert all("score nan" in status for status in table.cells[name, "clipping@0.2"].status)


def test_a_level_that_a_codec_does_not_have_is_refused_and_not_a_row(
    trials: list[Trial], tmp_path: Path
) -> None:
    with pytest.raises(BadPlan, match=r"mp3@12.*kbit/s"):
        bench.run(plan(tmp_path, "tilt", conditions=["clean", "mp3@12"]), trials, tmp_path / "run")


def test_a_pair_of_logits_is_refused(trials: list[Trial], tmp_path: Path) -> None:
    with pytest.raises(BadScores, match="one float a clip"):
        bench.run(plan(tmp_path, "pair"), trials, tmp_path / "run")


def test_a_folder_of_another_experiment_is_refused_and_stays(
    whole: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    the_plan, run = whole
    before = everything(run) | {"run.json": (run / "run.json").read_bytes()}
    for other, theirs in [
        (the_plan.with_(seed=1), trials),
        (the_plan.with_(samples=8_000), trials),
        (the_plan.with_(conditions=("clean", "mp3@8")), trials),
        (the_plan, trials[:-1]),
    ]:
        with pytest.raises(RunConflict, match="another experiment"):
            bench.run(other, theirs, run)
    assert everything(run) | {"run.json": (run / "run.json").read_bytes()} == before


def test_a_detector_whose_code_changed_is_refused(trials: list[Trial], tmp_path: Path) -> None:
    the_plan = plan(tmp_path, "tilt", conditions=["clean"])
    bench.run(the_plan, trials, tmp_path / "run")
    with (tmp_path / "toy_detectors.py").open("a") as file:
        file.write("\n# changed\n")
    with pytest.raises(RunConflict, match="its weights or its code changed"):
        bench.run(the_plan, trials, tmp_path / "run")


def test_a_detector_can_be_added_without_scoring_the_others_again(
    trials: list[Trial], tmp_path: Path
) -> None:
    first = plan(tmp_path, "tilt", conditions=["clean", "identity"])
    bench.run(first, trials, tmp_path / "run")
    old = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "scores").rglob("*.parquet")}
    table = bench.run(
        first.with_(detectors=(first.detectors[0].replace("tilt", "narrow"),)), trials, tmp_path / "run"
    )
    assert {p: p.stat().st_mtime_ns for p in old} == old
    assert len(table.detectors) == 2 and len(table.cells) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda trials: [], "no trials"),
        (lambda trials: [t for t in trials if t.label == "spoof"], "none of them is bonafide"),
        (lambda trials: [t for t in trials if t.part == "dev"], "part eval"),
        (lambda trials: [*trials, trials[0]], "more than once"),
    ],
)
def test_a_corpus_that_no_comparison_can_be_made_on_is_refused(
    change: object, message: str, trials: list[Trial], tmp_path: Path
) -> None:
    with pytest.raises(BadCorpus, match=message):
        bench.run(plan(tmp_path, "tilt"), change(trials), tmp_path / "run")  # type: ignore[operator]
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_a_sentence_and_loses_nothing(
    trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_plan = plan(tmp_path, "tilt", conditions=["clean", "identity", "gaussian_noise@20"])
    real = os.fsync
    writes = 0

    def full(handle: int) -> None:
        nonlocal writes
        writes += 1
        if writes > 8:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunConflict, match="No space left on device"):
        bench.run(the_plan, trials, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.part"))
    monkeypatch.setattr(os, "fsync", real)
    whole = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*.parquet")}
    table = bench.run(the_plan, trials, tmp_path / "run")
    assert len(table.cells) == 3
    assert {p: p.stat().st_mtime_ns for p in whole} == whole


def test_a_condition_that_cannot_run_is_written_down_as_not_run(
    trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        bench, "missing_for", lambda c: "its weights are missing: get them so" if c == "mp3@8" else ""
    )
    table = bench.run(plan(tmp_path, "tilt", conditions=["clean", "mp3@8"]), trials, tmp_path / "run")
    assert table.conditions["mp3@8"]["status"] == "not run"
    assert "get them so" in table.conditions["mp3@8"]["why"]
    assert (table.detectors[0], "mp3@8") not in table.cells
    monkeypatch.setattr(bench, "missing_for", lambda c: "")
    table = bench.run(plan(tmp_path, "tilt", conditions=["clean", "mp3@8"]), trials, tmp_path / "run")
    assert table.conditions["mp3@8"]["status"] == "ok"
    assert (table.detectors[0], "mp3@8") in table.cells


def test_a_codec_that_went_missing_leaves_what_was_scored(
    trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_plan = plan(tmp_path, "tilt", "narrow", conditions=["clean", "mp3@8"])
    bench.run(the_plan, trials, tmp_path / "run")
    cell_path(tmp_path / "run", the_plan.detectors[0], "mp3@8").unlink()
    monkeypatch.setattr(bench, "missing_for", lambda c: "its weights are missing" if c == "mp3@8" else "")
    table = bench.run(the_plan, trials, tmp_path / "run")
    assert table.conditions["mp3@8"]["status"] == "ok"
    assert (the_plan.detectors[1], "mp3@8") in table.cells and (
        the_plan.detectors[0],
        "mp3@8",
    ) not in table.cells
