"""One worker against two: seconds of the clock for the same cells, which must have the same bytes. For idle cores.

Two processors need not be two cores: what this machine allows is measured first, with the network of the detector asked over
and over by one process, and by two at once that know nothing of each other.

python benchmarks/scaling.py [--quick]
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import QUICK, corpus, describe, table

from spoofproof import bench
from spoofproof.plan import Plan

CONDITIONS = ("clean", "gaussian_noise@*", "low_pass@*", "mp3@*", "time_stretch@*")


def main() -> None:
    """Two rows and their ratio, and what the machine allows."""
    allowed = 2 * _alone(1) / _alone(2)
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
    print(
        f"\n{windows} windows; the scores have the same bytes. Two processes that share nothing: {allowed:.2f} ×.\n"
    )
    rows = [(f"{w}", t, windows / t, f"{taken[1] / t:.2f} ×") for w, t in taken.items()]
    table(("workers", "clock, s", "windows a second", "speed-up"), rows)


_ASK = """
import sys, time
from machine import clips
from spoofproof import registry
from spoofproof.scale import one_thread
with one_thread():
    score, heard = registry.detectors["lfcc-lcnn"].make(""), clips(8)
    score(heard)
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.perf_counter()
    for _ in range(int(sys.argv[1])):
        score(heard)
    print(time.perf_counter() - begin)
"""


def _alone(processes: int) -> float:
    """Seconds of the slowest of so many processes at once, each with the same work."""
    command = [sys.executable, "-c", _ASK, "5" if QUICK else "60"]
    asked = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
        )
        for _ in range(processes)
    ]
    for one in asked:
        assert one.stdout is not None
        one.stdout.readline()
    for one in asked:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    return max(float(one.communicate()[0]) for one in asked)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.parquet")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
