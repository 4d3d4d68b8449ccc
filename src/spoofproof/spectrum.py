"""Up to which frequency a recording holds sound, and what an encoder has cut out of it: the one place where
both are measured.

``lasting_falls`` and ``emptied`` are what an edge and a hole are. ``detect`` asks for them of whole files of
any rate (``Spectrometer``: a histogram of levels for each band of 100 Hz, so that memory does not grow with
the length, and any percentile can be read off at the end), ``explain`` of the speech in an excerpt at 16 kHz,
finer in time and frequency: two grids, since the tables of both were fitted on theirs, and one rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from .types import Samples

BAND_HZ = 100
_SECONDS = 0.04  # of a frame
_LOWEST, _HIGHEST = -140, 40  # dB of full scale
_LOUD = 0.97  # percentile at which a band counts: fricatives are rare, and the only speech at the top
_DEEP_DB = 60.0  # below the loudest band nothing is called sound
_EDGE_DB, _EDGE_BANDS = 18.0, 4  # a cut-off is sharp when the level falls by this within 400 Hz
HOLE_DB = 20.0  # what lies that much below its neighbours was emptied, and is not quiet
_ACTIVE_DB = 30.0  # frames this much below the loudest so far do not count
_HOLES_HZ = (1500.0, 7500.0)

# Where encoders and channels end, in Hz: (from, to, name). ITU-T G.711 and G.722, 3GPP TS 26.071 and 26.171, RFC 6716 table 1;
# MP3 as the encoder of this package's corruption was measured on speech.
CUTOFFS = (
    (2900, 4150, "a telephone band (G.711, AMR) or MP3 at 8 kbit/s"),
    (4150, 4700, "Opus at a low bit rate"),
    (5300, 6150, "MP3 at 16 to 24 kbit/s or Opus mediumband"),
    (6300, 7450, "a wideband telephone (AMR-WB, G.722) or MP3 at 32 to 40 kbit/s"),
    (7600, 8050, "16 kHz sampling or Opus wideband"),
    (10000, 11050, "22 kHz sampling or MP3 at 48 kbit/s"),
    (11700, 12050, "24 kHz sampling or Opus super-wideband"),
    (15000, 16100, "32 kHz sampling or MP3 at 96 to 128 kbit/s"),
    (16500, 20500, "MP3 or AAC above 128 kbit/s"),
)  # fmt: skip


def hann(size: int) -> NDArray[np.float64]:
    """Periodic Hann window of ``size`` samples, float64: those of scipy.signal, which takes a second of a cold start to load."""
    return (0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, size + 1)))[:-1]


@dataclass(frozen=True, slots=True)
class Band:
    """bandwidth_hz: highest frequency with sound, 0 (silence) to half the file's rate. cutoff_hz: where the spectrum breaks off
    sharply below half the rate, None where it does not. like: what is known to end there, "" for nothing."""

    bandwidth_hz: float
    cutoff_hz: float | None
    like: str


class Spectrometer:
    """Collects mono audio at ``rate`` Hz in blocks of any size: ``add`` each, then ``band`` and ``holes``."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._size = max(16, round(rate * _SECONDS))
        self._rest = np.zeros(0, np.float32)
        self._bands = max(1, int(rate / 2 // BAND_HZ))
        hz = np.fft.rfftfreq(self._size, 1 / rate)
        self._starts = np.searchsorted(hz, np.arange(self._bands) * BAND_HZ)
        self._window = hann(self._size)
        self._counts = np.zeros((self._bands, _HIGHEST - _LOWEST), np.int64)
        self._holes = self._cells = 0
        self._loudest = float(_LOWEST)

    def add(self, block: Samples) -> None:
        """Samples of shape (n,) that follow those before."""
        self._rest = np.concatenate([self._rest, block]) if self._rest.size else block
        whole = self._rest.size // self._size
        for first in range(0, whole, 512):
            last = min(whole, first + 512)
            self._count(self._rest[first * self._size : last * self._size].reshape(-1, self._size))
        self._rest = self._rest[whole * self._size :].copy()

    def _count(self, frames: NDArray[np.float32]) -> None:
        levels = self._levels(frames)
        cells = np.clip(levels - _LOWEST, 0, _HIGHEST - _LOWEST - 1).astype(np.intp)
        flat = cells + np.arange(self._bands) * (_HIGHEST - _LOWEST)
        self._counts += np.bincount(flat.ravel(), minlength=self._counts.size).reshape(self._counts.shape)
        tops = levels.max(axis=1)
        self._loudest = max(self._loudest, float(tops.max()))
        holes, among = count_holes(levels[tops > max(self._loudest - _ACTIVE_DB, _LOWEST + 40)])
        self._holes += holes
        self._cells += among

    def _levels(self, frames: NDArray[np.float32]) -> NDArray[np.float64]:
        """Level of each band in dB of full scale, shape (F, bands)."""
        spectrum = np.abs(fft.rfft(frames.astype(np.float64) * self._window, axis=1)) ** 2
        power = np.add.reduceat(spectrum, self._starts, axis=1) * (2 / (self._size * (self._window**2).sum()))
        return np.asarray(10 * np.log10(np.maximum(power, 10.0 ** (_LOWEST / 10))), dtype=np.float64)

    def percentile(self, share: float) -> NDArray[np.float64]:
        """Level in dB that ``share`` of the frames stay below, for each band, shape (bands,)."""
        total = self._counts.sum(axis=1)
        below = np.cumsum(self._counts, axis=1)
        index = (below >= np.maximum(1, share * total)[:, None]).argmax(axis=1)
        return np.where(total > 0, index + _LOWEST + 0.5, float(_LOWEST))

    def band(self) -> Band:
        """Bandwidth and cut-off of what was collected."""
        loud = self.percentile(_LOUD)
        peak = float(loud.max())
        if peak < _LOWEST + 20:
            return Band(0.0, None, "")
        floor = max(peak - _DEEP_DB, float(_LOWEST) + 12)
        sound = np.flatnonzero(loud > floor)
        top = int(sound[-1]) + 1
        edge = self._edge(loud, top)
        if edge is None:
            return Band(float(min(top * BAND_HZ, self.rate / 2)), None, "")
        hz = float(edge * BAND_HZ)
        like = next((name for low, high, name in CUTOFFS if low <= hz <= high), "")
        return Band(hz, hz, like)

    def _edge(self, loud: NDArray[np.float64], top: int) -> int | None:
        """Number of bands below the sharp edge that lies highest, None where the spectrum just fades or goes to the end."""
        last = self._bands - 3
        peak = loud.max()
        places = range(min(top, last), 5, -1)
        for at, (under, fall) in zip(
            places, lasting_falls(loud, places, near=1, far=_EDGE_BANDS), strict=True
        ):
            if under > peak - _DEEP_DB and fall > _EDGE_DB:
                return at
        return None

    def holes(self) -> float:
        """Share of cells (100 Hz by 40 ms, 1.5 to 7.5 kHz, in loud frames) that an encoder emptied, 0 to 1.

        Encoders such as MP3 round whole groups of spectral lines to zero where they are masked (0.5 to 3 % of the cells);
        microphones, rooms and noise leave no such gaps (below 0.1 %).
        """
        return self._holes / self._cells if self._cells else 0.0


def lasting_falls(
    levels: NDArray[np.float64], places: Iterable[int], *, near: int, far: int
) -> Iterator[tuple[float, float]]:
    """(level below, fall) in dB at each of ``places`` of a spectrum of shape (bands,): from the mean of the
    bands far … near below it to the loudest of all that lie ``near`` above it or further. What falls and
    comes back is no edge."""
    rest = np.maximum.accumulate(levels[::-1])[::-1]  # the loudest from here on
    for at in places:
        below = float(levels[at - far : at - near + 1].mean())
        yield below, below - float(rest[at + near])


def emptied(levels: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which cells of a spectrogram in dB lie ``HOLE_DB`` below those around them."""
    return np.asarray(around - levels > HOLE_DB)


def count_holes(levels: NDArray[np.float64]) -> tuple[int, int]:
    """(holes, cells looked at) of levels in dB, shape (F, bands)."""
    low, high = (int(hz // BAND_HZ) for hz in _HOLES_HZ)
    some = levels[:, low:high]
    if some.shape[1] < 8:
        return 0, 0
    holes = emptied(some[:, 2:-2], np.minimum(some[:, :-4], some[:, 4:]))  # 200 Hz below and above
    return int(holes.sum()), int(holes.size)
