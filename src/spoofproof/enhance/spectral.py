"""Three classical gains: spectral subtraction, the Wiener filter, and the log-spectral amplitude estimator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..types import Clip
from .noise import TINY, noise_power
from .stft import analyse, frame_size, synthesise

Real = NDArray[np.float64]
Gain = Callable[[Real, Real], Real]

_FLOOR = 0.002  # of the noise power, that subtraction leaves (Berouti's beta)
_PAST = 0.98  # share of the last frame's estimate in the a priori SNR
_LEAST = 10 ** (-25 / 10)  # a priori SNR, so that no bin is ever quite shut


def spectral_subtraction(clip: Clip) -> Clip:
    """Power spectral subtraction: more than the noise is taken where the frame is noisy, and a floor is left.

    Boll, IEEE TASSP 27(2), 1979; over-subtraction 4 - 0.15 SNR (dB, -5 to 20) after Berouti, Schwartz and Makhoul, ICASSP 1979.
    """
    return _filtered(clip, _subtraction)


def wiener(clip: Clip) -> Clip:
    """The Wiener gain SNR / (1 + SNR) with the a priori SNR by the decision-directed rule.

    Scalart and Vieira Filho, "Speech enhancement based on a priori signal to noise estimation", ICASSP 1996.
    """
    return _filtered(clip, lambda power, noise: _directed(power, noise, _wiener_gain))


def log_mmse(clip: Clip) -> Clip:
    """The minimum mean-square error estimate of log amplitudes, a priori SNR by the decision-directed rule.

    Ephraim and Malah, "Speech enhancement using a minimum mean-square error log-spectral amplitude estimator", IEEE
    TASSP 33(2), 1985, eq. 20.
    """
    return _filtered(clip, lambda power, noise: _directed(power, noise, _log_mmse_gain))


def _filtered(clip: Clip, gains: Gain) -> Clip:
    x = clip.samples.astype(np.float64)
    size = frame_size(clip.rate)
    spectra = analyse(x, size)
    power = np.square(np.abs(spectra))
    return clip.replace(synthesise(spectra * gains(power, noise_power(power)), size, x.size))


def _subtraction(power: Real, noise: Real) -> Real:
    frame = 10 * np.log10(np.maximum(power.sum(axis=1), TINY) / np.maximum(noise.sum(axis=1), TINY))
    more = 4 - 0.15 * np.clip(frame, -5, 20)
    left = np.maximum(power - more[:, None] * noise, _FLOOR * noise)
    return np.asarray(np.sqrt(np.minimum(left / np.maximum(power, TINY), 1.0)))


def _directed(power: Real, noise: Real, gain: Gain) -> Real:
    """Gains of every frame; what the last frame was found to hold says what to expect of this one."""
    out = np.empty_like(power)
    past = np.zeros(power.shape[1])
    for k in range(len(power)):
        level = np.maximum(noise[k], TINY)
        posterior = np.minimum(power[k] / level, 1e4)
        prior = _PAST * past / level + (1 - _PAST) * np.maximum(posterior - 1, 0)
        out[k] = gain(np.maximum(prior, _LEAST), posterior)
        past = np.square(out[k]) * power[k]
    return out


def _wiener_gain(prior: Real, posterior: Real) -> Real:
    return prior / (1 + prior)


def _log_mmse_gain(prior: Real, posterior: Real) -> Real:
    from scipy.special import exp1

    share = prior / (1 + prior)
    v = np.maximum(share * posterior, 1e-8)
    return np.minimum(share * np.exp(0.5 * exp1(v)), 1.0)
