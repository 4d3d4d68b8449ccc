"""Named artefacts, each a number with a unit and a place. Importing this room fills the table; one file an idea."""

from ...types import Clip
from . import breaths, codec, high_band, phase, pitch, silence, vocoder
from .analysis import Analysis
from .measure import MEASURES, Measure, Reading, Span, measure, of

__all__ = [
    "MEASURES",
    "Analysis",
    "Measure",
    "Reading",
    "Span",
    "breaths",
    "codec",
    "high_band",
    "measure",
    "of",
    "phase",
    "pitch",
    "readings",
    "silence",
    "vocoder",
]


def readings(clip: Clip) -> dict[str, Reading]:
    """Every measure of a clip at 16 kHz, by name, in the order of the table. Raises BadAudio for another rate."""
    heard = Analysis.of(clip)
    return {name: one.run(heard) for name, one in MEASURES.items()}
