"""How jobs get done: on this machine or on a Ray cluster. Which way is taken never changes a byte of a result.

    local          in this process, or by --workers processes of this machine
    ray            on a Ray cluster: the one of RAY_ADDRESS, or one that is started on this machine for the run
    ray:ADDRESS    on the cluster whose head listens there (host:6379)

Several processes, on one machine or on many, can fill one run folder together as well: ``share.Share``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..cell import Job, Tick
from ..errors import BadPlan, UnknownName
from . import local, ray
from .cluster import require
from .local import Crew, crew, one_thread
from .share import Share

__all__ = ["LOCAL", "WAYS", "Crew", "Share", "Way", "check", "crew", "do", "one_thread"]

LOCAL = "local"


class Way(Protocol):
    """Do every job. address: "" for the way's own default. workers: at most so many, 0: as many as there is room for.

    tick(n): n more trials were scored. done(job): its cells are on disk. say(text): what a person may want to know.
    """

    def __call__(
        self,
        jobs: Sequence[Job],
        *,
        address: str,
        workers: int,
        tick: Tick,
        done: Callable[[Job], None],
        say: Callable[[str], None],
    ) -> None: ...


def _local(
    jobs: Sequence[Job],
    *,
    address: str,
    workers: int,
    tick: Tick,
    done: Callable[[Job], None],
    say: Callable[[str], None],
) -> None:
    if address:
        raise BadPlan(f"--scale local has no address; got {address!r}")
    local.do(jobs, workers=workers, tick=tick, done=done)


WAYS: dict[str, Way] = {LOCAL: _local, "ray": ray.do}


def check(scale: str) -> None:
    """Refuse ``scale`` before any work where it cannot be: UnknownName, or MissingPart with its line of pip."""
    name, _, _ = scale.partition(":")
    if name not in WAYS:
        raise UnknownName.among("--scale", name, WAYS)
    if name == "ray":
        require()


def do(
    jobs: Sequence[Job],
    *,
    workers: int,
    tick: Tick,
    done: Callable[[Job], None],
    scale: str = LOCAL,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Do every job, the way that ``scale`` says (WAY or WAY:ADDRESS).

    Raises UnknownName, MissingPart, the first SpoofproofError of a job (what was finished stays), and SpoofproofError
    when workers die and cannot be replaced.
    """
    check(scale)
    name, _, address = scale.partition(":")
    WAYS[name](jobs, address=address, workers=workers, tick=tick, done=done, say=say)
