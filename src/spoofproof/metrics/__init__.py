"""Metrics. Importing this room registers them; each is a short pure function ``f(*, bonafide, spoof) -> float``.

``a_dcf`` (three classes) and ``min_tdcf_2019`` (needs the error rates of a speaker verifier) have other shapes and are
functions to be called, not registered metrics.
"""

from . import cost, decision, llr, rank
from .cost import a_dcf, asv_errors, min_tdcf_2019

__all__ = ["a_dcf", "asv_errors", "cost", "decision", "llr", "min_tdcf_2019", "rank"]
