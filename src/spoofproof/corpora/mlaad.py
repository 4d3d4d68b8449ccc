"""MLAAD (Müller et al., IJCNN 2024, arXiv 2401.09512) and M-AILABS, the human speech it was made from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadCorpus
from ..registry import corpus
from ..types import Trial
from .protocol import AUDIO_ENDINGS, checked, require, table, text_lines
from .words import blank

_REALS = ("m-ailabs", "M-AILABS", "mailabs", "real", "original", "")
_SKIP = {"path", "original_file", "language", "transcript"}


@corpus(name="mlaad")
def mlaad(
    root: Path,
    *,
    reals: Path | None = None,
    languages: str = "shared",
    version: str = "",
    require_audio: bool = True,
) -> list[Trial]:
    """MLAAD with M-AILABS: text-to-speech in many languages against audiobook readings in eight.

    root: the folder that holds fake/LANGUAGE/SYSTEM/meta.csv and, in m-ailabs/ (real/, original/, or beside fake/),
    M-AILABS; or name it: ``reals``. languages: "shared" keeps those that have both classes, because elsewhere the
    language alone gives the label away; "all" keeps everything. version: of MLAAD (v3, v9, …), found in the folder's
    name where it stands there, kept in attributes. pair is the sentence's original file. All trials are eval.

    meta.csv is read with pipes and without quotes: stray quotes in transcripts are text. Raises BadCorpus.
    """
    if languages not in ("shared", "all"):
        raise BadCorpus(f"mlaad: languages is 'shared' or 'all', not {languages!r}")
    fake = root if root.name == "fake" else root / "fake"
    if not fake.is_dir():
        raise BadCorpus(f"no folder {fake}; expected fake/LANGUAGE/SYSTEM/meta.csv of MLAAD")
    base = fake.parent
    version = version or _version(base)
    looked = [reals] if reals else [base / name if name else base for name in _REALS]
    human = next((found for place in looked if (found := _read_m_ailabs(place))), None)
    if human is None:
        raise BadCorpus(
            "MLAAD holds no bona fide speech; put M-AILABS (LANGUAGE/by_book/…) beside it, for example as "
            f"{base / 'm-ailabs'}. Looked in: {', '.join(map(str, looked))}"
        )
    lines: dict[Path, list[int]] = {}
    spoofs = list(_read_fakes(fake, version, lines))
    trials = [*human, *spoofs]
    if languages == "shared":
        both = {t.language for t in human} & {t.language for t in spoofs}
        trials = [t for t in trials if t.language in both]
        if not trials:
            raise BadCorpus(
                f"no language has both classes: bona fide {sorted({t.language for t in human})}, "
                f"spoof {sorted({t.language for t in spoofs})}"
            )
    return checked(trials, root, both=True, require_audio=require_audio)


@corpus(name="m-ailabs")
def m_ailabs(root: Path, *, require_audio: bool = True) -> list[Trial]:
    """M-AILABS: audiobook readings, bona fide only (LOCALE/by_book/GENDER/SPEAKER/BOOK/wavs).

    root: the folder that holds en_US, de_DE …, or one of them. Each book's metadata.csv (pipes, no quotes) lists its
    clips; where there is none, the files do. speaker is "" for books read by several people (mix). One class only:
    for audits and training, or beside MLAAD. Raises BadCorpus.
    """
    return checked(_read_m_ailabs(root), root, require_audio=require_audio)


def _read_m_ailabs(root: Path) -> list[Trial]:
    trials: list[Trial] = []
    locales = [root] if (root / "by_book").is_dir() else []
    locales += sorted(p.parent for p in root.glob("*/by_book")) if root.is_dir() else []
    for locale in locales:
        language = locale.name.split("_")[0].lower()
        for wavs in _wav_folders(locale / "by_book"):
            where = wavs.parent.relative_to(locale / "by_book").parts
            mixed = where[0] == "mix" or len(where) < 3
            for name in _clips(wavs):
                trials.append(
                    Trial(
                        id=f"{locale.name}/{'/'.join(where)}/{Path(name).stem}",
                        path=wavs / name,
                        label="bonafide",
                        speaker="" if mixed else f"{locale.name}-{where[1]}",
                        language=language,
                        source="m-ailabs",
                        pair=Path(name).stem,
                        attributes={"gender": where[0], "book": where[-1]},
                    )
                )
    return trials


def _wav_folders(top: Path) -> Iterator[Path]:
    for folder, inner, _ in os.walk(top):
        if "wavs" in inner:
            yield Path(folder) / "wavs"
            inner.remove("wavs")
        inner.sort()


def _clips(wavs: Path) -> list[str]:
    listed = wavs.parent / "metadata.csv"
    if not listed.exists():
        return sorted(p.name for p in wavs.iterdir() if p.suffix.lower() in AUDIO_ENDINGS)
    names = (line.split("|", 1)[0].strip() for _, line in text_lines(listed))
    return [name if Path(name).suffix.lower() in AUDIO_ENDINGS else f"{name}.wav" for name in names]


def _read_fakes(fake: Path, version: str, lines: dict[Path, list[int]]) -> Iterator[Trial]:
    metas = sorted(fake.glob("*/*/meta.csv"))
    if not metas:
        raise BadCorpus(f"no meta.csv under {fake}; expected fake/LANGUAGE/SYSTEM/meta.csv")
    for path in metas:
        header, rows = table(path, delimiter="|", quoted=False)
        require(header, ("path", "original_file", "language", "model_name"), path)
        numbers = lines.setdefault(path, [])
        for number, row in rows:
            name = row["path"].strip().replace("\\", "/").rsplit("/", 1)[-1]
            if not name:
                raise BadCorpus(f"{path}, line {number}: the path is empty")
            facts = {key: value.strip() for key, value in row.items() if key and key not in _SKIP}
            if "is_original_language" in facts:
                facts["is_original_language"] = _truth(facts["is_original_language"], path, number)
            if version:
                facts["version"] = version
            yield Trial(
                id=f"{path.parent.parent.name}/{path.parent.name}/{Path(name).stem}",
                path=path.parent / name,
                label="spoof",
                attack=path.parent.name,
                language=(blank(row["language"]) or path.parent.parent.name).lower(),
                source="mlaad",
                pair=Path(row["original_file"].strip().replace("\\", "/")).stem,
                attributes=facts,
            )
            numbers.append(number)


def _truth(text: str, path: Path, number: int) -> str:
    word = text.lower()
    if word not in {"true", "1", "false", "0"}:
        raise BadCorpus(
            f"{path}, line {number}: is_original_language is {text!r}; expected True, False, 1 or 0"
        )
    return "true" if word in {"true", "1"} else "false"


def _version(base: Path) -> str:
    found = re.search(r"v\d+", base.absolute().name.lower())
    return found.group(0) if found else ""
