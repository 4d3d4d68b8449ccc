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

from . import __version__, registry, runtime
from .cell import Job, condition_trials, describe
from .corrupt import decoded_seconds, missing_for
from .corruptions import recordings
from .errors import BadCorpus, RunConflict
from .plan import Plan
from .scale import LOCAL, Crew, Share, do
from .scores import (
    ScoreTable,
    cell_path,
    condition_path,
    digest_of,
    file_name,
    read_record,
    rows_in,
    write_json,
    write_json_once,
    write_trials,
)
from .shipped import beside, sha256
from .subsample import Reach, places
from .types import CLEAN, LABELS, DetectorSpec, Ref, Trial

FORMAT = 1
_PACKAGES = (
    "numpy",
    "scipy",
    "soundfile",
    "soxr",
    "av",
    "lameenc",
    "onnxruntime",
    "openvino",
    "ai-edge-litert",
    "torch",
    "transformers",
)
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
    reach: Reach | None = None,
    crew: Crew | None = None,
    scale: str = LOCAL,
    share: Share = Share(),  # noqa: B008 (frozen)
    say: Callable[[str], None] = lambda text: None,
) -> ScoreTable:
    """Score every missing cell of ``plan`` over ``trials`` into the folder ``out`` and return the whole run.

    corpus: free facts about the corpus for the record (name, audit, sources). workers: local processes. Detectors that
    the plan calls heavy hear its sub-sample (``subsample``): the record names its trials and conditions.
    reach: hear the first trials only of the draw of ``subsample.places``, all detectors the same and heavy ones too
    (see ``budget``); None: all. A folder begun so may go deeper, or on to everything. crew: workers that are there
    already, instead of ``workers`` new ones.
    scale: "local", "ray" or "ray:ADDRESS" (see ``scale``; workers 0: all that the cluster has room for). share: which of
    the conditions this process does, where several fill one folder. say(text): what a person may want to know meanwhile.
    The run can be stopped at any moment, even with kill -9: at most the cells in flight are scored again, and the
    result is the same to the byte.

    Raises BadCorpus (no trials, one class only, ids twice), RunConflict (the folder holds another experiment; a full
    disk), BadPlan and UnknownName (a name in the plan), SpoofproofError (a detector that breaks its contract).
    """
    out = Path(out)
    record = prepare(plan, trials, out, corpus or {}, reach)
    path = out / "run.json"
    if not path.exists():
        write_trials(out / "trials.parquet", trials)
        if not write_json_once(path, record):  # another process began the same run this moment
            record = prepare(plan, trials, out, corpus or {}, reach)
    else:
        _sweep(out)
    if record != read_record(out):
        write_json(path, record)
    todo = missing(plan, trials, out, record, share)
    for condition, facts in todo.not_run.items():
        write_json(condition_path(out, condition), facts)
    for condition in todo.anew:
        _forget(out, condition)
    total = sum(job.left for job in todo.jobs)
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
    if crew is None:
        do(todo.jobs, workers=workers, tick=tick, done=done, scale=scale, say=say)
    else:
        crew(todo.jobs, tick, done)
    return ScoreTable.read(out)


def prepare(
    plan: Plan, trials: Sequence[Trial], out: Path, corpus: Mapping[str, Any], reach: Reach | None = None
) -> dict[str, Any]:
    """The record of a run, checked against the folder that it is to go on in; nothing is written.

    Raises BadCorpus, RunConflict, BadPlan and UnknownName as ``run`` does.
    """
    check_trials(trials)
    old = read_record(out) if (out / "run.json").exists() else None
    begun = (old or {}).get("budget")
    if old is not None and reach is not None and not begun:
        raise RunConflict(
            f"{out} was begun without a budget: its cells are whole, not samples. Go on without --budget, or choose "
            "another --out."
        )
    if reach is not None or begun:
        plan = plan.with_(heavy=None)
    record = _record(plan, trials, corpus)
    if reach is not None:
        record["budget"] = reach.as_dict()
    elif begun:  # on to everything; the facts stay those of the first trials
        most = max(Counter((t.part, t.label) for t in trials).values())
        record["budget"] = Reach(dict.fromkeys(plan.conditions, most), most, begun["first"]).as_dict()
    return record if old is None else _continued(out, old, record)


def check_trials(trials: Sequence[Trial]) -> None:
    """Refuse a corpus that no comparison can be made on. Raises BadCorpus."""
    if not trials:
        raise BadCorpus("the corpus holds no trials; see: spoofproof corpus audit CORPUS")
    if len({trial.id for trial in trials}) < len(trials):
        ids: Counter[str] = Counter(trial.id for trial in trials)
        twice = [name for name, n in ids.items() if n > 1]
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


