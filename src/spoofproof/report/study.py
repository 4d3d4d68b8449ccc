"""The page of a study: findings, tables and pictures as plain values -> Markdown, CSV and one self-contained HTML page."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from markupsafe import Markup

from ..audio import whole_file
from ..types import Estimate
from . import words
from .templates import environment, part

Kind = Literal["text", "share", "points", "number", "short", "count", "p"]
Value: TypeAlias = str | float | int | Estimate | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. kind: "share" is shown in percent, "points" as a signed difference in percentage points,
    "short" with three digits, "p" as a p-value; shares, points and numbers may be Estimates."""

    title: str
    kind: Kind = "text"

    def say(self, value: Value) -> str:
        """The text of a cell; a dash for None and NaN."""
        if value is None:
            return words.NOTHING
        if isinstance(value, str):
            return value
        if isinstance(value, Estimate):
            return self._both(value)
        if isinstance(value, float) and not math.isfinite(value):
            return words.NOTHING
        if self.kind == "share":
            return words.percent(value)
        if self.kind == "points":
            return words.points(Estimate(value, math.nan, math.nan, 0, 0))
        if self.kind == "p":
            return words.probability(value)
        if self.kind == "short":
            return words.short(value)
        return f"{value:,}".replace(",", "\u202f") if self.kind == "count" else words.plain(value)

    def _both(self, e: Estimate) -> str:
        between = self.range(e)
        return self.say(e.value) + (f" [{between}]" if between else "")

    def main(self, value: Value) -> str:
        """The cell without its interval."""
        return self.say(value.value if isinstance(value, Estimate) else value)

    def range(self, value: Value) -> str:
        """The interval alone, "" where there is none."""
        if not isinstance(value, Estimate) or not (math.isfinite(value.low) and math.isfinite(value.high)):
            return ""
        if self.kind == "points":
            return words.points_range(value)
        scale, digits = (100, 1) if self.kind == "share" else (1, 3)
        return f"{value.low * scale:.{digits}f}–{value.high * scale:.{digits}f}"

    @property
    def number(self) -> bool:
        """Whether the column is set to the right."""
        return self.kind != "text"


@dataclass(frozen=True, slots=True)
class Table:
    """name: of its CSV file. rows: one value a column; Estimates become three columns in the CSV file."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str = ""

    def csv(self) -> str:
        """All digits, one header line."""
        wide = [
            c.number and any(isinstance(row[i], Estimate) for row in self.rows)
            for i, c in enumerate(self.columns)
        ]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        header: list[str] = []
        for column, both in zip(self.columns, wide, strict=True):
            header += [column.title, *([f"{column.title} low", f"{column.title} high"] if both else [])]
        writer.writerow(header)
        for row in self.rows:
            cells: list[object] = []
            for value, both in zip(row, wide, strict=True):
                if isinstance(value, Estimate):
                    cells += [_digits(value.value), _digits(value.low), _digits(value.high)]
                else:
                    cells += [_digits(value), *(["", ""] if both else [])]
            writer.writerow(cells)
        return out.getvalue()

    def markdown(self) -> str:
        """A table of Markdown under its title."""
        lines = [f"**{self.title}**", ""]
        lines.append("| " + " | ".join(c.title for c in self.columns) + " |")
        lines.append("|" + "|".join("---:" if c.number else "---" for c in self.columns) + "|")
        for row in self.rows:
            said = (c.say(v).replace("|", "\\|") for c, v in zip(self.columns, row, strict=True))
            lines.append("| " + " | ".join(said) + " |")
        return "\n".join([*lines, "", *([self.note, ""] if self.note else [])])


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture (inline SVG, see study_plots) with what it shows. small: several stand side by side."""

    title: str
    svg: Markup
    note: str = ""
    small: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences, and what stands under them."""

    id: str
    title: str
    text: tuple[str, ...] = ()
    items: tuple[Table | Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A study as readers meet it. findings: what it says, a sentence each, the most important first. cautions: what it
    cannot say. facts: how it was done. command: runs it again. data: everything, for report.json (plain values)."""

    study: str
    title: str
    lead: str
    findings: tuple[str, ...]
    cautions: tuple[str, ...]
    sections: tuple[Section, ...]
    facts: Mapping[str, str]
    command: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [item for s in self.sections for item in s.items if isinstance(item, Table)]


def write_page(page: Page, out: Path) -> list[Path]:
    """Write report.html, report.md, report.json and tables/NAME.csv into ``out``; files appear only when whole.

    Raises RunConflict when the disk is full or ``out`` cannot be written.
    """
    texts = {
        "report.html": _html(page),
        "report.md": _markdown(page),
        "report.json": json.dumps(_json(page), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        **{f"tables/{table.name}.csv": table.csv() for table in page.tables},
    }
    written = []
    for name, text in texts.items():
        with whole_file(out / name) as file:
            file.write(text.encode("utf-8", errors="replace"))
        written.append(out / name)
    return written


def _html(page: Page) -> str:
    return (
        environment()
        .get_template("report/study.html.j2")
        .render(
            page=page,
            style=Markup(part("report/page.css")),
            script=Markup(part("report/page.js")),
            is_table=lambda item: isinstance(item, Table),
            is_small=_is_small,
            any_small=lambda section: any(map(_is_small, section.items)),
            sort_key=lambda v: "" if v is None else v.value if isinstance(v, Estimate) else v,
        )
    )


def _is_small(item: Table | Figure) -> bool:
    return isinstance(item, Figure) and item.small


def _markdown(page: Page) -> str:
    lines = [f"# {page.title}", "", page.lead, ""]
    lines += [*(f"- {text}" for text in page.findings), ""]
    if page.cautions:
        lines += ["**What this cannot say**", "", *(f"- {text}" for text in page.cautions), ""]
    for section in page.sections:
        lines += [f"## {section.title}", "", *(f"{text}\n" for text in section.text)]
        lines += [item.markdown() for item in section.items if isinstance(item, Table)]
    lines += ["## How it was done", "", *(f"- {key}: {value}" for key, value in page.facts.items()), ""]
    return "\n".join([*lines, "```", page.command, "```", ""])


def _json(page: Page) -> dict[str, Any]:
    tables = {
        t.name: [{c.title: _plain(v) for c, v in zip(t.columns, row, strict=True)} for row in t.rows]
        for t in page.tables
    }
    return {
        "study": page.study,
        "title": page.title,
        "findings": list(page.findings),
        "cautions": list(page.cautions),
        "facts": dict(page.facts),
        "command": page.command,
        "tables": tables,
        **{key: _plain(value) for key, value in page.data.items()},
    }


def _plain(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, Estimate):
        return {k: _plain(getattr(value, k)) for k in ("value", "low", "high", "n_bonafide", "n_spoof")}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, type(None))) else float(value)


def _digits(value: object) -> object:
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else ""
    return "" if value is None else value
