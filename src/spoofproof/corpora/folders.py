"""Two folders of audio: the simplest corpus there is."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadCorpus
from ..registry import corpus
from ..types import Label, Part, Trial
from .protocol import audio_files, checked
from .words import LABEL_WORDS, PART_WORDS


@corpus()
def folders(root: Path) -> list[Trial]:
    """bonafide/ and spoof/ folders (or real/ and fake/), searched through; train/, dev/, eval/ around them if present.

    A folder inside spoof/ names the attack: spoof/hifigan/x.wav. Without part folders everything is eval; dev/ is
    what thresholds are frozen on. The id is the path below the root. Files are taken in sorted order. Raises
    BadCorpus when a class has no folder or no audio.
    """
    if not root.is_dir():
        raise BadCorpus(f"no such folder: {root}; expected one that holds bonafide/ and spoof/")
    found = list(_classes(root, "eval"))
    for folder in _inside(root):
        part = PART_WORDS.get(folder.name.lower())
        if part is not None:
            found += _classes(folder, part)
    if not found:
        raise BadCorpus(
            f"{root} holds no folder named bonafide or spoof (real, fake); found: "
            f"{', '.join(f.name for f in _inside(root)) or 'no folders'}"
        )
    trials = []
    for part, label, folder in found:
        for path in audio_files(folder):
            inner = path.relative_to(folder).parts[:-1]
            trials.append(
                Trial(
                    id=path.relative_to(root).as_posix(),
                    path=path,
                    label=label,
                    attack=inner[0] if inner and label == "spoof" else "",
                    part=part,
                    attributes={},
                )
            )
    return checked(trials, root, both=True)


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _classes(folder: Path, part: Part) -> list[tuple[Part, Label, Path]]:
    return [
        (part, LABEL_WORDS[inner.name.lower()], inner)
        for inner in _inside(folder)
        if inner.name.lower() in LABEL_WORDS
    ]
