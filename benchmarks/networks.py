"""Networks with random weights, in torch and as the .onnx that `spoofproof train` would write: for timing only."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from spoofproof.audio import WINDOW_SAMPLES

FOLDER = Path(tempfile.gettempdir()) / "spoofproof-benchmarks"


def made(name: str) -> tuple[Any, Path]:
    """(torch module: wave -> odds, path of its .onnx); the same weights in both, kept from one benchmark to the next."""
    import torch

    from spoofproof import nets
    from spoofproof.train.export import export

    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = nets.build(name).eval()
    path = FOLDER / f"{name}-{torch.__version__}.onnx"
    if not path.exists():
        export(network, path, name=name, settings={}, window=WINDOW_SAMPLES, calibration=(1.0, 0.0))
    return nets.Detector(network, 1.0, 0.0).eval(), path
