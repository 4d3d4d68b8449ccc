"""ScoreTable: a run as it lies on disk. Reading and writing one cell; nothing here needs audio or a model.

    run.json                                  the record: plan, versions, corpus and trial digests, seed
    trials.parquet                            the trials of the run, in their order
    scores/<detector>/<condition>.parquet     a cell: id, score (float64), status ("ok", or the error's cause)
    conditions/<condition>.json               what the condition really did: effective level, distortion, digest
    samples/<condition>/<trial>.flac          a few clips to listen to

Names become file names by percent-encoding, so that any name is one path component.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, compress, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .audio import whole_file
from .errors import BadScores, RunConflict
from .types import LABELS, Once, Scores, Trial

OK = "ok"
_ROWS = 4_000_000  # rows of cells held in memory: about 100 MB
_BATCH = 65_536  # trials read at a time
_TRIAL_COLUMNS = ("id", "path", "label", "speaker", "attack", "language", "source", "pair", "part")


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """The scores of one detector under one condition, in the order of the run's trials.

    ids: N trial ids. scores: shape (N,), float64, finite where ``status`` is "ok" and NaN elsewhere.
    status: "ok" or "error: cause", N of them.
    """

    ids: tuple[str, ...]
    scores: Scores
    status: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.scores) == len(self.status):
            raise BadScores(
                f"a cell has one score and one status a trial; got {len(self.ids)} trials, "
                f"{len(self.scores)} scores, {len(self.status)} statuses"
            )
        if not np.isfinite(self.scores[self.good]).all():
            raise BadScores("a score that is NaN or infinite cannot have the status ok")

    @property
    def good(self) -> NDArray[np.bool_]:
        """Whether each trial has a score."""
        return np.fromiter((status == OK for status in self.status), bool, len(self.status))

    @property
    def coverage(self) -> float:
        """Share of trials with a score, 0 to 1 (NaN for a cell without trials)."""
        return sum(s == OK for s in self.status) / len(self.status) if self.status else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """A whole run: its record, its trials, its cells, and what each condition did.

    cells: by (detector, condition). conditions: by name, the JSON of each (see ``bench``), in the plan's order.
    """

    record: Mapping[str, Any]
    trials: tuple[Trial, ...]
    cells: Mapping[tuple[str, str], Cell]
    conditions: Mapping[str, Mapping[str, Any]]

    @property
    def detectors(self) -> list[str]:
        """Detector names in the plan's order."""
        return list(self.record["detectors"])

    @classmethod
    def read(cls, run: Path) -> ScoreTable:
        """Read a run folder; cells that are not there yet are left out. Raises RunConflict when it is not a run.

        Of a large run only some cells are held at a time, and read again when they are asked for again.
        """
        record = read_record(run)
        trials = read_trials(run / "trials.parquet")
        names: list[str] = record["conditions"]
        cells = Cells(
            {
                (detector, condition): path
                for detector in record["detectors"]
                for condition in names
                if (path := cell_path(run, detector, condition)).exists()
            },
            [t.id for t in trials],
        )
        facts = {
            condition: json.loads(path.read_text(encoding="utf-8"))
            for condition in names
            if (path := condition_path(run, condition)).exists()
        }
        return cls(MappingProxyType(record), trials, cells, MappingProxyType(facts))


class Cells(Mapping[tuple[str, str], Cell]):
    """The cells of a run on disk, by (detector, condition): read when asked for, and held while they are few.
    Cells over the same trials share their ids, and the texts of ids are those of ``names`` where it holds
    them. Raises BadScores when a cell that is asked for is damaged."""

    def __init__(self, paths: Mapping[tuple[str, str], Path], names: Sequence[str] = ()) -> None:
        self._paths = dict(paths)
        self._held: OrderedDict[tuple[str, str], Cell] = OrderedDict()
        self._ids = Ids(names)

    def __getitem__(self, key: tuple[str, str]) -> Cell:
        if key not in self._held:
            self._held[key] = read_cell(self._paths[key], self._ids)
        self._held.move_to_end(key)
        while len(self._held) > 1 and sum(len(c.ids) for c in self._held.values()) > _ROWS:
            self._held.popitem(last=False)
        return self._held[key]

    def __contains__(self, key: object) -> bool:
        return key in self._paths

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def cell_path(run: Path, detector: str, condition: str) -> Path:
    """Where a cell lies."""
    return run / "scores" / file_name(detector) / f"{file_name(condition)}.parquet"


