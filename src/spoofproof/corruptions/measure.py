"""What a corruption really did, found in its output: the estimators that ``measure`` of each corruption is made of.

All of them compare the clean with the corrupted clip, both mono at one rate, over the samples that both have. They
are made for real speech, where parts of the spectrum are empty, as well as for test signals; where a clip cannot tell
(silence, a single sample), they answer NaN.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts load when they are used: scipy.signal takes half a second
from numpy.typing import NDArray
from scipy import fft

from ..types import Clip

Real = NDArray[np.float64]

_LSD_FRAME = 0.032  # seconds
_LSD_FLOOR = 1e-6  # of the loudest bin's power: what lies more than 60 dB below is not heard beside it


def distortion(clean: Clip, corrupted: Clip) -> float:
    """How far two clips are apart, in dB, the measure in which severities are ordered; 0 for equal clips.

    The log-spectral distance at the same relative time, plus the ratio of their lengths as a level, 20 |log10|: a
    change of tempo is a distortion, too, which the spectra at the same relative time do not show.
    """
    tempo_db = 20 * abs(float(np.log10(corrupted.samples.size / clean.samples.size)))
    return log_spectral_distance_db(clean, corrupted) + tempo_db


def log_spectral_distance_db(clean: Clip, corrupted: Clip) -> float:
    """Root mean square difference of log power spectra within a frame, averaged over frames, in dB (>= 0).

    Frames of 32 ms (Hann), half overlapped in the clean clip; bins below -60 dB of the loudest of either clip count
    as -60 dB, so that what cannot be heard does not count. A clip of another length is compared at the same relative
    time: frame k of n of the one with frame k of n of the other. 0 where both are silent.

    Gray and Markel, "Distance measures for speech processing", IEEE Trans. ASSP 24 (1976), eq. 5, rms over frequency.
    """
    size = max(16, round(_LSD_FRAME * clean.rate))
    frames = max(1, -(-clean.samples.size // (size // 2)))
    one, other = (_power_frames(clip, size, frames) for clip in (clean, corrupted))
    loudest = max(one.max(), other.max())
    if loudest == 0:
        return 0.0
    difference = 10 * np.log10((one + _LSD_FLOOR * loudest) / (other + _LSD_FLOOR * loudest))
    return float(np.mean(np.sqrt(np.mean(difference**2, axis=1))))


def snr_db(clean: Clip, corrupted: Clip) -> float:
    """Power of the clean clip over the power of all that was added to it, in dB; NaN for silence, inf for no noise."""
    x, y = _pair(clean, corrupted)
    signal_power, noise_power = float(x @ x), float((y - x) @ (y - x))
    if signal_power == 0:
        return float("nan")
    return float("inf") if noise_power == 0 else 10 * float(np.log10(signal_power / noise_power))


def delay_samples(clean: Clip, corrupted: Clip, reach: float = 0.2) -> int:
    """Lag at the maximum of the absolute cross-correlation, in samples; positive = the corrupted clip is late.

    reach: seconds searched on either side.
    """
    x, y = _pair(clean, corrupted)
    n = fft.next_fast_len(2 * x.size, real=True)
    correlation = fft.irfft(np.conj(fft.rfft(x, n)) * fft.rfft(y, n), n)
    most = min(x.size - 1, round(reach * clean.rate))
    lags = np.arange(-most, most + 1)
    return int(lags[np.argmax(np.abs(correlation[lags]))])


def impulse_response(clean: Clip, corrupted: Clip, regularise: float = 1e-6) -> Real:
    """Response of the linear system between the clips, shape (2 T,) circular: index -k is k samples *before* the sound.

    Regularised spectral division, conj(X) Y / (|X|² + ε max |X|²): exact where the clip has energy, zero where not.
    """
    x, y = _pair(clean, corrupted)
    n = fft.next_fast_len(2 * x.size, real=True)
    spectrum = fft.rfft(x, n)
    power = np.abs(spectrum) ** 2
    if power.max() == 0:
        return np.zeros(n)
    return np.asarray(
        fft.irfft(np.conj(spectrum) * fft.rfft(y, n) / (power + regularise * power.max()), n),
        dtype=np.float64,
    )


def transfer(clean: Clip, corrupted: Clip, frame: float = 0.128) -> tuple[Real, Real]:
    """Frequencies in Hz and the magnitude of the transfer function there, shapes (F,).

    Cross spectrum over input spectrum (the H1 estimate, Bendat and Piersol, Random Data, ch. 6) of Hann frames of
    ``frame`` seconds, three quarters overlapped. NaN where the clip's spectrum is more than 70 dB below its maximum.
    """
    x, y = _pair(clean, corrupted)
    size = 4 * max(4, round(frame * clean.rate / 4))
    if x.size < size:
        x, y = (np.concatenate([z, np.zeros(size - z.size)]) for z in (x, y))
    window = scipy.signal.windows.hann(size, sym=False)
    views = (np.lib.stride_tricks.sliding_window_view(z, size)[:: size // 4] * window for z in (x, y))
    spectra = [fft.rfft(view, axis=1) for view in views]
    power = (np.abs(spectra[0]) ** 2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.abs((np.conj(spectra[0]) * spectra[1]).sum(axis=0)) / power
    gain[power <= 1e-7 * power.max()] = np.nan
    return np.arange(power.size) * clean.rate / size, np.asarray(gain, dtype=np.float64)


def cutoff_hz(clean: Clip, corrupted: Clip, *, low_pass: bool, db: float = -3.0103) -> float:
    """Frequency at which the transfer function crosses ``db``, in Hz; NaN when it never does.

    low_pass: searched from the bottom up; else from the top down. Linear interpolation in dB between bins.
    """
    hz, gain = transfer(clean, corrupted)
    known = np.isfinite(gain)
    hz, gain_db = hz[known], 20 * np.log10(gain[known] + 1e-12)
    if not low_pass:
        hz, gain_db = hz[::-1], gain_db[::-1]
    below = np.flatnonzero(gain_db < db)
    if below.size == 0 or below[0] == 0:
        return float("nan")
    i = int(below[0])
    share = (gain_db[i - 1] - db) / (gain_db[i - 1] - gain_db[i])
    return float(hz[i - 1] + share * (hz[i] - hz[i - 1]))


def bandwidth_hz(clean: Clip, corrupted: Clip) -> float:
    """Where the transfer function has fallen by 20 dB, in Hz; half the rate where it never does."""
    edge = cutoff_hz(clean, corrupted, low_pass=True, db=-20.0)
    return edge if np.isfinite(edge) else clean.rate / 2


def boxcar_samples(clean: Clip, corrupted: Clip) -> float:
    """Length in samples of the moving average between the clips, from the rise and the fall of its response.

    The difference of a rectangle is one positive and one negative impulse, as far apart as the rectangle is long.
    """
    if clean.samples.size < 64:
        return float("nan")
    step = np.diff(_pair(clean, corrupted)[1], prepend=0.0)
    response = impulse_response(clean, corrupted.replace(step))
    most = min(response.size // 2, round(0.02 * clean.rate))
    near = np.roll(response, most)[: 2 * most]
    return float(abs(int(np.argmin(near)) - int(np.argmax(near))))


def echo_of(
    clean: Clip, corrupted: Clip, shortest: float = 0.005, longest: float = 0.5
) -> tuple[float, float]:
    """Delay in seconds (negative: before the sound) and gain, relative to the direct sound, of the strongest echo."""
    response = impulse_response(clean, corrupted)
    near, far = round(shortest * clean.rate), min(round(longest * clean.rate), clean.samples.size - 1)
    if far <= near or response[0] == 0:
        return float("nan"), float("nan")
    lags = np.concatenate([np.arange(-far, -near), np.arange(near + 1, far + 1)])
    best = int(lags[np.argmax(np.abs(response[lags]))])
    return best / clean.rate, echo_gain(clean, corrupted, abs(best) / clean.rate, before=best < 0)


def echo_gain(clean: Clip, corrupted: Clip, delay: float, before: bool = False) -> float:
    """Gain of the copy ``delay`` seconds after the sound (or ``before`` it), relative to the direct sound.

    Least squares of the output on the sound and its copies late and early: a copy on the wrong side counts as none.
    """
    x, y = _pair(clean, corrupted)
    shift = round(delay * clean.rate)
    if not 0 < shift < x.size or not x.any():
        return float("nan")
    late, early = np.zeros_like(x), np.zeros_like(x)
    late[shift:], early[:-shift] = x[:-shift], x[shift:]
    direct, after, ahead = np.linalg.lstsq(np.stack([x, late, early], axis=1), y, rcond=None)[0]
    return float((ahead if before else after) / direct) if direct else float("nan")


def causal_response(clean: Clip, corrupted: Clip, seconds: float, rounds: int = 16) -> Real:
    """Impulse response from the direct sound on, shape (seconds · rate,), by least squares over the clip as it is.

    Conjugate gradients on the normal equations, each step preconditioned by the regularised inverse spectrum. Unlike
    spectral division it is not misled by the reverberation that the clip's end cuts off: only samples that are there
    are asked for.
    """
    x, y = _pair(clean, corrupted)
    taps = min(x.size, round(seconds * clean.rate))
    n = fft.next_fast_len(x.size + taps, real=True)
    spectrum = fft.rfft(x, n)
    power = np.abs(spectrum) ** 2
    if power.max() == 0:
        return np.zeros(taps)
    power = scipy.ndimage.uniform_filter1d(power, 1 + 2 * (n // taps), mode="nearest")
    whiten = 1 / (power + 1e-4 * power.max())

    def back(error: Real) -> Real:
        return np.asarray(fft.irfft(np.conj(spectrum) * fft.rfft(error, n), n)[:taps])

    h = np.zeros(taps)
    error = y.copy()
    gradient = back(error)
    step = np.asarray(fft.irfft(fft.rfft(gradient, n) * whiten, n)[:taps])
    direction, slope = step, float(gradient @ step)
    for _ in range(rounds):
        moved = np.asarray(fft.irfft(spectrum * fft.rfft(direction, n), n)[: x.size])
        bend = float(moved @ moved)
        if bend <= 0 or slope <= 0:
            break
        h = h + slope / bend * direction
        error = error - slope / bend * moved
        gradient = back(error)
        step = np.asarray(fft.irfft(fft.rfft(gradient, n) * whiten, n)[:taps])
        direction, slope = step + float(gradient @ step) / slope * direction, float(gradient @ step)
    return h


def rt60_of_response(response: Real, rate: int, top_db: float = -2.0, range_db: float = 10.0) -> float:
    """Reverberation time in seconds of an impulse response (direct sound first), shape (N,).

    Schroeder's backward integration (J. Acoust. Soc. Am. 37, 1965), a line through its fall from ``top_db`` over
    ``range_db``, extrapolated to 60 dB: early, for what is deconvolved from speech has noise 20 dB down (ISO 3382-1's
    T20 is -5 and 20). The direct sound itself (2.5 ms) is left out, for beside it a short tail would hardly count.
    NaN where the fall is not seen.
    """
    tail = response[round(0.0025 * rate) :] ** 2
    energy = np.cumsum(tail[::-1])[::-1]
    if energy.size < 8 or energy[0] <= 0:
        return float("nan")
    decay = 10 * np.log10(energy / energy[0] + 1e-30)
    start, stop = (int(np.argmax(decay <= level)) for level in (top_db, top_db - range_db))
    if stop - start < 4:
        return float("nan")
    seconds = np.arange(start, stop) / rate
    slope = float(np.polyfit(seconds, decay[start:stop], 1)[0])
    return -60 / slope if slope < 0 else float("nan")


def distinct_levels(corrupted: Clip) -> float:
    """Number of evenly spaced values that the clip's samples lie on: range over spacing, plus 1; 1 for a constant."""
    values = np.unique(corrupted.samples).astype(np.float64)
    if values.size < 2:
        return 1.0
    gaps = np.diff(values)
    step = float(np.median(gaps[gaps < 1.5 * gaps.min()]))
    return 1 + float((values[-1] - values[0]) / step)


