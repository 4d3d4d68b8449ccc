"""DTLN: two small recurrent networks that have heard much noise; the weights are published, and not shipped."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .. import runtime, weights
from ..errors import BadAudio, MissingPart
from ..types import Clip

RATE = 16_000
_BLOCK, _SHIFT = 512, 128
_STATE = (1, 2, 128, 2)  # batch, layers, units, (hidden, cell)


def dtln(clip: Clip) -> Clip:
    """The dual-signal transformation LSTM network: a mask over magnitudes, then one over a learned basis.

    Westhausen and Meyer, "Dual-signal transformation LSTM network for real-time noise suppression", Interspeech 2020:
    blocks of 512 samples every 128, no window, overlap and add; both networks carry their states along the clip, from
    zero. Raises BadAudio for another rate than 16 kHz, MissingPart where the weights are not here.
    """
    if clip.rate != RATE:
        raise BadAudio(
            f"dtln hears {RATE} Hz and the clip has {clip.rate} Hz; spoofproof.audio.resample converts it"
        )
    first, second = _networks()
    blocks = -(-(clip.samples.size + _BLOCK - _SHIFT) // _SHIFT)
    padded = np.zeros((blocks - 1) * _SHIFT + _BLOCK, dtype=np.float32)
    padded[_BLOCK - _SHIFT : _BLOCK - _SHIFT + clip.samples.size] = clip.samples
    out = np.zeros_like(padded)
    states = [np.zeros(_STATE, dtype=np.float32), np.zeros(_STATE, dtype=np.float32)]
    for start in range(0, blocks * _SHIFT, _SHIFT):
        spectrum = np.fft.rfft(padded[start : start + _BLOCK])
        magnitude = np.abs(spectrum).astype(np.float32)[None, None]
        mask, states[0] = _step(first, magnitude, states[0])
        masked = np.fft.irfft(spectrum * mask[0, 0]).astype(np.float32)[None, None]
        block, states[1] = _step(second, masked, states[1])
        out[start : start + _BLOCK] += block[0, 0]
    begin = _BLOCK - _SHIFT
    return clip.replace(out[begin : begin + clip.samples.size])


def dtln_missing() -> str:
    """ "" where the weights are here, else the ways to get them."""
    return weights.missing("dtln")


def _step(network: runtime.Network, x: runtime.Arrays, state: runtime.Arrays) -> list[runtime.Arrays]:
    values = dict(zip(network.inputs, (x, state), strict=True))
    return list(network(**values).values())


@lru_cache(maxsize=1)
def _networks() -> tuple[runtime.Network, runtime.Network]:
    if why := dtln_missing():
        raise MissingPart(why)
    place = weights.folder("dtln")
    assert place is not None
    first, second = weights.read(place, "dtln").values()
    return runtime.network(first, what="DTLN network"), runtime.network(second, what="DTLN network")
