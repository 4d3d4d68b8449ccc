"""run(plan, trials, folder): fill the cells that are missing, and nothing else.

The record is written first and compared on every later call, so that a folder never holds two experiments. Resume is
"score what is missing"; nothing is kept in memory that is not on disk a moment later.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import __version__, registry
from .cell import Job, condition_trials, describe
from .corrupt import missing_for, seconds_needed
from .corruptions import recordings
from .errors import BadCorpus, RunConflict
from .plan import Plan
from .scale import do
from .scores import ScoreTable, cell_path, condition_path, digest_of, read_record, write_json, write_trials
from .types import LABELS, Ref, Trial

FORMAT = 1
_PACKAGES = (
    "numpy",
    "scipy",
    "soundfile",
    "soxr",
    "av",
    "lameenc",
    "onnxruntime",
    "ai-edge-litert",
    "torch",
    "transformers",
)
_SPARE = 0.25  # seconds decoded beyond the longest need: no condition hears where the resampler's input ends
_STALE = 3600.0  # seconds after which a half file is nobody's
_FIXED = ("format", "seed", "window", "listen", "conditions", "recordings")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: trials scored and to score (one for each trial of each condition still missing)."""

    done: int
    total: int
    condition: str


def run(
    plan: Plan,
    trials: Sequence[Trial],
    out: Path | str,
    *,
    corpus: Mapping[str, Any] | None = None,
    workers: int = 1,
    progress: Callable[[Progress], None] = lambda p: None,
) -> ScoreTable:
    """Score every missing cell of ``plan`` over ``trials`` into the folder ``out`` and return the whole run.

    corpus: free facts about the corpus for the record (name, audit, sources). workers: local processes.
    The run can be stopped at any moment, even with kill -9: at most the cells in flight are scored again, and the
    result is the same to the byte.

    Raises BadCorpus (no trials, one class only, ids twice), RunConflict (the folder holds another experiment; a full
    disk), BadPlan and UnknownName (a name in the plan), SpoofproofError (a detector that breaks its contract).
    """
    out = Path(out)
    check_trials(trials)
    record = _record(plan, trials, corpus or {})
    if (out / "run.json").exists():
        record = _continued(out, record)
        _sweep(out)
    else:
        write_trials(out / "trials.parquet", trials)
    write_json(out / "run.json", record)
    jobs = _jobs(plan, tuple(trials), out, tuple(record["detectors"]))
    total = sum(len(job.trials) for job in jobs)
    count = 0
    current = ""

    def tick(n: int) -> None:
        nonlocal count
        count += n
        progress(Progress(count, total, current))

    def done(job: Job) -> None:
        nonlocal current
        current = job.condition
        progress(Progress(count, total, current))

    progress(Progress(0, total, current))
    do(jobs, workers=workers, tick=tick, done=done)
    return ScoreTable.read(out)


def check_trials(trials: Sequence[Trial]) -> None:
    """Refuse a corpus that no comparison can be made on. Raises BadCorpus."""
    if not trials:
        raise BadCorpus("the corpus holds no trials; see: spoofproof corpus audit CORPUS")
    ids: Counter[str] = Counter(trial.id for trial in trials)
    twice = [name for name, n in ids.items() if n > 1]
    if twice:
        raise BadCorpus(
            f"{len(twice)} trial ids occur more than once, such as {twice[0]!r}; ids must be unique"
        )
    counts: Counter[str] = Counter(trial.label for trial in trials if trial.part == "eval")
    if not counts:
        raise BadCorpus(
            "the corpus has no trials of the part eval; give its trials part=eval (dev only freezes thresholds)"
        )
    for label in LABELS:
        if not counts[label]:
            raise BadCorpus(
                f"the part eval holds {sum(counts.values())} trials and none of them is {label}; both classes are "
                "needed. Pair it with a corpus of the other class in one CSV (columns file,label)."
            )


