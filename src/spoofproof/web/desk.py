"""Who does which job when: the workers take from the database, a dead one loses nothing, a full queue says so.

Worker 0 takes only what a client waits for, so that hours of audio in a job never keep a short file waiting; with one
worker it takes all. Live streams have a worker of their own.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import SpoofproofError
from .jobs import Item, Jobs
from .metrics import Metrics
from .process import Died, Hung, Worker
from .settings import Settings

log = logging.getLogger("spoofproof.web")

_MAKES_FILE = {"corrupt"}
_REST = 1.0  # seconds before a worker that does not come up is tried again


class Full(Exception):
    """The queue has no place. seconds: after which to try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Desk:
    """The workers, the queue and what waits for it. All of it lives in one event loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.jobs = Jobs(settings.state)
        self.workers = [Worker(settings, str(n)) for n in range(settings.workers)]
        self.live = Worker(settings, "live")
        self._live_turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[str, set[Worker]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._taken: Counter[str] = Counter()
        self._mean_seconds = 1.0
        self.broken = ""

    async def open(self) -> None:
        """Take up what a former service left and start the workers."""
        for path in (self.settings.state / "workers").glob("*"):
            _remove(path)
        waiting = self.jobs.recover()
        if waiting:
            log.info("%d accepted items go on", waiting)
        self._tasks = [asyncio.create_task(self._serve(n)) for n in range(len(self.workers))]
        self._tasks.append(asyncio.create_task(self._prune()))
        self._wake.set()

    async def close(self) -> None:
        """Stop the workers; accepted jobs stay in the database, queued or running, for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in (*self.workers, self.live):
            await worker.stop()
        self.jobs.close()

    # --- places in the queue ----------------------------------------------------------------------------------------

    def reserve(self, who: str, places: int = 1) -> None:
        """Hold places for uploads that are about to come. Raises Full; give them back with ``release``."""
        if places > self.free():
            self.metrics.count("spoofproof_refused_total", reason="queue")
            raise Full(self._patience())
        self._taken[who] += places

    def free(self) -> int:
        """Places in the queue that are neither used nor held."""
        return self.settings.queue - self.jobs.waiting() - self._taken.total()

    def release(self, who: str) -> None:
        """Give back what ``who`` had reserved."""
        del self._taken[who]

    def _patience(self) -> int:
        return max(1, math.ceil(self.jobs.waiting() * self._mean_seconds / max(1, len(self.workers))))

    # --- jobs -------------------------------------------------------------------------------------------------------

    def accept(
        self, job: str, owner: str, task: str, options: Mapping[str, Any], items: int, waited: bool
    ) -> None:
        """Put a job whose uploads are in place into the queue; from here on it is not lost."""
        self.jobs.add(job, owner, task, options, items=items, waited=waited)
        if waited:
            self._ended[job] = asyncio.Event()
        self._wake.set()

    async def wait(self, job: str, seconds: float) -> Item | None:
        """The one item of a waited job once it has ended; None where ``seconds`` pass before."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended[job].wait()
        except TimeoutError:
            return None
        found = self.jobs.get(job)
        return found.items[0] if found else None

    def hand_over(self, job: str) -> None:
        """Nobody waits on the line for this job any longer: it stays until it is asked for."""
        self._ended.pop(job, None)
        self.jobs.hand_over(job)

    async def forget(self, job: str) -> None:
        """Delete a job and its files; what still runs of it is stopped."""
        self._ended.pop(job, None)
        self.jobs.delete(job, keep_files=self.settings.keep)
        for worker in self._running.get(job, set()).copy():
            if worker in self._running.get(job, set()):  # stopping others takes time: has it moved on?
                await worker.stop()

    # --- live streams -----------------------------------------------------------------------------------------------

    async def ready_live(self) -> None:
        """Start the worker of the streams where it does not run, so that the first verdict is not late. Raises Died, Hung."""
        async with self._live_turn:
            await self.live.start()

    async def score_live(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Score one window of a stream. Raises Died, Hung."""
        async with self._live_turn:
            return await self.live.run(
                "live", options, source=None, out=None, seconds=self.settings.wall_seconds
            )

    # --- work -------------------------------------------------------------------------------------------------------

    async def _serve(self, number: int) -> None:
        worker = self.workers[number]
        waited_only = number == 0 and len(self.workers) > 1
        while True:
            if not await self._ready(worker):
                await asyncio.sleep(_REST)
                continue
            item = self.jobs.claim(waited_only=waited_only)
            if item is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._do(worker, item)
            except Exception as error:  # a defect here must not end the loop that everyone waits for
                log.error("an item could not be handled: %s", type(error).__name__)
                await worker.stop()
                self.jobs.failed(item, "the service failed at this recording; its log says when", 422)
                self._tell(item)

    async def _ready(self, worker: Worker) -> bool:
        try:
            await worker.start()
            self.broken = ""
        except (Died, Hung):
            log.warning("a worker did not come up; trying again")
            return False
        except SpoofproofError as error:
            self.broken = str(error)
            log.error("no worker comes up: %s", error)
            return False
        return True

    async def _do(self, worker: Worker, item: Item) -> None:
        begun = time.monotonic()
        self._running.setdefault(item.job, set()).add(worker)
        settings = self.settings
        try:
            reply = await worker.run(
                item.task,
                item.options,
                source=self.jobs.upload(item.job, item.n),
                out=self.jobs.output(item.job, item.n) if item.task in _MAKES_FILE else None,
                seconds=settings.wall_seconds if item.waited else settings.long_wall_seconds,
            )
        except Died as death:
            self._died(item, death.begun)
        except FileNotFoundError:  # forgotten between the claim and the start
            self.jobs.failed(item, "its upload is gone", 410)
        except Hung:
            self.metrics.count("spoofproof_worker_kills_total", reason="hang")
            self.jobs.failed(
                item, "this recording took longer than the service allows for one; send a shorter one", 422
            )
        else:
            self._settle(item, reply)
        finally:
            self._running[item.job].discard(worker)
            if not self._running[item.job]:
                del self._running[item.job]
        self._mean_seconds += 0.1 * (time.monotonic() - begun - self._mean_seconds)
        self._tell(item)

    def _died(self, item: Item, begun: bool) -> None:
        self.metrics.count("spoofproof_worker_kills_total", reason="death")
        if not begun or item.attempts < self.settings.attempts:
            self.jobs.requeue(
                item, uncounted=not begun
            )  # a worker that was dead already is not the item's doing
            self._wake.set()
        else:
            self.jobs.failed(
                item,
                f"the process that reads recordings ended {item.attempts} times on this one; it is given up",
                422,
            )

    def _settle(self, item: Item, reply: Mapping[str, Any]) -> None:
        if "ok" in reply:
            self.metrics.count("spoofproof_items_total", outcome="done")
            self.jobs.done(item, reply["ok"])
            return
        self.metrics.count("spoofproof_items_total", outcome="refused" if "refused" in reply else "failed")
        if "refused" in reply:
            self.jobs.failed(item, reply["refused"], reply["status"])
        elif "exhausted" in reply:
            self.jobs.failed(item, reply["exhausted"], 413)
        else:
            log.error("a task failed: %s", reply["failed"])
            self.jobs.failed(
                item, "this recording could not be worked on; the service's log says where it failed", 422
            )

    def _tell(self, item: Item) -> None:
        found = self.jobs.get(item.job)
        if found is None:  # forgotten while it ran
            for path in (self.jobs.upload(item.job, item.n), self.jobs.output(item.job, item.n)):
                path.unlink(missing_ok=True)
            return
        if found.items[item.n].state not in {"done", "failed"}:
            return
        if not self.settings.keep:
            self.jobs.upload(item.job, item.n).unlink(missing_ok=True)
        if item.job in self._ended:
            self._ended[item.job].set()

    async def _prune(self) -> None:
        while not self.settings.keep:
            self.jobs.prune(self.settings.keep_hours * 3600)
            await asyncio.sleep(60)


def _remove(path: Path) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)
