"""What differs between the two generators: the network, how a step renders a recording with it, and the export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...detectors.prepare import RATE
from ...mel import bank
from ...nets.codec import Codec
from ...nets.mel import LogMel
from ...nets.vocoder import BANDS, HOP, vocoder
from ...streams import stream
from .losses import Distance, MelDistance
from .recipe import Recipe

_COMMITMENT, _FREE = 0.5, 0.25  # weight of the loss; share of the crops that are not quantised


@dataclass(frozen=True)
class Maker:
    """network: fresh. distance(made, real, turn) -> (mel, stft), losses. render(network, real, step) -> (made, a further loss); step -1 judges. export(network, path)."""

    network: nn.Module
    distance: nn.Module
    render: Callable[[nn.Module, Tensor, int], tuple[Tensor, Tensor]]
    export: Callable[[nn.Module, Path], dict[str, Any]]


def neural_vocoder(recipe: Recipe) -> Maker:
    """Waveform from the log mel spectrogram of the same recording."""
    mel = _front()

    def render(network: nn.Module, real: Tensor, step: int) -> tuple[Tensor, Tensor]:
        return network(mel(real)), torch.zeros(())

    def export(network: nn.Module, path: Path) -> dict[str, Any]:
        from .export import export_vocoder

        return export_vocoder(network, dict(recipe.model), path)

    return Maker(vocoder(**recipe.model), Distance(RATE), render, export)


def neural_codec(recipe: Recipe) -> Maker:
    """The mel spectrogram of the recording through the codec; no sound is made, so that a step is cheap.

    Each crop at one of the three bit rates (quantiser dropout), or unquantised.
    """
    front = _front()
    stages = int(recipe.model["stages"])
    rates = np.array(sorted({max(1, stages // 4), max(1, stages // 2), stages}))

    def render(network: nn.Module, real: Tensor, step: int) -> tuple[Tensor, Tensor]:
        assert isinstance(network, Codec)
        if step < 0:
            kept = (torch.arange(stages) < rates[len(rates) // 2]).float()[None]
            return network(front(real), kept)[1], torch.zeros(())
        rng = stream(recipe.seed, "stages", str(step))
        free = rng.random(len(real)) < (1.0 if step < recipe.training.whole else _FREE)
        drawn = torch.from_numpy(np.where(free, 0, rng.choice(rates, len(real))))
        chance = torch.Generator().manual_seed(int(rng.integers(2**62)))
        made, commitment = network.learn(front(real), drawn, chance)
        return made, _COMMITMENT * commitment

    def export(network: nn.Module, path: Path) -> dict[str, Any]:
        from .export import export_codec

        return export_codec(network, dict(recipe.model), path)

    return Maker(Codec(**recipe.model), MelDistance(front), render, export)


def _front() -> LogMel:
    return LogMel(torch.from_numpy(bank(BANDS, RATE)), HOP)


MAKERS: Mapping[str, Callable[[Recipe], Maker]] = MappingProxyType(
    {"neural-vocoder": neural_vocoder, "neural-codec": neural_codec}
)
