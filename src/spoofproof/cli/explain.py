"""``spoofproof explain``: why a detector says what it says of a file, with what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..shipped import DETECTOR
from .console import console, note, table


def explain(
    file: Annotated[Path, typer.Argument(help="A recording: wav, flac, mp3, m4a, ogg, opus, webm …")],
    detector: Annotated[str, typer.Option(help="NAME, NAME@FILE or file.py:name.")] = DETECTOR,
    start: Annotated[
        float, typer.Option(min=0, help="Where the explained excerpt begins, in seconds.")
    ] = 0.0,
    calls: Annotated[int, typer.Option(min=48, help="Calls of the detector for the map, at most.")] = 96,
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Every fact as JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page to this file.")] = None,
) -> None:
    """Why? The regions that moved the score, whether that map is true, and which artefacts were measured."""
    from ..audio import open_audio
    from ..explain import explain as why
    from ..explain.page import tally, write

    clip = open_audio(file, seconds=start + 6)
    made = why(clip, detector, start=start, calls=calls, seed=seed)
    if html is not None:
        write(made, clip, html, file.name)
        note(f"page: {html}")
    if json_:
        typer.echo(json.dumps(made.as_dict(), ensure_ascii=False, indent=1, allow_nan=False))
        return
    for text in made.summary:
        console().print(text, highlight=False, markup=False)
    rows = [
        (f.name, f.said or "–", {"spoof": "synthetic", "bonafide": "real", "": "–"}[f.speaks], tally(f) or f.why,
         ("strong" if f.strong else "weak") + f", AUROC {f.auroc:.2f} [{f.auroc_low:.2f}–{f.auroc_high:.2f}]")
        for f in made.findings
    ]  # fmt: skip
    table(
        "measured", ("measure", "value", "speaks for", "how often, on development speech", "by itself"), rows
    )
