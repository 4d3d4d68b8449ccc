"""Human speech for the built-in corpus: Debian's recorded voice prompts, or any folder of speech.

Debian's packages ``asterisk-core-sounds-{en,es,fr,it,ru}-g722`` hold the prompts of a telephone exchange, read by
four professional voices (Creative Commons licences): G.722 at 64 kbit/s, 16 kHz. apt fetches them from the sources the
machine already has, and checks them against the signed lists; nothing is installed and root is not needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..audio import open_audio
from ..errors import BadAudio, BadCorpus
from ..types import Clip
from .channel import RATE, decode_g722
from .protocol import audio_files

Progress: TypeAlias = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording of a person. key: unique, fit for a file name. group: a language or a speaker, sampled evenly."""

    key: str
    path: Path
    speaker: str
    language: str
    group: str


@dataclass(frozen=True, slots=True)
class Speech:
    """Where the human speech comes from.

    coded: whether it has been through G.722 already. identity: changes when the recordings change. facts: for the
    record. dev: the speakers that belong to the development part; () where the sentences are split instead.
    """

    name: str
    utterances: tuple[Utterance, ...]
    coded: bool
    identity: str
    facts: Mapping[str, Any]
    dev: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Package:
    language: str
    speaker: str
    licence: str

    @property
    def name(self) -> str:
        return f"asterisk-core-sounds-{self.language}-g722"


PACKAGES = (
    _Package("en", "allison-smith", "CC-BY-SA-3.0"),
    _Package("es", "allison-smith", "CC-BY-SA-3.0"),
    _Package("fr", "june-wallack", "CC-BY-SA-3.0"),
    _Package("it", "carlo-flora", "CC-BY-3.0"),
    _Package("ru", "ivrvoice-ru", "CC-BY-3.0"),
)
DEV_SPEAKERS = ("june-wallack", "ivrvoice-ru")
_NOT_SENTENCES = frozenset(
    {"digits", "letters", "phonetic", "silence"}
)  # folders of single words, letters, nothing
_NOT_SPEECH = frozenset(
    {"beep", "beeperr", "ascending-2tone", "descending-2tone", "tt-monkeys"}
)  # tones, and apes

BOTH_WAYS = (
    "The built-in corpus needs human speech, in one of two ways: on Debian or Ubuntu it fetches recorded prompts with "
    "apt-get and dpkg-deb (no root needed); anywhere else name a folder of human speech: --speech DIR, or "
    "SPOOFPROOF_SPEECH=DIR."
)


