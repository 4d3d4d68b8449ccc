"""Where a network learns and in which precision, with torch set up so that a CPU gives the same bytes every time."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import torch

from ..errors import BadPlan, MissingPart
from .recipe import Run

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of mallopt(3)
_HALVES = {"bf16": torch.bfloat16, "f16": torch.float16}


def device_of(run: Run) -> torch.device:
    """The device of ``[run] device``, checked. Raises BadPlan for a word that is no device, MissingPart where it is not
    here, BadPlan for half precision where that only slows."""
    word = run.device
    if word == "auto":
        word = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(word)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        if word.partition(":")[0] in ("cpu", "cuda", "mps", "xpu"):
            raise MissingPart(
                f'[run] device = "{word}" is not here ({str(error).splitlines()[0]}). "auto" takes what there is'
            ) from None
        raise BadPlan(f'[run] device = "{word}" is no device; expected auto, cpu, cuda, cuda:1 …') from None
    if run.precision != "float32" and device.type == "cpu":
        raise BadPlan(
            f'[run] precision = "{run.precision}" on a CPU is many times slower than float32 and less exact; '
            'use precision = "float32", or a device with half precision'
        )
    if run.precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise BadPlan('this GPU has no bf16; use precision = "f16" or "float32"')
    return device


@contextmanager
def settled(run: Run, device: torch.device) -> Iterator[None]:
    """Threads and determinism while a network learns; torch's settings, and its generator, are put back afterwards.

    On a GPU an operation without a deterministic form may still run.
    """
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    chance = torch.get_rng_state()
    torch.set_num_threads(run.threads)
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    keep_memory()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
        torch.set_rng_state(chance)


def keep_memory() -> None:
    """Ask glibc to keep freed memory instead of handing it back: large maps come and go with every step, and fetching
    their pages anew can cost more than the arithmetic. Other C libraries have no such switch, and need none."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for switch, size in ((_MMAP_THRESHOLD, 2**30), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28)):
            mallopt(switch, ctypes.c_int(size))


def precision(run: Run, device: torch.device) -> AbstractContextManager[Any]:
    """The context of a forward pass."""
    if run.precision == "float32":
        return nullcontext()
    half: AbstractContextManager[Any] = torch.autocast(device.type, dtype=_HALVES[run.precision])
    return half
