"""What a reader must know before believing a number, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .common import Ground
from .grounds import Grounds
from .nouns import ConditionInfo, SubSample


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


def of_relative(reference: str, skipped: Collection[str]) -> list[str]:
    """Corruptions that a relative error leaves out."""
    if not skipped:
        return []
    return [f"relative error leaves out {', '.join(sorted(skipped))}: {reference} makes no error there"]


def sub_sample(part: SubSample) -> str:
    """ "12 of 159 trials (6 bona fide, 6 spoof) and 38 of 101 conditions (of each corruption the middle and severest level)"."""
    levels = " and ".join(filter(None, (", ".join(part.levels[:-1]), part.levels[-1])))
    return (
        f"{part.n_bonafide + part.n_spoof} of {part.of_bonafide + part.of_spoof} trials ({part.n_bonafide} bona fide, "
        f"{part.n_spoof} spoof) and {len(part.conditions)} of {part.of_conditions} conditions (of each corruption the "
        f"{levels} level{'s' if len(part.levels) > 1 else ''})"
    )


def _heard(grounds: Grounds) -> list[str]:
    """One sentence for all detectors that heard the sub-sample, since it is the same for all of them."""
    parts = {d: part for d in grounds.heavy if (part := grounds.sub_sample(d))}
    if not parts:
        return []
    return [
        f"{', '.join(parts)} (†, heavy) heard {sub_sample(next(iter(parts.values())))}: their figures rest on these alone. "
        "Ranks, and comparisons with them, are over these trials and conditions for every detector; "
        "--plan full runs everything"
    ]
