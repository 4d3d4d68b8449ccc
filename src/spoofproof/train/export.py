"""A trained network and its calibration as one ONNX file, held against torch before it is written."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import nets, runtime
from ..audio import whole_file
from ..errors import SpoofproofError
from .halves import in_two

PARITY = 1e-4  # largest difference between torch and ONNX Runtime that an export may show, in raw log odds


def export(
    network: torch.nn.Module,
    path: Path,
    *,
    name: str,
    settings: Mapping[str, Any],
    window: int,
    calibration: tuple[float, float],
) -> float:
    """Write ``wave`` (1, window) -> ``odds`` (1,), calibrated log odds; what made it goes in as a text property.

    calibration: (scale, offset). Returns the largest difference between torch and ONNX Runtime over random samples;
    raises SpoofproofError, and writes nothing, when it exceeds PARITY.
    """
    import onnx

    scale, offset = calibration
    detector = nets.Detector(network, scale, offset).cpu().eval()
    model = graph(detector, torch.zeros(1, window), "odds")
    facts = {"name": name, "settings": dict(settings), "window": window, "calibration": [scale, offset]}
    onnx.helper.set_model_props(model, {"spoofproof.network": json.dumps(facts, sort_keys=True)})
    _forget_machine(model)
    data = model.SerializeToString(deterministic=True)
    worst = _difference(detector, data, window)
    allowed = PARITY * max(1.0, scale)  # a steep calibration makes the rounding of the network as much larger
    if not worst <= allowed:
        raise SpoofproofError(
            f"the exported network differs from the trained one by {worst:.2g} in log odds (at most {allowed:.2g} is "
            "accepted); nothing was written. The installed torch and onnxruntime may not fit each other"
        )
    with whole_file(path) as out:
        out.write(data)
    return worst


def graph(module: torch.nn.Module, example: torch.Tensor, output: str) -> Any:
    """The ONNX model of ``module``: ``wave``, of the example's shape, -> ``output``."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecated calls
        program = torch.onnx.export(
            module, (example,), dynamo=True, verbose=False, input_names=["wave"], output_names=[output]
        )
    assert program is not None
    model = program.model_proto
    in_two(model)
    return model


def _difference(detector: torch.nn.Module, data: bytes, window: int) -> float:
    """Largest difference in log odds over silence and noise; NaN where the exported network has no number to give."""
    session = runtime.network(data, what="exported network")
    generator = np.random.Generator(np.random.Philox(0))
    differences = []
    for level in (0.0, 0.0001, 0.02, 0.05):  # what is heard lies at 0.05; silence is where floors show
        x = (level * generator.standard_normal((1, window))).astype(np.float32)
        with torch.no_grad():
            expected = detector(torch.from_numpy(x)).numpy()
        differences.append(np.abs(session(wave=x)["odds"] - expected).max())
    return float(np.max(differences))  # unlike max(), NaN does not get lost


def _forget_machine(model: object) -> None:
    """Drop what the exporter notes for debugging: source lines hold the paths of the machine it ran on."""
    graph = model.graph  # type: ignore[attr-defined]
    model.ClearField("doc_string")  # type: ignore[attr-defined]
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        for name in ("doc_string", "metadata_props"):
            if name in item.DESCRIPTOR.fields_by_name:
                item.ClearField(name)
