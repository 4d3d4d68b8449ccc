"""A job in pieces: cut so that no result depends on it, and put together in the order of the run.

A piece is a job over some of the trials that follow each other. Pieces are whole batches of a local run, so that even a
detector whose scores hang on its batch mates would say the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from .. import registry
from ..cell import BATCH, Job, Part, put, save, todo
from ..errors import SpoofproofError
from ..types import LABELS, Ref, Trial

SAVE = 60.0  # seconds between two savings of a cell that is not whole
_SECONDS = 10.0  # of work in a piece: a thousand times the milliseconds that sending it takes
_HEAR = 0.02  # seconds of a core to decode and corrupt one clip, about
MOST = 1024  # trials in a piece: what is done again when a worker is lost


class Cut:
    """A job in pieces, and what came back of them: every piece is taken, ``redo`` may ask for one more, then ``put``.

    size: a function of what is left of the job (``cell.todo``) -> trials in a piece. What came back is saved once a
    minute, so that a cell that takes days is not begun anew after a kill. spared: trials of the job that such a saving
    leaves nothing to do for.
    """

    def __init__(self, job: Job, size: Callable[[Job], int]) -> None:
        self.job, self._work = job, todo(job)
        self.pieces = cut(self._work, size(self._work))
        self.spared = max(0, job.left - len(self._work.trials))
        self._parts: dict[int, Part] = {}
        self._due = set(range(len(self.pieces)))
        self._saved = time.monotonic()

    def take(self, place: int, part: Part) -> bool:
        """Keep what came of the piece at ``place``; whether that is the first time."""
        first = place not in self._parts
        self._parts[place] = part
        self._due.discard(place)
        if self._due and time.monotonic() - self._saved >= SAVE:
            save(self.job, list(self._parts.values()))
            self._saved = time.monotonic()
        return first

    def knows(self, place: int) -> bool:
        """Whether something came of the piece at ``place`` before."""
        return place in self._parts

    def redo(self) -> int | None:
        """Once all are there: place of a piece that has to be done again, to measure and keep what failed clips of
        others could not give."""
        again = None if self._due else wanting(self._work, self.pieces, self._in_order())
        if again is not None:
            self.pieces[again] = noting(self._work, self.pieces[again])
            self._due.add(again)
        return again

    @property
    def whole(self) -> bool:
        """Whether no piece is due."""
        return not self._due

    def put(self) -> None:
        """Write the job's cells, and what the condition did. Raises RunConflict where the disk is full."""
        put(self.job, self._in_order(), facts=self._work.facts)

    def _in_order(self) -> list[Part]:
        return [self._parts[place] for place in range(len(self.pieces))]


def size_for(job: Job, workers: int) -> int:
    """Trials in a piece: about ten seconds of work by the declared costs, and enough pieces for all workers."""
    costs = (registry.detectors[Ref.parse(text).name].cost for text in job.detectors)
    wanted = min(_SECONDS / (_HEAR + sum(costs) / 1000), len(job.trials) / max(1, workers), MOST)
    return max(1, round(wanted / BATCH)) * BATCH


def batches(trials: int) -> int:
    """At least so many trials, in whole batches."""
    return max(1, -(-trials // BATCH)) * BATCH


def sendable(error: SpoofproofError) -> SpoofproofError:
    """The error itself; one of somebody's own class, which may not be known where it goes, as its sentence alone."""
    return error if type(error).__module__.startswith("spoofproof.") else SpoofproofError(str(error))


def cut(job: Job, size: int) -> list[Job]:
    """The job in pieces of at most ``size`` trials; one piece without trials where it has none.

    The first pieces measure what the condition did and keep clips to listen to, until they hold enough trials for
    that; ``wanting`` tells when too many of these could not be heard.
    """
    starts = range(0, max(1, len(job.trials)), size)
    return list(_pieces(job, [job.trials[start : start + size] for start in starts]))


def _pieces(job: Job, stretches: Sequence[tuple[Trial, ...]]) -> Iterator[Job]:
    left = dict.fromkeys(LABELS, job.listen)
    measured = job.measured
    for trials in stretches:
        notes = measured > 0 or any(n > 0 for n in left.values())
        ids = {trial.id for trial in trials}
        yield replace(
            job,
            trials=trials,
            sample=job.sample & ids,
            held={text: there & ids for text, there in job.held.items()},
            noted=job.noted if job.noted is None else job.noted & ids,
            measured=job.measured if notes else 0,
            listen=job.listen if notes else 0,
        )
        for trial in trials:
            if job.notes(trial):
                measured -= 1
                left[trial.label] -= 1


def wanting(job: Job, pieces: Sequence[Job], parts: Sequence[Part]) -> int | None:
    """Place of the piece that has to be done again to measure and keep what failed clips of earlier ones could not give."""
    if not job.facts:
        return None
    kept = [label for part in parts for _, label, _ in part.kept]
    measured = sum(len(part.measured) for part in parts)
    if measured >= job.measured and all(kept.count(label) >= job.listen for label in LABELS):
        return None
    for place, (piece, part) in enumerate(zip(pieces, parts, strict=True)):
        if (piece.measured, piece.listen) != (job.measured, job.listen) and part.digests:
            return place
    return None


def noting(job: Job, piece: Job) -> Job:
    """The piece, to be done again with everything measured and kept."""
    return replace(piece, measured=job.measured, listen=job.listen)
