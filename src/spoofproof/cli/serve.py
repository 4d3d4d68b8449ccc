"""``spoofproof serve``: the page and the HTTP service. ``spoofproof listen``: a rolling verdict on what is being said."""

from __future__ import annotations

import sys
from io import BufferedIOBase
from pathlib import Path
from typing import Annotated, cast

import typer

from ..errors import BadPlan, MissingPart
from .console import note


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Others than loopback ask for a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8321,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="A further host name by which it is reached, of a proxy say; repeat. Asks for a key."
        ),
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="Folder of bench runs to show. Default: runs, where it is there.")
    ] = None,
    detector: Annotated[str, typer.Option(help="NAME or NAME@FILE. Default: the one that detect uses.")] = "",
    table: Annotated[Path | None, typer.Option(help="Abstention table of a detector of your own.")] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Folder for jobs and keys. Default: SPOOFPROOF_STATE, or the user's state folder."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode and score.")] = 2,
    queue: Annotated[
        int, typer.Option(min=1, help="Files that may wait; further ones are refused with 429.")
    ] = 32,
    max_mb: Annotated[float, typer.Option(min=0.01, help="Of one file.")] = 200.0,
    max_hours: Annotated[float, typer.Option(min=0.01, help="Of one recording in a job.")] = 4.0,
    rate: Annotated[float, typer.Option(min=0, help="Requests a minute for each key; 0: no limit.")] = 120.0,
    keep: Annotated[bool, typer.Option(help="Keep uploads and results instead of removing them.")] = False,
    new_key: Annotated[str, typer.Option(help="Make a key of this name, print it once, and end.")] = "",
    revoke_key: Annotated[str, typer.Option(help="Forget the key of this name, and end.")] = "",
) -> None:
    """A web page and an HTTP API: is this recording real? Only this machine reaches it unless told otherwise."""
    try:
        from ..web import keys
        from ..web.serve import serve as run
        from ..web.settings import Settings, default_state
    except ImportError as error:
        raise MissingPart.extra("the service", "web") from error
    place = (state or default_state()).expanduser().resolve()
    if new_key:
        typer.echo(keys.new_key(place, new_key))
        note("this is the only time that it is shown; send it as: Authorization: Bearer KEY")
        return
    if revoke_key:
        keys.revoke_key(place, revoke_key)
        note(f"the key {revoke_key} is forgotten; restart the service if it runs")
        return
    shown = runs or (Path("runs") if Path("runs").is_dir() else None)
    settings = Settings(
        state=place, runs=shown, detector=_absolute(detector), table=table and table.resolve(), host=host, port=port, names=tuple(name or ()),
        workers=workers, queue=queue, max_bytes=int(max_mb * 1e6), max_seconds=max_hours * 3600, rate=rate, keep=keep,
    )  # fmt: skip
    run(settings, note)


def listen(
    source: Annotated[
        str, typer.Argument(help="- for standard input (raw 16-bit mono PCM at 16 kHz, or WAV), or mic.")
    ] = "-",
    detector: Annotated[str, typer.Option(help="NAME or NAME@FILE. Default: the one that detect uses.")] = "",
    table: Annotated[Path | None, typer.Option(help="Abstention table of a detector of your own.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One line of JSON for each verdict.")] = False,
) -> None:
    """A rolling verdict, twice a second, on the last four seconds of a microphone or a pipe."""
    from .listening import follow, microphone

    if source == "mic":
        with microphone() as pipe:
            follow(pipe, detector, table, json_)
    elif source == "-":
        if sys.stdin.isatty():
            raise BadPlan(
                "nothing is piped in; try: arecord -f S16_LE -r 16000 -c 1 -t raw | spoofproof listen, or: spoofproof listen mic"
            )
        follow(cast(BufferedIOBase, sys.stdin.buffer), detector, table, json_)
    else:
        raise BadPlan(
            f"listen takes - (standard input) or mic, not {source!r}; for a file: spoofproof detect {source}"
        )


def _absolute(detector: str) -> str:
    """The workers run in folders of their own: paths in NAME@FILE and FILE.py:NAME must not depend on this one."""
    head, at, tail = detector.partition("@")
    file, colon, attribute = head.partition(".py:")
    if colon:
        head = f"{Path(file + '.py').expanduser().resolve()}:{attribute}"
    if at and Path(tail).expanduser().exists():
        tail = str(Path(tail).expanduser().resolve())
    return f"{head}{at}{tail}"
