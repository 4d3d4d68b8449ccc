"""The hand-made features of the field: nine ways to make a frame of sound a short vector. numpy and scipy.fft only.

    FEATURES["mfcc"](samples, front) -> statics (T, D)   each a plain function; ``Front`` is the settings of all
    Front("mfcc", parts=("static", "delta"))(clip)       statics, their dynamics, normalised: what a mixture hears

All stand on the same frames (those of ``Lfcc``), so that row i of each is the same 20 ms.

Source: Sahidullah, Kinnunen and Hanilçi 2015, "A comparison of features for synthetic speech detection"; fused in
Balamurali et al. 2019, "Towards robust audio spoofing detection". Each function names its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache

import numpy as np

from ..errors import BadAudio, BadPlan, UnknownName, did_you_mean
from ..types import Clip, Samples
from . import constant_q, linear_prediction
from .features import Features, Lfcc, delta, roughness
from .learned import Encoder

NORMALISE = ("none", "utterance", "sliding")

_FLOOR = np.float32(1e-10)  # as in ``Lfcc``: 100 dB below full scale
_NARROW = np.float32(1e-14)  # of a constant-Q bin: what the rounding of a 16-bit file leaves in its 3 Hz
_FAINT = np.float32(1e-6)  # of a magnitude: 120 dB below full scale
_FLUX_FLOOR = np.float32(1e-4)  # of a filter's flux; that of steady noise is about 0.02 and of silence 0


@dataclass(frozen=True)
class Front:
    """What a mixture hears of a clip. The defaults are LFCC with both deltas, 60 numbers a frame, as they are.

    kind: one of FEATURES, or "autoencoder", which needs an encoder. frame, shift, fft, filters, coefficients, low,
    high, emphasis: as of ``Lfcc``. parts: of PARTS, in this order. normalise: "none"; "utterance": each column has
    mean 0 and deviation 1 over the clip; "sliding": over ``reach`` frames on either side. poles: of lpcc. octaves,
    bins (an octave): of cqcc, whose lowest frequency is high / 2^octaves and which knows no emphasis.

    Raises BadPlan for settings that make no feature, UnknownName for an unknown kind.
    """

    kind: str = "lfcc"
    parts: tuple[str, ...] = ("static", "delta", "second")
    normalise: str = "none"
    reach: int = 150
    rate: int = 16_000
    frame: int = 320
    shift: int = 160
    fft: int = 512
    filters: int = 20
    coefficients: int = 20
    low: float = 0.0
    high: float = 8_000.0
    emphasis: float = 0.97
    poles: int = 20
    octaves: int = 9
    bins: int = 96

    def __post_init__(self) -> None:
        if self.kind not in (*FEATURES, LEARNED):
            raise UnknownName.among("feature", self.kind, (*FEATURES, LEARNED))
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts:
            said = did_you_mean(unknown[0], PARTS) if unknown else f"Known: {', '.join(PARTS)}."
            raise BadPlan(f"a feature has parts, not {', '.join(unknown) or 'none'}. {said}")
        if self.normalise not in NORMALISE:
            raise BadPlan(f"a feature is normalised by {', '.join(NORMALISE)}, not {self.normalise!r}")
        if (
            self.reach < 1
            or not 1 <= self.poles <= self.fft - self.frame
            or self.octaves < 1
            or self.bins < 1
        ):
            raise BadPlan(
                f"a feature needs reach, octaves and bins of at least 1, and 1 to {self.fft - self.frame} poles "
                "(fft - frame)"
            )
        _ = self.base
        if self.kind in _BANKS and not _BANKS[self.kind](self).any(axis=1).all():
            raise BadPlan(
                f"some of {self.filters} filters lie between two of the {self.fft // 2 + 1} frequencies of {self.kind}; "
                "take fewer filters or a longer fft"
            )

    @cached_property
    def base(self) -> Lfcc:
        """The frames and spectra that all kinds stand on. Raises BadPlan."""
        own = {f.name for f in fields(Lfcc)} - {"deltas"}
        return Lfcc(**{name: getattr(self, name) for name in own}, deltas=0)

    def __call__(self, clip: Clip, encoder: Encoder | None = None) -> Features:
        """Features of a clip, (T, D), float32. Raises BadAudio for a clip of another rate."""
        if clip.rate != self.rate:
            raise BadAudio(
                f"these features are made at {self.rate} Hz and the clip has {clip.rate} Hz; resample it"
            )
        static = self.static(clip.samples, encoder)
        return normalised(np.concatenate([PARTS[part](static) for part in self.parts], axis=1), self)

    def static(self, samples: Samples, encoder: Encoder | None = None) -> Features:
        """The feature itself, (T, C), without dynamics and as it is."""
        if self.kind != LEARNED:
            return FEATURES[self.kind](samples, self)
        if encoder is None:
            raise BadPlan("the auto-encoder's feature is learnt: it needs the encoder of a weights file")
        return encoder(self.log_spectra(samples))

    def log_spectra(self, samples: Samples) -> Features:
        """Natural log power spectra, (T, fft/2 + 1): what the auto-encoder is given."""
        return np.asarray(np.log(self.base.spectra(samples) + _FLOOR))


LEARNED = "autoencoder"
Feature = Callable[[Samples, Front], Features]


def lfcc(samples: Samples, front: Front) -> Features:
    """Linear triangles, log, DCT: see ``Lfcc``."""
    return front.base.static(samples)


def mfcc(samples: Samples, front: Front) -> Features:
    """Triangles at equal steps of mel, 2595 log10(1 + f/700), log, DCT (Davis and Mermelstein 1980)."""
    return _cepstra(samples, front, mel_bank(front))


def imfcc(samples: Samples, front: Front) -> Features:
    """The mel triangles mirrored, dense where mel is sparse (Chakroborty, Roy and Saha 2007).

    Filter m is filter M + 1 - m of the mel bank at low + high - f: what MFCC hears of x[n] (-1)^n, in turned order.
    """
    return _cepstra(samples, front, inverted_bank(front))


def rfcc(samples: Samples, front: Front) -> Features:
    """Rectangles side by side on a linear scale, log, DCT (Hasan et al. 2013)."""
    return _cepstra(samples, front, box_bank(front))


def lpcc(samples: Samples, front: Front) -> Features:
    """Cepstra of the predictor of ``front.poles`` poles: see ``linear_prediction``."""
    spectra = front.base.spectra(samples)
    return linear_prediction.lpcc(spectra, front.poles, front.coefficients, float(_FLOOR))


def cqcc(samples: Samples, front: Front) -> Features:
    """Constant-Q power, log, onto a linear scale, DCT (Todisco, Delgado and Evans 2016): see ``constant_q``."""
    grid = constant_q.ConstantQ(
        front.rate, front.high, front.octaves, front.bins, front.shift, front.frame // 2
    )
    power = grid.power(samples, front.base.frames(samples.size))
    return np.asarray(np.log(power + _NARROW) @ constant_q.cepstral_weights(grid, front.coefficients))


def scmc(samples: Samples, front: Front) -> Features:
    """Spectral centroid magnitudes Σ f |X| w / Σ f w of linear triangles, log, DCT (Kua et al. 2010)."""
    magnitude, bank, hz = _magnitudes(samples, front)
    mean = (magnitude * hz) @ bank.T / (bank @ hz)
    return np.asarray(np.log(mean + _FAINT) @ front.base.dct.T)


def scfc(samples: Samples, front: Front) -> Features:
    """Spectral centroid frequencies Σ f |X| w / Σ |X| w of linear triangles, in kHz, one a filter (Kua et al. 2010).

    A filter that hears nothing has its own centroid. ``coefficients`` says nothing here: filters do.
    """
    magnitude, bank, hz = _magnitudes(samples, front)
    magnitude = magnitude + _FAINT
    return np.asarray((magnitude * (hz / 1_000)) @ bank.T / (magnitude @ bank.T))


def ssfc(samples: Samples, front: Front) -> Features:
    """Sub-band flux: Σ w (|X_t| - |X_{t-1}|)² of spectra of unit power, log(1 + flux/ε), DCT; zero for a steady sound.

    The first frame, which has none before it, repeats the second. After Sahidullah et al. 2015; the ε (1e-4, 1/200 of
    the flux of steady white noise) is ours.
    """
    magnitude, bank, _ = _magnitudes(samples, front)
    power = np.square(magnitude).sum(axis=1, keepdims=True)
    even = magnitude / np.sqrt(power + _FLOOR)
    flux = np.square(np.diff(even, axis=0, prepend=even[:1])) @ bank.T
    flux[:1] = flux[1:2] if len(flux) > 1 else 0
    return np.asarray(np.log1p(flux / _FLUX_FLOOR) @ front.base.dct.T)


FEATURES: Mapping[str, Feature] = {
    f.__name__: f for f in (mfcc, imfcc, lfcc, rfcc, lpcc, cqcc, scmc, scfc, ssfc)
}  # fmt: skip


def _second(static: Features) -> Features:
    return delta(delta(static))


def _rough(static: Features) -> Features:
    if len(static) < 3:
        return np.full_like(static, np.log(np.float32(0.05)))
    return np.pad(roughness(static), ((1, 1), (0, 0)), mode="edge")


PARTS: Mapping[str, Callable[[Features], Features]] = {
    "static": lambda static: static,
    "delta": delta,
    "second": _second,
    "rough": _rough,
}
"""What a frame's vector is made of: the feature, its slopes over ±2 frames, theirs, and ``features.roughness``."""


