"""Workers of one machine: pieces of a condition keep all of them busy, and a cell that was begun is gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from spoofproof import bench
from spoofproof.cell import put, save, score, todo
from spoofproof.errors import BadScores, SpoofproofError
from spoofproof.plan import Plan
from spoofproof.scale import local, shard
from spoofproof.scores import ScoreTable, begun_path, cell_path, rows_in, write_trials
from spoofproof.types import Trial
from test_bench import everything, plan
from toys import write_corpus

DETECTOR = '''
"""A detector that writes down who heard what, and waits where it is told to."""
import hashlib, os, time
from pathlib import Path
import spoofproof

FOLDER = Path(__file__).parent


@spoofproof.detector(rate=16_000, batch=16)
def witness(wanted: str = "1") -> spoofproof.Detector:
    """The peak of each clip; waits once, at most 20 s, until as many processes as wanted have heard something."""

    end = time.monotonic() + 20

    def score(clips):
        (FOLDER / f"{os.getpid()}.process").touch()
        while len(list(FOLDER.glob("*.process"))) < int(wanted) and time.monotonic() < end:
            time.sleep(0.02)
        while (FOLDER / "stop").exists() and len((FOLDER / "heard").read_text().split()) >= int(
            (FOLDER / "stop").read_text()
        ):
            time.sleep(0.02)
        with open(FOLDER / "heard", "a") as log:
            log.writelines(hashlib.sha256(clip.samples.tobytes()).hexdigest() + "\\n" for clip in clips)
        return [float(abs(clip.samples).max()) for clip in clips]

    return score
'''


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    """36 of each class in eval, 4 of each in dev: five batches of a condition, six with dev."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), n=36, dev=4, seconds=0.3)


def witness(folder: Path, wanted: int, *conditions: str) -> Plan:
    file = folder / "witness.py"
    file.write_text(DETECTOR)
    (folder / "heard").touch()
    return Plan.make(
        name="toy", detectors=[f"{file}:witness@{wanted}"], conditions=conditions, samples=16_000
    )


def heard(folder: Path) -> Counter[str]:
    return Counter((folder / "heard").read_text().split())


def test_one_condition_keeps_two_workers_busy(trials: list[Trial], tmp_path: Path) -> None:
    bench.run(witness(tmp_path, 2, "clean"), trials, tmp_path / "run", workers=2)
    assert len(list(tmp_path.glob("*.process"))) == 2
    assert heard(tmp_path).total() == len(trials)


def test_small_jobs_stay_whole_where_there_are_many(trials: list[Trial], tmp_path: Path) -> None:
    """72 trials are five batches, the last one not full: one piece, not one and a rest."""
    the_plan = plan(tmp_path, "tilt", conditions=["clean", "gaussian_noise@*", "smooth@*", "low_pass@*"])
    record = bench.prepare(the_plan, trials, tmp_path / "run", {})
    jobs = bench.missing(the_plan, trials, tmp_path / "run", record).jobs
    pieces = list(local._pieces(jobs, 2, lambda n: None))
    assert len(jobs) >= 16 and len(pieces) == len(jobs)
    assert len(list(local._pieces(jobs[:1], 2, lambda n: None))) == 5


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_pieces_of_local_workers_have_the_bytes_of_whole_jobs(
    workers: int, trials: list[Trial], tmp_path: Path
) -> None:
    the_plan = plan(tmp_path, "tilt", "narrow", conditions=["clean", "gaussian_noise@5"])
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF this is no audio")
    heads = [t.id for t in trials if t.part == "eval"][:20]  # more than the first piece, which is to measure
    trials = [replace(t, path=broken) if t.id in heads else t for t in trials]
    for name in ("whole", "run"):
        record = bench.prepare(the_plan, trials, tmp_path / name, {})
        for job in bench.missing(the_plan, trials, tmp_path / name, record).jobs if name == "whole" else ():
            work = todo(job)
            put(job, [score(work)], facts=work.facts)
    ticks: list[int] = []
    bench.run(the_plan, trials, tmp_path / "run", workers=workers, progress=lambda p: ticks.append(p.done))
    assert everything(tmp_path / "run") == everything(tmp_path / "whole")
    assert len(everything(tmp_path / "run")) > 4
    assert ticks[-1] == 80 + 72


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_9_in_the_middle_of_a_cell_does_not_score_again_what_was_saved(
    workers: int, trials: list[Trial], tmp_path: Path
) -> None:
    the_plan = witness(tmp_path, 1, "clean")
    (tmp_path / "stop").write_text("32")  # after so many clips the detector waits to be killed
    script = tmp_path / "go.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from spoofproof import bench\n"
        "from spoofproof.plan import Plan\n"
        "from spoofproof.scale import shard\n"
        "from spoofproof.scores import read_trials\n"
        "if __name__ == '__main__':\n"
        "    shard.SAVE = 0.0\n"
        "    plan = Plan.make(name='toy', detectors=sys.argv[3:], conditions=['clean'], samples=16_000)\n"
        "    trials = read_trials(Path(sys.argv[1]) / 'known.parquet')\n"
        "    bench.run(plan, trials, Path(sys.argv[1]) / 'run', workers=int(sys.argv[2]))\n"
    )
    write_trials(tmp_path / "known.parquet", trials)
    command = [sys.executable, str(script), str(tmp_path), str(workers), *the_plan.detectors]
    process = subprocess.Popen(command, start_new_session=True)
    begun = begun_path(cell_path(tmp_path / "run", the_plan.detectors[0], "clean"))
    end = time.monotonic() + 120
    try:
        while rows_in(begun) < 32:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    saved = rows_in(begun)
    assert 32 <= saved < len(trials) and not ScoreTable.read(tmp_path / "run").cells  # no report sees it
    before = heard(tmp_path).total()
    (tmp_path / "stop").unlink()
    seen: list[bench.Progress] = []
    bench.run(the_plan, trials, tmp_path / "run", progress=seen.append)
    assert seen[-1].done == seen[-1].total == len(trials)
    assert heard(tmp_path).total() - before == len(trials) - saved
    assert not begun.exists()
    (tmp_path / "other").mkdir()
    bench.run(the_plan, trials, tmp_path / "other" / "run")
    assert everything(tmp_path / "run") == everything(tmp_path / "other" / "run")


