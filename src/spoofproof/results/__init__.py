"""ScoreTable -> Results: every number of a report, from the cells alone (no audio, no model, no torch).

nouns.py        what a report is made of
conditions.py   what each condition was, from its facts
contamination.py  which trials a detector has met in training
grid.py         every cell under the same resamples
grounds.py      which trials each detector is measured on
summary.py      over conditions and between detectors
common.py       what is compared with what
reliability.py  whether stated probabilities come true
notes.py        what a reader must know first
evaluate.py     the whole, in order
"""

from .evaluate import DEFAULT_METRICS, evaluate
from .nouns import (
    Aggregate,
    Breakdown,
    CellResult,
    Comparison,
    ConditionInfo,
    Contamination,
    Reliability,
    ReliabilityBin,
    Results,
    SubSample,
)

__all__ = [
    "Aggregate",
    "Breakdown",
    "CellResult",
    "Comparison",
    "ConditionInfo",
    "Contamination",
    "DEFAULT_METRICS",
    "Reliability",
    "ReliabilityBin",
    "Results",
    "SubSample",
    "evaluate",
]
