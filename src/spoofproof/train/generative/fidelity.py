"""How near a made clip comes to the recorded one: three measures that need no ears, and no torch."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ...audio import fit, resample
from ...errors import BadAudio
from ...mel import HOP, analyse
from ...types import Clip, Samples

Floats = NDArray[np.float64]
_DB = 20 / np.log(10)  # of a natural logarithm of magnitudes


def mel_distance(clean: Clip, made: Clip) -> float:
    """Mean absolute difference of log mel magnitudes in dB: 80 bands, frames of 64 ms every 16 ms, at 16 kHz.

    Magnitudes are floored 60 dB or so beneath speech at -26 dB of full scale, which is the level to give it.
    """
    a, b = (analyse(_whole(resample(clip, 16_000).samples)) for clip in (clean, made))
    return float(_DB * np.abs(a - b).mean())


def spectral_distance(clean: Clip, made: Clip) -> float:
    """Log-spectral distance in dB: the root mean square over 257 bins, averaged over frames of 32 ms every 8 ms.

    Bins more than 60 dB beneath the loudest of the clean clip count as 60 dB beneath it.
    """
    a, b = (_magnitudes(resample(clip, 16_000).samples, 512, 128, 512) for clip in (clean, made))
    floor = a.max() * 1e-3
    apart = 20 * (np.log10(np.maximum(a, floor)) - np.log10(np.maximum(b, floor)))
    return float(np.sqrt(np.square(apart).mean(axis=1)).mean())


def stoi(clean: Clip, made: Clip) -> float:
    """Short-time objective intelligibility, -1 to 1 (Taal, Hendriks, Heusdens and Jensen 2011, IEEE TASLP 19(7)).

    At 10 kHz: frames 40 dB beneath the loudest of the clean clip are dropped from both; 15 third-octave bands from
    150 Hz; the correlation of 384 ms of each band's envelope, made's scaled and clipped at -15 dB of distortion.
    Raises BadAudio where less than 384 ms are left.
    """
    x, y = (resample(clip, 10_000).samples.astype(np.float64) for clip in (clean, made))
    x, y = _loud(x, y)
    bands = _third_octaves()
    a, b = (np.sqrt(np.square(_magnitudes(s, 256, 128, 512)) @ bands.T).T for s in (x, y))  # (15, frames)
    if a.shape[1] < 30:
        raise BadAudio(f"{a.shape[1]} frames of speech are too few for STOI, which looks at 30 at a time")
    one, two = (np.lib.stride_tricks.sliding_window_view(s, 30, axis=1) for s in (a, b))  # (15, M, 30)
    tiny = np.finfo(np.float64).eps
    gain = np.linalg.norm(one, axis=2, keepdims=True) / (np.linalg.norm(two, axis=2, keepdims=True) + tiny)
    two = np.minimum(two * gain, one * (1 + 10 ** (15 / 20)))
    one, two = (s - s.mean(axis=2, keepdims=True) for s in (one, two))
    norms = np.linalg.norm(one, axis=2) * np.linalg.norm(two, axis=2) + tiny
    return float(((one * two).sum(axis=2) / norms).mean())


def _whole(x: Samples) -> Samples:
    return fit(x, -(-x.size // HOP) * HOP)


def _loud(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Both without the frames in which x is 40 dB or more beneath its loudest, put together again by overlap-add."""
    taper = np.hanning(258)[1:-1]
    frames = [np.lib.stride_tricks.sliding_window_view(s, 256)[::128] * taper for s in (x, y)]
    energy = 20 * np.log10(np.linalg.norm(frames[0], axis=1) + np.finfo(np.float64).eps)
    kept = energy > energy.max() - 40
    out = []
    for part in frames:
        part = part[kept]
        joined = np.zeros((len(part) + 1) * 128)
        for i, frame in enumerate(part):
            joined[i * 128 : i * 128 + 256] += frame
        out.append(joined)
    return out[0], out[1]


def _third_octaves() -> Floats:
    """Zeros and ones, shape (15, 257): which bins of an FFT of 512 at 10 kHz each band adds up."""
    hz = np.linspace(0, 10_000, 513)[:257]
    out = np.zeros((15, 257))
    for band in range(15):
        low, high = (150 * 2 ** ((2 * band + side) / 6) for side in (-1, 1))
        out[band, np.abs(hz - low).argmin() : np.abs(hz - high).argmin()] = 1
    return out


def _magnitudes(x: Samples | Floats, length: int, hop: int, fft: int) -> Floats:
    """Magnitudes of Hann frames, shape (frames, fft / 2 + 1)."""
    y = np.zeros(max(length, x.size))
    y[: x.size] = x
    frames = np.lib.stride_tricks.sliding_window_view(y, length)[::hop] * np.hanning(length + 2)[1:-1]
    return np.abs(scipy.fft.rfft(frames, n=fft, axis=1))