@dataclass(frozen=True, slots=True)
class Missing:
    """What a run lacks. jobs: in the plan's order. not_run: facts of conditions that cannot run here. anew: conditions of
    which nothing is scored yet: what an earlier attempt wrote of them is written again."""

    jobs: list[Job]
    not_run: dict[str, dict[str, Any]]
    anew: list[str]


def missing(
    plan: Plan,
    trials: Sequence[Trial],
    out: Path,
    record: Mapping[str, Any],
    share: Share = Share(),  # noqa: B008 (frozen)
) -> Missing:
    """The jobs that fill the cells of ``record``, or a share of them; nothing is written."""
    seconds = decoded_seconds(plan.conditions, plan.samples / plan.rate)
    heavy = tuple(d for d, known in record["detectors"].items() if known.get("heavy"))
    part = record.get("heavy") or {"conditions": [], "trials": []}
    sample = frozenset(part["trials"])
    draw = _Draw(trials, plan.seed, record.get("budget"))
    found = Missing([], {}, [])
    for condition in share.of(plan.conditions, plan.seed):
        hear = [d for d in record["detectors"] if d not in heavy or condition in part["conditions"]]
        why = missing_for(condition) if hear else _SPARED
        wanted = draw.under(condition)
        few = sum(trial.id in sample for trial in wanted) if set(hear) & set(heavy) else 0
        rows = {d: rows_in(cell_path(out, d, condition)) for d in hear}
        lack = tuple(d for d in hear if rows[d] < (few if d in heavy else len(wanted)))
        facts = condition_path(out, condition)
        if why and not any(rows.values()):
            found.not_run[condition] = describe(condition) | {"status": "not run", "why": why}
        if why or not lack:
            continue
        light = [d for d in hear if d not in heavy]
        if not any(rows[d] for d in light or hear):
            found.anew.append(condition)
        fresh = condition in found.anew or not facts.exists()
        all_of_them = set(light) & set(lack) or (light and fresh)
        mine = wanted if all_of_them else tuple(trial for trial in wanted if trial.id in sample)
        found.jobs.append(
            Job(
                run=out,
                condition=condition,
                detectors=lack,
                trials=mine,
                seconds=seconds,
                seed=plan.seed,
                rate=plan.rate,
                samples=plan.samples,
                pad=plan.pad,
                measured=plan.measured,
                listen=plan.listen,
                heavy=tuple(d for d in lack if d in heavy),
                sample=sample,
                noted=draw.first,
                left=len(mine) - min(rows[d] for d in lack),
            )
        )
    return found


class _Draw:
    """The trials of each condition: all that it is scored on, or on a budget the first of the draw."""

    def __init__(self, trials: Sequence[Trial], seed: int, budget: Mapping[str, Any] | None) -> None:
        self._all: dict[bool, tuple[Trial, ...]] = {}  # one tuple for all conditions that are scored alike
        self._trials = tuple(trials)
        self._reach = Reach.read(budget) if budget else None
        self._places = places(trials, seed) if budget else {}
        self.first = (
            None
            if self._reach is None
            else frozenset(name for name, place in self._places.items() if place < self._reach.first)
        )

    def under(self, condition: str) -> tuple[Trial, ...]:
        """In the run's order."""
        clean = condition == CLEAN
        if clean not in self._all:
            self._all[clean] = condition_trials(condition, self._trials)
        all_of_them = self._all[clean]
        if self._reach is None:
            return all_of_them
        return tuple(t for t in all_of_them if self._reach.holds(condition, t, self._places[t.id]))


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
        "runtime": runtime.chosen(),
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


def _continued(out: Path, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The record to go on with: everything must be the same, except that detectors may be added, and a budget."""
    differ = [key for key in _FIXED if old.get(key) != new[key]]
    before = old.get("runtime", runtime.DEFAULT)  # an older folder is of before there was a choice
    if before != new["runtime"]:
        differ.append(f"the runtime of its networks ({before}, not {new['runtime']})")
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
    known_of = {
        k: v for k, v in (old.get("budget") or {}).items() if k != "precision"
    }  # it is about to change
    budget = {"budget": known_of | new["budget"]} if "budget" in new else {}
    more = {k: v for k, v in new["detectors"].items() if k not in known}
    return {**old, **budget, "detectors": {**known, **more}}


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
