"""Max-feature-map as two convolutions: the same numbers, and only where it is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spoofproof import runtime, shipped

onnx = pytest.importorskip("onnx", reason="needs the extra train")
pytest.importorskip("torch", reason="needs the extra train")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from spoofproof.train.halves import in_two  # noqa: E402

SHAPE = [1, 3, 9, 11]


def model(*, groups: int = 1, bias: bool = True, other_reader: bool = False, order: str = "ab") -> Any:
    """conv -> halves a, b -> b + relu(a - b), with stride and padding; or something that only looks like it."""
    rng = np.random.default_rng(0)
    inside = SHAPE[1] // groups if groups > 1 else SHAPE[1]
    weights = {
        "w": rng.standard_normal((6, inside, 3, 2)).astype(np.float32),
        "bias": rng.standard_normal(6).astype(np.float32),
        "sizes": np.array([3, 3], dtype=np.int64),
    }
    nodes = [
        helper.make_node(
            "Conv",
            ["x", "w", *(["bias"] if bias else [])],
            ["y"],
            pads=[1, 0, 1, 1],
            strides=[2, 1],
            group=groups,
        ),
        helper.make_node("Split", ["y", "sizes"], ["a", "b"], axis=1),
        helper.make_node("Sub", list(order), ["d"]),
        helper.make_node("Relu", ["d"], ["r"]),
        helper.make_node("Add", ["b", "r"], ["m"]),
        helper.make_node(
            "Reshape" if other_reader else "Identity", ["y", "flat"] if other_reader else ["m"], ["z"]
        ),
    ]
    weights["flat"] = np.array([-1], dtype=np.int64)
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("m", "z")]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def answers(made: Any) -> dict[str, np.ndarray]:
    x = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    return runtime.network(made.SerializeToString(), what="test")(x=x)


def test_the_larger_of_two_halves_is_two_convolutions_and_a_sum() -> None:
    before = model()
    expected = answers(before)
    halves = np.split(_convolved(before), 2, axis=1)
    np.testing.assert_allclose(expected["m"], np.maximum(*halves), rtol=1e-4, atol=1e-5)  # it is the maximum
    after = model()
    assert in_two(after) == 1
    kinds = [node.op_type for node in after.graph.node]
    assert kinds == ["Conv", "Relu", "Conv", "Add", "Identity"]
    assert {w.name for w in after.graph.initializer}.isdisjoint({"w", "bias"})
    for name, value in answers(after).items():
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "kind", [{"groups": 3}, {"bias": False}, {"other_reader": True}, {"order": "ba"}], ids=str
)
def test_what_is_no_such_place_stays_as_it_is(kind: dict[str, Any]) -> None:
    made = model(**kind)
    before = made.SerializeToString()
    assert in_two(made) == 0 and made.SerializeToString() == before


def test_the_shipped_network_holds_no_map_that_is_split() -> None:
    graph = onnx.load(str(shipped.FOLDER / "lfcc-lcnn.onnx")).graph
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    rectified = [node for node in graph.node if node.op_type == "Relu"]
    assert len(rectified) == 9 and all(made_by[node.input[0]] == "Conv" for node in rectified)


def _convolved(made: Any) -> np.ndarray:
    """The convolution by hand, in float64."""
    w, bias = (numpy_helper.to_array(made.graph.initializer[i]).astype(float) for i in (0, 1))
    x = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32).astype(float)
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::2]
    return np.einsum("nchwij,ocij->nohw", windows, w) + bias[:, None, None]
