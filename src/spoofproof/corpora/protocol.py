"""Reading protocol files line by line, and the checks that every reader ends with."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import BadCorpus
from ..types import LABELS, Trial

AUDIO_ENDINGS = frozenset(
    {
        ".wav",
        ".flac",
        ".mp3",
        ".ogg",
        ".opus",
        ".m4a",
        ".aac",
        ".aif",
        ".aiff",
        ".wma",
        ".mp4",
        ".webm",
        ".g722",
    }
)


def read_text(path: Path) -> str:
    """A text file as UTF-8 (a byte order mark is dropped; .gz is unpacked). Raises BadCorpus."""
    if not path.is_file():
        raise BadCorpus(f"no such protocol file: {path}")
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError) as error:
        raise BadCorpus(f"{path} cannot be read: {error}") from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise BadCorpus(f"{path}, line {line}: not UTF-8 ({error.reason}); save the file as UTF-8") from None


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number from 1, line) of every line that is not blank; LF and CRLF. Read as it goes, as
    ``read_text`` would."""
    for number, line in enumerate(_lines(path, "\n"), 1):
        line = line.removesuffix("\n").rstrip("\r")
        if line.strip():
            yield number, line


def _lines(path: Path, newline: str) -> Iterator[str]:
    """The lines of a text file with their ends, one at a time; newline: what ends one, as ``open`` has it.
    Raises BadCorpus."""
    if not path.is_file():
        raise BadCorpus(f"no such protocol file: {path}")
    try:
        with (
            gzip.open(path) if path.suffix == ".gz" else path.open("rb") as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline=newline) as text,
        ):
            yield from text
    except (OSError, EOFError) as error:
        raise BadCorpus(f"{path} cannot be read: {error}") from None
    except UnicodeDecodeError:
        read_text(path)  # says where
        raise


def columns(line: str, before: int, after: int, path: Path, number: int, expected: str) -> list[str]:
    """Blank-separated columns: ``before`` fields, one that may hold blanks itself (an id), ``after`` fields.

    Raises BadCorpus with file, line, what was found and ``expected`` when there are too few.
    """
    if line.count(" ") == before + after and "\t" not in line:
        fields = line.split(" ")  # the common case, and the fast one
    else:
        head = line.split(None, before)
        fields = [*head[:before], *(head[before].rstrip().rsplit(None, after) if len(head) > before else ())]
    if len(fields) != before + 1 + after or not all(fields):
        found = len(line.split())
        raise BadCorpus(
            f"{path}, line {number}: {found} columns, expected {before + 1 + after} ({expected}): {line.strip()!r}"
        )
    return fields


def sniff(header: str, path: Path) -> str:
    """The delimiter of a table from its header line: tab, pipe, semicolon or comma, whichever splits it most."""
    counts = {mark: header.count(mark) for mark in "\t|;,"}
    best = max(counts, key=lambda mark: counts[mark])
    if not counts[best]:
        raise BadCorpus(
            f"{path}, line 1: no comma, tab, semicolon or pipe in the header {header.strip()!r}; "
            "expected a table with a header, such as: file,label"
        )
    return best


def table(
    path: Path, delimiter: str = "", quoted: bool | None = None
) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """A delimited file with a header: (header, rows as (line number, column -> text)).

    delimiter: "" finds it (``sniff``). quoted: whether quotes enclose fields; None: yes for commas and semicolons
    (RFC 4180), no for tabs and pipes, where a stray quote is text (a quote-aware parser loses rows of MLAAD).

    Raises BadCorpus, while the rows are read too, for a wrong number of columns or bad quoting.
    """
    first = next(_lines(path, "\n"), "").removesuffix("\n").rstrip("\r")
    if not first.strip():
        raise BadCorpus(f"{path} is empty; expected a table with a header, such as: file,label")
    delimiter = delimiter or sniff(first, path)
    rows = (
        _quoted(path, delimiter)
        if (delimiter in ",;" if quoted is None else quoted)
        else _plain(path, delimiter)
    )
    header = [name.strip() for name in next(rows)[1]]
    twice = [name for name, n in Counter(header).items() if n > 1 and name]
    if twice:
        raise BadCorpus(f"{path}, line 1: the column {twice[0]!r} occurs more than once in the header")
    return header, _dicts(header, rows, path)


def _plain(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in text_lines(path):
        yield number, line.split(delimiter)


def _quoted(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(path, ""), delimiter=delimiter, strict=True)
    start = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise BadCorpus(
                f"{path}, line {start}: {error}; a quote inside a field must be doubled, and the field quoted"
            ) from None
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield start, row
        start = reader.line_num + 1


def _dicts(
    header: Sequence[str], rows: Iterable[tuple[int, list[str]]], path: Path
) -> Iterator[tuple[int, dict[str, str]]]:
    for number, row in rows:
        if len(row) != len(header):
            raise BadCorpus(
                f"{path}, line {number}: {len(row)} columns, expected {len(header)} ({', '.join(header)})"
            )
        yield number, dict(zip(header, row, strict=True))


def require(header: Iterable[str], needed: Iterable[str], path: Path) -> None:
    """Raises BadCorpus when the header lacks a column."""
    have = list(header)
    missing = [name for name in needed if name not in have]
    if missing:
        raise BadCorpus(f"{path}, line 1: no column {', '.join(missing)}; found: {', '.join(have)}")


def first_that_exists(candidates: Iterable[Path], what: str) -> Path:
    """The first path that exists. Raises BadCorpus that lists where it looked."""
    looked = list(dict.fromkeys(candidates))
    for path in looked:
        if path.exists():
            return path
    raise BadCorpus(f"no {what}; looked for: {', '.join(map(str, looked))}")


def audio_files(folder: Path) -> list[Path]:
    """All audio files below ``folder``, by ending, sorted by their path: the same order on every machine."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_ENDINGS and path.is_file()
    )


def checked(
    trials: list[Trial],
    where: Path,
    *,
    lines: Mapping[Path, Sequence[int]] | None = None,
    both: bool = False,
    require_audio: bool = True,
) -> list[Trial]:
    """The trials, when they are a corpus: at least one, ids unique, and at least one audio file really there.

    Single missing files stay (the bench makes them error rows). lines: for the message, the line of each trial, file
    by file in the order of the trials. both: the format promises both classes. Raises BadCorpus.
    """
    if not trials:
        raise BadCorpus(f"{where} yields no trials: the protocol or folder is empty")
    if len({trial.id for trial in trials}) != len(trials):
        raise BadCorpus(_twice(trials, where, lines))
    if both:
        for label in LABELS:
            if all(trial.label != label for trial in trials):
                raise BadCorpus(f"{where} holds {len(trials)} trials and none of them is {label}")
    if require_audio and not any(trial.path.exists() for trial in trials):
        raise BadCorpus(
            f"{where} lists {len(trials)} trials, and not one of the audio files is there; the first was looked for "
            f"at {trials[0].path}. Check the root: NAME:ROOT is the folder that holds the corpus"
        )
    return trials


def _twice(trials: Sequence[Trial], where: Path, lines: Mapping[Path, Sequence[int]] | None) -> str:
    places = [f"{file}, line {n}" for file, numbers in (lines or {}).items() for n in numbers]
    if len(places) != len(trials):
        places = [str(trial.path) for trial in trials]
    first: dict[str, str] = {}
    for trial, place in zip(trials, places, strict=True):
        if trial.id in first:
            return f"{place}: the id {trial.id!r} was there before ({first[trial.id]}); ids must be unique"
        first[trial.id] = place
    return f"{where}: ids must be unique"
