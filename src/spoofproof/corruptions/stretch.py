"""Time and pitch, by a phase vocoder."""

from __future__ import annotations

import numpy as np
import scipy  # its parts load when they are used: scipy.signal takes half a second
from numpy.typing import NDArray
from scipy import fft

from ..audio import fit, resample
from ..errors import BadPlan
from ..registry import corruption
from ..types import Clip, Rng, Samples
from . import measure

_PAPER = "Li et al. 2025, arXiv 2503.17577"
_HOP = (
    0.032  # seconds; the window is four hops: 2048 and 512 samples at 16 kHz, librosa's, which the paper uses
)
_BLOCK = 256  # frames at a time: ten minutes need no more memory than a quarter of one


def _semitones(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.semitones(clean, corrupted)


@corruption(
    family="modification",
    unit="semitones",
    levels=(-0.5, 0.5, -1, 1, -2, 2),
    origin=_PAPER,
    measure=_semitones,
    tolerance=0.1,
    two_sided=True,
)
def pitch_shift(clip: Clip, level: float, rng: Rng) -> Clip:
    """Higher or lower at the same speed: stretched by a phase vocoder, then resampled.

    level: semitones up (positive) or down, within ±24; formants move along. The length is kept. Real speech that has
    been through it is vocoded speech, which a detector may well call fake: ``speed_resample`` is the control beside it.
    The ratio is rounded to whole Hz of the clip's rate (0.001 semitones at 16 kHz). Raises BadPlan beyond the range.
    """
    if not -24 <= level <= 24:
        raise BadPlan(f"pitch_shift@{level:g}: semitones are within -24 and 24")
    higher = round(clip.rate * 2 ** (level / 12))
    length = -(-clip.samples.size * higher // clip.rate)
    longer = phase_vocoder(clip.samples, clip.rate / higher, length, round(_HOP * clip.rate))
    return clip.replace(fit(resample(Clip(longer, higher), clip.rate).samples, clip.samples.size))


def _rate(clean: Clip, corrupted: Clip, level: float) -> float:
    return measure.tempo(clean, corrupted)


@corruption(
    family="modification",
    unit="times faster",
    levels=(0.9, 1.1, 0.7, 1.3, 1.5),
    origin=_PAPER,
    measure=_rate,
    tolerance=0.01,
    consumes=lambda level: level,
    two_sided=True,
)
def time_stretch(clip: Clip, level: float, rng: Rng) -> Clip:
    """Faster or slower at the same pitch, by a phase vocoder.

    level: how many times faster, 0.25 … 4. The output has round(T / level) samples (at least one): nothing is padded
    and nothing lost, the bench hands over as much more as its window needs. (The published code pads with silence or
    loses the ending.) Raises BadPlan beyond the range.
    """
    if not 0.25 <= level <= 4:
        raise BadPlan(f"time_stretch@{level:g}: the rate is within 0.25 and 4")
    length = max(1, round(clip.samples.size / level))
    return clip.replace(phase_vocoder(clip.samples, level, length, round(_HOP * clip.rate)))


def phase_vocoder(samples: Samples, rate: float, length: int, hop: int) -> Samples:
    """``samples`` (T,) played ``rate`` times faster at the same pitch: float32 of shape (length,).

    Flanagan and Golden (Bell Syst. Tech. J. 45, 1966), Dolson (Computer Music J. 10, 1986): short-time spectra (Hann,
    four hops) are read ``rate`` hops apart, magnitudes interpolated, and each bin's phase advances by what it advances
    within one hop of the original. As reading and writing hop are the same, that advance needs no unwrapping: it is a
    unit phasor, and the phase is a running product. Bins are not locked to each other: the sound is as "phasy" as
    librosa's, whose output this is to within rounding (a slowed-down tone loses 0.8 dB in both).
    """
    size = 4 * hop
    frames = -(-length // hop) + 3
    last = int((frames - 1) * rate) + 2
    padded = np.zeros(max(samples.size, last * hop) + 2 * size, dtype=np.float32)
    padded[size // 2 : size // 2 + samples.size] = samples
    window = scipy.signal.windows.hann(size, sym=False).astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    out = np.zeros((frames - 1) * hop + size, dtype=np.float32)
    weight = np.zeros_like(out)
    phasor: NDArray[np.complex128] | None = None
    for start in range(0, frames, _BLOCK):
        at = np.arange(start, min(start + _BLOCK, frames)) * rate
        left = at.astype(np.int64)
        share = (at - left).astype(np.float32)[:, None]
        spectra = fft.rfft(views[left[0] : left[-1] + 2] * window, axis=1)
        loud = np.abs(spectra)
        unit = np.where(loud > 0, spectra / np.maximum(loud, np.float32(1e-30)), np.complex64(1))
        here = left - left[0]
        advance = unit[here + 1] * np.conj(unit[here])
        # the product for the frames of this block: before each of them the advances of all frames ahead of it
        turning = np.empty((at.size + 1, loud.shape[1]), dtype=np.complex128)
        turning[0] = unit[0] if phasor is None else phasor
        turning[1:] = advance
        np.cumprod(turning, axis=0, out=turning)
        turning /= np.abs(turning)
        phasor = turning[-1]
        magnitude = loud[here] * (1 - share) + loud[here + 1] * share
        pieces = fft.irfft(magnitude * turning[:-1].astype(np.complex64), size, axis=1) * window
        _overlap_add(out, pieces, start, hop)
        _overlap_add(weight, np.broadcast_to(window**2, pieces.shape), start, hop)
    whole = slice(size // 2, size // 2 + length)
    return np.asarray(out[whole] / np.maximum(weight[whole], 1e-3), dtype=np.float32)


def _overlap_add(out: Samples, pieces: NDArray[np.float32], start: int, hop: int) -> None:
    """Add ``pieces`` (frames, 4 hops) to ``out``, the first of them at frame ``start``; one quarter at a time."""
    for quarter in range(4):
        first = (start + quarter) * hop
        block = pieces[:, quarter * hop : (quarter + 1) * hop]
        out[first : first + block.size] += block.reshape(-1)
