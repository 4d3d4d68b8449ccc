"""What a report says, before it is said anywhere: groups of conditions, means, the worst, the headline, what is wrong.

Every renderer reads Results through these, so that terminal, Markdown and HTML cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..results import Aggregate, CellResult, ConditionInfo, Results
from ..types import CLEAN, Estimate
from . import words
from .words import AUROC, EER, Shown

ALL = "all"
CONTROL = "control"
CHAIN = "chain"
_FAMILIES = ("noise", "modification", "compression")


@dataclass(frozen=True, slots=True)
class Group:
    """A corruption (or control, or chain) with its conditions, mild to severe."""

    name: str
    family: str
    conditions: tuple[ConditionInfo, ...]

    @property
    def unit(self) -> str:
        return self.conditions[0].unit

    @property
    def counted(self) -> tuple[ConditionInfo, ...]:
        """Conditions that were scored and are no duplicate of a milder one: what a mean is made of."""
        return tuple(c for c in self.conditions if c.status == "ok" and not c.duplicate_of)

    @property
    def why(self) -> str:
        """Why nothing of it ran, "" when something did."""
        if any(c.status == "ok" for c in self.conditions):
            return ""
        return "; ".join(dict.fromkeys(reason(c) for c in self.conditions))


def reason(condition: ConditionInfo) -> str:
    """Why a condition has no numbers, "" when it has."""
    if condition.status == "ok":
        return ""
    if condition.status == "missing":
        return "not scored yet: run the same bench command again to go on"
    return condition.why or condition.status


def level_text(condition: ConditionInfo) -> str:
    """The level as it is written after the @: "8", "gsm"; "" where there is none."""
    if condition.level is None and condition.family in (CHAIN, "clean"):
        return ""
    return condition.name.partition("@")[2]


def is_kind(condition: ConditionInfo) -> bool:
    """Whether the level is a kind with a name (telephone@gsm) rather than an amount."""
    text = level_text(condition)
    try:
        float(text)
    except ValueError:
        return bool(text)
    return False


def groups(results: Results) -> list[Group]:
    """Every corruption, control and chain in the order: noise, modification, compression, others, chains, controls."""
    found: dict[tuple[str, str], list[ConditionInfo]] = {}
    for condition in results.conditions:
        if condition.name != CLEAN:
            found.setdefault((condition.family, condition.corruption or condition.name), []).append(condition)
    families = list(dict.fromkeys(family for family, _ in found))

    def order(family: str) -> tuple[int, int]:
        place = (
            _FAMILIES.index(family)
            if family in _FAMILIES
            else len(_FAMILIES) + 1
            if family == CHAIN
            else len(_FAMILIES) + 2
            if family == CONTROL
            else len(_FAMILIES)
        )
        return place, families.index(family)

    made = [
        Group(name, family, tuple(sorted(conditions, key=lambda c: c.index)))
        for (family, name), conditions in found.items()
    ]
    return sorted(made, key=lambda group: order(group.family))


def short_names(results: Results) -> dict[str, str]:
    """Detector names for narrow columns: without the folder of ``folder/file.py:name``, where they stay different."""
    short = {
        d: d.partition(":")[0].rpartition("/")[2] + "".join(d.partition(":")[1:]) for d in results.detectors
    }
    return short if len(set(short.values())) == len(short) else {d: d for d in results.detectors}


def corruptions(results: Results) -> list[Group]:
    """The groups that are no controls."""
    return [group for group in groups(results) if group.family != CONTROL]


def controls(results: Results) -> list[Group]:
    """The groups that separate loss from plumbing."""
    return [group for group in groups(results) if group.family == CONTROL]


def cell(results: Results, detector: str, condition: str) -> CellResult | None:
    """A cell, None where it is missing."""
    return results.cells.get((detector, condition))


def at(results: Results, detector: str, condition: str, metric: Shown) -> Estimate | None:
    """A metric of a cell, None where it is missing."""
    found = cell(results, detector, condition)
    return metric.of(found.metrics) if found else None


def mean(results: Results, detector: str, group: Group, metric: Shown) -> Estimate | None:
    """A metric's mean over the counted levels of a group.

    The aggregate of Results where it has one; for controls and chains, which no aggregate counts, the cell itself,
    or the bare mean of the cells (without an interval).
    """
    aggregate: Aggregate | None = results.aggregates.get((detector, group.name))
    if aggregate is not None:
        return metric.of(aggregate.metrics)
    cells = [e for c in group.counted if (e := at(results, detector, c.name, metric)) is not None]
    if len(cells) < 2:
        return cells[0] if cells else None
    value = math.fsum(e.value for e in cells) / len(cells)
    return Estimate(value, math.nan, math.nan, cells[0].n_bonafide, cells[0].n_spoof)


def overall(results: Results, detector: str, metric: Shown) -> Estimate | None:
    """A metric's mean over all corruptions."""
    aggregate = results.aggregates.get((detector, ALL))
    return metric.of(aggregate.metrics) if aggregate else None


