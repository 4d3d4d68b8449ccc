"""One condition, all its trials, every detector that still lacks the cell: what a worker does.

    Trial -> decoded once -> corrupted once -> the same window for every detector -> scores -> cells on disk

Everything a job writes depends on the job alone, so that any worker, in any order, writes the same bytes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from . import registry
from .audio import Pad, open_audio, resample, save_audio, window
from .corrupt import Heard, hear, steps
from .corruptions.measure import distortion
from .errors import BadPlan, BadScores, MissingPart, RunConflict, SpoofproofError, UnknownName
from .scores import OK, Cell, cell_path, condition_path, file_name, write_cell, write_json
from .types import CLEAN, LABELS, Clip, Detector, DetectorSpec, Ref, Trial

Tick = Callable[[int], None]

BATCH = 16  # trials heard at a time: as many windows are in memory
_LISTEN_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Job:
    """A condition to be heard by ``detectors``. The trials are the condition's, in the run's order.

    seconds: how much of a file is decoded, the same for all conditions of a plan, so that what a clip sounds like
    does not depend on which condition asked for it first. heavy: those of ``detectors`` that hear only the trials whose
    ids are in ``sample``; their cells hold these alone.
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

    def hears(self, detector: str, trial: Trial) -> bool:
        """Whether a detector of the job hears a trial of it."""
        return detector not in self.heavy or trial.id in self.sample


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What came of some of a job's trials, in their order: small enough to be sent by another machine.

    rows: what each detector says of the trials that it hears. digests: by trial id, SHA-256 of the window that was heard,
    of the trials that the condition's facts are of. measured: (effective level or NaN, distortion in dB) of the first
    of them. kept: (trial id, label, clip) of the first of each class, to listen to.
    """

    rows: Mapping[str, Cell]
    digests: Mapping[str, bytes]
    measured: tuple[tuple[float, float], ...]
    kept: tuple[tuple[str, str, Clip], ...]


def fill(job: Job, tick: Tick = lambda n: None) -> None:
    """Score every trial of the job and write its cells, and what the condition did where that is not known yet.

    Raises what ``score`` raises, and RunConflict where the disk is full.
    """
    put(job, [score(job, tick, facts=wants_facts(job))])


def wants_facts(job: Job) -> bool:
    """Whether what the condition did is still to be written down."""
    return not condition_path(job.run, job.condition).exists()


def score(job: Job, tick: Tick = lambda n: None, *, facts: bool = True) -> Part:
    """Let every detector of the job score its trials; nothing is written. facts: note what the condition did as well.

    A trial that cannot be read, corrupted or scored becomes an ``error`` row with its cause. tick(n) is called with
    the number of trials just done. Raises SpoofproofError where going on would be wrong for every trial: a detector
    that breaks its contract or cannot be loaded, a codec that is missing.
    """
    ears = [(text, *load_detector(text)) for text in job.detectors]
    table: dict[str, list[tuple[float, str]]] = {text: [] for text in job.detectors}
    notes = _Notes(job, facts)
    for start in range(0, len(job.trials), BATCH):
        batch = job.trials[start : start + BATCH]
        heard = [_hear(job, trial) for trial in batch]
        for trial, one in zip(batch, heard, strict=True):
            notes.take(trial, one)
        for text, spec, detector in ears:
            mine = [one for trial, one in zip(batch, heard, strict=True) if job.hears(text, trial)]
            scored = iter(
                _score(text, spec, detector, [one.window for one in mine if isinstance(one, Heard)])
            )
            table[text] += [next(scored) if isinstance(one, Heard) else (np.nan, one) for one in mine]
        tick(len(batch))
    cells = {}
    for text, rows in table.items():
        ids = tuple(trial.id for trial in job.trials if job.hears(text, trial))
        scores = np.array([score for score, _ in rows], dtype=np.float64)
        cells[text] = Cell(ids, scores, tuple(status for _, status in rows))
    return Part(cells, notes.digests, tuple(notes.measured), tuple(notes.kept))


def put(job: Job, parts: Sequence[Part]) -> None:
    """Write what the parts of a job come to: the condition's facts first, then its cells.

    The same bytes however the job was cut, as long as the parts follow each other in the order of its trials and the
    first of them measured and kept enough (``scale.shard`` sees to it). Raises RunConflict where the disk is full.
    """
    if wants_facts(job):
        _write_facts(job, parts)
    for text in job.detectors:
        cells = [part.rows[text] for part in parts]
        ids, status = (tuple(x for cell in cells for x in getattr(cell, name)) for name in ("ids", "status"))
        scores = np.concatenate([np.empty(0), *(cell.scores for cell in cells)])
        write_cell(cell_path(job.run, text, job.condition), Cell(ids, scores, status))


@lru_cache(maxsize=32)
def load_detector(text: str) -> tuple[DetectorSpec, Detector]:
    """The spec and the loaded model of ``name`` or ``name@argument``, kept for the life of the process.

    Raises UnknownName, MissingPart and what the factory raises as SpoofproofError; any other failure of a
    factory becomes a SpoofproofError that names the detector.
    """
    ref = Ref.parse(text)
    spec = registry.detectors[ref.name]
    try:
        return spec, spec.make(ref.arg) if ref.arg else spec.make()
    except SpoofproofError:
        raise
    except Exception as error:
        raise SpoofproofError(
            f"the detector {text} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


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
    text: str, spec: DetectorSpec, detector: Detector, windows: Sequence[Clip]
) -> list[tuple[float, str]]:
    """(score, status) of each window. A detector that fails on a batch is asked clip by clip."""
    clips = [resample(clip, spec.rate) for clip in windows]
    if spec.seconds is not None:
        clips = [window(clip, max(1, round(spec.seconds * spec.rate))) for clip in clips]
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
    scores = np.asarray(detector(clips), dtype=np.float64)
    if scores.shape != (len(clips),):
        raise BadScores(
            f"the detector {text} was given {len(clips)} clips and returned scores of shape {scores.shape}; "
            "expected one float a clip (a difference of logits, not the pair)"
        )
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

    def __init__(self, job: Job, wanted: bool) -> None:
        self.job = job
        self.wanted = wanted
        self.digests: dict[str, bytes] = {}
        self.measured: list[tuple[float, float]] = []
        self.kept: list[tuple[str, str, Clip]] = []
        chain = steps(job.condition)
        self.only = chain[0] if len(chain) == 1 else None

    def take(self, trial: Trial, heard: Heard | str) -> None:
        if not self.wanted or trial.part != "eval" or not isinstance(heard, Heard):
            return
        self.digests[trial.id] = hashlib.sha256(heard.window.samples.tobytes()).digest()
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
    digest = hashlib.sha256(b"".join(one for part in parts for one in part.digests.values()))
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
    chain = steps(condition)
    if len(chain) != 1:
        family = "clean" if not chain else "chain"
        name = "" if not chain else condition
        return {
            "condition": condition,
            "corruption": name,
            "family": family,
            "unit": "",
            "level": None,
            "index": 0,
            "origin": "",
        }
    spec, level = chain[0]
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
