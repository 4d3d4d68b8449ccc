"""LFCC-LCNN: a linear expert on roughness, a network on vocoded copies; the loop that trains the network."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from ..audio import WINDOW_SAMPLES, whole_file
from ..errors import SpoofproofError
from ..streams import stream
from .data import Parts, chances
from .evidence import Floats, area, calibrated, logistic, mean_roughness
from .lcnn import Copies, Detector, export
from .recipe import Recipe

Stored = NDArray[np.float16]


@dataclass(frozen=True)
class Made:
    """A trained LFCC-LCNN."""

    network: Detector
    recipe: Recipe
    facts: dict[str, Any]
    ending: str = ".onnx"

    def evidence(self, stored: Stored) -> list[Floats]:
        """Calibrated log odds of each expert for stored features (N, frames, D): two arrays of shape (N,)."""
        n, static = self.network, self.recipe.features.coefficients
        made = mean_roughness(stored, static) @ n.weight.numpy() + n.offset
        return [made.astype(np.float64), n.calibration[0] * score(n.copies, stored) + n.calibration[1]]

    def save(self, path: Path) -> None:
        export(self.network, self.recipe.features, self.recipe.features.frames(WINDOW_SAMPLES), path)


def train_lcnn(
    recipe: Recipe,
    parts: Parts,
    train: Stored,
    dev: Stored,
    folder: Path,
    log: Callable[..., None],
    progress: Callable[..., None],
) -> Made:
    """Fit both experts and calibrate them. Goes on after the last whole epoch in ``folder``."""
    static = recipe.features.coefficients
    weight, offset = smooth_expert(recipe, parts, train)
    copies = train_copies(recipe, parts, train, dev, folder, log, progress)
    raw = [mean_roughness(dev, static) @ weight + offset, score(copies, dev)]
    (slope, shift), second = calibrated(raw, parts.dev)
    smooth = (slope * weight, slope * offset + shift)
    network = Detector(copies, second, smooth).eval()
    facts = {
        "calibration": [(slope, shift), second],
        "parameters": sum(p.numel() for p in copies.parameters()) + static + 1,
    }
    return Made(network, recipe, facts)


def smooth_expert(recipe: Recipe, parts: Parts, train: Stored) -> tuple[Floats, float]:
    """Linear weights on mean roughness: logistic regression on all renderings, strongly shrunk."""
    rows, odds = len(parts.train), chances(parts.train, "made")
    static, count = recipe.features.coefficients, train.shape[1]
    x = np.concatenate([mean_roughness(train[:, c], static) for c in range(count)]).astype(np.float64)
    weight = np.tile(odds / count, count)
    real = np.tile([e.kind == "bonafide" for e in parts.train], count)
    assert len(x) == rows * count
    centre = weight @ x
    scale = np.sqrt(weight @ np.square(x - centre))
    w, b = logistic((x - centre) / scale, real, weight, recipe.lcnn.ridge)
    return w / scale, b - float((w / scale) @ centre)


def train_copies(
    recipe: Recipe,
    parts: Parts,
    train: Stored,
    dev: Stored,
    folder: Path,
    log: Callable[..., None],
    progress: Callable[..., None],
) -> Copies:
    """The network against vocoded copies; the moving average of its weights that separates best on dev."""
    settings = recipe.optimiser
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True)
    network = Copies(recipe.features.coefficients, recipe.lcnn)
    average = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=settings.decay)
    real = np.array([e.kind == "bonafide" for e in parts.train], dtype=np.float32)
    odds = chances(parts.train, "copied")
    judged = np.array([e.kind != "made" for e in parts.dev])
    answers = np.array([e.kind == "bonafide" for e in parts.dev])[judged]
    batches = math.ceil(settings.clips / settings.batch)
    steps = batches * settings.epochs
    best, best_state, first = -1.0, average.state_dict(), 0

    kept = folder / "state.pt"
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["chance"])
        best, best_state, first = state["best"], state["best_state"], state["epoch"]

    for epoch in range(first, settings.epochs):
        rng = stream(recipe.seed, "epoch", str(epoch))
        network.train()
        losses = []
        for batch in range(batches):
            step = epoch * batches + batch
            for group in optimiser.param_groups:
                group["lr"] = settings.rate * schedule(step, steps)
            chosen = rng.choice(len(odds), settings.batch, p=odds)
            x = crops(train, chosen, settings.crop, rng)
            target = torch.from_numpy(real[chosen] * (1 - 2 * settings.smoothing) + settings.smoothing)
            loss = binary_cross_entropy_with_logits(network(torch.from_numpy(x)), target)
            if not torch.isfinite(loss):
                raise SpoofproofError(
                    f"the loss is {loss.item()} in epoch {epoch + 1}; the last good state is kept in {kept}. "
                    "A lower rate in [optimiser] usually mends it"
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            follow(average, network, settings.average if step > 100 else 0.8)
            losses.append(loss.item())
            progress(step + 1, steps, f"epoch {epoch + 1}, loss {loss.item():.3f}")
        found = area(score(average, dev[judged]), answers)
        if found > best:
            best, best_state = found, copy.deepcopy(average.state_dict())
        log(event="epoch", epoch=epoch + 1, loss=round(float(np.mean(losses)), 5), dev_area=round(found, 5))
        state = {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "chance": torch.get_rng_state(),
            "best": best,
            "best_state": best_state,
            "epoch": epoch + 1,
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with whole_file(kept) as file:
            file.write(buffer.getvalue())

    average.load_state_dict(best_state)
    average.eval()
    return average


def schedule(step: int, steps: int) -> float:
    """Share of the full learning rate: up in a line over the first 5 %, then down half a cosine to zero."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def crops(
    train: Stored, chosen: NDArray[np.int64], length: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A stretch of ``length`` frames of a random rendering of each chosen example, (B, length, D)."""
    copies, frames = train.shape[1:3]
    return np.stack(
        [
            train[i, c, t : t + length].astype(np.float32)
            for i, c, t in zip(
                chosen,
                rng.integers(0, copies, len(chosen)),
                rng.integers(0, frames - length + 1, len(chosen)),
                strict=True,
            )
        ]
    )


def follow(average: torch.nn.Module, network: torch.nn.Module, keep: float) -> None:
    """Move the averaged weights and statistics towards the network's: keep · average + (1 - keep) · network."""
    with torch.no_grad():
        for mine, its in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(its, 1 - keep)
            else:
                mine.copy_(its)


def score(network: Copies, stored: Stored) -> Floats:
    """Log odds against copies for stored features (N, frames, D), shape (N,)."""
    network.eval()
    out = []
    with torch.no_grad():
        for i in range(0, len(stored), 32):
            x = torch.from_numpy(stored[i : i + 32].astype(np.float32))
            out.append(network(x).numpy().astype(np.float64))
    return np.concatenate(out)
