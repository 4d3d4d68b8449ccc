"""Ray against local workers, in one run: the clock, processor time, and what starting costs. The cells must be the same.

python benchmarks/ray_overhead.py [--quick] [--workers N]

The job's own time is taken from the moment the workers are there; starting is a line of its own. Processor time counts
every process of Ray, and hardly changes on a busy machine. Needs the extra scale.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from machine import QUICK, corpus, cpu, describe, table

from spoofproof import bench
from spoofproof.plan import Plan
from spoofproof.scale.cluster import require

CONDITIONS = ("clean", "gaussian_noise@*", "low_pass@*", "mp3@*", "time_stretch@*")
WORKERS = int(sys.argv[sys.argv.index("--workers") + 1]) if "--workers" in sys.argv else 2


def main() -> None:
    """A row for local workers, a row for Ray, their ratio, and the start."""
    ray = require()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trials = corpus(folder / "audio", 8 if QUICK else 120)
        plan = Plan.make(name="overhead", detectors=("lfcc-lcnn",), conditions=CONDITIONS)
        spent = {}
        begin, used = time.perf_counter(), cpu()
        bench.run(plan, trials, folder / "local", workers=WORKERS)
        spent["local"] = (time.perf_counter() - begin, cpu() - used)

        os.environ.setdefault("RAY_worker_niceness", "0")
        begin = time.perf_counter()
        ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
        ready = 0.0
        used = 0.0

        def say(text: str) -> None:
            nonlocal ready, used
            if f"{WORKERS} of {WORKERS} workers ready" in text:
                ready, used = time.perf_counter(), _everything()

        bench.run(plan, trials, folder / "ray", workers=WORKERS, scale="ray", say=say)
        spent["ray"] = (time.perf_counter() - ready, _everything() - used)
        start = ready - begin
        ray.shutdown()
        same = _cells(folder / "local") == _cells(folder / "ray")
        assert same, "Ray wrote other cells than local workers"
    print(describe("ray"))
    windows = len(trials) * len(plan.conditions)
    print(
        f"\n{windows} windows, {WORKERS} workers; the cells have the same bytes. Starting Ray and its workers took {start:.1f} s."
        " Local workers start within their row.\n"
    )
    rows = [
        (how, clock, used, f"{clock / spent['local'][0]:.2f}", f"{used / spent['local'][1]:.2f}")
        for how, (clock, used) in spent.items()
    ]
    table(("workers", "clock, s", "processor, s", "clock / local", "processor / local"), rows)


def _everything() -> float:
    """Processor seconds of this process and of all that descend from it, finished children of each included."""
    ticks: dict[int, float] = {}
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            parents[int(entry.name)] = int(fields[1])
            ticks[int(entry.name)] = sum(map(int, fields[11:15]))
    mine, before = {os.getpid()}, 0
    while len(mine) > before:
        before = len(mine)
        mine |= {pid for pid, parent in parents.items() if parent in mine}
    return sum(ticks[pid] for pid in mine) / os.sysconf("SC_CLK_TCK")


def _cells(run: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(run)): path.read_bytes()
        for room in ("scores", "conditions", "samples")
        for path in (run / room).rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    main()
