"""A run that ends in a given time: rounds of trials, spent where intervals are widest.

    round 1       the first trials of one random order (``subsample.places``) under every condition
    round 2, …    more of that order under the conditions whose intervals are widest

Under a condition every detector hears the same trials, and of any two conditions one heard a beginning of what the other
heard; clean audio is heard as far as anything. So all differences stay paired. What is heard depends on the clock; what a
trial scores does not: a run on a budget can go on to everything and is then the run that had none.

A width that was lucky would stop a condition early, and its interval would be too narrow. Widths are therefore never
taken for less than what a rate near the measured one leaves open at that number of trials (``guarded``), and no condition
stays behind half the depth of another.
"""

from __future__ import annotations

import heapq
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import bench
from .bench import Progress
from .cell import Job
from .corrupt import missing_for
from .cost import measure, per_clip
from .errors import BadPlan
from .plan import Plan
from .results.grid import Frozen, Grid
from .scale import crew
from .scores import ScoreTable, read_record, write_json
from .subsample import Reach
from .types import CLEAN, Trial

FEWEST = 8  # trials of each class in the first round: below it an interval says next to nothing
_FEWEST_DEV = 16
_FIRST = 0.2  # of the time: the first round, every condition alike
_DEV = 0.03  # of the time: development trials, on which thresholds are frozen
_KEPT = 0.04  # of the time: kept back, since a round may take longer than foreseen
_LAST = 0.2  # of the time: with less left, one round takes it all
_RESAMPLES = 200
_Z = 1.96


def run(
    plan: Plan,
    trials: Sequence[Trial],
    out: Path | str,
    *,
    seconds: float,
    corpus: Mapping[str, Any] | None = None,
    workers: int = 1,
    progress: Callable[[Progress], None] = lambda p: None,
    clock: Callable[[], float] = time.monotonic,
) -> ScoreTable:
    """Score as much of ``plan`` over ``trials`` as ``seconds`` allow, into the folder ``out``; see ``bench.run``.

    [heavy] of the plan does not apply: the budget rations for all detectors alike. A folder that was begun on a budget goes
    deeper; ``budget`` in its record says how deep each condition was heard, and what precision that gave. clock: seconds.

    Raises what ``bench.run`` raises, RunConflict for a folder that was begun without a budget, and BadPlan where not even
    the first round fits.
    """
    began = clock()
    out = Path(out)
    plan = plan.with_(heavy=None)
    most = _sizes(trials)
    whole = Reach(dict.fromkeys(plan.conditions, most["eval"]), most["dev"], most["eval"])
    old = read_record(out).get("budget") if (out / "run.json").exists() else None
    reach = Reach.read(old) if old else whole
    record = bench.prepare(plan, trials, out, corpus or {}, reach)
    jobs = bench.missing(plan, trials, out, record | {"budget": whole.as_dict()}).jobs
    prices = _prices(plan, trials, jobs, workers)
    foreseen = 0.0
    if not old:
        reach = first_round(prices, whole, seconds - (clock() - began))
        foreseen = prices.fixed + prices.between({}, reach.depths) + reach.dev * prices.each[CLEAN]
    rounds = (old or {}).get("rounds", 0)
    with crew(workers) as work:
        while True:
            begin = clock()
            table = bench.run(plan, trials, out, corpus=corpus, progress=progress, reach=reach, crew=work)
            if foreseen:
                prices = replace(prices, pace=max(1e-6, (clock() - begin) / foreseen))
            rounds += 1
            found = half_widths(table)
            spent = (old or {}).get("spent", 0.0) + clock() - began
            _note(out, {"seconds": seconds, "spent": spent, "rounds": rounds, "precision": precision(found)})
            left = seconds * (1 - _KEPT) - (clock() - began)
            spend = left if left < _LAST * seconds else left / 2
            deeper = next_round(prices, reach, whole, priorities(found), spend / prices.pace)
            if deeper.depths == reach.depths:
                return ScoreTable.read(out)
            foreseen = prices.between(reach.depths, deeper.depths)
            reach = deeper


@dataclass(frozen=True, slots=True)
class Prices:
    """each: by condition, seconds of one core for one more trial of each class, heard by all detectors that lack it.
    fixed: once, loading the detectors and measuring effective levels. pace: seconds of the clock for one of a core."""

    each: Mapping[str, float]
    fixed: float
    pace: float

    def between(self, old: Mapping[str, int], new: Mapping[str, int]) -> float:
        """Seconds of one core from one depth of each condition to another."""
        return sum(self.each[c] * max(0, depth - old.get(c, 0)) for c, depth in new.items())


@dataclass(frozen=True, slots=True)
class Width:
    """The 95 % interval of a cell's EER (NaN: none). safe: half of it, never taken for less than ``guarded``. counts: of a
    detector that is no control."""

    low: float
    high: float
    safe: float
    counts: bool

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


def first_round(prices: Prices, whole: Reach, seconds: float) -> Reach:
    """The depth that every condition has first. Raises BadPlan where ``FEWEST`` trials of each class take longer than there is."""
    alike = sum(prices.each.values())
    least = min(FEWEST, whole.first)
    dev = min(whole.dev, max(_FEWEST_DEV, int(_DEV * seconds / prices.pace / (prices.each[CLEAN] or 1e-9))))
    needed = (prices.fixed + alike * least + min(dev, _FEWEST_DEV) * prices.each[CLEAN]) * prices.pace
    if needed > seconds:
        raise BadPlan(
            f"the budget is too small: {least} trials of each class under each of {len(prices.each)} conditions take about "
            f"{needed:.0f} s here, and {max(0.0, seconds):.0f} s are left for them. Give more time, or fewer --condition "
            "or --detector."
        )
    depth = int((_FIRST * seconds / prices.pace - prices.fixed) / (alike or 1e-9))
    depth = min(whole.first, max(least, depth))
    return Reach(dict.fromkeys(prices.each, depth), dev, depth)


