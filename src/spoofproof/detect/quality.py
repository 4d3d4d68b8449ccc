"""How good a recording is, measured while it is read: speech, noise, bandwidth, clipping, traces of codecs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spectrum import Spectrometer
from ..types import Samples
from .frames import FRAME, HOP, RATE, Tracker
from .speech import FRAME_SECONDS, Flags, snr_db, speech_frames

HOLES = 0.003  # share of emptied cells from which an encoder is named: clean speech has less than 0.001
_FLAT = 2e-4  # of the peak: neighbours that differ by less lie on one plateau
_NEAR_PEAK = 0.998
_SAME_PEAK = 0.9  # blocks whose peak is lower than this share of the highest hold no clipping


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured of one recording.

    seconds: its length. rate: its own sampling rate in Hz. channels: how many were averaged. speech_seconds, speech_share: by
    the voice activity detector; share 0 to 1. snr_db: speech over noise, -20 to 80, None without speech. level_dbfs: mean level
    of the speech (of everything without speech), -120 to about 0. bandwidth_hz: highest frequency with sound, at most half the
    rate. cutoff_hz: where the spectrum breaks off sharply, None where it does not. cutoff_like: what is known to end there.
    clipping_share: samples on flat tops, 0 to 1. hole_share: cells of the spectrogram emptied by an encoder, 0 to 1.
    codec: the traces in words, "" for none.
    """

    seconds: float
    rate: int
    channels: int
    speech_seconds: float
    speech_share: float
    snr_db: float | None
    level_dbfs: float
    bandwidth_hz: float
    cutoff_hz: float | None
    cutoff_like: str
    clipping_share: float
    hole_share: float
    codec: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class QualityMeter:
    """Measures audio that is being read: ``raw`` takes what was decoded, ``heard`` the same at 16 kHz; then ``quality``."""

    def __init__(self, rate: int) -> None:
        self._rate, self._channels, self._frames = rate, 0, 0
        self._peaks: list[tuple[float, int, int]] = []
        self._spectrum = Spectrometer(rate)
        self._tracker = Tracker()

    def raw(self, block: NDArray[np.float32], mono: Samples) -> None:
        """A decoded block, shape (n, channels), and its average over channels, shape (n,)."""
        self._channels = max(self._channels, block.shape[1])
        self._frames += len(block)
        self._peaks.append(flat_tops(block))
        self._spectrum.add(mono)

    def heard(self, block: Samples) -> None:
        """A block at 16 kHz, shape (n,)."""
        self._tracker.add(block)

    def quality(self) -> tuple[Quality, Flags]:
        """What was measured, and which frames of 20 ms hold speech, shape (F,)."""
        track = self._tracker.track()
        speech = speech_frames(track)
        seconds = self._frames / self._rate
        spoken = min(seconds, float(speech.sum()) * FRAME_SECONDS)
        snr = snr_db(track, speech)
        heard = track.level[speech] if speech.any() else track.level
        level = 10 * math.log10(max(float(np.mean(10 ** (heard.astype(np.float64) / 10))), 1e-12))
        band, holes = self._spectrum.band(), self._spectrum.holes()
        found = Quality(
            seconds=seconds,
            rate=self._rate,
            channels=self._channels,
            speech_seconds=spoken,
            speech_share=spoken / seconds if seconds else 0.0,
            snr_db=None if math.isnan(snr) else snr,
            level_dbfs=level,
            bandwidth_hz=band.bandwidth_hz,
            cutoff_hz=band.cutoff_hz,
            cutoff_like=band.like,
            clipping_share=clipping_share(self._peaks),
            hole_share=holes,
            codec=_in_words(holes, band.cutoff_hz, band.like, self._rate),
        )
        return found, speech


def flat_tops(block: NDArray[np.float32]) -> tuple[float, int, int]:
    """(peak, samples that lie on a plateau near that peak, samples) of a block, shape (n, channels).

    A plateau: two or more neighbours in time within 0.02 % of each other, less than 0.2 % below the peak.
    """
    peak = float(np.abs(block).max(initial=0.0))
    if peak == 0 or len(block) < 3:
        return peak, 0, block.size
    near = np.abs(block) >= _NEAR_PEAK * peak
    flat = (np.abs(np.diff(block, axis=0)) <= _FLAT * peak) & near[1:] & near[:-1]
    on = np.zeros(block.shape, dtype=bool)
    on[1:] |= flat
    on[:-1] |= flat
    return peak, int(on.sum()), block.size


def clipping_share(peaks: list[tuple[float, int, int]]) -> float:
    """Share of clipped samples from the ``flat_tops`` of all blocks; the crest of a slow wave is not clipping.

    Only blocks that reach the highest peak of the recording count, since that is where clipping is.
    """
    total = sum(n for _, _, n in peaks)
    highest = max((peak for peak, _, _ in peaks), default=0.0)
    if highest < 1e-4:
        return 0.0
    return sum(flat for peak, flat, _ in peaks if peak >= _SAME_PEAK * highest) / max(1, total)


def spoken_in(speech: Flags, start: int, stop: int) -> float:
    """Seconds of speech between two sample positions at 16 kHz."""
    first = max(0, (start - FRAME // 2) // HOP + 1)
    last = max(first + 1, (stop - FRAME // 2) // HOP + 1)
    return float(speech[first:last].sum()) * HOP / RATE


def _in_words(holes: float, cutoff: float | None, like: str, rate: int) -> str:
    said = []
    if holes >= HOLES:
        said.append(f"bands emptied by an encoder such as MP3 ({holes:.1%} of the spectrogram)")
    if cutoff is not None and cutoff < 0.45 * rate:
        known = f", like {like}" if like else ""
        said.append(f"spectrum cut off at {cutoff / 1000:.1f} kHz{known}")
    return "; ".join(said)
