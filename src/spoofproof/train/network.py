"""A network from its recipe: renderings, the loop, calibration on dev, export with a parity check."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import nets, registry
from ..calibrate import Calibration, fit
from ..detectors.prepare import RATE
from ..nets.foundation import Foundation
from ..shipped import sha256
from ..stats import estimates
from ..streams import stream
from ..types import CLEAN, LABELS, Scores, Trial
from . import waves
from .batches import Deck
from .course import Course, Made
from .data import Example, Parts
from .device import device_of, settled
from .export import export
from .judge import Judged, judge, separation
from .loop import learn
from .recipe import Recipe
from .state import State, load_weights

LIMITS = (
    "Trained on short clips of the sources above, and on nothing else: speech of generators, languages and channels that "
    "are not among them is told with less certainty than the log odds say. Log odds are calibrated on the development "
    "part at equal priors. For measuring robustness, not for judging anyone's recording."
)


def checked(recipe: Recipe) -> torch.nn.Module:
    """The untrained network that a recipe names. Raises BadPlan for a setting that it does not have."""
    torch.manual_seed(int(stream(recipe.seed, "weights").integers(2**62)))
    network: torch.nn.Module = nets.build(recipe.architecture, **recipe.settings)
    return network


def train_network(recipe: Recipe, parts: Parts, course: Course) -> Made:
    """Render, learn, choose, calibrate, export: NAME.onnx (of a foundation model a folder NAME), NAME.pth,
    state.pt, curves.svg in the run's folder.

    Raises what ``run`` raises. A run that was stopped by ``max_minutes`` exports what it has, and goes on when called
    again with more.
    """
    device = device_of(recipe.run)
    with settled(recipe.run, device):
        return _train(recipe, parts, course, device)


def _train(recipe: Recipe, parts: Parts, course: Course, device: torch.device) -> Made:
    network = checked(recipe)
    initial, met = _initial(recipe, course, network)
    store = Path(recipe.run.cache).expanduser() if recipe.run.cache else course.folder.parent / "waves"
    rendered = [
        waves.rendered(examples, recipe, wanted, store, course.progress, f"renderings of {name}")
        for name, examples, wanted in (
            ("train", parts.train, waves.training_renderings),
            ("dev", parts.dev, waves.selection_renderings),
            ("what is left out", parts.left, waves.selection_renderings),
        )
    ]
    train, dev, left = rendered
    deadline = course.began + 60 * recipe.run.max_minutes if recipe.run.max_minutes else math.inf
    state = learn(
        network,
        Deck.of(parts.train, train, recipe),
        lambda average: judge(average, parts.dev, dev, recipe, device, seconds=recipe.select.seconds),
        recipe,
        device,
        course.folder,
        course.log,
        course.progress,
        deadline,
    )
    network.load_state_dict(state.best_weights)
    course.progress(state.step, state.step, "calibration on dev")
    judged = judge(network, parts.dev, dev, recipe, device, seconds=recipe.window / RATE)
    calibration = calibrated(judged, parts.dev, recipe)
    figures = {"dev": figures_of(judged, parts.dev, recipe, calibration)}
    if parts.left:
        out = judge(
            network, parts.left, left, recipe, device, seconds=recipe.window / RATE, conditions=[CLEAN]
        )
        figures["left"] = figures_of(out, parts.left, recipe, calibration)
    path, parity = written(network, recipe, calibration, course.folder)
    facts = {
        "network": recipe.architecture,
        "settings": recipe.settings,
        "parameters": sum(p.numel() for p in network.parameters()),
        "window": recipe.window,
        "calibration": {
            "scale": calibration.scale,
            "offset": calibration.offset,
            "on": recipe.select.calibrate,
        },
        **parity,
        **initial,
        **_course(state, recipe, device, course),
    }
    return Made(path, figures, facts, LIMITS, (*met, *pretrained_on(network)))


def written(
    network: torch.nn.Module, recipe: Recipe, calibration: Calibration, folder: Path
) -> tuple[Path, dict[str, float]]:
    """The finished weights: NAME.onnx and how far it is from torch, or the folder NAME of a foundation model."""
    settled = (calibration.scale, calibration.offset)
    if isinstance(network, Foundation):
        network.save(folder / recipe.detector, window=recipe.window, calibration=settled)
        return folder / recipe.detector, {}
    path = folder / f"{recipe.detector}.onnx"
    parity = export(
        network,
        path,
        name=recipe.architecture,
        settings=recipe.settings,
        window=recipe.window,
        calibration=settled,
    )
    return path, {"onnx_parity": float(f"{parity:.1g}")}


def pretrained_on(network: torch.nn.Module) -> tuple[str, ...]:
    """The corpora that a foundation model was pre-trained on; none for the others, which begin from nothing."""
    if not isinstance(network, Foundation):
        return ()
    met = registry.detectors[network.family].card()["contamination"]
    assert isinstance(met, list)
    return tuple(met)


def calibrated(judged: Judged, dev: tuple[Example, ...], recipe: Recipe) -> Calibration:
    """Scores to log odds: bona fide clips against all spoofed ones of the kinds that selection looks at."""
    conditions = [CLEAN] if recipe.select.calibrate == "clean" else list(judged.scores)
    pairs = [_classes(judged.scores[c], dev, recipe) for c in conditions]
    return fit(bonafide=np.concatenate([b for b, _ in pairs]), spoof=np.concatenate([s for _, s in pairs]))


def figures_of(
    judged: Judged, examples: tuple[Example, ...], recipe: Recipe, calibration: Calibration
) -> dict[str, Any]:
    """EER, AUROC and calibrated Cllr on the clips as they are, each with its interval, and ranks by condition and kind."""
    heard = [i for i, e in enumerate(examples) if e.kind in ("bonafide", *recipe.select.kinds)]
    trials = [_trial(examples[i]) for i in heard]
    counts = Counter(str(t.label) for t in trials)
    found: dict[str, Any] = {"trials": {label: counts[label] for label in LABELS}}
    if all(counts[label] for label in LABELS):
        scores = judged.scores[CLEAN][heard]
        measured = estimates(trials, scores, ["eer", "auroc", "cllr"], llrs=calibration.apply)
        for name, value in measured.items():
            found[name] = round(value.value, 4)
            found[f"{name}_interval"] = [
                round(x, 4) if math.isfinite(x) else None for x in (value.low, value.high)
            ]
    found["by"] = {
        condition: {
            kind: {metric: round(value, 4) for metric, value in by.items()}
            for kind, by in separation(scores, examples, recipe.select).items()
        }
        for condition, scores in judged.scores.items()
    }
    return found


def _trial(example: Example) -> Trial:
    """A twin as a trial of its own: spoofed, by its vocoder."""
    if not example.maker:
        return example.trial
    return replace(example.trial, id=example.key, label="spoof", attack=example.maker)


def _classes(scores: Scores, examples: tuple[Example, ...], recipe: Recipe) -> tuple[Scores, Scores]:
    kinds = np.array([e.kind for e in examples])
    return scores[kinds == "bonafide"], scores[np.isin(kinds, recipe.select.kinds)]


def _initial(
    recipe: Recipe, course: Course, network: torch.nn.Module
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Load the weights that a recipe starts from: a path as it is, or below the data's root.

    Returns facts for the card, and the sources that those weights have heard: from the card beside them, where there
    is one. Where there is none, nobody knows, and the card says so.
    """
    if not recipe.initial:
        return {}, ()
    path = Path(recipe.initial).expanduser()
    if not path.is_file() and course.root is not None:
        path = course.root / recipe.initial
    load_weights(path, network)
    beside = path.with_suffix(".json")
    met = (f"unknown: whatever {path.name} was trained on",)
    if beside.is_file():
        met = tuple(json.loads(beside.read_text(encoding="utf-8")).get("contamination", met))
    return {"initial": {"file": path.name, "sha256": sha256(path)}}, met


def _course(state: State, recipe: Recipe, device: torch.device, course: Course) -> dict[str, Any]:
    o = recipe.optimiser
    return {
        "steps": {
            "done": state.step,
            "of": math.ceil(o.clips / o.batch) * o.epochs,
            "chosen": state.best_step,
        },
        "selected_by": {"metric": recipe.select.metric, "value": state.best},
        "trained_on": {
            "device": device.type,
            "precision": recipe.run.precision,
            "threads": recipe.run.threads,
        },
        "minutes_of_last_command": round((time.monotonic() - course.began) / 60, 1),
    }
