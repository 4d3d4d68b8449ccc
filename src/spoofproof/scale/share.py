"""A share of a run: which of its conditions one of several processes does, with nobody to ask."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import BadPlan
from ..streams import stream


@dataclass(frozen=True, slots=True)
class Share:
    """Share ``index`` of ``count``, 1 to count. Raises BadPlan otherwise."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise BadPlan(f"--shard is K/N with K from 1 to N, such as 3/64; got {self}")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Share:
        """``3/64``. Raises BadPlan."""
        found = re.fullmatch(r"\s*(\d+)/(\d+)\s*", text)
        if found is None:
            raise BadPlan(f"--shard is K/N with K from 1 to N, such as 3/64; got {text!r}")
        return cls(int(found[1]), int(found[2]))

    def of(self, names: Sequence[str], seed: int) -> list[str]:
        """The names of this share, in their order: every name is in one share, and sizes differ by at most one.

        Dealt like shuffled cards: levels repeat with a period, and every fifth condition would be always the severest.
        What is already done does not matter, so that a share is the same whenever it is asked for.
        """
        order = stream(seed, "share", str(self.count)).permutation(len(names))
        mine = {int(place) for place in order[self.index - 1 :: self.count]}
        return [name for place, name in enumerate(names) if place in mine]
