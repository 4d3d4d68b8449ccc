"""Controls: what should change nothing, or change it in a known way. They separate loss from plumbing."""

from __future__ import annotations

import io

import numpy as np

from ..audio import fit, resample
from ..errors import BadPlan
from ..registry import corruption
from ..types import Clip, Rng
from . import measure
from .coding import at_rate

_CONTROL_RATE = 48_000


@corruption(family="control", unit="", levels=(), margin=0.0)
def identity(clip: Clip, level: float, rng: Rng) -> Clip:
    """Nothing at all: the same samples. A score that differs from clean is a fault of the bench."""
    return clip.replace(clip.samples.copy())


@corruption(family="control", unit="", levels=(), margin=0.0)
def pcm_transcode(clip: Clip, level: float, rng: Rng) -> Clip:
    """16-bit PCM there and back, as a WAV file in memory (libsndfile): the loss of saving a file, and no more.

    Values beyond ±1 are clipped, as every file of this kind does.
    """
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, clip.samples, clip.rate, format="WAV", subtype="PCM_16")
    buffer.seek(0)
    samples, rate = soundfile.read(buffer, dtype="float32")
    assert rate == clip.rate
    return clip.replace(samples)


@corruption(family="control", unit="", levels=())
def resample_control(clip: Clip, level: float, rng: Rng) -> Clip:
    """Up to 48 kHz and back (soxr HQ; a clip at 48 kHz goes to 96): what resampling alone costs, which is the top 5 %.

    Codecs that run at another rate than the clip's do this, too.
    """
    return at_rate(
        clip, _CONTROL_RATE if clip.rate < _CONTROL_RATE else 2 * clip.rate, lambda samples: samples
    )


def _speed(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.tempo(clean, corrupted)


@corruption(
    family="control",
    unit="times faster",
    levels=(0.9, 1.1, 0.7, 1.3, 1.5),
    measure=_speed,
    tolerance=0.01,
    consumes=lambda level: level,
    two_sided=True,
)
def speed_resample(clip: Clip, level: float, rng: Rng) -> Clip:
    """Faster or slower by resampling, so that the pitch moves along, as a tape does: no vocoder.

    level: how many times faster, 0.25 … 4; the output has round(T / level) samples (at least one). The control beside
    ``time_stretch`` and ``pitch_shift``: what it does not cost them, the vocoder did. Raises BadPlan beyond the range.
    """
    if not 0.25 <= level <= 4:
        raise BadPlan(f"speed_resample@{level:g}: the rate is within 0.25 and 4")
    played = resample(Clip(clip.samples, round(clip.rate * level)), clip.rate)
    return clip.replace(fit(np.asarray(played.samples), max(1, round(clip.samples.size / level))))
