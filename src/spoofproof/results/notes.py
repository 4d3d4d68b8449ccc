"""What a reader must know before believing a number, in sentences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence

from ..scores import ScoreTable
from ..stats import unseen
from .common import Ground
from .grounds import Grounds
from .nouns import CellResult, ConditionInfo, SubSample
from .summary import EER


def of_run(grounds: Grounds, infos: Sequence[ConditionInfo], live: Sequence[str]) -> list[str]:
    """On what the intervals rest, who heard what, what was calibrated how, duplicates, and what is not there."""
    notes = []
    drawn = {id(grounds.own(d)): grounds.own(d).drawn for d in live or grounds.table.detectors}
    if not any(drawn.values()):
        notes.append("the eval trials hold one class only: no metric exists")
    notes += list({tuple(d.clusters.items()): d.note for d in reversed(drawn.values()) if d}.values())[::-1]
    notes += _heard(grounds)
    for detector, frozen in grounds.frozen.items():
        if frozen.why and detector in live:
            notes.append(
                f"{detector}: {frozen.why}; act_dcf, cllr, ece and the …_frozen metrics are left out"
            )
        if frozen.calibration is not None and frozen.calibration.scale == 0:
            notes.append(
                f"{detector}: on clean development trials higher scores are not more bona fide; calibrated to llr 0"
            )
    for info in infos:
        if info.duplicate_of:
            notes.append(f"{info.name} gives the same audio as {info.duplicate_of}: shown, not counted")
    waiting = [i for i in infos if i.status != "ok"]
    if waiting:
        notes.append(
            f"{len(waiting)} of {len(infos)} conditions have no scores ({', '.join(i.name for i in waiting[:5])}"
            f"{', …' if len(waiting) > 5 else ''}) and are in no mean"
        )
    return notes


def of_budget(table: ScoreTable, cells: Mapping[tuple[str, str], CellResult]) -> list[str]:
    """How far a run on a budget has come, and how precise that made it; nothing where everything was heard."""
    if not table.record.get("budget"):
        return []
    whole = sum(trial.part == "eval" for trial in table.trials)
    sizes = {c: sum(_sizes(cells, c)) for c in dict.fromkeys(condition for _, condition in cells)}
    if not sizes or min(sizes.values()) >= whole:
        return []
    widths: dict[str, dict[str, float]] = {}
    for (detector, condition), cell in cells.items():
        eer = cell.metrics.get(EER)
        if eer is not None and math.isfinite(eer.high - eer.low):
            widths.setdefault(detector, {})[condition] = 50 * (eer.high - eer.low)
    reached = []
    for detector, by in widths.items():
        worst = max(by, key=lambda c: by[c])
        reached.append(
            f"{detector} to ± {statistics.median(by.values()):.1f} (at worst ± {by[worst]:.1f}, under {worst})"
        )
    return [
        f"on a budget: each condition was heard through the first {min(sizes.values())} to {max(sizes.values())} of {whole} "
        "trials in one random order, the same for all detectors, deeper where intervals were wider. EER is known, in points, "
        f"median over conditions: {'; '.join(reached)}. The same command goes deeper; without --budget, to the end"
    ]


def left_out(
    grounds: Grounds, infos: Sequence[ConditionInfo], parts: Sequence[Ground], live: Sequence[str]
) -> list[str]:
    """Conditions that lack a cell of some detector which was to hear them, and detectors without any."""
    notes = []
    for part in parts:
        names = {i.name for i in part.infos}
        meant = [i.name for i in infos if i.status == "ok" and grounds.meant(part.detectors[0], i.name)]
        partial = [name for name in meant if name not in names]
        if partial:
            notes.append(
                f"{len(partial)} conditions lack a usable cell of some detector and are in no mean: "
                f"{', '.join(partial[:5])}{', …' if len(partial) > 5 else ''}"
            )
    idle = [d for d in grounds.table.detectors if d not in live]
    if idle:
        notes.append(f"no usable cell yet of {', '.join(idle)}")
    return list(dict.fromkeys(notes))


def unranked(parts: Sequence[Ground], ranked: Ground) -> list[str]:
    """Who has no rank, since those that have one heard more."""
    left = [d for part in parts for d in part.detectors if d not in ranked.detectors]
    if not left:
        return []
    return [
        f"ranks are of the {len(ranked.detectors)} detectors that heard everything; {', '.join(left)} heard a part and "
        f"{'have' if len(left) > 1 else 'has'} none: compare on common ground, or run --plan full"
    ]


def of_relative(reference: str, skipped: Collection[str]) -> list[str]:
    """Corruptions that a relative error leaves out."""
    if not skipped:
        return []
    return [f"relative error leaves out {', '.join(sorted(skipped))}: {reference} makes no error there"]


def of_unmoved(grounds: Grounds) -> list[str]:
    """Whether intervals rest on a bound, since no resample could give them a width."""
    return [unseen.NOTE] if grounds.bounded else []


def sub_sample(part: SubSample) -> str:
    """ "12 of 159 trials (6 bona fide, 6 spoof) and 38 of 101 conditions (of each corruption the middle and severest level)"."""
    levels = " and ".join(filter(None, (", ".join(part.levels[:-1]), part.levels[-1])))
    return (
        f"{part.n_bonafide + part.n_spoof} of {part.of_bonafide + part.of_spoof} trials ({part.n_bonafide} bona fide, "
        f"{part.n_spoof} spoof) and {len(part.conditions)} of {part.of_conditions} conditions (of each corruption the "
        f"{levels} level{'s' if len(part.levels) > 1 else ''})"
    )


def _sizes(cells: Mapping[tuple[str, str], CellResult], condition: str) -> tuple[int, int]:
    """Most (bona fide, spoof) trials that a detector has scores of."""
    found = [cell.metrics[EER] for (_, c), cell in cells.items() if c == condition and EER in cell.metrics]
    return max((e.n_bonafide for e in found), default=0), max((e.n_spoof for e in found), default=0)


def _heard(grounds: Grounds) -> list[str]:
    """One sentence for all detectors that heard the sub-sample, since it is the same for all of them."""
    parts = {d: part for d in grounds.heavy if (part := grounds.sub_sample(d))}
    if not parts:
        return []
    return [
        f"{', '.join(parts)} (†, heavy) heard {sub_sample(next(iter(parts.values())))}: their figures rest on these alone. "
        "Comparisons with them are over these trials and conditions for every detector; "
        "--plan full runs everything"
    ]
