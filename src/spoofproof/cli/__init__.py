"""The command line: parse, one library call, print. Errors are sentences, and exit with code 2."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadPlan, SpoofproofError
from ..interrupt import minded
from . import forecast
from .console import EXIT_INTERRUPTED, bar, complain, console, cores, note, resumable, table
from .detect import detect
from .explain import explain
from .gate import register as register_gate
from .serve import listen, serve
from .study import calibrate_severity, study_app
from .trials import limited, open_corpus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..scores import ScoreTable
    from ..types import Trial

EXIT_BAD_INPUT = 2
EXIT_LOW_COVERAGE = 3

Reference = Annotated[str, typer.Option(help="Detector that relative errors are measured against.")]
Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap resamples for the intervals.")]
MinCoverage = Annotated[
    float,
    typer.Option(min=0, max=1, help="Exit with 3 when any cell scores less than this share of its trials."),
]

app = typer.Typer(
    name="spoofproof",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="How far can a speech deepfake detector be trusted once the audio has been through the real world?",
)
corpus_app = typer.Typer(
    no_args_is_help=True, help="Look at a corpus before believing a number made from it."
)
app.add_typer(corpus_app, name="corpus")
app.add_typer(study_app, name="study")
app.command()(calibrate_severity)
register_gate(app)
app.command()(detect)
app.command()(explain)
app.command()(serve)
app.command()(listen)


def main() -> None:
    """Entry point: a SpoofproofError is a sentence and exit code 2."""
    try:
        with minded():  # from the first import on: much of a short command
            app(standalone_mode=True)
    except SpoofproofError as error:
        complain(str(error))
        raise SystemExit(EXIT_BAD_INPUT) from None
    except KeyboardInterrupt:
        complain("interrupted")
        raise SystemExit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def _version(value: bool) -> None:
    if value:
        from .. import __version__

        typer.echo(f"spoofproof {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    engine: Annotated[
        str,
        typer.Option(
            "--runtime",
            envvar="SPOOFPROOF_RUNTIME",
            help="What runs the networks of detectors: onnxruntime, or openvino (pip install 'spoofproof[fast]').",
        ),
    ] = "",
) -> None:
    if engine:
        from ..runtime import choose

        choose(engine)


@app.command()
def bench(
    plan: Annotated[
        str, typer.Option(help="A built-in plan (spoofproof list plans) or a file.toml.")
    ] = "default",
    corpus: Annotated[
        str, typer.Option(help="NAME, NAME:ROOT or file.py:name (spoofproof list corpora).")
    ] = "builtin",
    detector: Annotated[
        list[str] | None, typer.Option(help="NAME, NAME@FILE or file.py:name; repeat. Default: the plan's.")
    ] = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="mp3@16, mp3@*, reverb@0.5+opus@12; repeat. Default: the plan's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; one that exists is continued. Default: runs/PLAN-CORPUS.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Local processes. Default: one a core.")] = 0,
    scale: Annotated[str, typer.Option(help="local, ray or ray:HOST:PORT (docs/scale.md).")] = "local",
    shard: Annotated[
        str, typer.Option(help="K/N: only this share of the conditions; N processes fill one folder.")
    ] = "",
    size: Annotated[
        int,
        typer.Option(
            min=0, help="Human sentences in the evaluation part of the built-in corpus; 0: its default."
        ),
    ] = 0,
    speech: Annotated[
        Path | None, typer.Option(help="Folder of human speech to build the built-in corpus from.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="At most this many trials of each class and part, drawn by the seed.")
    ] = 0,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw. Default: the plan's.")] = None,
    reference: Reference = "",
    resamples: Resamples = 1000,
    min_coverage: MinCoverage = 0.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure on a few clips how long it will take; score nothing.")
    ] = False,
    budget: Annotated[
        str,
        typer.Option(
            help="Stop after this long (90s, 10m, 2h), with a sample of the trials, where it tells most."
        ),
    ] = "",
) -> None:
    """Measure how robust detectors are: a table here, a report in the run folder. Stop and go on at any time."""
    from ..bench import check_trials
    from ..plan import Plan
    from ..registry import detectors as registry
    from ..scale import LOCAL, Share, check

    check(scale)
    share = Share.parse(shard) if shard else Share()
    seconds = forecast.seconds(budget) if budget else None
    if (budget or dry_run) and (shard or scale != LOCAL):
        raise BadPlan(
            "--budget and --dry-run are of one machine: they go with neither --scale ray nor --shard"
        )
    the_plan = Plan.load(plan)
    changes: dict[str, Any] = {}
    if detector:
        for text in detector:
            registry[text.partition("@")[0]]
        changes["detectors"] = tuple(detector)
    if condition:
        changes["conditions"] = tuple(condition)
    if seed is not None:
        changes["seed"] = seed
    if changes:
        the_plan = the_plan.with_(**changes)
    with bar("corpus", "files") as update:
        trials, facts = open_corpus(corpus, size=size, speech=speech, progress=update)
    if limit:
        trials = limited(trials, limit, the_plan.seed)
    check_trials(trials)
    facts["options"] = [
        *(word for text in condition or [] for word in ("--condition", text)),
        *(("--size", str(size)) if size else ()),
        *(("--speech", str(speech)) if speech else ()),
        *(("--limit", str(limit)) if limit else ()),
    ]
    folder = out or Path("runs") / _run_name(the_plan.name, corpus)
    if dry_run:
        forecast.dry_run(the_plan, trials, folder, workers=workers or cores())
        return
    if not (folder / "run.json").exists():
        with bar("audit", "files") as update:
            facts = {**facts, "audit": _audit(trials, update, the_plan.seed)}
    note(
        f"{len(trials)} trials, {len(the_plan.conditions)} conditions, {len(the_plan.detectors)} detectors → {folder}"
    )
    with resumable(), bar("bench", "trials") as update:
        table = forecast.scored(
            the_plan,
            trials,
            folder,
            budget=seconds,
            corpus=facts,
            workers=workers or (cores() if scale == LOCAL else 0),
            progress=lambda p: update(p.done, p.total, p.condition),
            **({} if budget else {"scale": scale, "share": share, "say": note}),
        )
    if shard:
        note(
            f"share {share} is done: {len(table.cells)} cells are there. When all are: spoofproof report {folder}"
        )
    else:
        _report(table, folder, folder, reference=reference, resamples=resamples)
    _check_coverage(table, min_coverage)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="Where the report goes. Default: the run folder.")] = None,
    reference: Reference = "",
    resamples: Resamples = 1000,
    without_contaminated: Annotated[
        bool, typer.Option(help="Leave out trials that a detector's card lists as met in training.")
    ] = False,
    min_coverage: MinCoverage = 0.0,
) -> None:
    """Re-table, re-plot and re-test a run from its cells alone: no audio and no model is needed."""
    from ..scores import ScoreTable

    table = ScoreTable.read(run)
    _report(table, run, out or run, reference=reference, resamples=resamples, without=without_contaminated)
    _check_coverage(table, min_coverage)


@app.command(name="list")
def list_(
    what: Annotated[str, typer.Argument(help="corruptions, detectors, metrics, corpora or plans.")],
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What there is: everything registered, by this package, by plug-ins, by nobody else."""
    from ..listing import rows

    title, header, lines = rows(what)
    if json_:
        typer.echo(
            json.dumps([dict(zip(header, line, strict=True)) for line in lines], ensure_ascii=False, indent=1)
        )
    else:
        table(title, header, lines)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A corruption, detector, metric, corpus or plan.")],
) -> None:
    """What one thing does: unit, levels, source, card."""
    from ..listing import describe

    table(name, ("", ""), describe(name))