def worst(
    results: Results, detector: str, of: Sequence[Group], metric: Shown = EER
) -> tuple[ConditionInfo, Estimate] | None:
    """The counted condition with the worst value of ``metric``, None where nothing was scored."""
    found = [
        (condition, estimate)
        for group in of
        for condition in group.counted
        if (estimate := at(results, detector, condition.name, metric)) is not None
    ]
    sign = 1.0 if metric.better == "lower" else -1.0
    return max(found, key=lambda pair: sign * pair[1].value) if found else None


@dataclass(frozen=True, slots=True)
class Headline:
    """The main finding on one detector. sentences: plain words, one thought each."""

    detector: str
    rank: Estimate | None
    clean: Estimate | None
    under: Estimate | None
    worst: tuple[ConditionInfo, Estimate] | None
    sentences: tuple[str, ...]


def headlines(results: Results) -> list[Headline]:
    """One headline a detector, best rank first where there are ranks."""
    of = corruptions(results)
    found = []
    for detector in results.detectors:
        clean = at(results, detector, CLEAN, EER)
        under = overall(results, detector, EER)
        low = worst(results, detector, of)
        place = results.ranks.get(detector)
        found.append(
            Headline(detector, place, clean, under, low, _sentences(results, detector, clean, under, low))
        )
    return sorted(found, key=lambda h: h.rank.value if h.rank and math.isfinite(h.rank.value) else math.inf)


def _sentences(
    results: Results,
    detector: str,
    clean: Estimate | None,
    under: Estimate | None,
    low: tuple[ConditionInfo, Estimate] | None,
) -> tuple[str, ...]:
    parts = []
    if clean:
        parts.append(f"{words.rough_both(clean)} EER on clean audio")
    if under:
        parts.append(f"{words.rough_both(under)} on average under corruption")
    said = []
    first = " → ".join(parts)
    if low:
        first += f"{'; ' if first else ''}worst: {low[0].name} with {words.rough_both(low[1])}"
    said.append(f"{first}." if first else "Nothing was scored yet.")
    miss = overall(results, detector, words.MISS)
    passed = overall(results, detector, words.FALSE_ALARM)
    if miss and passed:
        said.append(
            f"With its threshold frozen on clean speech, corruption makes it accuse {words.rough(miss.value)} of real "
            f"speech and let {words.rough(passed.value)} of fakes through."
        )
    if evidence := evidence_sentence(results, detector):
        said.append(evidence)
    upside = [i for i in inverted(results) if i.detector == detector and i.sure]
    if upside:
        names = ", ".join(i.condition for i in upside[:3]) + (" …" if len(upside) > 3 else "")
        said.append(
            f"Inverted (AUROC surely below 0.5) under {words.many(len(upside), 'condition')}: {names}."
        )
    return tuple(said)


def evidence_sentence(results: Results, detector: str) -> str:
    """The main finding on a detector's calibration, "" where there is none."""
    clean = at(results, detector, CLEAN, words.CLLR)
    under, loss = (overall(results, detector, m) for m in (words.CLLR, words.LOSS))
    if clean is None or under is None or loss is None:
        return ""
    return (
        f"As evidence (Cllr: 0 is perfect, 1 says nothing): {clean.value:.2f} on clean audio, {under.value:.2f} under "
        f"corruption, {loss.value:.2f} of it because its calibration drifted."
    )


@dataclass(frozen=True, slots=True)
class Inverted:
    """A cell whose AUROC is below ½. sure: the whole interval is."""

    detector: str
    condition: str
    auroc: Estimate
    sure: bool


def inverted(results: Results) -> list[Inverted]:
    """Cells with an AUROC below ½, lowest first: the detector calls fakes real more often than not."""
    found = [
        Inverted(detector, condition, estimate, estimate.high < 0.5)
        for (detector, condition), result in results.cells.items()
        if (estimate := AUROC.of(result.metrics)) is not None and estimate.value < 0.5
    ]
    return sorted(found, key=lambda i: i.auroc.value)


@dataclass(frozen=True, slots=True)
class Worst:
    """One of a detector's worst conditions. rise: the paired difference to clean, None where it was not computed."""

    detector: str
    condition: ConditionInfo
    eer: Estimate
    rise: Estimate | None


