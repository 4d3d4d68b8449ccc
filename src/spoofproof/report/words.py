"""How numbers and names are said: metrics by their titles, percentages, intervals, p-values. Every renderer uses these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..types import Estimate

NOTHING = "–"
_NBSP = "\u00a0"  # a number and its unit stay on one line


@dataclass(frozen=True, slots=True)
class Shown:
    """A metric as readers meet it. key: its name in Results.

    span: (best, worst) end of the colour scale. share: shown in percent. chance: what guessing gives, None where that
    says nothing.
    """

    key: str
    title: str
    better: Literal["lower", "higher"]
    share: bool
    span: tuple[float, float]
    chance: float | None
    meaning: str

    def of(self, metrics: Mapping[str, Estimate]) -> Estimate | None:
        """This metric's estimate, None where it is not there or is not a number."""
        found = metrics.get(self.key)
        return found if found is not None and math.isfinite(found.value) else None

    def say(self, value: float) -> str:
        """The value alone: "12.3 %" or "0.871"."""
        return percent(value) if self.share else plain(value)

    def range(self, estimate: Estimate) -> str:
        """The interval alone: "8.1–17.0", "" where there is none."""
        if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
            return ""
        digits, scale = (1, 100) if self.share else (3, 1)
        return f"{estimate.low * scale:.{digits}f}–{estimate.high * scale:.{digits}f}"

    def both(self, estimate: Estimate | None) -> str:
        """Value and interval: "12.3 % [8.1–17.0]"; a dash where there is nothing."""
        if estimate is None:
            return NOTHING
        between = self.range(estimate)
        return self.say(estimate.value) + (f" [{between}]" if between else "")


EER = Shown(
    "eer",
    "EER",
    "lower",
    True,
    (0.0, 0.5),
    0.5,
    "Equal error rate: the error where real speech is refused as often as fakes are let through. 50 % is a coin.",
)
AUROC = Shown(
    "auroc",
    "AUROC",
    "higher",
    False,
    (1.0, 0.5),
    0.5,
    "Chance that a real clip scores above a fake one. 0.5 is a coin; below 0.5 the detector is inverted.",
)
ACCURACY = Shown(
    "accuracy_frozen",
    "Accuracy, frozen",
    "higher",
    True,
    (1.0, 0.5),
    None,
    "Share of clips decided rightly at the threshold frozen on clean development data: what a user meets.",
)
ORACLE = Shown(
    "accuracy_oracle",
    "Accuracy, oracle",
    "higher",
    True,
    (1.0, 0.5),
    None,
    "Share decided rightly at a threshold tuned on the very audio that is tested: what papers often report.",
)
MISS = Shown(
    "miss_frozen",
    "Real speech accused",
    "lower",
    True,
    (0.0, 1.0),
    None,
    "Miss rate at the frozen threshold: the share of real speech that is called fake.",
)
FALSE_ALARM = Shown(
    "false_alarm_frozen",
    "Fakes let through",
    "lower",
    True,
    (0.0, 1.0),
    None,
    "False-alarm rate at the frozen threshold: the share of fakes that pass as real speech.",
)
CLLR = Shown(
    "cllr",
    "Cllr",
    "lower",
    False,
    (0.0, 1.5),
    1.0,
    "Cost of the calibrated scores as evidence, in bits. 0 is perfect; 1 says no more than silence; above 1 misleads.",
)
LEAST = Shown(
    "min_cllr",
    "Min Cllr",
    "lower",
    False,
    (0.0, 1.5),
    1.0,
    "Cllr after the best increasing recalibration of the tested audio itself: what is left is lack of discrimination.",
)
LOSS = Shown(
    "cllr_loss",
    "Calibration drift",
    "lower",
    False,
    (0.0, 1.0),
    None,
    "Cllr − min Cllr, in bits: what it costs that the calibration was frozen on clean development data. On few trials min "
    "Cllr comes out too low, and the drift too high.",
)
SHOWN = (EER, AUROC, ACCURACY, MISS, FALSE_ALARM, CLLR, LOSS)


def percent(value: float) -> str:
    """A share as "12.3 %"; a dash for NaN."""
    return f"{100 * value:.1f}{_NBSP}%" if math.isfinite(value) else NOTHING


def rough(value: float) -> str:
    """A share in a sentence: "31 %", with a decimal below 10 %."""
    if not math.isfinite(value):
        return NOTHING
    shown = 100 * value
    return f"{shown:.1f}{_NBSP}%" if 0.05 <= abs(shown) < 9.95 else f"{shown:.0f}{_NBSP}%"


def rough_both(estimate: Estimate) -> str:
    """A share and its interval in a sentence: "31 % [26–36]"."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return rough(estimate.value)
    low, high = (rough(x).removesuffix(f"{_NBSP}%") for x in (estimate.low, estimate.high))
    return f"{rough(estimate.value)} [{low}–{high}]"


def points(estimate: Estimate) -> str:
    """A difference of shares in percentage points: "+8.2 [+3.1 to +13.0]"."""
    between = points_range(estimate)
    return _signed(estimate.value) + (f" [{between}]" if between else "")


def points_range(estimate: Estimate) -> str:
    """The interval of a difference: "+3.1 to +13.0", "" where there is none."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    return f"{_signed(estimate.low)} to {_signed(estimate.high)}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−") if math.isfinite(share) else NOTHING


def plain(value: float, digits: int = 3) -> str:
    """A number with ``digits`` decimals; a dash for NaN."""
    return f"{value:.{digits}f}" if math.isfinite(value) else NOTHING


def short(value: float | None) -> str:
    """A level or a measured level: up to three significant digits, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def probability(p: float) -> str:
    """A p-value: "0.013", "< 0.001"."""
    if not math.isfinite(p):
        return NOTHING
    return "<\u00a00.001" if p < 0.001 else f"{p:.3f}"


def rank(estimate: Estimate) -> str:
    """A rank with its interval: "1 [1–2]"."""
    if not math.isfinite(estimate.value):
        return NOTHING
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return f"{estimate.value:g}"
    return f"{estimate.value:g} [{estimate.low:g}–{estimate.high:g}]"


def many(n: int, noun: str, plural: str = "") -> str:
    """ "1 trial", "2 trials"."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"
