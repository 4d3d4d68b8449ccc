"""The loop that trains a generator: spectral losses alone, then a jury beside them; it reads straight down."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...audio import whole_file
from ...errors import SpoofproofError
from ...nets.discriminators import Jury
from .data import Speech, chances, crops, heard
from .losses import appeal, verdict
from .recipe import Recipe

Log = Callable[..., None]
_SLACK = 1.03
Render = Callable[
    [nn.Module, Tensor, int], tuple[Tensor, Tensor]
]  # (network, real, step) -> made, further loss


def fit(
    network: nn.Module,
    distance: nn.Module,
    render: Render,
    recipe: Recipe,
    train: Speech,
    dev: Speech,
    folder: Path,
    log: Log,
    progress: Callable[..., None],
) -> tuple[nn.Module, dict[str, float]]:
    """Train ``network`` in place; returns a moving average of it that is chosen on dev, and its figures there.

    Chosen is the last mark that lies within 3 % of the nearest so far: a jury sharpens the sound and moves the distance
    little, mostly up. Where there is a jury, marks before it do not count.
    Goes on from the last mark in ``folder``. Raises SpoofproofError at a loss that is not finite; the last mark stays.
    """
    t = recipe.training
    average = copy.deepcopy(network).eval()
    jury = Jury()
    optimiser = torch.optim.AdamW(network.parameters(), t.rate, betas=(0.8, 0.99), weight_decay=0.01)
    bench = torch.optim.AdamW(jury.parameters(), t.jury_rate, betas=(0.8, 0.99), weight_decay=0.01)
    held = {"network": network, "average": average, "jury": jury, "optimiser": optimiser, "bench": bench}
    kept = folder / "state.pt"
    first, best, best_state = _resume(kept, held)
    odds, judged = chances(train.trials), heard(dev)
    sums: dict[str, float] = {}

    for step in range(first, t.stop or t.steps):
        for group in optimiser.param_groups:
            group["lr"] = t.rate * schedule(step, t.steps)
        real = torch.from_numpy(crops(train, odds, recipe, step))
        made, further = render(network.train(), real, step)
        mel, stft = distance(made, real, step)
        losses = {"mel": mel, "stft": stft, "further": further}
        total = t.mel * mel + t.stft * stft + further
        if step >= t.alone:
            told, heard_real = _middle(made, t.judged), _middle(real, t.judged)
            losses["verdict"] = _judge(jury, bench, heard_real, told.detach(), step)
            for part in jury.parameters():
                part.requires_grad_(False)  # it listens now and does not learn: half of its work is saved
            hinge, features = appeal(jury(heard_real, step), jury(told, step))
            for part in jury.parameters():
                part.requires_grad_(True)
            losses |= {"hinge": hinge, "features": features}
            total = total + t.jury * hinge + t.features * features
        _require_finite(total, step, kept)
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        follow(average, network, min(t.average, (1 + step) / (10 + step)))
        for key, value in losses.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        progress(step + 1, t.stop or t.steps, f"mel {float(mel.detach()):.3f}")
        if (step + 1) % t.mark == 0 or step + 1 == t.steps:
            found = judge(average, render, distance, judged)
            if step + 1 <= t.alone < t.steps:
                best, best_state = math.inf, average.state_dict()
            elif found["distance"] <= _SLACK * best:
                best, best_state = min(best, found["distance"]), copy.deepcopy(average.state_dict())
            means = {key: round(value / ((step % t.mark) + 1), 5) for key, value in sums.items()}
            log(event="mark", step=step + 1, **means, dev={k: round(v, 5) for k, v in found.items()})
            sums = {}
            _keep(kept, held, step + 1, best, best_state)

    average.load_state_dict(best_state)
    return average, judge(average, render, distance, judged)


def judge(network: nn.Module, render: Render, distance: nn.Module, clips: np.ndarray) -> dict[str, float]:
    """Mean distances of development clips (N, T) from what the network makes of them, one clip at a time."""
    network.eval()
    with torch.no_grad():
        found = []
        for clip in clips:
            real = torch.from_numpy(clip)[None]
            mel, stft = distance(render(network, real, -1)[0], real)
            found.append((float(mel), float(stft)))
    mel, stft = np.mean(found, axis=0)
    return {"distance": float(mel + stft), "mel": float(mel), "stft": float(stft)}


def schedule(step: int, steps: int) -> float:
    """Share of the full rate: up in a line over 2 % of the steps, then half a cosine down to a tenth."""
    rise = max(1, steps // 50)
    if step < rise:
        return (step + 1) / rise
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move the averaged weights towards the network's: keep · average + (1 - keep) · network. Buffers are copied."""
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - keep)
        for mine, its in zip(average.buffers(), network.buffers(), strict=True):
            mine.copy_(its)


def _judge(jury: Jury, bench: torch.optim.Optimizer, real: Tensor, made: Tensor, step: int) -> Tensor:
    loss = verdict(jury(real, step), jury(made, step))
    bench.zero_grad()
    loss.backward()
    bench.step()
    return loss


def _middle(wave: Tensor, samples: int) -> Tensor:
    start = (wave.shape[1] - samples) // 2
    return wave[:, start : start + samples]


def _require_finite(loss: Tensor, step: int, kept: Path) -> None:
    if torch.isfinite(loss):
        return
    state = f"the last good state is kept in {kept}" if kept.exists() else "no mark had been reached"
    raise SpoofproofError(
        f"the loss is {loss.item()} in step {step + 1}; {state}. "
        "A lower rate in [training] usually mends it; with the same recipe it will happen again"
    )


def _resume(kept: Path, held: dict[str, Any]) -> tuple[int, float, dict[str, Tensor]]:
    """Put back what a mark kept: the step to go on with, the best distance, and the weights that had it."""
    if not kept.exists():
        return 0, math.inf, held["average"].state_dict()
    try:
        state = torch.load(kept, weights_only=True)
        for name, part in held.items():
            part.load_state_dict(state[name])
    except (RuntimeError, KeyError, ValueError, OSError, EOFError) as error:
        raise SpoofproofError(
            f"{kept} cannot be gone on from ({type(error).__name__}: {str(error)[:200]}). "
            "Delete it to begin again, or choose another --out"
        ) from None
    return int(state["step"]), float(state["best"]), state["best_state"]


def _keep(kept: Path, held: dict[str, Any], step: int, best: float, best_state: dict[str, Tensor]) -> None:
    state = {name: part.state_dict() for name, part in held.items()}
    buffer = io.BytesIO()
    torch.save({**state, "step": step, "best": best, "best_state": best_state}, buffer)
    with whole_file(kept) as file:
        file.write(buffer.getvalue())
