"""What ASVspoof 5 eval × 100 conditions × 10 detectors costs on 1, 8 and 64 GPUs, on paper. The tables of docs/scale.md.

python benchmarks/scale_paper.py

Taken from the registry: what each detector declares for a clip of 4 s on one core. Measured here: decoding, corrupting,
what a row weighs, how fast the driver writes. Assumed, and marked so: everything about GPUs, machines and the corpus's
files (ASSUMED below).
"""

from __future__ import annotations

import pickle
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from machine import clips, describe, milliseconds, table

from spoofproof import registry
from spoofproof.audio import open_audio, save_audio
from spoofproof.cell import Job, Part, put
from spoofproof.corrupt import corrupt, missing_for
from spoofproof.plan import Plan
from spoofproof.scores import OK, Cell
from spoofproof.types import Trial

TRIALS = 680_774  # ASVspoof 5, track 1, evaluation
CONDITIONS = 100
DETECTORS = (
    "lfcc-gmm", "gmm-ubm", "texture", "lfcc-lcnn", "spec-resnet", "rawnet2", "aasist", "rawgat-st", "wav2vec2", "xls-r",
)  # fmt: skip
ASSUMED = {
    "cores a GPU": 16,
    "ms a clip on a GPU, foundation model (clip by clip, half precision)": 8.0,
    "ms a clip on a GPU, any other network, if it ran there": 2.0,
    "kilobytes a file": 80,
}
GPUS = (1, 8, 64)


def main() -> None:
    """Costs a clip, days for each number of GPUs, and how far the other parts are from their limit."""
    cores, foundation, other, kilobytes = ASSUMED.values()
    decode, change = hearing()
    cost = {name: registry.detectors[name].cost for name in DETECTORS}
    on_gpu = [name for name in DETECTORS if registry.detectors[name].gpus]
    networks = ["lfcc-lcnn", "spec-resnet", "rawnet2", "aasist", "rawgat-st"]
    light = sum(ms for name, ms in cost.items() if name not in [*on_gpu, *networks])
    on_cores = decode + change + sum(cost[name] for name in DETECTORS if name not in on_gpu)
    print(describe(), "\n")
    rows = [(name, ms or "below 5") for name, ms in cost.items()]
    table(
        ("a clip of 4 s, one core", "ms"),
        [("decode (6 s of FLAC)", decode), ("corrupt (mean of all levels)", change), *rows],
    )
    print()
    table(("assumed, not measured", "value"), list(ASSUMED.items()))

    windows = TRIALS * CONDITIONS
    whole = (decode + change + sum(cost.values())) / 1000 * windows
    print(
        f"\n{windows / 1e6:.1f} million windows, {windows * len(DETECTORS) / 1e6:.0f} million scores; without a GPU "
        f"{whole / 86400:.0f} days of one core.\n"
    )
    today = {"cores": on_cores / cores, "GPU": foundation * len(on_gpu)}
    moved = {
        "cores": (decode + change + light) / cores,
        "GPU": foundation * len(on_gpu) + other * len(networks),
    }
    rows = []
    for name, each in (
        ("as it is: foundation models on the GPU", today),
        ("if all networks ran there", moved),
    ):
        limit = max(each, key=lambda part: each[part])
        days = [each[limit] / 1000 * windows / 86400 / n for n in GPUS]
        rows.append(
            (
                name,
                each["cores"],
                each["GPU"],
                limit,
                *(f"{d:.1f} d" if d >= 2 else f"{24 * d:.0f} h" for d in days),
            )
        )
    table(
        (
            "on paper",
            "ms a window, cores",
            "ms a window, GPU",
            "limit",
            *(f"{n} GPU{'s' * (n > 1)}" for n in GPUS),
        ),
        rows,
    )

    row, rate, disk, memory = driver()
    seconds = max(today.values()) / 1000 * windows / GPUS[-1]
    faster = max(moved.values()) / 1000 * windows / GPUS[-1]
    needed = [windows * len(DETECTORS) / s for s in (seconds, faster)]
    reads = [windows * kilobytes * 1e3 / s / 1e6 for s in (seconds, faster)]
    print(f"\nWhat else there is, at {GPUS[-1]} GPUs:\n")
    table(
        ("part", "as it is", "all networks on GPUs", "what one machine does"),
        [
            ("driver, scores a second", needed[0], needed[1], f"{rate:.3g} (measured: collected and written)"),
            ("to the driver, MB/s", needed[0] * row / 1e6, needed[1] * row / 1e6, "1 000 and more"),
            ("storage without any cache, MB/s", reads[0], reads[1], "see the text"),
            ("storage, each machine its own places, MB/s", reads[0] / CONDITIONS, reads[1] / CONDITIONS, "see the text"),
        ],
    )  # fmt: skip
    scores = windows * len(DETECTORS)
    print(
        f"\nRun folder: {scores * disk / 1e9:.1f} GB in {CONDITIONS * len(DETECTORS)} cells ({disk:.1f} bytes a score). Driver "
        f"memory: {TRIALS * memory / 1e9:.1f} GB for the trials, {TRIALS * len(DETECTORS) * row / 1e9:.2f} GB for each "
        f"condition that is open. The corpus is {TRIALS * kilobytes * 1e3 / 1e9:.0f} GB."
    )


def hearing() -> tuple[float, float]:
    """ms of one core to decode a clip, and to corrupt one, the mean over all levels of the full plan that run here."""
    some = clips(2, 6.0)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "clip.flac"
        save_audio(some[0], path)
        decode = milliseconds(lambda: open_audio(path, rate=16_000, seconds=6.0), 20)
    conditions = [c for c in Plan.load("full").conditions if not missing_for(c)]
    short = some[1].replace(some[1].samples[:68_000])
    each = [milliseconds(lambda c=c: corrupt(short, c, key="clip"), 1) for c in conditions]
    return decode, statistics.fmean(each)


def driver(trials: int = 50_000, size: int = 256) -> tuple[float, float, float, float]:
    """Bytes of a score on its way, scores a second that are unpacked and written, bytes of a score on disk, bytes of a trial."""
    rng = np.random.default_rng(0)
    tracemalloc.start()
    rows = tuple(
        Trial(f"E_{i:010d}", Path(f"flac_E_eval/E_{i:010d}.flac"), "spoof", f"E_{i % 737:04d}", f"A{i % 16}")
        for i in range(trials)
    )
    memory = tracemalloc.get_traced_memory()[0] / trials
    tracemalloc.stop()
    sent = []
    for start in range(0, trials, size):
        piece = rows[start : start + size]
        ids = tuple(trial.id for trial in piece)
        cells = {name: Cell(ids, rng.normal(size=len(ids)), (OK,) * len(ids)) for name in DETECTORS}
        sent.append(pickle.dumps(Part(cells, rng.bytes(32 * len(ids)), (), ()), protocol=5))
    with tempfile.TemporaryDirectory() as name:
        run = Path(name)
        job = Job(run, "clean", DETECTORS, rows, 4.0, 0, 16_000, 64_600, "repeat", 0, 0)
        begin = time.process_time()
        put(job, [pickle.loads(raw) for raw in sent], facts=True)
        taken = time.process_time() - begin
        disk = sum(path.stat().st_size for path in run.rglob("*.parquet"))
    count = trials * len(DETECTORS)
    return sum(map(len, sent)) / count, count / taken, disk / count, memory


if __name__ == "__main__":
    main()
