"""The error tree: one root, few children, and every message says what is wrong, what was expected, what to do.

SpoofproofError             anything a person at the keyboard can mend (the command line exits with code 2)
├── UnknownName             a name that no registry holds (did you mean …?)
├── BadAudio                a file or an array that is not usable audio
├── BadCorpus               a protocol or a folder that does not yield the trials it should
├── BadPlan                 a plan with an unknown key, name or level
├── BadScores               scores that are NaN, of the wrong number, or of one class only
├── MissingPart             an optional package, codec or weight file that is not installed; names the way to get it
└── RunConflict             a run folder that belongs to another plan, or a disk that is full
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SpoofproofError(Exception):
    """Root of everything this package raises on purpose.

    ``str(error)`` is the whole message, fit to be printed without a traceback.
    """


class UnknownName(SpoofproofError):
    """A name that is not registered."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> UnknownName:
        """Build the message with suggestions.

        ``kind`` is the noun shown ("corruption"), ``name`` what was asked for, ``known`` all valid names.
        """
        return cls(f"unknown {kind} {name!r}. {did_you_mean(name, known)}")


class BadAudio(SpoofproofError):
    """Audio that cannot be opened, is empty, or holds NaN or infinity."""


class BadCorpus(SpoofproofError):
    """A corpus that cannot be read as its format says, or that lacks a class."""


class BadPlan(SpoofproofError):
    """A plan file that is not a valid plan."""


class BadScores(SpoofproofError):
    """Scores that no metric can be computed from."""


class MissingPart(SpoofproofError):
    """Something optional that is not here. The message names the package or file and how to get it."""

    @classmethod
    def extra(cls, feature: str, extra: str) -> MissingPart:
        """Message for a missing pip extra: ``extra`` is its name in this package, such as ``"train"``."""
        return cls(f"{feature} needs an optional part. Install it with: pip install 'spoofproof[{extra}]'")


class RunConflict(SpoofproofError):
    """A run folder that cannot be continued as asked."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """One sentence that names the closest of ``known``, or all of them where nothing is close.

    >>> did_you_mean("mp4", ["mp3", "opus"])
    'Did you mean mp3? Known: mp3, opus.'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.55)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."
