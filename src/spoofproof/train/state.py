"""A training run as it lies on disk: everything that decides how it goes on, in one file that is always whole."""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..audio import whole_file
from ..errors import BadPlan, RunConflict
from .batches import Deck
from .waves import content

Weights = dict[str, torch.Tensor]


@dataclass
class State:
    """step: how many are done. losses: of this epoch. best: the figure that selected ``best_weights``, at ``best_step``.
    history: a row an epoch. figures, said: the last judgement, as numbers and in words."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    best: float | None = None
    best_step: int = 0
    best_weights: Weights = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    said: str = ""

    def turn(self, epoch: int, rate: float, norm: float) -> dict[str, Any]:
        """Close an epoch: its row of the history, which is returned."""
        row = {
            "loss": round(float(np.mean(self.losses)), 5),
            "rate": rate,
            "norm": round(norm, 4),
            **self.figures,
        }
        self.history.append({"epoch": epoch, **row})
        self.losses, self.figures = [], {}
        return row


def save(
    path: Path,
    state: State,
    network: torch.nn.Module,
    average: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    deck: Deck,
) -> None:
    """Write all of it to ``path``. Chance needs no place here: every draw depends on the seed and the step."""
    held = {
        "state": vars(state),
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "scaler": scaler.state_dict(),
        "deck": digest(deck),
    }
    buffer = io.BytesIO()
    torch.save(held, buffer)
    with whole_file(path) as file:
        file.write(buffer.getvalue())


def restore(
    path: Path,
    network: torch.nn.Module,
    average: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    deck: Deck,
    device: torch.device,
) -> State:
    """Put what ``save`` wrote back in place; a new State where there is no file.

    Raises RunConflict when the clips are others than those of the run, or the file is damaged.
    """
    if not path.exists():
        return State()
    try:
        held = torch.load(path, map_location=device, weights_only=True)
        if held["deck"] != digest(deck):
            raise RunConflict(
                f"the clips are not those that the run in {path.parent} was started with; "
                "choose another --out to start anew"
            )
        network.load_state_dict(held["network"])
        average.load_state_dict(held["average"])
        optimiser.load_state_dict(held["optimiser"])
        scaler.load_state_dict(held["scaler"])
        state = State(**held["state"])
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise RunConflict(
            f"{path} cannot be gone on from ({str(error).splitlines()[0][:200]}); delete it to start anew"
        ) from None
    state.best_weights = {k: v.cpu() for k, v in state.best_weights.items()}
    return state


def save_weights(path: Path, weights: Weights) -> None:
    """A plain state dictionary, to fine-tune from: ``initial`` of a recipe."""
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    with whole_file(path) as file:
        file.write(buffer.getvalue())


def load_weights(path: Path, network: torch.nn.Module) -> None:
    """Read a .pth into a network. Raises BadPlan when it is of another architecture or no such file."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(held)
    except OSError:
        raise BadPlan(f"initial = {str(path)!r}: no such file") from None
    except (RuntimeError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise BadPlan(
            f"initial = {str(path)!r} does not fit this network ({' '.join(str(error).split())[:300]}). Give a .pth "
            "that was trained with the same [network]"
        ) from None


def digest(deck: Deck) -> str:
    """Of the clips, by name and content, in their order: what the chances and the draws of a run rest on."""
    facts = [(e.key, content(e.trial.path)) for e in deck.examples]
    return hashlib.sha256(repr(facts).encode()).hexdigest()
