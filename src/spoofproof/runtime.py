"""The only file that opens ONNX networks: one thread, one order of sums, and errors that are sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import SpoofproofError

Arrays = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A loaded network. ``network(name=array, …)`` runs it and returns its outputs by name, as numpy arrays.

    inputs, outputs: names in the file's order. facts: the text properties that travel inside the file.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    facts: Mapping[str, str]
    _session: Any = field(repr=False)

    def __call__(self, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        fed = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        return dict(zip(self.outputs, self._session.run(None, fed), strict=True))


def network(source: Path | bytes, *, what: str, mend: str = "") -> Network:
    """The network in an .onnx file (or in its bytes), to be run on the processor by one thread, deterministically.

    what: what the file should hold, for the message ("a LFCC-LCNN"). mend: one sentence that says where to get one.
    Raises SpoofproofError when it cannot be read as ONNX.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises classes of its own that share no useful parent
        shown = "the network" if isinstance(source, bytes) else str(source)
        raise SpoofproofError(
            f"{shown} holds no {what} ({type(error).__name__}: {str(error)[:200]}). {mend}".rstrip()
        ) from None
    return Network(
        tuple(port.name for port in session.get_inputs()),
        tuple(port.name for port in session.get_outputs()),
        dict(session.get_modelmeta().custom_metadata_map),
        session,
    )
