"""Lyra V2, a neural codec of Google's SoundStream family, through LiteRT: no torch, no download in the bench."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import weights
from ..errors import BadPlan, MissingPart
from ..registry import corruption
from ..types import Clip, Rng, Samples
from .coding import at_rate

_RATE = 16_000
_FRAME = 320  # 20 ms
_STAGES = {
    9.2: 46,
    6.0: 30,
    3.2: 16,
}  # kbit/s -> stages of the residual quantizer, 4 bits each, 50 frames a second


def _available() -> str:
    if importlib.util.find_spec("ai_edge_litert") is None:
        return str(MissingPart.extra("neural_codec.lyra (Lyra V2)", "neural"))
    return weights.missing("lyra")


def _kbps(clean: Clip, corrupted: Clip, level: float) -> float:
    """Bits of the codewords that were sent by the time that they play, kbit/s."""
    sent: list[NDArray[np.int32]] = []

    def code(samples: Samples) -> Samples:
        sent.extend(_encode(samples, level))
        return samples

    at_rate(clean, _RATE, code)
    used = sum(int((indices >= 0).sum()) for indices in sent)
    return 4e-3 * used / (len(sent) * _FRAME / _RATE)


@corruption(
    name="neural_codec.lyra",
    family="compression",
    unit="kbit/s",
    levels=tuple(_STAGES),
    origin="Li et al. 2025, arXiv 2503.17577 (there EnCodec; AudioMarkBench: SoundStream)",
    measure=_kbps,
    tolerance=0.01,
    available=_available,
)
def lyra(clip: Clip, level: float, rng: Rng) -> Clip:
    """Lyra V2 (SoundStream): encoder, residual quantizer and generative decoder.

    level: 9.2, 6 or 3.2 kbit/s. Mono at 16 kHz, other rates are resampled there and back. The networks are causal
    and their delay is none: output frame k is made of the input up to frame k and lies on it (lag 0 by
    cross-correlation). Every clip starts from the networks' initial state. Raises BadPlan for another level,
    MissingPart without LiteRT or the weights.
    """

    def code(samples: Samples) -> Samples:
        return _decode(_encode(samples, level))

    return at_rate(clip, _RATE, code)


def _encode(samples: Samples, level: float) -> list[NDArray[np.int32]]:
    """Codewords of each frame, shape (46, 1, 1); -1 where a stage is not sent."""
    if level not in _STAGES:
        raise BadPlan(
            f"neural_codec.lyra@{level:g}: Lyra V2 has {', '.join(f'{kbps:g}' for kbps in _STAGES)} kbit/s"
        )
    stages = _STAGES[level]
    quantize = _quantizer(_place()).get_signature_runner("encode")
    padded = np.zeros((-(-samples.size // _FRAME), 1, _FRAME), dtype=np.float32)
    padded.reshape(-1)[: samples.size] = samples
    sent = []
    for features in _through("soundstream_encoder.tflite", list(padded)):
        answer = quantize(input_frames=features, num_quantizers=np.int32(stages))
        sent.append(next(part for part in answer.values() if part.ndim == 3))
    return sent


def _decode(sent: list[NDArray[np.int32]]) -> Samples:
    dequantize = _quantizer(_place()).get_signature_runner("decode")
    features = [next(iter(dequantize(encoding_indices=indices).values())) for indices in sent]
    return np.concatenate([frame.reshape(-1) for frame in _through("lyragan.tflite", features)])


def _through(file: str, frames: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """``frames`` through a stateful network, one after the other, from its initial state.

    A fresh interpreter (3 ms) for every clip: LiteRT's reset_all_variables leaves these states as they are.
    """
    network = _interpreter(_files(_place())[file])
    network.allocate_tensors()
    take, give = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]
    out = []
    for frame in frames:
        network.set_tensor(take, frame)
        network.invoke()
        out.append(network.get_tensor(give))
    return out


def _place() -> Path:
    place = weights.folder("lyra")
    if place is None:
        raise MissingPart(f"neural_codec.lyra cannot run here: {weights.missing('lyra')}")
    return place


@functools.lru_cache(maxsize=2)
def _files(place: Path) -> dict[str, bytes]:
    return weights.read(place, "lyra")


@functools.lru_cache(maxsize=2)
def _quantizer(place: Path) -> Any:
    return _interpreter(_files(place)["quantizer.tflite"])


def _interpreter(model: bytes) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingPart.extra("neural_codec.lyra (Lyra V2)", "neural") from error
    return Interpreter(model_content=model, num_threads=1)