def peak_ratio(clean: Clip, corrupted: Clip) -> float:
    """Peak of the corrupted over the peak of the clean clip; NaN for silence."""
    peak = float(np.abs(clean.samples).max())
    return float(np.abs(corrupted.samples).max()) / peak if peak else float("nan")


def semitones(clean: Clip, corrupted: Clip, most: float = 6.0) -> float:
    """How far the spectrum has moved on a logarithmic axis, frame by frame, in semitones (positive: up).

    Log power spectra of 64 ms, sampled 20 times a semitone from 80 Hz to 0.4 of the rate, cross-correlated and
    averaged over the frames that are within 40 dB of the loudest; the maximum is interpolated. NaN for silence.
    """
    per_semitone, size = 20, round(0.064 * clean.rate)
    frames = min(100, max(1, clean.samples.size // (size // 2)))
    one, other = (_power_frames(clip, size, frames, bins=4 * size) for clip in (clean, corrupted))
    power = one.sum(axis=1)
    if power.max() == 0 or not other.any():
        return float("nan")
    kept = power > 1e-4 * power.max()
    octaves = np.log2(0.4 * clean.rate / 80)
    axis = 80 * 2 ** (np.arange(int(octaves * 12 * per_semitone)) / (12 * per_semitone))
    at = axis / clean.rate * 4 * size
    logs = [np.log(_interpolate(p[kept], at) + 1e-6 * p.max()) for p in (one, other)]
    n = fft.next_fast_len(2 * axis.size, real=True)
    spectra = [fft.rfft(rows - rows.mean(axis=1, keepdims=True), n, axis=1) for rows in logs]
    correlation = fft.irfft((np.conj(spectra[0]) * spectra[1]).sum(axis=0), n)
    reach = round(most * per_semitone)
    near = np.roll(correlation, reach)[: 2 * reach + 1]
    # fewer points overlap at larger shifts: an even weight for all shifts
    near = near / (axis.size - np.abs(np.arange(-reach, reach + 1)))
    return (_peak(near) - reach) / per_semitone


def tempo(clean: Clip, corrupted: Clip) -> float:
    """How many times faster the corrupted clip runs through the same sounds; the ratio of lengths where that is unclear.

    The rate in 0.5 … 2 at which the log energies of 10 ms frames, in four bands, agree best from the beginning on.
    """
    size = round(0.02 * clean.rate)
    by_length = clean.samples.size / corrupted.samples.size
    if clean.samples.size < 20 * size or corrupted.samples.size < 20 * size:
        return by_length
    one, other = _band_energies(clean, size), _band_energies(corrupted, size)
    if np.ptp(one) < 1e-6 or np.ptp(other) < 1e-6:
        return by_length
    rates = np.append(np.geomspace(0.5, 2.0, 280), by_length)
    agreement = [_agreement(one, other, rate) for rate in rates]
    if max(agreement) < 0.3:
        return by_length
    fine = rates[int(np.argmax(agreement))] * np.linspace(0.995, 1.005, 41)
    return float(fine[int(np.argmax([_agreement(one, other, rate) for rate in fine]))])


def _pair(clean: Clip, corrupted: Clip) -> tuple[Real, Real]:
    n = min(clean.samples.size, corrupted.samples.size)
    return clean.samples[:n].astype(np.float64), corrupted.samples[:n].astype(np.float64)


def _power_frames(clip: Clip, size: int, frames: int, bins: int = 0) -> Real:
    """Power spectra, shape (frames, bins), of ``frames`` Hann frames spread evenly from end to end."""
    starts = np.linspace(0, max(0, clip.samples.size - size), frames).round().astype(np.int64)
    return _power_at(clip, size, starts, bins)


def _power_at(clip: Clip, size: int, starts: NDArray[np.int64], bins: int = 0) -> Real:
    padded = np.concatenate([clip.samples, np.zeros(max(0, size - clip.samples.size), dtype=np.float32)])
    cut = np.lib.stride_tricks.sliding_window_view(padded, size)[starts]
    spectrum = fft.rfft(
        cut * scipy.signal.windows.hann(size, sym=False).astype(np.float32), bins or size, axis=1
    )
    return np.asarray(spectrum.real.astype(np.float64) ** 2 + spectrum.imag.astype(np.float64) ** 2)


def _interpolate(rows: Real, at: Real) -> Real:
    """Rows of shape (R, B) at the fractional columns ``at``, shape (A,): (R, A)."""
    left = np.minimum(at.astype(np.int64), rows.shape[1] - 2)
    share = at - left
    return np.asarray(rows[:, left] * (1 - share) + rows[:, left + 1] * share)


def _peak(values: Real) -> float:
    """Position of the maximum, by a parabola through it and its neighbours."""
    i = int(np.argmax(values))
    if not 0 < i < values.size - 1:
        return float(i)
    a, b, c = values[i - 1 : i + 2]
    return i + 0.5 * float((a - c) / (a - 2 * b + c)) if a - 2 * b + c else float(i)


def _band_energies(clip: Clip, size: int) -> Real:
    """Log energies of four bands every half ``size`` samples, shape (frames, 4), each band with mean 0."""
    frames = _power_at(clip, size, np.arange(0, clip.samples.size - size, size // 2))
    edges = (np.array([0.0, 0.08, 0.2, 0.5]) * frames.shape[1]).astype(np.int64)
    energy = np.add.reduceat(frames, edges, axis=1)
    logs = np.log(energy + 1e-5 * energy.max(axis=0) + 1e-30)
    return np.asarray(logs - logs.mean(axis=0))


def _agreement(one: Real, other: Real, rate: float) -> float:
    """Correlation of ``one`` read ``rate`` times as fast with ``other``, over what both have."""
    count = min(other.shape[0], int((one.shape[0] - 1) / rate) - 1)
    if count < 10:
        return -1.0
    # frame k is centred at k + 1 half frames
    a, b = _interpolate(one.T, np.arange(1, count + 1) * rate - 1).T, other[:count]
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm else -1.0
