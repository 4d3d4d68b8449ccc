"""The built-in corpus, made on the spot: real human speech, its copies by vocoders, and old text-to-speech.

A folder in the user's cache holds one build: audio/ID.flac, facts.json, and manifest.json, written last. Its name is
the digest of the recipe; whatever is there already is kept, so an interrupted build goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from .. import shipped
from ..audio import open_audio, whole_file
from ..errors import BadCorpus
from ..registry import corpus
from ..streams import stream
from ..types import Clip, Trial
from . import channel
from .casting import COPIES, DEV_SHARE, LONGEST, SHORTEST, TTS_SHARE, Role, cast, choose, hear
from .prompts import Progress, Speech, cache_root, debian_prompts, folder_speech
from .tts import STRETCH, Engine, engines
from .vocoders import VOCODERS

SIZE = 60
_MODULES = ("builtin", "casting", "channel", "neural_vocoder", "prompts", "sentences", "source_filter", "tts", "vocoders")  # fmt: skip
_LIBRARIES = ("numpy", "scipy", "soxr", "soundfile", "av", "onnxruntime")

LIMITS = (
    "Few voices: what differs between detectors here may be what differs between four people.",
    "Mostly old synthesis: four signal-processing vocoders, one small neural one, and the engines that are free on a "
    "Linux machine. A detector that finds these need not find a modern deepfake, and one that misses these may still "
    "find others.",
    "Copies keep the words, timing and melody of a person: only the traces of the waveform's making are tested.",
    "Everything went through G.722 twice and is limited to 60-7000 Hz: 'clean' here means a good wideband telephone.",
    "The prompts are read by professionals in a studio: no rooms, no noise, no emotion, no children.",
    "Thresholds frozen on the development part come from other voices and languages than they are used on.",
)


@corpus()
def builtin(
    root: Path | None = None,
    *,
    size: int = SIZE,
    seed: int = 0,
    speech: Path | None = None,
    progress: Callable[..., None] | None = None,
) -> list[Trial]:
    """Human speech in five languages from Debian's voice prompts, its copies by five vocoders, and TTS where installed.

    root or speech (or SPOOFPROOF_SPEECH): a folder of human speech instead of the prompts. size: human sentences of
    the evaluation part, as many as there are at most; the development part, disjoint in sentence and in speaker where speakers are
    known, has two thirds of that; every sentence has 1.67 copies. progress(done, total, text).

    The first call fetches and builds (a minute); later ones read the cache (SPOOFPROOF_CACHE). The same recordings,
    engines and library versions give the same bytes: see ``builtin_facts(trials)["digest"]``.

    Raises BadCorpus when there is no human speech, saying both ways to get it, and RunConflict on a full disk.
    """
    if size < 1:
        raise BadCorpus(
            f"the size is the number of human sentences in the evaluation part, at least 1, not {size}"
        )
    tell = progress or _quiet
    named = root or speech or os.environ.get("SPOOFPROOF_SPEECH") or None
    human = folder_speech(Path(named).expanduser()) if named else debian_prompts(tell)
    speakers, said = engines()
    recipe = _recipe(human, said, size, seed)
    folder = cache_root() / "builtin" / _digest(recipe)[:16]
    manifest = folder / "manifest.json"
    if manifest.is_file():
        trials = _read(manifest)
        if all(trial.path.is_file() for trial in trials):
            return trials
    sentences, drawn = choose(human, size, seed)
    roles = cast(sentences, speakers)
    sums = _make(roles, human, speakers, folder / "audio", seed, tell)
    rows = [_row(role, human, sums[role.id]) for role in roles]
    facts = _facts(human, said, recipe, drawn, rows)
    _write(folder / "facts.json", facts)
    _write(manifest, rows)
    return _read(manifest)


def builtin_facts(trials: Sequence[Trial]) -> dict[str, Any]:
    """What the built-in corpus is made of, for the record: sources, versions, licences, digest, recipe and limits.

    Raises BadCorpus for trials of another corpus.
    """
    path = trials[0].path.parent.parent / "facts.json" if trials else Path("facts.json")
    if not trials or not path.is_file():
        raise BadCorpus("these trials are not of the built-in corpus; read it with read_corpus('builtin')")
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def _make(
    roles: Sequence[Role],
    human: Speech,
    speakers: Sequence[Engine],
    folder: Path,
    seed: int,
    tell: Progress,
) -> dict[str, str]:
    """Make what is missing, one recording after the other. Returns the SHA-256 of each trial's 16-bit samples."""
    engine = {each.attack: each for each in speakers}
    sums: dict[str, str] = {}
    by_recording: dict[str, list[Role]] = {}
    for role in roles:
        by_recording.setdefault(role.sentence.of.key, []).append(role)
    for of in by_recording.values():
        source: tuple[Clip, float] | None = None
        for role in of:
            path = folder / f"{role.id}.flac"
            if path.is_file():
                sums[role.id] = _sum(open_audio(path))
            else:
                source = source or _source(of[0], human)
                made = _one(role, *source, engine, seed)
                _save(made, path)
                sums[role.id] = _sum(made)
            tell(len(sums), len(roles), role.id)
    return sums


