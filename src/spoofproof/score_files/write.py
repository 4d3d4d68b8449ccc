"""Writing score files, with every digit that a float64 has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..audio import whole_file
from ..errors import BadScores, UnknownName
from ..types import Scores, Trial
from .rows import FORMATS


def write_scores(path: Path | str, *, format: str, trials: Sequence[Trial], scores: Scores) -> None:
    """Write scores (higher = more bona fide) in a format of the field, with all digits of float64.

    Trials whose score is NaN are refused: the formats have no word for "no score". antideepfake is written as the pair
    [0, score]. Raises BadScores, UnknownName, RunConflict (disk full).
    """
    if format not in FORMATS:
        raise UnknownName.among("score file format", format, FORMATS)
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(trials),) or not np.isfinite(scores).all():
        raise BadScores(
            f"one finite score a trial is needed to write {format}; got shape {scores.shape} for {len(trials)} trials, "
            f"{int((~np.isfinite(scores)).sum())} of them NaN or infinite. Leave trials without a score out, and say so."
        )
    blank = next((t.id for t in trials if any(c.isspace() for c in t.id)), None)
    if blank is not None and format in _NO_BLANKS:
        raise BadScores(f"the id {blank!r} holds a blank, which {format} cannot carry; use superb or csv")
    header, line = WRITERS[format]
    lines = [header] * bool(header) + [line(t, repr(float(s))) for t, s in zip(trials, scores, strict=True)]
    with whole_file(Path(path)) as out:
        out.write(("\n".join(lines) + "\n").encode("utf-8"))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def _antideepfake(trial: Trial, score: str) -> str:
    return f'{_quoted(trial.id)},"[0.0, {score}]",{int(trial.label == "bonafide")}'


def _csv(trial: Trial, score: str) -> str:
    return ",".join([*map(_quoted, (trial.id, trial.label, trial.speaker, trial.attack)), score])


_NO_BLANKS = ("asvspoof2019", "asvspoof2021", "asvspoof5", "lab260")
WRITERS: dict[str, tuple[str, Callable[[Trial, str], str]]] = {
    "asvspoof2019": ("", lambda t, s: f"{t.id} {t.attack or '-'} {t.label} {s}"),
    "asvspoof2021": ("", lambda t, s: f"{t.id} {s}"),
    "asvspoof5": ("filename\tcm-score", lambda t, s: f"{t.id}\t{s}"),
    "superb": ("", lambda t, s: f"{t.id} - {t.label} {s}"),
    "antideepfake": ("ID,Score,Label", _antideepfake),
    "lab260": ("", lambda t, s: f"{t.id} {s}"),
    "csv": ("id,label,speaker,attack,score", _csv),
}
