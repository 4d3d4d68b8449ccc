"""The nouns and the call shapes that everything else is written in.

Scores: float64, **higher = more bona fide**, everywhere. Audio: mono float32 with its rate beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from .errors import BadAudio, BadPlan

Samples: TypeAlias = NDArray[np.float32]
Scores: TypeAlias = NDArray[np.float64]
Rng: TypeAlias = np.random.Generator
Label = Literal["bonafide", "spoof"]
LABELS: tuple[str, ...] = get_args(Label)
Part = Literal["train", "dev", "eval"]

CLEAN = "clean"
H = TypeVar("H", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A stretch of mono audio.

    samples: shape (T,), float32, finite, T >= 1; full scale is ±1 (values beyond it are allowed).
    rate: sampling rate in Hz, >= 1.

    Raises BadAudio when any of this does not hold: a NaN never travels further than its source.
    """

    samples: Samples
    rate: int

    def __post_init__(self) -> None:
        x = self.samples
        if not isinstance(x, np.ndarray) or x.dtype != np.float32 or x.ndim != 1:
            found = f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
            raise BadAudio(f"a clip holds float32 samples of shape (T,), not {found}")
        if x.size == 0:
            raise BadAudio("the audio is empty (0 samples)")
        if not np.isfinite(x).all():
            raise BadAudio(f"the audio holds {int((~np.isfinite(x)).sum())} NaN or infinite samples")
        if self.rate < 1:
            raise BadAudio(f"a sampling rate is at least 1 Hz, not {self.rate}")

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return float(self.samples.size / self.rate)

    def replace(self, samples: NDArray[np.floating]) -> Clip:
        """The same rate with other samples (any float dtype, converted to float32)."""
        return Clip(np.ascontiguousarray(samples, dtype=np.float32), self.rate)


@dataclass(frozen=True, slots=True)
class Trial:
    """One line of a protocol: a file, what it is, and what is known about it.

    id: unique in its corpus. label: "bonafide" or "spoof". attack: the generator, empty for bona fide.
    part: "train", "dev" or "eval". pair: links renderings of one sentence. attributes: any further columns.
    """

    id: str
    path: Path
    label: Label
    speaker: str = ""
    attack: str = ""
    language: str = ""
    source: str = ""
    pair: str = ""
    part: Part = "eval"
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)


class Once:
    """What many trials have in common, held once: ``once(x)`` is an equal of ``x`` that was there before, or
    ``x``.

    It remembers ``most`` different things and no more, so that a column in which every row differs costs
    nothing.
    """

    def __init__(self, most: int = 65_536) -> None:
        self._most = most
        self._known: dict[Hashable, Any] = {}

    def __call__(self, thing: H) -> H:
        return self.of(thing, lambda same: same)

    def of(self, key: H, make: Callable[[H], T]) -> T:
        """What ``make(key)`` gave before, or gives now."""
        if key in self._known:
            found: T = self._known[key]
            return found
        made = make(key)
        if len(self._known) < self._most:
            self._known[key] = made
        return made


@dataclass(frozen=True, slots=True)
class Ref:
    """A name with an optional argument: ``mp3@8``, ``aasist@best.onnx``, ``my.py:det@v2.pt``."""

    name: str
    arg: str = ""

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Split at the first ``@``. Raises BadPlan when the name is empty."""
        name, _, arg = text.strip().partition("@")
        if not name:
            raise BadPlan(f"{text!r} names nothing; expected NAME or NAME@ARGUMENT, such as mp3@16")
        return cls(name, arg)

    def __str__(self) -> str:
        return f"{self.name}@{self.arg}" if self.arg else self.name


@dataclass(frozen=True, slots=True)
class Condition:
    """What the audio goes through before a detector hears it: nothing ("clean"), or a chain of corruptions."""

    steps: tuple[Ref, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Condition:
        """``clean``, ``mp3@8`` or ``reverb@0.5+opus@12`` (applied from left to right). Raises BadPlan."""
        if text.strip() == CLEAN:
            return cls()
        return cls(tuple(Ref.parse(step) for step in text.split("+")))

    def __str__(self) -> str:
        return "+".join(map(str, self.steps)) or CLEAN


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval and the trials it rests on. Fields may be NaN where nothing can be said."""

    value: float
    low: float
    high: float
    n_bonafide: int
    n_spoof: int


class Corruption(Protocol):
    """``corruption(clip, level, rng) -> clip``: same rate, new samples, input untouched, all chance from ``rng``."""

    def __call__(self, clip: Clip, level: float, rng: Rng, /) -> Clip: ...


