"""The bench runs of one folder, read-only. A run is known by its folder's name, looked up among those that are there:
nothing that a client sends becomes part of a path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SpoofproofError
from ..scores import read_record

_LONGEST = 64_000_000  # bytes of a report that is still sent


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder. record: its run.json. report: its page, None where none was written or it is too large."""

    name: str
    record: dict[str, Any]
    report: Path | None


def find_runs(folder: Path | None) -> list[Run]:
    """All runs directly below ``folder``, by name; none for None. Links that lead elsewhere are no runs."""
    if folder is None:
        return []
    root = folder.resolve()
    found = []
    for place in sorted(root.iterdir()):
        if place.is_symlink() or not (place / "run.json").is_file():
            continue
        try:
            record = read_record(place)
        except SpoofproofError:
            continue  # half written, or damaged: not a run yet
        found.append(Run(place.name, record, _report(place)))
    return found


def find_run(folder: Path | None, name: str) -> Run | None:
    """The run of that name, None where there is none."""
    return next((run for run in find_runs(folder) if run.name == name), None)


def _report(place: Path) -> Path | None:
    page = place / "report.html"
    return page if page.is_file() and not page.is_symlink() and page.stat().st_size <= _LONGEST else None
