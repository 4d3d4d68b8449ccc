"""Random streams keyed by what they are for, never by who draws from them or when."""

from __future__ import annotations

import hashlib

import numpy as np

from .types import Rng


def stream(seed: int, *keys: str) -> Rng:
    """A generator that depends on ``seed`` and ``keys`` alone: the same on every machine, worker and order.

    The bench keys by (seed, trial id, corruption name), not by level: severities share their draw, so that a
    curve shows the level and not the luck. Keys are length-prefixed ("ab","c" differs from "a","bc").

    Philox (Salmon et al. 2011) keyed with 128 bits of SHA-256: streams of different keys do not overlap in practice.
    """
    digest = hashlib.sha256(str(int(seed)).encode())
    for key in keys:
        raw = key.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest.digest()[:16], "little")))
