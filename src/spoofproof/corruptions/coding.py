"""PCM in, packets, PCM out: codecs in memory, without containers, temporary files or child processes.

Raw packets go from the encoder to the decoder, so that the bits counted are those of the codec alone and the delay
is the codec's own: a constant that each caller states and takes out.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..audio import fit, resample
from ..errors import MissingPart
from ..types import Clip, Samples

Pcm = NDArray[np.int16]
T = TypeVar("T")
_FRAME = 4096  # samples handed over at a time where a codec takes any number


class Recent:
    """What was coded last, so that measuring a bit rate does not code the same clip again. It holds the last ``size``
    answers, by the samples and the settings that they were made of."""

    def __init__(self, size: int = 16) -> None:
        self._size = size
        self._made: OrderedDict[tuple[object, ...], Any] = OrderedDict()

    def get(self, samples: NDArray[Any], settings: tuple[object, ...], make: Callable[[], T]) -> T:
        """``make()``, or what it answered before; nobody may change it."""
        key = (hashlib.sha256(np.ascontiguousarray(samples).data).digest(), samples.size, *settings)
        if key not in self._made:
            self._made[key] = make()
            while len(self._made) > self._size:
                self._made.popitem(last=False)
        found: T = self._made[key]
        return found


def at_rate(clip: Clip, rate: int, code: Callable[[Samples], Samples]) -> Clip:
    """``code`` applied at ``rate`` Hz: resampled there and back, as many samples as ``clip`` has.

    ``code`` must return at least as many samples as it is given, aligned with them: a shorter answer is an error, for
    padding it would put silence where the codec lost the ending.
    """
    there = resample(clip, rate)
    out = code(there.samples)
    assert out.size >= there.samples.size, f"the codec returned {out.size} of {there.samples.size} samples"
    back = resample(Clip(fit(out, there.samples.size), rate), clip.rate)
    return clip.replace(fit(back.samples, clip.samples.size))


def to_pcm16(samples: Samples) -> Pcm:
    """Full scale ±1 to 16-bit PCM; what lies beyond saturates, as it does in a sound card."""
    return np.clip(np.round(samples * np.float32(32768)), -32768, 32767).astype(np.int16)


def from_pcm16(pcm: Pcm) -> Samples:
    """16-bit PCM to float32 of full scale ±1."""
    return pcm.astype(np.float32) / np.float32(32768)


def encode(
    codec: str,
    pcm: Pcm,
    rate: int,
    *,
    bit_rate: int = 0,
    options: Mapping[str, str] | None = None,
    extra: int = 0,
) -> list[bytes]:
    """Packets of mono ``pcm`` at ``rate`` Hz by FFmpeg's encoder ``codec``.

    bit_rate: bits per second, 0 where the codec has one only. options: FFmpeg's names. extra: samples of silence
    behind the end, at least the codec's delay, so that the last sample comes out of the decoder.
    Raises MissingPart where this build of PyAV lacks the encoder.
    """
    import av

    context = _context(codec, "w", rate)
    if bit_rate:
        context.bit_rate = bit_rate
    context.options = dict(options or {})
    context.open()
    frame = context.frame_size or _FRAME
    count = -(-(pcm.size + extra) // frame)
    padded = memoryview(np.concatenate([pcm, np.zeros(count * frame - pcm.size, np.int16)]).tobytes())
    packets: list[bytes] = []
    for start in range(0, count * frame, frame):
        chunk = av.AudioFrame(format="s16", layout="mono", samples=frame)
        chunk.planes[0].update(padded[2 * start : 2 * (start + frame)])  # from_ndarray takes as long again
        chunk.sample_rate = rate
        chunk.pts = start
        packets += map(bytes, context.encode(chunk))
    packets += map(bytes, context.encode(None))
    return packets


def decode(codec: str, packets: Sequence[bytes], rate: int) -> tuple[Samples, int]:
    """Samples that FFmpeg's decoder ``codec`` makes of ``packets``, and their rate (Opus always answers at 48 kHz)."""
    import av

    context = _context(codec, "r", rate)
    context.open()
    pieces: list[Pcm] = []
    for packet in packets:
        for frame in context.decode(av.Packet(packet)):
            assert frame.format.name == "s16", frame.format.name
            pieces.append(np.frombuffer(frame.planes[0], np.int16, frame.samples).copy())
            rate = frame.sample_rate
    return from_pcm16(np.concatenate(pieces)), rate


def _context(codec: str, mode: str, rate: int) -> Any:
    import av

    try:
        context: Any = av.codec.CodecContext.create(codec, mode)
    except av.codec.codec.UnknownCodecError:
        raise MissingPart(
            f"this PyAV has no {'encoder' if mode == 'w' else 'decoder'} {codec!r} (a build against another FFmpeg?). "
            "The wheels of PyAV have it: pip install --force-reinstall --only-binary :all: av"
        ) from None
    context.sample_rate = rate
    context.layout = "mono"
    context.format = "s16"
    return context
