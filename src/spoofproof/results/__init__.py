"""ScoreTable -> Results: every number of a report, from the cells alone (no audio, no model, no torch).

nouns.py        what a report is made of
conditions.py   what each condition was, from its facts
grid.py         every cell under the same resamples
summary.py      over conditions and between detectors
evaluate.py     the whole, in order
"""

from .evaluate import DEFAULT_METRICS, evaluate
from .nouns import Aggregate, Breakdown, CellResult, Comparison, ConditionInfo, Results

__all__ = [
    "Aggregate",
    "Breakdown",
    "CellResult",
    "Comparison",
    "ConditionInfo",
    "DEFAULT_METRICS",
    "Results",
    "evaluate",
]
