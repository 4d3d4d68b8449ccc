"""Thousands of recordings: each answer is a file of its own the moment it is known, so a stopped run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadAudio, BadScores, RunConflict
from ..interrupt import check
from ..scores import write_json
from .answer import SCHEMA, SYNTHETIC, UNSURE, Answer
from .inputs import is_url, opened_input
from .judge import Judge

EXIT_REAL, EXIT_FAILED, EXIT_SYNTHETIC, EXIT_UNSURE = 0, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Batch:
    """answers: in the order of the inputs. failed: path → what is wrong with it. kept: how many were known from before."""

    answers: tuple[Answer, ...]
    failed: dict[str, str]
    kept: int = 0

    @property
    def exit_code(self) -> int:
        """2: an input failed; else 3: one is likely synthetic; else 4: of one it cannot tell; else 0: all are likely real."""
        verdicts = {answer.verdict for answer in self.answers}
        if self.failed:
            return EXIT_FAILED
        if SYNTHETIC in verdicts:
            return EXIT_SYNTHETIC
        return EXIT_UNSURE if UNSURE in verdicts else EXIT_REAL


def detect_all(
    judge: Judge,
    paths: Sequence[str],
    *,
    out: Path | None = None,
    tell: Callable[[str, Answer | str], None] = lambda path, found: None,
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> Batch:
    """Answer every recording; one that cannot be heard is a sentence in ``failed`` and stops nobody else.

    out: a folder that keeps each answer; what is there, for the same file, detector and prior, is not heard again.
    tell: called with each answer, or the sentence why there is none, as it comes. Raises RunConflict when ``out`` was filled by another
    detector or prior.
    """
    folder = _prepared(out, judge) if out else None
    answers: list[Answer] = []
    failed: dict[str, str] = {}
    kept = 0
    for done, path in enumerate(paths):
        progress(done, len(paths), path)
        place = folder / _name(path) if folder else None
        stamp = _stamp(path)
        answer = _known(place, path, stamp) if place else None
        if answer is not None:
            kept += 1
        else:
            found = _answer(judge, path)
            check()
            if isinstance(found, str):
                failed[path] = found
                tell(path, found)
                continue
            answer = found
            if place:
                write_json(place, {"schema": SCHEMA, "file": stamp, "answer": answer.as_dict()})
        answers.append(answer)
        tell(path, answer)
    progress(len(paths), len(paths), "")
    return Batch(tuple(answers), failed, kept)


def _answer(judge: Judge, path: str) -> Answer | str:
    """The answer, or the sentence why there is none."""
    try:
        with opened_input(path) as source:
            return judge.answer(source, path)
    except (BadAudio, BadScores) as error:
        return str(error)


def _prepared(out: Path, judge: Judge) -> Path:
    """The folder for the answers, with a record of who gives them."""
    record = {
        "schema": SCHEMA, "detector": judge.name, "weights": judge.table.weights, "prior": judge.prior,
        "table": hashlib.sha256(json.dumps(judge.table.to_dict(), sort_keys=True).encode()).hexdigest(),
    }  # fmt: skip
    file = out / "detect.json"
    if file.exists():
        found = _json(file)
        differs = [key for key in record if not isinstance(found, dict) or found.get(key) != record[key]]
        if differs:
            raise RunConflict(
                f"{out} holds answers of another {' and '.join(differs)}; choose another --out, or remove that folder"
            )
    else:
        write_json(file, record)
    return out / "answers"


def _name(path: str) -> str:
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(path).name)[:60].strip("._") or "audio"
    return f"{stem}.{digest}.json"


def _stamp(path: str) -> dict[str, int] | None:
    """What tells that a file is still the same; None for what cannot be looked at twice."""
    if path == "-" or is_url(path):
        return None
    try:
        facts = Path(path).stat()
    except OSError:
        return None
    return {"bytes": facts.st_size, "modified_ns": facts.st_mtime_ns}


def _known(place: Path, path: str, stamp: dict[str, int] | None) -> Answer | None:
    found = _json(place) if stamp is not None and place.exists() else None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or found.get("file") != stamp:
        return None
    try:
        answer = Answer.from_dict(found["answer"])
    except (BadScores, KeyError):
        return None
    return answer if answer.path == path else None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