def next_round(
    prices: Prices, reach: Reach, whole: Reach, widths: Mapping[str, float], seconds: float
) -> Reach:
    """Deeper where ``widths`` (by condition) are widest, for at most ``seconds`` of one core.

    A width is taken to fall with the square root of the depth; the widest of all gains a quarter of its depth at a time, until
    the next such step does not fit. Clean audio is always as deep as the deepest, and everything at least half as deep.
    """
    depths = dict(reach.depths)
    queue = [(-width, c) for c, width in widths.items() if c in depths and c in prices.each]
    heapq.heapify(queue)
    while queue:
        width, condition = heapq.heappop(queue)
        depth = depths[condition]
        wanted = min(whole.first, depth + max(2, depth // 4))
        if wanted == depth:
            continue
        step = {c: wanted // 2 for c in prices.each if depths.get(c, wanted) < wanted // 2}
        step |= {CLEAN: max(wanted, depths.get(CLEAN, 0)), condition: wanted}
        price = prices.between(depths, step)
        if price > seconds:
            break
        seconds -= price
        depths |= step
        heapq.heappush(queue, (width * math.sqrt(depth / wanted), condition))
    return replace(reach, depths=depths)


def guarded(half: float, rate: float, n_bonafide: int, n_spoof: int) -> float:
    """Half a 95 % interval, at least that of a rate of which two errors and two successes more were seen (Agresti and Coull 1998,
    The American Statistician 52:119), at the number of trials of the smaller class; 0.5 where nothing is known."""
    n = min(n_bonafide, n_spoof)
    if not math.isfinite(half) or not math.isfinite(rate):
        return 0.5
    near = (rate * n + 2) / (n + 4)
    return max(half, _Z * math.sqrt(near * (1 - near) / (n + 4)))


def priorities(found: Mapping[tuple[str, str], Width]) -> dict[str, float]:
    """By condition the mean width of its cells, those of controls left out where there are others."""
    counting = [key for key, width in found.items() if width.counts] or list(found)
    by: dict[str, list[float]] = {}
    for detector, condition in counting:
        by.setdefault(condition, []).append(found[detector, condition].safe)
    return {condition: statistics.fmean(widths) for condition, widths in by.items()}


def precision(found: Mapping[tuple[str, str], Width]) -> dict[str, Any]:
    """By detector, half the 95 % interval of its EER: the median over conditions, and the widest with its condition."""
    said: dict[str, Any] = {}
    for detector in dict.fromkeys(d for d, _ in found):
        known = {c: w.half for (d, c), w in found.items() if d == detector and math.isfinite(w.half)}
        if known:
            worst = max(known, key=lambda c: known[c])
            median = statistics.median(known.values())
            said[detector] = {"median": median, "widest": known[worst], "condition": worst}
    return said


def half_widths(table: ScoreTable) -> dict[tuple[str, str], Width]:
    """Of every cell, over the trials that it holds."""
    heard = {name for cell in table.cells.values() for name in cell.ids}
    trials = [t for t in table.trials if t.part == "eval" and t.id in heard]
    frozen = {d: Frozen(None, None) for d in table.detectors}
    grid = Grid(table, trials, ["eer"], frozen, count=_RESAMPLES, seed=0, confidence=0.95)
    cards = {d: known.get("card") or {} for d, known in table.record["detectors"].items()}
    found = {}
    for detector, condition in table.cells:
        values = grid.values(detector, condition)
        counts = cards[detector].get("kind") != "control"
        if values is None:
            found[detector, condition] = Width(math.nan, math.nan, 0.5, counts)
            continue
        e = grid.estimate(values["eer"], "eer", np.isfinite(grid.scores(detector, condition)))
        safe = guarded((e.high - e.low) / 2, e.value, e.n_bonafide, e.n_spoof)
        found[detector, condition] = Width(e.low, e.high, safe, counts)
    return found


def _prices(plan: Plan, trials: Sequence[Trial], jobs: Sequence[Job], workers: int) -> Prices:
    clock, core = time.monotonic(), time.process_time()
    costs = measure(plan, trials, jobs, clips=1)
    shared = max(1.0, (time.monotonic() - clock) / max(1e-3, time.process_time() - core))
    heard = {job.condition: job.detectors for job in jobs}
    able = [c for c in plan.conditions if not missing_for(c)]
    each = {c: 2 * per_clip(costs, c, heard[c]) if c in heard else 0.0 for c in able}
    fixed = workers * sum(costs.load.values()) + plan.measured * sum(costs.facts.values())
    return Prices(each, fixed, shared / workers)


def _sizes(trials: Sequence[Trial]) -> dict[str, int]:
    """How deep a draw can go: trials of the larger class of eval and of dev."""
    counts = Counter((trial.part, trial.label) for trial in trials)
    return {
        part: max((n for (p, _), n in counts.items() if p == part), default=0) for part in ("eval", "dev")
    }


def _note(out: Path, facts: Mapping[str, Any]) -> None:
    record = read_record(out)
    write_json(out / "run.json", record | {"budget": record["budget"] | facts})
