"""A vocoder codec in numpy: what is sent are line spectral frequencies, a gain, a pitch and a voicing.

Linear prediction after Makhoul 1975, line spectral frequencies after Itakura 1975 and Soong & Juang 1984, excitation
mixed of pulses below a coded frequency and noise above it after McCree & Barnwell 1995. Bits and tables are our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy  # its parts load when they are used: scipy.signal takes half a second
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from ..errors import BadPlan
from ..registry import corruption
from ..types import Clip, Rng, Samples
from .coding import at_rate

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_RATE = 16_000
_EMPHASIS = 0.9
_BLOCK = 1024  # frames at a time: ten minutes in bounded memory
_RING = 512  # samples that a frame may ring on, 32 ms
_PITCH = (60.0, 400.0)  # Hz
_PITCH_WINDOW = 1024  # samples: more than three of the longest periods
_FLOOR, _CEILING = -80.0, 0.0  # dB of the pre-emphasised frame; below the floor it is sent as silence
_GAPS = (0.2, 3.2)  # of the mean distance between line spectral frequencies


@dataclass(frozen=True, slots=True)
class Layout:
    """A frame of the stream. hop: samples at 16 kHz. lsf: bits of each line spectral frequency; the rest: bits of one."""

    hop: int
    lsf: tuple[int, ...]
    gain: int
    pitch: int
    voicing: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of every field of a frame, in their order."""
        return (*self.lsf, self.gain, self.pitch, self.voicing)

    @property
    def window(self) -> int:
        """Samples that a frame's spectrum and gain are taken from, around its middle: 32 ms, or all of a longer frame."""
        return max(512, self.hop)

    @property
    def kbps(self) -> float:
        """Bits of a frame by its duration, kbit/s."""
        return sum(self.widths) * _RATE / self.hop / 1000


LAYOUTS = {
    layout.kbps: layout
    for layout in (
        Layout(320, (4,) * 20, gain=6, pitch=7, voicing=3),  # 96 bits in 20 ms
        Layout(320, (3,) * 16, gain=6, pitch=7, voicing=3),  # 64 bits in 20 ms
        Layout(320, (3,) * 12, gain=5, pitch=6, voicing=1),  # 48 bits in 20 ms
        Layout(400, (3,) * 8 + (2,) * 2, gain=5, pitch=6, voicing=1),  # 40 bits in 25 ms
        Layout(640, (3,) * 4 + (2,) * 4, gain=5, pitch=6, voicing=1),  # 32 bits in 40 ms
    )
}


def _kbps(clean: Clip, corrupted: Clip, level: float) -> float:
    """Bits of the stream by the time that it plays, kbit/s."""
    layout, frames = _layout(level), 0
    bits = 0

    def code(samples: Samples) -> Samples:
        nonlocal bits, frames
        bits, frames = 8 * len(encode(samples, layout)), _frames(samples, layout)
        return samples

    at_rate(clean, _RATE, code)
    return bits / (frames * layout.hop / _RATE) / 1000


@corruption(family="compression", unit="kbit/s", levels=tuple(LAYOUTS), measure=_kbps, tolerance=0.02)
def parametric_codec(clip: Clip, level: float, rng: Rng) -> Clip:
    """A vocoder codec: linear prediction of order 20, 16, 12, 10, 8, pitch, gain and voicing, quantised; no waveform.

    level: 4.8, 3.2, 2.4, 1.6 or 0.8 kbit/s, each a frame of 96, 64, 48, 40 or 32 bits in 20, 20, 20, 25 or 40 ms. Coded
    at 16 kHz mono; other rates are resampled there and back. ``rng`` gives the decoder's noise, the same for every
    level. Speech stays intelligible and is wholly synthetic: this is what a neural codec does, without a download.
    Raises BadPlan for another level.
    """
    layout = _layout(level)
    return at_rate(clip, _RATE, lambda samples: decode(encode(samples, layout), samples.size, layout, rng))


@lru_cache
def _filters() -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """What takes out rumble below 50 Hz (second-order sections), and what leaves the pitch below 1 kHz (numerator, denominator)."""
    b, a = scipy.signal.butter(2, 1000, fs=_RATE)
    return np.asarray(scipy.signal.butter(2, 50, "highpass", fs=_RATE, output="sos")), (b, a)


