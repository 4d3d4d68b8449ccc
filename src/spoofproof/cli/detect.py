"""``spoofproof detect``: is this recording real?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import BadPlan
from ..shipped import DETECTOR
from .console import bar, complain, console, escaped, note, resumable

if TYPE_CHECKING:
    from ..detect.answer import Answer

_MANY = 20  # from so many recordings on, one line each


def detect(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files with sound, folders, patterns, - for standard input, addresses (--allow-url)."
        ),
    ],
    json_: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    csv_: Annotated[bool, typer.Option("--csv", help="One CSV line a recording on standard output.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page to this file as well.")] = None,
    detector: Annotated[str, typer.Option(help="NAME, NAME@FILE or file.py:name.")] = DETECTOR,
    table: Annotated[
        Path | None, typer.Option(help="Abstention table of a detector of your own (recipes/abstain.py).")
    ] = None,
    prior: Annotated[float, typer.Option(help="Probability that it is synthetic, before listening.")] = 0.5,
    allow_url: Annotated[bool, typer.Option("--allow-url", help="Fetch http and https addresses.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps every answer; the same command goes on where it was stopped."),
    ] = None,
) -> None:
    """Is it real? Likely real, likely synthetic, or cannot tell; where; and how far to trust the answer.

    Exit code: 0 all likely real, 3 at least one likely synthetic, 4 none synthetic but of one it cannot tell, 2 an input failed.
    """
    from ..audio import whole_file
    from ..detect import tables
    from ..detect.batch import detect_all
    from ..detect.inputs import expand
    from ..detect.judge import judge
    from ..detect.page import page

    if json_ and csv_:
        raise BadPlan("--json and --csv both write to standard output; choose one")
    inputs = expand(paths, allow_url=allow_url)
    who = judge(detector, prior=prior, table=table)
    quiet = json_ or csv_
    with resumable(), bar("detect", "recordings") as update:
        found = detect_all(
            who,
            inputs,
            out=out,
            tell=_silent if quiet else _tell_long if len(inputs) < _MANY else _tell_short,
            progress=lambda done, total, text: update(
                done, total, Path(text).name if len(inputs) > 1 else ""
            ),
        )
    if json_:
        typer.echo(tables.as_json(found.answers, found.failed))
    if csv_:
        sys.stdout.write(tables.as_csv(found.answers, found.failed).encode("utf-8", "replace").decode())
    if quiet:
        for error in found.failed.values():
            complain(_printable(error))
    written = {}
    if out:
        written[out / "answers.csv"] = tables.as_csv(found.answers, found.failed)
        written[out / "answers.html"] = page(found.answers, found.failed)
    if html:
        written[html] = page(found.answers, found.failed)
    for path, content in written.items():
        with whole_file(path) as file:
            file.write(content.encode("utf-8", "replace"))
        note(f"written: {path}")
    if found.kept:
        note(f"{found.kept} of {len(inputs)} answers were there already")
    raise typer.Exit(found.exit_code)


def _silent(path: str, found: Answer | str) -> None:
    pass


def _tell_long(path: str, found: Answer | str) -> None:
    from ..detect import text

    if isinstance(found, str):
        complain(_printable(found))
        return
    name, verdict, *rest = (escaped(_printable(line)) for line in text.lines(found))
    style = text.colour(found)
    for line in (name, f"[bold {style}]{verdict}[/]", *rest, ""):
        console().print(line, highlight=False, soft_wrap=True)


def _tell_short(path: str, found: Answer | str) -> None:
    from ..detect import text

    if isinstance(found, str):
        complain(_printable(found))
        return
    chance = text.percent(found.probability)
    line = f"[{text.colour(found)}]{found.verdict:16}[/] {chance:>5}  {escaped(_printable(found.path))}"
    console().print(line, highlight=False, soft_wrap=True)


def _printable(text: str) -> str:
    """File names may hold line breaks, escape codes and bytes that are no text: none of it reaches the terminal."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )
