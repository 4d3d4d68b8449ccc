"""Who says what in the built-in corpus: which recordings are taken, and which trials are made of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadAudio, BadCorpus
from ..streams import stream
from ..types import Clip, Label, Part, Samples
from .channel import FRAME, RATE, active_span
from .prompts import BOTH_WAYS, Speech, Utterance, open_utterance
from .sentences import texts
from .tts import Engine
from .vocoders import VOCODERS

SHORTEST, LONGEST = 1.2, 6.5  # s of a sentence, from its first sound to its last
_MARGIN = RATE // 10  # samples kept around the speech for the vocoders
COPIES = 5 / 3  # copy-syntheses for one human sentence
DEV_SHARE = 2 / 3  # sentences of the development part for one of the evaluation part
TTS_SHARE = 1 / 6  # sentences that each engine speaks for one human sentence


@dataclass(frozen=True, slots=True)
class Sentence:
    """A recording that was found fit. seconds: from first to last sound."""

    of: Utterance
    part: Part
    seconds: float


@dataclass(frozen=True, slots=True)
class Role:
    """A trial to be made: a human sentence, its copy by a vocoder, or another text by an engine of the same length."""

    id: str
    label: Label
    attack: str
    sentence: Sentence
    speaker: str
    language: str
    pair: str
    text: str = ""


def hear(utterance: Utterance, coded: bool) -> Clip:
    """The recording at 16 kHz with a tenth of a second around its speech; a long one up to a pause.

    Raises BadAudio when it is unreadable, silent or too short.
    """
    clip = open_utterance(utterance, coded)
    x = clip.samples
    start, stop = active_span(x)
    if stop - start < SHORTEST * RATE:
        raise BadAudio("too short")
    if stop - start > LONGEST * RATE:
        stop = start + _pause(x[start : start + int(LONGEST * RATE)])
    start = max(0, start - _MARGIN) // 2 * 2  # even: see FRAME in channel.py
    return clip.replace(x[start : stop + _MARGIN] if stop - start <= LONGEST * RATE else x[start:stop])


def choose(speech: Speech, size: int, seed: int) -> tuple[list[Sentence], dict[str, Any]]:
    """Sentences for the parts eval and dev, each drawn evenly from its groups (languages, or speakers), and what was left out.

    size: how many for eval; dev gets two thirds of that. Fewer where the recordings do not suffice. No sentence and, where
    speakers are named, no speaker is in both. Raises BadCorpus when a part is left without any.
    """
    chosen: list[Sentence] = []
    left: Counter[str] = Counter()
    wanted: dict[Part, int] = {"eval": size, "dev": max(1, round(size * DEV_SHARE))}
    known: set[str] = set()
    for part, most in wanted.items():
        groups: dict[str, list[Utterance]] = {}
        for utterance in speech.utterances:
            if _part(utterance, speech, seed) == part:
                groups.setdefault(utterance.group, []).append(utterance)
        lanes = [_fit(groups[name], speech.coded, part, seed, known, left) for name in sorted(groups)]
        taken: list[Sentence] = []
        while lanes and len(taken) < most:
            for lane in list(lanes):
                sentence = next(lane, None)
                if sentence is None:
                    lanes.remove(lane)
                elif len(taken) < most:
                    taken.append(sentence)
        if not taken:
            raise BadCorpus(
                f"no recording for the {part} part: of {len(speech.utterances)} in all, {_listed(left)}. A sentence has at "
                f"least {SHORTEST} s of speech. {BOTH_WAYS}"
            )
        chosen += taken
    return chosen, {"asked": dict(wanted), "left out": dict(left)}


def cast(sentences: Sequence[Sentence], engines: Sequence[Engine]) -> list[Role]:
    """All trials: each human sentence, its copies by the vocoders in turn, and what the engines say besides.

    Every vocoder gets equally many sentences of every group. A copy keeps the speaker of its sentence.
    """
    roles = [Role(s.of.key, "bonafide", "", s, s.of.speaker, s.of.language, s.of.key) for s in sentences]
    names = list(VOCODERS)
    for part in ("eval", "dev"):
        groups: dict[str, list[Sentence]] = {}
        for sentence in sentences:
            if sentence.part == part:
                groups.setdefault(sentence.of.group, []).append(sentence)
        made = 0
        for group in groups.values():
            for copy in range(round(len(group) * COPIES)):
                lap, i = divmod(copy, len(group))
                # Each in its turn; a step aside on the second lap where the first would come again.
                s, name = group[i], names[(made + lap * (len(group) % len(names) == 0)) % len(names)]
                made += 1
                roles.append(
                    Role(f"{s.of.key}--{name}", "spoof", name, s, s.of.speaker, s.of.language, s.of.key)
                )
        mine = [sentence for sentence in sentences if sentence.part == part]
        for engine in engines:
            roles += _spoken(engine, mine, round(len(mine) * TTS_SHARE))
    return roles


def _spoken(engine: Engine, mine: Sequence[Sentence], most: int) -> Iterator[Role]:
    """Each text once, for a sentence of its language whose length it takes; English where no language is named."""
    used: set[str] = set()
    for sentence in mine:
        language = sentence.of.language or "en"
        if len(used) >= most or language not in engine.voices:
            continue
        open_texts = {key: text for key, text in texts(language, sentence.part).items() if key not in used}
        if not open_texts:
            continue
        # About 14 characters a second; the engine is then asked to speak a little faster or slower.
        key = min(open_texts, key=lambda key: abs(len(open_texts[key]) / 14 - sentence.seconds))
        used.add(key)
        yield Role(
            id=f"text-{key}--{engine.attack}",
            label="spoof",
            attack=engine.attack,
            sentence=sentence,
            speaker=f"{engine.attack}:{engine.voices[language]}",
            language=language,
            pair=f"text-{key}",
            text=open_texts[key],
        )


def _part(utterance: Utterance, speech: Speech, seed: int) -> Part:
    if speech.dev:
        return "dev" if utterance.speaker in speech.dev else "eval"
    return "dev" if stream(seed, "part", utterance.key).random() < 0.4 else "eval"


def _fit(
    group: Sequence[Utterance], coded: bool, part: Part, seed: int, known: set[str], left: Counter[str]
) -> Iterator[Sentence]:
    """The fit ones of a group, in an order drawn by the seed."""
    ordered = sorted(group, key=lambda utterance: utterance.key)
    rng = stream(seed, "choose", part, ordered[0].group)
    for i in rng.permutation(len(ordered)):
        try:
            clip = hear(ordered[i], coded)
        except BadAudio as error:
            left["too short" if str(error) == "too short" else "unreadable"] += 1
            continue
        sound = hashlib.sha256(clip.samples.tobytes()).hexdigest()
        if sound in known:
            left["the same sound twice"] += 1
            continue
        known.add(sound)
        start, stop = active_span(clip.samples)
        yield Sentence(ordered[i], part, (stop - start) / RATE)


def _pause(x: Samples) -> int:
    """Where to end: the middle of the quietest 150 ms in the second half of x, in whole frames."""
    power = np.square(x[: x.size // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)).mean(axis=1)
    smooth = np.convolve(power, np.ones(15) / 15, "same")
    half = power.size // 2
    return int(half + np.argmin(smooth[half : power.size - 8])) * FRAME


def _listed(left: Counter[str]) -> str:
    return ", ".join(f"{n} {why}" for why, n in sorted(left.items())) or "none was tried"
