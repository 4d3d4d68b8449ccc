"""One condition applied to one clip: the single place where chains, streams and margins are put together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from . import registry
from .audio import Pad, window
from .errors import BadAudio, BadPlan, MissingPart, SpoofproofError
from .streams import stream
from .types import Clip, Condition, CorruptionSpec

_SPARE = 0.25  # seconds decoded beyond the longest need: no condition hears where the resampler's input ends


def corrupt(clip: Clip, condition: Condition | str, *, key: str = "", seed: int = 0) -> Clip:
    """Apply ``condition`` ("mp3@8", "reverb@0.5+opus@12", "clean") to a clip.

    key: names the clip (its trial id); with ``seed`` and each step's name it fixes every random draw. A corruption
    that occurs twice in a chain draws from two streams.

    Raises BadPlan or UnknownName for a bad condition, MissingPart when a codec or its weights are not installed,
    SpoofproofError when a corruption breaks its contract. It never returns clean audio because something failed.
    """
    chain = steps(condition)
    for index, (spec, level) in enumerate(chain):
        missing = spec.available()
        if missing:
            raise MissingPart(f"{spec.name} cannot run here: {missing}")
        again = sum(other.name == spec.name for other, _ in chain[:index])
        rng = stream(seed, key, spec.name if not again else f"{spec.name}#{again}")
        try:
            out = spec.run(clip, level, rng)
        except BadAudio as error:
            raise BadAudio(f"{spec.name}@{spec.show_level(level)} gave unusable audio: {error}") from error
        if not isinstance(out, Clip):
            raise SpoofproofError(f"{spec.name} must return a Clip, not {type(out).__name__}")
        if out.rate != clip.rate:
            raise SpoofproofError(
                f"{spec.name} changed the sampling rate from {clip.rate} to {out.rate} Hz; a corruption keeps it"
            )
        clip = out
    return clip


def steps(condition: Condition | str) -> list[tuple[CorruptionSpec, float]]:
    """The chain as (spec, level) pairs. Raises UnknownName, BadPlan."""
    if isinstance(condition, str):
        condition = Condition.parse(condition)
    specs = [registry.corruptions[ref.name] for ref in condition.steps]
    return [(spec, spec.parse_level(ref.arg)) for spec, ref in zip(specs, condition.steps, strict=True)]


def check_levels(condition: Condition | str) -> None:
    """Raises BadPlan for a level that a corruption refuses, before anything is begun; UnknownName, BadPlan for a bad text.

    A level that is none of the published ones is tried on half a second of noise, where its corruption can run here. Any other
    failure is no matter of the level: the clips that meet it will say so.
    """
    for spec, level in steps(condition):
        if spec.levels and level not in spec.levels and not spec.available():
            try:
                try_level(spec, level)
            except BadPlan:
                raise
            except Exception:
                pass


def try_level(spec: CorruptionSpec, level: float) -> None:
    """Run a corruption at any level on half a second of noise at 16 kHz. Raises what it raises: BadPlan for a level that it
    does not take."""
    noise = 0.1 * stream(0, "level", spec.name).standard_normal(8_000)
    spec.run(Clip(noise.astype(np.float32), 16_000), level, stream(0, "level", spec.name, "run"))


def missing_for(condition: Condition | str) -> str:
    """Why this condition cannot run here, with the way to mend it; "" when it can."""
    return "; ".join(dict.fromkeys(filter(None, (spec.available() for spec, _ in steps(condition)))))


def seconds_needed(condition: Condition | str, seconds: float) -> float:
    """Input in seconds that ``condition`` consumes to fill ``seconds`` of output, margins included."""
    need = seconds
    for spec, level in reversed(steps(condition)):
        need = need * (spec.consumes(level) if spec.consumes else 1.0) + spec.margin
    return need


def decoded_seconds(conditions: Iterable[Condition | str], seconds: float) -> float:
    """How much of a file is decoded for a run that fills windows of ``seconds``: the longest need, and a little more."""
    return max(seconds_needed(condition, seconds) for condition in conditions) + _SPARE


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A trial under a condition. window: what every detector hears. clean, corrupted: input and output before the
    cut, for measuring what the condition really did (their lengths differ under a time stretch)."""

    window: Clip
    clean: Clip
    corrupted: Clip


def hear(clean: Clip, condition: Condition | str, *, key: str, seed: int, samples: int, pad: Pad) -> Heard:
    """Corrupt the scoring window and the margin it needs, then cut.

    clean: the decoded clip at the plan's rate, at least ``seconds_needed`` long where the file is. key: the trial's
    id. samples, pad: the scoring window. Raises what ``corrupt`` raises.
    """
    need = math.ceil(seconds_needed(condition, samples / clean.rate) * clean.rate)
    clean = Clip(clean.samples[:need], clean.rate)
    corrupted = corrupt(clean, condition, key=key, seed=seed)
    return Heard(window(corrupted, samples, pad), clean, corrupted)
