"""XMAD-Bench (Ciobanu et al., Findings of EACL 2026, arXiv 2506.00462): seven languages, across speakers and systems."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..errors import BadCorpus
from ..registry import corpus
from ..types import Label, Part, Trial
from .protocol import checked, require, table
from .words import blank, to_label, to_part


@corpus(name="xmad-bench")
def xmad_bench(
    root: Path, *, across: Collection[str] | None = None, require_audio: bool = True
) -> list[Trial]:
    """XMAD-Bench: train on one source and its generators, test on others; real/ and fake/ beside meta.csv.

    root: the folder that holds commonvoice-ar, mailabs-en, …, or one of them. meta.csv has sample_name, is_fake and
    split, with tabs or commas. Data sets named in ``across`` (None: those without a train split) are the cross-domain
    test and wholly eval; of the others, train stays train and val is dev where there is a cross-domain set (thresholds
    are frozen in-domain), else eval. A real clip and its fakes of the same name are a pair. Raises BadCorpus.
    """
    sets = [root] if (root / "meta.csv").is_file() else sorted(p.parent for p in root.glob("*/meta.csv"))
    if not sets:
        raise BadCorpus(
            f"no meta.csv in {root} or in a folder of it; expected commonvoice-ar/meta.csv and its like"
        )
    tables = {folder: _rows(folder / "meta.csv") for folder in sets}
    if across is None:
        across = [f.name for f, rows in tables.items() if all(split != "train" for *_, split in rows)]
    elif set(across) - {f.name for f in sets}:
        raise BadCorpus(
            f"no data set {sorted(set(across) - {f.name for f in sets})}; found: {[f.name for f in sets]}"
        )
    trials: list[Trial] = []
    lines: dict[Path, list[int]] = {}
    for folder, rows in tables.items():
        source, _, language = folder.name.rpartition("-")
        held: Part = "dev" if across else "eval"
        numbers = lines.setdefault(folder / "meta.csv", [])
        for number, name, label, split in rows:
            part: Part = "eval" if folder.name in across else "train" if split == "train" else held
            kind = "real" if label == "bonafide" else "fake"
            trials.append(
                Trial(
                    id=f"{folder.name}/{kind}/{name}",
                    path=folder / kind / name,
                    label=label,
                    language=language,
                    source=source or folder.name,
                    pair=f"{folder.name}/{Path(name).stem}",
                    part=part,
                    attributes={"dataset": folder.name, "split": split},
                )
            )
            numbers.append(number)
    return checked(trials, root, lines=lines, require_audio=require_audio)


def _rows(path: Path) -> list[tuple[int, str, Label, str]]:
    header, rows = table(path)
    require(header, ("sample_name", "is_fake"), path)
    found: list[tuple[int, str, Label, str]] = []
    for number, row in rows:
        where = f"{path}, line {number}"
        name = row["sample_name"].strip()
        split = blank(row.get("split", ""))
        label = to_label(row["is_fake"], where, column="is_fake")
        found.append((number, name, label, to_part(split, where) if split else ""))
    return found
