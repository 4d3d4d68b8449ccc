"""What commands say and how: tables, notes, complaints, progress bars, Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from ..interrupt import check, minded

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_INTERRUPTED = 130


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def console() -> Any:
    from rich.console import Console

    plain = Console()
    return plain if plain.is_terminal or "COLUMNS" in os.environ else Console(width=160)


def note(text: str) -> None:
    typer.echo(text, err=True)


def complain(text: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(f"[bold red]error:[/] {escaped(text)}", highlight=False, soft_wrap=True)


def escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.table import Table

    grid = Table(title=escaped(title), box=box.SIMPLE, title_justify="left", show_header=any(header))
    for i, name in enumerate(header):
        grid.add_column(name, overflow="fold", no_wrap=i == 0)
    for line in lines:
        grid.add_row(*(escaped(str(cell)) for cell in line))
    console().print(grid)


@contextmanager
def resumable() -> Iterator[None]:
    """Ctrl-C is a sentence and exit code 130: what was finished stays."""
    try:
        with minded():
            yield
    except KeyboardInterrupt:
        complain("interrupted. What was finished is kept; run the same command again to go on.")
        raise typer.Exit(EXIT_INTERRUPTED) from None


@contextmanager
def bar(what: str, unit: str) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error: update(done, total, text). On a pipe: a line every ten seconds.

    ``update`` raises KeyboardInterrupt where a Ctrl-C went missing (``interrupt``).
    """
    from time import monotonic

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        last = monotonic()

        def line(done: int, total: int, text: str = "") -> None:
            nonlocal last
            check()
            if monotonic() - last > 10:
                last = monotonic()
                note(f"{what}: {done} of {total} {unit} {text}".rstrip())

        yield line
        return
    columns = (
        TextColumn(f"{what:7}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[now]}"),
    )
    with Progress(*columns, console=terminal, transient=True) as shown:
        task = shown.add_task(what, total=None, now="")

        def move(done: int, total: int, text: str = "") -> None:
            check()
            shown.update(task, completed=done, total=total, now=text)

        yield move
