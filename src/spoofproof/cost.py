"""What a run will cost on this machine, measured on a few clips before it starts.

    seconds = (decoding + corrupting + scoring + noting of all that is missing, in processor time) / workers

Every condition and every detector is really run; the median over a few clips stands for all. Processor time is counted,
not the clock: on a machine that does something else besides, a run takes longer by as much as its cores are shared.
"""

from __future__ import annotations

import hashlib
import heapq
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .ask import load_detector
from .audio import open_audio, save_audio
from .cell import Job, Windows, describe, listen
from .corrupt import Heard, decoded_seconds, hear, steps
from .corruptions.measure import distortion
from .errors import BadAudio, BadCorpus, BadPlan, MissingPart, UnknownName
from .plan import Plan
from .scale import one_thread
from .scores import OK, Cell, write_cell
from .subsample import places
from .types import LABELS, Clip, Trial

CLIPS = 3  # that a figure is the median of
_BATCH = 8
_PATIENCE = 0.5  # seconds of a single call beyond which two more of them are not waited for
_CACHED = 400_000_000 / 4  # samples of decoded audio that a worker keeps, see cell

Tick = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one core. decode: a file. clip: by condition, from a decoded clip to its window, noted. facts: by
    condition, to measure one clip's effective level. score: by detector, one window. load: by detector, in each worker.
    seconds: of audio in a file, as far as it is decoded (mean). cell: to write one. sample: to keep a clip to listen to."""

    decode: float
    clip: Mapping[str, float]
    facts: Mapping[str, float]
    score: Mapping[str, float]
    load: Mapping[str, float]
    seconds: float
    cell: float = 0.0
    sample: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a forecast. cells, clips: how many are missing. each: seconds of one core for one clip. total: for all."""

    name: str
    cells: int
    clips: int
    each: float
    total: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is missing, and what it takes. cells of all_cells are missing; clips: corrupted windows to make; scores: windows
    to score; audio: seconds of audio in ``clips``. detectors, families: one line each. other: decoding, loading, facts.
    seconds: of ``workers`` cores that do nothing else."""

    cells: int
    all_cells: int
    clips: int
    scores: int
    audio: float
    detectors: tuple[Line, ...]
    families: tuple[Line, ...]
    other: tuple[Line, ...]
    workers: int
    seconds: float


def measure(
    plan: Plan,
    trials: Sequence[Trial],
    jobs: Sequence[Job],
    *,
    clips: int = CLIPS,
    progress: Tick = lambda done, total, name: None,
) -> Costs:
    """Run every condition and detector of ``jobs`` on a few clips, in this process, with one thread.

    Raises BadCorpus when none of the clips can be read, and what a job would raise: a detector that cannot be loaded,
    a level that a codec does not have, a codec that is missing.
    """
    conditions = [job.condition for job in jobs]
    detectors = list(dict.fromkeys(d for job in jobs for d in job.detectors))
    seconds = decoded_seconds(plan.conditions, plan.samples / plan.rate)
    total = len(conditions) + len(detectors)
    with one_thread():
        decode, files = _decoded(plan, trials, seconds, 1 + clips)  # one to warm up on
        mean = statistics.fmean(file.seconds for _, file in files)
        clip, facts, windows = {}, {}, []
        for done, condition in enumerate(conditions):
            progress(done, total, condition)
            clip[condition], facts[condition], heard = _condition(plan, condition, files)
            windows += [one.window for one in heard]
        score, load = {}, {}
        for done, text in enumerate(detectors, start=len(conditions)):
            progress(done, total, text)
            load[text], score[text] = _detector(text, windows)
        cell, sample = _writing(windows[0] if windows else files[0][1])
    return Costs(decode, clip, facts, score, load, mean, cell, sample)


def forecast(plan: Plan, jobs: Sequence[Job], costs: Costs, *, cells: int, workers: int) -> Forecast:
    """What ``jobs`` take at these costs. cells: of the whole plan, done ones among them."""
    left = {job.condition: job.left for job in jobs}
    heard = {job.condition: {d: _scored(job, d) for d in job.detectors} for job in jobs}
    by_detector, by_family = [], []
    for text, each in costs.score.items():
        counts = [of[text] for of in heard.values() if text in of]
        by_detector.append(Line(text, len(counts), sum(counts), each, each * sum(counts)))
    for family in dict.fromkeys(describe(c)["family"] for c in left):
        mine = [c for c in left if describe(c)["family"] == family]
        n = sum(left[c] for c in mine)
        spent = sum(costs.clip[c] * left[c] for c in mine)
        by_family.append(Line(family, sum(len(heard[c]) for c in mine), n, spent / max(1, n), spent))
    other = _other(plan, jobs, costs, workers)
    spent = sum(line.total for line in (*by_detector, *by_family, *other))
    clips = sum(left.values())
    return Forecast(
        cells=sum(len(job.detectors) for job in jobs),
        all_cells=cells,
        clips=clips,
        scores=sum(line.clips for line in by_detector),
        audio=clips * plan.samples / plan.rate,
        detectors=tuple(by_detector),
        families=tuple(by_family),
        other=other,
        workers=workers,
        seconds=spent / workers,
    )


def per_clip(costs: Costs, condition: str, detectors: Sequence[str]) -> float:
    """Seconds of one core that one more trial of a condition takes, decoded and heard by all detectors."""
    return costs.decode + costs.clip[condition] + sum(costs.score[d] for d in detectors)


def _scored(job: Job, detector: str) -> int:
    """Windows that a detector still has to score, or a little more where its cell is begun."""
    if detector not in job.heavy:
        return min(job.left, len(job.trials))
    return min(job.left, sum(job.hears(detector, trial) for trial in job.trials))


def _other(plan: Plan, jobs: Sequence[Job], costs: Costs, workers: int) -> tuple[Line, ...]:
    """Decoding (once for each file and worker, or for each condition where a worker cannot keep them all), loading the
    detectors in each worker, and the facts of each condition."""
    files: Counter[Path] = Counter()
    alike: dict[tuple[int, int], list[Job]] = {}  # jobs over the same trials are counted through once
    for job in jobs:
        alike.setdefault((id(job.trials), job.left), []).append(job)
    for same in alike.values():
        for path, n in Counter(t.path for t in same[0].trials[-same[0].left :]).items():
            files[path] += n * len(same)
    kept = costs.seconds * plan.rate * len(files) <= _CACHED
    opened = sum(min(n, workers) if kept else n for n in files.values())
    noted = {job.condition: min(plan.measured, job.left) for job in jobs}
    facts = sum(costs.facts[c] * n for c, n in noted.items())
    load = sum(costs.load.values())
    cells = sum(len(job.detectors) for job in jobs)
    writing = costs.cell * cells + costs.sample * len(LABELS) * plan.listen * len(jobs)
    n = sum(noted.values())
    return (
        Line("decoding", 0, opened, costs.decode, costs.decode * opened),
        Line("loading detectors", 0, 0, load, load * workers),
        Line("effective levels", 0, n, facts / max(1, n), facts),
        Line("writing cells", cells, 0, writing / max(1, cells), writing),
    )


def _decoded(
    plan: Plan, trials: Sequence[Trial], seconds: float, clips: int
) -> tuple[float, list[tuple[Trial, Clip]]]:
    """(seconds for a file, the first trials of the draw that can be read)."""
    place = places([t for t in trials if t.part == "eval"], plan.seed)
    names = heapq.nsmallest(20 * clips, place, key=lambda i: (place[i], i))
    wanted = set(names)
    by_id = {t.id: t for t in trials if t.id in wanted}
    found: list[tuple[Trial, Clip]] = []
    spent = []
    why = ""
    for name in names:
        try:
            open_audio(by_id[name].path, rate=plan.rate, seconds=seconds)  # libraries load, the disk is read
            begin = time.process_time()
            found.append((by_id[name], open_audio(by_id[name].path, rate=plan.rate, seconds=seconds)))
            spent.append(time.process_time() - begin)
        except BadAudio as error:
            why = str(error)
        if len(found) == clips:
            break
    if not found:
        raise BadCorpus(
            f"none of the clips that were tried can be read, so that nothing can be measured: {why}"
        )
    return statistics.median(spent), found


def _condition(
    plan: Plan, condition: str, files: Sequence[tuple[Trial, Clip]]
) -> tuple[float, float, list[Heard]]:
    """(seconds a clip, seconds to measure its level, what was heard). A clip that fails costs what the failure takes."""
    heard: list[Heard] = []
    spent: list[float] = []

    def once(trial: Trial, clip: Clip) -> float:
        begin = time.process_time()
        try:
            one = hear(clip, condition, key=trial.id, seed=plan.seed, samples=plan.samples, pad=plan.pad)
            hashlib.sha256(one.window.samples.tobytes())
            heard.append(one)
        except (BadPlan, MissingPart, UnknownName):
            raise
        except Exception:  # of this clip: the run makes an error row of it
            pass
        return time.process_time() - begin

    first = once(*files[0])
    others = files[1:] or files
    spent = [once(*file) for file in others[: 1 if first > _PATIENCE else None]]
    return statistics.median(spent), _facts(condition, heard[:1]), heard[:1]


def _writing(window: Clip) -> tuple[float, float]:
    """(seconds to write a cell, seconds to write a clip), beside the run."""
    cell = Cell(("a",), np.zeros(1), (OK,))
    with tempfile.TemporaryDirectory() as folder:
        spent = []
        for _ in range(2):
            begin = time.process_time()
            write_cell(Path(folder) / "cell.parquet", cell)
            middle = time.process_time()
            save_audio(window, Path(folder) / "clip.flac")
            spent.append((middle - begin, time.process_time() - middle))
    return spent[-1]  # the first loads what it needs


def _facts(condition: str, heard: Sequence[Heard]) -> float:
    chain = steps(condition)
    if not heard:
        return 0.0
    spent = []
    for _ in range(2):
        begin = time.process_time()
        distortion(heard[0].clean, heard[0].corrupted)
        if len(chain) == 1 and chain[0][0].measure is not None:
            chain[0][0].measure(heard[0].clean, heard[0].corrupted, chain[0][1])
        spent.append(time.process_time() - begin)
    return min(spent)  # the first loads what it needs


def _detector(text: str, windows: Sequence[Clip]) -> tuple[float, float]:
    """(seconds to load, seconds a window in a batch as the bench makes them)."""
    begin = time.process_time()
    spec, _ = load_detector(text)
    load = time.process_time() - begin
    if not windows:
        return load, 0.0
    batch = [windows[k % len(windows)] for k in range(max(1, min(_BATCH, spec.batch)))]
    if _scoring(text, batch[:1]) > _PATIENCE:
        return load, _scoring(text, batch[:1])
    return load, statistics.median(_scoring(text, batch) for _ in range(CLIPS)) / len(batch)


def _scoring(text: str, clips: Sequence[Clip]) -> float:
    begin = time.process_time()
    listen(text, clips, Windows())
    return time.process_time() - begin
