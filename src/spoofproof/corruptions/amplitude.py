"""What happens to the values of samples, one by one: fewer steps, a lower ceiling."""

from __future__ import annotations

import numpy as np

from ..errors import BadPlan
from ..registry import corruption
from ..types import Clip, Rng
from . import measure


def _levels(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.distinct_levels(corrupted)


@corruption(
    family="modification",
    unit="levels",
    levels=(1024, 256, 64, 16, 4),
    origin="Li et al. 2025, arXiv 2503.17577",
    measure=_levels,
    tolerance=0.5,
    margin=0.0,
)
def quantization(clip: Clip, level: float, rng: Rng) -> Clip:
    """Rounded to evenly spaced values between the clip's own minimum and maximum.

    level: how many values, a whole number >= 2 (not bits: 256 levels are 8 bits of the range that the clip uses). The
    extremes are among them, zero need not be. A constant clip, such as silence, stays as it is: its range is 0.
    Raises BadPlan for fewer than 2, and for more than 2^24, which float32 does not tell apart.
    """
    if not 2 <= level <= 1 << 24 or level != int(level):
        raise BadPlan(f"quantization@{level:g}: the number of levels is a whole number from 2 to 16777216")
    x = clip.samples.astype(np.float64)
    low, span = x.min(), np.ptp(x)
    if span == 0:
        return clip.replace(x)
    return clip.replace(low + np.round((x - low) / span * (level - 1)) * (span / (level - 1)))


def _kept(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.peak_ratio(clean, corrupted)


@corruption(
    family="modification",
    unit="of the peak",
    levels=(0.95, 0.8, 0.6, 0.4, 0.2),
    measure=_kept,
    tolerance=0.001,
    margin=0.0,
)
def clipping(clip: Clip, level: float, rng: Rng) -> Clip:
    """Hard clipping: whatever is above a share of the clip's own peak is cut down to it.

    level: the share of the peak (largest absolute sample) that is kept, above 0 and below 1. Nothing is scaled up
    afterwards: what lies below the ceiling is as it was, and the loudness falls a little. Raises BadPlan for another level.
    """
    if not 0 < level < 1:
        raise BadPlan(f"clipping@{level:g}: the share of the peak that is kept is above 0 and below 1")
    ceiling = np.float32(level * np.abs(clip.samples).max())
    return clip.replace(np.clip(clip.samples, -ceiling, ceiling))
