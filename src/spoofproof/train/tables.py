"""TOML tables to frozen dataclasses, checked key by key: an unknown key is a sentence with a suggestion."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from ..errors import BadPlan, did_you_mean

T = TypeVar("T")


def read(path: Path) -> str:
    """The text of a recipe file. Raises BadPlan when it is not there."""
    if not path.is_file():
        raise BadPlan(f"no such recipe: {path}. The ones that made the shipped weights are in recipes/")
    return path.read_text(encoding="utf-8")


def parse(text: str, where: str) -> dict[str, Any]:
    """TOML to a table. Raises BadPlan."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPlan(f"the {where} is not valid TOML: {error}") from None


def build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """A dataclass from a table: lists become tuples, whole numbers fit floats, a Mapping field takes any table.

    Raises BadPlan for an unknown key, a value of another type and a key that is lacking.
    """
    assert is_dataclass(cls)
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}
    refuse_unknown(table, known, where)
    lacking = [
        f.name
        for f in known.values()
        if f.default is MISSING and f.default_factory is MISSING and f.name not in table
    ]
    if lacking:
        raise BadPlan(f"{where} lacks {', '.join(lacking)}")
    return cls(**{key: _value(hints[key], value, key, where) for key, value in table.items()})


def refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raises BadPlan, with a suggestion, for a key that is not among ``known``."""
    names = list(known)
    for key in table:
        if key not in names:
            raise BadPlan(f"{where} has an unknown key {key!r}. {did_you_mean(key, names)}")


def _value(hint: Any, value: Any, key: str, where: str) -> Any:
    if is_dataclass(hint) or (get_origin(hint) is not None and issubclass(get_origin(hint), Mapping)):
        if not isinstance(value, dict):
            raise BadPlan(f"{where}: [{key}] is a table, not {value!r}")
        return build(hint, value, f"[{key}] of {where}") if is_dataclass(hint) else value  # type: ignore[arg-type]
    if hint in (int, float, str, bool):
        if not _fits(hint, value):
            raise BadPlan(f"{where}: {key} is a {hint.__name__}, not {value!r}")
        return hint(value)
    item = hint.__args__[0]
    if not isinstance(value, list) or not all(_fits(item, v) for v in value):
        raise BadPlan(f"{where}: {key} is a list of {item.__name__}, not {value!r}")
    return tuple(item(v) for v in value)


def _fits(kind: type, value: Any) -> bool:
    """TOML's own types, but a whole number will do for a float; true is no number."""
    return type(value) is kind or (kind is float and type(value) is int)
