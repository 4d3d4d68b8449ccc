"""The power of the noise in each bin of each frame, while somebody is speaking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

_SHARE = 0.15  # of the frames are quieter than what the estimate starts from
_BIAS = -1 / np.log(
    1 - _SHARE
)  # mean of an exponential law over its quantile: periodograms of noise follow one
_PRIOR = 10 ** (15 / 10)  # SNR at which speech is expected where it is present
_SMOOTH = 0.8
_STUCK = 0.99
TINY = 1e-20


def noise_power(power: Real) -> Real:
    """Power of the noise, shape (frames, bins), of the power spectra of noisy speech, of the same shape.

    By speech presence probability, which follows noise that changes: Gerkmann and Hendriks, "Unbiased MMSE-based noise
    power estimation with low complexity and low tracking delay", IEEE TASLP 20(4), 2012, with its constants (prior SNR
    15 dB, smoothing 0.8, the guard against stagnation). A clip may begin with speech, so the start is not its first
    frames but a low quantile over time (after Stahl, Fischer and Bippus, ICASSP 2000), freed of its bias. On white
    noise the result is about 1 dB low: a loud frame is half taken for speech.
    """
    now = _BIAS * np.quantile(power, _SHARE, axis=0)
    average = np.zeros(power.shape[1])
    out = np.empty_like(power)
    for k, frame in enumerate(power):
        ratio = np.minimum(frame / np.maximum(now, TINY), 200.0)
        present = 1 / (1 + (1 + _PRIOR) * np.exp(-ratio * _PRIOR / (1 + _PRIOR)))
        average = 0.9 * average + 0.1 * present
        present = np.where(average > _STUCK, np.minimum(present, _STUCK), present)
        now = _SMOOTH * now + (1 - _SMOOTH) * (present * now + (1 - present) * frame)
        out[k] = now
    return out
