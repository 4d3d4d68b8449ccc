"""A recipe for a network that makes sound: everything that decides a run, in one TOML file kept beside the weights.

    generator = "neural-vocoder"     # or "neural-codec": what is trained
    name = "neural-vocoder"          # of the weights and their card
    summary = "what this recipe is for"
    seed = 1                         # every random draw depends on it
    [data]
    corpus = "manifest"              # any registered corpus; bona fide clips of its parts "train" and "dev" are read
    [model]                          # settings of the network: see nets.vocoder.vocoder and nets.codec.Codec
    [training]                       # see Training below

There is no key that names an evaluation part: what a generator is judged on cannot be trained or selected on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ...errors import BadPlan, UnknownName, did_you_mean

GENERATORS = ("neural-vocoder", "neural-codec")
_MODEL: dict[str, dict[str, Any]] = {
    "neural-vocoder": {"head": "istft", "width": 192, "inner": 576, "depth": 6},
    "neural-codec": {"width": 96, "inner": 192, "encoder": 2, "decoder": 3, "latent": 24, "stages": 12},
}


@dataclass(frozen=True)
class Training:
    """steps: of the generator. alone: so many of them without the jury, on spectral losses only.

    batch: crops a step; crop: samples of one; judged: samples of its middle that the jury hears. gain: ± dB drawn for
    each crop. rate: AdamW's at the start, its fall is half a cosine to a tenth; jury_rate: the jury's, constant. mel,
    stft, jury, features: weights of the losses. average: decay of the moving average of the weights, which is what is
    selected and shipped. mark: steps between two marks (state kept, development loss taken). whole: of a codec, so many
    first steps quantise nothing. stop: end the run at this step of the schedule, before its last; 0 for not.
    """

    steps: int = 10_000
    alone: int = 6_000
    batch: int = 8
    crop: int = 12_800
    judged: int = 6_400
    gain: float = 6.0
    rate: float = 1e-3
    jury_rate: float = 3e-4
    mel: float = 3.0
    stft: float = 1.0
    jury: float = 1.0
    features: float = 2.0
    average: float = 0.999
    mark: int = 500
    whole: int = 0
    stop: int = 0


@dataclass(frozen=True)
class Recipe:
    """See the module. model: every setting of the network. ``text`` is the file as it was read."""

    generator: str
    name: str
    summary: str
    seed: int = 1
    corpus: str = "manifest"
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Training = field(default_factory=Training)
    text: str = ""

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a recipe file. Raises BadPlan, UnknownName."""
        path = Path(path)
        if not path.is_file():
            raise BadPlan(f"no such recipe: {path}. The ones that made the shipped weights are in recipes/")
        return cls.parse(path.read_text(encoding="utf-8"), name=path.name)

    @classmethod
    def parse(cls, text: str, *, name: str) -> Recipe:
        """From TOML text. Raises BadPlan for unknown keys and wrong values, UnknownName for an unknown generator."""
        where = f"recipe {name}"
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadPlan(f"the {where} is not valid TOML: {error}") from None
        kind = table.get("generator")
        if kind not in GENERATORS:
            raise UnknownName.among("trainable generator", str(kind), GENERATORS)
        assert isinstance(kind, str)
        top: dict[str, Any] = {
            "generator": "",
            "name": kind,
            "summary": "",
            "seed": 1,
            "data": {},
            "model": {},
            "training": {},
        }
        given = _checked(table, top, where)
        data = _checked(given["data"], {"corpus": "manifest"}, f"[data] of {where}")
        model = _checked(given["model"], _MODEL[kind], f"[model] of {where}")
        defaults: dict[str, Any] = {f.name: f.default for f in fields(Training)}
        training = Training(**_checked(given["training"], defaults, f"[training] of {where}"))
        recipe = cls(
            kind, given["name"], given["summary"], given["seed"], data["corpus"], model, training, text
        )
        _check(recipe, where)
        return recipe


def is_generator(path: Path) -> bool:
    """Whether a recipe file is for a network that makes sound: it has the key ``generator``."""
    try:
        return "generator" in tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # what is wrong with it, the one that reads it will say


def _checked(table: Mapping[str, Any], known: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``known`` with the values of ``table`` in place of its own. Raises BadPlan for a key or a kind that is not there."""
    found = dict(known)
    for key, value in table.items():
        if key not in known:
            raise BadPlan(f"{where} has an unknown key {key!r}. {did_you_mean(key, known)}")
        kind = type(known[key])
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise BadPlan(f"{where}: {key} is a {_WORDS[kind]}, not {value!r}")
        found[key] = value
    return found


_WORDS = {int: "whole number", float: "number", str: "text", dict: "table"}


def _check(recipe: Recipe, where: str) -> None:
    t = recipe.training
    if recipe.generator == "neural-vocoder" and recipe.model["head"] not in ("istft", "upsample"):
        raise BadPlan(f"{where}: head is istft or upsample, not {recipe.model['head']!r}")
    for key in ("steps", "batch", "mark"):
        if getattr(t, key) < 1:
            raise BadPlan(f"{where}: {key} is at least 1, not {getattr(t, key)}")
    if not 0 <= t.stop <= t.steps or t.stop % t.mark:
        raise BadPlan(f"{where}: stop is a mark up to steps, or 0, not {t.stop}")
    small = [key for key, value in recipe.model.items() if isinstance(value, int) and value < 1]
    if small:
        raise BadPlan(f"{where}: {', '.join(small)} of [model]: at least 1")
    if t.crop % 256 or t.crop < 2560:
        raise BadPlan(f"{where}: crop is a multiple of 256 samples, at least 2560, not {t.crop}")
    if recipe.generator == "neural-codec" and t.alone < t.steps:
        raise BadPlan(
            f"{where}: a codec is trained without the jury, so alone is steps ({t.steps}), not {t.alone}"
        )
    if not 2048 <= t.judged <= t.crop:
        raise BadPlan(f"{where}: judged is from 2048 samples up to crop, not {t.judged}")
    if not 0 <= t.average < 1:
        raise BadPlan(f"{where}: average is from 0 to below 1, not {t.average}")