def begun_path(cell: Path) -> Path:
    """Where the rows lie that are known of a cell which is not whole yet: for going on, never for a report."""
    return cell.with_suffix(".begun")


def condition_path(run: Path, condition: str) -> Path:
    """Where the facts of a condition lie."""
    return run / "conditions" / f"{file_name(condition)}.json"


def file_name(name: str) -> str:
    """``name`` as one path component that can be read back; long names are cut and closed with a hash."""
    safe = quote(name, safe="@+-_. ")
    return safe if len(safe) <= 150 else f"{safe[:130]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def read_record(run: Path) -> dict[str, Any]:
    """``run.json`` of a run folder. Raises RunConflict when there is none or it cannot be read."""
    path = run / "run.json"
    if not path.exists():
        raise RunConflict(
            f"{run} is not a run folder (no run.json in it). Make one with: spoofproof bench --out {run}"
        )
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunConflict(f"{path} is damaged ({error}); move the folder away and run again") from None
    return record


def write_cell(path: Path, cell: Cell) -> None:
    """Write one cell; the same cell gives the same bytes. Raises RunConflict (disk full)."""
    table = pa.table(
        {
            "id": pa.array(cell.ids, pa.string()),
            "score": pa.array(cell.scores, pa.float64(), from_pandas=False),
            "status": pa.array(cell.status, pa.string()),
        }
    )
    write_parquet(path, table)


class Ids:
    """Columns of ids that were read, each held once. names: ids that are held already, whose texts are
    shared."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = names
        self._known: list[tuple[pa.ChunkedArray, tuple[str, ...]]] = []

    def __call__(self, column: pa.ChunkedArray) -> tuple[str, ...]:
        for before, ids in self._known:
            if before.equals(column):
                return ids
        place = places_of(column, self._names)
        if (place >= 0).all():
            ids = tuple(map(self._names.__getitem__, place.tolist()))
        else:
            ids = tuple(column.to_pylist())
        self._known.append((column, ids))
        return ids


def read_cell(path: Path, known: Ids | None = None) -> Cell:
    """Read one cell. Raises BadScores when the file is damaged.

    known: ids read before, to share them; those of this cell are added.
    """
    try:
        table = pq.read_table(path)
        return Cell(
            (known or Ids())(table["id"]),
            table["score"].to_numpy().astype(np.float64),
            _texts(table["status"]),
        )
    except (pa.ArrowException, OSError, KeyError) as error:
        raise BadScores(
            f"the cell {path} cannot be read ({error}); delete it and run the bench again"
        ) from None


def places_of(ids: Sequence[str] | pa.ChunkedArray, among: Sequence[str] | pa.Array) -> NDArray[np.intp]:
    """Where each id stands ``among`` others, the first place where it stands twice, -1 for one that is not
    there."""
    known = among if isinstance(among, pa.Array) else pa.array(among, pa.string())
    asked = ids if isinstance(ids, pa.ChunkedArray) else pa.array(ids, pa.string())
    found = pc.fill_null(pc.index_in(asked, value_set=known), -1)
    places: NDArray[np.intp] = found.to_numpy().astype(np.intp)
    return places


def joined(ids: Sequence[str], cells: Sequence[Cell]) -> Cell:
    """Rows of several cells in the order of ``ids``; an id that several hold has the last one's row, one that
    none holds has none."""
    cells = [Cell((), np.zeros(0), ()), *cells][::-1]
    known = pa.concat_arrays([pa.array(cell.ids, pa.string()) for cell in cells])
    place = places_of(ids, known)
    there = place >= 0
    place = place[there]
    status = tuple(chain.from_iterable(cell.status for cell in cells))
    return Cell(
        tuple(compress(ids, there)),
        np.concatenate([cell.scores for cell in cells])[place],
        tuple(map(status.__getitem__, place.tolist())),
    )


def rows_in(path: Path) -> int:
    """How many trials a whole cell holds, 0 where there is none. Raises BadScores when the file is damaged."""
    if not path.exists():
        return 0
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise BadScores(
            f"the cell {path} cannot be read ({error}); delete it and run the bench again"
        ) from None


def _texts(column: pa.ChunkedArray) -> tuple[str, ...]:
    """Texts of which many are equal: each is held once."""
    coded = column.combine_chunks().dictionary_encode()
    if not len(coded):
        return ()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0)
    texts = coded.dictionary.to_pylist()
    if len(texts) == 1:
        return _all(texts[0], len(coded))
    return tuple(map(texts.__getitem__, coded.indices.to_pylist()))


@lru_cache(maxsize=4)
def _all(text: str, count: int) -> tuple[str, ...]:
    """One tuple for the cells in which nothing failed."""
    return (text,) * count


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Write the trials of a run, in order. Raises RunConflict (disk full)."""
    columns = {name: _column(str(getattr(t, name)) for t in trials) for name in _TRIAL_COLUMNS}
    columns["attributes"] = _column(
        json.dumps(dict(t.attributes), sort_keys=True, ensure_ascii=False) for t in trials
    )
    write_parquet(path, pa.table(columns))


