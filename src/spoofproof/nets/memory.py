"""Freed memory is kept for the next step: on Linux that makes a training step of the raw-waveform networks a third cheaper."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # <malloc.h>


def keep_freed_memory() -> bool:
    """Tell the C library to reuse freed blocks instead of handing them back; for the rest of this process.

    A map of AASIST's first block is 66 MB. By default each is asked of the kernel, cleared page by page, and given
    back a moment later: 290 000 page faults a step. Call it once, before training. Changes no result. Returns
    whether it could be done: only glibc has the call.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not glibc
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
