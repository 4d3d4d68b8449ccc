"""Synthetic noises of the kinds that people meet, made from nothing but chance: ``KINDS[kind](samples, rate, rng)``.

Each returns float32 of shape (samples,), at no particular level and never all zero. They are stand-ins with the
spectrum, the rhythm and the suddenness of the real thing (dense or sparse, tonal or not), which is what matters to a
detector; recordings are better, see recordings.py. Any rate; what lies above half the rate is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import scipy  # its parts load when they are used: scipy.signal takes half a second
from numpy.typing import NDArray
from scipy import fft

from ..types import Rng, Samples

_FLOOR = 0.003  # of the loudest sound: the hiss in the pauses, so that no stretch is digital silence
# formants in Hz of eight vowels (Peterson and Barney, J. Acoust. Soc. Am. 24, 1952, men), the fourth at 3500 Hz
_VOWELS = (
    (270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410),
    (730, 1090, 2440), (570, 840, 2410), (440, 1020, 2240), (300, 870, 2240),
)  # fmt: skip


def babble(samples: int, rate: int, rng: Rng) -> Samples:
    """Six talkers at once: jittered pulses and aspiration through changing vowels, in syllables with pauses."""
    hop = round(0.09 * rate)
    size = fft.next_fast_len(2 * hop, real=True)
    frames = samples // hop + 2
    vowels = _vowel_responses(size, rate)
    total = np.zeros((frames, size // 2 + 1), dtype=np.complex64)
    window = scipy.signal.windows.hann(2 * hop, sym=False).astype(np.float32)
    aspiration = rng.standard_normal((frames + 1) * hop, dtype=np.float32)
    for _ in range(6):
        source = _glottis((frames + 1) * hop, rate, rng, aspiration)
        loud = (rng.uniform(0.5, 1.5) * np.clip(rng.normal(0.6, 0.5, size=frames), 0.0, 1.5)).astype(
            np.float32
        )
        pieces = np.lib.stride_tricks.sliding_window_view(source, 2 * hop)[::hop] * window * loud[:, None]
        total += fft.rfft(pieces, size, axis=1) * vowels[rng.integers(len(_VOWELS), size=frames)]
    pieces = fft.irfft(total, size, axis=1)[:, : 2 * hop]
    out = np.zeros((frames + 1) * hop, dtype=np.float32)
    out[: frames * hop] += pieces[:, :hop].reshape(-1)
    out[hop:] += pieces[:, hop:].reshape(-1)
    return _with_floor(out[hop : hop + samples], rng)


def wind(samples: int, rate: int, rng: Rng) -> Samples:
    """Turbulence, falling by 9 dB an octave above 60 Hz, in gusts; what is above 400 Hz comes with strong gusts only."""
    gusts = _slow(samples, rate, 1.2, rng)
    rumble = _shaped(samples, rate, rng, lambda hz: 1 / (1 + (hz / 60) ** 1.5))
    hiss = _shaped(samples, rate, rng, lambda hz: (hz / 400) / (1 + (hz / 400) ** 2.2))
    return _with_floor(rumble * (0.15 + gusts) + 0.25 * hiss * gusts**3, rng)


def rain(samples: int, rate: int, rng: Rng) -> Samples:
    """Several hundred drops a second on a hard surface, few of them loud, over the hiss of the many far away."""
    count = 1 + rng.poisson(600 * samples / rate)
    impulses = np.zeros(samples, dtype=np.float32)
    # sizes are exponential, loudness grows with the third power of the radius: most are hardly heard
    drops = rng.standard_exponential(count, dtype=np.float32) ** 1.5 * rng.choice([-1.0, 1.0], size=count)
    np.add.at(impulses, rng.integers(samples, size=count), drops.astype(np.float32))
    splash = _shaped(samples, rate, rng, lambda hz: hz / (hz + 1500), impulses)
    hiss = _shaped(samples, rate, rng, lambda hz: (hz / 1000) / (1 + (hz / 3000) ** 1.2))
    return _with_floor(splash / _rms(splash) + 0.7 * hiss, rng)


def footsteps(samples: int, rate: int, rng: Rng) -> Samples:
    """Someone walking, 1.6 to 2.2 steps a second: a low thud of the heel, then a softer scuff of the sole."""
    out = np.zeros(samples, dtype=np.float32)
    for at in _rhythm(samples, rate, 1 / rng.uniform(1.6, 2.2), 0.05, rng):
        loud = rng.uniform(0.6, 1.0)
        _place(out, at, loud * _burst(rate, rng, 0.12, 0.002, 0.025, 60, 350))
        _place(out, at + round(0.09 * rate), 0.3 * loud * _burst(rate, rng, 0.15, 0.02, 0.03, 600, 3500))
    return _with_floor(out, rng)


def breathing(samples: int, rate: int, rng: Rng) -> Samples:
    """Breath close to the microphone: in for a second, higher and sharper, out for longer, lower and softer."""
    out = np.zeros(samples, dtype=np.float32)
    at = -round(rng.uniform(0.0, 0.6) * rate)
    while at < samples:
        inward, outward = rng.uniform(0.7, 1.2), rng.uniform(1.0, 1.8)
        _place(out, at, 0.8 * _swell(rate, rng, inward, 0.6, 900, 4500))
        _place(out, at + round((inward + 0.1) * rate), _swell(rate, rng, outward, 0.3, 300, 2500))
        at += round((inward + outward + rng.uniform(0.3, 0.8)) * rate)
    return _with_floor(out, rng)


def coughing(samples: int, rate: int, rng: Rng) -> Samples:
    """Fits of one to three coughs: an explosion, noise through the throat, sometimes a voiced end."""
    out = np.zeros(samples, dtype=np.float32)
    for fit in _rhythm(samples, rate, 2.5, 0.3, rng):
        at = fit
        for _ in range(int(rng.integers(1, 4))):
            loud = rng.uniform(0.6, 1.0)
            _place(out, at, loud * _burst(rate, rng, 0.08, 0.004, 0.02, 200, 6000))
            _place(out, at + round(0.03 * rate), 0.5 * loud * _burst(rate, rng, 0.3, 0.03, 0.07, 300, 2500))
            if rng.random() < 0.5:
                voiced = _glottis(round(0.2 * rate), rate, rng)
                voiced *= np.hanning(voiced.size).astype(np.float32)
                _place(out, at + round(0.15 * rate), 0.3 * loud / max(_peak(voiced), 1e-9) * voiced)
            at += round(rng.uniform(0.3, 0.45) * rate)
    return _with_floor(out, rng)


def clock_tick(samples: int, rate: int, rng: Rng) -> Samples:
    """A clock, two to five beats a second: tick and tock, each some damped resonances of a small case."""
    out = np.zeros(samples, dtype=np.float32)
    sounds = [_knock(rate, 10 ** rng.uniform(3.1, 3.75, size=5), rng) for _ in range(2)]
    for index, at in enumerate(_rhythm(samples, rate, 1 / rng.choice([2.0, 4.0, 5.0]), 0.002, rng)):
        _place(out, at, sounds[index % 2] * rng.uniform(0.9, 1.0))
    return _with_floor(out, rng)


def sneezing(samples: int, rate: int, rng: Rng) -> Samples:
    """Now and then a sneeze: a rising breath in, then a burst of high noise that falls within half a second."""
    out = np.zeros(samples, dtype=np.float32)
    for at in _rhythm(samples, rate, 4.0, 0.2, rng):
        inward = rng.uniform(0.3, 0.6)
        _place(out, at - round(inward * rate), 0.15 * _swell(rate, rng, inward, 0.9, 800, 4000))
        _place(out, at, _burst(rate, rng, 0.6, 0.01, 0.09, 700, 7000))
        _place(out, at, 0.5 * _burst(rate, rng, 0.25, 0.005, 0.04, 150, 900))
    return _with_floor(out, rng)


def music(samples: int, rate: int, rng: Rng) -> Samples:
    """A progression of four chords over and over: bass and three notes, plucked one after the other, decaying."""
    out = np.zeros(samples, dtype=np.float32)
    beat = rng.uniform(0.22, 0.4)
    root = 110 * 2 ** (rng.integers(-4, 8) / 12)
    progression = [(0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14)]  # I vi IV V
    step = int(rng.integers(16))
    for at in range(-round(rng.uniform(0, beat) * rate), samples, round(beat * rate)):
        chord = progression[step // 4 % 4]
        semitone = chord[0] - 12 if step % 4 == 0 else chord[step % 4 - 1]
        _place(out, at, rng.uniform(0.6, 1.0) * _pluck(2 * root * 2 ** (semitone / 12), rate, 4 * beat))
        step += 1
    return _with_floor(out, rng)


Sound = Callable[[int, int, Rng], Samples]
KINDS: Mapping[str, Sound] = {
    sound.__name__: sound
    for sound in (babble, wind, rain, footsteps, breathing, coughing, clock_tick, sneezing, music)
}


def _glottis(samples: int, rate: int, rng: Rng, aspiration: Samples | None = None) -> Samples:
    """A voice's source: pulses at 80 to 250 Hz whose pitch wanders and jitters, ``aspiration`` noise between them."""
    f0 = rng.uniform(80, 250)
    count = int(1.6 * f0 * samples / rate) + 2
    wander = 0.5 * (_slow(count, round(f0), 3.0, rng) - 0.5) + 0.01 * rng.standard_normal(count)
    at = np.cumsum(rate / f0 * np.exp(wander)).astype(np.int64)
    at = at[at < samples]
    noise = rng.standard_normal(samples, dtype=np.float32) if aspiration is None else aspiration
    source = np.float32(0.04) * np.roll(noise, int(rng.integers(samples)))
    source[at] += (1 + 0.1 * rng.standard_normal(at.size)).astype(np.float32)
    return np.asarray(source, dtype=np.float32)


