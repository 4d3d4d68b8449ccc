"""How sure is a number? Clustered bootstrap, paired differences, corrections for many comparisons, rank intervals.

resample.py     which trials are drawn how often: whole speakers and whole attacks, not single trials
weighted.py     every metric under those draws, all draws at once
intervals.py    from B values to an interval, a p-value, a rank
units.py        how many trials are independent of each other
unseen.py       the interval of a value that no resample moves
many.py         many differences tested together
estimate.py     the three in one call, for one set of scores or for two of the same trials
"""

from .estimate import estimate, estimates, paired_difference
from .intervals import holm, interval, p_value, rank_intervals
from .many import Together, Unmoved, together
from .resample import Resamples, resamples
from .weighted import Bootstrap

__all__ = [
    "Bootstrap",
    "Resamples",
    "Together",
    "Unmoved",
    "estimate",
    "estimates",
    "holm",
    "interval",
    "p_value",
    "paired_difference",
    "rank_intervals",
    "resamples",
    "together",
]
