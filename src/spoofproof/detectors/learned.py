"""A feature that was learnt: the narrow middle of an auto-encoder of log spectra, run by numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .features import Features


@dataclass(frozen=True, eq=False)
class Encoder:
    """The encoding half: (T, F) log power spectra -> (T, code). Made by ``train.autoencoder``.

    centre, scale: shape (F,), of the log spectra. context: frames before and after that it sees beside its own, the
    first and last repeated at the edges. weights: matrices (inside, outside); biases: (outside,); tanh between them.
    """

    centre: Features
    scale: Features
    context: int
    weights: tuple[Features, ...]
    biases: tuple[Features, ...]

    def __call__(self, log_spectra: Features) -> Features:
        x = stacked((log_spectra - self.centre) / self.scale, self.context)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (np.tanh(x) if i else x) @ weight + bias
        return np.asarray(x, dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What ``Encoder.of`` reads again. Matrices are kept in half precision: a step is 0.05 % of a weight."""
        held: dict[str, NDArray[np.generic]] = {"encoder.centre": self.centre, "encoder.scale": self.scale}
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            held |= {f"encoder.{i}.weight": weight.astype(np.float16), f"encoder.{i}.bias": bias}
        return held

    @classmethod
    def of(cls, held: Mapping[str, NDArray[np.generic]], context: int) -> Encoder:
        """From the arrays of a file. Raises KeyError where they are not there."""
        count = sum(key.startswith("encoder.") and key.endswith(".weight") for key in held)
        return cls(
            held["encoder.centre"].astype(np.float32),
            held["encoder.scale"].astype(np.float32),
            context,
            tuple(held[f"encoder.{i}.weight"].astype(np.float32) for i in range(count)),
            tuple(held[f"encoder.{i}.bias"].astype(np.float32) for i in range(count)),
        )


def stacked(frames: Features, context: int) -> Features:
    """Each frame with its ``context`` neighbours on both sides, in order: (T, F) -> (T, (2 · context + 1) · F).

    >>> stacked(np.arange(3, dtype=np.float32)[:, None], 1)
    array([[0., 0., 1.],
           [0., 1., 2.],
           [1., 2., 2.]], dtype=float32)
    """
    padded = np.pad(frames, ((context, context), (0, 0)), mode="edge")
    return np.concatenate([padded[i : i + len(frames)] for i in range(2 * context + 1)], axis=1)
