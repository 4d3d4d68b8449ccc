"""A job in pieces: cut so that no result depends on it, and put together in the order of the run.

A piece is a job over some of the trials that follow each other. Pieces are whole batches of a local run, so that even a
detector whose scores hang on its batch mates would say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .. import registry
from ..cell import BATCH, Job, Part
from ..types import LABELS, Ref, Trial

_SECONDS = 10.0  # of work in a piece: a thousand times the milliseconds that sending it takes
_HEAR = 0.02  # seconds of a core to decode and corrupt one clip, about
_MOST = 1024  # trials in a piece: what is done again when a worker is lost


def size_for(job: Job, workers: int) -> int:
    """Trials in a piece: about ten seconds of work by the declared costs, and enough pieces for all workers."""
    costs = (registry.detectors[Ref.parse(text).name].cost for text in job.detectors)
    wanted = min(_SECONDS / (_HEAR + sum(costs) / 1000), len(job.trials) / max(1, workers), _MOST)
    return max(1, round(wanted / BATCH)) * BATCH


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
