"""Which hand-made feature tells most? A GMM-UBM over each of the ten, and their fusions, on the development part.

Balamurali et al. 2019 compare hand-made with learnt features and fuse them; here each is also heard under corruptions.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ..audio import whole_file
from ..detectors.cepstra import FEATURES, LEARNED
from ..detectors.fusion import ENDING, Fusion, Member
from ..detectors.gmm_ubm import Ubm
from ..metrics.rank import auroc, eer
from ..shipped import sha256
from ..stats import estimate
from ..types import CLEAN, Estimate, Scores
from . import waves
from .data import Example, Parts, bonafide, read
from .folder import Journal, claim
from .fusion import fit
from .mixtures import UBM
from .recipe import Recipe
from .ubm import calibrated, fitted, ratios
from .waves import Waves

HAND, ALL = "hand-made, fused", "all ten, fused"


@dataclass(frozen=True, slots=True)
class Row:
    """One feature, or a fusion. eer: clean, on dev, with its interval. corrupted: mean EER over the conditions, None
    without any. milliseconds: of one core for one clip of dev. bytes: of the weights."""

    feature: str
    dimensions: int
    eer: Estimate
    auroc: float
    corrupted: float | None
    milliseconds: float
    bytes: int


def features_study(
    recipe: Path,
    data: Path | None,
    out: Path,
    progress: Callable[..., None] = lambda *update: None,
    kinds: Sequence[str] = (*FEATURES, LEARNED),
) -> list[Row]:
    """Train and judge a GMM-UBM over each of ``kinds`` with the settings of ``recipe`` (whose own kind is ignored).

    Judged on dev: as it is, and under [select] conditions of the recipe. Fusions are judged by cross-validation: the
    weights for the clips of one source are fitted on the other sources' (on the other half, where there is but one).
    Writes KIND.npz, fusion.members.json (fitted on all of dev), scores.csv and rows.json into ``out``; what is there
    of the same recipe is used again. Raises what ``train.run`` raises.
    """
    settings = Recipe.load(recipe)
    claim(out, settings.text, settings.like)
    parts, log = read(settings, data), Journal(out / "log.jsonl")
    store = Path(settings.run.cache).expanduser() if settings.run.cache else out.parent / "waves"
    train = waves.rendered(
        parts.train, settings, waves.training_renderings, store, progress, "renderings of train"
    )
    dev = waves.rendered(
        parts.dev, settings, waves.selection_renderings, store, progress, "renderings of dev"
    )
    conditions = (CLEAN, *settings.select.conditions)
    use = np.array([e.kind in ("bonafide", settings.ubm.against) for e in parts.dev])
    judged = [e for e, u in zip(parts.dev, use, strict=True) if u]
    rows, table = [], {}
    for kind in kinds:
        mine = replace(settings, front=replace(settings.front, kind=kind))
        path = out / f"{kind}.npz"
        scores, spent = _one(mine, parts, train, dev, conditions, path, log, progress)
        table[kind] = scores[:, use]
        size = _dimensions(mine)
        rows.append(_row(kind, size, table[kind], judged, spent, path.stat().st_size))
    for name, members in ((HAND, [k for k in kinds if k in FEATURES]), (ALL, list(kinds))):
        if len(members) > 1 and name not in table:
            stacked = np.stack([table[k] for k in members], axis=2)
            chosen = [r for r in rows if r.feature in members]
            totals = sum(r.milliseconds for r in chosen), sum(r.bytes for r in chosen)
            rows.append(_row(name, len(members), crossed(stacked, judged), judged, *totals))
    _fuse(out, kinds, table, judged)
    with whole_file(out / "rows.json") as file:
        file.write(json.dumps([asdict(r) for r in rows], indent=1).encode() + b"\n")
    _write_scores(out / "scores.csv", judged, conditions, table)
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table, best first."""
    head = "| feature | dev EER % [95 %] | AUROC | EER % under corruptions | ms a clip | kB |\n|---|---|---|---|---|---|"
    lines = [
        f"| {r.feature} | {100 * r.eer.value:.1f} [{100 * r.eer.low:.1f}, {100 * r.eer.high:.1f}] | {r.auroc:.2f} | "
        f"{'' if r.corrupted is None else f'{100 * r.corrupted:.1f}'} | {r.milliseconds:.0f} | {r.bytes / 1000:.0f} |"
        for r in sorted(rows, key=lambda r: r.eer.value)
    ]
    return "\n".join([head, *lines])


