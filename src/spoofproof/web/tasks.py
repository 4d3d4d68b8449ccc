"""What a worker does with a recording: the same library calls as the command line, with a limit on its length.

A task is ``task(folder, options, judge) -> JSON``; the recording is ``folder``/in, a file that it makes is ``folder``/out.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ..audio import open_audio
from ..corrupt import corrupt as apply
from ..corrupt import steps
from ..corruptions.measure import distortion
from ..detect.answer import Answer
from ..detect.judge import Judge, judge
from ..errors import BadAudio, BadPlan
from ..shipped import DETECTOR
from ..types import Clip, Condition

_STEPS = 4  # of a chain of corruptions
_FULL = 32_767
_RATE = 16_000
_TOO_LONG = "the longest that is allowed"  # as detect says it


class TooLong(BadAudio):
    """A recording that is longer than this task takes."""


def load(detector: str, table: str = "") -> Judge:
    """The detector, ready: loaded, and asked once. table: path of its abstention table, "" for the shipped one.

    Raises SpoofproofError when there is no such detector, or nothing is known of how well it does.
    """
    found = judge(detector or DETECTOR, table=Path(table) if table else None)
    found.answer(Clip(np.zeros(_RATE, np.float32), _RATE), "silence")
    return found


def detect(folder: Path, options: Mapping[str, Any], the_judge: Judge) -> dict[str, Any]:
    """The answer about a recording of at most ``options["max_seconds"]``, without its path. Raises TooLong, BadAudio."""
    longest = options["max_seconds"]
    try:
        answer = the_judge.answer(folder / "in", "the recording", longest=longest)
    except BadAudio as error:
        raise (TooLong if _TOO_LONG in str(error) else BadAudio)(str(error)) from None
    return plain(answer)


def explain(folder: Path, options: Mapping[str, Any], the_judge: Judge) -> dict[str, Any]:
    """Why the detector says so, of four seconds from ``options["start"]`` on. Raises TooLong, BadAudio."""
    from ..explain.ear import Ear
    from ..explain.why import explain as why

    clip = _open(folder / "in", options["max_seconds"])
    found = why(clip, Ear(shown(the_judge.name), the_judge.spec, the_judge.detector), start=options["start"])
    values = found.as_dict()
    kept = {name: values[name] for name in ("unit", "start", "end", "score", "summary", "findings")}
    test = {"faithful": found.deletion.passed, "beaten": found.deletion.beaten}
    return kept | test | {"detector": found.detector, "regions": values["occlusion"]["regions"]}


def live(folder: Path, options: Mapping[str, Any], the_judge: Judge) -> dict[str, Any]:
    """The answer about ``options["pcm"]``, base64 of 16-bit samples at 16 kHz (little-endian), without its timeline."""
    pcm = np.frombuffer(base64.b64decode(options["pcm"]), "<i2")
    answer = the_judge.answer(Clip(pcm.astype(np.float32) / np.float32(_FULL + 1), _RATE), "the stream")
    return {name: value for name, value in plain(answer).items() if name not in {"timeline", "spans"}}


def plain(answer: Answer) -> dict[str, Any]:
    """An answer as JSON has it: no path, also not of a detector's file, and null where a number is none."""
    values: dict[str, Any] = _finite(answer.as_dict())
    del values["path"]
    values["detector"] = shown(answer.detector)
    return values


def shown(detector: str) -> str:
    """The name of a detector without the folders of its files."""
    return "@".join(part.rpartition("/")[2] for part in detector.split("@"))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def corrupt(folder: Path, options: Mapping[str, Any], the_judge: Judge) -> dict[str, Any]:
    """Put a recording through ``options["condition"]`` and write WAV of 16 bits at its own rate.

    Returns {"Seconds", "Distortion-dB", "Measured"}, the last only for one corruption that measures itself.
    Raises TooLong, BadAudio, BadPlan, UnknownName, MissingPart.
    """
    chain = published(options["condition"])
    clean = _open(folder / "in", options["max_seconds"])
    heard = apply(clean, options["condition"])
    # One gain for both ends of the scale: a peak beyond full scale is turned down, not cut off.
    peak = max(1.0, float(np.abs(heard.samples).max()))
    pcm = np.round(heard.samples / peak * _FULL).astype(np.int16)
    soundfile.write(folder / "out", pcm, heard.rate, format="WAV", subtype="PCM_16")
    said: dict[str, Any] = {
        "Seconds": f"{heard.seconds:.3f}",
        "Distortion-dB": _number(distortion(clean, heard)),
    }
    if len(chain.steps) == 1:
        [(spec, level)] = steps(chain)
        if spec.measure is not None:
            said["Measured"] = f"{_number(spec.measure(clean, heard, level))} {spec.unit}"
    return said


def published(text: str) -> Condition:
    """A condition of registered corruptions within their published levels, at most four: what a stranger may ask for.

    A name with a file in it would run that file; a level beyond the published ones could ask for a thousandfold length.
    Raises BadPlan, UnknownName.
    """
    condition = Condition.parse(text)
    if len(condition.steps) > _STEPS:
        raise BadPlan(f"a chain has at most {_STEPS} corruptions here, not {len(condition.steps)}")
    for ref in condition.steps:
        if ":" in ref.name:
            raise BadPlan(f"{ref.name!r} names a file; the service takes registered corruptions only")
    for spec, level in steps(condition):
        if spec.levels and not min(spec.levels) <= level <= max(spec.levels):
            raise BadPlan(
                f"{spec.name} takes levels from {min(spec.levels):g} to {max(spec.levels):g} {spec.unit} here, not {level:g}"
            )
    return condition


def _open(path: Path, max_seconds: float) -> Clip:
    clip = open_audio(path, seconds=max_seconds + 1)
    if clip.seconds > max_seconds:
        raise TooLong(f"the recording is longer than {max_seconds:g} s, the most that is taken here")
    return clip


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "none"


TASKS: Mapping[str, Callable[[Path, Mapping[str, Any], Judge], dict[str, Any]]] = {
    "detect": detect,
    "corrupt": corrupt,
    "explain": explain,
    "live": live,
}
