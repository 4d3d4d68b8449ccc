"""N clips × the published corruptions × their levels: the bench against the way that it is published.

    [SPOOFPROOF_RUNTIME=openvino] python benchmarks/end_to_end.py [--quick] [--clips N] [--detector lfcc-lcnn | aasist]

The published way: for each detector and each level, decode the whole file again (librosa), corrupt all of it
(`usual.py`), cut 4 s, and ask the network in eager torch, one clip at a time. Both have one thread, the same random weights and
the same files. Where the corruption is the same arithmetic, so are the scores: the table says by how much they differ, in standard
deviations of all scores of the table. The neural codec is left out: it is the same network either way.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import QUICK, RATE, corpus, cpu, describe, table
from networks import made
from usual import CODED, USUAL

from spoofproof import bench, registry, runtime
from spoofproof.audio import WINDOW_SAMPLES
from spoofproof.detectors.prepare import prepare
from spoofproof.plan import Plan
from spoofproof.scale import one_thread
from spoofproof.types import Clip, Trial


def main() -> None:
    """A row for each corruption, and the ratio of the whole."""
    name = _option("--detector", "lfcc-lcnn")
    count = int(_option("--clips", "1" if QUICK else "4"))
    module, weights = made(name)
    detector = f"{name}@{weights}"
    conditions = {
        corruption: [str(c) for c in registry.corruptions[corruption].conditions()][-1 if QUICK else 0 :]
        for corruption in USUAL
    }
    with tempfile.TemporaryDirectory() as folder:
        trials = corpus(Path(folder) / "audio", count)
        wanted = ["clean", *(c for levels in conditions.values() for c in levels)]
        plan = Plan.make(name="published", detectors=(detector,), conditions=wanted, measured=0, listen=0)
        spent: dict[str, tuple[float, float]] = {}
        differ: dict[str, float] = {}
        answers: list[float] = []
        with one_thread():
            for levels in [["clean"], *conditions.values()]:  # both ways warm: imports, compilers, caches
                _published(module, trials[0], levels[0])
                bench.run(
                    plan.with_(conditions=(levels[0],)),
                    trials[:1] + trials[-1:],
                    Path(folder) / "warm" / levels[0],
                )
            for corruption, levels in {"clean": ["clean"], **conditions}.items():
                begin = cpu()
                part = plan.with_(conditions=tuple(levels))
                run = bench.run(part, trials, Path(folder) / corruption)
                middle = cpu()
                theirs = {(c, t.id): _published(module, t, c) for c in levels for t in trials}
                extra = (middle - begin) / len(run.cells) if "clean" not in levels else 0.0
                spent[corruption] = (
                    middle - begin - extra,
                    cpu() - middle,
                )  # every plan holds clean: taken out
                answers += theirs.values()
                differ[corruption] = max(
                    abs(theirs[c, i] - s)
                    for c in levels
                    for i, s in zip(run.cells[detector, c].ids, run.cells[detector, c].scores, strict=True)
                )
    spread = float(np.std(answers))
    rows = [
        (c, len(conditions.get(c, [c])) * len(trials), a, b, f"{b / a:.1f} ×", differ[c] / spread)
        for c, (a, b) in spent.items()
    ]
    ours, other = (sum(times) for times in zip(*spent.values(), strict=True))
    rows.append(("all", sum(int(row[1]) for row in rows), ours, other, f"{other / ours:.1f} ×", ""))
    print(describe("torch", "librosa", *(() if runtime.chosen() == runtime.DEFAULT else (runtime.chosen(),))))
    print(
        f"\n{name} in {runtime.chosen()}, {len(trials)} clips of 6 s; MP3 and Opus the published way: {CODED}.\n"
    )
    header = (
        "corruption",
        "windows",
        "ours, s",
        "published, s",
        "ratio",
        "largest difference, in standard deviations of the scores",
    )
    table(header, rows)


def _published(module: Any, trial: Trial, condition: str) -> float:
    """Decode, corrupt all of it, cut, ask."""
    import librosa

    samples, _ = librosa.load(trial.path, sr=RATE)
    if condition != "clean":
        name, _, level = condition.partition("@")
        samples = USUAL[name](samples, RATE, float(level), np.random.default_rng(0))
    return _score(module, Clip(np.ascontiguousarray(samples, dtype=np.float32), RATE))


def _score(module: Any, clip: Clip) -> float:
    import torch

    heard = prepare(Clip(clip.samples[:WINDOW_SAMPLES], clip.rate), WINDOW_SAMPLES).samples
    with torch.inference_mode():
        return float(module(torch.from_numpy(np.ascontiguousarray(heard[None]))).reshape(-1)[0])


def _option(name: str, default: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


if __name__ == "__main__":
    main()
