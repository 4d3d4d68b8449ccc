"""One condition, all its trials, every detector that still lacks the cell: what a worker does.

    Trial -> decoded once -> corrupted once -> the same window for every detector -> scores -> cells on disk

Everything a job writes depends on the job alone, so that any worker, in any order, writes the same bytes.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from .ask import ask, load_detector
from .audio import Pad, open_audio, resample, save_audio, window
from .corrupt import Heard, hear, steps
from .corruptions.measure import distortion
from .errors import BadPlan, MissingPart, RunConflict, SpoofproofError, UnknownName
from .scores import (
    OK,
    Cell,
    begun_path,
    cell_path,
    condition_path,
    file_name,
    joined,
    read_cell,
    write_cell,
    write_json,
)
from .types import CLEAN, LABELS, Clip, Detector, DetectorSpec, Trial

Tick = Callable[[int], None]

BATCH = 16  # trials heard at a time: as many windows are in memory
_LISTEN_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Job:
    """A condition to be heard by ``detectors``. The trials are the condition's, in the run's order.

    seconds: how much of a file is decoded, the same for all conditions of a plan, so that what a clip sounds like
    does not depend on which condition asked for it first. heavy: those of ``detectors`` that hear only the trials whose
    ids are in ``sample``; their cells hold these alone. noted: ids of the trials that the facts of the condition are of,
    None for all of the part eval. left: how many of the trials are still to be heard. held: by detector, ids of the trials
    that its cell holds already; facts: whether what the condition did is still to be noted (``todo`` fills in both).
    """

    run: Path
    condition: str
    detectors: tuple[str, ...]
    trials: tuple[Trial, ...]
    seconds: float
    seed: int
    rate: int
    samples: int
    pad: Pad
    measured: int
    listen: int
    heavy: tuple[str, ...] = ()
    sample: frozenset[str] = frozenset()
    noted: frozenset[str] | None = None
    left: int = 0
    held: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    facts: bool = True

    def hears(self, detector: str, trial: Trial) -> bool:
        """Whether a detector of the job hears a trial of it."""
        return detector not in self.heavy or trial.id in self.sample

    def lacks(self, detector: str, trial: Trial) -> bool:
        """Whether a detector of the job is still to score a trial of it."""
        return self.hears(detector, trial) and trial.id not in self.held.get(detector, ())

    def notes(self, trial: Trial) -> bool:
        """Whether what is heard of a trial belongs to the condition's facts, and they are not written yet."""
        return self.facts and trial.part == "eval" and (self.noted is None or trial.id in self.noted)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What came of some of a job's trials, in their order: small enough to be sent by another machine.

    rows: what each detector says of the trials that it hears. digests: SHA-256 of the window that was heard,
    32 bytes a trial, of the trials that the condition's facts are of. measured: (effective level or NaN,
    distortion in dB) of the first of them. kept: (trial id, label, clip) of the first of each class, to
    listen to.
    """

    rows: Mapping[str, Cell]
    digests: bytes
    measured: tuple[tuple[float, float], ...]
    kept: tuple[tuple[str, str, Clip], ...]


def todo(job: Job) -> Job:
    """What is left of a job, given what lies on disk: the rest of it needs no run folder."""
    held = {
        text: frozenset(chain.from_iterable(cell.ids for cell in known))
        for text in job.detectors
        if (known := _known(cell_path(job.run, text, job.condition)))
    }
    facts = not condition_path(job.run, job.condition).exists()
    job = replace(job, held=held, facts=facts)
    left = tuple(t for t in job.trials if job.notes(t) or any(job.lacks(text, t) for text in job.detectors))
    ids = {t.id for t in left}
    return replace(job, trials=left, held={text: there & ids for text, there in held.items()})


def score(job: Job, tick: Tick = lambda n: None) -> Part:
    """Let every detector of the job score the trials that it lacks; nothing is written.

    A trial that cannot be read, corrupted or scored becomes an ``error`` row with its cause. tick(n) is called with
    the number of trials just done. Raises SpoofproofError where going on would be wrong for every trial: a detector
    that breaks its contract or cannot be loaded, a codec that is missing.
    """
    for text in job.detectors:
        load_detector(text)
    table = {text: _Rows() for text in job.detectors}
    notes = _Notes(job)
    for start in range(0, len(job.trials), BATCH):
        batch = job.trials[start : start + BATCH]
        heard = [_hear(job, trial) for trial in batch]
        for trial, one in zip(batch, heard, strict=True):
            notes.take(trial, one)
        windows = Windows()
        for text in job.detectors:
            mine = [(t, one) for t, one in zip(batch, heard, strict=True) if job.lacks(text, t)]
            clips = [one.window for _, one in mine if isinstance(one, Heard)]
            scored = iter(listen(text, clips, windows))
            for trial, one in mine:
                table[text].add(trial, *(next(scored) if isinstance(one, Heard) else (np.nan, one)))
        tick(len(batch))
    cells = {text: rows.cell() for text, rows in table.items()}
    return Part(cells, bytes(notes.digests), tuple(notes.measured), tuple(notes.kept))


def put(job: Job, parts: Sequence[Part], *, facts: bool) -> None:
    """Write what the parts of a job come to, beside what its cells hold already: the condition's facts first, if they
    are to be, then its cells.

    The same bytes however the job was cut, as long as the parts follow each other in the order of its trials and the
    first of them measured and kept enough (``scale.shard`` sees to it). Raises RunConflict where the disk is full.
    """
    if facts:
        _write_facts(job, parts)
    ids = [trial.id for trial in job.trials]
    for text in job.detectors:
        path = cell_path(job.run, text, job.condition)
        write_cell(path, joined(ids, [*_known(path), *(part.rows[text] for part in parts)]))
        begun_path(path).unlink(missing_ok=True)


def save(job: Job, parts: Sequence[Part]) -> None:
    """Keep what is known so far of the cells of a job, for the next process should this one be killed: those trials
    are not scored again (they are heard again where the condition's facts are not known). Raises RunConflict where
    the disk is full."""
    ids = [trial.id for trial in job.trials]
    for text in job.detectors:
        path = begun_path(cell_path(job.run, text, job.condition))
        old = [read_cell(path)] if path.exists() else []
        write_cell(path, joined(ids, [*old, *(part.rows[text] for part in parts)]))


def _known(path: Path) -> list[Cell]:
    """What is known of a cell: what it holds, and what a process knew that did not come to its end."""
    return [read_cell(there) for there in (path, begun_path(path)) if there.exists()]


class _Rows:
    """A cell that grows: 24 bytes a row beside the id, which is the trial's own."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._scores = array("d")
        self._status: list[str] = []

    def add(self, trial: Trial, score: float, status: str) -> None:
        self._ids.append(trial.id)
        self._scores.append(score)
        self._status.append(status)

    def cell(self) -> Cell:
        return Cell(tuple(self._ids), np.array(self._scores, dtype=np.float64), tuple(self._status))


def listen(text: str, heard: Sequence[Clip], windows: Windows) -> list[tuple[float, str]]:
    """(score, status) that a detector gives each clip, at the rate and length that it wants."""
    spec, detector = load_detector(text)
    return _score(text, spec, detector, [windows.at(spec, clip) for clip in heard])


class Windows:
    """The windows of one batch at the rates and lengths that detectors ask for, each made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int, float | None], Clip] = {}

    def at(self, spec: DetectorSpec, heard: Clip) -> Clip:
        """``heard`` as a detector wants it; the caller keeps ``heard`` alive."""
        key = (id(heard), spec.rate, spec.seconds)
        if key not in self._made:
            clip = resample(heard, spec.rate)
            if spec.seconds is not None:
                clip = window(clip, max(1, round(spec.seconds * spec.rate)))
            self._made[key] = clip
        return self._made[key]


def _hear(job: Job, trial: Trial) -> Heard | str:
    """What is heard of a trial, or the status that says why nothing is."""
    try:
        clean = _decoded.get(trial.path, job.rate, job.seconds)
        return hear(clean, job.condition, key=trial.id, seed=job.seed, samples=job.samples, pad=job.pad)
    except (BadPlan, MissingPart, RunConflict, UnknownName):  # wrong for every trial, not for this one
        raise
    except SpoofproofError as error:
        return f"error: {error}"
    except Exception as error:  # of this clip: a row with its cause, never clean audio
        return f"error: {job.condition} failed: {type(error).__name__}: {error}"


def _score(
    text: str, spec: DetectorSpec, detector: Detector, clips: Sequence[Clip]
) -> list[tuple[float, str]]:
    """(score, status) of each clip. A detector that fails on a batch is asked clip by clip."""
    rows: list[tuple[float, str]] = []
    for start in range(0, len(clips), max(1, spec.batch)):
        part = clips[start : start + max(1, spec.batch)]
        try:
            rows += _call(text, detector, part)
        except SpoofproofError:
            raise
        except Exception:
            for clip in part:
                try:
                    rows += _call(text, detector, [clip])
                except SpoofproofError:
                    raise
                except Exception as error:
                    rows.append((np.nan, f"error: {text} failed: {type(error).__name__}: {error}"))
    return rows


def _call(text: str, detector: Detector, clips: Sequence[Clip]) -> list[tuple[float, str]]:
    scores = ask(detector, clips, text)
    return [
        (float(score), OK) if np.isfinite(score) else (np.nan, f"error: {text} gave the score {score}")
        for score in scores
    ]


class _Decoded:
    """Decoded clips of this process, the least recently used dropped beyond ``limit`` bytes."""

    def __init__(self, limit: int = 400_000_000) -> None:
        self._limit = limit
        self._size = 0
        self._clips: OrderedDict[tuple[Path, int, float], Clip] = OrderedDict()

    def get(self, path: Path, rate: int, seconds: float) -> Clip:
        """The first ``seconds`` (or all there is) of a file at ``rate`` Hz. Raises BadAudio."""
        key = (path, rate, seconds)
        if key in self._clips:
            self._clips.move_to_end(key)
            return self._clips[key]
        clip = open_audio(path, rate=rate, seconds=seconds)
        self._clips[key] = clip
        self._size += clip.samples.nbytes
        while self._size > self._limit and len(self._clips) > 1:
            _, old = self._clips.popitem(last=False)
            self._size -= old.samples.nbytes
        return clip


_decoded = _Decoded()


class _Notes:
    """What the condition really did: digest of everything heard, effective level, distortion, clips to listen to."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.digests = bytearray()
        self.measured: list[tuple[float, float]] = []
        self.kept: list[tuple[str, str, Clip]] = []
        only = steps(job.condition)
        self.only = only[0] if len(only) == 1 else None

    def take(self, trial: Trial, heard: Heard | str) -> None:
        if not self.job.notes(trial) or not isinstance(heard, Heard):
            return
        self.digests += hashlib.sha256(heard.window.samples.tobytes()).digest()
        if len(self.measured) < self.job.measured:
            self.measured.append((self._level(heard), distortion(heard.clean, heard.corrupted)))
        if sum(label == trial.label for _, label, _ in self.kept) < self.job.listen:
            clip = heard.window
            short = Clip(clip.samples[: int(_LISTEN_SECONDS * clip.rate)].copy(), clip.rate)
            self.kept.append((trial.id, trial.label, short))

    def _level(self, heard: Heard) -> float:
        if self.only is None or self.only[0].measure is None:
            return float("nan")
        spec, level = self.only
        assert spec.measure is not None
        return spec.measure(heard.clean, heard.corrupted, level)


def _write_facts(job: Job, parts: Sequence[Part]) -> None:
    digest = hashlib.sha256(b"".join(part.digests for part in parts))
    measured = [pair for part in parts for pair in part.measured][: job.measured]
    left = dict.fromkeys(LABELS, job.listen)
    for name, label, clip in (one for part in parts for one in part.kept):
        if left[label]:
            left[label] -= 1
            folder = job.run / "samples" / file_name(job.condition)
            save_audio(clip, folder / f"{label}-{file_name(name)}.flac")
    write_json(
        condition_path(job.run, job.condition),
        describe(job.condition)
        | {
            "status": "ok",
            "why": "",
            "digest": digest.hexdigest(),
            "effective": _spread([level for level, _ in measured]),
            "distortion_db": _mean([db for _, db in measured]),
        },
    )


def describe(condition: str) -> dict[str, Any]:
    """What the registry says of a condition: corruption, family, unit, level, index of the level, origin."""
    links = steps(condition)
    if len(links) != 1:
        family = "clean" if not links else "chain"
        name = "" if not links else condition
        return {
            "condition": condition,
            "corruption": name,
            "family": family,
            "unit": "",
            "level": None,
            "index": 0,
            "origin": "",
        }
    spec, level = links[0]
    return {
        "condition": condition,
        "corruption": spec.name,
        "family": spec.family,
        "unit": spec.unit,
        "level": level if spec.levels else None,
        "index": spec.levels.index(level) + 1 if level in spec.levels else 0,
        "origin": spec.origin,
    }


def condition_trials(condition: str, trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials a condition is scored on: eval always; dev under "clean" too, where thresholds are frozen."""
    parts = {"eval", "dev"} if condition == CLEAN else {"eval"}
    return tuple(trial for trial in trials if trial.part in parts)


def _spread(levels: Sequence[float]) -> dict[str, float] | None:
    finite = [level for level in levels if np.isfinite(level)]
    if not finite:
        return None
    return {"n": len(finite), "mean": float(np.mean(finite)), "low": min(finite), "high": max(finite)}


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else None
