"""EnCodec, DAC and Mimi through ``transformers``, at their own sampling rates and bandwidths.

Weights come from a folder that an environment variable names, or from the hub's local cache; the network is asked only
where SPOOFPROOF_ALLOW_DOWNLOAD=1 says so.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadPlan, MissingPart
from ..registry import corruption
from ..types import Clip, Rng, Samples
from .coding import at_rate

_PIECE, _LEAD = 30.0, 1.0  # seconds: a long clip goes in pieces, each after a second of what was before it


@dataclass(frozen=True, slots=True)
class _Codec:
    """model: its class in transformers. variable: names a local folder. published: its name on the hub."""

    name: str
    model: str
    variable: str
    published: str

    def available(self) -> str:
        """ "" where it can run, else one sentence with every way to get it."""
        if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
            return str(MissingPart.extra(f"neural_codec.{self.name}", "foundation"))
        if own := os.environ.get(self.variable):
            if (Path(own) / "config.json").is_file():
                return ""
            return f"{self.variable} names {own}, which holds no config.json of a {self.model}"
        if _may_download() or _is_cached(self.published):
            return ""
        return (
            f"the weights of {self.published} are not here: set {self.variable} to a local folder of them, or set "
            "SPOOFPROOF_ALLOW_DOWNLOAD=1 once to fetch them into the hub's cache"
        )


_ENCODEC = _Codec("encodec", "EncodecModel", "SPOOFPROOF_ENCODEC", "facebook/encodec_24khz")
_DAC = _Codec("dac", "DacModel", "SPOOFPROOF_DAC", "descript/dac_16khz")
_MIMI = _Codec("mimi", "MimiModel", "SPOOFPROOF_MIMI", "kyutai/mimi")


def _measured(codec: _Codec) -> Callable[[Clip, Clip, float], float]:
    def kbps(clean: Clip, corrupted: Clip, level: float) -> float:
        """Bits of the codewords by the time that they play, kbit/s."""
        model = _load(codec)
        piece = clean.samples[: int(_PIECE * clean.rate)]
        bits = seconds = 0.0

        def code(samples: Samples) -> Samples:
            nonlocal bits, seconds
            padded = _padded(model, samples)
            codes = _there(codec, model, padded, level).audio_codes
            bits = codes.numel() * math.log2(model.config.codebook_size)
            seconds = padded.size / model.config.sampling_rate
            return samples

        at_rate(clean.replace(piece), model.config.sampling_rate, code)
        return bits / seconds / 1000

    return kbps


@corruption(
    name="neural_codec.encodec",
    family="compression",
    unit="kbit/s",
    levels=(24, 12, 6, 3, 1.5),
    origin="Li et al. 2025, arXiv 2503.17577",
    measure=_measured(_ENCODEC),
    tolerance=0.05,
    available=_ENCODEC.available,
)
def encodec(clip: Clip, level: float, rng: Rng) -> Clip:
    """EnCodec (Défossez et al. 2022), the causal model at 24 kHz; the clip is resampled to 24 kHz and back.

    level: kbit/s, one of the model's bandwidths (32, 16, 8, 4 or 2 codebooks of 10 bits, 75 times a second).
    The code of the paper hands 16 kHz samples over as if they were 24 kHz, which also speeds them up 1.5 times; this
    does not. Raises BadPlan for another bandwidth, MissingPart without torch or weights.
    """
    return _transcode(_ENCODEC, clip, level)


@corruption(
    name="neural_codec.dac",
    family="compression",
    unit="kbit/s",
    levels=(6, 4, 2, 1, 0.5),
    measure=_measured(_DAC),
    tolerance=0.05,
    available=_DAC.available,
)
def dac(clip: Clip, level: float, rng: Rng) -> Clip:
    """Descript Audio Codec (Kumar et al. 2023), the model at 16 kHz unless SPOOFPROOF_DAC names another.

    level: kbit/s; as many codebooks (10 bits, 50 times a second at 16 kHz) as come nearest to it, at least one.
    Encoder and decoder are padded alike, so that there is no delay. Raises BadPlan for more than the model has,
    MissingPart without torch or weights.
    """
    return _transcode(_DAC, clip, level)


@corruption(
    name="neural_codec.mimi",
    family="compression",
    unit="kbit/s",
    levels=(4.4, 2.2, 1.1, 0.55),
    measure=_measured(_MIMI),
    tolerance=0.05,
    available=_MIMI.available,
)
def mimi(clip: Clip, level: float, rng: Rng) -> Clip:
    """Mimi (Défossez et al. 2024), causal, at 24 kHz; the clip is resampled to 24 kHz and back.

    level: kbit/s; 32, 16, 8 or 4 codebooks of 11 bits, 12.5 times a second. Raises BadPlan for more than the model
    has, MissingPart without torch or weights.
    """
    return _transcode(_MIMI, clip, level)


def _transcode(codec: _Codec, clip: Clip, level: float) -> Clip:
    model = _load(codec)
    rate = int(model.config.sampling_rate)
    piece, lead = int(_PIECE * rate), int(_LEAD * rate)

    def code(samples: Samples) -> Samples:
        out = []
        for start in range(0, samples.size, piece):
            known = min(lead, start)
            part = samples[start - known : start + piece]
            decoded = _back(codec, model, _there(codec, model, _padded(model, part), level))
            assert decoded.size >= part.size, f"{codec.name} returned {decoded.size} of {part.size} samples"
            out.append(decoded[known : part.size])
        return np.concatenate(out)

    return at_rate(clip, rate, code)


def _padded(model: Any, samples: Samples) -> Samples:
    """Whole frames and one more: some decoders return a few samples less than they were given."""
    hop = round(model.config.sampling_rate / _frame_rate(model))
    padded = np.zeros((-(-samples.size // hop) + 1) * hop, dtype=np.float32)
    padded[: samples.size] = samples
    return padded


def _there(codec: _Codec, model: Any, samples: Samples, level: float) -> Any:
    import torch

    x = torch.from_numpy(samples)[None, None, :]
    with torch.inference_mode():
        if codec is _ENCODEC:
            bandwidths = list(model.config.target_bandwidths)
            if level not in bandwidths:
                raise BadPlan(f"neural_codec.encodec@{level:g}: the model has {bandwidths} kbit/s")
            return model.encode(x, None, float(level))
        books = _codebooks(codec, model, level)
        return model.encode(x, n_quantizers=books) if codec is _DAC else model.encode(x, num_quantizers=books)


def _back(codec: _Codec, model: Any, sent: Any) -> Samples:
    import torch

    with torch.inference_mode():
        if codec is _ENCODEC:
            left = sent.last_frame_pad_length
            answer = model.decode(sent.audio_codes, sent.audio_scales, None, last_frame_pad_length=left)
        elif codec is _DAC:
            answer = model.decode(audio_codes=sent.audio_codes)
        else:
            answer = model.decode(sent.audio_codes)
        return np.asarray(answer.audio_values.reshape(-1).numpy(), dtype=np.float32)


def _codebooks(codec: _Codec, model: Any, level: float) -> int:
    """As many codebooks as come nearest to ``level`` kbit/s."""
    one = _frame_rate(model) * math.log2(model.config.codebook_size) / 1000
    most = int(model.config.n_codebooks if codec is _DAC else model.config.num_quantizers)
    books = max(1, round(level / one))
    if books > most or level <= 0:
        raise BadPlan(
            f"neural_codec.{codec.name}@{level:g}: the model has up to {most * one:g} kbit/s, above 0"
        )
    return books


def _frame_rate(model: Any) -> float:
    config = model.config
    return float(getattr(config, "frame_rate", None) or config.sampling_rate / config.hop_length)


def _load(codec: _Codec) -> Any:
    if missing := codec.available():
        raise MissingPart(f"neural_codec.{codec.name} cannot run here: {missing}")
    return _model(codec, os.environ.get(codec.variable) or codec.published, _may_download())


@functools.lru_cache(maxsize=4)
def _model(codec: _Codec, source: str, download: bool) -> Any:
    try:
        import transformers

        transformers.utils.logging.disable_progress_bar()  # the bench shows its own
        loader = getattr(transformers, codec.model)
        model = loader.from_pretrained(source, local_files_only=not download).eval()
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise MissingPart(f"cannot load {codec.model} from {source}: {error}. {_ways(codec)}") from error
    if getattr(model.config, "audio_channels", 1) != 1:
        raise MissingPart(
            f"{source} codes {model.config.audio_channels} channels; speech is mono. {_ways(codec)}"
        )
    return model


def _ways(codec: _Codec) -> str:
    return f"Set {codec.variable} to a local folder of {codec.published}, or SPOOFPROOF_ALLOW_DOWNLOAD=1 to fetch it"


def _may_download() -> bool:
    return os.environ.get("SPOOFPROOF_ALLOW_DOWNLOAD") == "1"


def _is_cached(published: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    files = ("model.safetensors", "pytorch_model.bin")
    return any(isinstance(try_to_load_from_cache(published, file), str) for file in files)
