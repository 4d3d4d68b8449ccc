"""From a recording of any length to windows at 16 kHz, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..audio import WINDOW_SAMPLES, Blocks, open_blocks, resample_blocks
from ..errors import BadAudio
from ..types import Clip, Samples
from .frames import RATE
from .quality import QualityMeter

SHORTEST = 0.5  # seconds
HOP = WINDOW_SAMPLES // 2
_BLOCK = 1 << 16

Source = Path | str | BinaryIO | Clip


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A window: ``samples`` at 16 kHz, shape (n,), that begin at sample ``start`` of the recording."""

    start: int
    samples: Samples


@contextmanager
def opened(source: Source, shown: str = "") -> Iterator[Blocks]:
    """A file or a clip as decoded blocks. Raises BadAudio as ``open_blocks`` does."""
    if isinstance(source, Clip):
        x = source.samples[:, None]
        yield Blocks(source.rate, (x[i : i + _BLOCK] for i in range(0, len(x), _BLOCK)))
        return
    with open_blocks(source, shown) as blocks:
        yield blocks


def at_16k(blocks: Blocks, meter: QualityMeter, *, longest: float | None = None) -> Iterator[Samples]:
    """Mono blocks at 16 kHz, shape (n,); ``meter`` hears everything on the way.

    longest: seconds after which BadAudio is raised, so that a small file cannot unfold into days of audio.
    """

    def mono() -> Iterator[Samples]:
        done = 0
        for block in blocks.blocks:
            average = block.mean(axis=1, dtype=np.float32)
            meter.raw(block, average)
            done += len(block)
            if longest is not None and done > longest * blocks.rate:
                raise BadAudio(f"it is longer than {longest:g} s, the longest that is allowed here")
            yield average

    for block in resample_blocks(mono(), blocks.rate, RATE):
        meter.heard(block)
        yield block


def windows(
    blocks: Iterable[NDArray[np.float32]], size: int = WINDOW_SAMPLES, hop: int = HOP
) -> Iterator[Piece]:
    """Windows of ``size`` samples every ``hop``; the last one ends where the recording ends.

    Every sample is in at least one window. Audio shorter than a window is one window of its own length. At most two
    windows and a block are held.
    """
    held = np.zeros(0, np.float32)
    first = 0  # position of held[0]
    following = 0  # where the next window begins
    for block in blocks:
        held = np.concatenate([held, block])
        while following + size <= first + held.size:
            yield Piece(following, held[following - first :][:size].copy())
            following += hop
        drop = max(0, min(following - first, held.size - size))
        held, first = held[drop:], first + drop
    end = first + held.size
    covered = following - hop + size if following else 0
    if end > covered:
        last = max(0, end - size)
        yield Piece(last, held[last - first :].copy())
