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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, islice
from queue import Empty
from typing import Any

from ..cell import BATCH, Job, Part, Tick, score
from ..errors import BadPlan, SpoofproofError
from .shard import MOST, Cut

_AHEAD = 2  # pieces a worker holds: one that it scores, one that waits
_PIECES = 8  # pieces for each worker, at least: none waits long for the last one

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
    context = multiprocessing.get_context("spawn")
    ticks = context.Queue()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(ticks, os.getpid()))
    try:
        yield lambda jobs, tick, done: _together(pool, workers, ticks, jobs, tick, done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pieces(jobs: Sequence[Job], workers: int, tick: Tick) -> Iterator[tuple[Cut, int]]:
    """Whole jobs where there are many and they are small, else so many pieces that no worker waits long for the last one.
    Cut when their turn comes: a million trials are not held a hundred times."""
    parts = -(-_PIECES * workers // max(1, len(jobs)))
    for job in jobs:
        opened = Cut(job, lambda work: max(1, min(MOST, -(-len(work.trials) // parts)) // BATCH) * BATCH)
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


def _together(
    pool: ProcessPoolExecutor,
    workers: int,
    ticks: Any,
    jobs: Sequence[Job],
    tick: Tick,
    done: Callable[[Job], None],
) -> None:
    """Hand out pieces in the order of the jobs, and write each job when the last of its pieces is there."""
    pieces = _pieces(jobs, workers, tick)
    flights: dict[Future[Part], tuple[Cut, int]] = {}
    try:
        while True:
            with _ctrl_c_held():
                for opened, place in islice(pieces, _AHEAD * workers - len(flights)):
                    counts = not opened.knows(place)
                    flights[pool.submit(_work, opened.pieces[place], counts)] = opened, place
            if not flights:
                break
            finished, _ = wait(flights, timeout=0.2, return_when=FIRST_COMPLETED)
            _drain(ticks, tick)
            for future in finished:
                opened, place = flights.pop(future)
                opened.take(place, future.result())
                if (again := opened.redo()) is not None:
                    pieces = chain([(opened, again)], pieces)
                elif opened.whole:
                    opened.put()
                    done(opened.job)
        _drain(ticks, tick)
    except BrokenProcessPool:
        raise SpoofproofError(
            "a worker process died (often: out of memory, or killed). Every finished cell is kept; run the same "
            "command again to go on, with fewer --workers if memory is short."
        ) from None
    except BaseException:
        pool_processes = list(pool._processes.values())
        for process in pool_processes:
            process.terminate()
        for process in pool_processes:
            process.join()
        raise


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


_ticks: Any = None


def _start(ticks: Any, parent: int) -> None:
    """Runs once in each worker: one thread, Ctrl-C is the parent's business, and no life without a parent."""
    global _ticks
    _ticks = ticks
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be held back
    one_thread().__enter__()
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _work(piece: Job, counts: bool) -> Part:
    return score(piece, _ticks.put if counts else lambda n: None)


def _drain(ticks: Any, tick: Tick) -> None:
    try:
        while True:
            tick(ticks.get_nowait())
    except Empty:
        return
