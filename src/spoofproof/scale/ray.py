"""Jobs done on a Ray cluster: actors score pieces of conditions, this process puts them together and writes the run.

    driver (here): cut jobs → hand out pieces → collect parts → facts and cells on disk
    worker (actor): one thread, every detector loaded once; reads the files itself, sends back scores and digests

A worker holds all detectors of the run, so that a clip is decoded and corrupted once for all of them. It asks the cluster
for the most CPUs that one of them declares and, where the cluster has GPUs, for the sum of their GPU shares. A worker
that is lost, alone or with its node, is replaced wherever there is room, and its pieces are done again.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..cell import BATCH, Job, Part, Tick, score
from ..corruptions import recordings
from ..errors import SpoofproofError
from .cluster import Say, connected, environment, has_gpus, line_of, needs, nodes, require, room_for, shown
from .local import one_thread
from .shard import Cut, sendable, size_for

_AHEAD = 2  # pieces a worker holds: one that it scores, one that waits
_TRIES = 4  # times that one piece may lose its worker before the run gives up
_LOOK = 2.0  # seconds between looks at the size of the cluster
_PATIENCE = 1800.0  # seconds without any worker after which the run gives up
_PATHS = 20  # names of unreadable files that a worker sends back


def do(
    jobs: Sequence[Job], *, address: str, workers: int, tick: Tick, done: Callable[[Job], None], say: Say
) -> None:
    """Do every job on the cluster at ``address``. The arguments are those of ``scale.Way``; 0 workers: one wherever its
    resources fit, also on nodes that join later.

    Raises MissingPart without the extra, the first SpoofproofError of a piece, and SpoofproofError when there is no
    cluster or no worker, when a worker cannot read what this machine can, or when a piece loses four workers.
    """
    ray = require()
    if jobs:
        with connected(ray, address, workers, say):
            _Driver(ray, jobs, workers, tick, done, say).run()


class _Worker:
    """The actor. What goes wrong for every trial comes back as a value: only a lost worker is an exception."""

    def __init__(self, folder: str) -> None:
        with suppress(OSError):
            os.chdir(
                folder
            )  # where the run was started, on a file system that both see: paths may be relative to it
        one_thread().__enter__()

    def about(self) -> dict[str, Any]:
        """What could make its scores differ from another machine's."""
        return {"host": socket.gethostname(), "spoofproof": __version__, "recordings": recordings.in_use()}

    def score(self, job: Job) -> tuple[Part | SpoofproofError, list[Path]]:
        """What ``cell.score`` gives or raises, and files of the piece that are not to be seen from here."""
        absent = [trial.path for trial in job.trials if not trial.path.exists()][:_PATHS]
        try:
            return score(job), absent
        except SpoofproofError as error:
            return sendable(error), absent


@dataclass(slots=True, eq=False)
class _Piece:
    """A piece that waits or is being scored. tries: workers that it was lost with."""

    of: Cut
    place: int
    tries: int = 0

    @property
    def job(self) -> Job:
        return self.of.pieces[self.place]


@dataclass(slots=True, eq=False)
class _Hand:
    """A worker as the driver sees it. host: "" until it is ready. holds: its pieces, the one being scored first."""

    actor: Any
    host: str = ""
    holds: list[_Piece] = field(default_factory=list)


