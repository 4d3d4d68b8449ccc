"""Where each detector spends its time: what is in the way of the peak.

    python benchmarks/shares.py [DETECTOR …]

A detector with a network: the parts around it (by difference), then the shares of the kinds of node inside ONNX Runtime, and for
convolutions, matrix products and recurrences the GFLOP/s that they reach, beside the measured peak. A foundation model (of base
size, random weights): the operators of torch. Any other: the functions with the most time of their own.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from flops import products
from machine import clips, describe, milliseconds, peak, table
from networks import BACKBONES, foundation

from spoofproof import registry, shipped
from spoofproof.ask import load_detector
from spoofproof.scale import one_thread
from spoofproof.types import Clip

TIMES, MOST = 8, 5
SHIPS = tuple(spec.name for spec in registry.detectors if any(shipped.FOLDER.glob(f"{spec.name}.[!j]*")))


def main() -> None:
    """One row a detector."""
    names = sys.argv[1:] or [*SHIPS, "spectral-tilt", *(BACKBONES if find_spec("transformers") else ())]
    heard = clips(TIMES)
    print(describe(), "\n")
    with one_thread():
        table(("detector", "ms a window", "peak, GFLOP/s", "where they go"), _rows(names, heard))


def _rows(names: list[str], heard: list[Clip]) -> Iterator[tuple[object, ...]]:
    for name in names:
        if name in BACKBONES:
            ask = foundation(name, "torch")[1]
            ms = milliseconds(lambda ask=ask: ask(heard[0].samples[None].copy()), 3)
            shares = _torch(lambda ask=ask: ask(heard[0].samples[None].copy()))
        else:
            _, score = load_detector(name)
            each = iter(heard * 3)
            ms = milliseconds(lambda score=score, each=each: score([next(each)]), TIMES)
            file = shipped.FOLDER / f"{name}.onnx"
            shares = _nodes(file, ms, heard) if file.exists() else _functions(score, heard)
        yield name, ms, f"{peak():.0f}", "; ".join(shares)


def _nodes(file: Path, whole: float, heard: list[Clip]) -> list[str]:
    """Shares of the kinds of node, largest first; what is not in the network comes last."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = 1, True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "nodes")
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        (port,) = session.get_inputs()
        for clip in heard:
            session.run(None, {port.name: np.resize(clip.samples, port.shape)})
        events = json.loads(Path(session.end_profiling()).read_text())
    calls: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, tuple[str, float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            calls[event["name"]].append(event["dur"] / 1e3)
            kinds[event["name"]] = event["args"]["op_name"], _operations(event["args"])
    spent: dict[str, float] = defaultdict(float)
    done: dict[str, float] = defaultdict(float)
    for name, times in calls.items():
        kind, operations = kinds[name]
        spent[kind] += float(np.median(times))
        done[kind] += operations
    inside = sum(spent.values())
    found = [
        f"{kind} {100 * ms / inside:.0f} %"
        + (f" at {done[kind] / ms / 1e6:.0f} GFLOP/s" if done[kind] else "")
        for kind, ms in sorted(spent.items(), key=lambda item: -item[1])[:MOST]
    ]
    return [*found, f"outside of the network {max(0.0, whole - inside):.1f} ms"]


def _operations(arguments: dict[str, Any]) -> float:
    shapes = [next(tuple(s) for s in one.values()) for one in arguments["input_type_shape"]]
    out = next(tuple(s) for one in arguments["output_type_shape"] for s in one.values())
    return products(arguments["op_name"].removeprefix("Fused"), shapes, int(np.prod(out)))


def _torch(ask: Callable[[], object]) -> list[str]:
    """Shares of torch's operators."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as seen:
        ask()
    spent = {event.key: event.self_cpu_time_total for event in seen.key_averages()}
    whole = sum(spent.values())
    largest = sorted(spent.items(), key=lambda item: -item[1])[:MOST]
    return [f"`{name.removeprefix('aten::')}` {100 * own / whole:.0f} %" for name, own in largest]


def _functions(score: Any, heard: list[Clip]) -> list[str]:
    """Shares of the functions with the most time of their own."""
    profile = cProfile.Profile()
    profile.enable()
    for clip in heard:
        score([clip])
    profile.disable()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    whole = sum(own for _, _, own, _, _ in stats.values())
    largest = sorted(stats.items(), key=lambda item: -item[1][2])[:MOST]
    return [f"{_place(place)} {100 * own / whole:.0f} %" for place, (_, _, own, _, _) in largest]


def _place(place: tuple[str, int, str]) -> str:
    file, _, name = place
    name = name.strip("<>").replace("built-in method ", "").replace("method ", "")
    return f"`{name}`" if file == "~" else f"`{Path(file).stem}.{name}`"


if __name__ == "__main__":
    main()
