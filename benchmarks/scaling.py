"""One worker against two: seconds of the clock for the same cells, which must have the same bytes. For idle cores.

python benchmarks/scaling.py [--quick]
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path

from machine import QUICK, corpus, describe, table

from spoofproof import bench
from spoofproof.plan import Plan

CONDITIONS = ("clean", "gaussian_noise@*", "low_pass@*", "mp3@*", "time_stretch@*")


def main() -> None:
    """Two rows and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trials = corpus(folder / "audio", 4 if QUICK else 40)
        plan = Plan.make(
            name="scaling",
            detectors=("lfcc-lcnn",),
            conditions=CONDITIONS[:3] if QUICK else CONDITIONS,
            measured=0,
            listen=0,
        )
        taken, digests = {}, {}
        for workers in (1, 2):
            begin = time.perf_counter()
            bench.run(plan, trials, folder / str(workers), workers=workers)
            taken[workers] = time.perf_counter() - begin
            digests[workers] = _digest(folder / str(workers) / "scores")
        assert digests[1] == digests[2], "two workers wrote other scores than one"
        windows = len(trials) * len(plan.conditions)
    print(describe())
    print(f"\n{windows} windows; the scores have the same bytes.\n")
    rows = [(f"{w}", t, windows / t, f"{taken[1] / t:.2f} ×") for w, t in taken.items()]
    table(("workers", "clock, s", "windows a second", "speed-up"), rows)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.parquet")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
