"""Work done by other processes: each writes its files itself, so that their number never reaches a result."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from ..audio import remove_halves
from ..errors import SpoofproofError

Job = TypeVar("Job")


def do(
    work: Callable[[Job], object],
    jobs: Sequence[Job],
    workers: int,
    done: Callable[[int], None],
    folder: Path,
) -> None:
    """Call ``work`` on every job; ``done(n)`` says how many are finished. folder: where the files of the jobs go.

    work: a function of a module, job: picklable. Raises the first error of a job; what was finished stays. With one
    worker, or one job, everything happens in this process.
    """
    from threadpoolctl import threadpool_limits

    if workers == 1 or len(jobs) <= 1:
        with threadpool_limits(limits=1):
            for count, job in enumerate(jobs, 1):
                work(job)
                done(count)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, initializer=_start, initargs=(os.getpid(),)
    )
    try:
        for count, future in enumerate(as_completed([pool.submit(work, job) for job in jobs]), 1):
            future.result()
            done(count)
    except BrokenProcessPool:
        raise SpoofproofError(
            "a worker process died (often: out of memory, or killed). What it had written is kept; run the same "
            "command again to go on, with fewer [run] workers if memory is short."
        ) from None
    except BaseException:
        processes = list((pool._processes or {}).values())
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        remove_halves(folder, [process.pid for process in processes])
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(parent: int) -> None:
    """Runs once in each worker: polite, one thread of arithmetic, Ctrl-C is the parent's business, no orphan."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(max(0, 5 - os.nice(0)))
    threadpool_limits(limits=1)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
