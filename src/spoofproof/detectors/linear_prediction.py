"""Cepstra of the all-pole filter that predicts each frame: linear prediction cepstral coefficients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def lpcc(power: NDArray[np.floating], order: int, count: int, floor: float = 1e-10) -> NDArray[np.float32]:
    """``count`` cepstra of each frame's predictor of ``order`` poles: (T, fft/2 + 1) -> (T, count), c0 first.

    power: power spectra of frames that were filled up with zeros to at least frame + order samples, so that their
    inverse transform is the autocorrelation. c0 is the natural log of the prediction error's power, so that
    c0 + 2 Σ c_n cos(nω) is the log power of the predictor's spectrum. floor: added to the power at lag 0, as for the
    filter banks; silence has c_n = 0 for n > 0.
    """
    lags = np.fft.irfft(np.asarray(power, dtype=np.float64), axis=1)[:, : order + 1]
    lags[:, 0] = lags[:, 0] * (1 + 1e-9) + floor
    poles, error = predictor(lags)
    return np.concatenate([np.log(error)[:, None], cepstra(poles, count - 1)], axis=1).astype(np.float32)


def predictor(lags: Floats) -> tuple[Floats, Floats]:
    """Autocorrelations (T, p + 1) -> coefficients a_1 … a_p of x[n] ≈ Σ a_k x[n - k], (T, p), and the error's power, (T,).

    The recursion of Levinson and Durbin (Makhoul 1975, "Linear prediction: a tutorial review"), all frames at once.
    """
    frames, order = len(lags), lags.shape[1] - 1
    a = np.zeros((frames, order))
    error = lags[:, 0].copy()
    for i in range(order):
        reflection = (lags[:, i + 1] - (a[:, :i] * lags[:, i:0:-1]).sum(axis=1)) / error
        a[:, :i] -= reflection[:, None] * a[:, :i][:, ::-1]
        a[:, i] = reflection
        error *= 1 - reflection**2
    return a, error


def cepstra(poles: Floats, count: int) -> Floats:
    """c_1 … c_count of 1 / (1 - Σ a_k z^-k) from its coefficients, (T, p) -> (T, count).

    c_n = a_n + Σ_{k<n} (k/n) c_k a_{n-k}, with a_n = 0 beyond p (Atal 1974).
    """
    order = poles.shape[1]
    a = np.pad(poles, ((0, 0), (0, max(0, count - order))))
    c = np.zeros((len(poles), count))
    for n in range(1, count + 1):
        k = np.arange(1, n)
        c[:, n - 1] = a[:, n - 1] + (k / n * c[:, k - 1] * a[:, n - k - 1]).sum(axis=1)
    return c
