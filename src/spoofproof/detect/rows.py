"""What a detector heard of the clips of a corpus, under conditions: the material of its abstention table. Kept on disk as it grows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import open_audio
from ..corrupt import corrupt
from ..errors import BadAudio
from ..streams import stream
from ..types import CLEAN, Clip, Detector, DetectorSpec, Trial
from .frames import RATE
from .listen import listen
from .quality import Quality

CROP = "crop@"  # a condition of this room alone: the middle of the clip, so many seconds of it
SEED = 2025


@dataclass(frozen=True, slots=True)
class Row:
    """A clip under a condition. scores: of the windows with speech, () where there was none."""

    trial: Trial
    condition: str
    scores: tuple[float, ...]
    quality: Quality


def hear_rows(
    trials: Sequence[Trial],
    conditions: Sequence[str],
    detector: Detector,
    spec: DetectorSpec,
    *,
    most: int = 60,
    kept: Path | None = None,
    weights: str = "",
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> list[Row]:
    """Every clip clean, and at most ``most`` of each class (drawn by the seed, the same for all conditions) under each other condition.

    kept: a file of JSON lines that rows are added to and taken from, so that a stopped run goes on; lines of other
    ``weights`` are passed over. A clip that a condition
    makes shorter than 0.5 s has no row. Raises what ``corrupt`` and ``listen`` raise.
    """
    drawn = _drawn(trials, most)
    jobs = [(t, c) for c in conditions for t in (trials if c == CLEAN else drawn)]
    known = _read(kept, weights, {t.id: t for t in trials}) if kept else {}
    rows: list[Row] = []
    for done, (trial, condition) in enumerate(jobs):
        row = known.get((trial.id, condition))
        if row is None:
            clip = _under(open_audio(trial.path, RATE), condition, trial.id)
            try:
                heard = listen(clip, detector, spec, shown=trial.id)
            except BadAudio:
                if clip.seconds >= 0.5:
                    raise
                continue
            row = Row(trial, condition, tuple(float(x) for x in heard.scores[heard.spoken()]), heard.quality)
            if kept:
                _append(kept, weights, row)
        rows.append(row)
        progress(done + 1, len(jobs), condition)
    return rows


def _under(clip: Clip, condition: str, key: str) -> Clip:
    if condition.startswith(CROP):
        length = round(float(condition.removeprefix(CROP)) * clip.rate)
        start = max(0, (clip.samples.size - length) // 2)
        return Clip(clip.samples[start : start + length], clip.rate)
    return corrupt(clip, condition, key=key, seed=SEED)


def _drawn(trials: Sequence[Trial], most: int) -> list[Trial]:
    keep: set[str] = set()
    for label in ("bonafide", "spoof"):
        ids = sorted(t.id for t in trials if t.label == label)
        order = stream(SEED, "detect", "rows", label).permutation(len(ids))
        keep.update(ids[i] for i in order[:most])
    return [t for t in trials if t.id in keep]


def _append(path: Path, weights: str, row: Row) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "weights": weights,
        "id": row.trial.id,
        "condition": row.condition,
        "scores": row.scores,
        "quality": asdict(row.quality),
    }
    with path.open("a", encoding="utf-8") as out:
        out.write(json.dumps(values) + "\n")


def _read(path: Path, weights: str, trials: dict[str, Trial]) -> dict[tuple[str, str], Row]:
    return {(row.trial.id, row.condition): row for row in _rows(path, weights, trials)}


def _rows(path: Path, weights: str, trials: dict[str, Trial]) -> Iterator[Row]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            values: dict[str, Any] = json.loads(line)
        except ValueError:
            continue  # the last line of a run that was killed while it wrote
        if values["id"] in trials and values["weights"] == weights:
            scores = tuple(np.asarray(values["scores"], dtype=float).tolist())
            yield Row(trials[values["id"]], values["condition"], scores, Quality(**values["quality"]))
