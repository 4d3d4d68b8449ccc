"""Vocoders for copy-synthesis: a clip taken apart and made again, so that only the synthesis differs.

Five unlike kinds: four of signal processing, and a small neural network whose weights come with the package. Each is a
pure function ``vocoder(clip, rng) -> clip`` of the same length and rate, about the same level, and silent for
silence; all chance comes from ``rng``. Every one leaves another trace: pulses of minimum phase, inconsistent phases,
all-pole buzz, harmonics of steady phase, and predicted phases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from ..audio import fit
from ..mel import bank as mel_bank
from ..types import Clip, Rng, Samples
from . import neural_vocoder as neural
from .neural_vocoder import SILENCE
from .source_filter import (
    FFT,
    Floats,
    aperiodicity,
    at_samples,
    envelope,
    frame_count,
    gapless,
    hop_of,
    minimum_phase,
    pitch,
)

Vocoder: TypeAlias = Callable[[Clip, Rng], Clip]
Spectra: TypeAlias = NDArray[np.complex64]


def mixed_excitation(clip: Clip, rng: Rng) -> Clip:
    """Pitch, smooth envelope and noise shares, made again pulse by pulse with minimum-phase responses.

    In the manner of WORLD (Morise, Yokomori and Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system
    for real-time applications", IEICE Trans. E99-D(7), 2016), written anew: f0 by autocorrelation rather than
    DIO or Harvest, CheapTrick's envelope, band correlations rather than D4C.
    """
    x, rate = clip.samples, clip.rate
    if _silent(x):
        return clip.replace(np.zeros(x.size))
    f0 = pitch(x, rate)
    power = envelope(x, rate, f0)
    noisy = np.clip(aperiodicity(x, rate, f0), 1e-3, 1.0)
    step = (
        at_samples(np.where(f0 > 0, f0, 200.0), x.size, rate) / rate
    )  # unvoiced: a new noise burst every 5 ms
    phase = np.cumsum(step)
    turns = np.flatnonzero(np.diff(np.floor(phase), prepend=0.0) > 0)
    if not turns.size:
        turns = np.zeros(1, dtype=np.int64)
    late = (phase[turns] - np.floor(phase[turns])) / step[turns]  # the pulse fell this many samples earlier
    gaps = np.diff(np.append(turns, x.size)).astype(np.float64)
    frame = np.minimum(np.round(turns / hop_of(rate)).astype(np.int64), f0.size - 1)
    voiced = (f0[frame] > 0)[:, None]
    tonal = minimum_phase(np.maximum(power[frame] * (1 - noisy[frame]), 1e-16))
    rough = minimum_phase(np.maximum(power[frame] * noisy[frame], 1e-16))
    omega = 2 * np.pi * np.arange(FFT // 2 + 1) / FFT
    # A train of pulses has a line at 0 Hz that no voice has: fade the response out below the first harmonic.
    fade = np.minimum(omega / (2 * np.pi * step[turns][:, None] * 0.7), 1.0)
    pulse = np.sqrt(gaps)[:, None] * np.exp(1j * omega * late[:, None]) * voiced * fade
    burst = np.where(np.arange(FFT) < gaps[:, None], rng.standard_normal((turns.size, FFT)), 0.0)
    made = scipy.fft.irfft(tonal * pulse + rough * scipy.fft.rfft(burst, axis=1), n=FFT, axis=1)
    out = np.zeros(x.size + FFT)
    for start, piece in zip(turns, made, strict=True):
        out[start : start + FFT] += piece
    return clip.replace(out[: x.size])


def mel_inversion(clip: Clip, rng: Rng) -> Clip:
    """A mel spectrogram of 80 bands, inverted: pseudo-inverse, then 32 rounds of fast Griffin-Lim.

    FFT 1024, hop 256, HTK mel scale. Griffin and Lim, "Signal estimation from modified short-time Fourier transform"
    (IEEE TASSP 32(2), 1984); the momentum of 0.99 is from Perraudin, Balazs and Søndergaard, "A fast Griffin-Lim
    algorithm" (WASPAA 2013). The inverse of most early text-to-speech with spectrogram networks.
    """
    x = clip.samples
    if _silent(x):
        return clip.replace(np.zeros(x.size))
    bank = mel_bank(80, clip.rate)
    mel = np.abs(_stft(x)) @ bank.T
    magnitude = np.maximum(mel @ np.linalg.pinv(bank).T.astype(np.float32), np.float32(1e-7))
    spectra = (magnitude * np.exp(2j * np.pi * rng.random(magnitude.shape))).astype(np.complex64)
    before = np.zeros_like(spectra)
    for _ in range(32):
        found = _stft(_istft(spectra, x.size))
        pushed = found + np.float32(0.99) * (found - before)
        before = found
        spectra = magnitude * (pushed / np.maximum(np.abs(pushed), np.float32(1e-9)))
    return clip.replace(_istft(spectra, x.size))


def lpc(clip: Clip, rng: Rng) -> Clip:
    """Linear prediction of order 20 every 10 ms, excited by pulses or by noise, one or the other.

    Atal and Hanauer, "Speech analysis and synthesis by linear prediction of the speech wave" (JASA 50(2B), 1971):
    autocorrelation method, 30 ms Hann windows, pre-emphasis 0.9; the hard switch gives the buzz of the early coders.
    """
    x, rate = clip.samples.astype(np.float64), clip.rate
    if _silent(clip.samples):
        return clip.replace(np.zeros(x.size))
    order, hop, length = 20, 2 * hop_of(rate), 3 * rate // 100
    widen = np.exp(-np.pi * 15 / rate) ** np.arange(1, order + 1)  # 15 Hz: no pole on the unit circle
    f0 = pitch(clip.samples, rate)
    voiced = f0[np.minimum(np.arange(x.size) // hop_of(rate), f0.size - 1)] > 0
    tone = at_samples(gapless(f0), x.size, rate)
    pulses = np.diff(np.floor(np.cumsum(tone / rate)), prepend=0.0) * np.sqrt(rate / tone) - np.sqrt(
        tone / rate
    )
    source = np.where(voiced, pulses, rng.standard_normal(x.size))
    padded, taper = np.pad(lfilter([1.0, -0.9], [1.0], x), (length // 2, length)), np.hanning(length)
    scale = np.square(taper).sum()
    out, state = np.zeros(x.size), np.zeros(order)
    for start in range(0, x.size, hop):
        frame = padded[start : start + length]
        frame = (frame - frame.mean()) * taper
        r = np.correlate(frame, frame, "full")[length - 1 : length + order]
        r[0] = r[0] * (1 + 1e-5) + 1e-12  # keeps the filter stable in silence
        a = solve_toeplitz(r[:-1], r[1:]) * widen
        gain = np.sqrt(max(r[0] - a @ r[1:], 0.0) / scale)
        out[start : start + hop], state = lfilter(
            [1.0], np.r_[1.0, -a], gain * source[start : start + hop], zi=state
        )
    return clip.replace(lfilter([1.0], [1.0, -0.9], out))


def harmonic_noise(clip: Clip, rng: Rng) -> Clip:
    """Harmonics of f0 up to 4 kHz with steady phases, and shaped noise above them and where there is no voice.

    The harmonic plus noise model (Stylianou, "Applying the harmonic plus noise model in concatenative speech
    synthesis", IEEE Trans. Speech and Audio Processing 9(1), 2001) with a fixed maximum voiced frequency, amplitudes read off the
    spectrum at the harmonics, and one random phase a harmonic for the whole clip.
    """
    x, rate = clip.samples, clip.rate
    if _silent(x):
        return clip.replace(np.zeros(x.size))
    f0 = pitch(x, rate)
    limit, hop, length = min(4000.0, 0.45 * rate), hop_of(rate), 5 * hop_of(rate) * 2
    count = frame_count(x.size, rate)
    taper = np.hanning(length + 1)[:-1]
    view = np.lib.stride_tricks.sliding_window_view(np.pad(x, (length // 2, length)), length)
    spectrum = np.abs(scipy.fft.rfft(view[::hop][:count] * taper, n=2 * FFT, axis=1))
    tone, voiced = gapless(f0), (f0 > 0).astype(np.float64)
    phase = 2 * np.pi * np.cumsum(at_samples(tone, x.size, rate)) / rate
    row, out = np.arange(count), np.zeros(x.size)
    for k in range(1, int(limit / tone.min()) + 1):
        place = np.minimum(k * tone * 2 * FFT / rate, FFT - 1.0)
        low = place.astype(np.int64)
        part = place - low
        height = (1 - part) * spectrum[row, low] + part * spectrum[row, low + 1]
        amplitude = 2 * height / taper.sum() * voiced * (k * tone < limit)
        out += at_samples(amplitude, x.size, rate) * np.cos(k * phase + 2 * np.pi * rng.random())
    return clip.replace(out + _noise_part(x, rate, voiced, limit, rng))


def neural_vocoder(clip: Clip, rng: Rng) -> Clip:
    """A neural network from the same mel spectrogram, trained by this project: ConvNeXt blocks and an inverse STFT.

    In the manner of Vocos (Siuzdak, "Vocos: closing the gap between time-domain and Fourier-based neural vocoders",
    ICLR 2024), small. It draws nothing from ``rng``. Raises MissingPart where its weights are not in the installation.
    """
    return neural.copy(clip, "neural-vocoder")


def _noise_part(x: Samples, rate: int, voiced: Floats, limit: float, rng: Rng) -> Samples:
    """White noise under the magnitudes of x, smoothed over 250 Hz: all of it where unvoiced, the top where voiced."""
    from scipy.ndimage import uniform_filter1d

    fft = FFT // 4  # 16 ms at 16 kHz: noise does not spill into pauses
    spectra = _stft(x, fft)
    power = uniform_filter1d(np.square(np.abs(spectra)), max(1, round(250 * fft / rate)), axis=1)
    white = _stft(rng.standard_normal(x.size).astype(np.float32), fft)
    white /= np.sqrt(np.float32(np.mean(np.square(np.abs(white)))))
    times = np.arange(len(spectra)) * (fft // 4) / hop_of(rate)
    share = np.interp(times, np.arange(voiced.size), voiced)[:, None]
    above = np.clip((np.arange(fft // 2 + 1) * rate / fft - limit) / 200 + 0.5, 0.0, 1.0)
    gain = np.sqrt(np.maximum(power, 0.0) * ((1 - share) + share * above))  # a running mean may dip below 0
    return _istft((white * gain).astype(np.complex64), x.size, fft)


def _stft(x: Samples, fft: int = FFT) -> Spectra:
    """Spectra of centred Hann windows a quarter apart, shape (frames, fft/2+1)."""
    padded = np.pad(x.astype(np.float32, copy=False), (fft // 2, fft // 2))
    padded = np.pad(padded, (0, -(padded.size - fft) % (fft // 4)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, fft)[:: fft // 4]
    return np.asarray(scipy.fft.rfft(frames * _hann(fft), axis=1))


def _istft(spectra: Spectra, samples: int, fft: int = FFT) -> Samples:
    """The least-squares inverse of Griffin and Lim (1984), cut or filled up to ``samples``."""
    hop, taper = fft // 4, _hann(fft)
    frames = scipy.fft.irfft(spectra, n=fft, axis=1).astype(np.float32, copy=False) * taper
    out = np.zeros((len(frames) + 3, hop), dtype=np.float32)
    weight = np.zeros_like(out)
    for quarter in range(4):
        part = slice(quarter * hop, (quarter + 1) * hop)
        out[quarter : quarter + len(frames)] += frames[:, part]
        weight[quarter : quarter + len(frames)] += np.square(taper[part])
    flat = np.asarray(out / np.maximum(weight, np.float32(1e-3)), dtype=np.float32).reshape(-1)
    return fit(flat[fft // 2 :], samples)


def _hann(length: int) -> Samples:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


def _silent(x: Samples) -> bool:
    return bool(np.abs(x).max() < SILENCE)


VOCODERS: Mapping[str, Vocoder] = MappingProxyType(
    {
        "mixed_excitation": mixed_excitation,
        "mel_inversion": mel_inversion,
        "lpc": lpc,
        "harmonic_noise": harmonic_noise,
        "neural_vocoder": neural_vocoder,
    }
)
