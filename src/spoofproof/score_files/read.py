"""Reading score files and their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BadScores, UnknownName
from ..metrics.rank import auroc
from ..types import LABELS, Label, Scores, Trial
from .rows import FORMATS, READERS, Row, as_label, csv_rows, fields, lines_of, unique


@dataclass(frozen=True, slots=True, eq=False)
class ScoreFile:
    """trials and scores (shape (N,), higher = more bona fide, all finite), in the file's order, and what to know."""

    trials: tuple[Trial, ...]
    scores: Scores
    notes: tuple[str, ...] = ()


def read_scores(
    path: Path | str,
    *,
    format: str,
    key: Path | str | None = None,
    higher: str | None = None,
    subset: str = "eval",
) -> ScoreFile:
    """Read a score file, and its labels from ``key`` where the format has none.

    higher: "bonafide" or "spoof", what a higher score means; overrides the format, and must be given for csv.
    subset: of a key file that has one (2021: eval, progress, hidden); "" for all.
    Raises BadScores, with file and line: a line that does not fit, a NaN, an id twice, a missing label, trials of the
    key without a score are a note. UnknownName for the format.
    """
    path = Path(path)
    if format not in FORMATS:
        raise UnknownName.among("score file format", format, FORMATS)
    if higher not in (None, "bonafide", "spoof"):
        raise BadScores(f"higher={higher!r}: a higher score means bonafide or spoof")
    if format == "csv" and higher is None:
        raise BadScores(
            f"{path}: a plain CSV does not say what a higher score means; give higher=bonafide or higher=spoof"
        )
    rows = unique(path, READERS[format](path))
    notes: list[str] = []
    if key is not None:
        rows, notes = _joined(
            path, rows, read_key(key, zero="bonafide" if format == "lab260" else ""), Path(key), subset
        )
    unlabelled = next((r for r in rows if r.label not in ("bonafide", "spoof")), None)
    if unlabelled is not None:
        raise BadScores(
            f"{path}, line {unlabelled.line}: no label is known for {unlabelled.id!r}; give the key or protocol file "
            "(key=…, on the command line --key)"
        )
    sign = -1.0 if higher == "spoof" else 1.0
    scores = np.array([sign * r.score for r in rows], dtype=np.float64)
    trials = tuple(_trial(r) for r in rows)
    return ScoreFile(trials, scores, (*notes, *_warnings(trials, scores)))


def read_key(path: Path | str, *, zero: str = "") -> dict[str, Row]:
    """Labels by trial id, of a key or protocol file: ASVspoof 2019 (5 columns), 2021 (8, 12 or 13), 5 (10, or the key
    `filename cm-label`), or a CSV with the columns id (or ID, filename, file, file_name) and label.

    zero: what a label 0 means, "" where labels are words. Raises BadScores with file and line.
    """
    path = Path(path)
    lines = lines_of(path)
    first = next(lines, None)
    if first is None:
        raise BadScores(f"{path} is empty")
    text = first[1]
    if "," in text:
        rows = list(csv_rows(path, ("label",), zero))
    elif text.split()[:2] == ["filename", "cm-label"]:
        rows = [
            Row(f[0], label=as_label(f[1], path, n), line=n)
            for n, f in fields(path, lines, (2,), "filename cm-label")
        ]
    else:
        rows = [_protocol_row(path, n, line.split(), zero) for n, line in [first, *lines]]
    return {row.id: row for row in unique(path, iter(rows))}


def _joined(
    path: Path, rows: Sequence[Row], key: Mapping[str, Row], where: Path, subset: str
) -> tuple[list[Row], list[str]]:
    """Rows with the labels, speakers and attacks of the key. Raises BadScores where both name a label and differ."""
    notes = []
    if subset and any(row.subset for row in key.values()):
        key = {name: row for name, row in key.items() if row.subset == subset}
        notes.append(f"{where}: only the subset {subset!r} of the key counts ({len(key)} trials)")
    found = []
    for row in rows:
        known = key.get(row.id)
        if known is None:
            continue
        if row.label and row.label != known.label:
            raise BadScores(
                f"{path}, line {row.line}: {row.id!r} is {row.label}, but {known.label} in {where}"
            )
        found.append(
            Row(row.id, row.score, known.label, known.speaker, known.attack or row.attack, line=row.line)
        )
    if not found:
        raise BadScores(f"no trial of {path} is in the key {where}; the first is {rows[0].id!r}")
    if len(found) < len(rows):
        notes.append(f"{len(rows) - len(found)} scored trials are not in {where} and were left out")
    if len(found) < len(key):
        notes.append(
            f"coverage {len(found) / len(key):.2%}: {len(key) - len(found)} of {len(key)} trials of {where} have no score"
        )
    return found, notes


def _trial(row: Row) -> Trial:
    label: Label = "bonafide" if row.label == LABELS[0] else "spoof"
    return Trial(row.id, Path(row.id), label, speaker=row.speaker, attack=row.attack)


def _warnings(trials: Sequence[Trial], scores: Scores) -> list[str]:
    bonafide = np.array([t.label == LABELS[0] for t in trials])
    if not bonafide.any() or bonafide.all():
        raise BadScores(
            f"both classes are needed; the file holds {int(bonafide.sum())} bona fide and "
            f"{int((~bonafide).sum())} spoofed trials"
        )
    notes = []
    area = auroc(bonafide=scores[bonafide], spoof=scores[~bonafide])
    if area < 0.5:
        notes.append(
            f"LOOKS INVERTED: AUROC {area:.4f} is below one half. If a higher score means spoof in this file, say so "
            "(higher=spoof, on the command line --higher spoof); nothing was turned round"
        )
    distinct = np.unique(scores).size
    if distinct < scores.size / 2:
        notes.append(
            f"{scores.size} scores hold only {distinct} different values: ties; eer_asvspoof depends on their order"
        )
    return notes


def _protocol_row(path: Path, number: int, columns: list[str], zero: str) -> Row:
    layouts: dict[int, tuple[int, int, int | None, int | None]] = {
        2: (0, 1, None, None),
        5: (1, 4, 3, 0),
        8: (1, 5, 4, 0),
        10: (1, 8, 7, 0),
        13: (1, 5, 4, 0),
    }
    if len(columns) == 12:  # 2021 PA: other columns in front of the label, which is one word of two
        at = [i for i, c in enumerate(columns) if c in ("bonafide", "spoof")]
        layouts[12] = (1, at[0] if len(at) == 1 else -1, None, 0)
    if len(columns) not in layouts:
        raise BadScores(
            f"{path}, line {number}: {len(columns)} columns; expected an ASVspoof protocol with 5 (2019), 8, 12 or 13 "
            "(2021) or 10 (ASVspoof 5) columns, or `trial label`"
        )
    name, label, attack, speaker = layouts[len(columns)]
    return Row(
        columns[name],
        label=as_label(columns[label], path, number, zero),
        attack="" if attack is None or columns[attack] in ("-", "bonafide") else columns[attack],
        speaker="" if speaker is None else columns[speaker],
        subset=columns[7] if len(columns) in (8, 13) else "",
        line=number,
    )
