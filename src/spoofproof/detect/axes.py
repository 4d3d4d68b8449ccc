"""The sides of quality that decide how well a detector hears, each cut into cells in which it was measured.

One axis at a time: a recording is looked up on each, and the worst cell is the one that is told. Joint cells (noisy *and* coded
*and* short) would hold a handful of clips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .quality import HOLES, Quality


@dataclass(frozen=True, slots=True)
class Axis:
    """name: as in the table. edges: K + 1 numbers, increasing; cell k is [edges[k], edges[k + 1]), the last one closed. of: the value of
    a recording, None where it has none. say(low, high): a cell in words. bad: why it cannot tell there. low_is_bad: the direction.
    """

    name: str
    edges: tuple[float, ...]
    of: Callable[[Quality], float | None]
    say: Callable[[float, float], str]
    bad: str
    low_is_bad: bool

    def cell(self, quality: Quality) -> int | None:
        """Index of the cell of a recording; values beyond the ends belong to the outermost cells."""
        value = self.of(quality)
        if value is None:
            return None
        return sum(value >= edge for edge in self.edges[1:-1])


def _seconds(low: float, high: float) -> str:
    return f"more than {low:g} s of speech" if high >= 1e6 else f"{low:g} to {high:g} s of speech"


def _snr(low: float, high: float) -> str:
    if low <= -20:
        return f"an SNR below {high:g} dB"
    return f"an SNR above {low:g} dB" if high >= 80 else f"an SNR of {low:g} to {high:g} dB"


def _band(low: float, high: float) -> str:
    if high > 8000:
        return f"a bandwidth of {low / 1000:g} kHz or more"
    return (
        f"a bandwidth of {low / 1000:g} to {high / 1000:g} kHz"
        if low
        else f"a bandwidth below {high / 1000:g} kHz"
    )


def _holes(low: float, high: float) -> str:
    if low < HOLES:
        return "no bands emptied by an encoder"
    return "strong compression of the kind of MP3" if high >= 1 else "some compression of the kind of MP3"


def _clipping(low: float, high: float) -> str:
    if not low:
        return "no clipping to speak of"
    return (
        f"{low:.1%} of the samples clipped or more"
        if high >= 1
        else f"{low:.1%} to {high:.1%} of the samples clipped"
    )


AXES = (
    Axis("speech_seconds", (0.0, 0.8, 1.6, 3.0, 1e6), lambda q: q.speech_seconds, _seconds, "too little speech", True),
    Axis("snr_db", (-20.0, 5.0, 10.0, 20.0, 30.0, 80.0), lambda q: q.snr_db, _snr, "too noisy", True),
    Axis("bandwidth_hz", (0.0, 4200.0, 6200.0, 7500.0, 8001.0), lambda q: min(q.bandwidth_hz, 8000.0), _band, "too narrow a band", True),
    Axis("hole_share", (0.0, HOLES, 0.015, 1.0), lambda q: q.hole_share, _holes, "compressed too much", False),
    Axis("clipping_share", (0.0, 0.001, 0.01, 1.0), lambda q: q.clipping_share, _clipping, "clipped too much", False),
)  # fmt: skip