def _one(
    recipe: Recipe,
    parts: Parts,
    train: Waves,
    dev: Waves,
    conditions: Sequence[str],
    path: Path,
    log: Journal,
    progress: Callable[..., None],
) -> tuple[Scores, float]:
    """(mean log-likelihood ratios, shape (conditions, clips), before calibration; milliseconds a clip)."""
    kept = path.with_suffix(".npy")
    if not (path.exists() and kept.exists()):
        model = fitted(recipe, parts.train, train, log, progress)
        raw, spent = [], time.process_time()
        for copy, condition in enumerate(conditions):
            raw.append(ratios(model, dev, copy))
            progress(copy + 1, len(conditions), f"{recipe.front.kind} under {condition}")
        spent = (time.process_time() - spent) / (len(conditions) * len(parts.dev))
        model = calibrated(model, raw[0], parts.dev, recipe)
        model.save(path)
        with whole_file(kept) as file:
            np.save(file, np.array([*raw, np.full(len(parts.dev), 1000 * spent)]))
    held = np.load(kept)
    return held[:-1], float(held[-1, 0])


def _dimensions(recipe: Recipe) -> int:
    front = recipe.front
    return (front.filters if front.kind == "scfc" else front.coefficients) * len(front.parts)


def _row(name: str, size: int, scores: Scores, judged: Sequence[Example], spent: float, weight: int) -> Row:
    real = bonafide(judged)
    clean = scores[0]
    worse = [eer(bonafide=s[real], spoof=s[~real]) for s in scores[1:]]
    return Row(
        name,
        size,
        estimate([e.trial for e in judged], clean, "eer"),
        auroc(bonafide=clean[real], spoof=clean[~real]),
        float(np.mean(worse)) if worse else None,
        spent,
        weight,
    )


def crossed(stacked: Scores, judged: Sequence[Example]) -> Scores:
    """Fused scores (conditions, N) of members' (conditions, N, M), each source by the weights of the others."""
    real = bonafide(judged)
    groups = np.array([e.trial.source for e in judged])
    if any(len({*real[groups != g]}) < 2 for g in np.unique(groups)):
        groups = np.arange(len(judged)) % 2
    fused = np.zeros(stacked.shape[:2])
    for group in np.unique(groups):
        weights, offset = fit(stacked[0, groups != group], real[groups != group])
        fused[:, groups == group] = stacked[:, groups == group] @ weights + offset
    return fused


def _fuse(out: Path, kinds: Sequence[str], table: Mapping[str, Scores], judged: Sequence[Example]) -> None:
    """fusion.members.json over the files of ``kinds``. The members give log odds, so weights are turned to these."""
    models = {kind: Ubm.load(out / f"{kind}.npz") for kind in kinds}
    useful = [kind for kind in kinds if models[kind].slope > 0]
    odds = [models[kind].slope * table[kind][0] + models[kind].offset for kind in useful]
    if len(useful) < 2:
        return
    weights, offset = fit(np.stack(odds, axis=1), bonafide(judged))
    members = tuple(
        Member(f"{UBM}@{kind}.npz", float(w), sha256(out / f"{kind}.npz"))
        for kind, w in zip(useful, weights, strict=True)
        if w > 0
    )
    Fusion(members, offset).save(out / f"fusion{ENDING}")


def _write_scores(
    path: Path, judged: Sequence[Example], conditions: Sequence[str], table: Mapping[str, Scores]
) -> None:
    with whole_file(path) as file:
        file.write(f"id,label,condition,{','.join(table)}\n".encode())
        for c, condition in enumerate(conditions):
            for i, e in enumerate(judged):
                values = ",".join(f"{scores[c, i]:.6g}" for scores in table.values())
                label = "bonafide" if e.kind == "bonafide" else "spoof"
                file.write(f"{e.key},{label},{condition},{values}\n".encode())
