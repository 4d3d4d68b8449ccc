"""What protocols call things, and what we call them: labels, parts, columns. One table each, nothing guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import BadCorpus
from ..types import Label, Part

LABEL_WORDS: Mapping[str, Label] = {
    "bonafide": "bonafide",
    "bona-fide": "bonafide",
    "bona_fide": "bonafide",
    "bona fide": "bonafide",
    "real": "bonafide",
    "genuine": "bonafide",
    "human": "bonafide",
    "spoof": "spoof",
    "spoofed": "spoof",
    "fake": "spoof",
    "deepfake": "spoof",
    "synthetic": "spoof",
}
"""Every spelling of the two classes that is understood (case and outer blanks do not matter)."""

TRUTH_COLUMNS: Mapping[str, tuple[Label, Label]] = {
    "is_fake": ("bonafide", "spoof"),
    "is_spoof": ("bonafide", "spoof"),
    "is_real": ("spoof", "bonafide"),
    "is_bonafide": ("spoof", "bonafide"),
}
"""Columns whose name says what 0 and 1 mean: (label of 0, label of 1)."""

PART_WORDS: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "development": "dev",
    "eval": "eval",
    "test": "eval",
    "evaluation": "eval",
    "testing": "eval",
}

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "file_name", "filename", "filepath", "audio_path", "audio"),
    "label": ("label", "key", "class", *TRUTH_COLUMNS),
    "id": ("id", "utt_id", "utterance", "utt"),
    "speaker": ("speaker", "speaker_id", "spk"),
    "attack": ("attack", "generator", "attack_id", "algorithm"),
    "language": ("language", "lang"),
    "source": ("source", "dataset", "dataset_name"),
    "pair": ("pair", "sentence_id"),
    "part": ("part", "split", "proportion"),
}
"""Field of a trial -> header names it goes by, best first (case does not matter)."""

EMPTY = frozenset({"", "-", "nan", "none", "null", "n/a"})
_NUMBERS = frozenset({"0", "1", "0.0", "1.0", "true", "false"})


def to_label(text: str, where: str, column: str = "label", one: Label | None = None) -> Label:
    """The class of one row. ``where`` (file and line) opens the message.

    column: the header the text stands under; ``is_fake`` and its like (TRUTH_COLUMNS) give 0 and 1 a meaning, and so
    does ``one``: the class that 1 stands for. Without either a number is refused, because the field's corpora use
    both polarities. Raises BadCorpus.
    """
    word = text.strip().lower()
    found = LABEL_WORDS.get(word)
    if found is not None:
        return found
    if word in _NUMBERS:
        meaning = TRUTH_COLUMNS.get(column.strip().lower())
        if meaning is None and one is not None:
            meaning = ("spoof" if one == "bonafide" else "bonafide", one)
        if meaning is not None:
            return meaning[word in {"1", "1.0", "true"}]
        raise BadCorpus(
            f"{where}: the label is {text!r}, and 0/1 mean opposite things in different corpora of this field. "
            "Name the column is_fake or is_bonafide, or write the words bonafide and spoof"
        )
    raise BadCorpus(
        f"{where}: unknown label {text!r} in the column {column!r}; expected one of {', '.join(LABEL_WORDS)}"
    )


def to_part(text: str, where: str, default: Part = "eval") -> Part:
    """Part of one row: 'test' is eval, 'val' is dev, nothing is ``default``. Raises BadCorpus for another word."""
    word = text.strip().lower()
    if word in EMPTY:
        return default
    if word not in PART_WORDS:
        raise BadCorpus(f"{where}: unknown part {text!r}; expected one of {', '.join(PART_WORDS)}")
    return PART_WORDS[word]


def blank(text: str) -> str:
    """``text`` without outer blanks; "" for the field's signs for nothing (-, nan, none)."""
    text = text.strip()
    return "" if text.lower() in EMPTY else text


def match_columns(header: Iterable[str]) -> dict[str, str]:
    """Field of a trial -> the header's own name for it, for the fields that the header has."""
    names = {name.strip().lower(): name for name in reversed(list(header))}
    return {
        field: names[next(known for known in known_as if known in names)]
        for field, known_as in COLUMNS.items()
        if any(known in names for known in known_as)
    }
