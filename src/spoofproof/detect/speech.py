"""Where there is speech, and how far it stands above the noise: a voice activity detector and an estimate of the SNR.

Speech is loud against the noise around it, and voiced or at least uneven in its spectrum. The noise floor is the minimum
of the smoothed level within seconds (minimum statistics, Martin 2001, IEEE Trans. SAP 9:504), so it follows noise that
changes; on and off have thresholds of their own (hysteresis), short gaps are bridged, and the edges widened, since
words begin and end softly.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .frames import HOP, RATE, SILENCE_DB, Track

FRAME_SECONDS = HOP / RATE
_FLOOR_SECONDS = 6.0  # within which even a fluent speaker pauses
_SMOOTH = 5  # frames
_BIAS_DB = 1.5  # the minimum of a smoothed noise level lies below its mean
_DEEPEST_DB = 45.0  # more below the loudest than this is no speech, however quiet the rest
_ON_DB, _OFF_DB = 9.0, 4.0  # above the floor
_PERIODIC, _UNEVEN_DB = 0.45, -7.0  # voiced speech; fricatives and whispers against white noise
_VOICED, _VOICED_ON_DB, _VOICED_OFF_DB = 0.6, 2.0, 1.0  # a clear pitch counts where noise hides the level
_BRIDGE, _SHORTEST, _EDGE = 8, 4, 3  # frames: gaps that are closed, bursts that are dropped, edges

Flags = NDArray[np.bool_]


def speech_frames(track: Track) -> Flags:
    """Which frames hold speech, shape (F,)."""
    above = track.level - noise_floor(track)
    loud = track.level > track.level.max(initial=SILENCE_DB) - _DEEPEST_DB
    like_speech = (track.periodicity > _PERIODIC) | (track.flatness < _UNEVEN_DB)
    voiced = track.periodicity > _VOICED
    sure = loud & (((above > _ON_DB) & like_speech) | ((above > _VOICED_ON_DB) & voiced))
    maybe = loud & ((above > _OFF_DB) | ((above > _VOICED_OFF_DB) & (track.periodicity > _PERIODIC)))
    runs, _ = ndimage.label(maybe)
    held = np.isin(runs, np.unique(runs[sure & maybe]))
    held &= maybe
    held = _without_short(held, _SHORTEST)
    held = ~_without_short(~held, _BRIDGE, keep_edges=True)
    return np.asarray(
        ndimage.binary_dilation(held, iterations=_EDGE) & (track.level > SILENCE_DB), dtype=bool
    )


def noise_floor(track: Track) -> NDArray[np.float64]:
    """Level of the noise in dB of full scale around each frame, shape (F,)."""
    smooth = 10 * np.log10(ndimage.uniform_filter1d(10 ** (track.level.astype(np.float64) / 10), _SMOOTH))
    reach = 2 * int(_FLOOR_SECONDS / 2 / FRAME_SECONDS) + 1
    lowest = ndimage.minimum_filter1d(smooth, reach)
    return np.asarray(ndimage.uniform_filter1d(lowest, reach // 4) + _BIAS_DB, dtype=np.float64)


def snr_db(track: Track, speech: Flags) -> float:
    """Power of speech over power of noise in dB, -20 to 80; NaN without speech.

    Noise is heard where no speech is: the mean power of those frames, at least 0.2 s; in a recording without pauses, the
    noise floor stands in. What the speech frames have more than that is speech.
    """
    if not speech.any():
        return math.nan
    power = 10 ** (track.level.astype(np.float64) / 10)
    quiet = ~ndimage.binary_dilation(speech, iterations=2)
    if quiet.sum() >= 10:
        noise = float(power[quiet].mean())
    else:
        noise = float(np.mean(10 ** (noise_floor(track) / 10)))
    more = float(power[speech].mean()) - noise
    return float(np.clip(10 * math.log10(max(more, 1e-20) / max(noise, 1e-20)), -20.0, 80.0))


def _without_short(flags: Flags, shortest: int, *, keep_edges: bool = False) -> Flags:
    """Runs of fewer than ``shortest`` frames cleared; with keep_edges, not those that touch an end."""
    runs, count = ndimage.label(flags)
    sizes = np.bincount(runs.ravel(), minlength=count + 1)
    keep = sizes >= shortest
    keep[0] = False
    if keep_edges and flags.size:
        for end in (runs[0], runs[-1]):
            keep[end] = end > 0
    return np.asarray(keep[runs], dtype=bool)
