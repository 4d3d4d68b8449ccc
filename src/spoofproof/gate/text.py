"""The verdict in words: sentences, Markdown, JSON, rows of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..report.text import table
from ..report.words import NOTHING, many, plain, probability
from .differences import Difference, Gap
from .verdict import Judged, Verdict

_SHARES = ("eer", "eer_asvspoof", "accuracy", "balanced_accuracy", "f1", "miss_rate", "false_alarm_rate")
_KINDS = ("_frozen", "_oracle")
HEADER = (
    "detector",
    "condition",
    "metric",
    "baseline",
    "candidate",
    "drop",
    "95 % interval",
    "p, corrected",
    "verdict",
)
_SHOWN = 20


def headline(verdict: Verdict) -> str:
    """One sentence: what came out."""
    n, bad, errors = len(verdict.judged), len(verdict.failed), len(verdict.errors)
    of = many(n, "cell")
    missing = f"; {many(errors, 'cell')} missing" if errors else ""
    if verdict.word == "passed" and verdict.strict:
        return f"passed: shown for each of {of} that it did not get worse by more than the limit"
    if verdict.word == "passed":
        return f"passed: in none of {of} is it shown that it got worse by more than the limit"
    if verdict.word == "incomplete":
        return f"incomplete: nothing failed in {of}{missing}, and a missing cell is no pass"
    shown = sum(j.word == "regressed" for j in verdict.failed)
    parts = [f"{shown} of {of} regressed"] if shown else []
    parts += [f"{bad - shown} of {of} not shown to be within the limit"] if bad > shown else []
    return f"failed: {', '.join(parts)}{missing}"


def what_is_wrong(j: Judged, level: float = 0.05) -> str:
    """One sentence about a cell that failed."""
    d = j.difference
    moved = f"{value_of(d.metric, d.before)} → {value_of(d.metric, d.after)}"
    drop = f"drop {change_of(d.metric, d.drop.value)} {interval_of(d)}".rstrip()
    allowed = f"allowed {limit_of(d.metric, d.limit)}"
    if j.word == "unproven":
        bound = f"{1 - level:.0%} sure only that it is not above {change_of(d.metric, j.bound)}"
        return f"{d.condition}: {d.metric} {moved}, {drop}, {allowed}: {bound}"
    return f"{d.condition}: {d.metric} {moved}, {drop}, {allowed}: p {probability(j.corrected)}, corrected"


def numbers(j: Judged, verdict: Verdict) -> dict[str, str]:
    """Every figure of a cell, by its name, as text."""
    d = j.difference
    return {
        "baseline": f"{d.baseline}: {value_of(d.metric, d.before)}",
        "candidate": f"{d.candidate}: {value_of(d.metric, d.after)}",
        "drop": f"{change_of(d.metric, d.drop.value)} {interval_of(d)}".rstrip(),
        "allowed": limit_of(d.metric, d.limit),
        "p, this cell alone": probability(j.p),
        f"p, corrected for {many(len(verdict.judged), 'cell')}": probability(j.corrected),
        f"upper bound of the drop, one-sided {1 - verdict.level:.0%}": change_of(d.metric, j.bound),
        "least drop that would have been called": change_of(d.metric, j.called),
        "trials": f"{d.drop.n_bonafide} bona fide, {d.drop.n_spoof} spoof",
    }


def row(j: Judged) -> tuple[str, ...]:
    """A line under HEADER."""
    d = j.difference
    name = d.candidate if d.candidate == d.baseline else f"{d.baseline} → {d.candidate}"
    where = f"{d.condition} (mean of {d.conditions})" if d.conditions > 1 else d.condition
    return (
        name,
        where,
        d.metric,
        value_of(d.metric, d.before),
        value_of(d.metric, d.after),
        change_of(d.metric, d.drop.value),
        interval_of(d),
        probability(j.corrected if math.isfinite(d.limit) else j.different),
        j.word if math.isfinite(d.limit) or j.word in ("worse", "better") else "no difference shown",
    )


def rows(verdict: Verdict, *, everything: bool = True) -> list[tuple[str, ...]]:
    """Lines under HEADER: what failed first, the surest on top; then, with ``everything``, the rest by its drop."""
    failed = verdict.failed
    rest = [j for j in verdict.judged if j not in failed] if everything else []
    return [row(j) for j in [*failed, *sorted(rest, key=lambda j: -j.difference.drop.value)]]


def power(verdict: Verdict) -> str:
    """What the gate could have seen at all, by metric."""
    said = []
    for w in verdict.comparison.wanted:
        least = sorted(
            j.called for j in verdict.judged if j.difference.metric == w.metric and math.isfinite(j.called)
        )
        if least:
            middle = change_of(w.metric, least[len(least) // 2])
            ends = f"{change_of(w.metric, least[0])} to {change_of(w.metric, least[-1])}"
            said.append(f"{w.metric}: {middle} in the median cell ({ends})")
    return f"the least drop that would have been called: {'; '.join(said)}" if said else ""


def markdown(verdict: Verdict) -> str:
    """A summary for a pull request or a job's page."""
    found = verdict.comparison
    limits = ", ".join(
        f"{w.metric} may get worse by {limit_of(w.metric, w.limit)}"
        for w in found.wanted
        if math.isfinite(w.limit)
    )
    gate = f"{limits}; {'strict' if verdict.strict else 'usual'} gate at {verdict.level:g}"
    parts = [
        "# Robustness gate" if limits else "# Comparison",
        *([f"**{headline(verdict)}**"] if limits else []),
        f"Baseline `{found.match.baseline.run}`, candidate `{found.match.candidate.run}`{f'; {gate}' if limits else ''}. "
        "A positive drop is worse.",
    ]
    if verdict.failed:
        parts += ["## Failed", table(HEADER, [row(j) for j in verdict.failed])]
    if verdict.errors:
        lines = [(g.candidate, g.condition, g.metric, g.why) for g in verdict.errors]
        parts += ["## Missing", table(("detector", "condition", "metric", "why"), lines)]
    moved = [j for j in verdict.judged if j.word in ("worse", "better")]
    if moved:
        parts += ["## Moved, within the limit", table(HEADER, _first([row(j) for j in _by_size(moved)]))]
    still = [j for j in verdict.judged if j.word == "passed"]
    if still:
        parts += [f"## No difference shown: {many(len(still), 'cell')}"]
        parts += [table(HEADER, _first([row(j) for j in _by_size(still)]))]
    parts.append(
        "\n".join(f"- {text}" for text in [power(verdict), *found.notes, *_skipped(verdict)] if text)
    )
    return "\n\n".join(parts) + "\n"


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """Everything, as JSON: numbers with all their digits, null for NaN and infinity."""
    found = verdict.comparison
    return {
        "verdict": verdict.word,
        "exit_code": verdict.exit_code,
        "headline": headline(verdict),
        "gate": "strict" if verdict.strict else "usual",
        "level": verdict.level,
        "confidence": found.confidence,
        "resamples": found.resamples,
        "baseline": str(found.match.baseline.run),
        "candidate": str(found.match.candidate.run),
        "pairs": [{"baseline": old, "candidate": new} for old, new in found.match.pairs],
        "trials": len(found.match.trials),
        "limits": {w.metric: _number(w.limit) for w in found.wanted},
        "cells": [_cell(j) for j in verdict.judged],
        "gaps": [_gap(g) for g in found.gaps],
        "notes": [*found.notes],
    }


