"""Max-feature-map without a copy: the larger of two halves of a convolution's channels, as two convolutions.

    before    y = conv(x); a, b = halves of y; b + relu(a - b)
    after     conv_b(x) + relu(conv_d(x)), where conv_d has the difference of the weights of the halves

The same operations in the products, and nothing else is left: ONNX Runtime adds and rectifies inside a convolution, but
for Split and Sub it first brings each map out of its blocked layout. LFCC-LCNN takes 5.5 ms so, and took 9.4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np


def in_two(model: Any) -> int:
    """Rewrite every such place of an ONNX model, in place. Returns how many there were.

    A convolution in groups, without a bias, or whose maps are used elsewhere too, stays as it is.
    """
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[Any]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)

    for port in graph.output:  # who takes an answer is a reader too
        readers[port.name].append(None)

    instead: dict[str, list[Any]] = {}  # by the first output of what is replaced
    spent: set[str] = set()
    for split in [node for node in graph.node if node.op_type == "Split"]:
        conv = made_by.get(split.input[0])
        found = _maximum(split, readers)
        if conv is None or found is None or not _plain(conv, weights) or len(readers[split.input[0]]) != 1:
            continue
        minus, rectified = found
        pair = []
        for half, out in (("difference", minus.output[0]), ("second", split.output[1])):
            one = onnx.NodeProto.FromString(conv.SerializeToString())
            one.name, one.output[:] = f"{conv.name}.{half}", [out]
            for place in (1, 2):
                old = conv.input[place]
                first, second = np.split(numpy_helper.to_array(weights[old]), 2)
                value = first - second if half == "difference" else second
                one.input[place] = f"{old}.{half}"
                graph.initializer.append(
                    numpy_helper.from_array(np.ascontiguousarray(value), one.input[place])
                )
            pair.append(one)
        instead[conv.output[0]] = [pair[0], onnx.NodeProto.FromString(rectified.SerializeToString()), pair[1]]
        spent |= {split.output[0], minus.output[0], rectified.output[0]}
        for place in (1, 2):
            graph.initializer.remove(weights[conv.input[place]])
    nodes = list(_in_order(graph.node, instead, spent))
    del graph.node[:]
    graph.node.extend(nodes)
    there = {name for node in graph.node for name in node.output}
    known = [value for value in graph.value_info if value.name in there]
    del graph.value_info[:]
    graph.value_info.extend(known)
    return len(instead)


def _maximum(split: Any, readers: dict[str, list[Any]]) -> tuple[Any, Any] | None:
    """The Sub and the Relu behind a Split into a and b, where these are all of: b + relu(a - b)."""
    if len(split.output) != 2:
        return None
    a, b = split.output
    if len(readers[a]) != 1 or len(readers[b]) != 2:
        return None
    (minus,) = readers[a]
    if minus.op_type != "Sub" or list(minus.input) != [a, b] or len(readers[minus.output[0]]) != 1:
        return None
    (rectified,) = readers[minus.output[0]]
    if rectified.op_type != "Relu" or len(readers[rectified.output[0]]) != 1:
        return None
    (plus,) = readers[rectified.output[0]]
    return (
        (minus, rectified) if plus.op_type == "Add" and set(plus.input) == {b, rectified.output[0]} else None
    )


def _plain(conv: Any, weights: dict[str, Any]) -> bool:
    groups = [a.i for a in conv.attribute if a.name == "group"]
    return (
        conv.op_type == "Conv"
        and len(conv.input) == 3
        and all(name in weights for name in conv.input[1:])
        and groups in ([], [1])
    )


def _in_order(nodes: Any, instead: dict[str, list[Any]], spent: set[str]) -> Iterator[Any]:
    for node in nodes:
        if node.output[0] in instead:
            yield from instead[node.output[0]]
        elif node.output[0] not in spent:
            yield node
