"""``spoofproof study …`` and ``spoofproof calibrate-severity``: one question, one command, one folder with a report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadPlan
from .console import bar, console, cores, note, resumable, table
from .trials import limited, open_corpus

if TYPE_CHECKING:
    from ..report.study import Page
    from ..types import Trial

study_app = typer.Typer(
    no_args_is_help=True, help="Studies: one question each, with a report; stop and go on at any time."
)

Corpus = Annotated[
    str,
    typer.Option(
        help="NAME, NAME:ROOT or file.py:name. Default: the manifest of SPOOFPROOF_DATA, else builtin."
    ),
]
Detectors = Annotated[
    list[str] | None, typer.Option("--detector", help="NAME, NAME@FILE or file.py:name; repeat.")
]
Conditions = Annotated[
    list[str] | None,
    typer.Option("--condition", help="mp3@16, mp3@*, reverb@0.5+opus@12; repeat. Default: the study's."),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the study; one that exists is continued. Default: runs/study-NAME."),
]
Workers = Annotated[int, typer.Option(min=0, help="Local processes. Default: one a core.")]
Limit = Annotated[
    int, typer.Option(min=0, help="At most this many trials of each class and part, drawn by the seed.")
]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Count = Annotated[int, typer.Option("--resamples", min=10, help="Bootstrap resamples for the intervals.")]

_SHIPPED = ("lfcc-gmm", "lfcc-lcnn")


@study_app.command()
def augment(
    recipe: Annotated[
        Path | None,
        typer.Option(help="Base recipe, of which both arms are made. Default: a small lfcc-lcnn."),
    ] = None,
    seen: Annotated[
        list[str] | None,
        typer.Option(help="Condition to train on: mp3@16, mp3@*; repeat. Default: the study's."),
    ] = None,
    held_out: Annotated[
        list[str] | None, typer.Option(help="Condition to test on only, of another corruption; repeat.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each arm.")] = 3,
    quick: Annotated[
        bool, typer.Option("--quick", help="A tenth of the training: does everything run?")
    ] = False,
    corpus: Corpus = "",
    out: Out = None,
    workers: Workers = 0,
    limit: Limit = 0,
    seed: Seed = 2025,
    resamples: Count = 1000,
) -> None:
    """Clean training against training with some corruptions, tested on those and on held-out ones."""
    from ..studies.augment import HELD_OUT, SEEN, study_augment

    folder = out or Path("runs/study-augment")
    trials, facts = _trials(corpus, limit, seed)
    with resumable(), bar("augment", "steps") as update:
        page = study_augment(
            trials, folder, corpus=str(facts["name"]), recipe=recipe, seen=seen or SEEN, held_out=held_out or HELD_OUT,
            seeds=seeds, quick=quick, facts=facts, seed=seed, workers=workers or cores(), count=resamples, tell=update,
            command=_command(),
        )  # fmt: skip
    _done(page, folder)


@study_app.command()
def enhance(
    detector: Detectors = None,
    enhancer: Annotated[
        list[str] | None,
        typer.Option(help="spectral-subtraction, wiener, log-mmse, dtln; repeat. Default: all."),
    ] = None,
    condition: Conditions = None,
    corpus: Corpus = "",
    out: Out = None,
    workers: Workers = 0,
    limit: Limit = 0,
    seed: Seed = 2025,
    resamples: Count = 1000,
) -> None:
    """A speech enhancer before the detector: its gain under noise and its cost on clean audio, threshold refitted."""
    from ..enhance import ENHANCERS
    from ..studies.enhance import NOISY, OTHER, study_enhance

    folder = out or Path("runs/study-enhance")
    trials, facts = _trials(corpus, limit, seed)
    with resumable(), bar("enhance", "trials") as update:
        page = study_enhance(
            detector or _SHIPPED, trials, folder, enhancers=enhancer or tuple(ENHANCERS),
            conditions=condition or (*NOISY, *OTHER), corpus=facts, seed=seed, workers=workers or cores(),
            count=resamples, tell=update,
            command=_command(),
        )  # fmt: skip
    _done(page, folder)


@study_app.command()
def size(
    family: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DETECTOR,DETECTOR,…; repeat. Default: the families at hand."),
    ] = None,
    condition: Conditions = None,
    corpus: Corpus = "",
    out: Out = None,
    workers: Workers = 0,
    limit: Limit = 0,
    seed: Seed = 2025,
    resamples: Count = 1000,
) -> None:
    """The same family at several sizes: robustness against parameters and measured cost."""
    from ..studies.size import families_here, parse_family, study_size

    folder = out or Path("runs/study-size")
    families = dict(map(parse_family, family)) if family else families_here()
    trials, facts = _trials(corpus, limit, seed)
    with resumable(), bar("size", "trials") as update:
        page = study_size(
            families, trials, folder, conditions=condition or (), corpus=facts, seed=seed,
            workers=workers or cores(), count=resamples, tell=update,
            command=_command(),
        )  # fmt: skip
    _done(page, folder)


@study_app.command()
def politics(
    detector: Detectors = None,
    speech: Annotated[
        Path | None, typer.Option(help="Folder of political speech of your own, one folder a speaker inside.")
    ] = None,
    fakes: Annotated[
        Path | None,
        typer.Option(help="With --speech: folder of fakes of them, SPEAKER/ or SPEAKER/GENERATOR/ inside."),
    ] = None,
    plan: Annotated[
        str, typer.Option(help="Plan whose conditions are used: a name or a file.toml.")
    ] = "social",
    corpus: Corpus = "",
    out: Out = None,
    workers: Workers = 0,
    resamples: Count = 1000,
) -> None:
    """Political speech against copies and clones of the same speakers, as shared on social media."""
    from ..plan import Plan
    from ..studies.politics import figures_of, from_folder, study_politics

    if fakes is not None and speech is None:
        raise BadPlan("--fakes needs --speech: the real recordings of the same speakers")
    folder = out or Path("runs/study-politics")
    the_plan = Plan.load(plan)
    trials, facts = _trials(corpus, 0, the_plan.seed)
    if speech is not None:
        tested, material = from_folder(speech, fakes), f"Recordings from {speech.name}, given by the user."
    else:
        tested = figures_of(trials)
        material = (
            "Public figures in the eval part of the corpus; thresholds are frozen on its development part."
        )
    with resumable(), bar("politics", "trials") as update:
        page = study_politics(
            detector or _SHIPPED, tested, trials, folder, plan=the_plan, material=material, corpus=facts,
            workers=workers or cores(), count=resamples, tell=update,
            command=_command(),
        )  # fmt: skip
    _done(page, folder)


def calibrate_severity(
    detector: Annotated[str, typer.Option(help="The reference detector: NAME, NAME@FILE or file.py:name.")],
    targets: Annotated[str, typer.Option(help="Accuracies to fall to, as shares.")] = "0.95,0.85,0.70",
    corruption: Annotated[
        list[str] | None, typer.Option(help="NAME or file.py:name; repeat. Default: all plain corruptions.")
    ] = None,
    relative: Annotated[
        bool,
        typer.Option(
            "--relative", help="Targets lie between chance and the clean accuracy instead of chance and 1."
        ),
    ] = False,
    corpus: Corpus = "",
    out: Out = None,
    workers: Workers = 0,
    limit: Limit = 0,
    seed: Seed = 2025,
    resamples: Count = 1000,
) -> None:
    """Find the level of each corruption at which a reference detector falls to these accuracies; writes a plan."""
    from ..studies.calibrate_severity import calibrate_severity as calibrate

    folder = out or Path("runs/severity")
    wanted = _shares(targets)
    trials, facts = _trials(corpus, limit, seed)
    with resumable(), bar("severity", "trials") as update:
        page = calibrate(
            detector, trials, folder, targets=wanted, corruptions=corruption or (), relative=relative,
            corpus=str(facts["name"]), seed=seed, workers=workers or cores(), count=resamples, tell=update,
            command=_command(),
        )  # fmt: skip
    _done(page, folder)
    note(f"as a plan: {folder / 'severity.toml'}")


def _shares(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise BadPlan(
            f"--targets {text!r}: expected shares with commas between, such as 0.95,0.85,0.70"
        ) from None


def _trials(corpus: str, limit: int, seed: int) -> tuple[Sequence[Trial], dict[str, Any]]:
    root = os.environ.get("SPOOFPROOF_DATA")
    name = corpus or (f"manifest:{root}" if root else "builtin")
    with bar("corpus", "files") as update:
        trials, facts = open_corpus(name, size=0, speech=None, progress=update)
    trials = [t for t in trials if t.part != "train"]
    return (limited(trials, limit, seed) if limit else trials), facts


def _command() -> list[str]:
    """This very command, for the report."""
    return ["spoofproof", *sys.argv[1:]]


def _done(page: Page, folder: Path) -> None:
    """The findings, the first table, and where the report lies."""
    for text in page.findings:
        console().print(text, highlight=False, markup=False)
    for first in page.tables[:1]:
        lines = [[c.say(v) for c, v in zip(first.columns, row, strict=True)] for row in first.rows]
        table(first.title, [c.title for c in first.columns], lines)
    note(f"report: {folder / 'report.html'}")