def value_of(metric: str, value: float) -> str:
    """A metric's value: "12.3 %" for a share, else a number."""
    if not math.isfinite(value):
        return NOTHING
    return f"{100 * value:.1f} %" if is_share(metric) else plain(value)


def change_of(metric: str, value: float) -> str:
    """A difference: "+1.2 points" for a share, else a number with its sign."""
    if not math.isfinite(value):
        return NOTHING
    text = f"{100 * value:+.1f} points" if is_share(metric) else f"{value:+.3f}"
    return text.replace("-", "−")


def limit_of(metric: str, value: float) -> str:
    """An allowed drop: "2 points" or "0.02"."""
    return f"{100 * value:g} points" if is_share(metric) else f"{value:g}"


def interval_of(d: Difference) -> str:
    """The interval of a drop: "[−0.3 to +2.8]", in the unit of ``change_of``."""
    if not (math.isfinite(d.drop.low) and math.isfinite(d.drop.high)):
        return ""
    ends = (change_of(d.metric, x).removesuffix(" points") for x in (d.drop.low, d.drop.high))
    return f"[{' to '.join(ends)}]"


def is_share(metric: str) -> bool:
    """Whether a metric is a share of trials, shown in percent."""
    plain_name = metric
    for kind in _KINDS:
        plain_name = plain_name.removesuffix(kind)
    return plain_name in _SHARES or plain_name in ("miss", "false_alarm")


def _by_size(judged: Sequence[Judged]) -> list[Judged]:
    return sorted(judged, key=lambda j: -abs(j.difference.drop.value))


def _first(lines: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    if len(lines) <= _SHOWN:
        return lines
    return [*lines[:_SHOWN], (f"… {len(lines) - _SHOWN} more", *[""] * (len(HEADER) - 1))]


def _skipped(verdict: Verdict) -> list[str]:
    gaps = [g for g in verdict.comparison.gaps if g.kind == "skipped"]
    found: dict[str, list[Gap]] = {}
    for gap in gaps:
        found.setdefault(gap.why, []).append(gap)
    return [
        f"skipped, {why}: {', '.join(dict.fromkeys(g.condition for g in of))}" for why, of in found.items()
    ]


def _cell(j: Judged) -> dict[str, Any]:
    d = j.difference
    return {
        "baseline": d.baseline,
        "candidate": d.candidate,
        "condition": d.condition,
        "conditions": d.conditions,
        "metric": d.metric,
        "better": d.better,
        "verdict": j.word,
        "before": _number(d.before),
        "after": _number(d.after),
        "drop": _number(d.drop.value),
        "low": _number(d.drop.low),
        "high": _number(d.drop.high),
        "limit": _number(d.limit),
        "p": _number(j.p),
        "p_corrected": _number(j.corrected),
        "p_different": _number(j.different),
        "upper_bound": _number(j.bound),
        "least_called": _number(j.called),
        "clusters": d.clusters,
        "n_bonafide": d.drop.n_bonafide,
        "n_spoof": d.drop.n_spoof,
        "unscored": d.unscored,
    }


def _gap(g: Gap) -> dict[str, str]:
    return {
        "baseline": g.baseline,
        "candidate": g.candidate,
        "condition": g.condition,
        "metric": g.metric,
        "kind": g.kind,
        "why": g.why,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
