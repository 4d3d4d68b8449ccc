"""Who heard less, and who has heard it before: the signs at detector names, and what they mean."""

from __future__ import annotations

from ..results import Contamination, Results
from ..results.notes import sub_sample
from . import view, words
from .words import EER

HEAVY = "†"
MET = "‡"


def mark(results: Results, detector: str) -> str:
    """The signs of a detector: "", " †", " ‡", " †‡"."""
    met = results.contamination.get(detector)
    signs = (HEAVY if detector in results.heard else "") + (MET if met is not None and met.share > 0 else "")
    return f" {signs}" if signs else ""


def titles(results: Results) -> list[str]:
    """Names of all detectors with their signs: the heads of tables."""
    return [detector + mark(results, detector) for detector in results.detectors]


def footnotes(results: Results) -> list[str]:
    """One sentence for each sign in use; every table with signs stands above them."""
    notes = []
    if results.heard:
        part = next(iter(results.heard.values()))
        notes.append(
            f"{HEAVY} heavy: heard {sub_sample(part)}. Compare it with others on common ground only; "
            "--plan full runs everything."
        )
    notes += [f"{MET} {detector}: {met(c)}" for detector, c in results.contamination.items() if c.share > 0]
    return notes


def met(c: Contamination) -> str:
    """How much of the test a detector has met in training, in a sentence."""
    n = c.n_bonafide + c.n_spoof
    what = f"{words.many(n, 'trial')} ({words.rough(c.share)}) from {', '.join(c.names)}, which its card says it met in training"
    if c.excluded:
        return f"{what}: left out of its figures."
    return f"{what}: its figures hold them (--without-contaminated leaves them out)."


def contamination_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and rows: of each detector what it has met, and both figures where it has met anything."""
    header = [
        "detector",
        "met in training",
        "share",
        "EER clean, all",
        "without",
        "EER corrupted, all",
        "without",
    ]
    rows = []
    for detector, c in results.contamination.items():
        if c.share > 0:
            both = [EER.both(e) for e in (*c.clean, *c.mean)]
            rows.append([detector, ", ".join(c.names), words.rough(c.share), *both])
        else:
            said = "nothing of this corpus" if c.known else "unknown: no card, or none that lists it"
            rows.append(
                [detector, said, words.rough(0.0) if c.known else words.NOTHING, *[words.NOTHING] * 4]
            )
    return header, rows


def common_rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and rows of mean EER over the trials and conditions that all detectors heard; no rows without such a part."""
    if not results.common:
        return [], []
    names = [g.name for g in view.corruptions(results)] + [view.ALL]
    rows = []
    for name in names:
        found = [results.common.get((d, name)) for d in results.detectors]
        if any(found):
            title = "mean over corruptions" if name == view.ALL else name
            rows.append([title, *(EER.both(EER.of(a.metrics)) if a else words.NOTHING for a in found)])
    return ["corruption", *titles(results)], rows


def common_words(results: Results) -> str:
    """On what the common ground is, in a sentence."""
    part = next(iter(results.heard.values()))
    return f"Every detector over the same part, which all of them heard: {sub_sample(part)}."
