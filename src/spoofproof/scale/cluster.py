"""A Ray cluster: how it is reached, what it holds, what a worker asks of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from .. import registry
from ..errors import MissingPart, SpoofproofError
from ..types import DetectorSpec, Ref

Say = Callable[[str], None]


def require() -> Any:
    """The module ``ray``. Raises MissingPart with the line of pip."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise MissingPart.extra("--scale ray", "scale") from None
    return ray


@contextmanager
def connected(ray: Any, address: str, workers: int, say: Say) -> Iterator[None]:
    """Connected to a cluster; one that this run started ends with it. Raises SpoofproofError where there is none."""
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS", "")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            context = ray.init(address=address, **quiet)
        else:
            say("Ray: starting a cluster on this machine")
            os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would starve beside anything else
            context = ray.init(address="local", num_cpus=workers or _cores(), **quiet)
    except Exception as error:  # Ray raises many kinds, bare Exception among them
        raise SpoofproofError(
            f"no Ray cluster can be reached at {address or 'this machine'}: {line_of(error)}. Expected HOST:PORT of "
            "a running head (ray start --head), as in --scale ray:10.0.0.1:6379, or --scale ray for one on this machine"
        ) from None
    try:
        page = getattr(context, "dashboard_url", "")
        say(f"Ray: {len(nodes(ray))} nodes, " + (f"dashboard at http://{page}" if page else "no dashboard"))
        yield
    finally:
        ray.shutdown()


def needs(detectors: Sequence[str], gpus: bool) -> dict[str, float]:
    """What one worker asks of Ray: {"CPU": …} and, where the cluster has ``gpus`` and a detector uses one, {"GPU": …}.

    A worker thinks with one detector at a time, so CPUs are those of the hungriest; all stay loaded, so GPU shares add
    up, beyond one to whole GPUs, as Ray wants it. Raises UnknownName.
    """
    specs = list(chain.from_iterable(map(_inside, dict.fromkeys(detectors))))
    found = {"CPU": max([1.0, *(spec.cpus for spec in specs)])}
    share = sum(spec.gpus for spec in specs)
    if gpus and share:
        found["GPU"] = round(share, 4) if share <= 1 else float(-(-share // 1))
    return found


def _inside(text: str) -> Iterator[DetectorSpec]:
    """The spec of a detector and of those that it wraps."""
    ref = Ref.parse(text)
    spec = registry.detectors[ref.name]
    yield spec
    for inner in spec.wraps(ref.arg) if ref.arg else ():
        yield from _inside(inner)


def room_for(needs: dict[str, float], nodes: Sequence[dict[str, float]]) -> int:
    """How many workers fit on nodes with these resources, each whole on one node."""
    slack = 1e-6
    return sum(int(min(node.get(name, 0) / much + slack for name, much in needs.items())) for node in nodes)


def nodes(ray: Any) -> list[dict[str, float]]:
    """Resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def has_gpus(ray: Any) -> bool:
    """Whether any node has one."""
    return any(node.get("GPU", 0) > 0 for node in nodes(ray))


def environment() -> dict[str, Any]:
    """Folders of recordings and weights are named by variables: a worker must have the same."""
    mine = {name: value for name, value in os.environ.items() if name.startswith("SPOOFPROOF_")}
    return {"env_vars": mine} if mine else {}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shown(needs: dict[str, float]) -> str:
    """Resources in words: "1 CPU and 0.2 GPU"."""
    return " and ".join(f"{much:g} {name}" for name, much in needs.items())


def line_of(error: BaseException, place: int = 0) -> str:
    """The first line that an error of Ray says (place 0), or the last (-1): the rest is a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[place].rstrip(".") if lines else type(error).__name__
