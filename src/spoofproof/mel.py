"""Mel spectrograms, and the neural vocoder that sounds them: what the vocoders of the corpus and the codec share.

A network supplies phases and fine structure; a few rounds of correction then pull the magnitudes of what it made towards
the mel spectrogram that it was given, and leave the phases alone. At 16 kHz: 80 bands on the HTK scale, FFT 1024, hop
256, as of ``mel_inversion``.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from . import shipped
from .errors import SpoofproofError
from .runtime import Network, network
from .types import Samples

Mel = NDArray[np.float32]

RATE, BANDS, FFT, HOP = 16_000, 80, 1024, 256
FLOOR = 1e-3  # of a mel magnitude; as in training
LEVEL = 0.05  # root mean square that the networks were trained around
ROUNDS = 8  # of correction; chosen on development clips, where 4 do nearly as well
AROUND = 64 * HOP  # the vocoder hears less than 27 frames to each side, and every round of correction 3 more


def bank(bands: int, rate: int, fft: int = FFT) -> NDArray[np.float32]:
    """Triangular filters on the HTK mel scale from 0 Hz to Nyquist, shape (bands, fft/2+1), each of unit height."""
    hz = np.arange(fft // 2 + 1) * rate / fft
    edges = 700 * (10 ** (np.linspace(0, np.log10(1 + rate / 1400), bands + 2)) - 1)
    rise = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(np.minimum(rise, fall), 0).astype(np.float32)


def analyse(samples: Samples) -> Mel:
    """(T,) samples -> (80, T // 256) natural logarithms of mel magnitudes, floored; T is whole frames.

    Frame k is centred on (k + 1/2) · 256.
    """
    return np.log(np.maximum(_bank() @ np.abs(_stft(samples)).T, np.float32(FLOOR)))


def sound(mel: Mel, name: str = "neural-vocoder", path: str = "", rounds: int = ROUNDS) -> Samples:
    """(80, K) log mel magnitudes -> (K · 256,) samples, by the vocoder of that name or in that file.

    Raises MissingPart, SpoofproofError where its weights are not there or not a vocoder's.
    """
    made = _vocoder(shipped.weights(name, ".onnx", path))(mel=mel[None])["wave"][0]
    return corrected(made, mel, rounds)


def corrected(samples: Samples, mel: Mel, rounds: int = ROUNDS) -> Samples:
    """``samples`` with its spectra scaled, ``rounds`` times, by what is wanted of each band over what is there.

    A bin is scaled by the mean, in dB, of the bands that hold it; by 26 dB at most either way, so that what is missing
    altogether is not made up.
    """
    weight = _bank().sum(axis=0)
    share = _bank() / np.maximum(weight, np.float32(0.05))
    most = np.float32(np.log(20.0))
    for _ in range(rounds):
        spectra = _stft(samples)
        there = np.log(np.maximum(_bank() @ np.abs(spectra).T, np.float32(FLOOR)))
        spectra = spectra * np.exp((mel - there).clip(-most, most).T @ share)
        samples = _istft(spectra, samples.size)
    return samples


def rms(x: Samples) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def _stft(samples: Samples) -> NDArray[np.complex64]:
    """Spectra of Hann frames, (T // 256, 513); T is whole frames."""
    side = (FFT - HOP) // 2
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (side, side)), FFT)[::HOP]
    return np.asarray(scipy.fft.rfft(frames * _taper(), axis=1))


def _istft(spectra: NDArray[np.complex64], size: int) -> Samples:
    """The least-squares inverse: overlapping Hann windows squared add up to 3/2; the ends fade out."""
    frames = scipy.fft.irfft(spectra, n=FFT, axis=1).astype(np.float32, copy=False)
    quarters = (frames * (_taper() / np.float32(1.5))).reshape(len(frames), 4, HOP)
    out = np.zeros((len(frames) + 3, HOP), dtype=np.float32)
    for i in range(4):
        out[i : i + len(frames)] += quarters[:, i]
    side = (FFT - HOP) // 2
    return out.reshape(-1)[side : side + size]


@functools.lru_cache(maxsize=1)
def _bank() -> NDArray[np.float32]:
    return bank(BANDS, RATE)


@functools.lru_cache(maxsize=1)
def _taper() -> Samples:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _vocoder(file: Path) -> Network:
    model = network(file, what="vocoder", mend="Make one with: spoofproof train recipes/neural-vocoder.toml")
    facts = json.loads(model.facts.get("spoofproof.network", "{}"))
    if facts.get("model") != "vocoder" or (facts.get("bands"), facts.get("hop")) != (BANDS, HOP):
        raise SpoofproofError(
            f"{file} holds a network, but no vocoder for {BANDS} mel bands every {HOP} samples. "
            "Make one with: spoofproof train recipes/neural-vocoder.toml"
        )
    return model
