"""ASVspoof 2019 LA, 2021 LA and DF, and 5: blank-separated protocols beside folders of FLAC.

Sources: the challenges' evaluation plans and packages; counts of 2019 LA in Wang et al. 2020 (Computer Speech &
Language 64), table 2. A protocol may be gzipped; ids may hold blanks where the columns allow it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import BadCorpus
from ..registry import corpus
from ..types import Once, Part, Trial
from .protocol import checked, columns, first_that_exists, text_lines
from .words import LABEL_WORDS, blank, to_label

_PARTS: tuple[Part, ...] = ("train", "dev", "eval")
_LA19 = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
_COLUMNS_19 = "SPEAKER UTTERANCE - ATTACK LABEL"
_AS5_FOLDERS = {"train": ("flac_T",), "dev": ("flac_D",), "eval": ("flac_E_eval", "flac_E")}
_AS5_FILES = {
    "train": ("ASVspoof5.train.tsv", "ASVspoof5.train.metadata.txt"),
    "dev": ("ASVspoof5.dev.track_1.tsv", "ASVspoof5.dev.metadata.txt"),
    "eval": ("ASVspoof5.eval.track_1.tsv", "ASVspoof5.eval.metadata.txt"),
}
_AS5_LONG = ("gender", "codec", "codec_q", "codec_seed", "ac_tag")
_SUBSETS = ("eval", "progress", "hidden")


@corpus(name="asvspoof2019-la")
def asvspoof2019_la(
    root: Path, *, parts: Sequence[Part] | None = None, require_audio: bool = True
) -> list[Trial]:
    """ASVspoof 2019 LA: train, dev, eval by the official protocols (71 237 eval trials, attacks A07-A19).

    root: the folder that holds ASVspoof2019_LA_cm_protocols and ASVspoof2019_LA_{train,dev,eval}/flac (as LA.zip
    unpacks it), the folder around that, or one protocol file. parts: None reads the parts whose protocol and audio folder are there,
    so that a download of eval alone works; parts that are named must be there. Raises BadCorpus.
    """
    if root.is_file():
        part = _part_of(root)
        found = [(part, root, _flac_folder(_above(root), f"ASVspoof2019_LA_{part}"))]
    else:
        bases = [root, root / "LA", root.parent]
        protocols = first_that_exists(
            [base / "ASVspoof2019_LA_cm_protocols" for base in bases] + [root / _name19("eval")],
            "ASVspoof 2019 LA protocols",
        )
        folder = protocols.parent if protocols.is_file() else protocols
        found = []
        for part in parts or _PARTS:
            path = _gz(folder / _name19(part))
            audio = _flac_folder(bases, f"ASVspoof2019_LA_{part}")
            if parts or (path.exists() and (audio.is_dir() or not require_audio)):
                found.append((part, path, audio))
        if not found:
            raise BadCorpus(
                f"no part of ASVspoof 2019 LA is complete under {root}: each needs {folder / _name19('eval')} (or dev.trl, "
                f"train.trn) and a folder such as {_flac_folder(bases, 'ASVspoof2019_LA_eval')}"
            )
    trials: list[Trial] = []
    lines: dict[Path, array[int]] = {}
    once = Once()
    for part, path, audio in found:
        numbers = lines.setdefault(path, array("q"))
        for number, line in text_lines(path):
            speaker, utterance, system, attack, key = columns(line, 1, 3, path, number, _COLUMNS_19)
            if system != "-":
                raise BadCorpus(
                    f"{path}, line {number}: the third column is {system!r}, expected '-' ({_COLUMNS_19}): {line!r}"
                )
            label = LABEL_WORDS.get(key) or to_label(key, f"{path}, line {number}")
            trials.append(
                Trial(
                    utterance,
                    audio / f"{utterance}.flac",
                    label,
                    once(speaker),
                    "" if label == "bonafide" else once(blank(attack)),
                    "en",
                    "asvspoof2019-la",
                    "",
                    part,
                    {},
                )
            )
            numbers.append(number)
    return checked(trials, root, lines=lines, require_audio=require_audio)


@corpus(name="asvspoof2021-la")
def asvspoof2021_la(root: Path, *, subset: str = "eval", require_audio: bool = True) -> list[Trial]:
    """ASVspoof 2021 LA: 2019's eval attacks through seven telephony channels (keys trial_metadata.txt).

    root: the folder that holds ASVspoof2021_LA_eval/flac and keys/LA/CM/trial_metadata.txt, or that file. subset:
    eval (the official figures), progress, hidden (silence trimmed) or all. attributes: codec, transmission, trim,
    subset. Raises BadCorpus.
    """
    names = ("codec", "transmission", "attack", "label", "trim", "subset")
    return _read2021(root, "LA", names, subset, require_audio)


@corpus(name="asvspoof2021-df")
def asvspoof2021_df(root: Path, *, subset: str = "eval", require_audio: bool = True) -> list[Trial]:
    """ASVspoof 2021 DF: over 100 attacks through nine compression conditions (keys trial_metadata.txt).

    root: the folder that holds ASVspoof2021_DF_eval/flac (or its _part00 … folders) and keys/DF/CM/
    trial_metadata.txt, or that file. subset as for LA. source: asvspoof, vcc2018 or vcc2020. attributes: codec, trim,
    subset, vocoder, task, team, gender_pair, spoken (language code of VCC 2020). Raises BadCorpus.
    """
    names = (
        "codec", "source", "attack", "label", "trim", "subset", "vocoder", "task", "team", "gender_pair", "spoken",
    )  # fmt: skip
    return _read2021(root, "DF", names, subset, require_audio)


def _read2021(
    root: Path, track: str, names: tuple[str, ...], subset: str, require_audio: bool
) -> list[Trial]:
    if subset not in (*_SUBSETS, "all"):
        raise BadCorpus(f"asvspoof2021: no subset {subset!r}; expected one of {', '.join(_SUBSETS)}, all")
    expected = f"SPEAKER TRIAL {' '.join(name.upper() for name in names)}"
    bases = _above(root) if root.is_file() else [root]
    path = root if root.is_file() else _keys2021(root, track)
    folders = [f for base in bases for f in _flac_folders(base, f"ASVspoof2021_{track}_eval")] or [
        _flac_folder(bases, f"ASVspoof2021_{track}_eval")
    ]
    trials: list[Trial] = []
    numbers = array("q")
    once, same = Once(), Once()
    for number, line in text_lines(path):
        speaker, utterance, *rest = columns(line, 1, len(names), path, number, expected)
        facts = dict(zip(names, rest, strict=True))
        key = facts.pop("label")
        label = LABEL_WORDS.get(key) or to_label(key, f"{path}, line {number}")
        attack, source = facts.pop("attack"), facts.pop("source", "")
        if facts["subset"] not in _SUBSETS:
            raise BadCorpus(
                f"{path}, line {number}: unknown subset {facts['subset']!r}, expected one of {', '.join(_SUBSETS)} "
                f"({expected})"
            )
        if subset != "all" and facts["subset"] != subset:
            continue
        trials.append(
            Trial(
                utterance,
                _in_one_of(folders, f"{utterance}.flac"),
                label,
                once(speaker),
                "" if label == "bonafide" else once(blank(attack)),
                "en",
                once(f"asvspoof2021-{track.lower()}" + (f"-{source}" if source else "")),
                "",
                "eval",
                same.of(tuple(facts.items()), dict),
            )
        )
        numbers.append(number)
    return checked(trials, path, lines={path: numbers}, require_audio=require_audio)


@corpus(name="asvspoof5")
def asvspoof5(root: Path, *, parts: Sequence[Part] | None = None, require_audio: bool = True) -> list[Trial]:
    """ASVspoof 5 (track 1): crowd-sourced speakers, attacks A01-A32, codecs C01-C11 (680 774 eval trials).

    root: the folder that holds ASVspoof5.{train.tsv,dev.track_1.tsv,eval.track_1.tsv} and flac_T, flac_D,
    flac_E_eval, or one protocol file. Called tsv, separated by blanks: 10 fields (speaker, utterance, gender, codec,
    codec quality, codec seed, attack condition, attack, label, -), or the 6 of the challenge's metadata.txt (label
    last). parts: None reads what is there. attributes: gender, codec, codec_q, codec_seed, ac_tag. Raises BadCorpus.
    """
    if root.is_file():
        part = _part_of(root)
        found = [(part, root, _as5_folder(_above(root), part))]
    else:
        bases = [root, root / "ASVspoof5_protocols"]
        found = []
        for part in parts or _PARTS:
            candidates = [_gz(base / name) for base in bases for name in _AS5_FILES[part]]
            path = next((p for p in candidates if p.exists()), candidates[0])
            audio = _as5_folder([root], part)
            if parts or (path.exists() and (audio.is_dir() or not require_audio)):
                found.append((part, path, audio))
        if not found:
            raise BadCorpus(
                f"no part of ASVspoof 5 is complete under {root}: each needs a protocol such as "
                f"{root / _AS5_FILES['eval'][0]} and a folder such as {root / 'flac_E_eval'}"
            )
    trials: list[Trial] = []
    lines: dict[Path, array[int]] = {}
    once, same = Once(), Once()
    for part, path, audio in found:
        numbers = lines.setdefault(path, array("q"))
        for number, line in text_lines(path):
            fields = line.split()
            if len(fields) == 10:
                speaker, utterance, *rest, attack, key, _ = fields
                facts = dict(zip(_AS5_LONG, rest, strict=True))
            elif len(fields) == 6:
                speaker, utterance, gender, codec, attack, key = fields
                facts = {"gender": gender, "codec": codec}
            else:
                raise BadCorpus(
                    f"{path}, line {number}: {len(fields)} columns, expected 10 (SPEAKER UTTERANCE "
                    f"{' '.join(_AS5_LONG).upper()} ATTACK LABEL -) or 6 (… ATTACK LABEL): {line.strip()!r}"
                )
            label = LABEL_WORDS.get(key) or to_label(key, f"{path}, line {number}")
            trials.append(
                Trial(
                    utterance,
                    audio / f"{utterance}.flac",
                    label,
                    once(speaker),
                    "" if label == "bonafide" else once(blank(attack)),
                    "en",
                    "asvspoof5",
                    "",
                    part,
                    same.of(tuple(facts.items()), dict),
                )
            )
            numbers.append(number)
    return checked(trials, root, lines=lines, require_audio=require_audio)


def _part_of(protocol: Path) -> Part:
    """Part of a protocol file by its name; eval where the name does not say."""
    return next((part for part in _PARTS if f".{part}." in protocol.name), "eval")


def _name19(part: str) -> str:
    return f"ASVspoof2019.LA.cm.{_LA19[part]}.txt"


def _gz(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    return packed if not path.exists() and packed.exists() else path


def _above(file: Path) -> list[Path]:
    """The folders above a protocol file: the audio lies beside one of them."""
    return list(file.absolute().parents)[:5]


def _flac_folder(bases: Iterable[Path], name: str) -> Path:
    """The folder of FLAC files: base/name/flac, or base/flac; the first of all when none exists."""
    candidates = [path for base in bases for path in (base / name / "flac", base / name / name / "flac")]
    candidates += [base / "flac" for base in bases]
    return next((path for path in candidates if path.is_dir()), candidates[0])


def _flac_folders(base: Path, name: str) -> list[Path]:
    """All folders of FLAC files under ``base``: 2021 DF is distributed in four parts, which may lie side by side."""
    found = [base / name / "flac", base / "flac"]
    for part in sorted(base.glob(f"{name}_part*")):
        found += [part / name / "flac", part / "flac"]
    return [path for path in found if path.is_dir()]


def _in_one_of(folders: Sequence[Path], name: str) -> Path:
    first = folders[0] / name
    if len(folders) == 1:
        return first
    return next((path for path in (folder / name for folder in folders) if path.exists()), first)


def _keys2021(root: Path, track: str) -> Path:
    tails = [Path("trial_metadata.txt"), Path("CM/trial_metadata.txt"), Path(track) / "CM/trial_metadata.txt"]
    heads = [
        root,
        root / "keys",
        root / f"{track}-keys-full" / "keys",
        root / f"ASVspoof2021_{track}_eval" / "keys",
    ]
    return first_that_exists(
        [_gz(head / tail) for head in heads for tail in tails], f"keys of ASVspoof 2021 {track}"
    )


def _as5_folder(bases: Iterable[Path], part: Part) -> Path:
    inner = {"train": "ASVspoof5_train", "dev": "ASVspoof5_dev", "eval": "ASVspoof5_eval"}[part]
    candidates = [
        p for base in bases for name in _AS5_FOLDERS[part] for p in (base / name, base / inner / name)
    ]
    return next((path for path in candidates if path.is_dir()), candidates[0])
