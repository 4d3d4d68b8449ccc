"""``detect``: is this recording real? A detector with its table, loaded once, answers recordings one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import registry
from ..ask import load_detector
from ..shipped import DETECTOR
from ..types import Clip, Detector, DetectorSpec, Ref
from .answer import Answer, Window
from .calibration import opinion, prior_log_odds, probability
from .frames import RATE
from .listen import Listened, listen
from .reliability import lookup
from .stream import Source
from .table import Table, load
from .verdict import reasons, verdict


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """A detector that may answer. name: as in ``name@argument``. prior: probability of synthetic before listening, 0 to 1."""

    name: str
    spec: DetectorSpec
    detector: Detector
    table: Table
    prior: float = 0.5

    def answer(self, source: Source, shown: str = "", *, longest: float | None = None) -> Answer:
        """The answer about a path, an open file or a clip. shown: its name in the answer and in messages.

        longest: in seconds; more is refused. Raises BadAudio, with a sentence, for what cannot be heard.
        """
        name = shown or (
            "clip" if isinstance(source, Clip) else str(source) if isinstance(source, str | Path) else "audio"
        )
        heard = listen(source, self.detector, self.spec, shown=name, longest=longest)
        return self.of(heard, name)

    def of(self, heard: Listened, name: str) -> Answer:
        """The answer, from what was heard."""
        spoken = heard.spoken()
        said = opinion(heard.scores[spoken], self.table, self.prior)
        why_not = reasons(said, heard.quality, self.table)
        llrs = heard.scores * self.table.scale + self.table.offset
        synthetic = probability(llrs, self.prior)
        timeline = tuple(
            Window(float(a / RATE), float(b / RATE), float(llr), float(p), float(s))
            for a, b, llr, p, s in zip(heard.starts, heard.ends, llrs, synthetic, heard.speech, strict=True)
        )
        return Answer(
            path=name,
            seconds=heard.quality.seconds,
            verdict=verdict(said, why_not),
            probability=said.probability,
            low=said.low,
            high=said.high,
            llr=said.llr,
            detector=self.name,
            prior=self.prior,
            reasons=why_not,
            timeline=timeline,
            spans=spans(heard, prior_log_odds(self.prior) - llrs, self.table.span),
            quality=heard.quality,
            reliability=lookup(heard.quality, self.table),
        )


def judge(detector: str = DETECTOR, *, prior: float = 0.5, table: Path | None = None) -> Judge:
    """Load a detector and its table. Raises UnknownName, MissingPart (no weights, no table), BadPlan (a prior outside (0, 1))."""
    prior_log_odds(prior)
    found = load(
        detector, registry.detectors[Ref.parse(detector).name], table
    )  # before the weights: it may refuse
    return Judge(detector, *load_detector(detector), found, prior)


def detect(
    source: Path | str | Clip, *, detector: str = DETECTOR, prior: float = 0.5, table: Path | None = None
) -> Answer:
    """Is this recording real or synthetic, and how sure is that?

    source: a path to anything with sound, or a clip of any rate, from 0.5 s to hours. detector: NAME or NAME@FILE. prior:
    probability that it is synthetic before listening. table: of a detector of your own (docs/detect.md). For many recordings
    make one ``judge`` and ask it: the detector is then loaded once.

    Raises BadAudio for what cannot be heard; what ``judge`` raises.
    """
    return judge(detector, prior=prior, table=table).answer(source)


def spans(
    heard: Listened, log_odds: NDArray[np.float64], threshold: float
) -> tuple[tuple[float, float], ...]:
    """(start, end) in seconds of the stretches that look synthetic.

    log_odds: of synthetic, one a window, shape (W,). Between two neighbouring edges of windows, the mean over the windows that lie
    there counts, so a span is known to half a window. Windows without speech neither speak nor are spoken for.
    """
    spoken = heard.spoken()
    if not spoken.any():
        return ()
    a, b, x = heard.starts[spoken], heard.ends[spoken], log_odds[spoken]
    edges = np.unique(np.concatenate([a, b]))
    change = np.zeros((2, edges.size))
    for sign, at in ((1.0, np.searchsorted(edges, a)), (-1.0, np.searchsorted(edges, b))):
        np.add.at(change[0], at, sign * x)
        np.add.at(change[1], at, sign)
    total, count = np.cumsum(change, axis=1)[:, :-1]
    flagged = (count > 0.5) & (total > threshold * count)
    found: list[tuple[float, float]] = []
    for k in np.flatnonzero(flagged):
        start, end = float(edges[k] / RATE), float(edges[k + 1] / RATE)
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return tuple(found)
