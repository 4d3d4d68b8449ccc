"""The neural codec that this project trained: mel spectrogram, residual vector quantiser, mel spectrogram, vocoder."""

from __future__ import annotations

import functools
import json

import numpy as np

from .. import shipped
from ..errors import BadPlan, SpoofproofError
from ..mel import AROUND, BANDS, HOP, LEVEL, RATE, analyse, rms, sound
from ..registry import corruption
from ..runtime import Network, in_pieces, network
from ..types import Clip, Rng, Samples
from .coding import at_rate

_BITS = 8  # a word
_STAGES = {6.0: 12, 3.0: 6, 1.5: 3}  # kbit/s -> stages of the quantiser that are sent, a word of each a frame
_SILENCE = 1e-6
_PIECE = 40 * RATE // HOP * HOP
_LEAD = 32 * HOP  # the codec hears less than 27 frames to each side, on top of what the vocoder does


def _kbps(clean: Clip, corrupted: Clip, level: float) -> float:
    """Bits of the words that were sent by the time that they play, kbit/s."""
    words: list[int] = []

    def code(samples: Samples) -> Samples:
        return transcode(samples, level, words)

    at_rate(clean, RATE, code)
    frames = sum(words) / _STAGES[level]
    return _BITS * sum(words) / (frames * HOP / RATE) / 1000


@corruption(
    family="compression",
    unit="kbit/s",
    levels=tuple(_STAGES),
    origin="Li et al. 2025, arXiv 2503.17577 (there EnCodec; AudioMarkBench: SoundStream)",
    measure=_kbps,
    tolerance=0.01,
)
def neural_codec(clip: Clip, level: float, rng: Rng) -> Clip:
    """A neural codec that comes with the package: residual vector quantisation, and a neural vocoder that sounds it.

    level: 6, 3 or 1.5 kbit/s: 12, 6 or 3 words of 8 bits for each of 62.5 frames a second. What is coded is a mel
    spectrogram of 80 bands at 16 kHz; other rates are resampled there and back. The vocoder makes the waveform anew:
    phases are its own, the envelope is on time (frames are centred, there is no delay). The clip's level is taken out
    before and given back after, one number a clip that is not counted. Raises BadPlan for another level, MissingPart
    where the weights are not in the installation.
    """
    return at_rate(clip, RATE, lambda samples: transcode(samples, level))


def transcode(samples: Samples, level: float, sent: list[int] | None = None, path: str = "") -> Samples:
    """(T,) samples at 16 kHz through the codec, (T,). ``sent`` is given the number of words of each piece.

    path: another .onnx file of the same kind.
    """
    if level not in _STAGES:
        raise BadPlan(f"neural_codec@{level:g}: the codec has {', '.join(f'{k:g}' for k in _STAGES)} kbit/s")
    model = _codec(path)
    size = rms(samples)
    silent = size <= _SILENCE  # below -120 dB of full scale: words are sent all the same, and say nothing
    gain = np.float32(LEVEL / (1.0 if silent else size))
    stages = max(_STAGES.values())
    kept = (np.arange(stages) < _STAGES[level]).astype(np.float32)[None]
    around = AROUND + _LEAD

    def code(part: Samples) -> Samples:
        found = model(mel=analyse(part)[None], kept=kept)
        if sent is not None:
            words = found["words"][0, around // HOP : -around // HOP, : _STAGES[level]]
            sent.append(words.size)
        return sound(found["made"][0])

    made = in_pieces(samples * gain, code, piece=_PIECE, around=around, frame=HOP)
    return np.zeros_like(samples) if silent else made / gain


@functools.lru_cache(maxsize=2)
def _codec(path: str) -> Network:
    file = shipped.weights("neural-codec", ".onnx", path)
    model = network(file, what="codec", mend="Make one with: spoofproof train recipes/neural-codec.toml")
    facts = json.loads(model.facts.get("spoofproof.network", "{}"))
    if facts.get("model") != "codec" or (facts.get("bands"), facts.get("hop")) != (BANDS, HOP):
        raise SpoofproofError(
            f"{file} holds a network, but no codec of {BANDS} mel bands every {HOP} samples. "
            "Make one with: spoofproof train recipes/neural-codec.toml"
        )
    return model