def normalised(x: Features, front: Front) -> Features:
    """Columns with mean 0 and deviation 1 over the clip or a sliding stretch of it; a constant column is zeros."""
    if front.normalise == "none":
        return x
    if front.normalise == "utterance":
        y = x.astype(np.float64)
        mean, square = y.mean(axis=0), np.square(y).mean(axis=0)
    else:
        last = np.minimum(np.arange(len(x)) + front.reach + 1, len(x))
        first = np.maximum(np.arange(len(x)) - front.reach, 0)
        y = x.astype(np.float64)
        sums = np.concatenate([np.zeros((1, 2 * x.shape[1])), np.cumsum(np.hstack([y, y * y]), axis=0)])
        mean, square = np.hsplit((sums[last] - sums[first]) / (last - first)[:, None], 2)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return np.where(deviation > 1e-4, (y - mean) / np.maximum(deviation, 1e-4), 0).astype(np.float32)


@lru_cache(maxsize=16)
def mel_bank(front: Front) -> Features:
    """Triangles with corners at equal steps of mel from low to high, peak 1, (filters, fft/2 + 1)."""
    return _triangles(front, _mel_corners(front))


@lru_cache(maxsize=16)
def inverted_bank(front: Front) -> Features:
    """The mel triangles at low + high - f, from the lowest to the highest, (filters, fft/2 + 1)."""
    return _triangles(front, front.low + front.high - _mel_corners(front)[::-1])


