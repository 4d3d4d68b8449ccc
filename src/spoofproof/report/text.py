"""The report as text: Markdown to read anywhere, and a LaTeX table (booktabs) for a paper."""

from __future__ import annotations

from collections.abc import Sequence

from ..results import Breakdown, Results
from ..runtime import DEFAULT
from ..types import CLEAN, Estimate
from . import calibration, marks, view, words
from .words import ACCURACY, AUROC, EER, FALSE_ALARM, MISS, ORACLE

_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",  # \textquotedbl would need the T1 encoding
    "\u00a0": "~",
    "–": "--",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
}


def markdown(results: Results) -> str:
    """The whole report as GitHub Markdown: headline, tables, what did not run, notes, how it was made."""
    parts = [
        "# Robustness report",
        view.what_was_measured(results) + " " + view.intervals(results),
        *_headlines(results),
        "## Mean EER by corruption",
        EER.meaning + " Mean over levels; duplicates of a milder level are not counted.",
        table(*by_corruption(results)),
        *_signs(results),
    ]
    if results.common:
        parts += ["## On common ground", marks.common_words(results), table(*marks.common_rows(results))]
    if side := view.controls(results):
        parts += [
            "### Controls",
            "They separate the corruption from its plumbing.",
            table(*_mean_rows(results, side)),
        ]
    frozen = _frozen_rows(results)
    if frozen[1]:
        parts += [
            "## Frozen against oracle threshold",
            "Frozen on clean development data, as a user would; oracle is tuned on the tested audio itself. "
            "Means over all corruptions.",
            table(*frozen),
        ]
    parts += _calibration(results)
    if results.contamination:
        parts += [
            "## Met in training",
            "Evaluation trials whose source or corpus a detector's card lists, and its EER with and without them.",
            table(*marks.contamination_rows(results)),
        ]
    parts += ["## Worst conditions", table(*_worst_rows(results))]
    if results.breakdowns:
        parts += ["## Where they break", table(*breakdown_rows(results))]
    if results.comparisons:
        parts += [
            "## Comparisons",
            "Paired on the same trials; p is corrected for all comparisons (Holm).",
            table(*comparison_rows(results)),
        ]
    for title, rows in (
        ("Not run", [[g.name, _levels(g), why] for g, why in view.not_run(results)]),
        ("Duplicates", [[c.name, c.duplicate_of] for c in view.duplicates(results)]),
        (
            "Coverage below 100 %",
            [
                [c.detector, c.condition, words.percent(c.coverage), c.note]
                for c in view.low_coverage(results)[:50]
            ],
        ),
        (
            "Inverted",
            [
                [i.detector + marks.mark(results, i.detector), i.condition, AUROC.both(i.auroc)]
                for i in view.inverted(results)
                if i.sure
            ],
        ),
    ):
        if rows:
            header = {
                "Not run": ["corruption", "levels", "why"],
                "Duplicates": ["condition", "same output as"],
                "Coverage below 100 %": ["detector", "condition", "coverage", "note"],
            }.get(title, ["detector", "condition", "AUROC (its whole interval below 0.5)"])
            parts += [f"## {title}", table(header, rows)]
    if said := view.notes(results):
        parts += ["## Notes", "\n".join(f"- {_line(note)}" for note in said)]
    parts += ["## The run", table(["", ""], run_rows(results))]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; pipes, line breaks and angle brackets in cells are made harmless."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_line, line)) + " |" for line in lines)


