"""The reference speech, measured clip by clip into a journal, and the table made from it."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..audio import open_audio, whole_file
from ..corpora.vocoders import VOCODERS
from ..errors import BadCorpus
from ..registry import read_corpus
from ..shipped import DETECTOR
from ..streams import stream
from ..types import Clip, Trial
from .artefacts import MEASURES, readings
from .assess import Measured, assess
from .ear import Ear, excerpt
from .reference import written

_SEED = 2025


@dataclass(frozen=True, slots=True)
class Task:
    """One clip to measure. copier: the vocoder that makes it from the trial's recording, "" for the recording itself."""

    trial: Trial
    copier: str = ""

    @property
    def key(self) -> str:
        """What the journal knows it by."""
        return f"{self.trial.id}+{self.copier}"


def survey(
    out: Path,
    data: Path | None = None,
    detector: str = DETECTOR,
    each: int = 24,
    copies: int = 0,
    tell: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> None:
    """Measure what the journal lacks and write the table.

    each: train clips of a source and class. copies: real dev clips that are copied, 0 for all. Raises BadCorpus, and RunConflict where ``out`` cannot be written."""
    root = data or os.environ.get("SPOOFPROOF_DATA")
    if not root:
        raise BadCorpus("no corpus: give --data ROOT, or set SPOOFPROOF_DATA")
    trials = [t for t in read_corpus(f"manifest:{root}") if t.part in ("train", "dev")]
    tasks = list(_tasks(trials, each, copies))
    journal = out.with_name(out.name + ".jsonl")
    known = _read(journal)
    ear = Ear.load(detector)
    out.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as lines:
        for i, task in enumerate(tasks):
            tell(i, len(tasks), "clips")
            if not _whole(known.get(task.key)):
                known[task.key] = _measured(task, ear)
                lines.write(json.dumps({"key": task.key, "values": known[task.key]}) + "\n")
                lines.flush()
    done = [_record(task, known[task.key]) for task in tasks]
    train = [m for m in done if m.trial.part == "train"]
    dev = [m for m in done if m.trial.part == "dev"]
    facts = {
        "parts": "directions from train; shares, AUROC, strength and calibration from dev; no other part was read",
        "detector": detector,
        "train": _counts(train),
        "dev": _counts(dev),
        "how": f"python recipes/artefacts.py src/spoofproof/explain/artefacts.json --each {each} --copies {copies}",
    }
    with whole_file(out) as file:
        file.write(written(assess(train, dev, facts)).encode())


def _tasks(trials: Sequence[Trial], each: int, copies: int) -> Iterator[Task]:
    dev = [t for t in trials if t.part == "dev"]
    yield from map(Task, dev)
    names = list(VOCODERS)
    real = sorted((t for t in dev if t.label == "bonafide"), key=lambda t: t.id)
    yield from (Task(t, names[i % len(names)]) for i, t in enumerate(real[: copies or None]))
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for t in trials:
        if t.part == "train":
            groups[t.source, t.label].append(t)
    for source in sorted({s for s, _ in groups}):
        both = [groups.get((source, label), []) for label in ("bonafide", "spoof")]
        if min(map(len, both)) < each // 2:
            continue
        for mine in both:
            order = stream(_SEED, "survey", source, mine[0].label).permutation(len(mine))
            yield from (Task(mine[i]) for i in sorted(order[:each]))


def _measured(task: Task, ear: Ear) -> dict[str, float]:
    clip = excerpt(open_audio(task.trial.path, rate=16_000))
    if task.copier:
        clip = _copy(clip, task)
    found = {name: one.value for name, one in readings(clip).items()}
    if task.trial.part == "dev":
        found["score"] = float(ear.scores([clip.samples])[0])
    return found


def _copy(clip: Clip, task: Task) -> Clip:
    return VOCODERS[task.copier](clip, stream(_SEED, task.trial.id, task.copier))


def _record(task: Task, values: dict[str, float]) -> Measured:
    return Measured(
        task.trial,
        {name: values[name] for name in MEASURES},
        bool(task.copier),
        values.get("score", float("nan")),
    )


def _whole(values: dict[str, float] | None) -> bool:
    return values is not None and set(MEASURES) <= set(values)


def _read(journal: Path) -> dict[str, dict[str, float]]:
    """What was measured before. A line that was cut off is measured again."""
    found: dict[str, dict[str, float]] = {}
    if journal.is_file():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            found[row["key"]] = {k: float(v) for k, v in row["values"].items()}
    return found


def _counts(measured: Sequence[Measured]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for m in measured:
        kind = "copied" if m.copied else "real" if m.trial.label == "bonafide" else "synthetic"
        row = found.setdefault(m.trial.source, {})
        row[kind] = row.get(kind, 0) + 1
    return found
