"""Tables of one's own: a ``file,label`` CSV, a manifest with any columns (CSV or Parquet), AntiDeepfake's CSV."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import BadCorpus
from ..registry import corpus
from ..types import Label, Once, Trial
from .protocol import checked, first_that_exists, require, table
from .words import blank, match_columns, to_label, to_part

_BATCH = 16_384  # rows of a Parquet file read at a time
_ANTIDEEPFAKE = (
    "ID", "Label", "Duration", "SampleRate", "Path", "Attack", "Speaker", "Proportion", "AudioChannel",
    "AudioEncoding", "AudioBitSample", "Language",
)  # fmt: skip


@corpus()
def csv(root: Path, *, one: Label | None = None, require_audio: bool = True) -> list[Trial]:
    """A CSV with the columns file and label, in any order (``file_name``, ``path`` … will do; so do tabs or pipes).

    root: the file, or a folder with one CSV in it. Paths are relative to the file's folder. Labels are words
    (bonafide, bona-fide, real …; spoof, fake …); 0 and 1 only under a column such as is_fake or is_bonafide, or with
    one="spoof" or one="bonafide" from Python. Further columns as for ``manifest``. Raises BadCorpus.
    """
    path = root
    if not root.is_file():
        tables = sorted([*root.glob("*.csv"), *root.glob("*.tsv")])
        if len(tables) != 1:
            raise BadCorpus(
                f"{root} holds {len(tables)} CSV files; expected the path of one, such as csv:{root / 'protocol.csv'}"
            )
        path = tables[0]
    return _read(path, one, require_audio)


@corpus()
def manifest(root: Path, *, one: Label | None = None, require_audio: bool = True) -> list[Trial]:
    """A manifest, CSV or Parquet: path and label, and id, part, speaker, attack, language, source, pair where known.

    root: the file, or the folder that holds manifest.csv or manifest.parquet. Paths are relative to its folder.
    Other columns become attributes; ``generator`` stands for attack, ``split`` for part ('test' is eval, 'val' is
    dev); without a part everything is eval, without an id the path is the id. Raises BadCorpus.
    """
    path = root
    if not root.is_file():
        path = first_that_exists([root / "manifest.csv", root / "manifest.parquet"], "manifest")
    return _read(path, one, require_audio)


@corpus()
def antideepfake(root: Path, *, data: Path | None = None, require_audio: bool = True) -> list[Trial]:
    """CSV protocols of AntiDeepfake: ID,Label,…,Path,… with labels real and fake and ``$ROOT/`` before the path.

    root: one such file, or a folder of them. data: what ``$ROOT`` stands for; None: the folder the files lie in.
    Proportion train, valid, test gives the part ('-' is eval). Raises BadCorpus.
    """
    files = [root] if root.is_file() else sorted(root.glob("*.csv"))
    if not files:
        raise BadCorpus(f"no CSV in {root}; expected a protocol with the header {','.join(_ANTIDEEPFAKE)}")
    trials: list[Trial] = []
    lines: dict[Path, Sequence[int]] = {}
    for path in files:
        header, rows = table(path)
        require(header, ("ID", "Label", "Path"), path)
        found, lines[path] = _trials(path, header, rows, None, {"$ROOT": data or path.parent})
        trials += found
    return checked(trials, root, lines=lines, require_audio=require_audio)


def _read(path: Path, one: Label | None, require_audio: bool) -> list[Trial]:
    header, rows = _parquet(path) if path.suffix.lower() in {".parquet", ".pq"} else table(path)
    trials, numbers = _trials(path, header, rows, one, {})
    return checked(trials, path, lines={path: numbers}, require_audio=require_audio)


def _trials(
    path: Path,
    header: Sequence[str],
    rows: Iterable[tuple[int, dict[str, str]]],
    one: Label | None,
    places: dict[str, Path],
) -> tuple[list[Trial], Sequence[int]]:
    known = match_columns(header)
    for field, example in (("path", "file"), ("label", "label")):
        if field not in known:
            raise BadCorpus(
                f"{path}, line 1: no column for the {field}; found: {', '.join(header)}; expected a header such as "
                f"file,label (here: {example})"
            )
    rest = [name for name in header if name and name not in known.values()]
    trials: list[Trial] = []
    numbers = array("q")
    once, files, same = Once(), Once(), Once()
    for number, row in rows:
        where = f"{path}, line {number}"
        name = row[known["path"]].strip()
        if not name or "\n" in name:
            raise BadCorpus(f"{where}: the path is {'empty' if not name else repr(name)}")
        label = to_label(row[known["label"]], where, known["label"], one)
        got = {field: once(blank(row[known[field]])) if field in known else "" for field in _TEXT}
        facts = {key: once(row[key]) for key in rest if row[key].strip()}
        if label == "bonafide" and got["attack"]:
            facts["attack"] = got["attack"]
        trials.append(
            Trial(
                id=(row[known["id"]].strip() if "id" in known else "") or name,
                path=files.of(name, lambda name: _place(name, path.parent, places)),
                label=label,
                speaker=got["speaker"],
                attack=got["attack"] if label == "spoof" else "",
                language=once(got["language"].lower()),
                source=got["source"],
                pair=got["pair"],
                part=to_part(row[known["part"]], where) if "part" in known else "eval",
                attributes=same.of(tuple(facts.items()), dict),
            )
        )
        numbers.append(number)
    return trials, numbers


_TEXT = ("speaker", "attack", "language", "source", "pair")


def _place(name: str, folder: Path, places: dict[str, Path]) -> Path:
    for mark, place in places.items():
        if name.startswith(mark):
            return place / name[len(mark) :].lstrip("/\\")
    return folder / name


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def rows() -> Iterator[dict[str, object]]:
        try:
            for batch in file.iter_batches(batch_size=_BATCH):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise BadCorpus(f"{path} cannot be read as Parquet: {error}") from None

    try:
        file = pq.ParquetFile(path)
        header = [str(name) for name in file.schema_arrow.names]
    except (pa.ArrowException, OSError) as error:
        raise BadCorpus(f"{path} cannot be read as Parquet: {error}") from None
    return header, (
        (number, {key: "" if value is None else str(value) for key, value in row.items()})
        for number, row in enumerate(rows(), 1)
    )
