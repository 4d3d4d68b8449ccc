"""A Plan is an evaluation protocol as data: which detectors hear which conditions through which window.

Plans live in ``plans/*.toml`` beside this file, or in a TOML file of one's own:

    summary = "what this plan is for"
    seed = 2025                      # every random draw depends on it
    detectors = ["lfcc-gmm", "my_detector.py:mine@v2.pt"]
    conditions = ["clean", "mp3@*", "reverb@0.5+opus@16"]     # @* = every published level
    [window]
    rate = 16000                     # Hz, of the audio that is corrupted
    samples = 64600                  # what is scored, at that rate
    pad = "repeat"                   # or "zero", "none": what a shorter clip gets
    [listen]
    measured = 8                     # trials on which effective level and distortion are measured
    samples = 1                      # clips of each class kept to listen to
    [heavy]                          # left out: every detector hears everything
    above = 18                       # ms a clip on a core: what declares more hears a part only, the same for all of them
    eval = 6                         # trials of each class
    dev = 16
    levels = ["middle", "severest"]  # or "mildest": of each corruption
    controls = ["identity"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from . import registry
from .audio import WINDOW_SAMPLES, Pad
from .corrupt import check_levels, steps
from .errors import BadPlan, UnknownName, did_you_mean
from .subsample import Heavy
from .types import CLEAN, Condition, Ref

_KEYS = {
    "summary": str,
    "seed": int,
    "detectors": list,
    "conditions": list,
    "window": dict,
    "listen": dict,
    "heavy": dict,
}
_WINDOW = {"rate": int, "samples": int, "pad": str}
_LISTEN = {"measured": int, "samples": int}
_HEAVY = {"above": int, "eval": int, "dev": int, "levels": list, "controls": list}


@dataclass(frozen=True, slots=True)
class Plan:
    """An evaluation protocol. ``conditions`` are spelled out: no ``@*`` is left, "clean" is always the first.

    rate in Hz and samples give the scoring window; pad says what a shorter clip gets. measured: trials whose
    effective level is measured; listen: clips of each class kept to listen to, for each condition. heavy: what costly
    detectors hear, None: everything.
    """

    name: str
    summary: str
    detectors: tuple[str, ...]
    conditions: tuple[str, ...]
    seed: int = 2025
    rate: int = 16_000
    samples: int = WINDOW_SAMPLES
    pad: Pad = "repeat"
    measured: int = 8
    listen: int = 1
    heavy: Heavy | None = None

    @classmethod
    def load(cls, name: str) -> Plan:
        """A built-in plan by name, or a TOML file by path. Raises BadPlan, UnknownName."""
        if name.endswith(".toml"):
            path = Path(name).expanduser()
            if not path.is_file():
                raise BadPlan(f"no such plan file: {path}. Built-in plans: {', '.join(plan_names())}")
            return cls.parse(path.read_text(encoding="utf-8"), name=path.stem)
        if name not in plan_names():
            raise UnknownName(
                f"unknown plan {name!r}. {did_you_mean(name, plan_names())} A file of your own ends in .toml."
            )
        return cls.parse((_folder() / f"{name}.toml").read_text(encoding="utf-8"), name=name)

    @classmethod
    def parse(cls, text: str, *, name: str) -> Plan:
        """From TOML text. Raises BadPlan for unknown keys, wrong types and bad levels, UnknownName for bad names."""
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadPlan(f"the plan {name!r} is not valid TOML: {error}") from None
        _check(table, _KEYS, f"plan {name!r}")
        window, listen = table.get("window", {}), table.get("listen", {})
        _check(window, _WINDOW, f"[window] of plan {name!r}")
        _check(listen, _LISTEN, f"[listen] of plan {name!r}")
        for key in ("detectors", "conditions"):
            if not all(isinstance(item, str) for item in table.get(key, [])):
                raise BadPlan(f"{key} in plan {name!r} is a list of texts")
        return cls.make(
            name=name,
            summary=table.get("summary", ""),
            detectors=table.get("detectors", []),
            conditions=table.get("conditions", []),
            seed=table.get("seed", 2025),
            rate=window.get("rate", 16_000),
            samples=window.get("samples", WINDOW_SAMPLES),
            pad=window.get("pad", "repeat"),
            measured=listen.get("measured", 8),
            listen=listen.get("samples", 1),
            heavy=_heavy(table["heavy"], f"[heavy] of plan {name!r}") if "heavy" in table else None,
        )

    @classmethod
    def make(
        cls,
        *,
        name: str,
        detectors: Sequence[str],
        conditions: Sequence[str],
        summary: str = "",
        **settings: Any,
    ) -> Plan:
        """Check every name and level, expand ``@*``, put "clean" first. Raises BadPlan, UnknownName."""
        if not detectors:
            raise BadPlan(f"plan {name!r} names no detector. Known: {', '.join(registry.detectors.names())}")
        for text in detectors:
            spec = registry.detectors[Ref.parse(text).name]
            if spec.rate < 1:
                raise BadPlan(f"the detector {spec.name} declares a rate of {spec.rate} Hz")
        repeated = {text for text in detectors if list(detectors).count(text) > 1}
        if repeated:
            raise BadPlan(f"plan {name!r} names {', '.join(sorted(repeated))} more than once")
        spelled = dict.fromkeys([CLEAN, *(c for text in conditions for c in expand(text))])
        plan = cls(name, summary, tuple(detectors), tuple(spelled), **settings)
        if plan.pad not in get_args(Pad):
            raise BadPlan(f"pad is one of {', '.join(get_args(Pad))}, not {plan.pad!r}")
        if plan.rate < 1 or plan.samples < 1 or plan.measured < 0 or plan.listen < 0:
            raise BadPlan(
                "rate and samples are at least 1; measured and the number of samples to hear at least 0"
            )
        return plan

    def with_(self, **changes: Any) -> Plan:
        """The same plan with other settings, checked again."""
        changed = replace(self, **changes)
        return Plan.make(**{field.name: getattr(changed, field.name) for field in fields(changed)})

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the run's record."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return plain | {"heavy": self.heavy.as_dict() if self.heavy else None}


def expand(text: str) -> list[str]:
    """``mp3@*`` -> every published level; ``family:noise`` -> every plain corruption of a family at every level.

    Anything else is one condition, checked and in its canonical spelling. Raises BadPlan, UnknownName.
    """
    if text.startswith("family:"):
        family = text.removeprefix("family:")
        members = [spec for spec in registry.corruptions if spec.family == family and "." not in spec.name]
        if not members:
            families = {spec.family for spec in registry.corruptions}
            raise UnknownName.among("family", family, families)
        return [str(condition) for spec in members for condition in spec.conditions()]
    if text.endswith("@*"):
        name = text.removesuffix("@*")
        return [
            str(Ref(name, condition.steps[0].arg)) for condition in registry.corruptions[name].conditions()
        ]
    condition = Condition.parse(text)
    check_levels(condition)
    chain = steps(condition)
    if not chain:
        return [CLEAN]
    named = zip(condition.steps, chain, strict=True)
    return [str(Condition(tuple(Ref(ref.name, spec.show_level(level)) for ref, (spec, level) in named)))]


def plan_names() -> list[str]:
    """Names of the built-in plans."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml")
    )


def _folder() -> Any:
    return resources.files("spoofproof") / "plans"


def _heavy(table: Mapping[str, Any], where: str) -> Heavy:
    _check(table, _HEAVY, where)
    missing = [key for key in ("above", "eval", "dev", "levels") if key not in table]
    if missing:
        raise BadPlan(f"{where} lacks {', '.join(missing)}")
    for key in ("levels", "controls"):
        if not all(isinstance(item, str) for item in table.get(key, [])):
            raise BadPlan(f"{key} in {where} is a list of texts")
    lists = {key: tuple(table[key]) for key in ("levels", "controls") if key in table}
    return Heavy(**{**table, **lists})


def _check(table: Mapping[str, Any], keys: Mapping[str, type], where: str) -> None:
    for key, value in table.items():
        if key not in keys:
            raise BadPlan(f"unknown key {key!r} in {where}. {did_you_mean(key, keys)}")
        if not isinstance(value, keys[key]) or isinstance(value, bool):
            raise BadPlan(f"{key} in {where} must be a {keys[key].__name__}, not {value!r}")
