"""Text-to-speech engines that may be on the machine: formant (espeak-ng), statistical (flite), HMM or diphone (festival).

They are free, old, and run as programs; none is installed here, and the record says which were found.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..audio import open_audio
from ..errors import BadAudio, BadCorpus
from ..types import Clip
from .channel import RATE, active_span

STRETCH = (0.75, 1.35)  # how far an engine may speak faster or slower than it would, to meet a duration


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that is here. attack: its name in the corpus. voices: its voice for each language. version: as it says.

    command(text file, voice, stretch, out file): the program's arguments.
    """

    attack: str
    version: str
    voices: Mapping[str, str]
    command: Callable[[Path, str, float, Path], Sequence[str]]

    def speak(self, text: str, language: str, stretch: float = 1.0) -> Clip:
        """Say it, as a clip at 16 kHz; stretch: > 1 is slower. Raises BadCorpus when the engine fails."""
        with tempfile.TemporaryDirectory(prefix="spoofproof-") as name:
            place = Path(name)
            source, out = place / "text.txt", place / "speech.wav"
            source.write_text(text + "\n", encoding="utf-8")
            said = _run(self.command(source, self.voices[language], stretch, out))
            try:
                clip = open_audio(out, rate=RATE)
            except BadAudio as error:
                raise BadCorpus(
                    f"{self.attack} is installed and does not speak: {said or error}. Mend it, or remove it, and the "
                    "corpus is built without it."
                ) from None
        start, stop = active_span(clip.samples)
        if stop == start:
            raise BadCorpus(f"{self.attack} spoke only silence for {text!r}; mend or remove it")
        return clip.replace(clip.samples[max(0, start - RATE // 10) : stop + RATE // 10])

    def speak_for(self, text: str, language: str, seconds: float) -> Clip:
        """Say it in so many seconds from the first sound to the last, as near as STRETCH allows."""
        once = self.speak(text, language)
        start, stop = active_span(once.samples)
        stretch = min(max(seconds * RATE / (stop - start), STRETCH[0]), STRETCH[1])
        return self.speak(text, language, stretch)


def engines() -> tuple[list[Engine], dict[str, str]]:
    """(the engines that are here, what to say of each: its version, or that it is not installed)."""
    found, said = [], {}
    for name, look in _LOOK.items():
        engine = look()
        said[name] = (
            f"{engine.version}, voices {', '.join(sorted(set(engine.voices.values())))}"
            if engine
            else "not installed"
        )
        if engine:
            found.append(engine)
    return found, said


def _espeak() -> Engine | None:
    if not shutil.which("espeak-ng"):
        return None
    known = set(re.findall(r"^\s*\d+\s+(\S+)", _run(["espeak-ng", "--voices"]), re.MULTILINE))
    wanted = {"en": "en-us", "es": "es-419", "fr": "fr-fr", "it": "it", "ru": "ru"}
    voices = {language: voice for language, voice in wanted.items() if voice in known}
    version = _version(_run(["espeak-ng", "--version"]))

    def command(text: Path, voice: str, stretch: float, out: Path) -> list[str]:
        return ["espeak-ng", "-v", voice, "-s", str(round(175 / stretch)), "-f", str(text), "-w", str(out)]

    return Engine("espeak-ng", version, voices, command) if voices else None


def _flite() -> Engine | None:
    if not shutil.which("flite"):
        return None
    known = _run(["flite", "-lv"]).split()
    voice = next((voice for voice in ("slt", "rms", "awb", "kal16") if voice in known), "")

    def command(text: Path, voice: str, stretch: float, out: Path) -> list[str]:
        return [
            "flite",
            "-voice",
            voice,
            "--setf",
            f"duration_stretch={stretch:.3f}",
            "-f",
            str(text),
            "-o",
            str(out),
        ]

    return Engine("flite", _version(_run(["flite", "--version"])), {"en": voice}, command) if voice else None


def _festival() -> Engine | None:
    if not shutil.which("festival") or not shutil.which("text2wave"):
        return None
    known = re.findall(r"[A-Za-z0-9_]+", _run(["festival", "-b", "(print (voice.list))"]))
    voice = next((voice for voice in known if voice.endswith("_hts")), "")
    voice = voice or next((voice for voice in known if "diphone" in voice), "")

    def command(text: Path, voice: str, stretch: float, out: Path) -> list[str]:
        if voice.endswith("_hts"):  # the HTS engine has a speed of its own, and passes over Duration_Stretch
            pace = f'(set! hts_engine_params (append hts_engine_params (list (list "-r" {1 / stretch:.3f}))))'
        else:
            pace = f"(Parameter.set 'Duration_Stretch {stretch:.3f})"
        set_up = f"(begin (voice_{voice}) {pace})"
        return ["text2wave", "-eval", set_up, "-o", str(out), str(text)]

    kind = "festival-hts" if voice.endswith("_hts") else "festival-diphone"
    return Engine(kind, _version(_run(["festival", "--version"])), {"en": voice}, command) if voice else None


_LOOK: Mapping[str, Callable[[], Engine | None]] = {
    "espeak-ng": _espeak,
    "flite": _flite,
    "festival": _festival,
}


def _version(said: str) -> str:
    number = re.search(r"\d+(\.\d+)+", said)
    return number.group() if number else "version unknown"


def _run(command: Sequence[str]) -> str:
    """What a program says. Raises BadCorpus when it cannot be run or takes more than a minute."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadCorpus(f"{command[0]} is installed and does not run: {error}. Mend or remove it.") from None
    return (done.stdout + done.stderr).strip()
