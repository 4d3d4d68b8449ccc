"""audit(trials): can this corpus be trusted to measure what it should? Facts as plain data, warnings as sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import BadAudio, BadCorpus
from ..streams import stream
from ..types import LABELS, Trial
from .confounds import Confound, Leak, assert_disjoint, confounds, connected, parts_disjoint, tally
from .shortcuts import FEWEST, Classifier, Shortcut, classifier, single
from .traits import Traits, traits

__all__ = ["Audit", "assert_disjoint", "audit", "parts_disjoint"]

_PARTS = ("train", "dev", "eval")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found. Everything is plain data once through ``to_dict``.

    trials: how many. opened: files decoded (all, or the sample). scope: the trials that shortcuts and confounds are
    measured on. counts: trials by part and label; by: trials of each class by attack, language, source (most first).
    missing, unreadable: (id, cause), the first 20, with the number of all. twice: ids that occur more than once.
    same_sound: groups of ids with the same decoded samples. warnings: sentences, worst first, [] for a clean corpus.
    """

    trials: int
    opened: int
    scope: str
    counts: tuple[Mapping[str, str | int], ...]
    by: Mapping[str, tuple[Mapping[str, str | int], ...]]
    speakers: int
    missing: int
    missing_ids: tuple[str, ...]
    unreadable: int
    unreadable_causes: tuple[tuple[str, str], ...]
    twice: tuple[str, ...]
    same_sound: tuple[tuple[str, ...], ...]
    same_sound_groups: int
    leaks: tuple[Leak, ...]
    shortcuts: tuple[Shortcut, ...]
    classifier: Classifier | None
    confounds: tuple[Confound, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and finite numbers: fit for JSON as it is."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def audit(
    trials: Sequence[Trial],
    *,
    progress: Callable[[int, int], None] | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Audit:
    """Look at a corpus without listening: counts, broken files, duplicates, leaks, shortcuts, confounds.

    sample: open at most this many files, spread over parts and classes by the seed; None opens all. Whether a file
    exists is checked for every trial. progress(done, total) counts opened files. Shortcuts and confounds are measured
    on the part eval where it holds at least 10 clips of each class, else on everything.

    A shortcut is a trivial feature (duration, level, silence, bandwidth, sample rate, codec …) that tells the
    classes apart: a detector may then score well without listening. Raises BadCorpus when there are no trials.
    """
    if not trials:
        raise BadCorpus("there are no trials to audit")
    there = [trial.path.exists() for trial in trials]
    missing = [trial.id for trial, exists in zip(trials, there, strict=True) if not exists]
    chosen = _sample([t for t, exists in zip(trials, there, strict=True) if exists], sample, seed)
    opened: list[tuple[Trial, Traits]] = []
    broken: list[tuple[str, str]] = []
    for done, trial in enumerate(chosen, 1):
        try:
            opened.append((trial, traits(trial.path)))
        except BadAudio as error:
            broken.append((trial.id, str(error).replace(str(trial.path), trial.path.name)))
        except OSError as error:
            broken.append((trial.id, f"{trial.path.name}: {error.strerror or error}"))
        if progress is not None:
            progress(done, len(chosen))
    scope, heard, read = _scope(trials, opened)
    bonafide = np.array([trial.label == "bonafide" for trial, _ in heard], dtype=bool)
    found = [facts for _, facts in heard]
    groups = _groups([trial for trial, _ in heard])
    shortcuts = tuple(single(found, bonafide, seed))
    trained = classifier(found, bonafide, groups, seed)
    confounded = tuple(confounds(read, seed))
    same = _same_sound(opened)
    twice = tuple(name for name, n in Counter(trial.id for trial in trials).items() if n > 1)
    several = len({trial.source for trial in trials}) > 1  # a corpus of one source shares it by nature
    shared = ("speaker", "pair", "attack", "source") if several else ("speaker", "pair", "attack")
    leaks = tuple(leak for by in shared for leak in parts_disjoint(trials, by))
    return Audit(
        trials=len(trials),
        opened=len(chosen),
        scope=scope,
        counts=tuple(_counts(trials)),
        by={by: tuple(tally(trials, by)[:200]) for by in ("attack", "language", "source")},
        speakers=len({trial.speaker for trial in trials if trial.speaker}),
        missing=len(missing),
        missing_ids=tuple(missing[:_SHOWN]),
        unreadable=len(broken),
        unreadable_causes=tuple(broken[:_SHOWN]),
        twice=twice[:_SHOWN],
        same_sound=tuple(tuple(t.id for t in group) for group in same[:_SHOWN]),
        same_sound_groups=len(same),
        leaks=leaks,
        shortcuts=shortcuts,
        classifier=trained,
        confounds=confounded,
        warnings=(
            *_said_of_files(trials, missing, broken, twice, same),
            *_said_of_leaks(leaks),
            *_said_of_shortcuts(shortcuts, trained, scope),
            *_said_of_confounds(confounded),
        ),
    )


def _sample(trials: Sequence[Trial], most: int | None, seed: int) -> list[Trial]:
    """At most ``most`` trials, in order: the cells part × label are filled evenly, as far as each goes."""
    if most is None or len(trials) <= most:
        return list(trials)
    cells: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, trial in enumerate(trials):
        cells[trial.part, trial.label].append(i)
    left, keep = most, []
    waiting = sorted(cells.items(), key=lambda item: (len(item[1]), item[0]))
    for n, ((part, label), members) in enumerate(waiting):
        take = min(len(members), left // (len(waiting) - n))
        rng = stream(seed, "audit sample", part, label)
        keep += [members[i] for i in rng.permutation(len(members))[:take]]
        left -= take
    return [trials[i] for i in sorted(keep)]


def _scope(
    trials: Sequence[Trial], opened: Sequence[tuple[Trial, Traits]]
) -> tuple[str, Sequence[tuple[Trial, Traits]], Sequence[Trial]]:
    heard = [(trial, facts) for trial, facts in opened if trial.part == "eval"]
    counts: Counter[str] = Counter(trial.label for trial, _ in heard)
    if len({t.part for t in trials}) > 1 and all(counts[label] >= FEWEST for label in LABELS):
        return "eval", heard, [trial for trial in trials if trial.part == "eval"]
    return "all parts", opened, trials


def _groups(trials: Sequence[Trial]) -> dict[str, Sequence[int]]:
    return {
        "speaker and pair": connected(trials, ("speaker", "pair")),
        "pair": connected(trials, ("pair",)),
        "speaker": connected(trials, ("speaker",)),
    }


def _same_sound(opened: Sequence[tuple[Trial, Traits]]) -> list[list[Trial]]:
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial, facts in opened:
        groups[facts.digest].append(trial)
    return [group for group in groups.values() if len(group) > 1]


def _counts(trials: Sequence[Trial]) -> list[Mapping[str, str | int]]:
    rows: list[Mapping[str, str | int]] = []
    for part in _PARTS:
        inside = [trial for trial in trials if trial.part == part]
        for label in LABELS:
            of = [trial for trial in inside if trial.label == label]
            if inside:
                rows.append(
                    {
                        "part": part,
                        "label": label,
                        "trials": len(of),
                        "speakers": len({t.speaker for t in of if t.speaker}),
                        "attacks": len({t.attack for t in of if t.attack}),
                        "languages": len({t.language for t in of if t.language}),
                        "sources": len({t.source for t in of if t.source}),
                    }
                )
    return rows


def _said_of_files(
    trials: Sequence[Trial],
    missing: Sequence[str],
    broken: Sequence[tuple[str, str]],
    twice: Sequence[str],
    same: Sequence[Sequence[Trial]],
) -> list[str]:
    said = []
    if missing:
        said.append(f"{len(missing)} of {len(trials)} files are missing, such as that of {missing[0]!r}")
    if broken:
        said.append(f"{len(broken)} files cannot be read, such as {broken[0][0]!r}: {broken[0][1]}")
    if twice:
        said.append(f"{len(twice)} ids occur more than once, such as {twice[0]!r}")
    labels = sum(len({t.label for t in group}) > 1 for group in same)
    parts = sum(len({t.part for t in group}) > 1 for group in same)
    if same:
        one = ", ".join(t.id for t in same[0][:3])
        said.append(f"{len(same)} sounds are there more than once, such as {one}")
    if labels:
        said.append(f"{labels} sounds are there as bona fide and as spoof")
    if parts:
        said.append(f"{parts} sounds are there in more than one part")
    return said


def _said_of_leaks(leaks: Sequence[Leak]) -> list[str]:
    """Shared speakers and sentences make a part easier; shared attacks and sources are common and only shown."""
    return [
        f"{leak.first} and {leak.second} share {leak.shared} {leak.by}s ({leak.trials} trials)"
        for leak in leaks
        if leak.by in ("speaker", "pair")
    ]


def _said_of_shortcuts(shortcuts: Sequence[Shortcut], trained: Classifier | None, scope: str) -> list[str]:
    said = []
    if trained is not None and trained.flagged:
        said.append(
            f"trivial features alone tell the classes apart ({scope}): AUROC {trained.auroc:.2f} "
            f"[{trained.low:.2f}, {trained.high:.2f}], chance is 0.50; a detector may score well without listening"
        )
    for row in shortcuts:
        if row.flagged:
            middle = " against ".join(
                x if isinstance(x, str) else f"{x:.4g} {row.unit}".rstrip() for x in (row.bonafide, row.spoof)
            )
            said.append(
                f"{row.feature} gives the label away: AUROC {row.strength:.2f} [{row.low:.2f}, {row.high:.2f}] "
                f"(bona fide {middle})"
            )
    if not shortcuts:
        said.append(
            f"shortcuts were not measured: that takes at least {FEWEST} readable clips of each class ({scope})"
        )
    return said


def _said_of_confounds(rows: Sequence[Confound]) -> list[str]:
    return [
        f"{row.column} explains {row.share:.0%} of the label ({row.chance:.0%} by chance): compare within it"
        for row in rows
        if row.flagged
    ]


def _plain(thing: Any) -> Any:
    if isinstance(thing, Mapping):
        return {str(key): _plain(inner) for key, inner in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [_plain(inner) for inner in thing]
    if isinstance(thing, (bool, np.bool_)):
        return bool(thing)
    if isinstance(thing, (float, np.floating)):
        return float(thing) if np.isfinite(thing) else None
    if isinstance(thing, np.integer):
        return int(thing)
    return thing