def by_corruption(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and rows of mean EER: clean, every corruption, their mean, ranks."""
    header, rows = _mean_rows(results, view.corruptions(results))
    clean = ["clean", "", *(EER.both(view.at(results, d, CLEAN, EER)) for d in results.detectors)]
    overall = [
        "mean over corruptions",
        "",
        *(EER.both(view.overall(results, d, EER)) for d in results.detectors),
    ]
    rows = [clean, *rows, overall]
    if results.ranks:
        rows.append(
            [
                "rank",
                "",
                *(
                    words.rank(results.ranks[d]) if d in results.ranks else words.NOTHING
                    for d in results.detectors
                ),
            ]
        )
    if results.relative_error:
        rows.append(
            [
                f"error relative to {results.reference}",
                "",
                *(
                    words.percent(results.relative_error[d].value)
                    if d in results.relative_error
                    else words.NOTHING
                    for d in results.detectors
                ),
            ]
        )
    return header, rows


def _mean_rows(results: Results, of: Sequence[view.Group]) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            group.name,
            group.family,
            *(
                "not run" if group.why else EER.both(view.mean(results, detector, group, EER))
                for detector in results.detectors
            ),
        ]
        for group in of
    ]
    return ["corruption", "family", *marks.titles(results)], rows


def _signs(results: Results) -> list[str]:
    return ["\n".join(f"- {_line(note)}" for note in said)] if (said := marks.footnotes(results)) else []


def _calibration(results: Results) -> list[str]:
    """What each detector's evidence is worth before and after calibration, and under what it drifts."""
    parts: list[str] = []
    for detector in results.detectors:
        header, rows = calibration.table(results, detector)
        if rows:
            parts += [f"### {_line(detector + marks.mark(results, detector))}", table(header, rows)]
            found = calibration.reliability_table(results, detector)
            if found[1]:
                parts += ["Share of bona fide found where a probability was stated:", table(*found)]
    return ["## Calibration", calibration.EXPLAINED, *parts] if parts else []


def _headlines(results: Results) -> list[str]:
    lines = []
    for h in view.headlines(results):
        place = f" (rank {words.rank(h.rank)} of {len(results.ranks)})" if h.rank else ""
        lines.append(
            f"- **{_line(h.detector)}**{marks.mark(results, h.detector)}{place}: {_line(' '.join(h.sentences))}"
        )
    return ["\n".join(lines)] if lines else []


def _frozen_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    header = ["detector", "clean, frozen", "frozen", "oracle", "real speech accused", "fakes let through"]
    rows = []
    for d in results.detectors:
        if frozen := view.overall(results, d, ACCURACY):
            others = [view.overall(results, d, m) for m in (ORACLE, MISS, FALSE_ALARM)]
            clean = view.at(results, d, CLEAN, ACCURACY)
            name = d + marks.mark(results, d)
            rows.append(
                [
                    name,
                    ACCURACY.both(clean),
                    ACCURACY.both(frozen),
                    *(ACCURACY.both(other) for other in others),
                ]
            )
    return header, rows


def _worst_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            w.detector + marks.mark(results, w.detector),
            w.condition.name,
            EER.both(w.eer),
            words.points(w.rise) if w.rise else words.NOTHING,
        ]
        for w in view.worst_conditions(results)
    ]
    return ["detector", "condition", "EER", "rise over clean (points)"], rows


def breakdown_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and rows: for each corruption and detector the mildest level at which the error reaches its limit.

    A detector with one limit everywhere (clean error + 10 points) has it in the header, else each cell has its own.
    """
    limits = {d: sorted({b.limit for b in results.breakdowns if b.detector == d}) for d in results.detectors}
    signed = {d: d + marks.mark(results, d) for d in results.detectors}
    header = [
        f"{signed[d]} (≥ {words.rough(of[0])})" if len(of) == 1 else signed[d] for d, of in limits.items()
    ]
    units = {c.corruption: c.unit for c in results.conditions}
    rows: dict[tuple[str, str], dict[str, Breakdown]] = {}
    for b in results.breakdowns:
        rows.setdefault((b.corruption, b.metric), {})[b.detector] = b
    return (
        ["corruption", "error", *header],
        [
            [
                f"{name} ({unit})" if (unit := units.get(name, "")) else name,
                metric.upper(),
                *(_crossing(found.get(d), len(limits[d]) > 1) for d in results.detectors),
            ]
            for (name, metric), found in rows.items()
        ],
    )


def _crossing(found: Breakdown | None, say_limit: bool) -> str:
    if found is None:
        return words.NOTHING
    level = found.condition.partition("@")[2] or found.condition or "never"
    return f"{level} (≥ {words.rough(found.limit)})" if say_limit else level


def comparison_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the paired comparisons."""
    rows = [
        [
            f"{c.first}{marks.mark(results, c.first)} − {c.second}{marks.mark(results, c.second)}",
            c.scope,
            c.metric.upper(),
            f"{c.difference.n_bonafide + c.difference.n_spoof} × {c.conditions}",
            words.points(c.difference),
            words.probability(c.p),
            words.probability(c.p_corrected),
            verdict(c.first, c.second, c.metric, c.difference.value, c.p_corrected),
        ]
        for c in results.comparisons
    ]
    header = ["difference", "over", "metric", "trials × conditions", "points", "p", "p corrected", "says"]
    return header, rows


