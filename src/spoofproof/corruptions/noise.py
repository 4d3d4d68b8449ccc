"""Added noise: white, or of a kind that people meet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import BadPlan
from ..registry import corruption
from ..types import Clip, Corruption, Rng
from . import measure
from .recordings import NOISE, OTHER, by_kind, folder, looped, recorded, trouble
from .sounds import KINDS

_PAPER = "Li et al. 2025, arXiv 2503.17577"
_SNRS = (40, 30, 20, 10, 5)
_LONGEST = 30  # seconds of noise that are made; beyond them it repeats, cross-faded


def _snr(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.snr_db(clean, corrupted)


@corruption(
    family="noise", unit="dB SNR", levels=_SNRS, origin=_PAPER, measure=_snr, tolerance=0.001, margin=0.0
)
def gaussian_noise(clip: Clip, level: float, rng: Rng) -> Clip:
    """White Gaussian noise.

    level: power of the clip over power of the noise in dB, -100 to 100, both over the whole clip, pauses included. The noise
    is scaled to the power that it really drew, so that the ratio is exact and not so on average only. Silence has no
    ratio to anything, and stays silent. Raises BadPlan for another level.
    """
    return _add(clip, rng.standard_normal(clip.samples.size), level)


@corruption(
    family="noise",
    unit="dB SNR",
    levels=_SNRS,
    origin=f"{_PAPER} (there one recording of babble; the kinds after its later version)",
    measure=_snr,
    tolerance=0.001,
    margin=0.0,
    available=lambda: trouble(NOISE),
)
def background_noise(clip: Clip, level: float, rng: Rng) -> Clip:
    """Babble, wind, rain, footsteps, breathing, coughing, a ticking clock, sneezing or music: one of them a trial.

    level: power of the clip over power of the noise in dB, -100 to 100, both over the whole clip, exactly. The kind is drawn for
    each trial, the same at every level. With a folder of recordings in SPOOFPROOF_NOISE, kinds that it holds are
    taken from it, at the clip's rate, from a random place on (and those of no known kind are one kind more); the other
    kinds are synthetic. ``background_noise.babble`` and so on are each kind by itself. Silence stays silent. Raises
    BadPlan for another level.
    """
    root = folder(NOISE)
    kinds = list(KINDS)
    if root is not None and OTHER in by_kind(root):
        kinds.append(OTHER)
    return _background(clip, level, kinds[int(rng.integers(len(kinds)))], rng)


def draw(kind: str, samples: int, rate: int, rng: Rng) -> NDArray[np.float64]:
    """Noise of a kind at any level, shape (samples,), never all zero: recorded where there is a recording."""
    root = folder(NOISE)
    paths = () if root is None else by_kind(root).get(kind, ())
    if paths:
        return recorded(paths, samples, rate, rng).astype(np.float64)
    most = min(samples, _LONGEST * rate)
    made = KINDS[kind](most, rate, rng)
    return (made if most == samples else looped(made, samples, 0, rate // 2)).astype(np.float64)


def _background(clip: Clip, level: float, kind: str, rng: Rng) -> Clip:
    return _add(clip, draw(kind, clip.samples.size, clip.rate, rng), level)


def _add(clip: Clip, noise: NDArray[np.float64], level: float) -> Clip:
    if not -100 <= level <= 100:
        raise BadPlan(f"{level:g} dB of noise: a ratio of signal to noise lies between -100 and 100 dB")
    x = clip.samples.astype(np.float64)
    scale = np.sqrt(float(x @ x) / float(noise @ noise)) * 10 ** (-level / 20)
    return clip.replace(x + scale * noise)


def _one_kind(kind: str) -> Corruption:
    def run(clip: Clip, level: float, rng: Rng) -> Clip:
        return _background(clip, level, kind, rng)

    return run


for _kind in KINDS:
    corruption(
        name=f"background_noise.{_kind}",
        family="noise",
        unit="dB SNR",
        levels=_SNRS,
        measure=_snr,
        tolerance=0.001,
        margin=0.0,
        available=lambda: trouble(NOISE),
        summary=f"Background noise of one kind: {_kind.replace('_', ' ')}; level: dB SNR over the whole clip.",
    )(_one_kind(_kind))