class _Driver:
    """Hands out pieces in the plan's order and writes each job when its last part is there."""

    def __init__(
        self,
        ray: Any,
        jobs: Sequence[Job],
        workers: int,
        tick: Tick,
        done: Callable[[Job], None],
        say: Say,
    ) -> None:
        self.ray, self.most, self.tick, self.done, self.say = ray, workers, tick, done, say
        self.needs = needs([text for job in jobs for text in job.detectors], has_gpus(ray))
        self.hands: list[_Hand] = []
        self.flights: dict[Any, tuple[_Hand, _Piece | None]] = {}
        self.again: deque[_Piece] = deque()
        self.next: deque[_Piece] = deque()
        self.fresh = self._pieces(jobs)
        self.useful = sum(
            -(-len(job.trials) // BATCH) for job in jobs
        )  # more workers would find nothing to do
        self.looked = float("-inf")
        self.alone_since = time.monotonic()
        self.failed_starts = 0
        self.shown = 0

    def run(self) -> None:
        try:
            while True:
                self._recruit()
                self._hand_out()
                if not (
                    self.again or self.next or any(hand.holds for hand in self.hands)
                ) and self._look_ahead(1):
                    return
                landed, _ = self.ray.wait(list(self.flights), timeout=_LOOK) if self.flights else ([], [])
                for ref in landed:
                    self._land(ref)
                if not self.flights:
                    time.sleep(_LOOK)
                self._check_patience()
        finally:
            for hand in self.hands:
                self._dismiss(hand)

    def _pieces(self, jobs: Sequence[Job]) -> Iterator[_Piece]:
        """Cut when their turn comes: a million trials are not held a hundred times."""
        for job in jobs:
            opened = Cut(job, lambda work: size_for(work, max(1, len(self.hands))))
            self.tick(opened.spared)
            yield from (_Piece(opened, place) for place in range(len(opened.pieces)))

    def _recruit(self) -> None:
        """As many workers as fit the cluster of this moment, those that are on their way included."""
        if time.monotonic() - self.looked < _LOOK:
            return
        self.looked = time.monotonic()
        room = min(self.useful, self.most or room_for(self.needs, nodes(self.ray)))
        if not room and not self.hands:
            raise SpoofproofError(
                f"no node of the Ray cluster has {shown(self.needs)}, which one worker with these detectors asks for. "
                "Add such a node; for a cluster that grows on demand say how many with --workers"
            )
        for _ in range(room - len(self.hands)):
            actor = (
                self.ray.remote(_Worker)
                .options(
                    num_cpus=self.needs["CPU"],
                    num_gpus=self.needs.get("GPU", 0),
                    max_restarts=0,
                    runtime_env=environment(),
                )
                .remote(str(Path.cwd()))
            )
            hand = _Hand(actor)
            self.hands.append(hand)
            self.flights[actor.about.remote()] = (hand, None)

    def _hand_out(self) -> None:
        for load in range(_AHEAD):  # one each before anybody gets a second
            for hand in self.hands:
                if hand.host and len(hand.holds) == load and (piece := self._next(hand)) is not None:
                    hand.holds.append(piece)
                    self.flights[hand.actor.score.remote(piece.job)] = (hand, piece)

    def _next(self, hand: _Hand) -> _Piece | None:
        """What is done again comes first, then the next pieces; of these each machine takes the same places of every
        condition where it can, so that the files it reads are in its memory already."""
        if self.again:
            return self.again.popleft()
        if self._look_ahead(4 * len(self.hands)):
            return None
        hosts = sorted({other.host for other in self.hands if other.host})
        mine = hosts.index(hand.host)
        index = next((i for i, piece in enumerate(self.next) if piece.place % len(hosts) == mine), 0)
        piece = self.next[index]
        del self.next[index]
        return piece

    def _look_ahead(self, count: int) -> bool:
        """Cut up to ``count`` pieces in advance; whether nothing is left that was never handed out."""
        while len(self.next) < count and (piece := next(self.fresh, None)) is not None:
            self.next.append(piece)
        return not self.next

    def _land(self, ref: Any) -> None:
        if ref not in self.flights:  # of a worker that was given up
            return
        hand, piece = self.flights.pop(ref)
        errors = self.ray.exceptions
        try:
            answer = self.ray.get(ref)
        except errors.RayError as error:
            if piece is not None and isinstance(error, errors.RayTaskError):
                raise  # a mistake in this package: with its traceback
            self._lose(hand, error)
            return
        if piece is None:
            self._welcome(hand, answer)
        else:
            hand.holds.remove(piece)
            self._take(hand, piece, *answer)

    def _welcome(self, hand: _Hand, about: dict[str, Any]) -> None:
        here = {"spoofproof": __version__, "recordings": recordings.in_use()}
        for name, mine in here.items():
            if about[name] != mine:
                raise SpoofproofError(
                    f"a worker on {about['host']} differs from this machine in {name}: {about[name]!r} there, {mine!r} "
                    "here. Scores could differ: install the same version, and set the same SPOOFPROOF_ folders, everywhere"
                )
        hand.host = about["host"]
        self.failed_starts = 0
        ready = sum(bool(hand.host) for hand in self.hands)
        if ready > self.shown:
            self.shown = ready
            self.say(f"Ray: {ready} of {len(self.hands)} workers ready, each {shown(self.needs)}")

    def _take(
        self, hand: _Hand, piece: _Piece, found: Part | SpoofproofError, absent: Sequence[Path]
    ) -> None:
        unseen = [path for path in absent if path.exists()]
        if unseen:
            raise SpoofproofError(
                f"the worker on {hand.host} cannot see {unseen[0]}, which this machine can. Every machine of the cluster "
                "reads the audio itself: put the corpus under the same path on all of them (a shared file system or a "
                "copy), and start the run from a folder that they see. Only this machine writes the run folder"
            )
        if isinstance(found, SpoofproofError):
            raise found
        opened = piece.of
        if opened.take(piece.place, found):
            self.tick(len(piece.job.trials))
        if (again := opened.redo()) is not None:
            self.again.append(_Piece(opened, again))
        elif opened.whole:
            opened.put()
            self.done(opened.job)

    def _lose(self, hand: _Hand, error: Exception) -> None:
        """Give up a worker: what it held is done again by others."""
        self._dismiss(hand)
        self.hands.remove(hand)
        self.flights = {ref: flight for ref, flight in self.flights.items() if flight[0] is not hand}
        self.looked = float("-inf")
        self.shown = 0
        if not hand.host:
            self.failed_starts += 1
            if self.failed_starts >= _TRIES:
                raise SpoofproofError(
                    f"workers cannot start on the cluster: {line_of(error, -1)}. Every machine needs "
                    f"spoofproof {__version__} with the parts that the detectors need, and the same Python and Ray"
                )
            return
        self.say(
            f"Ray: lost a worker on {hand.host} ({line_of(error)}); {len(hand.holds)} pieces are done again"
        )
        for place, piece in enumerate(hand.holds):
            piece.tries += place == 0
            if piece.tries >= _TRIES:
                raise SpoofproofError(
                    f"{piece.tries} workers in turn were lost with the same {len(piece.job.trials)} trials of "
                    f"{piece.job.condition} ({piece.job.trials[0].id} and following), the last on {hand.host}: "
                    f"{line_of(error)}. Often a detector crashes, or needs more memory than a worker has. Every "
                    "finished cell is kept; the same command goes on"
                )
        self.again.extend(hand.holds)
        hand.holds = []

    def _dismiss(self, hand: _Hand) -> None:
        with suppress(Exception):  # it may be gone already
            self.ray.kill(hand.actor, no_restart=True)

    def _check_patience(self) -> None:
        if any(hand.host for hand in self.hands):
            self.alone_since = time.monotonic()
        elif time.monotonic() - self.alone_since > _PATIENCE:
            raise SpoofproofError(
                f"for {_PATIENCE / 60:.0f} minutes the Ray cluster had no room for a worker ({shown(self.needs)}). Every "
                "finished cell is kept; run the same command again when there is"
            )
