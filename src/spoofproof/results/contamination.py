"""Which trials has a detector heard in training? What its card lists, held against sources and corpora.

The rule, since names of corpora and of sources are free text:

* an entry of the card's ``contamination`` is ``source:NAME``, ``corpus:NAME``, or NAME alone, which may be either;
* it names a source when it equals a trial's ``source``; it names a corpus when it equals the name under which the run's
  corpus was opened (``asvspoof2019-la`` of ``asvspoof2019-la:/data``), and then all its trials count;
* equal means: the same letters and digits, whatever their case ("ASVspoof2019 LA" = "asvspoof2019-la"). Nothing else is
  guessed: ``asvspoof`` names neither ``asvspoof2019-la`` nor ``asvspoof5``;
* readers of anybody's files (GENERIC) are formats and no corpora: only the sources of their trials can match;
* a card without the list, or a detector without a card, is *unknown*, which is not the same as clean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..scores import ScoreTable
from ..types import Trial

GENERIC = ("folders", "csv", "manifest", "antideepfake")


@dataclass(frozen=True, slots=True)
class Heard:
    """What a card says of a run. trials: ids of the eval trials that the detector has heard the like of. names: the
    sources and the corpus that match, as the run spells them. known: whether the card lists anything at all."""

    known: bool
    names: tuple[str, ...] = ()
    trials: frozenset[str] = frozenset()


def in_training(table: ScoreTable, detector: str) -> Heard:
    """Which eval trials of a run the detector's card says it has met in training."""
    detectors = table.record.get("detectors", {})
    entry = detectors.get(detector, {}) if isinstance(detectors, Mapping) else {}
    listed = (entry.get("card") or {}).get("contamination")
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return Heard(False)
    entries = [_entry(text) for text in listed]
    trials = [t for t in table.trials if t.part == "eval"]
    corpus = corpus_name(table.record)
    if corpus and ("corpus", _plain(corpus)) in {pair for pairs in entries for pair in pairs}:
        return Heard(True, (corpus,), frozenset(t.id for t in trials))
    sources = {name for pairs in entries for kind, name in pairs if kind == "source"}
    same = {name for name in {t.source for t in trials} if _plain(name) in sources - {""}}
    mine = [t for t in trials if t.source in same]
    return Heard(True, _names(mine), frozenset(t.id for t in mine))


def corpus_name(record: Mapping[str, Any]) -> str:
    """The name under which a run's corpus was opened, "" for a reader of anybody's files."""
    name, _, rest = str(record.get("corpus", {}).get("name", "")).partition(":")
    if name.endswith(".py"):
        name = rest.partition(":")[0]
    return "" if name in GENERIC else name


def _entry(text: object) -> list[tuple[str, str]]:
    kind, mark, name = str(text).partition(":")
    if mark and kind in ("source", "corpus"):
        return [(kind, _plain(name))]
    return [("source", _plain(str(text))), ("corpus", _plain(str(text)))]


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def _names(trials: Sequence[Trial]) -> tuple[str, ...]:
    return tuple(sorted({t.source for t in trials}))
