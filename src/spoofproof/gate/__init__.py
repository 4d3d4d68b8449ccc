"""Did it get less robust? Two runs over the same trials, cell by cell: differences, a verdict, and what CI systems read.

sides.py        the two runs, and what they have in common
differences.py  paired differences of every cell, from shared resamples
verdict.py      which of them count, corrected for their number
junit.py        the verdict as a JUnit file
text.py         the verdict as Markdown, JSON and lines for the terminal
"""

from .differences import ALL, Comparison, Difference, Gap, Wanted, differences
from .junit import junit
from .sides import Match, Side, match
from .text import as_dict, markdown
from .verdict import Judged, Verdict, judge

__all__ = [
    "ALL",
    "Comparison",
    "Difference",
    "Gap",
    "Judged",
    "Match",
    "Side",
    "Verdict",
    "Wanted",
    "as_dict",
    "differences",
    "judge",
    "junit",
    "markdown",
    "match",
]