def test_what_a_cell_holds_and_what_was_begun_of_it_are_both_known(
    trials: list[Trial], tmp_path: Path
) -> None:
    """As after a run on a budget that went deeper and was killed."""
    the_plan = plan(tmp_path, "tilt", conditions=["clean"])
    record = bench.prepare(the_plan, trials, tmp_path / "run", {})
    (job,) = bench.missing(the_plan, trials, tmp_path / "run", record).jobs
    first = replace(job, trials=job.trials[:16])
    put(first, [score(todo(first))], facts=True)
    save(job, [score(replace(job, trials=job.trials[16:32]))])
    work = todo(job)
    assert work.trials == job.trials[32:] and not work.facts
    put(job, [score(work)], facts=False)
    whole = replace(job, run=tmp_path / "whole")
    put(whole, [score(todo(whole))], facts=True)
    cells = [cell_path(tmp_path / name, the_plan.detectors[0], "clean") for name in ("run", "whole")]
    assert cells[0].read_bytes() == cells[1].read_bytes() and not begun_path(cells[0]).exists()


def test_a_cell_is_saved_once_a_minute_and_not_oftener(
    trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(shard.time, "monotonic", lambda: clock[0])
    saves: list[int] = []
    monkeypatch.setattr(shard, "save", lambda job, parts: saves.append(len(parts)))
    the_plan = plan(tmp_path, "tilt", conditions=["clean"])
    record = bench.prepare(the_plan, trials, tmp_path / "run", {})
    (job,) = bench.missing(the_plan, trials, tmp_path / "run", record).jobs
    cut = shard.Cut(job, lambda work: 16)
    assert len(cut.pieces) == 5
    for place, piece in enumerate(cut.pieces):
        clock[0] += 25.0
        cut.take(place, score(piece))
    assert saves == [3] and cut.whole  # at 75 s; the last piece makes the cell whole


def test_a_worker_that_is_killed_ends_the_run_with_a_sentence_and_leaves_nobody(
    trials: list[Trial], tmp_path: Path
) -> None:
    the_plan = witness(tmp_path, 2, "clean", "gaussian_noise@5")
    (tmp_path / "stop").write_text("16")  # after so many clips everybody waits
    fallen: list[int] = []

    def strike(progress: bench.Progress) -> None:
        there = [int(path.stem) for path in tmp_path.glob("*.process")]
        if len(there) == 2 and not fallen:
            fallen.extend(there)
            os.kill(there[0], signal.SIGKILL)

    with pytest.raises(SpoofproofError, match=r"a worker process died .* run the same command again"):
        bench.run(the_plan, trials, tmp_path / "run", workers=2, progress=strike)
    assert len(fallen) == 2
    for pid in fallen:  # the other one was sent away and waited for
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    (tmp_path / "stop").unlink()
    bench.run(the_plan, trials, tmp_path / "run", workers=2)
    assert len(ScoreTable.read(tmp_path / "run").cells) == 2


def test_an_error_of_a_worker_is_raised_here(trials: list[Trial], tmp_path: Path) -> None:
    with pytest.raises(BadScores, match="returned scores of shape"):
        bench.run(plan(tmp_path, "pair", conditions=["clean"]), trials, tmp_path / "run", workers=2)


def test_an_error_of_somebodys_own_class_arrives_as_its_sentence(trials: list[Trial], tmp_path: Path) -> None:
    """Its class is known in the worker alone, which read the file."""
    file = tmp_path / "grumpy.py"
    file.write_text(
        "import spoofproof\n"
        "from spoofproof.errors import SpoofproofError\n"
        "class NotToday(SpoofproofError): pass\n"
        "@spoofproof.detector(rate=16_000)\n"
        "def grumpy(_: str = '') -> spoofproof.Detector:\n"
        "    'Refuses.'\n"
        "    def score(clips):\n"
        "        raise NotToday('come back tomorrow')\n"
        "    return score\n"
    )
    the_plan = Plan.make(name="p", detectors=(f"{file}:grumpy",), conditions=("clean",), measured=0, listen=0)
    with pytest.raises(SpoofproofError, match="come back tomorrow") as caught:
        bench.run(the_plan, trials, tmp_path / "run", workers=2)
    assert type(caught.value) is SpoofproofError
