"""The loop that trains a network. It reads straight down: draw, forward, loss, backward, average, judge, keep."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..audio import whole_file
from ..errors import SpoofproofError
from ..streams import stream
from .batches import Deck, batches
from .curves import svg
from .device import precision
from .judge import Judged
from .objectives import OBJECTIVES, Target
from .recipe import Recipe
from .state import State, restore, save, save_weights

Log = Callable[..., None]


def learn(
    network: torch.nn.Module,
    deck: Deck,
    judge: Callable[[torch.nn.Module], Judged],
    recipe: Recipe,
    device: torch.device,
    folder: Path,
    log: Log,
    progress: Callable[..., None],
    deadline: float = math.inf,
) -> State:
    """Train ``network`` on what ``deck`` deals; ``judge`` scores the moving average on dev, and the best is kept.

    Goes on from ``folder``/state.pt, at any step, to the bytes of an unbroken run. deadline: ``time.monotonic()`` at
    which it stops and leaves a whole state. Raises SpoofproofError when the loss is not finite; what was good is kept.
    """
    o = recipe.optimiser
    epoch_steps = math.ceil(o.clips / o.batch)
    steps = epoch_steps * o.epochs
    network.to(device)
    average = copy.deepcopy(network)
    learned = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, o.rate, weight_decay=o.decay)
    scaler = torch.amp.GradScaler(device.type, enabled=recipe.run.precision == "f16")
    objective = OBJECTIVES[o.objective]
    kept = folder / "state.pt"
    state = restore(kept, network, average, optimiser, scaler, deck, device)
    clock = Clock(state.step, steps)
    saved = time.monotonic()

    for batch in batches(deck, state.step, steps, recipe.run.loaders):
        step = state.step
        torch.manual_seed(int(stream(recipe.seed, "torch", str(step)).integers(2**62)))
        for group in optimiser.param_groups:
            group["lr"] = o.rate * schedule(step, steps, o.warm)
        network.train()
        target = Target(torch.from_numpy(batch.bonafide).to(device), torch.from_numpy(batch.pairs).to(device))
        with precision(recipe.run, device):
            logits = network(torch.from_numpy(batch.wave).to(device))
        loss = objective(logits.float(), target, o)
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimiser)
        norm = torch.nn.utils.clip_grad_norm_(learned, o.clip or math.inf)
        refuse_nonsense(loss.item(), norm.item(), step, scaler.is_enabled(), folder, recipe.detector)
        scaler.step(optimiser)
        scaler.update()
        follow(average, network, min(o.average, (1 + step) / (10 + step)))
        state.losses.append(loss.item())
        state.step += 1
        progress(
            state.step, steps, f"{clock.text(state)}, loss {np.mean(state.losses[-50:]):.3f}{state.said}"
        )

        whole, part = divmod(state.step, epoch_steps)
        if not part:
            if not whole % recipe.select.every or state.step == steps:
                consider(state, judge(average), average, recipe, folder)
            log(event="epoch", epoch=whole, **state.turn(whole, optimiser.param_groups[0]["lr"], norm.item()))
            draw(state, recipe, folder)
        late = time.monotonic() > deadline
        if not part or late or time.monotonic() - saved > 60 * recipe.run.save_minutes:
            save(kept, state, network, average, optimiser, scaler, deck)
            saved = time.monotonic()
        if late:
            log(event="stopped", step=state.step, of=steps)
            break

    if not state.best_weights:  # stopped before the first judgement
        state.best_weights = {k: v.cpu() for k, v in average.state_dict().items()}
    return state


def consider(state: State, judged: Judged, average: torch.nn.Module, recipe: Recipe, folder: Path) -> None:
    """Keep the average's weights, in ``state`` and as a .pth, when they are the best on dev so far."""
    metric = recipe.select.metric
    figure = judged.mean(metric)
    sign = 1 if metric == "auroc" else -1
    state.said = f", dev {metric.upper()} {figure:.3f}"
    state.figures = {metric: figure, "by": {c: dict(kinds) for c, kinds in judged.figures.items()}}
    if state.best is None or sign * figure > sign * state.best:
        state.best, state.best_step = figure, state.step
        state.best_weights = {k: v.detach().cpu().clone() for k, v in average.state_dict().items()}
        save_weights(folder / f"{recipe.detector}.pth", state.best_weights)


def refuse_nonsense(loss: float, norm: float, step: int, scaled: bool, folder: Path, detector: str) -> None:
    """Raises SpoofproofError for a loss, or a gradient, that is not finite, before it reaches the weights.

    A gradient that overflows half precision is the scaler's business: it skips the step.
    """
    if math.isfinite(loss) and (scaled or math.isfinite(norm)):
        return
    what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient is {norm}"
    best = folder / f"{detector}.pth"
    kept = f"the best weights so far are in {best}" if best.exists() else "no epoch was whole yet"
    raise SpoofproofError(
        f"{what} in step {step + 1}; {kept}, and the last good state beside them. A lower rate or a longer warm "
        'phase in [optimiser] (with another --out) usually mends it; precision = "float32" in [run] if it is not'
    )


def schedule(step: int, steps: int, warm: float) -> float:
    """Share of the full rate: up in a line over the first ``warm`` of the steps, then down half a cosine to zero."""
    rise = max(1, round(warm * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def follow(average: torch.nn.Module, network: torch.nn.Module, keep: float) -> None:
    """Move the averaged weights and statistics towards the network's: keep · average + (1 - keep) · network."""
    with torch.no_grad():
        for mine, its in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(its, 1 - keep)
            else:
                mine.copy_(its)


def draw(state: State, recipe: Recipe, folder: Path) -> None:
    """curves.svg, from what has been logged."""
    metric = recipe.select.metric
    rows = [row for row in state.history if metric in row]
    dev: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for condition, kinds in row["by"].items():
            for kind, figures in kinds.items():
                dev.setdefault(f"{condition} {kind}", []).append((row["epoch"], figures[metric]))
    panels = {
        "loss": {"train": [(row["epoch"], row["loss"]) for row in state.history]},
        f"dev {metric.upper()}": {"mean": [(row["epoch"], row[metric]) for row in rows], **dev},
    }
    with whole_file(folder / "curves.svg") as file:
        file.write(svg(panels, f"{recipe.detector}: {recipe.summary}").encode())


class Clock:
    """How far a run is and how long it still takes."""

    def __init__(self, first: int, steps: int) -> None:
        self.first, self.steps, self.began = first, steps, time.monotonic()

    def text(self, state: State) -> str:
        """ "14 min left"."""
        done = state.step - self.first
        left = (time.monotonic() - self.began) / max(done, 1) * (self.steps - state.step)
        return f"{left / 60:.0f} min left" if left < 5400 else f"{left / 3600:.1f} h left"