def _column(texts: Iterator[str]) -> pa.Array:
    """A column of texts, some at a time: Arrow holds them in a quarter of what Python's take."""
    parts = [pa.array([], pa.string())]
    while some := list(islice(texts, _BATCH)):
        parts.append(pa.array(some, pa.string()))
    return pa.concat_arrays(parts)


def read_trials(path: Path) -> tuple[Trial, ...]:
    """Read what ``write_trials`` wrote. Raises RunConflict when it is missing or damaged.

    Row group by row group, and what many trials have in common (a speaker, a file, no attributes) is held once.
    """
    once, paths, attributes = Once(), Once(), Once()
    found: list[Trial] = []
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=_BATCH):
            columns = {name: batch.column(name).to_pylist() for name in (*_TRIAL_COLUMNS, "attributes")}
            for row in zip(*columns.values(), strict=True):
                name, where, *rest, more = row
                label, speaker, attack, language, source, pair, part = map(once, rest)
                found.append(
                    Trial(
                        name,
                        paths.of(where, Path),
                        label,
                        speaker,
                        attack,
                        language,
                        source,
                        pair,
                        part,
                        attributes.of(more, json.loads),
                    )
                )
    except (pa.ArrowException, OSError, KeyError) as error:
        raise RunConflict(f"the trials of the run cannot be read: {path} ({error})") from None
    return tuple(found)


def write_parquet(path: Path, table: pa.Table) -> None:
    """An Arrow table as a Parquet file that appears only when whole. Raises RunConflict (disk full)."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    with whole_file(path) as out:
        out.write(buffer.getbuffer())


def write_json(path: Path, value: object) -> None:
    """JSON, sorted keys, that appears only when whole. Raises RunConflict (disk full)."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with whole_file(path) as out:
        out.write(text.encode() + b"\n")


def write_json_once(path: Path, value: object) -> bool:
    """The same where there is no such file yet; whether it was this process that wrote it, of all that try at once.

    Raises RunConflict (disk full).
    """
    own = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    write_json(own, value)
    try:
        os.link(own, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: the last one wins, and all say the same
        own.replace(path)
    finally:
        own.unlink(missing_ok=True)
    return True


def digest_of(trials: Iterable[Trial]) -> str:
    """SHA-256 over id, label and part of the trials, in order: two runs with the same digest saw the same trials."""
    digest = hashlib.sha256()
    text = json.JSONEncoder(ensure_ascii=False).encode
    for trial in trials:
        digest.update(text([trial.id, trial.label, trial.part]).encode() + b"\n")
    return digest.hexdigest()


def split_classes(trials: Sequence[Trial], scores: Scores) -> tuple[Scores, Scores]:
    """(bona fide, spoof) scores. Raises BadScores when one class has none: no metric exists then."""
    labels = np.array([t.label for t in trials])
    bonafide, spoof = (scores[labels == label] for label in LABELS)
    if not len(bonafide) or not len(spoof):
        raise BadScores(
            f"both classes are needed; got {len(bonafide)} bona fide and {len(spoof)} spoof scores"
        )
    return bonafide, spoof
