"""In-the-Wild (Müller et al., Interspeech 2022): celebrities and politicians, 31 779 clips, labels with a hyphen."""

from __future__ import annotations

from pathlib import Path

from ..registry import corpus
from ..types import Trial
from .protocol import checked, first_that_exists, require, table
from .words import blank, to_label


@corpus(name="in-the-wild")
def in_the_wild(root: Path, *, require_audio: bool = True) -> list[Trial]:
    """In-the-Wild: 58 public figures, found recordings; meta.csv with file, speaker and label (``bona-fide``!).

    root: the folder with meta.csv and the WAV files (release_in_the_wild), its parent, or meta.csv itself. The
    generators are not known, so attack is "". All trials are eval. Raises BadCorpus.
    """
    path = root
    if not root.is_file():
        path = first_that_exists(
            [root / "meta.csv", root / "release_in_the_wild" / "meta.csv"], "meta.csv of In-the-Wild"
        )
    header, rows = table(path)
    require(header, ("file", "speaker", "label"), path)
    folder = path.parent / "wav" if (path.parent / "wav").is_dir() else path.parent
    trials, numbers = [], []
    for number, row in rows:
        name = row["file"].strip()
        label = to_label(row["label"], f"{path}, line {number}")
        trials.append(
            Trial(name, folder / name, label, blank(row["speaker"]), "", "en", "in-the-wild", "", "eval", {})
        )
        numbers.append(number)
    return checked(trials, path, lines={path: numbers}, require_audio=require_audio)
