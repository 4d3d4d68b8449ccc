"""Floating-point operations of an ONNX network, counted from its graph: a multiplication and an addition are two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path


def gflop(path: Path) -> tuple[float, float]:
    """(in convolutions, matrix products and recurrences; in everything else: one for each number that a node gives), in
    units of 10⁹."""
    import onnx
    from onnx import numpy_helper

    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)), data_prop=True)
    graph = model.graph
    shapes = {
        v.name: tuple(d.dim_value or 1 for d in v.type.tensor_type.shape.dim)
        for v in (*graph.input, *graph.output, *graph.value_info)
    }
    shapes |= {w.name: tuple(numpy_helper.to_array(w).shape) for w in graph.initializer}
    heavy = light = 0.0
    for node in graph.node:
        out = math.prod(shapes.get(node.output[0], ()))
        turned = any(a.name == "transA" and a.i for a in node.attribute)
        count = products(node.op_type, [shapes.get(name, ()) for name in node.input], out, turned)
        heavy += count
        light += 0 if count or node.op_type in _FREE else out
    return heavy / 1e9, light / 1e9


_FREE = {
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Constant",
    "Shape",
    "Slice",
    "Concat",
} | {*("Gather", "Cast", "Expand", "Pad", "Split", "Flatten")}


def products(kind: str, shapes: Sequence[tuple[int, ...]], out: int, turned: bool = False) -> float:
    """Operations in the products of one node; 0.0 for a kind without any.

    kind: its operator. shapes: of its inputs. out: numbers that it gives. turned: whether its first matrix is transposed.
    """
    first, second, third = [*shapes, (), (), ()][:3]
    if kind == "Conv":  # a weight is (out, in / groups, kernel…)
        return 2.0 * out * math.prod(second[1:])
    if kind == "ConvTranspose":
        return 2.0 * math.prod(first) * math.prod(second[1:])
    if kind in {"MatMul", "Gemm"}:
        return 2.0 * out * (first[0] if turned else first[-1])
    if (
        kind in {"GRU", "LSTM"} and len(second) == 3
    ):  # second: (directions, gates · hidden, in); as many again from the state
        return 2.0 * first[0] * math.prod(second[:2]) * (second[2] + math.prod(third[2:]))
    return 0.0