@app.command()
def hear(
    condition: Annotated[str, typer.Argument(help="mp3@16, or a chain: reverb@0.5+opus@12")],
    source: Annotated[Path, typer.Argument(help="An audio file.")],
    target: Annotated[Path, typer.Argument(help="Where to write (.wav, .flac, .ogg).")],
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 0,
) -> None:
    """Apply a condition to a file and write what a detector would hear, at the file's own rate."""
    from ..audio import open_audio, save_audio
    from ..corrupt import corrupt, steps
    from ..corruptions.measure import distortion

    clean = open_audio(source)
    corrupted = corrupt(clean, condition, key=source.name, seed=seed)
    save_audio(corrupted, target)
    chain = steps(condition)
    parts = [f"{clean.seconds:.2f} s → {corrupted.seconds:.2f} s at {clean.rate} Hz"]
    parts.append(f"log-spectral distance {distortion(clean, corrupted):.1f} dB")
    if len(chain) == 1 and chain[0][0].measure is not None:
        spec, level = chain[0]
        parts.append(f"measured {spec.measure(clean, corrupted, level):.4g} {spec.unit}")  # type: ignore[misc]
    note(f"{target}: {', '.join(parts)}")


@app.command()
def scores(
    file: Annotated[Path, typer.Argument(help="A score file of the field.")],
    format_: Annotated[
        str,
        typer.Option("--format", help="asvspoof2019, asvspoof2021, asvspoof5, superb, antideepfake, lab260."),
    ],
    key: Annotated[
        Path | None, typer.Option(help="Key or protocol file, where the scores carry no labels.")
    ] = None,
    higher: Annotated[
        str, typer.Option(help="What a higher score means, where the format does not say: bonafide or spoof.")
    ] = "",
    resamples: Resamples = 1000,
) -> None:
    """Metrics with intervals from somebody's score file: no audio and no model is needed."""
    from ..score_files import evaluate_files

    found = evaluate_files(file, format=format_, key=key, higher=higher or None, resamples=resamples)
    for remark in found.notes:
        note(remark)
    lines = [
        (
            n,
            f"{e.value:.6g}",
            f"[{e.low:.6g}, {e.high:.6g}]" if e.low <= e.high else "–",
            str(e.n_bonafide),
            str(e.n_spoof),
        )
        for n, e in found.metrics.items()
    ]
    table(str(file), ("metric", "value", "95 % interval", "bona fide", "spoof"), lines)


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe file, such as recipes/lfcc-lcnn.toml.")],
    data: Annotated[Path | None, typer.Option(help="Root of the corpus. Default: SPOOFPROOF_DATA.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for weights, card, log and state. Default: runs/train/RECIPE.")
    ] = None,
) -> None:
    """Train a detector from a recipe; a run that was stopped goes on where it was."""
    from ..train import run

    with resumable(), bar("train", "steps") as update:
        made = run(recipe, data=data, out=out, progress=update)
    note(f"written: {made}")