@lru_cache(maxsize=8)
def _vowel_responses(size: int, rate: int) -> NDArray[np.complex64]:
    """Transfer functions of the vowels, the source's fall of 6 dB an octave included; shape (8, size // 2 + 1)."""
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    rows = []
    for formants in _VOWELS:
        row = 1 / (1 - 0.9 * z)
        for hz, width in zip((*formants, 3500), (60, 90, 120, 160), strict=True):
            if hz < 0.47 * rate:
                pole = np.exp(np.pi * (-width + 2j * hz) / rate)
                row = row * abs(1 - pole) ** 2 / ((1 - pole * z) * (1 - np.conj(pole) * z))
        rows.append(row / np.sqrt(np.mean(np.abs(row) ** 2)))
    return np.array(rows, dtype=np.complex64)


def _shaped(
    samples: int,
    rate: int,
    rng: Rng,
    gain: Callable[[NDArray[Any]], NDArray[Any]],
    source: Samples | None = None,
) -> Samples:
    """White noise (or ``source``) filtered to the magnitude ``gain(hz)``, with an rms of 1."""
    n = fft.next_fast_len(samples, real=True)
    x = rng.standard_normal(samples, dtype=np.float32) if source is None else source
    hz = np.arange(n // 2 + 1, dtype=np.float32) * np.float32(rate / n)
    out = fft.irfft(fft.rfft(x, n) * gain(hz), n)[:samples]
    return np.asarray(out / _rms(out), dtype=np.float32)


def _slow(samples: int, rate: int, hz: float, rng: Rng) -> Samples:
    """A smooth random curve in 0 … 1 with about ``hz`` turns a second, shape (samples,)."""
    knots = rng.random(int(samples / rate * hz) + 4)
    # a raised cosine from knot to knot, itself drawn with 16 points: np.interp is faster than a cosine a sample
    share = (1 - np.cos(np.pi * np.arange(16) / 16)) / 2
    curve = (knots[:-1, None] * (1 - share) + knots[1:, None] * share).reshape(-1)
    at = np.arange(samples) * (16 * hz / rate) + 16 * rng.random()
    return np.asarray(np.interp(at, np.arange(curve.size), curve), dtype=np.float32)


def _rhythm(samples: int, rate: int, period: float, jitter: float, rng: Rng) -> list[int]:
    """Sample numbers about ``period`` seconds apart, jittered by that share; the first lies within the clip."""
    at = float(rng.random()) * min(samples, period * rate)
    times = []
    while at < samples:
        times.append(int(at))
        at += period * rate * max(0.2, 1 + jitter * float(rng.standard_normal()))
    return times


def _burst(rate: int, rng: Rng, seconds: float, rise: float, fall: float, low: float, high: float) -> Samples:
    """Noise between ``low`` and ``high`` Hz that rises within ``rise`` s and decays by e every ``fall`` s; peak 1."""
    t = np.arange(max(4, round(seconds * rate))) / rate
    return _band(t.size, rate, rng, low, high, np.minimum(t / rise, 1) * np.exp(-t / fall))


def _swell(rate: int, rng: Rng, seconds: float, climax: float, low: float, high: float) -> Samples:
    """Noise between ``low`` and ``high`` Hz that swells until ``climax`` of its time, then fades; peak 1."""
    t = (np.arange(max(4, round(seconds * rate))) + 0.5) / max(4, round(seconds * rate))
    curve = np.where(t < climax, t / climax, (1 - t) / (1 - climax))
    return _band(t.size, rate, rng, low, high, np.sin(np.pi / 2 * curve) ** 2)


def _band(
    samples: int, rate: int, rng: Rng, low: float, high: float, envelope: NDArray[np.float64]
) -> Samples:
    def gain(hz: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(1 / np.sqrt((1 + (low / (hz + 1)) ** 4) * (1 + (hz / high) ** 4)))

    out = _shaped(samples, rate, rng, gain) * envelope.astype(np.float32)
    return np.asarray(out / max(_peak(out), 1e-9), dtype=np.float32)


def _knock(rate: int, hz: NDArray[np.float64], rng: Rng) -> Samples:
    t = np.arange(round(0.05 * rate))[:, None] / rate
    decay = rng.uniform(0.002, 0.008, size=hz.size)
    weight = rng.uniform(0.3, 1.0, size=hz.size) * (hz < 0.45 * rate)
    rings = np.sin(2 * np.pi * hz * t) * np.exp(-t / decay) * weight
    return np.asarray(rings.sum(axis=1), dtype=np.float32)


@lru_cache(maxsize=64)
def _pluck(hz: float, rate: int, seconds: float) -> Samples:
    """A plucked note: harmonics up to the eighth, the higher the softer and the sooner gone."""
    t = np.arange(round(seconds * rate), dtype=np.float32) / np.float32(rate)
    angle = np.float32(2 * np.pi * hz) * t
    twice, before, this = 2 * np.cos(angle), np.zeros_like(t), np.sin(angle)
    fade = np.exp(-t * np.float32(2.0 / seconds))
    weight = fade.copy()
    out = np.zeros_like(t)
    for harmonic in range(1, 9):
        if harmonic * hz > 0.45 * rate:
            break
        out += this * weight / np.float32(harmonic)
        weight = weight * fade
        this, before = twice * this - before, this
    out *= np.minimum(t * np.float32(200), 1) * np.minimum((t[-1] - t) * np.float32(50), 1)
    out.flags.writeable = False
    return out


def _place(out: Samples, at: int, sound: Samples) -> None:
    """Add ``sound`` to ``out`` from sample ``at`` on, as far as it lies within."""
    start, stop = max(at, 0), min(at + sound.size, out.size)
    if start < stop:
        out[start:stop] += sound[start - at : stop - at]


def _with_floor(sound: Samples, rng: Rng) -> Samples:
    floor = _FLOOR * max(_peak(sound), 1e-3)
    return np.asarray(sound + floor * rng.standard_normal(sound.size, dtype=np.float32), dtype=np.float32)


def _peak(sound: Samples) -> float:
    return float(np.abs(sound).max())


def _rms(sound: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) or 1.0
