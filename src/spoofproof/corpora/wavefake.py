"""WaveFake (Frank & Schönherr, NeurIPS 2021 Datasets) with the recordings it was made from: LJSpeech and JSUT."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import BadCorpus
from ..registry import corpus
from ..types import Part, Trial
from .protocol import AUDIO_ENDINGS, checked, first_that_exists

_SENTENCE = re.compile(r"LJ\d{3}-\d{4}|BASIC5000_\d{4}")
_VOICES = {"ljspeech": ("LJ", "en"), "jsut": ("JSUT", "ja")}
_REAL = {
    "ljspeech": ("LJSpeech-1.1/wavs", "LJSpeech/wavs", "wavs"),
    "jsut": ("jsut_ver1.1/basic5000/wav", "JSUT/basic5000/wav", "basic5000/wav"),
}


@corpus(name="wavefake")
def wavefake(
    root: Path, *, shares: tuple[float, float] = (0.7, 0.1), seed: int = 0, require_audio: bool = True
) -> list[Trial]:
    """WaveFake with LJSpeech (and JSUT where it is there): one voice, the same sentences real and vocoded.

    root: the folder that holds generated_audio/{ljspeech_*,jsut_*}/… and LJSpeech-1.1/wavs (jsut_ver1.1/…), because
    WaveFake itself holds no bona fide speech. pair is the sentence. The parts are disjoint in sentence: a hash of
    ``seed`` and the sentence sends ``shares`` of them to train and dev, the rest to eval, wherever the files lie. A
    folder whose voice has no bona fide recordings here is left out. Raises BadCorpus.
    """
    fakes = first_that_exists(
        [root / "generated_audio", root / "WaveFake" / "generated_audio"], "generated_audio"
    )
    trials: list[Trial] = []
    for voice, (speaker, language) in _VOICES.items():
        real = next((root / name for name in _REAL[voice] if (root / name).is_dir()), None)
        folders = [f for f in sorted(fakes.iterdir()) if f.is_dir() and _voice_of(f.name) == voice]
        if real is None or not folders:
            continue
        for folder, attack in [(real, ""), *((f, _attack(f.name, voice)) for f in folders)]:
            for path in _files(folder):
                sentence = _sentence(path.stem)
                trials.append(
                    Trial(
                        id=f"{attack or 'real'}/{path.stem}",
                        path=path,
                        label="spoof" if attack else "bonafide",
                        speaker=speaker,
                        attack=attack,
                        language=language,
                        source=f"wavefake-{voice}",
                        pair=sentence,
                        part=part_of(sentence, shares, seed),
                        attributes={},
                    )
                )
    if not trials:
        raise BadCorpus(
            f"{fakes} holds no generated folder with bona fide speech beside it; put LJSpeech there as "
            f"{root / _REAL['ljspeech'][0]} (for ljspeech_*) or JSUT as {root / _REAL['jsut'][0]} (for jsut_*)"
        )
    return checked(trials, root, both=True, require_audio=require_audio)


def part_of(sentence: str, shares: Sequence[float] = (0.7, 0.1), seed: int = 0) -> Part:
    """Part of a sentence from a hash of it: the same on every machine, whatever other files are there."""
    digest = hashlib.sha256(f"{seed}:{sentence}".encode()).digest()
    u = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if u < shares[0] else "dev" if u < shares[0] + shares[1] else "eval"


def _voice_of(folder: str) -> str:
    return next((voice for voice in _VOICES if folder.startswith(voice) or folder.endswith(f"_{voice}")), "")


def _attack(folder: str, voice: str) -> str:
    return folder.removeprefix(f"{voice}_").removesuffix(f"_{voice}")


def _sentence(stem: str) -> str:
    found = _SENTENCE.search(stem)
    return found.group(0) if found else stem.removesuffix("_gen").removesuffix("_generated")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in AUDIO_ENDINGS)