def cache_root() -> Path:
    """The user's cache: SPOOFPROOF_CACHE, else spoofproof/ in XDG_CACHE_HOME, else in ~/.cache."""
    named = os.environ.get("SPOOFPROOF_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "spoofproof"


def open_utterance(utterance: Utterance, coded: bool) -> Clip:
    """The recording at 16 kHz, mono. coded: raw G.722 without a header. Raises BadAudio."""
    if not coded:
        return open_audio(utterance.path, rate=RATE)
    try:
        data = utterance.path.read_bytes()
    except OSError as error:
        raise BadAudio(f"cannot read {utterance.path}: {error.strerror}") from None
    return Clip(decode_g722(data), RATE)


def debian_prompts(progress: Progress) -> Speech:
    """The prompts from the user's cache, fetched first where they are not there.

    Raises BadCorpus, saying both ways to get human speech, when apt is missing or fails.
    """
    folder = cache_root() / "prompts"
    missing = [package for package in PACKAGES if not (folder / package.name / "package.json").is_file()]
    if missing:
        _fetch(missing, folder, progress)
    utterances: list[Utterance] = []
    records = []
    for package in PACKAGES:
        root = folder / package.name
        records.append(json.loads((root / "package.json").read_text(encoding="utf-8")))
        for path in sorted(root.rglob("*.g722"), key=lambda path: path.relative_to(root).as_posix()):
            if path.parent.name in _NOT_SENTENCES or path.stem in _NOT_SPEECH:
                continue
            inner = path.parent.name if path.parent.name in ("dictate", "followme") else ""
            key = "-".join(filter(None, (package.language, inner, path.stem)))
            utterances.append(Utterance(key, path, package.speaker, package.language, package.language))
    return Speech(
        name="Debian asterisk-core-sounds (G.722)",
        utterances=tuple(utterances),
        coded=True,
        identity=json.dumps([record["sha256"] for record in records]),
        facts={"packages": records, "voices": sorted({package.speaker for package in PACKAGES})},
        dev=DEV_SPEAKERS,
    )


def folder_speech(root: Path) -> Speech:
    """Any folder of human speech. Folders directly inside it are speakers; without such, or with one, nobody is named.

    With speakers, some of them (sorted, every third from the second on) are the development part, else a third of the sentences is.
    Raises BadCorpus when there is no audio.
    """
    if not root.is_dir():
        raise BadCorpus(f"no such folder of human speech: {root}. {BOTH_WAYS}")
    files = audio_files(root)
    if not files:
        raise BadCorpus(f"{root} holds no audio files. {BOTH_WAYS}")
    names = [path.relative_to(root) for path in files]
    speakers = sorted({name.parts[0] for name in names if len(name.parts) > 1})
    if len(speakers) < 2:
        speakers = []
    utterances = []
    listing = hashlib.sha256()
    for name, path in zip(names, files, strict=True):
        stat = path.stat()
        listing.update(f"{name.as_posix()}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
        speaker = name.parts[0] if speakers and len(name.parts) > 1 else ""
        utterances.append(Utterance(_key(name), path, speaker, "", speaker))
    return Speech(
        name="folder of human speech",
        utterances=tuple(utterances),
        coded=False,
        identity=listing.hexdigest(),
        facts={"files": len(files), "voices": speakers or ["not named"]},
        dev=tuple(speakers[1::3]),
    )


def _key(name: Path) -> str:
    """A file name that no other path below the root has: its stem, and eight digits of the whole path's hash."""
    stem = "".join(c if c.isalnum() and c.isascii() else "-" for c in name.stem)[:40]
    return f"{stem}-{hashlib.sha256(name.as_posix().encode()).hexdigest()[:8]}"


def _fetch(packages: list[_Package], folder: Path, progress: Progress) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise BadCorpus(f"apt-get and dpkg-deb are not on this machine. {BOTH_WAYS}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as name:
            place = Path(name)
            names = [package.name for package in packages]
            progress(0, len(names), "fetching recorded prompts (55 MB in all)")
            _download(names, place)
            for done, package in enumerate(packages, 1):
                _unpack(package, place, folder)
                progress(done, len(names), f"unpacked {package.name}")
    except OSError as error:
        raise BadCorpus(
            f"cannot keep the recorded prompts in {folder}: {error.strerror or error}. Free some space, or name another "
            "cache: SPOOFPROOF_CACHE=DIR."
        ) from error


def _download(names: list[str], place: Path) -> None:
    """``apt-get download`` with the machine's package lists; where they are missing or stale, with fresh ones of our own."""
    first = _run(["apt-get", "-q", "download", *names], place)
    if first is None:
        return
    for inner in ("lists/partial", "cache/archives/partial"):
        (place / inner).mkdir(parents=True, exist_ok=True)
    own = ["-o", f"Dir::State::Lists={place / 'lists'}", "-o", f"Dir::Cache={place / 'cache'}"]
    # Run by root, apt would step down to a user of its own, who may not write into a private cache.
    own += ["-o", "APT::Sandbox::User=root"]
    second = _run(["apt-get", "-q", *own, "update"], place) or _run(
        ["apt-get", "-q", *own, "download", *names], place
    )
    if second is not None:
        raise BadCorpus(
            f"apt cannot fetch {names[0]}{' and others' if len(names) > 1 else ''}: {second}. {BOTH_WAYS}"
        )


def _unpack(package: _Package, place: Path, folder: Path) -> None:
    found = sorted(place.glob(f"{package.name}_*.deb"))
    if not found:
        raise BadCorpus(f"apt said that it fetched {package.name}, and there is no such file. {BOTH_WAYS}")
    whole, root = place / package.name, folder / package.name
    failed = _run(["dpkg-deb", "-x", str(found[0]), str(whole)], place)
    if failed is not None:
        raise BadCorpus(f"{package.name} cannot be unpacked: {failed}. {BOTH_WAYS}")
    record = {
        "package": package.name,
        "version": found[0].name.split("_")[1].replace("%3a", ":"),
        "sha256": hashlib.sha256(found[0].read_bytes()).hexdigest(),
        "licence": package.licence,
        "language": package.language,
        "speaker": package.speaker,
    }
    (whole / "package.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    if not (root / "package.json").is_file():  # else another run was faster
        shutil.rmtree(root, ignore_errors=True)
        whole.rename(root)


def _run(command: list[str], place: Path) -> str | None:
    """None when it went well, else what it said last."""
    try:
        done = subprocess.run(
            command,
            cwd=place,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} took more than five minutes"
    if done.returncode == 0:
        return None
    said = [line for line in done.stderr.strip().splitlines() if line.startswith("E:")] or [
        f"exit code {done.returncode}"
    ]
    return f"{command[0]} says: {said[-1]}"
