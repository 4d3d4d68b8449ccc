"""The learnt feature: an auto-encoder of log spectra, trained by torch, whose encoder runs by numpy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from ..detectors.features import Features
from ..detectors.learned import Encoder, stacked
from ..errors import SpoofproofError
from ..streams import stream
from .mixtures import Autoencoder


def train_encoder(
    spectra: Features,
    code: int,
    settings: Autoencoder,
    seed: int,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Encoder:
    """Learn to give log spectra back through ``code`` numbers a frame; the half up to these is returned.

    spectra: stretches of log power spectra (N, L, F) of consecutive frames; the context is taken inside a stretch.
    code: as many numbers a frame as there are. report(step, mean squared error, in variances of the input).
    The same bytes every time, on one thread.
    Raises SpoofproofError when the loss is not finite.
    """
    flat = spectra.reshape(-1, spectra.shape[2])
    centre, scale = flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-3)
    inside = spectra.shape[2] * (2 * settings.context + 1)
    chance = torch.Generator().manual_seed(int(stream(seed, "autoencoder").integers(2**31)))
    network = _network((inside, settings.hidden, code, settings.hidden, inside), chance)
    optimiser = torch.optim.Adam(network.parameters(), settings.rate)
    rng = stream(seed, "autoencoder", "frames")
    torch.set_num_threads(1)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * (1 - step / settings.steps)
        chosen = spectra[rng.integers(0, len(spectra), -(-settings.batch // spectra.shape[1]))]
        x = np.concatenate([stacked((s - centre) / scale, settings.context) for s in chosen])[
            : settings.batch
        ]
        target = torch.from_numpy(x.astype(np.float32))
        loss = (network(target) - target).square().mean()
        if not torch.isfinite(loss):
            raise SpoofproofError(
                f"the auto-encoder's loss is {loss.item()} in step {step + 1}; take a lower rate"
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        report(step, loss.item())
    first, second = network[0], network[2]
    return Encoder(
        centre.astype(np.float32),
        scale.astype(np.float32),
        settings.context,
        tuple(_kept(layer.weight.T) for layer in (first, second)),
        tuple(layer.bias.detach().numpy().copy() for layer in (first, second)),
    )


def _network(sizes: tuple[int, ...], chance: torch.Generator) -> nn.Sequential:
    """Linear layers with tanh between them, except behind the code, which is linear."""
    layers: list[nn.Module] = []
    for i, (inside, outside) in enumerate(pairwise(sizes)):
        linear = nn.Linear(inside, outside)
        nn.init.xavier_uniform_(linear.weight, generator=chance)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh() if i % 2 == 0 else nn.Identity()]
    return nn.Sequential(*layers[:-1])


def _kept(weight: Tensor) -> Features:
    """As the file will have it: half precision, so that training ends with the very encoder that is saved."""
    rounded: Features = weight.detach().half().float().numpy().copy()
    return rounded