@lru_cache(maxsize=16)
def box_bank(front: Front) -> Features:
    """Rectangles of equal width from low to high; each frequency from low to high is in exactly one."""
    edges = np.linspace(front.low, front.high, front.filters + 1)
    hz = _hertz(front)
    inside = (hz >= edges[:-1, None]) & (hz < edges[1:, None])
    inside[-1] |= hz == front.high
    return inside.astype(np.float32)


_BANKS: Mapping[str, Callable[[Front], Features]] = {
    "mfcc": mel_bank,
    "imfcc": inverted_bank,
    "rfcc": box_bank,
    **dict.fromkeys(("lfcc", "scmc", "scfc", "ssfc"), lambda front: front.base.bank),
}


def _mel_corners(front: Front) -> np.ndarray:
    top, bottom = (2595 * np.log10(1 + f / 700) for f in (front.high, front.low))
    return np.asarray(700 * (10 ** (np.linspace(bottom, top, front.filters + 2) / 2595) - 1))


def _triangles(front: Front, corners: np.ndarray) -> Features:
    """Filter m rises from corner m to corner m + 1 and falls to corner m + 2."""
    rise, fall = np.diff(corners)[:-1, None], np.diff(corners)[1:, None]
    hz = _hertz(front)
    up, down = (hz - corners[:-2, None]) / rise, (corners[2:, None] - hz) / fall
    return np.asarray(np.clip(np.minimum(up, down), 0, None), dtype=np.float32)


def _hertz(front: Front) -> np.ndarray:
    return np.arange(front.fft // 2 + 1) * front.rate / front.fft


def _cepstra(samples: Samples, front: Front, bank: Features) -> Features:
    return np.asarray(np.log(front.base.spectra(samples) @ bank.T + _FLOOR) @ front.base.dct.T)


def _magnitudes(samples: Samples, front: Front) -> tuple[Features, Features, Features]:
    """(|X| of each frame, the linear triangles, the frequencies in Hz), float32."""
    return np.sqrt(front.base.spectra(samples)), front.base.bank, _hertz(front).astype(np.float32)
