"""A telephone call: the band of the line and the codec of the network, wideband to the worst of GSM."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy  # its parts load when they are used: scipy.signal takes half a second

from ..audio import fit, resample
from ..registry import corruption
from ..types import Clip, Rng, Samples
from .coding import Pcm, at_rate, decode, encode, from_pcm16, to_pcm16

_AMR_BITS = (
    95,
    103,
    118,
    134,
    148,
    159,
    204,
    244,
    39,
)  # of a 20 ms frame by its type, 3GPP TS 26.101, table 1a


@dataclass(frozen=True, slots=True)
class _Line:
    """rate: of the codec in Hz. band: in Hz. delay: the codec's, in samples at ``rate``.

    code(pcm): the decoded samples, delay included, and the bits per second that were sent.
    """

    rate: int
    band: tuple[float, float]
    delay: int
    code: Callable[[Pcm], tuple[Samples, float]]


def _ffmpeg(codec: str, rate: int, extra: int) -> Callable[[Pcm], tuple[Samples, float]]:
    def code(pcm: Pcm) -> tuple[Samples, float]:
        packets = encode(codec, pcm, rate, extra=extra)
        samples, _ = decode(codec, packets, rate)
        return samples, 8.0 * sum(map(len, packets)) * rate / samples.size

    return code


def _amr(bit_rate: int) -> Callable[[Pcm], tuple[Samples, float]]:
    def code(pcm: Pcm) -> tuple[Samples, float]:
        packets = encode("libopencore_amrnb", pcm, 8000, bit_rate=bit_rate, extra=320)
        samples, _ = decode("libopencore_amrnb", packets, 8000)
        return samples, float(np.mean([_AMR_BITS[packet[0] >> 3 & 15] for packet in packets]) / 0.020)

    return code


def _gsm(pcm: Pcm) -> tuple[Samples, float]:
    import soundfile

    padded = np.concatenate([pcm, np.zeros(-pcm.size % 320, dtype=np.int16)])
    file = io.BytesIO()
    soundfile.write(file, padded, 8000, format="WAV", subtype="GSM610")
    samples, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="int16")
    data = int.from_bytes(file.getvalue().partition(b"data")[2][:4], "little")  # bytes in the data chunk
    return from_pcm16(samples), 8.0 * data * 8000 / padded.size


_NARROW = (300.0, 3400.0)
_LINES = {
    "g722": _Line(16_000, (50.0, 7000.0), 22, _ffmpeg("g722", 16_000, 22)),
    "g711u": _Line(8000, _NARROW, 0, _ffmpeg("pcm_mulaw", 8000, 0)),
    "g711a": _Line(8000, _NARROW, 0, _ffmpeg("pcm_alaw", 8000, 0)),
    "amr-12.2": _Line(8000, _NARROW, 40, _amr(12_200)),
    "gsm": _Line(8000, _NARROW, 0, _gsm),
    "amr-4.75": _Line(8000, _NARROW, 40, _amr(4750)),
}


def _kbps(clean: Clip, corrupted: Clip, level: float) -> float:
    """Bits of the coded speech by the time that they play, kbit/s."""
    line = _LINES[tuple(_LINES)[int(level)]]
    return line.code(to_pcm16(_in_band(resample(clean, line.rate).samples, line)))[1] / 1000


@corruption(
    family="compression",
    unit="kbit/s",
    levels=range(len(_LINES)),
    level_names=tuple(_LINES),
    measure=_kbps,
)
def telephone(clip: Clip, level: float, rng: Rng) -> Clip:
    """A telephone call: the line's band, then the network's codec.

    level: a standard, mild to severe: G.722 (64 kbit/s, 50 to 7000 Hz at 16 kHz), and in the band of 300 to 3400 Hz
    at 8 kHz G.711 with µ-law and with A-law (64), AMR-NB at 12.2 (GSM-EFR), GSM full rate 06.10 (13) and AMR-NB at
    4.75 kbit/s. The band filter is a linear-phase FIR (after ITU-T G.712 and G.722), its delay and the codec's taken
    out. AMR-WB is not among them: no build of PyAV encodes it. ``measure`` is the bit rate that was sent.
    """
    line = _LINES[tuple(_LINES)[int(level)]]

    def code(samples: Samples) -> Samples:
        decoded, _ = line.code(to_pcm16(_in_band(samples, line)))
        return decoded[line.delay :]

    return at_rate(clip, line.rate, code)


def _in_band(samples: Samples, line: _Line) -> Samples:
    filtered = scipy.signal.oaconvolve(samples, _taps(line.rate, *line.band), mode="same")
    return fit(np.asarray(filtered, dtype=np.float32), samples.size)


@functools.cache
@lru_cache(maxsize=16)
def _taps(rate: int, low: float, high: float) -> Samples:
    """-6 dB at the edges of the band; odd in number, so that the middle one is the present."""
    count = int(3.3 * rate / (0.4 * low)) | 1  # Hamming: a transition of 0.4 times the lower edge
    return np.asarray(scipy.signal.firwin(count, [low, high], fs=rate, pass_zero=False), dtype=np.float32)
