"""How the phases of voiced speech follow from its magnitudes: too well, or not at all.

A vocal tract is nearly of minimum phase and the glottal pulse is not. Vocoders of minimum phase are too regular;
phases that were invented or estimated (Griffin-Lim, many networks) are too loose. Both kinds of error are in the
literature on phase-based detection (De Leon, Pucher, Yamagishi, Hernaez and Saratxaga, "Evaluation of speaker
verification security and detection of HMM-based synthetic speech", IEEE TASLP 20(8), 2012).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .analysis import HOP, RATE, Analysis, Floats
from .measure import Reading, Span, measure, unknown

Spectra: TypeAlias = NDArray[np.complex128]

_FFT = 1024
_LEAST = 20  # voiced frames
_MOST = 200  # of them that are looked at, evenly over the excerpt


@measure(
    "phase coherence",
    family="phase",
    unit="",
    low="phases unlike those of a voice, as if drawn at random",
    high="phases too regular, as of a minimum-phase pulse train",
)
def coherence(heard: Analysis) -> Reading:
    """How far the phases of single voice periods are those of minimum phase, 0 (random) to 1 (a vocoder's pulses).

    Of each voiced period, around its peak: the highest peak, over all delays, of the spectrum's phase held against the
    minimum phase of its own magnitude, weighted by magnitude; the median over the periods.
    """
    values, times = _coherences(heard)
    if values.size < _LEAST:
        return unknown("there is too little voiced speech")
    return Reading(float(np.median(values)), _voiced(times))


@measure(
    "phase steadiness",
    family="phase",
    unit="",
    low="phases change from one period to the next",
    high="phases repeat from one period to the next",
)
def steadiness(heard: Analysis) -> Reading:
    """How alike the phases of neighbouring voice periods are between 0.3 and 4 kHz, 0 to 1; the median over the excerpt.

    Phase of the cross-spectrum of two periods, weighted by magnitude, at its best delay.
    """
    spectra, times = _periods(heard)
    if len(spectra) < _LEAST:
        return unknown("there is too little voiced speech")
    low, high = round(300 * _FFT / RATE), round(4000 * _FFT / RATE)
    near = np.diff(times) < 0.02
    cross = (spectra[1:] * spectra[:-1].conj())[near]
    if len(cross) < _LEAST:
        return unknown("there is too little voiced speech")
    weight = np.sqrt(np.abs(cross))
    turned = np.where(np.abs(cross) > 0, cross / np.maximum(np.abs(cross), 1e-30), 0) * weight
    band = np.zeros_like(turned)
    band[:, low:high] = turned[:, low:high]
    peak = np.abs(scipy.fft.ifft(band, n=4 * _FFT, axis=1)).max(axis=1) * 4 * _FFT
    return Reading(
        float(np.median(peak / np.maximum(weight[:, low:high].sum(axis=1), 1e-30))), _voiced(times)
    )


def _coherences(heard: Analysis) -> tuple[Floats, Floats]:
    spectra, times = _periods(heard)
    if not len(spectra):
        return np.zeros(0), times
    size = np.abs(spectra) + 1e-9
    cepstra = scipy.fft.irfft(np.log(size), axis=1)
    fold = np.zeros(_FFT)
    fold[0] = fold[_FFT // 2] = 1.0
    fold[1 : _FFT // 2] = 2.0
    least = scipy.fft.rfft(cepstra * fold, axis=1).imag
    turned = size * np.exp(1j * (np.angle(spectra) - least))
    turned[:, :8] = 0  # below 125 Hz: the window's doing
    weight = np.abs(turned).sum(axis=1)
    peak = np.abs(scipy.fft.ifft(turned, n=4 * _FFT, axis=1)).max(axis=1) * 4 * _FFT
    return np.asarray(peak / weight), times


@lru_cache(maxsize=2)  # an Analysis is itself and nothing else: two measures ask for the same one
def _periods(heard: Analysis) -> tuple[Spectra, Floats]:
    """Spectra of single periods, (N, 513), around their peaks, and the times of these in seconds, (N,).

    A Hann window of two periods, centred on the greatest energy (over 1 ms) of the period around a voiced frame.
    """
    x = np.pad(heard.samples.astype(np.float64), _FFT)
    energy = np.convolve(np.square(x), np.full(16, 1.0), mode="same")
    frames = np.flatnonzero((heard.f0 > 0) & heard.speech)
    frames = (
        frames[np.linspace(0, frames.size - 1, min(_MOST, frames.size)).astype(int)]
        if frames.size
        else frames
    )
    made, times = [], []
    for i in frames:
        period = round(RATE / heard.f0[i])
        middle = int(i) * HOP + _FFT
        around = slice(middle - period // 2, middle - period // 2 + period)
        centre = around.start + int(np.argmax(energy[around]))
        wide = min(period, _FFT // 2)
        taper = np.hanning(2 * wide + 1)
        made.append(scipy.fft.rfft(x[centre - wide : centre + wide + 1] * taper, n=_FFT))
        times.append((centre - _FFT) / RATE)
    if not made:
        return np.zeros((0, _FFT // 2 + 1), dtype=np.complex128), np.zeros(0)
    return np.stack(made), np.array(times)


def _voiced(times: Floats) -> tuple[Span, ...]:
    return (Span(max(0.0, float(times.min())), float(times.max()), 125.0, RATE / 2),)
