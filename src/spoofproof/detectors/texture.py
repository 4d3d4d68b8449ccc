"""Texture: local statistics of the spectrogram, band by band, and a linear rule over them. numpy and scipy.fft only.

A generator makes speech from a coarse description (a mel spectrogram, units, codes) and fills in what lies between: how
neighbouring points of the spectrogram go together is what it has to invent. The statistics below look at nothing else:
no phoneme, no speaker, no spectral envelope as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..audio import WINDOW_SAMPLES
from ..errors import SpoofproofError
from ..registry import detector
from ..shipped import card, weights
from ..types import Clip, Detector, Samples
from .arrays import UNREADABLE, load_arrays, save_arrays
from .prepare import RATE, prepare

Floats = NDArray[np.float32]

BANDS = 16  # of 500 Hz each
RESOLUTIONS = ((320, 80), (1024, 256))  # window and hop in samples: 20 ms every 5 ms, and 64 ms every 16 ms
_POINT, _BAND, _STEP = (
    1e-5,
    1e-6,
    0.05,
)  # floors: of the power of a point, of a band's, and of a difference in nats
_QUIET = 0.4  # share of the frames that counts as pauses

STATISTICS = (
    "kurtosis of levels", "skewness within frames", "variance within frames", "roughness over frequency",
    "roughness over time", "roughness of the band's level", "range of the band's level", "depth of the pauses",
    "correlation from frame to frame", "phase advance", "group delay", "correlation with the band below",
)  # fmt: skip
SIZE = len(RESOLUTIONS) * (len(STATISTICS) * BANDS - 1)  # the lowest band has none below it


def statistics(samples: Samples) -> Floats:
    """The statistics of prepared samples (T,), T >= 4 096, at 16 kHz: shape (SIZE,), finite.

    For each resolution and band of 500 Hz: how the log powers of its points are spread and skewed, how they change
    from point to point over frequency and over time (as in ``features.roughness``), how its level moves, how alike
    successive frames and neighbouring bands are, and how far phases stray from a steady advance over time (a stationary
    sinusoid has none) and over frequency (an impulse has none). All but pauses' own statistics are over the louder 60 %
    of the frames or over all. Silence has zeros where nothing varies.

    The idea that traces of synthesis are local statistics and not content: Chai et al., "What makes fake images
    detectable?" (ECCV 2020); sound textures: McDermott and Simoncelli (Neuron 71(5), 2011). The choice of statistics is
    our own, made on the train and dev parts (docs/detectors.md).
    """
    return np.concatenate([_at(samples.astype(np.float32, copy=False), *r) for r in RESOLUTIONS])


def names() -> list[str]:
    """What each number of ``statistics`` is, in its order."""
    return [
        f"{statistic}, {500 * band / 1000:g} to {500 * (band + 1) / 1000:g} kHz, {1000 * window / RATE:g} ms"
        for window, _ in RESOLUTIONS
        for statistic in STATISTICS
        for band in range(1 if statistic == STATISTICS[-1] else 0, BANDS)
    ]


def _at(x: Samples, window: int, hop: int) -> Floats:
    width = window // 2 // BANDS
    frames = np.lib.stride_tricks.sliding_window_view(x, window)[::hop]
    spectra = np.asarray(scipy.fft.rfft(frames * _taper(window), axis=1), dtype=np.complex64)
    power = spectra.real**2 + spectra.imag**2
    inside = power[:, : BANDS * width]
    points = np.log(inside + np.float32(_POINT)).reshape(len(power), BANDS, width)
    level = np.log(inside.reshape(points.shape).mean(axis=2) + np.float32(_BAND))
    loud = level.mean(axis=1)
    active = loud > np.percentile(loud, 100 * _QUIET)
    if not active.any():
        active[:] = True
    heard = points[active]
    centred = heard - heard.mean(axis=2, keepdims=True)
    middle = active[1:-1]
    if not middle.any():
        middle = np.ones_like(middle)
    ordered = np.sort(level, axis=0)
    top, bottom, low = (np.percentile(ordered, q, axis=0) for q in (95, 5, 20))
    found = (
        _moment(heard, 4) - 3,
        _moment(centred, 3),
        np.log(centred.var(axis=(0, 2)) + 1e-6),
        _rough(np.diff(heard, 2, axis=2)).mean(axis=(0, 2)),
        _rough(np.diff(points, 2, axis=0))[middle].mean(axis=(0, 2)),
        _rough(np.diff(level, 2, axis=0))[middle].mean(axis=0),
        top - bottom,
        top - low,
        _alike(points[:-1], points[1:], (0, 2)),
        _stray(spectra[2:] * spectra[:-2] * spectra[1:-1].conj() ** 2, power[1:-1], width),
        _stray(spectra[:, 2:] * spectra[:, :-2] * spectra[:, 1:-1].conj() ** 2, power[:, :-2], width),
        _alike(level[active][:, :-1], level[active][:, 1:], (0,)),
    )
    return np.asarray(np.nan_to_num(np.concatenate(found), posinf=0.0, neginf=0.0), dtype=np.float32)


@lru_cache(maxsize=8)
def _taper(window: int) -> Floats:
    return np.hanning(window).astype(np.float32)


def _moment(x: Floats, order: Literal[3, 4]) -> NDArray[np.floating]:
    """Standardised moment of each band over frames and points, (T, BANDS, width) -> (BANDS,); 0 where nothing varies."""
    x = x - x.mean(axis=(0, 2), keepdims=True)
    square = np.square(x)
    spread = square.mean(axis=(0, 2))
    power = square * (x if order == 3 else square)  # ** of an array took half of the detector's time
    return np.where(spread > 1e-8, power.mean(axis=(0, 2)) / np.maximum(spread, 1e-8) ** (order / 2), 0)


def _rough(difference: Floats) -> Floats:
    return np.asarray(np.log(np.abs(difference) + np.float32(_STEP)))


def _alike(a: Floats, b: Floats, over: tuple[int, ...]) -> NDArray[np.floating]:
    """Correlation of a and b over the axes ``over``; 0 where one of them does not vary."""
    a, b = a - a.mean(axis=over, keepdims=True), b - b.mean(axis=over, keepdims=True)
    both = np.sqrt(np.square(a).sum(axis=over) * np.square(b).sum(axis=over) + 1e-9)
    return np.asarray((a * b).sum(axis=over) / both)


def _stray(turn: NDArray[np.complex64], power: Floats, width: int) -> NDArray[np.floating]:
    """Log of the mean |angle| of each band in radians, the louder points weighing more, shape (BANDS,)."""
    angle, weight = np.abs(np.angle(turn)), np.log1p(1e3 * power)
    ends = np.minimum(np.arange(0, BANDS * width, width), angle.shape[1] - 1)
    kept = min(BANDS * width, angle.shape[1])
    over = np.add.reduceat((angle * weight)[:, :kept].sum(axis=0, dtype=np.float64), ends)
    return np.log(
        over / (np.add.reduceat(weight[:, :kept].sum(axis=0, dtype=np.float64), ends) + 1e-9) + 1e-3
    )


@dataclass(frozen=True, eq=False)
class Texture:
    """A linear rule over the statistics, and the limit that no single one of them may exceed.

    centre, scale, weight: shape (SIZE,); a statistic is (x - centre) / scale, held within ±limit. offset: of the rule.
    slope, shift: calibration on development data, from the rule's sum to log odds.
    """

    centre: Floats
    scale: Floats
    weight: Floats
    offset: float
    limit: float
    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, statistics: Floats) -> float:
        """Log odds of bona fide."""
        return self.slope * self.sum(statistics) + self.shift

    def sum(self, statistics: Floats) -> float:
        """Before calibration."""
        x = np.clip((statistics - self.centre) / self.scale, -self.limit, self.limit)
        return float(x.astype(np.float64) @ self.weight) + self.offset

    def save(self, path: Path) -> None:
        """Write an .npz whose bytes depend on the content alone. Raises RunConflict (disk full)."""
        settings = {name: getattr(self, name) for name in ("offset", "limit", "slope", "shift")}
        save_arrays(path, settings, {name: getattr(self, name) for name in ("centre", "scale", "weight")})

    @classmethod
    def load(cls, path: Path) -> Texture:
        """Read what ``save`` wrote. Raises SpoofproofError when it is another kind of file, or damaged."""
        try:
            settings, arrays = load_arrays(path)
            centre, scale, weight = (arrays[name] for name in ("centre", "scale", "weight"))
            model = cls(centre, scale, weight, **settings)
            if not all(a.shape == (SIZE,) for a in (model.centre, model.scale, model.weight)):
                raise ValueError(f"{SIZE} statistics are expected, {model.weight.size} are held")
            return model
        except UNREADABLE as error:
            raise SpoofproofError(
                f"{path} holds no texture rule ({type(error).__name__}: {error}). "
                "Make one with: spoofproof train recipes/texture.toml"
            ) from None


@detector(rate=RATE, seconds=WINDOW_SAMPLES / RATE, card=card("texture"), cost=25)
def texture(path: str = "") -> Detector:
    """Texture: logistic regression on 382 local statistics of the spectrogram; the project's own, small and fast.

    path: another .npz than the shipped one. Raises MissingPart, SpoofproofError.
    """
    model = Texture.load(weights("texture", ".npz", path))

    def score(clips: Sequence[Clip]) -> list[float]:
        return [model(statistics(prepare(clip).samples)) for clip in clips]

    return score