class Detector(Protocol):
    """``detector(clips) -> scores``: one finite float a clip, higher = more bona fide, independent of batch mates."""

    def __call__(self, clips: Sequence[Clip], /) -> Sequence[float]: ...


class Metric(Protocol):
    """``metric(bonafide=scores, spoof=scores) -> float``; keyword-only, so that the classes cannot be swapped."""

    def __call__(self, *, bonafide: Scores, spoof: Scores) -> float: ...


@dataclass(frozen=True, slots=True)
class CorruptionSpec:
    """A corruption and all that lists, docs, tests and reports need to know of it.

    levels: the published levels, mild to severe; () for a corruption that has none (a control). unit: of a level. family: "noise", "modification",
    "compression", or "control". origin: where it and its levels come from ("spoofproof" = our own).
    measure(clean, corrupted, level): the level that is really there, in ``unit``; ``tolerance`` is how far
    (absolute, in ``unit``) it may lie from the nominal one on a broadband signal, None where only reported.
    level_names: for levels that are kinds rather than amounts (telephone@gsm); index = level.
    consumes(level): seconds of input for one second of output (a time stretch of 1.5 consumes 1.5).
    margin: seconds of input it needs beyond the window. two_sided: levels are signed around a neutral point.
    available(): "" when it can run here, else one sentence that says what is missing and how to get it.
    """

    name: str
    family: str
    run: Corruption
    unit: str
    levels: tuple[float, ...]
    origin: str
    summary: str
    measure: Callable[[Clip, Clip, float], float] | None = None
    tolerance: float | None = None
    level_names: tuple[str, ...] = ()
    consumes: Callable[[float], float] | None = None
    margin: float = 0.1
    two_sided: bool = False
    available: Callable[[], str] = lambda: ""

    def parse_level(self, arg: str) -> float:
        """Level from its text: a number or one of ``level_names``. Raises BadPlan with the valid ones."""
        if arg in self.level_names:
            return float(self.level_names.index(arg))
        if not self.levels and not arg:
            return 0.0
        valid = ", ".join(map(self.show_level, self.levels)) or "none"
        if self.level_names or not arg:
            raise BadPlan(
                f"{self.name} needs a level: {self.name}@LEVEL with LEVEL one of {valid}; got {arg!r}"
            )
        try:
            level = float(arg)
        except ValueError:
            raise BadPlan(
                f"{self.name}@{arg}: the level is a number ({self.unit}); published: {valid}"
            ) from None
        if not np.isfinite(level):
            raise BadPlan(f"{self.name}@{arg}: the level must be finite; published: {valid}")
        return level

    def show_level(self, level: float) -> str:
        """Text of a level, as it stands after the ``@``; "" where the corruption has no level."""
        if not self.levels:
            return ""
        return self.level_names[int(level)] if self.level_names else f"{level:g}"

    def conditions(self) -> tuple[Condition, ...]:
        """One condition for each published level, mild to severe; one in all where there is no level."""
        if not self.levels:
            return (Condition((Ref(self.name),)),)
        return tuple(Condition((Ref(self.name, self.show_level(level)),)) for level in self.levels)


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """How to make a detector: ``make(argument) -> Detector``; the rate in Hz it wants its clips at.

    seconds: the length it hears, None for the plan's own window. batch: how many clips it likes at a time.
    card(): facts for people (data, figures, limits), {} when there are none. cost: milliseconds of one core that a clip of
    4 s takes, as declared, 0 where nothing is: a plan may give costly detectors a sub-sample.
    wraps(argument): references of the detectors inside, whose identity is part of this one's.
    cpus, gpus: what it takes on a cluster that has them: cores, and the share of one GPU that it fills while it is loaded.
    """

    name: str
    make: Callable[..., Detector]
    rate: int
    summary: str
    seconds: float | None = None
    batch: int = 16
    card: Callable[[], Mapping[str, object]] = dict
    cost: float = 0.0
    wraps: Callable[[str], Sequence[str]] = lambda argument: ()
    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric: which direction is better, and what its scores must be.

    needs: "ranks" (any monotone scores), "llr" (calibrated log-likelihood ratios, natural log) or "threshold"
    (called with a further keyword ``threshold``; scores >= threshold are accepted as bona fide).
    """

    name: str
    run: Callable[..., float]
    better: Literal["lower", "higher"]
    needs: Literal["ranks", "llr", "threshold"]
    summary: str


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """A reader: ``read(root, **options) -> trials``."""

    name: str
    read: Callable[..., Sequence[Trial]]
    summary: str