def _source(role: Role, human: Speech) -> tuple[Clip, float]:
    """The recording after its first pass of G.722, and its level in dBFS."""
    clip = hear(role.sentence.of, human.coded)
    level = channel.active_level(clip.samples)
    return (clip if human.coded else channel.as_recorded(clip, level)), level


def _one(role: Role, source: Clip, level: float, engine: Mapping[str, Engine], seed: int) -> Clip:
    rng = stream(seed, "channel", role.id)
    if role.label == "bonafide":
        return channel.send(source, rng)
    if role.text:
        made = engine[role.attack].speak_for(role.text, role.language, role.sentence.seconds)
    else:
        made = VOCODERS[role.attack](source, stream(seed, "vocoder", role.id))
    return channel.send(channel.as_recorded(channel.coloured(made, source), level), rng)


def _save(clip: Clip, path: Path) -> None:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, _pcm(clip), clip.rate, format="FLAC", subtype="PCM_16")
    with whole_file(path) as out:
        out.write(buffer.getvalue())


def _pcm(clip: Clip) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.round(clip.samples * 32768.0).clip(-32768, 32767).astype(np.int16)


def _sum(clip: Clip) -> str:
    return hashlib.sha256(_pcm(clip).tobytes()).hexdigest()


def _row(role: Role, human: Speech, checksum: str) -> dict[str, str]:
    return {
        "id": role.id,
        "label": role.label,
        "part": role.sentence.part,
        "attack": role.attack,
        "speaker": role.speaker,
        "language": role.language,
        "source": role.attack if role.text else human.name,
        "pair": role.pair,
        "sha256": checksum,
    }


def _read(manifest: Path) -> list[Trial]:
    rows = json.loads(manifest.read_text(encoding="utf-8"))
    audio = manifest.parent / "audio"
    trials = []
    for row in rows:
        fields = {key: value for key, value in row.items() if key != "sha256"}
        trials.append(Trial(path=audio / f"{row['id']}.flac", **fields))
    return trials


def _write(path: Path, data: object) -> None:
    with whole_file(path) as out:
        out.write((json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())


def _recipe(human: Speech, said: Mapping[str, str], size: int, seed: int) -> dict[str, Any]:
    """All that the bytes depend on: the code as well, so that a build is never older than the program."""
    code = hashlib.sha256()
    for name in _MODULES:
        code.update((Path(__file__).parent / f"{name}.py").read_bytes().replace(b"\r\n", b"\n"))
    return {
        "size": size,
        "seed": seed,
        "speech": human.identity,
        "engines": dict(said),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "neural vocoder": shipped.sha256(shipped.weights("neural-vocoder", ".onnx", "")),
        "code": code.hexdigest()[:16],
    }


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _facts(
    human: Speech,
    said: Mapping[str, str],
    recipe: Mapping[str, Any],
    drawn: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    counts = Counter((row["part"], row["attack"] or "bonafide") for row in rows)
    return {
        "corpus": "builtin",
        "digest": _digest(sorted(tuple(sorted(row.items())) for row in rows)),
        "size": recipe["size"],
        "seed": recipe["seed"],
        "human speech": {"from": human.name, **human.facts},
        "counts": {
            part: {name: n for (p, name), n in counts.items() if p == part} for part in ("eval", "dev")
        },
        "selection": {
            **drawn,
            "sentence_seconds": [SHORTEST, LONGEST],
            "dev_share": round(DEV_SHARE, 4),
            "copies_of_a_sentence": round(COPIES, 4),
            "texts_of_an_engine_per_sentence": round(TTS_SHARE, 4),
            "dev_speakers": list(human.dev) or "not named: split by sentence",
        },
        "vocoders": {name: (run.__doc__ or "").split("\n")[0] for name, run in VOCODERS.items()},
        "text-to-speech": {**said, "stretch": list(STRETCH)},
        "channel": dict(channel.RECIPE),
        "libraries": recipe["libraries"],
        "code": recipe["code"],
        "can show": "whether detectors stand up to corruptions on the same clips, and in which order, on speech by "
        "these vocoders and engines",
        "cannot show": list(LIMITS),
    }


def _quiet(done: int, total: int, text: str) -> None:
    return None
