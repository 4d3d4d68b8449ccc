"""How near each network comes to what this machine can do: GFLOP/s against the measured peak of a matrix product.

    python benchmarks/runtime.py [--quick] [NAME=FILE.onnx …]

Every engine that is installed runs every network. Operations are counted from the graph (`flops.py`), those of foundation
models by torch; these are of base size, with random weights. The peak is measured before and after each row, and the
fastest of several counts for both: machines that are shared have good and bad minutes. Networks of one's own can be named.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from flops import gflop
from machine import QUICK, clips, describe, fastest, peak, table
from networks import BACKBONES, foundation

from spoofproof import runtime, shipped
from spoofproof.scale import one_thread

SHIPPED = ("lfcc-lcnn", "spec-resnet", "rawnet2", "aasist", "aasist-l", "rawgat-st")
ENGINES = tuple(name for name in runtime.ENGINES if importlib.util.find_spec(name))


def main() -> None:
    """One row a network and engine."""
    named = [argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument]
    files = {name: Path(path) for name, path in named}
    files |= {name: shipped.FOLDER / f"{name}.onnx" for name in (SHIPPED[:4] if QUICK else SHIPPED)}
    print(describe("torch", *(e for e in ENGINES if e != runtime.DEFAULT)), "\n", flush=True)
    header = ("network", "GFLOP in products", "GFLOP besides", "engine", "ms a window", "GFLOP/s", "of peak")
    with one_thread():
        table(header, _networks(files))
        if importlib.util.find_spec("transformers"):
            print()
            table(header, _foundation(BACKBONES[:1] if QUICK else BACKBONES))


def _networks(files: dict[str, Path]) -> Iterator[tuple[object, ...]]:
    wave = np.ascontiguousarray(clips(1)[0].samples[None])
    for name, path in files.items():
        products, besides = gflop(path)
        for engine in ENGINES:
            network = runtime.network(path, what="network", engine=engine)
            ask = _asking(network, wave)
            yield name, products, besides, engine, *_speed(ask, products + besides, 3 if QUICK else 15)


def _asking(network: runtime.Network, wave: np.ndarray) -> Callable[[], object]:
    (name,) = network.inputs
    return lambda: network(**{name: wave})


def _foundation(names: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    samples = clips(1)[0].samples[None].copy()
    for name in names:
        for engine in ("torch", *(e for e in ENGINES if e == "openvino")):
            operations, ask = foundation(name, engine)
            yield (
                name,
                operations,
                "",
                engine,
                *_speed(lambda a=ask: a(samples), operations, 2 if QUICK else 5),
            )


def _speed(ask: Callable[[], object], operations: float, times: int) -> tuple[object, ...]:
    """(ms, GFLOP/s, share of the peak)."""
    ask()
    before, ms = peak(), fastest(ask, times)
    limit = max(before, peak())
    return ms, operations / ms * 1e3, f"{100 * operations / ms * 1e3 / limit:.0f} % of {limit:.0f}"


if __name__ == "__main__":
    main()