def encode(samples: Samples, layout: Layout) -> bytes:
    """The stream of ``samples`` (T,) at 16 kHz: ceil(T / hop) frames, bit after bit, the last byte filled with zeros."""
    rumble, voice = _filters()
    x = scipy.signal.sosfilt(rumble, samples.astype(np.float64))
    flat = scipy.signal.lfilter([1.0, -_EMPHASIS], [1.0], x)
    codes = [
        np.column_stack(
            [
                *_lsf_codes(_lsf(_predictors(part, len(layout.lsf))), layout.lsf),
                _gain_codes(part, layout.gain),
                *_pitch_codes(voiced, layout),
            ]
        )
        for part, voiced in zip(
            _cut(flat, layout.hop, layout.window, samples.size),
            _cut(
                scipy.signal.lfilter(*voice, x),
                layout.hop,
                _PITCH_WINDOW,
                samples.size,
            ),
            strict=True,
        )
    ]
    fields = np.concatenate(codes)
    bits = [fields[:, i, None] >> np.arange(width)[::-1] & 1 for i, width in enumerate(layout.widths)]
    return np.packbits(np.concatenate(bits, axis=1).astype(np.uint8)).tobytes()


def decode(stream: bytes, count: int, layout: Layout, rng: Rng) -> Samples:
    """``count`` samples at 16 kHz of the stream that ``encode`` made of as many; the noise comes from ``rng``."""
    hop, widths = layout.hop, np.array(layout.widths)
    frames = -(-count // hop)
    bits = (
        np.unpackbits(np.frombuffer(stream, np.uint8), count=frames * widths.sum())
        .reshape(frames, -1)
        .astype(np.int64)
    )
    ends = np.cumsum(widths)
    fields = [
        bits[:, end - width : end] @ (1 << np.arange(width)[::-1])
        for end, width in zip(ends, widths, strict=True)
    ]
    *lines, gain, pitch, voicing = fields
    rms = np.where(gain == 0, 0.0, 10 ** (_uniform(gain - 1, (1 << layout.gain) - 1, _FLOOR, _CEILING) / 20))
    f0 = np.exp(_uniform(pitch, 1 << layout.pitch, *np.log(_PITCH)))
    edge = _edges(layout)[voicing]
    pulses, noise = _sources(f0, hop, count, rng)
    size = next_fast_len(2 * hop + _RING, real=True)
    out = np.zeros((frames + 1) * hop + size)
    frequencies = np.linspace(0, _RATE / 2, size // 2 + 1)
    hann = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop)) ** 2
    for start in range(0, frames, _BLOCK):
        part = slice(start, min(start + _BLOCK, frames))
        a = _from_lsf(_lsf_values([line[part] for line in lines], layout.lsf))
        spectrum = 1 / rfft(a, size, axis=1)
        level = rms[part] / np.sqrt(np.mean(np.abs(spectrum) ** 2, axis=1))
        voiced = _below(frequencies, edge[part])
        excitation = voiced * rfft(_around(pulses, part, hop) * hann, size, axis=1)
        excitation += np.sqrt(1 - voiced**2) * rfft(_around(noise, part, hop) * hann, size, axis=1)
        pieces = irfft(excitation * spectrum * level[:, None], size, axis=1)
        for i, piece in enumerate(pieces, start=start):
            out[i * hop : i * hop + size] += piece
    whole = scipy.signal.lfilter([1.0], [1.0, -_EMPHASIS], out[hop // 2 : hop // 2 + count])
    return whole.astype(np.float32)


def _layout(level: float) -> Layout:
    if level not in LAYOUTS:
        raise BadPlan(
            f"parametric_codec@{level:g}: it has {', '.join(f'{kbps:g}' for kbps in LAYOUTS)} kbit/s"
        )
    return LAYOUTS[level]


def _frames(samples: Samples, layout: Layout) -> int:
    return -(-samples.size // layout.hop)


def _cut(x: Array, hop: int, width: int, count: int) -> Iterator[Array]:
    """Blocks of windows (n, width), each centred on the middle of its frame."""
    frames = -(-count // hop)
    before = width // 2 - hop // 2
    padded = np.concatenate([np.zeros(before), x, np.zeros(width + frames * hop - x.size)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[::hop][:frames]
    for start in range(0, frames, _BLOCK):
        yield windows[start : start + _BLOCK]


def _predictors(windows: Array, order: int) -> Array:
    """Prediction polynomials (n, order + 1) with a[0] = 1: autocorrelation method, 60 Hz lag window, -40 dB of white noise."""
    width = windows.shape[1]
    size = next_fast_len(width + order, real=True)
    power = np.abs(rfft(windows * np.hanning(width), size, axis=1)) ** 2
    r = irfft(power, size, axis=1)[:, : order + 1]
    r *= np.exp(-0.5 * (2 * np.pi * 60 / _RATE * np.arange(order + 1)) ** 2)
    r[:, 0] = r[:, 0] * 1.0001 + 1e-12
    a = np.zeros_like(r)
    a[:, 0] = 1.0
    error = r[:, 0].copy()
    for m in range(1, order + 1):
        k = -np.sum(a[:, :m] * r[:, m:0:-1], axis=1) / error
        a[:, 1 : m + 1] += k[:, None] * a[:, m - 1 :: -1][:, :m]
        error *= 1 - k**2
    return a


def _lsf(a: Array) -> Array:
    """Line spectral frequencies (n, order), ascending in (0, π), of prediction polynomials of even order.

    The symmetric and the antisymmetric polynomial, rid of their roots at -1 and 1, are Chebyshev series in cos ω; their
    roots are the eigenvalues of the companion (colleague) matrix.
    """
    order = a.shape[1] - 1
    longer = np.concatenate([a, np.zeros((len(a), 1))], axis=1)
    half = order // 2
    found = []
    for sign in (1.0, -1.0):
        full = longer + sign * longer[:, ::-1]
        reduced = scipy.signal.lfilter([1.0], [1.0, sign], full, axis=1)[:, : half + 1]
        series = np.concatenate([reduced[:, half:], 2 * reduced[:, half - 1 :: -1]], axis=1)
        found.append(_chebyshev_roots(series))
    return np.sort(np.arccos(np.clip(np.concatenate(found, axis=1), -1, 1)), axis=1)


def _chebyshev_roots(series: Array) -> Array:
    n = series.shape[1] - 1
    scale = np.sqrt(np.r_[1.0, np.full(n - 1, 0.5)]) if n > 1 else np.ones(1)
    off = np.r_[np.sqrt(0.5), np.full(n - 2, 0.5)] if n > 1 else np.zeros(0)
    matrix = np.zeros((len(series), n, n))
    i = np.arange(n - 1)
    matrix[:, i, i + 1] = matrix[:, i + 1, i] = off
    matrix[:, :, -1] -= series[:, :-1] / series[:, -1:] * (scale / scale[-1]) * 0.5
    return np.asarray(np.linalg.eigvals(matrix).real)


def _from_lsf(lsf: Array) -> Array:
    """Prediction polynomials (n, order + 1) of line spectral frequencies (n, order)."""
    sums = []
    for lines, sign in ((lsf[:, 0::2], 1.0), (lsf[:, 1::2], -1.0)):
        poly = np.tile([1.0, sign], (len(lsf), 1))
        for line in lines.T:
            c = -2 * np.cos(line)[:, None]
            longer = np.zeros((len(lsf), poly.shape[1] + 2))
            longer[:, :-2] = poly
            longer[:, 1:-1] += c * poly
            longer[:, 2:] += poly
            poly = longer
        sums.append(poly)
    return np.asarray(0.5 * (sums[0] + sums[1])[:, :-1])


def _lsf_codes(lsf: Array, bits: tuple[int, ...]) -> list[Codes]:
    """Each frequency as its distance to the one before it *as decoded*, so that errors do not add up."""
    mean = np.pi / (lsf.shape[1] + 1)
    low, high = np.log(mean * np.array(_GAPS))
    before = np.zeros(len(lsf))
    codes = []
    for column, width in zip(lsf.T, bits, strict=True):
        distance = np.log(np.maximum(column - before, 1e-6))
        codes.append(_nearest(distance, 1 << width, low, high))
        before = before + np.exp(_uniform(codes[-1], 1 << width, low, high))
    return codes


def _lsf_values(codes: list[Codes], bits: tuple[int, ...]) -> Array:
    mean = np.pi / (len(bits) + 1)
    low, high = np.log(mean * np.array(_GAPS))
    steps = [np.exp(_uniform(c, 1 << width, low, high)) for c, width in zip(codes, bits, strict=True)]
    lsf = np.cumsum(np.column_stack(steps), axis=1)
    room = np.pi - 0.5 * mean * _GAPS[0]  # a frame whose steps add up to more than π is drawn together
    return lsf * np.minimum(1.0, room / lsf[:, -1:])


def _gain_codes(windows: Array, bits: int) -> Codes:
    power = np.mean(windows**2 * np.hanning(windows.shape[1]), axis=1) * 2
    level = 10 * np.log10(np.maximum(power, 1e-20))
    codes = 1 + _nearest(level, (1 << bits) - 1, _FLOOR, _CEILING)
    return np.where(level < _FLOOR, 0, codes)


def _pitch_codes(windows: Array, layout: Layout) -> tuple[Codes, Codes]:
    """Codes of the pitch and of the voicing, from the normalised autocorrelation of the band below 1 kHz."""
    shortest, longest = round(_RATE / _PITCH[1]), round(_RATE / _PITCH[0])
    hann = np.hanning(_PITCH_WINDOW)
    size = next_fast_len(_PITCH_WINDOW + longest, real=True)
    r = irfft(np.abs(rfft(windows * hann, size, axis=1)) ** 2, size, axis=1)[:, : longest + 1]
    own = irfft(np.abs(rfft(hann, size)) ** 2, size)[: longest + 1]
    likeness = r / np.maximum(r[:, :1], 1e-12) * (own[0] / own)
    # the first of nearly equal peaks: a multiple of the period resembles as much as the period
    candidates = likeness[:, shortest:] - 0.10 * np.log2(np.arange(shortest, longest + 1) / shortest)
    lag = shortest + np.argmax(candidates, axis=1)
    strength = likeness[np.arange(len(lag)), lag]
    pitch = _nearest(np.log(_RATE / lag), 1 << layout.pitch, *np.log(_PITCH))
    last = (1 << layout.voicing) - 1
    voicing = np.clip(np.ceil((strength - 0.5) / 0.45 * last), 0, last).astype(np.int64)
    return pitch, voicing


def _edges(layout: Layout) -> Array:
    """Hz below which the excitation is periodic, by the code of the voicing; 0: noise alone."""
    if layout.voicing == 1:
        return np.array([0.0, 4000.0])
    return np.linspace(0, 7000, 1 << layout.voicing)


def _below(frequencies: Array, edge: Array) -> Array:
    """A low-pass (n, F) with a soft edge 500 Hz wide, all zero where ``edge`` is 0."""
    return np.where(edge[:, None] > 0, np.clip((edge[:, None] - frequencies) / 500 + 0.5, 0, 1), 0.0)


def _sources(f0: Array, hop: int, count: int, rng: Rng) -> tuple[Array, Array]:
    """A pulse train that follows ``f0`` and white noise, both of unit power, with half a hop before the first frame."""
    frames = f0.size
    centres = hop * (np.arange(frames) + 0.5)
    track = np.interp(np.arange(frames * hop), centres, f0)
    turns = np.floor(np.cumsum(track / _RATE))
    pulses = np.diff(turns, prepend=-1.0 if frames else 0.0) * np.sqrt(_RATE / track)
    noise = np.zeros(frames * hop)
    noise[:count] = rng.standard_normal(count)
    pad = np.zeros(hop // 2)
    return np.r_[pad, pulses, pad, pad], np.r_[pad, noise, pad, pad]


def _around(x: Array, part: slice, hop: int) -> Array:
    """Windows (n, 2 hop) of a source, centred on the middle of each frame."""
    windows = np.lib.stride_tricks.sliding_window_view(x, 2 * hop)[::hop]
    return np.asarray(windows[part])


def _nearest(value: Array, steps: int, low: float, high: float) -> Codes:
    return np.clip(np.round((value - low) / (high - low) * (steps - 1)), 0, steps - 1).astype(np.int64)


def _uniform(code: Codes, steps: int, low: float, high: float) -> Array:
    return low + code * (high - low) / (steps - 1)
