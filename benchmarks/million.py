"""Whether memory grows with the corpus: a million trials over a few hundred files are planned, scored and
reported.

    python benchmarks/million.py [--rows 1000000] [--keep FOLDER] [--everything]

Every step is a process of its own, the command of a user where there is one. The table says what each took of
the clock and of the processor and the most memory that it held (ru_maxrss), for a tenth of the rows and for
all of them, and what a further row costs.

    plan     spoofproof bench --dry-run      reads the manifest, plans, measures costs on a few clips
    begin    what a first bench does         reads, audits, writes the record and the trials
    score    spoofproof bench --shard 1/2    reads, plans, scores what its condition lacks, writes the cell
    report   spoofproof report               two detectors, three conditions, all metrics, the page

A share is whole conditions, and a condition is all rows. So that not all of them have to be scored, the cell
of the share is there already but for SCORED trials, as after a run that was cut off: these are scored, and
all rows are read, put together and written again. With --everything one condition is scored over all rows too,
by two workers, from the manifest to the page: half an hour for a million.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # late in the code as well: what this process holds counts as its children's peak
    from collections.abc import Iterator, Sequence

    from spoofproof.types import Trial

FILES, SPEAKERS, ATTACKS, LANGUAGES = 300, 400, 30, ("de", "en", "fr", "pl")
SCORED = 1000
BENCH = (
    *("--detector", "spectral-tilt", "--condition", "clean", "--condition", "gaussian_noise@20"),
    *("--workers", "1", "--seed", "1"),
)
Taken = tuple[float, float, float]


def main() -> None:
    """Make, measure, print; with --step: one step of it, in a process of its own."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    options.add_argument("--everything", action="store_true", help="score a whole condition too")
    options.add_argument("--step", choices=("corpus", "begin", "cells", "whole"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.step:
        steps = {"corpus": write_corpus, "begin": begin, "cells": write_cells, "whole": write_whole}
        steps[chosen.step](chosen.keep, chosen.rows)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.keep or Path(name)
        sizes = (chosen.rows // 10, chosen.rows)
        few, many = (measure(folder / str(rows), rows, chosen.everything) for rows in sizes)
    from machine import describe, table

    print(f"{describe('pyarrow', 'scipy')}\n")
    rows = []
    for step in many:
        for taken, size in zip((few[step], many[step]), sizes, strict=True):
            further = round((many[step][2] - few[step][2]) * 1e6 / (sizes[1] - sizes[0]))
            numbers = (f"{n:.0f}" for n in taken)
            rows.append((step, f"{size:,}".replace(",", " "), *numbers, further if size == sizes[1] else ""))
    table(("step", "rows", "clock, s", "processor, s", "peak, MB", "bytes a further row"), rows)


def measure(folder: Path, rows: int, everything: bool) -> dict[str, Taken]:
    """By step what it took."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = ("--corpus", f"manifest:{folder / 'corpus' / 'manifest.csv'}")
    bench = ("-m", "spoofproof", "bench", *corpus, *BENCH, "--out", str(folder / "run"))

    def own(step: str) -> tuple[str, ...]:
        return (__file__, "--rows", str(rows), "--keep", str(folder), "--step", step)

    run(f"{rows} rows: making the corpus", own("corpus"))
    found = {"plan": run("plan", (*bench, "--dry-run"))}
    found["begin"] = run("begin", own("begin"))
    run("making cells that lack a few trials", own("cells"))
    found["score"] = run("score", (*bench, "--shard", "1/2"))
    run("making a whole run", own("whole"))
    found["report"] = run("report", ("-m", "spoofproof", "report", str(folder / "whole")))
    if everything:
        own_run = ("--condition", "clean", "--workers", "2", "--seed", "1", "--out", str(folder / "all"))
        command = ("-m", "spoofproof", "bench", *corpus, "--detector", "spectral-tilt", *own_run)
        found["everything"] = run("everything", command)
    return found


def run(what: str, arguments: Sequence[str]) -> Taken:
    """(seconds, processor seconds, peak in MB) of a Python process; said on stderr. Its output is shown only
    when it fails."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen([sys.executable, *arguments], stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            sys.exit(f"{what} failed:\n{said.read().decode(errors='replace')}")
    peak = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3 / 1.024)
    taken = time.monotonic() - begin, used.ru_utime + used.ru_stime, peak
    print("{}: {:.1f} s, {:.1f} s of processor, {:.0f} MB".format(what, *taken), file=sys.stderr, flush=True)
    return taken


def write_corpus(folder: Path, rows: int) -> None:
    """FILES short files and a manifest of ``rows`` rows over them."""
    import numpy as np
    from machine import RATE

    from spoofproof.audio import save_audio
    from spoofproof.types import Clip

    rng = np.random.default_rng(0)
    for i in range(FILES):
        tilt = np.convolve(rng.standard_normal(RATE // 2), np.ones(2 + i % 2) / 3, "same")
        save_audio(Clip((0.1 * tilt).astype(np.float32), RATE), folder / "corpus" / f"clip{i:03d}.flac")
    with (folder / "corpus" / "manifest.csv").open("w", encoding="utf-8") as out:
        out.write("id,path,label,speaker,attack,language,part\n")
        for i in range(rows):
            file, who, what, tongue, part = (
                int(rng.integers(n)) for n in (FILES, SPEAKERS, ATTACKS, len(LANGUAGES), 10)
            )
            label, attack = ("spoof", f"A{what:02d}") if file % 3 else ("bonafide", "")
            out.write(
                f"made_{i:08d},clip{file:03d}.flac,{label},S{who:03d},{attack},{LANGUAGES[tongue]},"
                f"{'eval' if part else 'dev'}\n"
            )


def begin(folder: Path, rows: int) -> None:
    """What `spoofproof bench` does before it scores: the audit, the record, the trials."""
    from spoofproof import bench
    from spoofproof.corpora.audit import audit
    from spoofproof.scores import write_json, write_trials

    trials, out = _corpus(folder), folder / "run"
    bench.check_trials(trials)
    facts = {"name": "made", "audit": audit(trials, sample=2000, seed=1).to_dict()}
    record = bench.prepare(_plan("spectral-tilt"), trials, out, facts)
    write_trials(out / "trials.parquet", trials)
    write_json(out / "run.json", record)


def write_cells(folder: Path, rows: int) -> None:
    """The cell of share 1 of 2, but for SCORED trials, and what its condition did."""
    import numpy as np

    from spoofproof.cell import condition_trials
    from spoofproof.scale import Share

    plan = _plan("spectral-tilt")
    condition = Share(1, 2).of(plan.conditions, plan.seed)[0]
    wanted = condition_trials(condition, _corpus(folder))
    left = set(np.linspace(0, len(wanted) - 1, SCORED).astype(int).tolist())
    _write(folder / "run", "spectral-tilt", condition, [t for i, t in enumerate(wanted) if i not in left])


def write_whole(folder: Path, rows: int) -> None:
    """A complete run of two detectors and three conditions, its scores drawn."""
    from spoofproof import bench
    from spoofproof.cell import condition_trials
    from spoofproof.scores import write_json, write_trials

    plan = _plan("spectral-tilt", "random", more=("gaussian_noise@5",))
    trials, out = _corpus(folder), folder / "whole"
    write_json(out / "run.json", bench.prepare(plan, trials, out, {"name": "made"}))
    write_trials(out / "trials.parquet", trials)
    for condition in plan.conditions:
        for detector in plan.detectors:
            _write(out, detector, condition, condition_trials(condition, trials))


def _write(run: Path, detector: str, condition: str, trials: Sequence[Trial]) -> None:
    """A cell of scores that speakers and attacks shift, worse under worse conditions, and the condition's
    facts."""
    import numpy as np

    from spoofproof.cell import describe
    from spoofproof.scores import OK, Cell, cell_path, condition_path, write_cell, write_json

    facts = describe(condition)
    rng = np.random.default_rng([len(detector), facts["index"]])
    shift = dict(zip(_names(), rng.normal(0, 0.4, SPEAKERS + ATTACKS).tolist(), strict=True)) | {"": 0.0}
    places = np.fromiter((shift[t.speaker] + shift[t.attack] for t in trials), float, len(trials))
    real = np.fromiter((t.label == "bonafide" for t in trials), bool, len(trials))
    scores = 2.0 * real + places + rng.normal(0, 1 + 0.5 * facts["index"], len(trials))
    write_cell(
        cell_path(run, detector, condition), Cell(tuple(t.id for t in trials), scores, (OK,) * len(trials))
    )
    heard = {"status": "ok", "why": "", "digest": condition, "effective": None, "distortion_db": None}
    write_json(condition_path(run, condition), facts | heard)


def _names() -> Iterator[str]:
    yield from (f"S{k:03d}" for k in range(SPEAKERS))
    yield from (f"A{k:02d}" for k in range(ATTACKS))


def _corpus(folder: Path) -> Sequence[Trial]:
    from spoofproof.registry import read_corpus

    return read_corpus(f"manifest:{folder / 'corpus' / 'manifest.csv'}")


def _plan(*detectors: str, more: Sequence[str] = ()) -> Any:
    """The plan that BENCH asks for, with other detectors and further conditions."""
    from spoofproof.plan import Plan

    plan = Plan.load("default")
    return plan.with_(detectors=detectors, conditions=("clean", "gaussian_noise@20", *more), seed=1)


if __name__ == "__main__":
    main()
