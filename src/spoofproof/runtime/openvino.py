"""OpenVINO as this project wants it: float32, one stream of one thread, and machine code for every node."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = NDArray[Any]

_ONE_THREAD = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "INFERENCE_PRECISION_HINT": "f32",  # it would choose half precision where a processor has units for it
    "ENABLE_CPU_PINNING": False,  # several workers would all be pinned to the first core
}


def package() -> Any:
    """The package ``openvino`` without its telemetry, which would write into the home folder as soon as it is imported, and
    tell its makers over the network what is run here."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # "not installed"
    import openvino

    return openvino


def read(content: bytes) -> Any:
    """The model in the bytes of an .onnx file."""
    return package().Core().read_model(content)


def compiled(model: Any) -> Callable[[Mapping[Any, Arrays]], dict[str, Arrays]]:
    """``ask({input name or place: array}) -> {output name: array}``. model: an openvino.Model, changed by this."""
    _selu_as_elu(model)
    ready = package().Core().compile_model(model, "CPU", _ONE_THREAD)
    request = ready.create_infer_request()
    names = [(port, sorted(port.names)) for port in ready.outputs]

    def ask(fed: Mapping[Any, Arrays]) -> dict[str, Arrays]:
        answers = request.infer(dict(fed), share_outputs=False)  # it uses its own arrays again
        return {name: answers[port] for port, all_names in names for name in all_names}

    return ask


def _selu_as_elu(model: Any) -> None:
    """λ ELU(x; α) in place of each SELU: for ELU OpenVINO has machine code, for SELU a plain loop, which took two
    fifths of AASIST. Source of λ and α: Klambauer et al. 2017; here they are read off the node."""
    opset8 = package().opset8
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Selu":
            alpha, scale = (float(node.input_value(place).get_node().data) for place in (1, 2))
            value = opset8.multiply(opset8.elu(node.input_value(0), alpha), np.float32(scale))
            port = node.output(0)
            value.output(0).get_tensor().set_names(port.get_names())
            port.replace(value.output(0))
