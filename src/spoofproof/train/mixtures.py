"""The tables of a recipe that trains a GMM-UBM or a texture rule, or fits a fusion; and which recipe has which tables.

detector = "gmm-ubm"
[features]                       # detectors.cepstra.Front: kind = "cqcc", parts, normalise, filters …
[model]                          # Ubm below
[encoder]                        # Autoencoder below, for kind = "autoencoder"

detector = "fusion"
[model]                          # Fused below

detector = "texture"
[model]                          # Texture below
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GMM, UBM, FUSION, TEXTURE = "lfcc-gmm", "gmm-ubm", "fusion", "texture"

# what trains without a network: the tables of its recipe, and the fields of Recipe that they fill
TABLES: Mapping[str, Mapping[str, str]] = {
    GMM: {"features": "features", "model": "gmm"},
    UBM: {"features": "front", "model": "ubm", "encoder": "encoder", "select": "select", "run": "run"},
    FUSION: {"model": "fused", "window": "window", "run": "run"},
    TEXTURE: {"model": "texture", "run": "run"},
}


@dataclass(frozen=True)
class Ubm:
    """components of the background; relevance of the adaptation (frames that count as much as the background does),
    and its rounds; iterations of EM; floor of variances, as a share of the whole; frames of each class that are
    learned from. against: "made", the corpus' own spoofs, or "copied", the vocoded twins of [augment]."""

    components: int = 64
    relevance: float = 16.0
    rounds: int = 1
    iterations: int = 15
    floor: float = 0.01
    frames: int = 100_000
    against: str = "made"


@dataclass(frozen=True)
class Autoencoder:
    """hidden: width of the layer on either side of the code. context: frames seen before and after. steps of Adam,
    each with ``batch`` frames, at ``rate``, which falls in a line to zero."""

    hidden: int = 128
    context: int = 1
    steps: int = 2000
    batch: int = 256
    rate: float = 2e-3


@dataclass(frozen=True)
class Fused:
    """members: detectors, "name" or "name@argument"; a path is taken from the run's folder first, where the
    fusion's file will lie. ridge: how strongly weights are shrunk, see ``fusion.fit``."""

    members: tuple[str, ...] = ()
    ridge: float = 0.02


@dataclass(frozen=True)
class Texture:
    """ridge: on the weights of the standardised statistics. limit: in standard deviations, beyond which a statistic
    counts no more. copied: share of the spoofed that are vocoded twins."""

    ridge: float = 5e-4
    limit: float = 4.0
    copied: float = 0.33
