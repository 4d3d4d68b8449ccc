"""``spoofproof compare`` and ``spoofproof gate``: did a detector get less robust between two runs?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadPlan
from .console import bar, complain, console, note, table

if TYPE_CHECKING:
    from ..gate import Verdict, Wanted

Pair = Annotated[
    list[str] | None,
    typer.Option(
        "--pair", help="OLD=NEW: which detectors stand against each other; repeat. Default: the same name."
    ),
]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric", help="NAME or NAME=DROP, a drop of its own; repeat. Default: eer. See docs/metrics.md."
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail unless every cell is shown to be within the limit.")
]
Level = Annotated[
    float,
    typer.Option(min=0.001, max=0.5, help="Chance of a false alarm in the whole gate (strict: of a pass)."),
]
Shared = Annotated[
    bool, typer.Option("--shared", help="Compare over the trials and conditions that both runs have.")
]
OtherAudio = Annotated[
    bool,
    typer.Option("--other-audio", help="Compare conditions whose audio was not the same in both runs too."),
]
MaxLost = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of a cell's trials that the candidate may leave without a score."),
]
Count = Annotated[int, typer.Option("--resamples", min=10, help="Bootstrap resamples.")]
Junit = Annotated[Path | None, typer.Option(help="Write the verdict as a JUnit file.")]
Markdown = Annotated[Path | None, typer.Option(help="Write the verdict as a Markdown summary.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, on standard output.")]


def compare(
    run_a: Annotated[Path, typer.Argument(help="A run folder: the baseline.")],
    run_b: Annotated[Path, typer.Argument(help="Another one, over the same trials: the candidate.")],
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, help="Exit with 1 when a cell got worse by more than this, as gate does."),
    ] = None,
    metric: Metric = None,
    pair: Pair = None,
    strict: Strict = False,
    level: Level = 0.05,
    shared: Shared = False,
    other_audio: OtherAudio = False,
    max_lost: MaxLost = 0.0,
    resamples: Count = 1000,
    junit: Junit = None,
    markdown: Markdown = None,
    json_: AsJson = False,
) -> None:
    """Paired differences of two runs, cell by cell, with intervals, corrected for their number."""
    if max_drop is None and (strict or junit):
        raise BadPlan("--strict and --junit need a limit: say --max-drop, or use spoofproof gate")
    options = {"resamples": resamples, "other_audio": other_audio, "max_lost": max_lost}
    verdict = _judged(run_a, run_b, metric, max_drop, pair, shared, strict, level, options)
    _say(verdict, json_=json_, everything=True, judged=max_drop is not None)
    _write(verdict, junit, markdown)
    if max_drop is not None:
        raise typer.Exit(verdict.exit_code)


def gate(
    baseline: Annotated[Path, typer.Option(help="Run folder of what is in use.")],
    candidate: Annotated[Path, typer.Option(help="Run folder of what would replace it.")],
    max_drop: Annotated[
        float,
        typer.Option(
            min=0, help="How much worse any cell may be, in the metric's own unit: 0.02 = 2 points of EER."
        ),
    ] = 0.02,
    metric: Metric = None,
    pair: Pair = None,
    strict: Strict = False,
    level: Level = 0.05,
    shared: Shared = False,
    other_audio: OtherAudio = False,
    max_lost: MaxLost = 0.0,
    resamples: Count = 1000,
    junit: Junit = None,
    markdown: Markdown = None,
    json_: AsJson = False,
) -> None:
    """Stop a model that got less robust: exit 0 passed, 1 with the cells that regressed, 2 bad or missing input."""
    options = {"resamples": resamples, "other_audio": other_audio, "max_lost": max_lost}
    verdict = _judged(baseline, candidate, metric, max_drop, pair, shared, strict, level, options)
    _say(verdict, json_=json_, everything=False, judged=True)
    _write(verdict, junit, markdown)
    raise typer.Exit(verdict.exit_code)


def register(app: typer.Typer) -> None:
    """Both commands."""
    app.command()(compare)
    app.command()(gate)


def _judged(
    baseline: Path,
    candidate: Path,
    metrics: Sequence[str] | None,
    max_drop: float | None,
    pairs: Sequence[str] | None,
    shared: bool,
    strict: bool,
    level: float,
    options: dict[str, Any],
) -> Verdict:
    from ..gate import Side, differences, judge, match

    limit = float("inf") if max_drop is None else max_drop
    wanted = [_wanted(text, limit) for text in metrics or ["eer"]]
    if len({w.metric for w in wanted}) < len(wanted):
        raise BadPlan(f"--metric names one twice: {', '.join(metrics or [])}")
    found = match(Side.open(baseline), Side.open(candidate), pairs=pairs or (), shared=shared)
    with bar("compare", "cells") as update:
        compared = differences(found, wanted, progress=update, **options)
    return judge(compared, strict=strict, level=level)


def _wanted(text: str, limit: float) -> Wanted:
    from ..gate import Wanted

    name, equals, drop = text.partition("=")
    if not equals:
        return Wanted(name, limit)
    try:
        own = float(drop)
    except ValueError:
        own = -1.0
    if not 0 <= own < float("inf"):
        raise BadPlan(
            f"--metric {text!r}: expected NAME or NAME=DROP with a drop of at least 0, such as eer=0.02"
        )
    return Wanted(name, own)


def _say(verdict: Verdict, *, json_: bool, everything: bool, judged: bool) -> None:
    from ..gate import as_dict, text

    if json_:
        typer.echo(json.dumps(as_dict(verdict), ensure_ascii=False, indent=1, allow_nan=False))
        return
    lines = text.rows(verdict, everything=everything)
    if lines:
        table("Failed" if not everything else "Drops: + is worse", text.HEADER, lines)
    for gap in verdict.errors:
        complain(f"{gap.candidate} under {gap.condition}: {gap.why}")
    for remark in (*verdict.comparison.notes, text.power(verdict)):
        if remark:
            note(remark)
    if judged:
        console().print(text.headline(verdict), highlight=False, markup=False)


def _write(verdict: Verdict, junit: Path | None, markdown: Path | None) -> None:
    from .. import gate
    from ..audio import whole_file

    if junit is not None:
        with whole_file(junit) as out:
            out.write(gate.junit(verdict))
        note(f"written: {junit}")
    if markdown is not None:
        with whole_file(markdown) as out:
            out.write(gate.markdown(verdict).encode())
        note(f"written: {markdown}")
