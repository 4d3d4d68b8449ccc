"""Linear frequency cepstral coefficients, as in the field's baselines. numpy and scipy.fft only, float32 throughout."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..errors import BadAudio, BadPlan
from ..types import Clip, Samples

Features = NDArray[np.float32]

_FLOOR = np.float32(
    1e-10
)  # added to each filter's power: 100 dB below a full-scale frame, so silence is finite


@dataclass(frozen=True)
class Lfcc:
    """LFCC settings; the defaults are the front end of LFCC-LCNN in the robustness study (60 dimensions).

    rate in Hz; frame, shift, fft in samples; filters: triangles spaced linearly from low to high Hz, each reaching
    to its neighbours' centres; coefficients: how many of the DCT-II (orthonormal) are kept, c0 first; deltas: 0, 1
    or 2 orders of derivatives appended; emphasis: of the first difference before framing.

    Sources: Sahidullah et al., "A comparison of features for synthetic speech detection" (Interspeech 2015);
    LFCC-LCNN: frame 320, shift 160, FFT 512, 20 filters. The ASVspoof 2021 LFCC-GMM baseline is
    ``Lfcc(frame=480, shift=240, fft=1024, filters=70, coefficients=20)``: 30/15 ms, 19 coefficients and c0.

    Raises BadPlan for settings that make no filter bank.
    """

    rate: int = 16_000
    frame: int = 320
    shift: int = 160
    fft: int = 512
    filters: int = 20
    coefficients: int = 20
    low: float = 0.0
    high: float = 8_000.0
    deltas: int = 2
    emphasis: float = 0.97

    def __post_init__(self) -> None:
        if not 1 <= self.shift <= self.frame <= self.fft:
            raise BadPlan(
                f"LFCC needs 1 <= shift <= frame <= fft, got {self.shift}, {self.frame}, {self.fft}"
            )
        if not 1 <= self.coefficients <= self.filters:
            raise BadPlan(f"LFCC keeps 1 to {self.filters} coefficients, not {self.coefficients}")
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise BadPlan(
                f"LFCC filters lie within 0 to {self.rate / 2:g} Hz, not {self.low:g} to {self.high:g}"
            )
        if not 0 <= self.deltas <= 2:
            raise BadPlan(f"LFCC appends 0, 1 or 2 orders of deltas, not {self.deltas}")

    @property
    def size(self) -> int:
        """Dimensions of one frame's vector."""
        return self.coefficients * (1 + self.deltas)

    def frames(self, samples: int) -> int:
        """Frames of a clip of ``samples`` samples; a clip shorter than a frame has one, filled with zeros."""
        return 1 + max(0, samples - self.frame) // self.shift

    def __call__(self, clip: Clip) -> Features:
        """Features of a clip, shape (frames, size), float32. Raises BadAudio for a clip of another rate."""
        if clip.rate != self.rate:
            raise BadAudio(
                f"these features are made at {self.rate} Hz and the clip has {clip.rate} Hz; resample it"
            )
        static = self.static(clip.samples)
        parts = [static]
        for _ in range(self.deltas):
            parts.append(delta(parts[-1]))
        return np.concatenate(parts, axis=1)

    def static(self, samples: Samples) -> Features:
        """Cepstra without derivatives, shape (frames, coefficients)."""
        return np.asarray(self.log_energies(samples) @ self.dct.T)

    def log_energies(self, samples: Samples) -> Features:
        """Natural log of the power in each filter, shape (frames, filters)."""
        power = self.spectra(samples)
        return np.asarray(np.log(power @ self.bank.T + _FLOOR))

    def spectra(self, samples: Samples) -> Features:
        """Power spectra of Hamming-windowed frames, scaled so that a full-scale sine peaks near 1; (frames, fft/2+1)."""
        x = samples
        if x.size < self.frame:
            x = np.concatenate([x, np.zeros(self.frame - x.size, dtype=np.float32)])
        if self.emphasis:
            x = np.concatenate([x[:1], x[1:] - np.float32(self.emphasis) * x[:-1]])
        frames = np.lib.stride_tricks.sliding_window_view(x, self.frame)[:: self.shift]
        spectrum = scipy.fft.rfft(frames * self.taper, n=self.fft, axis=1)
        return np.asarray(spectrum.real**2 + spectrum.imag**2)

    @cached_property
    def taper(self) -> Features:
        """Hamming window with a sum of 2, so that a sine of amplitude 1 has a power of 1 at its peak."""
        w = np.hamming(self.frame)
        return np.asarray(2 * w / w.sum(), dtype=np.float32)

    @cached_property
    def bank(self) -> Features:
        """Triangular filters, shape (filters, fft/2+1), peak 1 at their centres; neighbours add up to 1."""
        edges = np.linspace(self.low, self.high, self.filters + 2)
        hz = np.arange(self.fft // 2 + 1) * self.rate / self.fft
        step = edges[1] - edges[0]
        return np.asarray(np.clip(1 - np.abs(hz - edges[1:-1, None]) / step, 0, None), dtype=np.float32)

    @cached_property
    def dct(self) -> Features:
        """Orthonormal DCT-II, shape (coefficients, filters)."""
        k, n = np.arange(self.coefficients)[:, None], np.arange(self.filters)
        basis = np.sqrt(2 / self.filters) * np.cos(np.pi * k * (2 * n + 1) / (2 * self.filters))
        basis[0] /= np.sqrt(2)
        return np.asarray(basis, dtype=np.float32)


def delta(features: Features, reach: int = 2) -> Features:
    """Slope of each column over time, per frame: least squares over ±reach frames, edges repeated. Same shape."""
    padded = np.pad(features, ((reach, reach), (0, 0)), mode="edge")
    n = len(features)
    slope = np.zeros_like(features)
    for k in range(1, reach + 1):
        slope += k * (padded[reach + k : reach + k + n] - padded[reach - k : reach - k + n])
    return np.asarray(slope / np.float32(2 * sum(k * k for k in range(1, reach + 1))), dtype=np.float32)


def roughness(cepstra: Features) -> Features:
    """log(0.05 + |second difference over time|) of each cepstral coefficient, shape (T, D) -> (T - 2, D), in nats.

    How unevenly the spectrum moves from one 10 ms frame to the next. Trajectories of synthetic speech are smoother
    than those of a recording: the over-smoothing that Toda and Tokuda (2007) describe for parametric synthesis holds
    for the neural generators of the train part too, and is the one cue that carried over between sources there
    (docs/detectors.md). Blind to any fixed channel; 0.05 keeps digital silence from ruling the mean.

    >>> roughness(np.arange(10, dtype=np.float32)[:, None]).round(3)[0]
    array([-2.996], dtype=float32)
    """
    return np.asarray(np.log(np.abs(np.diff(cepstra, n=2, axis=-2)) + np.float32(0.05)))