def worst_conditions(results: Results, n: int = 5) -> list[Worst]:
    """Each detector's n worst conditions by EER, controls and duplicates left out. By detector, because a detector
    near chance would otherwise fill the whole list."""
    found: list[Worst] = []
    for detector in results.detectors:
        mine = [
            Worst(detector, condition, estimate, EER.of(result.delta))
            for group in corruptions(results)
            for condition in group.counted
            if (result := cell(results, detector, condition.name)) is not None
            and (estimate := EER.of(result.metrics)) is not None
        ]
        found += sorted(mine, key=lambda row: -row.eer.value)[:n]
    return found


def not_run(results: Results) -> list[tuple[Group, str]]:
    """Groups, or levels of one, without numbers, and why."""
    rows = []
    for group in groups(results):
        causes: dict[str, list[ConditionInfo]] = {}
        for condition in group.conditions:
            if why := reason(condition):
                causes.setdefault(why, []).append(condition)
        rows += [(Group(group.name, group.family, tuple(of)), why) for why, of in causes.items()]
    return rows


def duplicates(results: Results) -> list[ConditionInfo]:
    """Conditions whose output equals a milder one: shown, not counted twice."""
    return [condition for condition in results.conditions if condition.duplicate_of]


def notes(results: Results) -> list[str]:
    """Notes of the evaluation, without those on duplicates: every report has a place for them."""
    said = {f"{c.name} gives the same" for c in duplicates(results)}
    return [note for note in results.notes if not any(note.startswith(start) for start in said)]


def intervals(results: Results) -> str:
    """One sentence on what the intervals are."""
    said = f"Numbers in brackets are {100 * results.confidence:g} % intervals"
    if results.resamples:
        said += f" from {results.resamples} bootstrap resamples"
    kinds = ", ".join(f"{kind} ({n})" for kind, n in results.clusters.items())
    return f"{said}, clustered by {kinds}." if kinds else f"{said}."


def low_coverage(results: Results) -> list[CellResult]:
    """Cells in which not every trial has a score, the lowest coverage first."""
    return sorted(
        (c for c in results.cells.values() if not c.coverage >= 1),
        key=lambda c: (c.coverage >= 0, c.coverage),
    )


def incomplete(results: Results) -> int:
    """How many cells are still to be scored."""
    names = [c.name for c in results.conditions if c.status != "not run"]
    wanted = [(d, name) for d in results.detectors for name in names if meant(results, d, name)]
    return sum(key not in results.cells for key in wanted)


def meant(results: Results, detector: str, condition: str) -> bool:
    """Whether a detector was to hear a condition: heavy ones hear a part."""
    return detector not in results.heard or condition in results.heard[detector].conditions


def differs(condition: ConditionInfo) -> bool:
    """Whether the level that was measured is not the nominal one: further off than 5 % (or 0.05 near zero)."""
    if condition.level is None or condition.effective is None or is_kind(condition):
        return False
    if not math.isfinite(condition.effective):
        return False
    return abs(condition.effective - condition.level) > max(0.05 * abs(condition.level), 0.05)


def what_was_measured(results: Results) -> str:
    """One sentence: how many detectors, on what, under what."""
    of = corruptions(results)
    ran = [group for group in of if group.counted]
    levels = sum(len(group.counted) for group in ran)
    said = f"{words.many(len(results.detectors), 'detector')}, {corpus_words(results)}"
    said += f", clean and under {words.many(len(ran), 'corruption')} at {words.many(levels, 'level')}"
    missing = len(of) - len(ran)
    if missing:
        said += f" ({missing} more could not run here)"
    if side := controls(results):
        said += f", beside {words.many(len(side), 'control')}"
    return said + "."


def corpus_words(results: Results) -> str:
    """The corpus in half a sentence: "640 trials of builtin (320 bona fide, 320 spoof; 4 speakers, 6 attacks)"."""
    corpus = results.record.get("corpus", {})
    tally: dict[str, int] = {}
    for row in corpus.get("counts", []):
        if row.get("part") == "eval":
            tally[row["label"]] = tally.get(row["label"], 0) + int(row["trials"])
    classes = ", ".join(
        f"{tally[label]} {word}"
        for label, word in (("bonafide", "bona fide"), ("spoof", "spoof"))
        if label in tally
    )
    more = [
        words.many(corpus[key], noun)
        for key, noun in (("speakers", "speaker"), ("attacks", "attack"))
        if corpus.get(key)
    ]
    if corpus.get("languages"):
        more.append(words.many(len(corpus["languages"]), "language"))
    inside = "; ".join(filter(None, (classes, ", ".join(more))))
    total = sum(tally.values()) or int(corpus.get("trials", 0))
    name = corpus.get("name", "")
    said = f"{words.many(total, 'evaluation trial')}{f' of {name}' if name else ''}"
    return f"{said} ({inside})" if inside else said
