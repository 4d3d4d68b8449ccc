"""How near each network comes to what this machine can do: GFLOP/s against the measured peak of a matrix product.

    python benchmarks/runtime.py [--quick] [NAME=FILE.onnx …]

Operations are counted from the graph (`flops.py`). A network of its own can be named; AASIST has random weights here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from flops import gflop
from machine import QUICK, clips, describe, milliseconds, peak, table
from networks import made

from spoofproof import runtime, shipped
from spoofproof.scale import one_thread


def main() -> None:
    """One row a network."""
    named = [argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument]
    networks = {name: Path(path) for name, path in named}
    networks |= {name: shipped.weights(name, ".onnx", "") for name in ("lfcc-lcnn", "spec-resnet")}
    for name in ("aasist",) if QUICK else ("aasist", "aasist-l"):
        networks[name] = made(name)[1]
    before = peak()
    rows = []
    with one_thread():
        for name, path in networks.items():
            rows.append((name, *_row(path, before)))
    print(describe("torch"))
    print(f"\nPeak of one core: {before:.0f} GFLOP/s before, {peak():.0f} after (float32, 1024 × 1024).\n")
    table(("network", "GFLOP in products", "GFLOP besides", "ms a clip", "GFLOP/s", "of peak"), rows)


def _row(path: Path, peak_gflops: float) -> tuple[object, ...]:
    products, besides = gflop(path)
    network = runtime.network(path, what="network")
    (name,) = network.inputs
    wave = np.ascontiguousarray(clips(1)[0].samples[None])
    ms = milliseconds(lambda: network(**{name: wave}), 3 if QUICK else 9)
    speed = (products + besides) / ms * 1e3
    return products, besides, ms, speed, f"{100 * speed / peak_gflops:.0f} %"


if __name__ == "__main__":
    main()
