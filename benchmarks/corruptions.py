"""Milliseconds of one core for a clip of 4 s, each corruption against the way it is commonly done.

python benchmarks/corruptions.py [--quick]
"""

from __future__ import annotations

import numpy as np
from machine import QUICK, clips, describe, milliseconds, table
from usual import CODED, USUAL

from spoofproof import registry
from spoofproof.cell import listen  # noqa: F401  (the worker's imports are paid before the clock runs)
from spoofproof.corrupt import corrupt, missing_for
from spoofproof.scale import one_thread


def main() -> None:
    """Every corruption that is no control, at its middle level; the usual way where there is one."""
    several = clips(3 if QUICK else 9)
    rows = []
    with one_thread():
        for spec in registry.corruptions:
            if spec.family == "control" or ("." in spec.name and QUICK):
                continue
            condition = str(spec.conditions()[len(spec.levels) // 2])
            if missing_for(condition):
                continue
            rows.append((condition, *_times(spec.name, condition, several)))
    print(describe("scipy", "soxr", "av", "librosa", "torch"))
    print(f"\nMedian over {len(several)} clips; MP3 and Opus the usual way: {CODED}.\n")
    table(("corruption", "ours, ms", "the usual way, ms", "ratio"), rows)


def _times(name: str, condition: str, several: list) -> tuple[object, ...]:  # type: ignore[type-arg]
    queue = iter(several * 3)

    def ours() -> None:
        clip = next(queue)
        corrupt(clip, condition, key=str(id(clip)))

    # each clip once: what a clip left behind in a memory of codes must not be found again
    mine = milliseconds(ours, len(several) - 1)
    if name not in USUAL:
        return mine, "", ""
    rng = np.random.default_rng(0)
    level = registry.corruptions[name].levels[len(registry.corruptions[name].levels) // 2]
    others = iter(several * 3)

    def theirs() -> None:
        clip = next(others)
        USUAL[name](clip.samples, clip.rate, level, rng)

    other = milliseconds(theirs, len(several) - 1)
    return mine, other, f"{other / mine:.1f} ×"


if __name__ == "__main__":
    main()
