"""An audit as tables of text: for the console, Markdown or anything else that shows rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .audit import Audit

Table = tuple[str, list[str], list[list[str]]]
_ROWS = 30


def tables(found: Audit) -> list[Table]:
    """(title, header, rows) of everything that has rows; long tables end with a row that counts the rest."""
    made = [
        ("Warnings", ["", "what"], [[str(i), text] for i, text in enumerate(found.warnings, 1)]),
        _records(f"Trials ({found.trials}; {found.speakers} speakers)", found.counts),
        *(_records(f"By {name}", rows) for name, rows in found.by.items() if len(rows) > 1),
        ("Missing files", ["id"], _rest([[name] for name in found.missing_ids], found.missing)),
        (
            f"Unreadable files (of {found.opened} opened)",
            ["id", "cause"],
            _rest([list(row) for row in found.unreadable_causes], found.unreadable),
        ),
        ("Ids that occur more than once", ["id"], [[name] for name in found.twice]),
        (
            "The same sound more than once",
            ["ids"],
            _rest([[", ".join(group)] for group in found.same_sound], found.same_sound_groups),
        ),
        _leaks(found),
        _shortcuts(found),
        _classifier(found),
        _confounds(found),
    ]
    return [table for table in made if table[2]]


def _leaks(found: Audit) -> Table:
    rows = [
        [
            leak.by,
            f"{leak.first}, {leak.second}",
            str(leak.shared),
            str(leak.trials),
            ", ".join(leak.examples),
        ]
        for leak in found.leaks
    ]
    return "What parts share", ["by", "parts", "shared", "trials", "such as"], rows


def _shortcuts(found: Audit) -> Table:
    rows = [
        [
            row.feature,
            _number(row.bonafide, row.unit),
            _number(row.spoof, row.unit),
            f"{row.strength:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
            "larger" if row.auroc > 0.5 else "smaller" if row.auroc < 0.5 else "",
            "shortcut" if row.flagged else "",
        ]
        for row in found.shortcuts
    ]
    header = ["feature", "bona fide", "spoof", "AUROC", "interval", "bona fide is", ""]
    return f"Shortcuts, one feature at a time ({found.scope})", header, rows


def _classifier(found: Audit) -> Table:
    c = found.classifier
    rows = []
    if c is not None:
        folds = f"{c.groups} groups by {c.grouped_by}" if c.grouped_by else "single clips"
        rows = [
            [
                f"{c.auroc:.3f}",
                f"{c.low:.3f} to {c.high:.3f}",
                folds,
                "shortcut" if c.flagged else "near chance",
            ]
        ]
        if not c.flagged and c.high > 0.7:
            rows[0][3] = "not shown"
    return f"All trivial features together ({found.scope})", ["AUROC", "95 % interval", "folds of", ""], rows


def _confounds(found: Audit) -> Table:
    rows = [
        [
            row.column,
            str(row.kinds),
            f"{row.share:.1%}",
            f"{row.chance:.1%}",
            f"{row.p:.3f}",
            "confound" if row.flagged else "",
        ]
        for row in found.confounds
    ]
    header = ["column", "kinds", "of the label", "by chance", "p", ""]
    return f"Columns that explain the label ({found.scope})", header, rows


def _records(title: str, records: Sequence[Mapping[str, str | int]]) -> Table:
    if not records:
        return title, [], []
    rows = [[str(cell) or "(none)" for cell in record.values()] for record in records]
    return title, list(records[0]), _rest(rows[:_ROWS], len(rows))


def _rest(rows: list[list[str]], total: int) -> list[list[str]]:
    if len(rows) < total:
        rows = [*rows, [f"… {total - len(rows)} more", *[""] * (len(rows[0]) - 1)]]
    return rows


def _number(value: float | str, unit: str) -> str:
    return value if isinstance(value, str) else f"{value:.4g} {unit}".rstrip()
