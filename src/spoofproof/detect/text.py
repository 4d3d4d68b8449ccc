"""An answer that a person understands at a glance, and a line of it for lists."""

from __future__ import annotations

from .answer import SYNTHETIC, UNSURE, Answer

_BAR = 40
_MARKS = "▁▂▃▄▅▆▇█"


def lines(answer: Answer) -> list[str]:
    """The answer in a few lines of plain text."""
    q = answer.quality
    found = [
        f"{answer.path}",
        f"  {answer.verdict.upper()}",
        f"  {percent(answer.probability)} synthetic (95 % interval {percent(answer.low)} to {percent(answer.high)}; "
        f"log-likelihood ratio for real {answer.llr:+.2f})",
    ]
    found += [f"  because: {reason}" for reason in answer.reasons]
    if len(answer.timeline) > 1:
        found.append(f"  {clock(0)} {strip(answer)} {clock(answer.seconds)}   higher = more synthetic")
    if answer.spans:
        found.append(f"  looks synthetic: {spans(answer)}")
    found.append(f"  recording: {quality_line(answer)}")
    if q.codec:
        found.append(f"  traces of a codec: {q.codec}")
    if answer.reliability is not None:
        found.append(f"  how far to trust {answer.detector}: {answer.reliability.text}")
    return found


def quality_line(answer: Answer) -> str:
    """The quality in one line, each number with its unit."""
    q = answer.quality
    snr = "no speech" if q.snr_db is None else f"SNR {q.snr_db:.0f} dB"
    clipped = f", {q.clipping_share:.1%} clipped" if q.clipping_share >= 0.0005 else ""
    return (
        f"{q.seconds:.1f} s, {q.speech_share:.0%} speech, {snr}, sound up to {q.bandwidth_hz / 1000:.1f} kHz{clipped} "
        f"({q.rate / 1000:g} kHz, {q.channels} channel{'s' if q.channels != 1 else ''})"
    )


def spans(answer: Answer, most: int = 8) -> str:
    """The spans as clock times, the first ``most`` of them."""
    shown = ", ".join(f"{clock(a)} to {clock(b)}" for a, b in answer.spans[:most])
    more = len(answer.spans) - most
    return f"{shown} and {more} more" if more > 0 else shown


def strip(answer: Answer, width: int = _BAR) -> str:
    """The timeline as ``width`` marks at most, · where nobody speaks."""
    marks = []
    count = min(width, len(answer.timeline))
    for k in range(count):
        part = answer.timeline[k * len(answer.timeline) // count : (k + 1) * len(answer.timeline) // count]
        spoken = [w.probability for w in part if w.speech > 0]
        mean = sum(spoken) / len(spoken) if spoken else None
        marks.append("·" if mean is None else _MARKS[min(len(_MARKS) - 1, int(mean * len(_MARKS)))])
    return "".join(marks)


def clock(seconds: float) -> str:
    """Seconds as 0:04.2, or 1:02:03."""
    hours, rest = divmod(round(seconds, 1), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours:.0f}:{minutes:02.0f}:{rest:02.0f}" if hours else f"{minutes:.0f}:{rest:04.1f}"


def percent(share: float) -> str:
    """A probability in whole percent, never rounded to certainty."""
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 < share < 1 else f"{share:.0%}".replace("%", " %")


def colour(answer: Answer) -> str:
    """Colour of the verdict for a terminal."""
    return "yellow" if answer.verdict == UNSURE else "red" if answer.verdict == SYNTHETIC else "green"
