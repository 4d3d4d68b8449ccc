"""RawBoost: what a telephone or a cheap microphone does to a waveform, drawn anew for every crop.

Tak, Kamble, Patino, Todisco and Evans, "RawBoost: A raw data boosting and augmentation method applied to automatic
speaker verification anti-spoofing" (ICASSP 2022), §3: linear and non-linear convolutive noise, impulsive
signal-dependent noise, stationary signal-independent noise, with the ranges of its table of parameters. Written from
the paper; filters are applied without delay, so that paired crops stay aligned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..types import Rng, Samples

RATE = 16_000
ORDERS = 5  # N_f: powers of the waveform
NOTCHES = 5
CENTRES = (20.0, 8000.0)  # Hz
WIDTHS = (100.0, 1000.0)  # Hz
TAPS = (10, 100)
HARMONICS = (-20.0, -5.0)  # dB: gain of the powers above the first
SHARE = 0.10  # P: largest share of samples hit by an impulse
IMPULSE = 2.0  # g_sd: largest impulse, as a multiple of the sample it falls on
SNR = (10.0, 40.0)  # dB of stationary noise
_GRID = 512


def boost(x: Samples, kinds: Sequence[str], rng: Rng) -> Samples:
    """One of ``kinds``, drawn by ``rng``, with the root mean square of x. x: shape (T,), at 16 kHz."""
    return KINDS[kinds[int(rng.integers(len(kinds)))]](x, rng)


def convolutive(x: Samples, rng: Rng) -> Samples:
    """Sum over j = 1 … 5 of a gain times a bank of notches over x to the power j (equation 1 of the paper)."""
    out = np.zeros(x.size)
    peak = float(np.abs(x).max()) or 1.0
    power = unit = x.astype(np.float64) / peak
    for order in range(1, ORDERS + 1):
        gain = 1.0 if order == 1 else 10 ** (rng.uniform(*HARMONICS) / 20)
        out += gain * filtered(power, notches(rng))
        power = power * unit
    return _levelled(out - out.mean(), x)


def impulsive(x: Samples, rng: Rng) -> Samples:
    """Some samples, at most a tenth, are moved by up to twice their own value (equation 2 of the paper)."""
    hit = rng.choice(x.size, int(rng.uniform(0, SHARE) * x.size), replace=False)
    out = x.astype(np.float64)
    out[hit] += IMPULSE * rng.uniform(-1, 1, hit.size) * rng.uniform(-1, 1, hit.size) * out[hit]
    return _levelled(out, x)


def stationary(x: Samples, rng: Rng) -> Samples:
    """White noise through a bank of notches, at 10 to 40 dB below the signal (equation 3 of the paper)."""
    noise = filtered(rng.standard_normal(x.size), notches(rng))
    return _levelled(add_noise(x, noise, rng.uniform(*SNR)), x)


def notches(rng: Rng) -> NDArray[np.float64]:
    """A symmetric FIR filter of 11 to 101 taps that stops five bands and passes the rest.

    A Hann-windowed frequency-sampling design: the fewer its taps, the shallower the notches.
    """
    hertz = np.arange(_GRID // 2 + 1) * RATE / _GRID
    wanted = np.ones(hertz.size)
    for _ in range(NOTCHES):
        centre, width = rng.uniform(*CENTRES), rng.uniform(*WIDTHS)
        wanted[np.abs(hertz - centre) <= width / 2] = 0.0
    half = int(rng.integers(TAPS[0] // 2, TAPS[1] // 2 + 1))
    response = np.roll(scipy.fft.irfft(wanted), _GRID // 2)
    return response[_GRID // 2 - half : _GRID // 2 + half + 1] * np.hanning(2 * half + 3)[1:-1]


def filtered(x: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolution with a symmetric filter of an odd number of taps, without its delay; as long as x."""
    size = scipy.fft.next_fast_len(x.size + taps.size - 1, real=True)
    out = scipy.fft.irfft(scipy.fft.rfft(x, size) * scipy.fft.rfft(taps, size), size)
    return np.asarray(out[taps.size // 2 :][: x.size])


def add_noise(x: Samples, noise: NDArray[np.floating], snr: float) -> NDArray[np.float64]:
    """x and ``noise`` scaled to lie ``snr`` dB below it in power; silence stays silence."""
    power = np.square(noise, dtype=np.float64).mean()
    gain = np.sqrt(np.square(x, dtype=np.float64).mean() / max(power, 1e-20)) * 10 ** (-snr / 20)
    return np.asarray(x + gain * noise)


def _levelled(out: NDArray[np.float64], x: Samples) -> Samples:
    """``out`` with the root mean square of x."""
    want, have = np.square(x, dtype=np.float64).mean(), np.square(out).mean()
    return np.asarray(out * np.sqrt(want / max(have, 1e-20)), dtype=np.float32)


KINDS: Mapping[str, Callable[[Samples, Rng], Samples]] = MappingProxyType(
    {"convolutive": convolutive, "impulsive": impulsive, "stationary": stationary}
)
