"""How true a dry run is: foreseen against used processor time, for the scoring of one plan by one worker.

python benchmarks/dry_run.py [--quick]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from machine import QUICK, corpus, cpu, describe, table

from spoofproof import bench
from spoofproof.cost import forecast, measure
from spoofproof.plan import Plan

CONDITIONS = ("clean", "gaussian_noise@*", "reverb@*", "pitch_shift@*", "mp3@*", "opus@*", "telephone@*")


def main() -> None:
    """One row a plan."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trials = corpus(folder / "audio", 4 if QUICK else 30)
        for detector in ("lfcc-gmm",) if QUICK else ("lfcc-gmm", "lfcc-lcnn", "spec-resnet"):
            plan = Plan.make(
                name="dry", detectors=(detector,), conditions=CONDITIONS[: 3 if QUICK else None], measured=4
            )
            out = folder / detector
            jobs = bench.missing(plan, trials, out, bench.prepare(plan, trials, out, {})).jobs
            begin = cpu()
            costs = measure(plan, trials, jobs)
            middle = cpu()
            found = forecast(plan, jobs, costs, cells=len(jobs), workers=1)
            bench.run(plan, trials, out)
            used = cpu() - middle
            rows.append(
                (detector, found.clips, middle - begin, found.seconds, used, f"{found.seconds / used:.2f}")
            )
    print(describe())
    print()
    table(("detector", "clips", "measuring, s", "foreseen, s", "used, s", "ratio"), rows)


if __name__ == "__main__":
    main()