@app.command()
def fetch(what: Annotated[str, typer.Argument(help="lyra or dtln")]) -> None:
    """Download published weights into the cache, verified by their checksums (from SPOOFPROOF_WEIGHTS_URL)."""
    from ..weights import fetch as get

    note(f"in place: {get(what)}")


@corpus_app.command()
def audit(
    corpus: Annotated[str, typer.Argument(help="NAME, NAME:ROOT or file.py:name.")] = "builtin",
    sample: Annotated[
        int, typer.Option(min=0, help="Open at most this many files, drawn by the seed; 0: all.")
    ] = 2000,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Counts, unreadable files, duplicates, and shortcuts that give the answer away without listening."""
    from ..corpora.audit import audit as look
    from ..corpora.audit_tables import tables

    with bar("corpus", "files") as update:
        trials, _ = open_corpus(corpus, size=0, speech=None, progress=update)
    with bar("audit", "files") as update:
        found = look(trials, progress=update, sample=sample or None)
    if json_:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
        return
    for title, header, lines in tables(found):
        table(title, header, lines)


def _audit(trials: Sequence[Trial], update: Callable[..., None], seed: int) -> dict[str, Any]:
    from ..corpora.audit import audit as look

    return dict(look(trials, progress=update, sample=2000, seed=seed).to_dict())


def _report(
    table: ScoreTable, run: Path, folder: Path, *, reference: str, resamples: int, without: bool = False
) -> None:
    from .. import report as rendering
    from ..results import evaluate

    with bar("report", "cells") as update:
        results = evaluate(
            table,
            resamples=resamples,
            reference=reference or None,
            without_contaminated=without,
            progress=update,
        )
        written = rendering.write(results, table, folder, run=run)
    rendering.terminal(results, console())
    pages = [path for path in written if path.suffix == ".html"]
    note(f"report: {pages[0] if pages else folder}")


def _check_coverage(table: ScoreTable, least: float) -> None:
    low = {key: cell.coverage for key, cell in table.cells.items() if cell.coverage < least}
    if low:
        (detector, condition), worst = min(low.items(), key=lambda item: item[1])
        complain(
            f"coverage below {least:.1%} in {len(low)} cells; lowest: {detector} under {condition} with {worst:.1%}. "
            "The status column of the cell says why."
        )
        raise typer.Exit(EXIT_LOW_COVERAGE)


def _run_name(plan: str, corpus: str) -> str:
    name = corpus.partition(":")[0]
    leaf = Path(corpus.partition(":")[2]).name
    return "-".join(filter(None, (plan, Path(name).stem, Path(leaf).stem)))