def _jobs(plan: Plan, trials: tuple[Trial, ...], out: Path, detectors: tuple[str, ...]) -> list[Job]:
    """What is missing, in the plan's order. Conditions that cannot run here are written down as not run."""
    window = plan.samples / plan.rate
    seconds = max(seconds_needed(condition, window) for condition in plan.conditions) + _SPARE
    jobs = []
    for condition in plan.conditions:
        why = missing_for(condition)
        missing = tuple(d for d in detectors if not cell_path(out, d, condition).exists())
        facts = condition_path(out, condition)
        if why and len(missing) == len(detectors):
            write_json(facts, describe(condition) | {"status": "not run", "why": why})
        if why or not missing:
            continue
        if len(missing) == len(detectors):
            facts.unlink(
                missing_ok=True
            )  # of an earlier attempt: written again, from the same audio, with the cells
        jobs.append(
            Job(
                run=out,
                condition=condition,
                detectors=missing,
                trials=condition_trials(condition, trials),
                seconds=seconds,
                seed=plan.seed,
                rate=plan.rate,
                samples=plan.samples,
                pad=plan.pad,
                measured=plan.measured,
                listen=plan.listen,
            )
        )
    return jobs


def _sweep(out: Path) -> None:
    """Remove half files that a kill -9 left behind; young ones may belong to a process that is still writing."""
    for path in out.rglob("*.part"):
        if path.stat().st_mtime < time.time() - _STALE:
            path.unlink(missing_ok=True)


def _record(plan: Plan, trials: Sequence[Trial], corpus: Mapping[str, Any]) -> dict[str, Any]:
    counts = Counter((trial.part, trial.label) for trial in trials)
    return {
        "format": FORMAT,
        "plan": plan.name,
        "summary": plan.summary,
        "seed": plan.seed,
        "window": {"rate": plan.rate, "samples": plan.samples, "pad": plan.pad},
        "listen": {"measured": plan.measured, "samples": plan.listen},
        "conditions": list(plan.conditions),
        "recordings": recordings.in_use(),
        "detectors": {text: identity(text) for text in plan.detectors},
        "corpus": {
            **corpus,
            "digest": digest_of(trials),
            "trials": len(trials),
            "counts": [
                {"part": part, "label": label, "trials": n} for (part, label), n in sorted(counts.items())
            ],
            "speakers": len({trial.speaker for trial in trials if trial.speaker}),
            "attacks": len({trial.attack for trial in trials if trial.attack}),
            "languages": sorted({trial.language for trial in trials if trial.language}),
        },
        "made": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "spoofproof": __version__,
            "revision": _revision(),
            "python": sys.version.split()[0],
            "machine": f"{platform.system()} {platform.machine()}",
            "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        },
    }


def _continued(out: Path, new: dict[str, Any]) -> dict[str, Any]:
    """The record to go on with: everything must be the same, except that detectors may be added."""
    old = read_record(out)
    differ = [key for key in _FIXED if old.get(key) != new[key]]
    if old.get("corpus", {}).get("digest") != new["corpus"]["digest"]:
        differ.append("the trials")
    known = old.get("detectors", {})
    differ += [
        f"the detector {text} (its weights or its code changed)"
        for text, identity in new["detectors"].items()
        if text in known and known[text]["identity"] != identity["identity"]
    ]
    if differ:
        raise RunConflict(
            f"{out} holds another experiment ({old.get('plan', '?')} of {old.get('made', {}).get('at', '?')}): different "
            f"{', '.join(differ)}. Nothing was changed. Choose another --out, or delete that folder."
        )
    return {**old, "detectors": {**known, **{k: v for k, v in new["detectors"].items() if k not in known}}}


def identity(text: str) -> dict[str, Any]:
    """What a detector is: its summary and card, and a hash over the files that make it."""
    ref = Ref.parse(text)
    spec = registry.detectors[ref.name]
    card = dict(spec.card())
    digest = hashlib.sha256(text.encode())
    for part in (ref.arg, ref.name.rpartition(":")[0]):
        if part and Path(part).expanduser().is_file():
            digest.update(Path(part).expanduser().read_bytes())
    digest.update(str(card.get("weights", "")).encode())
    for inside in spec.wraps(ref.arg) if ref.arg else ():
        digest.update(identity(inside)["identity"].encode())
    return {"summary": spec.summary, "card": card, "identity": digest.hexdigest()}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _revision() -> str:
    """Revision of the source this runs from, "" for an installed package."""
    here = Path(__file__).resolve().parent
    try:
        top = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return top.stdout.strip()
