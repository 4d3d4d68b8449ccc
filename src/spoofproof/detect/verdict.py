"""The verdict: likely real, likely synthetic, or cannot tell, and why it cannot."""

from __future__ import annotations

from .answer import REAL, SYNTHETIC, UNSURE, Verdict
from .calibration import Opinion
from .quality import Quality
from .reliability import cells_of
from .table import Table
from .text import percent

_VALUE = {"speech_seconds": "{:.1f} s", "snr_db": "{:.0f} dB", "bandwidth_hz": "{:.0f} Hz", "hole_share": "{:.1%}",
          "clipping_share": "{:.1%}"}  # fmt: skip


def reasons(opinion: Opinion, quality: Quality, table: Table) -> tuple[str, ...]:
    """Why there is no verdict, in sentences, the plainest first; () where there is one."""
    if quality.speech_seconds == 0:
        return ("No speech was found.",)
    found = [*quality_reasons(quality, table)]
    if not found and opinion.clear < table.clear:
        held = "holds" if opinion.clear < 0 else "comes close to"
        found.append(
            f"The evidence is too weak: the interval {percent(opinion.low)} to {percent(opinion.high)} {held} even odds."
        )
    return tuple(found)


def quality_reasons(quality: Quality, table: Table) -> tuple[str, ...]:
    """What about the recording leaves this detector little better than a coin, or was not tested."""
    found = []
    for axis, cell in cells_of(quality, table):
        if cell.usable:
            continue
        value = axis.of(quality)
        shown = _VALUE[axis.name].format(value)
        few = min((rate.n if rate else 0) for rate in (cell.misses, cell.accuses))
        said = f"{axis.bad[0].upper()}{axis.bad[1:]} ({shown})"
        if few < 20:
            found.append(f"Outside what was tested: {few} test clips had {axis.say(cell.low, cell.high)}.")
        else:
            found.append(
                f"{said}: with {axis.say(cell.low, cell.high)} the detector is hardly better than a coin."
            )
    return tuple(found)


def verdict(opinion: Opinion, why_not: tuple[str, ...]) -> Verdict:
    """The outcome, given the reasons against one."""
    if why_not:
        return UNSURE
    return SYNTHETIC if opinion.probability > 0.5 else REAL
