"""Source-filter analysis of speech: pitch, spectral envelope, aperiodicity, and the minimum-phase response.

What the vocoders stand on. Frames are 5 ms apart and centred: frame i is at sample ``i · hop``.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..errors import BadAudio
from ..types import Samples

Floats = NDArray[np.float64]

F0_LOW, F0_HIGH = 65.0, 420.0  # Hz; adult voices
FFT = 1024  # longer than three periods of F0_LOW at 16 kHz, as the envelope needs
_CANDIDATES = 6


def hop_of(rate: int) -> int:
    """Samples between frames: 5 ms."""
    return max(1, round(rate * 0.005))


def frame_count(samples: int, rate: int) -> int:
    """Frames of a clip of so many samples."""
    return samples // hop_of(rate) + 1


def pitch(x: Samples, rate: int) -> Floats:
    """Fundamental frequency in Hz a frame, shape (frames,); 0 where unvoiced.

    Autocorrelation divided by that of the window, six candidates a frame and the cheapest path through them, with
    the costs of Boersma, "Accurate short-term analysis of the fundamental frequency" (IFA Proceedings 17, 1993):
    voicing threshold 0.45, silence threshold 0.03, octave cost 0.01, octave-jump 0.35, voiced/unvoiced 0.14.
    """
    hop, count = hop_of(rate), frame_count(x.size, rate)
    length = int(3 * rate / F0_LOW)
    size = scipy.fft.next_fast_len(length + int(rate / F0_LOW) + 2, real=True)
    frames = _frames(x, length, hop, count)
    frames = frames - frames.mean(axis=1, keepdims=True)
    taper = np.hanning(length + 2)[1:-1]
    own = _autocorrelation(frames * taper, size)
    window = _autocorrelation(taper[None], size)
    peak = np.abs(frames).max(axis=1)
    first, last = int(rate / F0_HIGH), int(rate / F0_LOW) + 1
    r = own[:, : last + 2] / np.maximum(own[:, :1], 1e-12) / (window[:, : last + 2] / window[0, 0])
    middle = r[:, first : last + 1]
    tops = (middle > r[:, first - 1 : last]) & (middle >= r[:, first + 1 : last + 2])
    strength = np.where(tops, middle, 0.0) - 0.01 * np.log2(F0_LOW * np.arange(first, last + 1) / rate)
    chosen = np.argsort(-np.where(tops, strength, -1.0), axis=1, kind="stable")[:, :_CANDIDATES]
    row = np.arange(count)[:, None]
    lag = chosen + first
    below, at, above = r[row, lag - 1], r[row, lag], r[row, lag + 1]
    bend = np.minimum(below - 2 * at + above, -1e-9)
    shift = np.clip(0.5 * (below - above) / bend, -0.5, 0.5)
    f0 = rate / (lag + shift)
    value = strength[row, chosen] - 0.25 * (below - above) * shift  # the height between the lags
    value = np.where(tops[row, chosen], value, -1.0)
    # A candidate 0 for "unvoiced": strong where the frame is quiet beside the loudest of the clip.
    quiet = peak / max(float(peak.max()), 1e-12) / (0.03 / 1.45)
    value = np.concatenate([(0.45 + np.maximum(0.0, 2.0 - quiet))[:, None], value], axis=1)
    f0 = np.concatenate([np.zeros((count, 1)), f0], axis=1)
    return f0[np.arange(count), _best_path(f0, value)]


def envelope(x: Samples, rate: int, f0: Floats) -> Floats:
    """Power spectral envelope a frame, shape (frames, FFT/2+1); of white noise of variance v it is v everywhere.

    CheapTrick (Morise, "CheapTrick, a spectral envelope estimator for high-quality speech synthesis", Speech
    Communication 67, 2015): a Hann window of three periods, smoothing by a rectangle 2/3 f0 wide, then a lifter that
    removes the harmonics and restores the peaks (q0 = 1.18, q1 = -0.09). Unvoiced frames count as 500 Hz.

    Raises BadAudio for a rate at which three periods of the lowest voice do not fit the FFT.
    """
    hop, count = hop_of(rate), f0.size
    tone = np.where(f0 > 0, f0, 500.0)[:, None]
    length = 2 * int(1.5 * rate / F0_LOW) + 1
    if length > FFT:
        raise BadAudio(
            f"this analysis is made for 16 kHz, up to {FFT * F0_LOW / 3:.0f} Hz; resample from {rate} Hz"
        )
    frames = _frames(x, length, hop, count)
    n = np.arange(length) - length // 2
    reach = 1.5 * rate / tone
    taper = np.where(np.abs(n) < reach, 0.5 + 0.5 * np.cos(np.pi * n / reach), 0.0)
    taper /= np.sqrt(np.square(taper).sum(axis=1, keepdims=True))
    power = np.square(np.abs(scipy.fft.rfft(frames * taper, n=FFT, axis=1))) + 1e-12
    smooth = _smoothed(power, rate, 2 * tone / 3)
    cepstra = scipy.fft.irfft(np.log(smooth), axis=1)
    quefrency = np.minimum(np.arange(FFT), FFT - np.arange(FFT)) / rate
    lifter = np.sinc(tone * quefrency) * (1.18 - 2 * 0.09 * np.cos(2 * np.pi * tone * quefrency))
    return np.asarray(np.exp(scipy.fft.rfft(cepstra * lifter, axis=1).real))


def aperiodicity(x: Samples, rate: int, f0: Floats) -> Floats:
    """Share of the power that is noise, 0 to 1, shape (frames, FFT/2+1); 1 where unvoiced.

    In five bands, one minus the correlation of the signal with itself a period later; above 2 kHz that of its
    envelope, which forgives a wrong f0 (the voicing strengths of MELP: McCree and Barnwell, "A mixed excitation LPC
    vocoder model for low bit rate speech coding", IEEE Trans. Speech and Audio Processing 3(4), 1995).
    """
    hop, count = hop_of(rate), f0.size
    edges = np.array([0.0, 0.125, 0.25, 0.5, 0.75, 1.0]) * rate / 2
    spectrum, hz = scipy.fft.rfft(x.astype(np.float64)), scipy.fft.rfftfreq(x.size, 1 / rate)
    period = np.round(rate / np.where(f0 > 0, f0, 200.0)).astype(np.int64)
    length = int(2 * rate / F0_LOW)
    shares = np.ones((count, 5))
    here = np.arange(length) + np.arange(count)[:, None] * hop
    for band, (low, high) in enumerate(pairwise(edges)):
        part = scipy.fft.irfft(np.where((hz >= low) & (hz < high), spectrum, 0), n=x.size)
        if low >= 2000:
            part = _hilbert_envelope(part)
            part = part - _running_mean(part, int(rate / F0_LOW))
        padded = np.pad(part, (length // 2, 2 * length))
        now, later = padded[here], padded[here + period[:, None]]
        inside = np.arange(length) < 2 * period[:, None]
        now, later = now * inside, later * inside
        energy = np.sqrt(np.square(now).sum(axis=1) * np.square(later).sum(axis=1)) + 1e-12
        shares[:, band] = 1 - np.clip((now * later).sum(axis=1) / energy, 0.0, 1.0)
    shares[f0 <= 0] = 1.0
    middles = (edges[:-1] + edges[1:]) / 2
    grid = np.arange(FFT // 2 + 1) * rate / FFT
    return np.stack([np.interp(grid, middles, share) for share in shares])


def minimum_phase(power: Floats) -> NDArray[np.complex128]:
    """Frequency responses of minimum phase with these power spectra, shape (…, FFT/2+1), by folding the cepstrum.

    Oppenheim and Schafer, Discrete-Time Signal Processing, the section on the realisation of the Hilbert transform of log spectra.
    """
    cepstra = scipy.fft.irfft(0.5 * np.log(power), n=FFT, axis=-1)
    fold = np.zeros(FFT)
    fold[0] = fold[FFT // 2] = 1.0
    fold[1 : FFT // 2] = 2.0
    return np.asarray(np.exp(scipy.fft.rfft(cepstra * fold, axis=-1)))


def at_samples(values: Floats, samples: int, rate: int) -> Floats:
    """Frame values to sample values, linearly."""
    return np.asarray(np.interp(np.arange(samples) / hop_of(rate), np.arange(values.shape[0]), values))


def gapless(f0: Floats, default: float = 150.0) -> Floats:
    """f0 with its unvoiced stretches bridged, so that a phase can run through them."""
    voiced = np.flatnonzero(f0 > 0)
    if not voiced.size:
        return np.full(f0.shape, default)
    return np.asarray(np.interp(np.arange(f0.size), voiced, f0[voiced]))


def _frames(x: Samples, length: int, hop: int, count: int) -> Floats:
    padded = np.pad(x.astype(np.float64), (length // 2, length + hop))
    view = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop][:count]
    return np.asarray(view)


def _autocorrelation(frames: Floats, size: int) -> Floats:
    return np.asarray(
        scipy.fft.irfft(np.square(np.abs(scipy.fft.rfft(frames, n=size, axis=1))), n=size, axis=1)
    )


def _best_path(f0: Floats, value: Floats) -> NDArray[np.int64]:
    scale = 2.0  # Boersma's transition costs are for steps of 10 ms; ours are of 5 ms
    count = len(f0)
    octave = np.log2(np.maximum(f0, 1.0))
    voiced = f0 > 0
    best = value[0].copy()
    back = np.zeros(f0.shape, dtype=np.int64)
    for i in range(1, count):
        jump = 0.35 * np.abs(octave[i][:, None] - octave[i - 1][None])
        both = voiced[i][:, None] & voiced[i - 1][None]
        cost = scale * np.where(both, jump, 0.14 * (voiced[i][:, None] != voiced[i - 1][None]))
        total = best[None] - cost
        back[i] = total.argmax(axis=1)
        best = total[np.arange(total.shape[0]), back[i]] + value[i]
    path = np.zeros(count, dtype=np.int64)
    path[-1] = int(best.argmax())
    for i in range(count - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path


def _smoothed(power: Floats, rate: int, width: Floats) -> Floats:
    """Mean of the spectrum over ``width`` Hz around each bin, mirrored at both ends; width of shape (frames, 1)."""
    bins = power.shape[1]
    reach = bins - 1
    mirrored = np.concatenate([power[:, reach:0:-1], power, power[:, -2 : -bins - 1 : -1]], axis=1)
    total = np.cumsum(mirrored, axis=1)
    total = np.concatenate([np.zeros((len(power), 1)), total], axis=1)  # total[i] = sum of the first i bins
    half = width / 2 * FFT / rate
    centre = np.arange(bins)[None] + reach + 0.5

    def upto(place: Floats) -> Floats:
        whole = np.floor(place).astype(np.int64)
        row = np.arange(len(power))[:, None]
        return np.asarray(total[row, whole] + (place - whole) * mirrored[row, whole])

    return np.asarray((upto(centre + half) - upto(centre - half)) / (2 * half))


def _hilbert_envelope(x: Floats) -> Floats:
    spectrum = scipy.fft.fft(x)
    half = x.size // 2
    spectrum[1 : (x.size + 1) // 2] *= 2
    spectrum[half + 1 :] = 0
    return np.asarray(np.abs(scipy.fft.ifft(spectrum)))


def _running_mean(x: Floats, width: int) -> Floats:
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(x, max(1, width)))