def verdict(first: str, second: str, metric: str, difference: float, p: float) -> str:
    """ "first is better" where the corrected p-value is below 0.05, else that no difference is shown."""
    if not p < 0.05:
        return "no difference shown"
    lower = metric.startswith(("eer", "miss", "false_alarm", "cllr", "min_", "act_", "ece"))
    return f"{first if (difference < 0) == lower else second} is better"


def run_rows(results: Results) -> list[list[str]]:
    """What the run was: plan, corpus, seed, versions, and the command that repeats it."""
    record = results.record
    made, corpus = record.get("made", {}), record.get("corpus", {})
    window = record.get("window", {})
    rows = [
        ["plan", str(record.get("plan", ""))],
        ["corpus", f"{corpus.get('name', '')} sha256:{str(corpus.get('digest', ''))[:12]}"],
        ["seed", str(record.get("seed", ""))],
        [
            "window",
            f"{window.get('samples', '')} samples at {window.get('rate', '')} Hz, pad {window.get('pad', '')}",
        ],
        ["made", f"{made.get('at', '')} on {made.get('machine', '')}, Python {made.get('python', '')}"],
        ["version", f"spoofproof {made.get('spoofproof', '')} {made.get('revision', '')}".strip()],
        ["runtime", str(record.get("runtime", DEFAULT))],
        ["packages", ", ".join(f"{k} {v}" for k, v in made.get("packages", {}).items())],
        ["again", reproduce(results)],
    ]
    return [row for row in rows if row[1].strip()]


def reproduce(results: Results) -> str:
    """The command that runs this again."""
    record = results.record
    engine = str(record.get("runtime", DEFAULT))
    words_ = ["spoofproof", *(() if engine == DEFAULT else ("--runtime", engine))]
    words_ += ["bench", "--plan", str(record.get("plan", "default"))]
    if name := record.get("corpus", {}).get("name"):
        words_ += ["--corpus", str(name)]
    for detector in results.detectors:
        words_ += ["--detector", detector]
    words_ += ["--seed", str(record.get("seed", "")), *map(str, record.get("corpus", {}).get("options", []))]
    return " ".join(_quoted(word) for word in words_)


def latex(results: Results) -> str:
    """A complete ``table`` environment: corruptions × detectors, mean EER in percent with its 95 % interval.

    Needs \\usepackage{booktabs} and nothing else.
    """
    cells = [
        ["Clean", *(_tex_cell(view.at(results, d, CLEAN, EER)) for d in results.detectors)],
    ]
    family = ""
    lines = []
    for row in cells:
        lines.append(_tex_row(row))
    for group in view.corruptions(results):
        if group.family != family:
            family = group.family
            lines.append(r"\midrule")
        means = (
            "not run" if group.why else _tex_cell(view.mean(results, d, group, EER))
            for d in results.detectors
        )
        lines.append(_tex_row([tex(group.name), *means]))
    lines.append(r"\midrule")
    lines.append(_tex_row(["Mean", *(_tex_cell(view.overall(results, d, EER)) for d in results.detectors)]))
    header = _tex_row(["Corruption", *map(tex, marks.titles(results))])
    caption = (
        "Equal error rate in percent, mean over the levels of each corruption, with 95\\,\\% interval. "
        + tex(" ".join([view.what_was_measured(results), *marks.footnotes(results)]))
    )
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            r"\label{tab:spoofproof}",
            rf"\begin{{tabular}}{{l{'r' * len(results.detectors)}}}",
            r"\toprule",
            header,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def tex(text: str) -> str:
    """Text with every character that LaTeX reads as a command made literal."""
    return "".join(_TEX.get(character, character) for character in text)


def _tex_cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "--"
    between = EER.range(estimate)
    return f"{100 * estimate.value:.1f}" + (f" {{\\scriptsize[{tex(between)}]}}" if between else "")


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _line(text: str) -> str:
    """Text on one line that neither ends a Markdown cell nor opens HTML."""
    flat = " ".join(str(text).split("\n"))
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _levels(group: view.Group) -> str:
    return ", ".join(filter(None, (view.level_text(c) for c in group.conditions)))


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)
