"""What lists, ``show`` and the generated documentation say: rows of text, straight from the registries."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence

from . import registry
from .errors import UnknownName, did_you_mean
from .plan import Plan, plan_names
from .types import CorruptionSpec

Rows = list[tuple[str, ...]]
_KINDS = ("corruptions", "detectors", "metrics", "corpora", "plans")


def rows(kind: str) -> tuple[str, Sequence[str], Rows]:
    """(title, header, lines) of one registry. Raises UnknownName for another kind."""
    if kind == "corruptions":
        header = ("name", "family", "unit", "levels, mild to severe", "here")
        return kind, header, [_corruption(spec) for spec in registry.corruptions]
    if kind == "detectors":
        lines = [(s.name, f"{s.rate} Hz", s.summary) for s in registry.detectors]
        return kind, ("name", "rate", "what"), list(lines)
    if kind == "metrics":
        lines = [(s.name, s.better, s.needs, s.summary) for s in registry.metrics]  # type: ignore[misc]
        return kind, ("name", "better", "needs", "what"), list(lines)
    if kind == "corpora":
        return kind, ("name", "what"), [(s.name, s.summary) for s in registry.corpora]
    if kind == "plans":
        plans = [Plan.load(name) for name in plan_names()]
        return (
            kind,
            ("name", "conditions", "what"),
            [(p.name, str(len(p.conditions)), p.summary) for p in plans],
        )
    raise UnknownName.among("list", kind, _KINDS)


def describe(name: str) -> Rows:
    """(what, value) lines of one registered thing or plan, whichever bears the name. Raises UnknownName."""
    if name in registry.corruptions:
        spec = registry.corruptions[name]
        head = zip(("family", "unit", "levels", "here"), _corruption(spec)[1:], strict=True)
        return [
            *head,
            ("origin", spec.origin),
            ("conditions", " ".join(map(str, spec.conditions()))),
            ("what", _doc(spec.run, spec.summary)),
        ]
    if name in registry.detectors or ":" in name:
        found = registry.detectors[name]
        card = [
            (key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            for key, value in found.card().items()
        ]
        cost = [("cost", f"{found.cost:g} ms a clip on one core, as declared")] if found.cost else []
        return [("rate", f"{found.rate} Hz"), *cost, ("what", _doc(found.make, found.summary)), *card]
    if name in registry.metrics:
        metric = registry.metrics[name]
        return [
            ("better", metric.better),
            ("needs", metric.needs),
            ("what", _doc(metric.run, metric.summary)),
        ]
    if name in registry.corpora:
        return [("what", _doc(registry.corpora[name].read, registry.corpora[name].summary))]
    if name in plan_names():
        plan = Plan.load(name)
        return [
            ("what", plan.summary),
            ("detectors", " ".join(plan.detectors)),
            ("conditions", " ".join(plan.conditions)),
            *_heavy(plan),
        ]
    known = [
        n
        for r in (registry.corruptions, registry.detectors, registry.metrics, registry.corpora)
        for n in r.names()
    ]
    raise UnknownName(f"nothing is called {name!r}. {did_you_mean(name, [*known, *plan_names()])}")


def _corruption(spec: CorruptionSpec) -> tuple[str, ...]:
    levels = " ".join(map(spec.show_level, spec.levels)) or "none"
    return (spec.name, spec.family, spec.unit, levels, spec.available() or "yes")


def _heavy(plan: Plan) -> Rows:
    """What a plan gives to costly detectors, where it spares them anything."""
    if plan.heavy is None:
        return []
    h, names = plan.heavy, plan.heavy.conditions(plan.conditions)
    return [
        (
            "heavy",
            f"detectors beyond {h.above:g} ms a clip hear {h.eval} eval and {h.dev} dev trials of each class, under "
            f"{len(names)} of {len(plan.conditions)} conditions (levels: {', '.join(h.levels)}; --plan full runs everything): "
            + " ".join(names),
        )
    ]


def _doc(function: object, summary: str) -> str:
    return inspect.getdoc(function) or summary
