"""SONICS (Rahman et al., ICLR 2025, arXiv 2408.14080): songs by people against songs by Suno and Udio."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadCorpus
from ..registry import corpus
from ..types import Label, Trial
from .protocol import checked, require, table
from .words import blank, to_part

_KEPT = (
    "duration",
    "source",
    "style",
    "genre",
    "mood",
    "topic",
    "title",
    "artist_overlap",
    "no_vocal",
    "year",
)
_FILES: tuple[tuple[Label, str, str], ...] = (
    ("bonafide", "real_songs", ".mp3"),
    ("spoof", "fake_songs", ".mp3"),
)


@corpus(name="sonics")
def sonics(root: Path, *, filtered: bool = True, require_audio: bool = True) -> list[Trial]:
    """SONICS: 97 000 songs, synthetic ones by Suno and Udio; real_songs.csv and fake_songs.csv beside the songs.

    root: the folder that holds both tables and real_songs/, fake_songs/. filtered: as published, only songs of at
    least 30 s with vocals. split train, valid, test gives the part; attack is the algorithm, speaker the artist, pair
    the number that two renderings of the same lyrics share; attributes hold the kind (full, half, mostly fake) and
    style, genre, mood. A song whose file is missing (real ones must be fetched one by one) stays a trial. Raises
    BadCorpus.
    """
    trials: list[Trial] = []
    lines: dict[Path, list[int]] = {}
    for label, name, ending in _FILES:
        path = root / f"{name}.csv"
        header, rows = table(path)
        require(header, ("filename", "split"), path)
        there = {p.stem: p for p in sorted((root / name).iterdir())} if (root / name).is_dir() else {}
        numbers = lines.setdefault(path, [])
        for number, row in rows:
            if filtered and not _kept(row, f"{path}, line {number}"):
                continue
            stem = row["filename"].strip()
            stem = stem.removesuffix(".mp3").removesuffix(".wav")
            if not blank(row["split"]):
                raise BadCorpus(f"{path}, line {number}: the split is empty; expected train, valid or test")
            number_of_lyrics = blank(row.get("id", "")) if label == "spoof" else ""
            facts = {key: row[key].strip() for key in _KEPT if blank(row.get(key, ""))}
            if blank(row.get("label", "")):
                facts["kind"] = row["label"].strip()
            trials.append(
                Trial(
                    id=stem,
                    path=there.get(stem, root / name / f"{stem}{ending}"),
                    label=label,
                    speaker=blank(row.get("artist", "")),
                    attack=blank(row.get("algorithm", "")) if label == "spoof" else "",
                    language="en",
                    source="sonics",
                    pair=number_of_lyrics,
                    part=to_part(row["split"], f"{path}, line {number}"),
                    attributes=facts,
                )
            )
            numbers.append(number)
    return checked(trials, root, lines=lines, both=True, require_audio=require_audio)


def _kept(row: dict[str, str], where: str) -> bool:
    duration = blank(row.get("duration", ""))
    try:
        long_enough = not duration or float(duration) >= 30.0
    except ValueError:
        raise BadCorpus(f"{where}: the duration is {duration!r}; expected seconds") from None
    return long_enough and row.get("no_vocal", "").strip().lower() not in {"true", "1", "1.0"}
