"""Ctrl-C that is never lost.

Python raises it wherever it is just then, and where that is a callback of a C library (libsndfile reads and writes by such)
it is printed there and dropped: the program goes on, with audio that was cut off at that very place.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_asked = threading.Event()


@contextmanager
def minded() -> Iterator[None]:
    """Inside, a Ctrl-C ends the block with KeyboardInterrupt, whatever became of the exception where it was raised: by the
    next ``check``, or at the end of the block, also where the block ends with an error that may have come of it.

    Blocks may lie in each other; the outermost remembers. Where Ctrl-C is not Python's own any more (ignored, or another's),
    and outside of the main thread, the block is as if it were not there.
    """
    main = threading.current_thread() is threading.main_thread()
    outermost = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    lost = sys.unraisablehook
    if outermost:
        sys.unraisablehook = lambda what: None if _is_ours(what) else lost(what)
        signal.signal(signal.SIGINT, _raised)
    try:
        yield
    except Exception as error:
        if _asked.is_set():
            raise KeyboardInterrupt from error
        raise
    else:
        check()
    finally:
        if outermost:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.unraisablehook = lost
            _asked.clear()


def check() -> None:
    """Raises KeyboardInterrupt where Ctrl-C was pressed inside ``minded``: what was made since may be wrong."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _raised(number: int, frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt


def _is_ours(what: Any) -> bool:
    """Whether what Python could not raise is a Ctrl-C, which is remembered: no traceback on the terminal."""
    return _asked.is_set() and issubclass(what.exc_type, KeyboardInterrupt)
