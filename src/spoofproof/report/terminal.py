"""The report in a terminal: what was found in plain words, one table, and what to be careful about."""

from __future__ import annotations

import math

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..results import ConditionInfo, Results
from ..types import CLEAN, Estimate
from . import marks, view, words
from .words import AUROC, EER


def terminal(results: Results, console: Console) -> None:
    """Print the headline, the table detector × corruption with intervals, what did not run, and the notes."""
    console.print()
    console.print(Text(f"{view.what_was_measured(results)} {view.intervals(results)}"), style="dim")
    console.print()
    names = view.short_names(results)
    for h in view.headlines(results):
        place = f" rank {words.rank(h.rank)} of {len(results.ranks)}" if h.rank else ""
        name = names[h.detector] + marks.mark(results, h.detector)
        console.print(Text.assemble((name, "bold"), (place, "dim")))
        for sentence in h.sentences:
            console.print(Padding(Text(_tight(sentence)), (0, 0, 0, 2)))
    console.print()
    console.print(_table(results, "Mean EER by corruption", view.corruptions(results), ends=True))
    if side := view.controls(results):
        console.print(_table(results, "Controls: plumbing without the corruption", side, ends=False))
    if rows := marks.common_rows(results)[1]:
        console.print(_common(results, rows))
    _careful(results, console)


def _common(results: Results, rows: list[list[str]]) -> Table:
    """Mean EER over what all detectors heard."""
    title = "Mean EER on common ground"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("corruption", no_wrap=True)
    names = view.short_names(results)
    for detector in results.detectors:
        table.add_column(
            escape(names[detector] + marks.mark(results, detector)), justify="right", overflow="fold"
        )
    for row in [rows[-1]]:
        table.add_row(*(Text(_tight(text)) for text in row))
    return table


def _table(results: Results, title: str, of: list[view.Group], *, ends: bool) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("corruption", no_wrap=True)
    names = view.short_names(results)
    for detector in results.detectors:
        name = names[detector] + marks.mark(results, detector)
        table.add_column(escape(name), justify="right", overflow="fold")
    if ends:
        table.add_row(
            "clean", *(_cell(view.at(results, d, CLEAN, EER)) for d in results.detectors), end_section=True
        )
    for index, group in enumerate(of):
        last = index + 1 == len(of) or of[index + 1].family != group.family
        if group.why:
            cells = [Text("not run", style="dim") for _ in results.detectors]
        else:
            cells = [_cell(view.mean(results, d, group, EER)) for d in results.detectors]
        table.add_row(Text(group.name), *cells, end_section=last)
    if ends:
        table.add_row(
            Text("mean", style="bold"), *(_cell(view.overall(results, d, EER)) for d in results.detectors)
        )
        table.add_row("worst", *(_worst(view.worst(results, d, of)) for d in results.detectors))
    return table


def _cell(estimate: Estimate | None) -> Text:
    """Value and interval; a coin or worse stands out by more than its colour."""
    if estimate is None:
        return Text(words.NOTHING, style="dim")
    value = _tight(EER.say(estimate.value))
    style = "bold red" if estimate.value >= 0.4 else "yellow" if estimate.value >= 0.2 else ""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return Text(value, style=style)
    between = f" [{100 * estimate.low:.0f}–{100 * estimate.high:.0f}]"  # whole points: five detectors fit in 100 columns
    return Text.assemble((value, style), (between, "dim"))


def _worst(found: tuple[ConditionInfo, Estimate] | None) -> Text:
    if found is None:
        return Text(words.NOTHING, style="dim")
    return Text.assemble((_tight(EER.say(found[1].value)), "bold"), (f" {found[0].name}", "dim"))


def _careful(results: Results, console: Console) -> None:
    """Everything that a reader of the table must know, one line each."""
    for group, why in view.not_run(results):
        levels = ", ".join(filter(None, (view.level_text(c) for c in group.conditions)))
        _say(console, "not run", f"{group.name}{f' ({levels})' if levels else ''}: {why}")
    for condition in view.duplicates(results):
        _say(
            console,
            "duplicate",
            f"{condition.name} gives the same output as {condition.duplicate_of}; counted once",
        )
    names = view.short_names(results)
    for detector in results.detectors:
        low = [cell for cell in view.low_coverage(results) if cell.detector == detector]
        if low:
            note = f": {low[0].note}" if low[0].note else ""
            more = (
                f", and {words.many(len(low) - 1, 'more cell')} below 100 %; see tables/cells.csv"
                if low[1:]
                else ""
            )
            _say(
                console,
                "coverage",
                f"{names[detector]} under {low[0].condition} scored {words.percent(low[0].coverage)} of its trials{note}{more}",
            )
    for detector in results.detectors:
        sure = [i for i in view.inverted(results) if i.sure and i.detector == detector]
        if sure:
            more = f", and {words.many(len(sure) - 1, 'more condition')}; see report.html" if sure[1:] else ""
            _say(
                console,
                "inverted",
                f"{names[detector]} under {sure[0].condition}: AUROC {AUROC.both(sure[0].auroc)}{more}",
            )
    for note in marks.footnotes(results):
        _say(console, "sign", note)
    for note in view.notes(results):
        _say(console, "note", note)


def _say(console: Console, head: str, text: str) -> None:
    console.print(Text.assemble((f"{head}  ", "bold"), _tight(text)), soft_wrap=False)


def _tight(text: str) -> str:
    """Rich breaks lines at no-break spaces too; a per cent sign joined to its number stays with it."""
    return text.replace("\u00a0%", "%")
