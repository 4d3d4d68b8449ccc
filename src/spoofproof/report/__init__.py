"""Results -> terminal, Markdown, CSV, JSON, LaTeX and one HTML page. No number is computed here beyond what is shown."""

from __future__ import annotations

import json
from pathlib import Path

from ..audio import whole_file
from ..results import Results
from ..scores import ScoreTable
from .html import html
from .tables import as_json, csv_files
from .terminal import terminal
from .text import latex, markdown

__all__ = ["as_json", "csv_files", "html", "latex", "markdown", "terminal", "write"]


def write(results: Results, table: ScoreTable, out: Path, *, run: Path | None = None) -> list[Path]:
    """Write report.html, report.md, report.json, report.tex and tables/*.csv into ``out``; returns their paths.

    run: the run folder whose ``samples/`` the page lets one hear; None: ``out`` itself. Files appear only when whole.
    Raises RunConflict when the disk is full or ``out`` cannot be written.
    """
    texts = {
        "report.html": html(results, table, out if run is None else run),
        "report.md": markdown(results),
        "report.json": json.dumps(as_json(results), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.tex": latex(results),
        **{f"tables/{name}": text for name, text in csv_files(results).items()},
    }
    written = []
    for name, text in texts.items():
        path = out / name
        with whole_file(path) as file:
            file.write(text.encode("utf-8", errors="replace"))
        written.append(path)
    return written
