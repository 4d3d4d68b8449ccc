"""A recipe: everything that decides a training run, in one TOML file that is kept beside the weights.

    detector = "lfcc-lcnn"           # which model is trained; the name of its weights
    summary = "what this recipe is for"
    seed = 1                         # every random draw depends on it
    [data]
    corpus = "manifest"              # any registered corpus; only its parts "train" and "dev" are read
    leave_out = []                   # sources taken out of the train part and scored at the end (cross-validation)
    [augment]
    copies = 4                       # renderings of each clip, the first one as it is
    conditions = ["mp3@16"]          # what the others go through, drawn by the seed
    chain = 2                        # at most so many of them, one after the other
    held_out = ["opus@8"]            # never trained on: what the bench may call unseen
    copy_synthesis = ["lpc"]         # spoofed twins of the bona fide clips, made by these vocoders
    [features]                       # see detectors.features.Lfcc
    [model]                          # see Gmm and Lcnn below
    [optimiser]                      # of lfcc-lcnn

There is no key that names an evaluation part: what a detector is measured on cannot be trained or selected on.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from .. import registry
from ..corrupt import steps
from ..detectors.features import Lfcc
from ..errors import BadPlan, UnknownName, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True)
class Data:
    """corpus: a registered corpus. leave_out: sources that are only scored, at the end."""

    corpus: str = "manifest"
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Augment:
    """copies: renderings of a clip, the first as it is. conditions: drawn for the others, up to ``chain`` in a row.

    held_out: corruptions (names or conditions) that no rendering goes through. copy_synthesis: vocoders (of
    corpora.vocoders) that make a spoofed twin of every bona fide clip; detectors hear twins apart from other fakes.
    twins: at most so many bona fide clips get them, drawn by the seed, the sources balanced.
    """

    copies: int = 1
    conditions: tuple[str, ...] = ()
    chain: int = 1
    held_out: tuple[str, ...] = ()
    copy_synthesis: tuple[str, ...] = ()
    twins: int = 300


@dataclass(frozen=True)
class Gmm:
    """components: of each class's mixture over dynamics; smooth_components: over roughness; iterations of EM; floor of
    variances, as a share of the whole; frames: how many of each class a mixture learns from."""

    components: int = 64
    smooth_components: int = 1
    iterations: int = 20
    floor: float = 0.01
    frames: int = 200_000


@dataclass(frozen=True)
class Lcnn:
    """channels after each of the four stages; dropout before the last layer; ridge: on the weights of roughness."""

    channels: tuple[int, ...] = (16, 24, 32, 16)
    dropout: float = 0.4
    ridge: float = 0.1


@dataclass(frozen=True)
class Optimiser:
    """AdamW, its rate falling by half a cosine to zero. crop: frames of a training example. clips: examples an
    epoch; average: decay of the moving average of the weights that is selected and shipped."""

    epochs: int = 20
    clips: int = 1600
    batch: int = 32
    crop: int = 200
    rate: float = 1e-3
    decay: float = 1e-3
    average: float = 0.98
    smoothing: float = 0.02


@dataclass(frozen=True)
class Recipe:
    """See the module. ``text`` is the file as it was read; it is kept beside the weights."""

    detector: str
    summary: str
    seed: int = 1
    data: Data = field(default_factory=Data)
    augment: Augment = field(default_factory=Augment)
    features: Lfcc = field(default_factory=Lfcc)
    gmm: Gmm = field(default_factory=Gmm)
    lcnn: Lcnn = field(default_factory=Lcnn)
    optimiser: Optimiser = field(default_factory=Optimiser)
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
        """From TOML text. Raises BadPlan for unknown keys and wrong values, UnknownName for unknown names."""
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadPlan(f"the recipe {name} is not valid TOML: {error}") from None
        kind = table.get("detector")
        if kind not in _MODELS:
            raise UnknownName.among("trainable detector", str(kind), _MODELS)
        known = {"detector", "summary", "seed", "data", "augment", "features", "model"}
        known |= {"optimiser"} if kind == "lfcc-lcnn" else set()
        _refuse_unknown(table, known, f"recipe {name}")
        table[_MODELS[kind]] = table.pop("model", {})
        recipe: Recipe = _build(cls, {**table, "text": text}, f"recipe {name}")
        _check(recipe, name)
        return recipe


_MODELS = {"lfcc-gmm": "gmm", "lfcc-lcnn": "lcnn"}


def family(condition: str) -> set[str]:
    """The corruptions in a condition's chain, by name."""
    return {spec.name for spec, _ in steps(condition)}


def _check(recipe: Recipe, name: str) -> None:
    augment = recipe.augment
    trained = {c: family(c) for c in augment.conditions}
    for held in augment.held_out:
        bare = held in registry.corruptions and registry.corruptions[held].levels
        names = {held} if bare else family(held)
        for condition, used in trained.items():
            if condition == held or (bare and names & used):
                raise BadPlan(
                    f"recipe {name}: {held!r} is held out and {condition!r} is trained on. A corruption is unseen "
                    "only if nothing of it was seen; take it out of one of the two lists"
                )
    if augment.copies < 1 or augment.chain < 1 or augment.twins < 1:
        raise BadPlan(f"recipe {name}: copies, chain and twins are at least 1")
    if augment.copies > 1 and not augment.conditions:
        raise BadPlan(f"recipe {name}: more than one copy needs conditions that tell the copies apart")
    from ..corpora.vocoders import VOCODERS

    if not augment.copy_synthesis:
        raise BadPlan(f"recipe {name}: copy_synthesis names no vocoder. Known: {', '.join(VOCODERS)}")
    for vocoder in augment.copy_synthesis:
        if vocoder not in VOCODERS:
            raise UnknownName.among("vocoder", vocoder, VOCODERS)


def _build(cls: type[T], table: dict[str, Any], where: str) -> T:
    """A dataclass from a TOML table; lists become tuples, whole numbers fit floats. Raises BadPlan."""
    assert is_dataclass(cls)
    hints = get_type_hints(cls)
    _refuse_unknown(table, {f.name for f in fields(cls)}, where)
    values: dict[str, Any] = {}
    for key, value in table.items():
        hint = hints[key]
        if is_dataclass(hint):
            if not isinstance(value, dict):
                raise BadPlan(f"{where}: [{key}] is a table, not {value!r}")
            values[key] = _build(hint, value, f"[{key}] of {where}")  # type: ignore[arg-type]
        elif hint in (int, float, str, bool):
            fits = isinstance(value, hint) or (hint is float and isinstance(value, int))
            if not fits or (isinstance(value, bool) and hint is not bool):
                raise BadPlan(f"{where}: {key} is a {hint.__name__}, not {value!r}")
            values[key] = hint(value)
        else:
            item = hint.__args__[0]
            if not isinstance(value, list) or not all(type(v) is item for v in value):
                raise BadPlan(f"{where}: {key} is a list of {item.__name__}, not {value!r}")
            values[key] = tuple(value)
    missing = [f.name for f in fields(cls) if f.name in ("detector", "summary") and f.name not in values]
    if missing:
        raise BadPlan(f"{where} lacks {', '.join(missing)}")
    return cls(**values)


def _refuse_unknown(table: dict[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise BadPlan(f"{where} has an unknown key {key!r}. {did_you_mean(key, known)}")
