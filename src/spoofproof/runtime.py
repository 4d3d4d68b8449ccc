"""The only file that opens ONNX networks: one thread, one order of sums, and errors that are sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def in_pieces(
    samples: Arrays, run: Callable[[Arrays], Arrays], *, piece: int, around: int, frame: int
) -> Arrays:
    """``run`` over a signal of any length in bounded memory, shape (T,) to (T,).

    run: a function of whole frames, (n · frame,) to (n · frame,). It is given ``piece`` samples at a time with
    ``around`` samples of what lies on each side, zeros beyond the ends, and its answer there is thrown away: where
    ``around`` covers what a network hears, the result does not depend on where it was cut. Both are whole frames.
    """
    assert piece % frame == 0 and around % frame == 0
    out = np.empty_like(samples)
    for start in range(0, samples.size, piece):
        stop = min(start + piece, samples.size)
        first, last = start - around, stop + around + -(stop - start) % frame
        part = np.zeros(last - first, dtype=np.float32)
        here = samples[max(0, first) : last]
        part[max(0, -first) : max(0, -first) + here.size] = here
        out[start:stop] = run(part)[around : around + stop - start]
    return out
