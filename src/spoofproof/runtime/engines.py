"""Which engine runs a network: ONNX Runtime, or OpenVINO where a person chose it for the detectors.

An engine is a function (bytes of an .onnx file) -> Network; a new one is a line of ENGINES. They agree within TOLERANCE
on every network that ships (``tests/test_runtime.py``), not to the last bit: what makes sound is always run by the
default, and a run folder holds the scores of one engine only.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingPart, SpoofproofError, UnknownName

DEFAULT, VARIABLE = "onnxruntime", "SPOOFPROOF_RUNTIME"
TOLERANCE = 1e-4  # largest difference of a score, in log odds, between two engines

Run = Callable[[Mapping[str, NDArray[Any]]], list[NDArray[Any]]]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A loaded network. ``network(name=array, …)`` runs it and returns its outputs by name, as numpy arrays.

    inputs, outputs: names in the file's order. facts: the text properties that travel inside the file.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    facts: Mapping[str, str]
    _run: Run = field(repr=False)

    def __call__(self, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        fed = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        return dict(zip(self.outputs, self._run(fed), strict=True))


def network(source: Path | bytes, *, what: str, mend: str = "", engine: str = DEFAULT) -> Network:
    """The network in an .onnx file (or in its bytes), to be run on the processor by one thread, deterministically.

    what: what the file should hold, for the message ("a LFCC-LCNN"). mend: one sentence that says where to get one.
    engine: a name of ENGINES. Raises SpoofproofError when it cannot be read as ONNX, MissingPart or UnknownName for
    the engine.
    """
    check(engine)
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        return ENGINES[engine](content)
    except SpoofproofError as error:
        raise SpoofproofError(f"{what}: {error}") from None
    except Exception as error:  # the engines raise classes of their own that share no useful parent
        shown = "the network" if isinstance(source, bytes) else str(source)
        raise SpoofproofError(
            f"{shown} holds no {what} ({type(error).__name__}: {str(error)[:200]}). {mend}".rstrip()
        ) from None


def chosen() -> str:
    """The engine for detectors: SPOOFPROOF_RUNTIME, or the default. Raises UnknownName and MissingPart."""
    engine = os.environ.get(VARIABLE) or DEFAULT
    return engine if engine == DEFAULT else check(engine)


def choose(engine: str) -> None:
    """Detectors that are loaded from now on, here and in processes that are started from here, run on ``engine``.

    Raises UnknownName and MissingPart.
    """
    os.environ[VARIABLE] = check(engine)


def check(engine: str) -> str:
    """``engine`` itself, where it is a name of ENGINES (else UnknownName) and installed (else MissingPart)."""
    if engine not in ENGINES:
        raise UnknownName.among("runtime", engine, ENGINES)
    if importlib.util.find_spec(engine) is None:
        raise MissingPart.extra(f"the runtime {engine}", "fast")
    return engine


def _onnxruntime(content: bytes) -> Network:
    """ONNX Runtime: part of every installation."""
    session = _session(content)
    return _network(session, lambda fed: session.run(None, fed))


def _openvino(content: bytes) -> Network:
    """OpenVINO, compiled for this processor when it is loaded (0.3 s for AASIST)."""
    from .openvino import compiled, read

    file = _session(content, optimised=False)  # for ports and facts in the file's own words
    names = [port.name for port in file.get_outputs()]
    try:
        ask = compiled(read(content))
    except Exception as error:  # the file was opened a moment ago: it is not to blame
        raise SpoofproofError(
            f"OpenVINO cannot run it here ({type(error).__name__}: {str(error)[:200]}). Leave --runtime out, and "
            f"{VARIABLE} unset: the default runtime needs nothing"
        ) from None

    def run(fed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        answers = ask(fed)
        return [answers[name] for name in names]

    return _network(file, run)


ENGINES: Mapping[str, Callable[[bytes], Network]] = MappingProxyType(
    {"onnxruntime": _onnxruntime, "openvino": _openvino}
)


# Since 1.29 ONNX Runtime reports what is run to its makers, and keeps a number of the machine in the home folder.
_SILENT = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}


def _session(content: bytes, optimised: bool = True) -> Any:
    os.environ.update(_SILENT)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _network(session: Any, run: Run) -> Network:
    return Network(
        tuple(port.name for port in session.get_inputs()),
        tuple(port.name for port in session.get_outputs()),
        dict(session.get_modelmeta().custom_metadata_map),
        run,
    )
