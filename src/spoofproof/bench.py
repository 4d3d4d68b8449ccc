"""run(plan, trials, folder): fill the cells that are missing, and nothing else.

The record is written first and compared on every later call, so that a folder never holds two experiments. Resume is
"score what is missing"; nothing is kept in memory that is not on disk a moment later.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import shutil
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
from .scale import LOCAL, Share, do
from .scores import (
    ScoreTable,
    cell_path,
    condition_path,
    digest_of,
    file_name,
    read_record,
    write_json,
    write_json_once,
    write_trials,
)
from .shipped import beside, sha256
from .types import LABELS, DetectorSpec, Ref, Trial

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
_FIXED = ("format", "seed", "window", "listen", "conditions", "recordings", "heavy")
_SPARED = (
    "only heavy detectors are in this run, and its plan gives them no such level; --plan full runs everything"
)


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
    scale: str = LOCAL,
    share: Share = Share(),  # noqa: B008 (frozen)
    say: Callable[[str], None] = lambda text: None,
) -> ScoreTable:
    """Score every missing cell of ``plan`` over ``trials`` into the folder ``out`` and return the whole run.

    corpus: free facts about the corpus for the record (name, audit, sources). workers: local processes. Detectors that
    the plan calls heavy hear its sub-sample (``subsample``): the record names its trials and conditions.
    scale: "local", "ray" or "ray:ADDRESS" (see ``scale``; workers 0: all that the cluster has room for). share: which of
    the conditions this process does, where several fill one folder. say(text): what a person may want to know meanwhile.
    The run can be stopped at any moment, even with kill -9: at most the cells in flight are scored again, and the
    result is the same to the byte.

    Raises BadCorpus (no trials, one class only, ids twice), RunConflict (the folder holds another experiment; a full
    disk), BadPlan and UnknownName (a name in the plan), SpoofproofError (a detector that breaks its contract).
    """
    out = Path(out)
    check_trials(trials)
    record = _record(plan, trials, corpus or {})
    first = not (out / "run.json").exists()
    if first:
        write_trials(out / "trials.parquet", trials)
        first = write_json_once(out / "run.json", record)
    if not first:
        record = _continued(out, record)
        _sweep(out)
    jobs = _jobs(plan, tuple(trials), out, record, share)
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
    do(jobs, workers=workers, tick=tick, done=done, scale=scale, say=say)
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


def _jobs(
    plan: Plan, trials: tuple[Trial, ...], out: Path, record: Mapping[str, Any], share: Share
) -> list[Job]:
    """What is missing of a share, in the plan's order. Conditions that cannot run here are written down as not run."""
    window = plan.samples / plan.rate
    seconds = max(seconds_needed(condition, window) for condition in plan.conditions) + _SPARE
    heavy = tuple(d for d, known in record["detectors"].items() if known.get("heavy"))
    part = record.get("heavy") or {"conditions": [], "trials": []}
    sample = frozenset(part["trials"])
    jobs = []
    for condition in share.of(plan.conditions, plan.seed):
        hear = [d for d in record["detectors"] if d not in heavy or condition in part["conditions"]]
        why = missing_for(condition) if hear else _SPARED
        missing = tuple(d for d in hear if not cell_path(out, d, condition).exists())
        facts = condition_path(out, condition)
        if why and len(missing) == len(hear):
            write_json(facts, describe(condition) | {"status": "not run", "why": why})
        if why or not missing:
            continue
        light = [d for d in hear if d not in heavy]
        if set(light or hear) <= set(missing):
            _forget(out, condition)
        jobs.append(
            Job(
                run=out,
                condition=condition,
                detectors=missing,
                trials=tuple(
                    trial
                    for trial in condition_trials(condition, trials)
                    if trial.id in sample or set(light) & set(missing) or (light and not facts.exists())
                ),
                seconds=seconds,
                seed=plan.seed,
                rate=plan.rate,
                samples=plan.samples,
                pad=plan.pad,
                measured=plan.measured,
                listen=plan.listen,
                heavy=tuple(d for d in missing if d in heavy),
                sample=sample,
            )
        )
    return jobs


def _forget(out: Path, condition: str) -> None:
    """Drop what an earlier attempt, or a run of heavy detectors alone, wrote of a condition: it is written again, from
    all that is heard now, with the cells."""
    condition_path(out, condition).unlink(missing_ok=True)
    shutil.rmtree(out / "samples" / file_name(condition), ignore_errors=True)


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
        "heavy": _heavy(plan, trials),
        "detectors": {text: identity(text) | _cost(text, plan) for text in plan.detectors},
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
    differ += [
        f"what the detector {text} hears (its declared cost changed)"
        for text, new_one in new["detectors"].items()
        if text in known and bool(known[text].get("heavy")) != new_one["heavy"]
    ]
    if differ:
        raise RunConflict(
            f"{out} holds another experiment ({old.get('plan', '?')} of {old.get('made', {}).get('at', '?')}): different "
            f"{', '.join(differ)}. Nothing was changed. Choose another --out, or delete that folder."
        )
    more = {k: v for k, v in new["detectors"].items() if k not in known}
    record = {**old, "detectors": {**known, **more}}
    if more:
        write_json(out / "run.json", record)
    return record


def _heavy(plan: Plan, trials: Sequence[Trial]) -> dict[str, Any] | None:
    """The sub-sample as it is declared, and what it comes to for this run; None where the plan has none."""
    if plan.heavy is None:
        return None
    return plan.heavy.as_dict() | {
        "conditions": list(plan.heavy.conditions(plan.conditions)),
        "trials": list(plan.heavy.trials(trials, plan.seed)),
    }


def _cost(text: str, plan: Plan) -> dict[str, Any]:
    spec = registry.detectors[Ref.parse(text).name]
    return {"cost": spec.cost, "heavy": plan.heavy is not None and plan.heavy.covers(text)}


def identity(text: str) -> dict[str, Any]:
    """What a detector is: its summary and card, and a hash over the files that make it."""
    ref = Ref.parse(text)
    spec = registry.detectors[ref.name]
    card = _card(ref, spec)
    digest = hashlib.sha256(text.encode())
    for part in (ref.arg, ref.name.rpartition(":")[0]):
        place = Path(part).expanduser()
        if part and place.is_file():
            digest.update(place.read_bytes())
        elif part and place.is_dir():
            digest.update(sha256(place).encode())
    digest.update(str(card.get("weights", "")).encode())
    inside = [identity(text) for text in spec.wraps(ref.arg)] if ref.arg else []
    for one in inside:
        digest.update(one["identity"].encode())
    if lists := [one["card"]["contamination"] for one in inside if "contamination" in one["card"]]:
        card["contamination"] = sorted(
            {name for met in lists for name in met}
        )  # a wrapper has met what is in it
    return {"summary": spec.summary, "card": card, "identity": digest.hexdigest()}


def _card(ref: Ref, spec: DetectorSpec) -> dict[str, Any]:
    """The card of what is run. Weights of one's own, a file or a folder, are not the shipped ones: theirs is the card
    beside them, where it names their SHA-256, and otherwise there is none."""
    weights = Path(ref.arg).expanduser()
    if not ref.arg or not weights.exists():
        return dict(spec.card())
    try:
        card = json.loads(beside(weights).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    same = isinstance(card, dict) and card.get("weights") == sha256(weights)
    return card if same else {}


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
