"""What every detector of this project does to a clip first, in training and in use: trivial cues made equal."""

from __future__ import annotations

import numpy as np

from ..audio import WINDOW_SAMPLES, window
from ..errors import BadAudio
from ..types import Clip

RATE = 16_000
_FRAME = 160  # 10 ms
_QUIET_DB = 40.0
_RMS = 0.05  # -26 dB of full scale


def prepare(clip: Clip, samples: int = WINDOW_SAMPLES) -> Clip:
    """Trim the edges, set the level, fill the window: ``samples`` samples at 16 kHz.

    Raises BadAudio for a clip of another rate: resampling is the bench's task, so that nobody does it twice.
    """
    require_rate(clip)
    return window(level(trim(Clip(clip.samples[: 4 * samples], clip.rate))), samples)


def require_rate(clip: Clip) -> None:
    """Raises BadAudio, with the way to convert it, for a clip that is not at 16 kHz."""
    if clip.rate != RATE:
        raise BadAudio(
            f"this detector hears {RATE} Hz and the clip has {clip.rate} Hz; "
            f"spoofproof.audio.resample(clip, {RATE}) converts it"
        )


def trim(clip: Clip) -> Clip:
    """Without the leading and trailing 10 ms frames that lie 40 dB or more below the loudest one.

    Silence at the edges tells how a file was cut, not how the speech was made. A silent clip stays whole.
    """
    x = clip.samples
    whole = x.size // _FRAME
    if whole < 2:
        return clip
    power = np.square(x[: whole * _FRAME].astype(np.float64)).reshape(whole, _FRAME).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-_QUIET_DB / 10))
    if not loud.size:
        return clip
    last = x.size if loud[-1] == whole - 1 else int(loud[-1] + 1) * _FRAME
    return Clip(x[loud[0] * _FRAME : last], clip.rate)


def level(clip: Clip) -> Clip:
    """Mean removed, root mean square set to 0.05 of full scale. Silence, or a constant, becomes zeros."""
    x = clip.samples.astype(np.float64)
    x -= x.mean()
    rms = np.sqrt(np.mean(np.square(x)))
    if rms <= 1e-9:
        return clip.replace(np.zeros_like(clip.samples))
    return clip.replace(x * (_RMS / rms))
