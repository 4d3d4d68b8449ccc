"""From a trained network to the ONNX file that is shipped: weights in half precision, parity with torch shown."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...audio import whole_file
from ...errors import SpoofproofError
from ...nets.codec import WORDS, Codec
from ...nets.vocoder import BANDS, HOP
from ...runtime import network as opened

PARITY = 1e-4  # largest difference between a sample from torch and from ONNX Runtime; prepared speech peaks near 0.5
_SMALL = 256  # numbers; smaller tensors are stored as they are
_LENGTHS = (40, 61)  # frames that the exported graph is tried with: it takes any number


def export_vocoder(network: nn.Module, settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Write ``mel`` (1, 80, K) -> ``wave`` (1, 256 · K). Returns facts for the card."""
    inputs = [{"mel": mel} for mel in _mels()]
    facts = {"model": "vocoder", "settings": dict(settings), "bands": BANDS, "hop": HOP}
    return _export(network, inputs, {"mel": {2: "frames"}}, ["wave"], facts, path)


def export_codec(network: nn.Module, settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Write ``mel`` (1, 80, K), ``kept`` (1, stages) of 0 and 1 -> ``words`` (1, K, stages), ``made`` (1, 80, K)."""
    stages = int(settings["stages"])
    counts = (stages, max(1, stages // 4))
    inputs = [
        {"mel": mel, "kept": (np.arange(stages) < count).astype(np.float32)[None]}
        for mel, count in zip(_mels(), counts, strict=True)
    ]
    facts = {"model": "codec", "settings": dict(settings), "bands": BANDS, "hop": HOP, "words": WORDS}
    return _export(network, inputs, {"mel": {2: "frames"}, "kept": {}}, ["words", "made"], facts, path)


def _mels() -> list[np.ndarray]:
    """Smooth random log mel spectrograms of two lengths, about as loud as speech."""
    rng = np.random.Generator(np.random.Philox(0))
    return [
        (3 * rng.standard_normal((1, BANDS, n)).cumsum(axis=2) / np.sqrt(n) - 2)
        .clip(-6.9, 4)
        .astype(np.float32)
        for n in _LENGTHS
    ]


def _export(
    network: nn.Module,
    inputs: Sequence[Mapping[str, np.ndarray]],
    free: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str],
    facts: Mapping[str, Any],
    path: Path,
) -> dict[str, Any]:
    """Round the weights to half precision, write the graph, and compare both with torch.

    Raises SpoofproofError, and writes nothing, where ONNX Runtime gives other samples than torch with the same rounded
    weights. What the rounding itself changes is a fact for the card, in dB below the sound.
    """
    full = copy.deepcopy(network).eval()
    rounded = copy.deepcopy(full)
    with torch.no_grad():
        for tensor in rounded.parameters():
            if tensor.numel() >= _SMALL:
                tensor.copy_(tensor.half().float())
    model = _graph(rounded, inputs[0], free, outputs)
    _halve(model)
    import onnx

    onnx.helper.set_model_props(model, {"spoofproof.network": json.dumps(facts, sort_keys=True)})
    data = model.SerializeToString(deterministic=True)
    run = opened(data, what="generator")
    worst, lost = 0.0, []
    for given in inputs:
        exact, stored = _sound(full, given), _sound(rounded, given)
        worst = max(worst, float(np.abs(run(**given)[outputs[-1]] - stored).max()))
        lost.append(np.square(stored - exact).mean() / np.square(exact).mean())
    if not worst <= PARITY:
        raise SpoofproofError(
            f"the exported network differs from the trained one by {worst:.2g} (at most {PARITY:g} is accepted); "
            "nothing was written. The installed torch and onnxruntime may not fit each other"
        )
    with whole_file(path) as out:
        out.write(data)
    return {
        **facts,
        "parameters": sum(p.numel() for p in network.parameters()) + _books(network),
        "stored": "half precision; computed in single precision",
        "parity": {"onnx": worst, "rounding_db": round(float(10 * np.log10(max(lost))), 1)},
    }


def _books(network: nn.Module) -> int:
    """Numbers in codebooks, which are learnt too although no gradient moves them."""
    return network.quantiser.books.numel() if isinstance(network, Codec) else 0


def _sound(network: nn.Module, given: Mapping[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        made = network(*(torch.from_numpy(array) for array in given.values()))
    return np.asarray((made if isinstance(made, Tensor) else made[-1]).numpy())


def _graph(
    network: nn.Module,
    given: Mapping[str, np.ndarray],
    free: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str],
) -> Any:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    dims = {
        name: {axis: torch.export.Dim(word, min=2) for axis, word in axes.items()}
        for name, axes in free.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecated calls
        program = torch.onnx.export(
            network,
            tuple(torch.from_numpy(array) for array in given.values()),
            dynamo=True,
            verbose=False,
            input_names=list(given),
            output_names=list(outputs),
            dynamic_shapes=tuple(dims.values()),
        )
    assert program is not None
    model = program.model_proto
    _forget_machine(model)
    return model


def _halve(model: Any) -> None:
    """Store large tensors that half precision holds exactly as such, each with a cast back where it is used."""
    from onnx import TensorProto, helper, numpy_helper

    graph, casts = model.graph, []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _SMALL:
            continue
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue  # windows, DFTs and codebooks are no parameters and were not rounded
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, name + ".half"))
        casts.append(helper.make_node("Cast", [name + ".half"], [name], to=TensorProto.FLOAT))
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *kept])
    stored = {tensor.name for tensor in graph.initializer}
    for info in [info for info in graph.value_info if info.name + ".half" in stored]:
        graph.value_info.remove(info)


def _forget_machine(model: Any) -> None:
    """Drop what the exporter notes for debugging: source lines hold the paths of the machine it ran on."""
    graph = model.graph
    model.ClearField("doc_string")
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        for name in ("doc_string", "metadata_props"):
            if name in item.DESCRIPTOR.fields_by_name:
                item.ClearField(name)
