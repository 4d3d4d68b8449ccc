"""What the benchmarks share: the machine in words, processor time, seeded clips, tables.

Times are processor time of this process and its children, so that a busy machine does not change them much; ratios are
taken within one run. `--quick` measures less of everything.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spoofproof.audio import save_audio
from spoofproof.types import Clip, Trial

RATE = 16_000
SECONDS = 4.0375  # the field's window of 64 600 samples
QUICK = "--quick" in sys.argv


def cpu() -> float:
    """Seconds of processor time that this process and its finished children have used."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def milliseconds(run: Callable[[], object], times: int) -> float:
    """Median over ``times`` calls, after one that warms up."""
    run()
    return statistics.median(_each(run, times))


def fastest(run: Callable[[], object], times: int) -> float:
    """Milliseconds of the fastest of ``times`` calls."""
    return min(_each(run, times))


def _each(run: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        begin = cpu()
        run()
        taken.append(1e3 * (cpu() - begin))
    return taken


def peak(size: int = 1024, times: int = 5) -> float:
    """GFLOP/s of one core: the fastest of several products of float32 matrices."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    with threadpool_limits(1):
        a @ b
        taken = []
        for _ in range(times):
            begin = time.process_time()
            a @ b
            taken.append(time.process_time() - begin)
    return 2 * size**3 / min(taken) / 1e9


def describe(*packages: str) -> str:
    """The machine, its load and the versions that matter, in one line."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "onnxruntime", *packages)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {cores} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
        f"{', '.join(versions)}{'; --quick' if QUICK else ''}"
    )


def clips(count: int, seconds: float = SECONDS) -> list[Clip]:
    """Something like speech: pulses and noise through moving resonances, with pauses; at RATE Hz."""
    return [Clip(_voice(np.random.default_rng(seed), round(seconds * RATE)), RATE) for seed in range(count)]


def corpus(folder: Path, count: int, seconds: float = 6.0) -> list[Trial]:
    """``count`` FLAC files of each class."""
    trials = []
    for label in ("bonafide", "spoof"):
        for i, clip in enumerate(clips(count, seconds)):
            path = folder / label / f"{i}.flac"
            save_audio(clip, path)
            trials.append(Trial(f"{label}-{i}", path, label))  # type: ignore[arg-type]
    return trials


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table, numbers to three digits."""
    print(f"| {' | '.join(header)} |")
    print(f"|{'|'.join('---' if i == 0 else '---:' for i in range(len(header)))}|")
    for row in rows:
        print(f"| {' | '.join(f'{x:.3g}' if isinstance(x, float) else str(x) for x in row)} |", flush=True)


def _voice(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    from scipy.signal import lfilter

    t = np.arange(size) / RATE
    pitch = 120 + 30 * np.sin(2 * np.pi * rng.uniform(0.5, 1.5) * t)
    source = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0) + 0.01 * rng.standard_normal(size)
    for centre, width in ((rng.uniform(400, 800), 80), (rng.uniform(1100, 1900), 120), (2700, 200)):
        r = np.exp(-np.pi * width / RATE)
        source = lfilter([1.0], [1.0, -2 * r * np.cos(2 * np.pi * centre / RATE), r * r], source)
    speaking = np.clip(2 * np.sin(2 * np.pi * 1.7 * t + rng.uniform(0, 6)) + 1, 0.001, 1)
    voice = source * speaking
    return (0.3 * voice / np.abs(voice).max()).astype(np.float32)


def _processor() -> str:
    info = Path("/proc") / "cpuinfo"
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
