"""A stream of speech as windows: the last seconds, again and again. Used by ``/v1/stream`` and ``spoofproof listen``."""

from __future__ import annotations

from dataclasses import dataclass

RATE = 16_000
SECONDS = 4.0  # what a detector hears at once
HOP = 0.5  # seconds of new sound between two verdicts
SHORTEST = 1.0  # seconds before the first verdict
_BYTES = 2


@dataclass(frozen=True, slots=True)
class Heard:
    """pcm: the last seconds, 16-bit little-endian at 16 kHz. start, end: their place in the stream, in seconds."""

    pcm: bytes
    start: float
    end: float


class Rolling:
    """Takes PCM in chunks of any size; ``push`` gives the newest window whenever half a second is new."""

    def __init__(self, seconds: float = SECONDS, hop: float = HOP) -> None:
        self._keep = int(seconds * RATE) * _BYTES
        self._hop = int(hop * RATE) * _BYTES
        self._held = bytearray()
        self._total = 0
        self._due = int(SHORTEST * RATE) * _BYTES

    def push(self, chunk: bytes) -> Heard | None:
        """Add a chunk. The window that is due now, None where none is; windows that were overtaken are not made up for."""
        self._held += chunk
        self._total += len(chunk)
        if self._total < self._due:
            self._drop()
            return None
        self._due = self._total - self._total % self._hop + self._hop
        return self._window()

    def last(self) -> Heard | None:
        """What is held at the end of the stream; None where it is too short to be judged."""
        return self._window() if self._total >= int(SHORTEST * RATE) * _BYTES else None

    def _window(self) -> Heard:
        self._drop()
        whole = len(self._held) // _BYTES * _BYTES
        end = (self._total // _BYTES) / RATE
        return Heard(bytes(self._held[:whole]), end - whole / _BYTES / RATE, end)

    def _drop(self) -> None:
        extra = len(self._held) - self._keep - self._total % _BYTES
        if extra > 0:
            del self._held[:extra]  # even: both ends lie on whole samples
