"""What each condition was, from the facts that the run wrote down."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..scores import ScoreTable
from ..types import CLEAN, Condition
from .nouns import ConditionInfo

CONTROL = "control"


def condition_infos(table: ScoreTable) -> list[ConditionInfo]:
    """One for each condition of the plan, in its order; conditions without facts are "missing"."""
    names: Sequence[str] = list(table.record.get("conditions", table.conditions))
    first: dict[tuple[str, str], str] = {}
    infos = {}
    for name in sorted(names, key=lambda n: _facts(table, n).get("index") or 0):
        facts = _facts(table, name)
        copy_of = ""
        if facts.get("digest") and name != CLEAN:
            copy_of = first.setdefault((facts["corruption"], facts["digest"]), name)
        infos[name] = _info(name, facts, "" if copy_of == name else copy_of)
    return [infos[name] for name in names]


def by_corruption(infos: Sequence[ConditionInfo]) -> dict[str, list[ConditionInfo]]:
    """The conditions of each corruption, mild to severe; clean, duplicates and what was not scored left out."""
    found: dict[str, list[ConditionInfo]] = {}
    for info in infos:
        if info.name != CLEAN and info.status == "ok" and not info.duplicate_of:
            found.setdefault(info.corruption, []).append(info)
    return {
        name: sorted(levels, key=lambda i: i.index) if all(i.index for i in levels) else levels
        for name, levels in found.items()
    }


def heard_by(infos: Sequence[ConditionInfo], names: Container[str]) -> list[ConditionInfo]:
    """Those of the conditions that are named. Of levels with the same audio the first that is named counts, so that a
    corruption is not lost with a level that nobody heard."""
    first: dict[tuple[str, str], str] = {}
    found = []
    for info in sorted((i for i in infos if i.name in names), key=lambda i: i.index):
        kept = first.setdefault((info.corruption, info.duplicate_of or info.name), info.name)
        found.append(replace(info, duplicate_of="" if kept == info.name else kept))
    place = {info.name: k for k, info in enumerate(infos)}
    return sorted(found, key=lambda i: place[i.name])


def counted(groups: Mapping[str, Sequence[ConditionInfo]]) -> dict[str, list[str]]:
    """Corruptions by family, and under "all", as they count in the means.

    Controls never count. Kinds (names with a dot) and chains have numbers of their own, and count in the means only
    where a plan holds nothing else.
    """
    allowed = {name: levels[0].family for name, levels in groups.items() if levels[0].family != CONTROL}
    plain = {n: f for n, f in allowed.items() if f != "chain" and "." not in n} or allowed
    found: dict[str, list[str]] = {}
    for name, family in plain.items():
        found.setdefault(family or "other", []).append(name)
    return found | ({"all": list(plain)} if plain else {})


def _facts(table: ScoreTable, name: str) -> Mapping[str, Any]:
    return table.conditions.get(name, {})


def _info(name: str, facts: Mapping[str, Any], duplicate_of: str) -> ConditionInfo:
    if not facts:
        steps = Condition.parse(name).steps
        corruption = name if len(steps) > 1 else "".join(step.name for step in steps)
        family = "" if steps else CLEAN
        return ConditionInfo(name, corruption, family, status="missing", why="not scored yet")
    effective = facts.get("effective") or {}
    return ConditionInfo(
        name=name,
        corruption=facts["corruption"],
        family=facts["family"],
        unit=facts.get("unit", ""),
        level=facts.get("level"),
        index=facts.get("index") or 0,
        effective=effective.get("mean"),
        effective_low=effective.get("low"),
        effective_high=effective.get("high"),
        distortion_db=facts.get("distortion_db"),
        duplicate_of=duplicate_of,
        status=facts.get("status", "ok"),
        why=facts.get("why", ""),
        origin=facts.get("origin", ""),
    )
