"""The one road that every clip of the built-in corpus takes, human or not, so that the road tells nothing.

Colour (spoofed speech only, towards the human) · G.722 once (human prompts come that way) · 60 to 7000 Hz · silence at
the ends off · level set, peaks limited · floor of noise and a little DC · G.722 again · 16 bits. What is left between
the classes is how the speech was made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..audio import fit, resample
from ..errors import BadAudio
from ..types import Clip, Rng, Samples

RATE = 16_000
FRAME = RATE // 100  # 10 ms; an even number of samples, so that both passes of G.722 pair the samples alike
BAND = (60.0, 7000.0)  # Hz; G.722 is specified from 50 to 7000 Hz
LEVEL, JITTER = -26.0, 3.0  # dBFS of the active speech (the nominal level of ITU-T P.830), and ± dB about it
REACH = 38.0  # a frame is active when it is less than this many dB below the loudest
CREST = 11.0  # dB from the active level to the peaks: studios limit their prompts, and vocoders undo that
OFFSET = 5e-4  # ± of full scale about 0, as sound cards have it
FLOOR = 55.0  # dB from the active level down to the noise: recordings differ, engines have none at all
_G722_DELAY = 22  # samples: the two filter banks of 24 taps

RECIPE = {
    "rate_hz": RATE,
    "passes_of_g722": 2,
    "band_hz": list(BAND),
    "level_dbfs": LEVEL,
    "level_jitter_db": JITTER,
    "active_within_db": REACH,
    "peaks_above_level_db": CREST,
    "dc_offset": OFFSET,
    "colour": "spoofed speech has its long-term spectrum, smoothed over an octave, set to that of the human sentence",
    "noise_below_speech_db": FLOOR,
}


def g722(clip: Clip) -> Clip:
    """Through ITU-T G.722 at 64 kbit/s and back, the delay of 22 samples taken out; same length, 16-bit steps.

    Raises BadAudio for a clip of another rate than 16 kHz: the codec knows no other.
    """
    if clip.rate != RATE:
        raise BadAudio(f"G.722 codes 16 kHz audio, not {clip.rate} Hz; resample it first")
    import av

    x = np.clip(np.round(clip.samples * 32768.0), -32768, 32767).astype(np.int16)
    length = x.size + _G722_DELAY
    x = np.pad(x, (0, _G722_DELAY + length % 2))
    encoder = av.CodecContext.create("g722", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "s16"
    encoder.open()
    packets = []
    step = RATE  # a second at a time
    for start in range(0, x.size, step):
        frame = av.AudioFrame.from_ndarray(x[None, start : start + step], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return clip.replace(fit(decode_g722(b"".join(map(bytes, packets)))[_G722_DELAY:], clip.samples.size))


def decode_g722(data: bytes) -> Samples:
    """Samples of raw G.722 at 64 kbit/s (one octet, two samples at 16 kHz), ±1. Raises BadAudio when there are none."""
    import av

    if not data:
        raise BadAudio("no G.722 data (0 bytes)")
    decoder = av.CodecContext.create("g722", "r")
    decoder.sample_rate, decoder.layout = RATE, "mono"
    decoder.open()
    frames = decoder.decode(av.Packet(data)) + decoder.decode(None)
    x = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    return (x / np.float32(32768.0)).astype(np.float32)


def activity(x: Samples) -> NDArray[np.bool_]:
    """Which frames of 10 ms hold speech: within 38 dB of the loudest. All False for silence."""
    whole = x[: x.size // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    power = np.square(whole).mean(axis=1)
    if not power.size or power.max() < 1e-9:
        return np.zeros(power.size, dtype=np.bool_)
    return np.asarray(power > power.max() * 10 ** (-REACH / 10))


def active_span(x: Samples) -> tuple[int, int]:
    """(first, last + 1) sample of the speech, in whole frames; (0, 0) for silence."""
    on = np.flatnonzero(activity(x))
    return (int(on[0]) * FRAME, (int(on[-1]) + 1) * FRAME) if on.size else (0, 0)


def active_level(x: Samples) -> float:
    """RMS of the frames that hold speech, dB relative to full scale; -inf for silence."""
    on = activity(x)
    if not on.any():
        return -np.inf
    power = np.square(x[: on.size * FRAME].reshape(-1, FRAME)[on].astype(np.float64)).mean()
    return float(10 * np.log10(power))


def as_recorded(clip: Clip, level: float) -> Clip:
    """The first pass of G.722, at the level in dBFS that the human recordings had in theirs (less where it would clip)."""
    clip = resample(clip, RATE)
    gain = 10 ** ((level - active_level(clip.samples)) / 20)
    peak = float(np.abs(clip.samples).max())
    if not np.isfinite(gain) or peak == 0:
        raise BadAudio("there is no speech in this clip, only silence")
    return g722(clip.replace(clip.samples * min(gain, 0.95 / peak)))


def send(clip: Clip, rng: Rng) -> Clip:
    """The rest of the road: band, ends, level, peaks, floor, G.722. ``rng`` gives the level's jitter, noise and offset.

    Raises BadAudio when the clip holds no speech.
    """
    from scipy.signal import butter, sosfiltfilt

    sos = butter(4, BAND, "bandpass", fs=RATE, output="sos")
    x = np.asarray(sosfiltfilt(sos, clip.samples.astype(np.float64)), dtype=np.float32)
    start, stop = active_span(x)
    if stop == start:
        raise BadAudio("there is no speech in this clip, only silence")
    x = _faded(x[start:stop])
    target = LEVEL + rng.uniform(-JITTER, JITTER)
    for _ in range(
        12
    ):  # limiting lowers the level, and raising it again raises the peaks: a few rounds settle
        wanting = target - active_level(x)
        if abs(wanting) < 0.05:
            break
        x = _limited(x * np.float32(10 ** (wanting / 20)), 10 ** ((target + CREST) / 20))
    floor = 10 ** ((target - FLOOR) / 20) * rng.standard_normal(x.size) + rng.uniform(-OFFSET, OFFSET)
    return g722(clip.replace(x + floor))


def coloured(made: Clip, like: Clip) -> Clip:
    """``made`` with the long-term spectrum of ``like``, both smoothed over an octave, by at most 12 dB up or down.

    A vocoder's or a voice's overall tilt is easily had by any equaliser, and would else tell the classes apart.
    """
    import scipy.fft

    gain = np.clip(_colour(like.samples) - _colour(made.samples), -12.0, 12.0)
    hz = scipy.fft.rfftfreq(made.samples.size, 1 / RATE)
    bent = np.interp(np.log2(np.maximum(hz, 1.0)), np.log2(_CENTRES), gain)
    return made.replace(
        scipy.fft.irfft(scipy.fft.rfft(made.samples) * 10 ** (bent / 20), n=made.samples.size)
    )


_CENTRES = 62.5 * 2 ** (np.arange(29) / 4)  # Hz, four to an octave, up to 8 kHz


def _colour(x: Samples) -> NDArray[np.float64]:
    """Long-term power in octaves about the centres, dB, relative to the whole."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, (0, 1024)), 1024)[::512]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(1024), axis=1))).mean(axis=0)
    hz = np.maximum(np.arange(513) * RATE / 1024, 1.0)
    near = np.clip(1 - 2 * np.abs(np.log2(hz / _CENTRES[:, None])), 0.0, None)
    bands = near @ power / near.sum(axis=1)
    return np.asarray(10 * np.log10(bands / power.sum() + 1e-12))


def _limited(x: Samples, peak: float) -> Samples:
    """x with its peaks held under ``peak`` by a gain that bends over 10 ms: never clipped, never above."""
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    half = FRAME // 2  # two running means of half the width reach no further than the running minimum
    wanted = np.minimum(1.0, peak / np.maximum(np.abs(x), 1e-12))
    low = minimum_filter1d(wanted, 2 * half + 1, mode="nearest")
    gain = uniform_filter1d(uniform_filter1d(low, half + 1, mode="nearest"), half + 1, mode="nearest")
    return np.asarray(x * gain, dtype=np.float32)


def _faded(x: Samples) -> Samples:
    """A raised cosine of 5 ms at both ends: a cut is not a click."""
    length = min(FRAME // 2, x.size // 2)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
    x = x.copy()
    x[:length] *= ramp
    x[x.size - length :] *= ramp[::-1]
    return x
