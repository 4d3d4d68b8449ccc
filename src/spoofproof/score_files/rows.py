"""Lines of score and key files to rows: one short function a format, every complaint with file and line."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadScores
from ..types import LABELS


@dataclass(frozen=True, slots=True)
class Row:
    """A scored trial. label, speaker, attack are "" where nothing is known. line: in its file, from 1."""

    id: str
    score: float = float("nan")
    label: str = ""
    speaker: str = ""
    attack: str = ""
    subset: str = ""
    line: int = 0


def _asvspoof2019(path: Path) -> Iterator[Row]:
    for n, f in fields(path, lines_of(path), (4,), "`utterance attack key score`"):
        attack = "" if f[1] in ("-", "bonafide") else f[1]
        yield Row(f[0], as_score(f[3], path, n), as_label(f[2], path, n), attack=attack, line=n)


def _two_columns(path: Path) -> Iterator[Row]:
    for n, f in fields(path, lines_of(path), (2,), "`trial score`, without a header"):
        yield Row(f[0], as_score(f[1], path, n), line=n)


def _asvspoof5(path: Path) -> Iterator[Row]:
    lines = lines_of(path)
    n, header = next(lines, (1, ""))
    columns = header.split()
    if "filename" not in columns or "cm-score" not in columns:
        raise BadScores(f"{path}, line {n}: expected the header `filename<TAB>cm-score`, found {header!r}")
    at, score = columns.index("filename"), columns.index("cm-score")
    for n, f in fields(path, lines, (len(columns),), f"{len(columns)} columns like the header"):
        yield Row(f[at], as_score(f[score], path, n), line=n)


def _superb(path: Path) -> Iterator[Row]:
    for n, line in lines_of(path):
        parts = line.rsplit(None, 3)
        if len(parts) != 4 or parts[1] != "-":
            raise BadScores(f"{path}, line {n}: expected `utterance - key score`, found {line!r}")
        yield Row(parts[0], as_score(parts[3], path, n), as_label(parts[2], path, n), line=n)


def _antideepfake(path: Path) -> Iterator[Row]:
    for n, record in _records(path, ("ID", "Score", "Label")):
        try:
            pair = json.loads(record["Score"])
        except json.JSONDecodeError:
            pair = None
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadScores(
                f"{path}, line {n}: Score is {record['Score']!r}; expected [fake logit, real logit]"
            )
        fake, real = (as_score(str(x), path, n) for x in pair)
        label = as_label(record["Label"], path, n, zero="spoof")
        yield Row(record["ID"], real - fake, label, line=n)


def _csv(path: Path) -> Iterator[Row]:
    yield from csv_rows(path, need=("score",))


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "asvspoof2019": _asvspoof2019,
    "asvspoof2021": _two_columns,
    "asvspoof5": _asvspoof5,
    "superb": _superb,
    "antideepfake": _antideepfake,
    "lab260": _two_columns,
    "csv": _csv,
}

FORMATS: tuple[str, ...] = tuple(READERS)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line number from 1, text) of the lines that are not blank. Raises BadScores."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadScores(f"the score file {path} cannot be read: {reason}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.rstrip()


def csv_rows(path: Path, need: Sequence[str], zero: str = "") -> Iterator[Row]:
    """Rows of a CSV with a header. need: columns that must be there. zero: what a label 0 means, "" where it may not be."""
    for n, record in _records(path, need):
        low = {k.lower(): v for k, v in record.items()}
        name = next((low[k] for k in ("id", "filename", "file", "file_name") if k in low), None)
        if name is None:
            raise BadScores(f"{path}: no column id (or filename, file, file_name); found {', '.join(record)}")
        score = as_score(low["score"], path, n) if "score" in low else math.nan
        label = as_label(low["label"], path, n, zero) if low.get("label") else ""
        attack = low.get("attack", "")
        attack = "" if attack == "-" or label == "bonafide" else attack
        yield Row(name, score, label, low.get("speaker", ""), attack, line=n)


def as_score(text: str, path: Path, line: int) -> float:
    """A finite number. Raises BadScores."""
    try:
        score = float(text)
    except ValueError:
        raise BadScores(f"{path}, line {line}: {text!r} is not a score") from None
    if not math.isfinite(score):
        raise BadScores(
            f"{path}, line {line}: the score is {text}; leave trials without a score out, and report the coverage"
        )
    return score


def as_label(text: str, path: Path, line: int, zero: str = "") -> str:
    """ "bonafide" or "spoof"; 0 and 1 only where ``zero`` says what 0 means. Raises BadScores."""
    label = {"bona-fide": "bonafide", "real": "bonafide", "genuine": "bonafide", "fake": "spoof"}.get(
        text.lower(), text.lower()
    )
    if zero and label in ("0", "1"):
        other = LABELS[1 - LABELS.index(zero)]
        label = zero if label == "0" else other
    if label not in LABELS:
        raise BadScores(f"{path}, line {line}: the label is {text!r}; expected bonafide or spoof")
    return label


def fields(
    path: Path, lines: Iterator[tuple[int, str]], counts: Sequence[int], expected: str
) -> Iterator[tuple[int, list[str]]]:
    """(line number, columns) where their number is one of ``counts``. Raises BadScores."""
    for number, line in lines:
        columns = line.split()
        if len(columns) not in counts:
            raise BadScores(f"{path}, line {number}: expected {expected}, found {line!r}")
        yield number, columns


def unique(path: Path, rows: Iterator[Row]) -> list[Row]:
    """All rows, none twice, at least one. Raises BadScores."""
    seen: dict[str, Row] = {}
    for row in rows:
        if row.id in seen:
            raise BadScores(f"{path}, line {row.line}: {row.id!r} stands in line {seen[row.id].line} already")
        seen[row.id] = row
    if not seen:
        raise BadScores(f"{path} holds no scores or labels")
    return list(seen.values())


def _records(path: Path, need: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    lines = list(lines_of(path))
    reader = csv.DictReader((text for _, text in lines), strict=True)
    names = {name.lower() for name in reader.fieldnames or ()}
    missing = [name for name in need if name.lower() not in names]
    if missing:
        raise BadScores(f"{path}: no column {', '.join(missing)}; found {', '.join(reader.fieldnames or ())}")
    for (number, _), record in zip(lines[1:], reader, strict=False):
        if None in record or None in record.values():
            raise BadScores(f"{path}, line {number}: not as many columns as the header has")
        yield number, record
