"""Speed of metrics and of the bootstrap: ratios against the plain way, within one run.

    python benchmarks/metrics.py [--large]

prints, for 130 000 trials, min DCF against a loop over thresholds in plain Python; for a report's grid, the time of
one cell with all metrics; and with --large 1000 clustered resamples of the EER over 600 000 trials.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spoofproof.metrics.cost import min_dcf
from spoofproof.metrics.rank import auroc, eer
from spoofproof.results import DEFAULT_METRICS
from spoofproof.stats import Bootstrap, resamples
from spoofproof.stats.estimate import metric_values
from spoofproof.types import Scores, Trial


def main() -> None:
    """Run all and print a line each."""
    rng = np.random.default_rng(0)
    b, s = rng.normal(1.5, 1, 13_000), rng.normal(0, 1, 117_000)
    fast = best(lambda: min_dcf(bonafide=b, spoof=s), 7)
    slow = best(lambda: loop_min_dcf(b, s), 1)
    assert abs(min_dcf(bonafide=b, spoof=s) - loop_min_dcf(b, s)) < 1e-12
    print(
        f"min DCF, 130 000 trials: {1e3 * fast:.1f} ms; plain loop {1e3 * slow:.0f} ms: {slow / fast:.0f} x"
    )
    for metric in (eer, auroc):
        print(
            f"{metric.__name__}, 130 000 trials: {1e3 * best(lambda m=metric: m(bonafide=b, spoof=s), 7):.1f} ms"
        )
    trials, scores = make(80, 80, 8, 5)
    boot = Bootstrap(resamples(trials, count=1000), scores)
    cell = best(lambda: metric_values(boot, DEFAULT_METRICS, threshold=1.0, llrs=lambda x: x), 7)
    one = best(lambda: loop_resamples(boot, 50), 1) * 20
    print(
        f"a cell (160 trials, {len(DEFAULT_METRICS)} metrics, 1000 resamples): {1e3 * cell:.1f} ms; EER alone, "
        f"resample by resample: {1e3 * one:.0f} ms: {one / cell:.0f} x"
    )
    if "--large" in sys.argv:
        trials, scores = make(60_000, 540_000, 90, 13)
        begin = time.perf_counter()
        drawn = resamples(trials, count=1000)
        middle = time.perf_counter()
        Bootstrap(drawn, scores).curves(["eer"])
        end = time.perf_counter()
        print(
            f"EER, 600 000 trials, 1000 clustered resamples: {end - middle:.2f} s, drawing {middle - begin:.2f} s; peak "
            f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
        )


def best(run: Callable[[], object], times: int) -> float:
    """Shortest of ``times`` runs, in seconds."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def loop_min_dcf(bonafide: Scores, spoof: Scores) -> float:
    """min DCF with a loop over sorted trials, as evaluation scripts are often written."""
    rows = sorted([(x, 1) for x in bonafide.tolist()] + [(x, 0) for x in spoof.tolist()])
    missed, accepted, lowest = 0, spoof.size, 1.0
    for _, real in rows:
        missed += real
        accepted -= 1 - real
        lowest = min(lowest, (0.95 * missed / bonafide.size + 0.5 * accepted / spoof.size) / 0.5)
    return lowest


def loop_resamples(boot: Bootstrap, count: int) -> float:
    """EER of ``count`` resamples, one at a time, by repeating the scores."""
    total = 0.0
    weights = boot.drawn.weights(0, count)[boot.cell].astype(int)
    for w in weights.T:
        real, fake = (np.repeat(boot.scores[m], w[m]) for m in (boot.is_bonafide, ~boot.is_bonafide))
        total += eer(bonafide=real, spoof=fake)
    return total


def make(n_bonafide: int, n_spoof: int, speakers: int, attacks: int) -> tuple[list[Trial], Scores]:
    """Clustered scores: speakers and attacks shift them."""
    rng = np.random.default_rng(0)
    who = rng.integers(speakers, size=n_bonafide + n_spoof)
    what = rng.integers(attacks, size=n_bonafide + n_spoof)
    real = np.arange(who.size) < n_bonafide
    shift = rng.normal(0, 0.5, speakers)[who] + np.where(real, 2.0, rng.normal(0, 0.5, attacks)[what])
    trials = [
        Trial(
            f"t{i}",
            Path("x"),
            "bonafide" if real[i] else "spoof",
            speaker=f"s{who[i]}",
            attack="" if real[i] else f"a{what[i]}",
        )
        for i in range(who.size)
    ]
    return trials, shift + rng.normal(size=who.size)


if __name__ == "__main__":
    main()
