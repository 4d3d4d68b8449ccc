"""Jobs done on this machine: in this process, or by local workers.

A worker is a fresh process (spawn) with one arithmetic thread that reads the files itself; names travel to it, and
scores, digests and a few clips to listen to travel back. This process puts the pieces of a condition together and writes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain
from multiprocessing.connection import Connection, wait
from typing import Any

from ..cell import BATCH, Job, Part, Tick, score
from ..errors import BadPlan, SpoofproofError
from .shard import MOST, Cut, batches, sendable

_PIECES = 8  # pieces for each worker, at least: none waits long for the last one

_DIED = (
    "a worker process died (often: out of memory, or killed). Every finished cell is kept; run the same command again to "
    "go on, with fewer --workers if memory is short."
)

Crew = Callable[[Sequence[Job], Tick, Callable[[Job], None]], None]


def do(jobs: Sequence[Job], *, workers: int, tick: Tick, done: Callable[[Job], None]) -> None:
    """Do every job. tick(n): n more trials were scored. done(job): its cells are on disk.

    Raises the first SpoofproofError of a job (what was finished stays), and SpoofproofError when a worker dies.
    """
    useful = sum(-(-len(job.trials) // BATCH) for job in jobs)  # more would find nothing to do
    with crew(min(workers, max(1, useful))) as work:
        work(jobs, tick, done)


@contextmanager
def crew(workers: int) -> Iterator[Crew]:
    """``work(jobs, tick, done)`` as often as it is needed, by the same workers: models are loaded and clips are decoded
    once. Raises BadPlan for less than one; ``work`` raises what ``do`` raises, and is of no use afterwards."""
    if workers < 1:
        raise BadPlan(f"--workers is at least 1, not {workers}")
    if workers == 1:
        with one_thread():
            yield _alone
        return
    hands: list[_Hand] = []
    try:
        with _ctrl_c_held():
            hands += (_hired() for _ in range(workers))
        yield lambda jobs, tick, done: _together(hands, jobs, tick, done)
    except BaseException:
        for hand in hands:
            hand.process.terminate()
        raise
    finally:
        for hand in hands:
            hand.line.close()  # one that waits for work ends with its line
        for hand in hands:
            hand.process.join()


def _pieces(jobs: Sequence[Job], workers: int, tick: Tick) -> Iterator[tuple[Cut, int]]:
    """Whole jobs where there are many and they are small, else so many pieces that no worker waits long for the last one.
    Cut when their turn comes: a million trials are not held a hundred times."""
    parts = -(-_PIECES * workers // max(1, len(jobs)))
    for job in jobs:
        opened = Cut(job, lambda work: batches(min(MOST, -(-len(work.trials) // parts))))
        tick(opened.spared)
        yield from ((opened, place) for place in range(len(opened.pieces)))


def _alone(jobs: Sequence[Job], tick: Tick, done: Callable[[Job], None]) -> None:
    for opened, place in _pieces(jobs, 1, tick):
        opened.take(place, score(opened.pieces[place], tick))
        while (again := opened.redo()) is not None:
            opened.take(again, score(opened.pieces[again]))
        if opened.whole:
            opened.put()
            done(opened.job)


def one_thread() -> AbstractContextManager[Any]:
    """Arithmetic libraries use one thread inside: the same sums in the same order on every machine."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits


@dataclass(slots=True, eq=False)
class _Hand:
    """A worker as this process sees it: the only other end of its line, so that its death is heard. holds: its piece."""

    process: Any
    line: Connection
    holds: tuple[Cut, int] | None = None

    def give(self, opened: Cut, place: int) -> None:
        """Let it score a piece. Raises SpoofproofError where it is dead."""
        try:
            self.line.send((opened.pieces[place], not opened.knows(place)))
        except OSError:
            raise SpoofproofError(_DIED) from None
        self.holds = opened, place

    def hear(self) -> Any:
        """What it says next: trials just done, what came of its piece, or the error that it met. Raises SpoofproofError
        where it is dead."""
        try:
            return self.line.recv()
        except (EOFError, OSError):
            raise SpoofproofError(_DIED) from None


def _together(hands: Sequence[_Hand], jobs: Sequence[Job], tick: Tick, done: Callable[[Job], None]) -> None:
    """Hand out pieces in the order of the jobs, and write each job when the last of its pieces is there."""
    pieces = _pieces(jobs, len(hands), tick)
    while True:
        for hand in hands:
            if hand.holds is None and (piece := next(pieces, None)) is not None:
                hand.give(*piece)
        busy = {hand.line: hand for hand in hands if hand.holds is not None}
        if not busy:
            return
        for line in wait(list(busy)):
            hand = busy[line]  # type: ignore[index]  # sockets too, says its stub
            said = hand.hear()
            if isinstance(said, int):
                tick(said)
            elif isinstance(said, Exception):
                raise said
            elif hand.holds is not None:
                (opened, place), hand.holds = hand.holds, None
                opened.take(place, said)
                if (again := opened.redo()) is not None:
                    pieces = chain([(opened, again)], pieces)
                elif opened.whole:
                    opened.put()
                    done(opened.job)


def _hired() -> _Hand:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, os.getpid()))
    process.start()
    theirs.close()
    return _Hand(process, ours)


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Ctrl-C waits until the block is left; processes started inside never get it, not even while they start."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(line: Connection, parent: int) -> None:
    """What a worker does: score one piece after another, with one thread; Ctrl-C is the parent's business, and there is no
    life without a parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be held back
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    with one_thread():
        while True:
            try:
                piece, counts = line.recv()
            except (EOFError, OSError):  # the parent is done, or gone
                return
            line.send(_answer(piece, line.send if counts else lambda n: None))


def _answer(piece: Job, tick: Tick) -> Part | Exception:
    """What came of a piece, or the error that it ends the run with, as something that can be sent."""
    try:
        return score(piece, tick)
    except SpoofproofError as error:
        return sendable(error)
    except Exception:  # a mistake in this package: with its traceback
        return RuntimeError(f"in a worker:\n{traceback.format_exc()}")


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
