"""The two codecs of the internet: MP3 (LAME) and Opus (libopus)."""

from __future__ import annotations

import io

import numpy as np

from ..audio import fit, resample
from ..errors import BadPlan
from ..registry import corruption
from ..types import Clip, Rng, Samples
from .coding import Recent, at_rate, decode, encode, to_pcm16

_MP3_RATES = (16_000, 22_050, 24_000)
_MP3_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_DELAY = 576 + 529  # LAME's encoder and the decoder (528 + 1), at every rate and bit rate

_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_OPUS_PRE_SKIP = 312  # at the decoder's 48 kHz: 4 ms + 2.5 ms, what libopus answers to OPUS_GET_LOOKAHEAD
_OPUS_FRAME_MS = 20
_recent = Recent()


def _mp3_kbps(clean: Clip, corrupted: Clip, level: float) -> float:
    """Bits of the MPEG frames by the time that they play, kbit/s."""
    stream, samples = _mp3(resample(clean, _mp3_rate(clean.rate)), level)
    return 8e-3 * len(stream) * _mp3_rate(clean.rate) / samples.size


@corruption(
    family="compression",
    unit="kbit/s",
    levels=(40, 32, 24, 16, 8),
    origin="Li et al. 2025, arXiv 2503.17577",
    measure=_mp3_kbps,
    tolerance=0.5,
)
def mp3(clip: Clip, level: float, rng: Rng) -> Clip:
    """MPEG-2 Layer III at a constant bit rate, mono: LAME there, mpg123 back.

    level: kbit/s, one of MPEG-2's (8 … 160). LAME's quality 3, for that is what FFmpeg and thus pydub, with which the
    field makes its MP3s, get by default (the same bytes). Coded at 16, 22.05 or 24 kHz, the first that is not below
    the clip's rate (24 kHz above that: the low bit rates do not exist at higher rates), and never at a lower rate of
    LAME's own choice. Raises BadPlan for another bit rate.
    """

    def code(samples: Samples) -> Samples:
        return _mp3(Clip(samples, rate), level)[1][_MP3_DELAY:].copy()  # what is kept is nobody else's

    rate = _mp3_rate(clip.rate)
    return at_rate(clip, rate, code)


def _mp3_rate(rate: int) -> int:
    return next((known for known in _MP3_RATES if known >= rate), _MP3_RATES[-1])


def _mp3(clip: Clip, level: float) -> tuple[bytes, Samples]:
    """The stream and what it decodes to, delay included."""
    if level not in _MP3_KBPS:
        raise BadPlan(f"mp3@{level:g}: MPEG-2 Layer III has {', '.join(map(str, _MP3_KBPS))} kbit/s")

    def code() -> tuple[bytes, Samples]:
        return _lame(clip, int(level))

    return _recent.get(clip.samples, ("mp3", clip.rate, level), code)


def _lame(clip: Clip, kbps: int) -> tuple[bytes, Samples]:
    import lameenc
    import soundfile

    encoder = lameenc.Encoder()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(clip.rate)
    encoder.set_out_sample_rate(clip.rate)
    encoder.set_bit_rate(kbps)
    encoder.set_quality(3)
    # flush() adds the silence that brings the last sample out of the decoder
    stream = bytes(encoder.encode(to_pcm16(clip.samples).tobytes())) + bytes(encoder.flush())
    samples, rate = soundfile.read(io.BytesIO(stream), dtype="float32")
    assert rate == clip.rate, f"LAME changed the rate from {clip.rate} to {rate} Hz"
    return stream, np.asarray(samples, dtype=np.float32)


def _opus_kbps(clean: Clip, corrupted: Clip, level: float) -> float:
    """Bits of the packets by the time that they play, kbit/s."""
    packets = _opus(clean, level)
    return 8.0 * sum(map(len, packets)) / (len(packets) * _OPUS_FRAME_MS)


@corruption(
    family="compression",
    unit="kbit/s",
    levels=(31, 16, 8, 4, 2, 1),
    origin="Li et al. 2025, arXiv 2503.17577",
    measure=_opus_kbps,
)
def opus(clip: Clip, level: float, rng: Rng) -> Clip:
    """Opus, mono, 20 ms packets, variable bit rate: libopus there and back.

    level: the target in kbit/s, 0.5 … 256. Application "audio" and complexity 10, as in the paper's libopusenc. The
    encoder hears the clip at its own rate (else at the next of 8, 12, 16, 24, 48 kHz); the decoder answers at 48 kHz.
    libopus makes one and the same stream of 4, 2 and 1 kbit/s (about 5 kbit/s on speech): these three levels are
    identical to the bit, and ``measure`` says what they are. Raises BadPlan for a level beyond its range.
    """
    samples, rate = decode("libopus", _opus(clip, level), 48_000)
    decoded = resample(Clip(samples[_OPUS_PRE_SKIP:], rate), clip.rate)
    assert decoded.samples.size >= clip.samples.size
    return clip.replace(fit(decoded.samples, clip.samples.size))


def _opus(clip: Clip, level: float) -> list[bytes]:
    if not 0.5 <= level <= 256:
        raise BadPlan(f"opus@{level:g}: libopus codes speech at 0.5 to 256 kbit/s")
    rate = next((known for known in _OPUS_RATES if known >= clip.rate), _OPUS_RATES[-1])
    options = {
        "application": "audio",
        "compression_level": "10",
        "frame_duration": str(_OPUS_FRAME_MS),
        "vbr": "on",
    }

    def code() -> list[bytes]:
        return encode(
            "libopus",
            to_pcm16(resample(clip, rate).samples),
            rate,
            bit_rate=round(level * 1000),
            options=options,
            extra=_OPUS_PRE_SKIP * rate // 48_000,
        )

    return _recent.get(clip.samples, ("opus", clip.rate, level), code)
