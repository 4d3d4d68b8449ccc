"""Speed of metrics and of the bootstrap: ratios against the way of the published evaluation packages, within one run.

    python benchmarks/metrics.py

prints a table: processor seconds (of all threads) and wall seconds of ours and of the published way, and the ratio of the
processor seconds. The published way is written here anew after what the packages of ASVspoof 2019, 2021 and 5 do: every
call sorts all trials and makes the whole curve; min DCF is a loop over all thresholds; there is no bootstrap, so that
resampling means to draw trials, copy their scores and call again. Where it would take hours it is timed on a few
resamples, as many as the table says.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spoofproof.metrics.cost import min_dcf
from spoofproof.metrics.rank import eer, eer_asvspoof
from spoofproof.results import DEFAULT_METRICS
from spoofproof.stats import Bootstrap, resamples
from spoofproof.stats.estimate import metric_values
from spoofproof.types import Scores, Trial

Seconds = tuple[float, float]
COUNT = 1000


def main() -> None:
    """Run all and print a line each."""
    print(machine() + "\n")
    print(
        "| what | ours, CPU s | wall s | published way, CPU s | wall s | ratio |\n|---|---|---|---|---|---|"
    )
    for name, ours, theirs, times in rows():
        mine = clock(ours)
        line = f"| {name} | {mine[0]:.3f} | {mine[1]:.3f} |"
        if theirs is None:
            print(f"{line} | | |", flush=True)
            continue
        its = [times * seconds for seconds in clock(theirs)]
        print(f"{line} {its[0]:.2f} | {its[1]:.2f} | {its[0] / mine[0]:.0f} × |", flush=True)


def rows() -> list[tuple[str, Callable[[], object], Callable[[], object] | None, float]]:
    """(name, ours, the published way, how often that would have to run)."""
    million, scores = make(100_000, 900_000, 400, 30)
    real = np.array([t.label == "bonafide" for t in million])
    b, s = scores[real], scores[~real]
    assert abs(eer_asvspoof(bonafide=b, spoof=s) - published_eer(b, s)) < 1e-12
    assert abs(eer(bonafide=b, spoof=s) - published_eer(b, s)) < 1e-5
    assert abs(min_dcf(bonafide=b, spoof=s) - published_min_dcf(b, s)) < 1e-12
    trials, clustered = make(60_000, 540_000, 90, 13)
    labels = np.array([t.label == "bonafide" for t in trials])
    drawn = resamples(trials, count=COUNT)
    small, few = make(160, 160, 8, 5)
    of_small = resamples(small, count=COUNT)
    cell = Bootstrap(of_small, few)
    drawn_million = resamples(million, count=COUNT)
    resampled = Resampled(clustered, labels, drawn.weights(0, 4)[drawn.cell].astype(int))
    resampled_small = Resampled(few, cell.is_bonafide, of_small.weights(0, 40)[of_small.cell].astype(int))

    def everything(boot: Bootstrap) -> object:
        return metric_values(boot, DEFAULT_METRICS, threshold=1.0, llrs=lambda x: x)

    return [
        ("EER, 1 000 000 trials", lambda: eer(bonafide=b, spoof=s), lambda: published_eer(b, s), 1),
        ("min DCF, 1 000 000 trials", lambda: min_dcf(bonafide=b, spoof=s), lambda: published_min_dcf(b, s), 1),
        (
            "EER, 600 000 trials, 1000 clustered resamples, drawing them too (published: 4 of 1000)",
            lambda: Bootstrap(resamples(trials, count=COUNT), clustered).curves(["eer"]),
            lambda: resampled.each(published_eer, 4),
            COUNT / 4,
        ),
        (
            "the same, drawn before",
            lambda: Bootstrap(drawn, clustered).curves(["eer"]),
            lambda: resampled.each(published_eer, 4),
            COUNT / 4,
        ),
        (
            "min DCF, 600 000 trials, 1000 clustered resamples, drawn before (published: 1 of 1000)",
            lambda: Bootstrap(drawn, clustered).curves(["min_dcf"]),
            lambda: resampled.each(published_min_dcf, 1),
            COUNT,
        ),
        (
            f"all {len(DEFAULT_METRICS)} metrics of a cell, 1 000 000 trials, 1000 resamples",
            lambda: everything(Bootstrap(drawn_million, scores)),
            None,
            1,
        ),
        (
            "EER of a cell, 320 trials, 1000 resamples (published: 40 of 1000)",
            lambda: Bootstrap(of_small, few).curves(["eer"]),
            lambda: resampled_small.each(published_eer, 40),
            COUNT / 40,
        ),
        (f"all {len(DEFAULT_METRICS)} metrics of a cell, 320 trials, 1000 resamples", lambda: everything(cell), None, 1),
    ]  # fmt: skip


def clock(run: Callable[[], object]) -> Seconds:
    """(processor seconds of all threads, wall seconds): the least of three runs, of one where that takes a second."""
    taken: list[Seconds] = []
    while len(taken) < 3 and sum(t[0] for t in taken) < 1:
        begin = time.process_time(), time.perf_counter()
        run()
        taken.append((time.process_time() - begin[0], time.perf_counter() - begin[1]))
    return min(t[0] for t in taken), min(t[1] for t in taken)


def published_curve(bonafide: Scores, spoof: Scores) -> tuple[Scores, Scores]:
    """(miss, false alarm) trial by trial, by a stable sort of all trials."""
    labels = np.concatenate([np.ones(bonafide.size), np.zeros(spoof.size)])
    labels = labels[np.argsort(np.concatenate([bonafide, spoof]), kind="mergesort")]
    missed = np.cumsum(labels)
    accepted = spoof.size - (np.arange(1, labels.size + 1) - missed)
    miss = np.concatenate([np.zeros(1), missed / bonafide.size])
    return miss, np.concatenate([np.ones(1), accepted / spoof.size])


def published_eer(bonafide: Scores, spoof: Scores) -> float:
    """EER where both rates are closest."""
    miss, false_alarm = published_curve(bonafide, spoof)
    k = np.argmin(np.abs(miss - false_alarm))
    return float(np.mean((miss[k], false_alarm[k])))


def published_min_dcf(bonafide: Scores, spoof: Scores) -> float:
    """min DCF with a loop over all thresholds."""
    miss, false_alarm = published_curve(bonafide, spoof)
    lowest = float("inf")
    for i in range(len(miss)):
        cost = 1 * miss[i] * (1 - 0.05) + 10 * false_alarm[i] * 0.05
        lowest = min(lowest, cost)
    return float(lowest / min(1 * (1 - 0.05), 10 * 0.05))


class Resampled:
    """Scores repeated as often as their trials were drawn, one resample after the other."""

    def __init__(self, scores: Scores, real: np.ndarray, times: np.ndarray) -> None:
        self.scores, self.real, self.times = scores, real, times

    def each(self, metric: Callable[[Scores, Scores], float], count: int) -> list[float]:
        """The metric of the first ``count`` resamples."""
        found = []
        for times in self.times.T[:count]:
            b, s = (np.repeat(self.scores[m], times[m]) for m in (self.real, ~self.real))
            found.append(metric(b, s))
        return found


def machine() -> str:
    """What this runs on, in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            x.partition(":")[2].strip() for x in info.read_text().splitlines() if x.startswith("model name")
        ]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"{model}, {cores} cores, {platform.system()}, Python {platform.python_version()}, numpy {np.__version__}, "
        f"OMP_NUM_THREADS {threads}, load {load:.1f} at the start"
    )


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
