"""A fusion from its recipe: every member hears the development part once, and their weights are fitted there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .. import registry
from ..audio import resample
from ..detectors.fusion import ENDING, Fusion, Member, fingerprint, located, member, scores_of
from ..detectors.prepare import RATE
from ..errors import BadPlan
from ..metrics.llr import cllr
from ..types import Clip, Scores
from . import waves
from .course import Course, Made
from .data import Parts, bonafide
from .fusion import fit
from .recipe import Recipe
from .ubm import ranks

LIMITS = (
    "As weak as what its members have in common. The weights are fitted on a small development part, which the members' "
    "own calibration and selection have seen too, so that its figures there are optimistic. "
    "For measuring robustness, not for judging anyone's recording."
)
_BATCH = 16


def train(recipe: Recipe, parts: Parts, course: Course) -> Made:
    """Score dev with every member, fit, write. Raises BadPlan, and for a member what ``detectors.fusion.member`` does."""
    names, folder = recipe.fused.members, course.folder
    if len(set(names)) != len(names) or len(names) < 2:
        raise BadPlan("[model] members names at least two detectors, each once")
    store = Path(recipe.run.cache).expanduser() if recipe.run.cache else folder.parent / "waves"
    heard = waves.rendered(
        parts.dev, recipe, waves.selection_renderings, store, course.progress, "renderings of dev"
    )
    clips = [Clip(heard.cut(i, 0, heard.length(i, 0)), RATE) for i in range(len(parts.dev))]
    scores = np.stack([_scores(name, clips, course) for name in names], axis=1)
    real = bonafide(parts.dev)
    weights, offset = fit(scores, real, recipe.fused.ridge)
    refs = [located(name, folder) for name in names]
    prints = map(fingerprint, refs)
    members = tuple(Member(n, float(w), p) for n, w, p in zip(names, weights, prints, strict=True))
    path = folder / f"{recipe.detector}{ENDING}"
    Fusion(members, offset).save(path)
    fused = scores @ weights + offset
    figures: dict[str, Any] = {
        name: ranks(x[real], x[~real]) for name, x in zip(names, scores.T, strict=True)
    }
    figures["fusion"] = ranks(fused[real], fused[~real])
    figures["fusion"]["cllr"] = round(cllr(bonafide=fused[real], spoof=fused[~real]), 4)
    facts = {"members": [asdict(m) for m in members], "offset": offset}
    return Made(path, {"dev": figures}, facts, LIMITS, _sources(refs))


def _scores(name: str, clips: Sequence[Clip], course: Course) -> Scores:
    rate, ear = member(name, course.folder)
    found = []
    for start in range(0, len(clips), _BATCH):
        found.append(scores_of(ear, [resample(c, rate) for c in clips[start : start + _BATCH]]))
        course.progress(min(start + _BATCH, len(clips)), len(clips), f"scores of {name}")
    return np.concatenate(found)


def _sources(refs: Sequence[Any]) -> tuple[str, ...]:
    """Sources that the members' own cards say they have heard: the fusion has heard them through them."""
    told = [registry.detectors[ref.name].card().get("contamination", ()) for ref in refs]
    return tuple(sorted({str(source) for sources in told if isinstance(sources, list) for source in sources}))
