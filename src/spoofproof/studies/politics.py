"""``spoofproof study politics``: political speech against copies and clones of the same speakers, as it is shared.

The material: recordings of public figures in the eval part of a corpus with the fakes of them that it holds, or a
folder of one's own; and of every recording a copy by each vocoder of the built-in corpus. The chains are ``plans/social.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..audio import open_audio, save_audio
from ..bench import identity
from ..corpora.protocol import audio_files
from ..corpora.vocoders import VOCODERS
from ..errors import BadCorpus
from ..plan import Plan
from ..report.study import Column, Figure, Page, Section, Table, write_page
from ..report.study_plots import Row, forest
from ..results.grid import Grid
from ..scores import ScoreTable, digest_of, file_name
from ..stats import Bootstrap
from ..streams import stream
from ..types import CLEAN, Estimate, Label, Scores, Trial
from . import common
from .common import AUROC, EER, FALSE_ALARM, MISS

RATE = 16_000

FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "JFK": "John F. Kennedy, inaugural address of 1961 (public domain)",
        "celeb-obama": "Barack Obama, a presidential address",
        "celeb-trump": "Donald Trump, speeches and interviews",
    }
)
"""Speakers of the manifest corpus who are political figures in its eval part, by their names there."""

CHAINS: Mapping[str, str] = MappingProxyType(
    {
        "clean": "as in the corpus",
        "mp3@96": "posted once",
        "mp3@40+opus@16": "posted, then messaged",
        "opus@16+opus@8+opus@8": "forwarded twice",
        "mp3@64+mp3@40+mp3@32": "reposted on three platforms",
        "background_noise.music@10+mp3@64": "music bed",
        "background_noise.music@5+mp3@40+opus@16": "loud music, messaged",
        "reverb@0.3+background_noise.babble@20+low_pass@0.6+mp3@40": "filmed off a loudspeaker",
        "reverb@0.8+background_noise.babble@10+low_pass@0.4+opus@16": "across a hall, messaged",
        "clipping@0.6+mp3@40+opus@16": "over-loud",
        "speed_resample@1.1+mp3@40": "sped up",
        "telephone@g711a+mp3@40": "call on the air",
    }
)
"""What the chains of plans/social.toml stand for, in a few words."""


def figures_of(trials: Sequence[Trial], figures: Mapping[str, str] = FIGURES) -> list[Trial]:
    """The eval trials of known political figures. Raises BadCorpus where there is no recording of any."""
    found = [t for t in trials if t.part == "eval" and t.speaker in figures]
    if not any(t.label == "bonafide" for t in found):
        raise BadCorpus(
            f"the eval part holds no recording of {', '.join(figures)}; use the manifest corpus of the shared data, or give "
            "a folder of your own with --speech FOLDER (one folder a speaker inside)"
        )
    return found


def from_folder(speech: Path, fakes: Path | None) -> list[Trial]:
    """Trials of one's own: ``speech/SPEAKER/file`` bona fide, ``fakes/SPEAKER/[GENERATOR/]file`` spoofed.

    Files that lie in no folder are of one speaker without a name. Raises BadCorpus where a folder is missing or empty.
    """
    pairs: list[tuple[Path, Label]] = [(speech, "bonafide")]
    if fakes is not None:
        pairs.append((fakes, "spoof"))
    trials = []
    for root, label in pairs:
        paths = audio_files(root) if root.is_dir() else []
        if not paths:
            raise BadCorpus(
                f"{root} is no folder with audio in it; expected one folder a speaker, with audio files inside"
            )
        for path in paths:
            inner = path.relative_to(root).parts[:-1]
            attack = "" if label == "bonafide" else inner[1] if len(inner) > 1 else "given"
            trials.append(
                Trial(
                    id=f"{label}/{path.relative_to(root).as_posix()}",
                    path=path, label=label, speaker=inner[0] if inner else "", attack=attack,
                )
            )  # fmt: skip
    return trials


def with_copies(trials: Sequence[Trial], folder: Path, seed: int, tell: common.Tell) -> list[Trial]:
    """The trials, and of every bona fide one a copy by each vocoder, made into ``folder`` unless it is there already."""
    real = [t for t in trials if t.label == "bonafide"]
    made = list(trials)
    for done, trial in enumerate(real):
        clip = None
        for name, vocoder in VOCODERS.items():
            path = folder / f"{file_name(trial.id)}-{name}.flac"
            if not path.exists():
                clip = clip or open_audio(trial.path, RATE, seconds=8.0)
                copy = vocoder(clip, stream(seed, "vocoder", trial.id, name))
                peak = max(1.0, float(np.abs(copy.samples).max()))
                save_audio(copy.replace(copy.samples / peak), path)
            made.append(
                replace(
                    trial, id=f"{trial.id}/{name}", path=path, label="spoof", attack=name, pair=trial.pair or trial.id
                )
            )  # fmt: skip
        tell(done + 1, len(real), "copies")
    return made


def study_politics(
    detectors: Sequence[str],
    trials: Sequence[Trial],
    dev: Sequence[Trial],
    out: Path,
    *,
    plan: Plan | None = None,
    material: str = "",
    corpus: Mapping[str, Any] | None = None,
    workers: int = 1,
    count: int = 1000,
    tell: common.Tell = common.quiet,
    command: Sequence[str] = (),
) -> Page:
    """Copy ``trials`` by every vocoder, score all of it under every chain, and write the report into ``out``.

    trials: recordings (and fakes) of political speech; their part becomes eval. dev: trials that freeze the thresholds.
    plan: whose conditions and seed are used, ``social`` by default. Raises BadCorpus, UnknownName, RunConflict.
    """
    plan = plan or Plan.load("social")
    given = [replace(t, part="eval") for t in trials]
    both = with_copies(given, out / "copies", plan.seed, tell)
    kept = common.heard([*both, *(t for t in dev if t.part == "dev")])
    common.claim(
        out,
        {
            "study": "politics", "detectors": {d: identity(d)["identity"] for d in detectors},
            "conditions": list(plan.conditions), "trials": digest_of(kept), "seed": plan.seed,
        },
    )  # fmt: skip
    table = common.score(
        "politics",
        detectors,
        plan.conditions,
        kept,
        out / "run",
        seed=plan.seed,
        workers=workers,
        tell=tell,
        corpus=corpus,
    )
    grid = common.grid_of(table, resamples=count, met=True)
    page = _page(grid, table, material, out)
    if command:
        page = replace(page, command=common.said(command))
    write_page(page, out)
    return page


def met(table: ScoreTable, detector: str) -> tuple[list[str], list[str]]:
    """(sources, vocoders) of the tested material that a detector met in training, by its card."""
    card = table.record["detectors"][detector].get("card") or {}
    eval_ = [t for t in table.trials if t.part == "eval"]
    sources = sorted({t.source for t in eval_ if t.source} & set(card.get("contamination") or ()))
    vocoders = sorted({t.attack for t in eval_ if t.attack} & set(card.get("copy_synthesis") or ()))
    return sources, vocoders


def chain_name(condition: str) -> str:
    """What a chain stands for, else its own text."""
    return CHAINS.get(condition, condition)


def _page(grid: Grid, table: ScoreTable, material: str, out: Path) -> Page:
    detectors = table.detectors
    chains = [CLEAN, *common.usable(grid, detectors, list(table.conditions))]
    tested = common.differences(
        grid,
        {
            (d, c): (v[EER], w[EER])
            for d in detectors
            for c in chains[1:]
            if (v := grid.values(d, c)) is not None and (w := grid.values(d, CLEAN)) is not None
        },
    )
    missing = [c for c in table.record["conditions"] if c not in chains]
    return Page(
        study="politics",
        title="Political speech as it is shared: real, copied, cloned",
        lead=_lead(grid, material),
        findings=tuple(_findings(grid, detectors, chains, tested)),
        cautions=(
            "A copy by a vocoder is a recording taken apart and made again: it keeps the words, the voice and the melody. It is not a modern clone, and a detector that finds copies need not find clones, nor the other way round; see the table by kind of fake.",
            *_met_words(table),
            f"{len({t.speaker for t in grid.trials})} speakers say little about all others: intervals over so few are rough, and the table by speaker shows how uneven they are.",
            "Old recordings carry the band-width and noise of their time, which a detector may take for a fake or for the proof of age.",
            *([f"Not run here: {', '.join(missing)}."] if missing else []),
        ),
        sections=(
            Section("chains", "By chain", ("What a chain does to real speech and to fakes at the threshold that was frozen on clean development audio.",), (_picture(grid, detectors, chains), _chains(grid, detectors, chains, tested))),
            Section("fakes", "By kind of fake", ("Each kind against the same real recordings, on clean audio and as a mean over the chains.",), (_kinds(grid, detectors, chains, table),)),
            Section("speakers", "By speaker", ("Shares at the frozen threshold; the numbers of clips are small and stand beside them.",), (_speakers(grid, detectors, chains),)),
        ),
        facts={
            "material": material,
            "corpus": common.corpus_words(table),
            "chains": "; ".join(f"{chain_name(c)} = {c}" for c in chains),
            "copies": f"by {', '.join(VOCODERS)}; in copies/",
            "threshold": "; ".join(f"{d} {t:.4g}" for d, f in grid.frozen.items() if (t := f.threshold) is not None),
            "intervals": common.rests(grid) if grid.drawn else "",
            "scores": "run/ in this folder: a run of the bench",
        },
        command=common.said(["spoofproof", "study", "politics", *(w for d in detectors for w in ("--detector", d)), "--out", out]),
    )  # fmt: skip


def _lead(grid: Grid, material: str) -> str:
    real = sum(t.label == "bonafide" for t in grid.trials)
    copies = sum(t.attack in VOCODERS for t in grid.trials)
    others = len(grid.trials) - real - copies
    return (
        f"{real} recordings of {len({t.speaker for t in grid.trials})} speakers, {copies} copies of them by {len(VOCODERS)} vocoders"
        f"{f' and {others} fakes that came with them' if others else ''}. {material}"
    )


def _met_words(table: ScoreTable) -> list[str]:
    said = []
    for detector in table.detectors:
        sources, vocoders = met(table, detector)
        parts = []
        if sources:
            parts.append(f"other clips of the sources {', '.join(sources)}")
        if vocoders:
            parts.append(f"copies by {', '.join(vocoders)}")
        if parts:
            said.append(
                f"{common.label(detector)} met in training {' and '.join(parts)}: what it shows on these is no evidence for new ones."
            )
    return said


def _findings(
    grid: Grid,
    detectors: Sequence[str],
    chains: Sequence[str],
    tested: Mapping[tuple[str, ...], common.Difference],
) -> list[str]:
    share, points = Column("", "share"), Column("", "points")
    said = []
    for d in detectors:
        clean = grid.values(d, CLEAN)
        if clean is None:
            continue
        worst = max(chains, key=lambda c: _first(grid, d, c, MISS))
        passed = max(chains, key=lambda c: _first(grid, d, c, FALSE_ALARM))
        said.append(
            f"{common.label(d)}: EER {share.say(grid.estimate(clean[EER], EER))} on the clips as they are. At the frozen threshold "
            f"{share.say(float(clean[MISS][0]))} of the real recordings are accused and {share.say(float(clean[FALSE_ALARM][0]))} of the fakes pass; "
            f"most are accused under “{chain_name(worst)}” ({share.say(_first(grid, d, worst, MISS))}), most pass under “{chain_name(passed)}” ({share.say(_first(grid, d, passed, FALSE_ALARM))})."
        )
        shown = [c for c in chains[1:] if (d, c) in tested and tested[d, c].shown]
        if shown:
            parts = (f"{chain_name(c)} ({points.say(tested[d, c].difference)})" for c in shown)
            said.append(f"{common.label(d)}: a change of EER against clean is shown for {'; '.join(parts)}.")
        else:
            said.append(f"{common.label(d)}: no chain is shown to change its EER, with so few speakers.")
    return said


def _first(grid: Grid, detector: str, condition: str, metric: str) -> float:
    values = grid.values(detector, condition)
    return float(values[metric][0]) if values is not None and metric in values else float("-inf")


def _picture(grid: Grid, detectors: Sequence[str], chains: Sequence[str]) -> Figure:
    rows = []
    for i, d in enumerate(detectors):
        rows.append(Row(common.label(d), head=True))
        for c in chains:
            values = grid.values(d, c)
            rows.append(Row(chain_name(c), None if values is None else grid.estimate(values[EER], EER), i))
    return Figure("EER by chain, 95 % intervals", forest(rows, reference=0.5), "The dashed line is a coin.")


def _chains(
    grid: Grid,
    detectors: Sequence[str],
    chains: Sequence[str],
    tested: Mapping[tuple[str, ...], common.Difference],
) -> Table:
    rows = []
    for d in detectors:
        for c in chains:
            v = grid.values(d, c)
            if v is None:
                continue
            t = tested.get((d, c))
            shown = [None if m not in v else grid.estimate(v[m], m) for m in (EER, AUROC, MISS, FALSE_ALARM)]
            rows.append((d, chain_name(c), c, *shown, common.gap(t), common.chance(t)))
    return Table(
        "chains", "Every chain",
        (
            Column("Detector"), Column("As shared"), Column("Chain"), Column("EER", "share"), Column("AUROC", "number"),
            Column("Real accused", "share"), Column("Fakes passed", "share"), Column("EER − clean", "points"), Column("p", "p"),
        ),
        tuple(rows),
        "p is corrected for all chains and detectors (Holm).",
    )  # fmt: skip


def _kinds(grid: Grid, detectors: Sequence[str], chains: Sequence[str], table: ScoreTable) -> Table:
    rows: list[tuple[Any, ...]] = []
    attacks = sorted({t.attack for t in grid.trials if t.label == "spoof"}, key=lambda a: (a in VOCODERS, a))
    for d in detectors:
        known = met(table, d)[1]
        for attack in attacks:
            use = np.array([t.label == "bonafide" or t.attack == attack for t in grid.trials])
            n = sum(t.attack == attack for t in grid.trials)
            kind = "copy" if attack in VOCODERS else "clone or other fake"
            areas = [_area(grid, d, c, use) for c in chains]
            clean, rest = areas[0], [a for a in areas[1:] if a is not None]
            one = len({t.speaker for t in grid.trials if t.attack == attack and t.label == "spoof"}) < 2

            def say(values: Scores, use: NDArray[np.bool_] = use, one: bool = one) -> Estimate:
                e = grid.estimate(values, AUROC, use)
                return replace(e, low=float("nan"), high=float("nan")) if one else e

            mean = say(np.mean(rest, axis=0)) if rest else None
            rows.append(
                (d, attack or "unnamed", kind, n, None if clean is None else say(clean), mean, "yes" if attack in known else "")
            )  # fmt: skip
    return Table(
        "fakes", "AUROC by kind of fake",
        (
            Column("Detector"), Column("Made by"), Column("Kind"), Column("Clips", "count"), Column("AUROC clean", "number"),
            Column("AUROC shared", "number"), Column("Met in training"),
        ),
        tuple(rows),
        "AUROC: the chance that a real recording scores above a fake one; below 0.5 the detector is inverted. No interval where all fakes of a kind are of one speaker: it cannot be told then.",
    )  # fmt: skip


def _area(grid: Grid, detector: str, condition: str, use: NDArray[np.bool_]) -> Scores | None:
    scores = grid.scores(detector, condition)
    both = use & np.isfinite(scores)
    if grid.drawn is None or not (both & grid.is_bonafide).any() or not (both & ~grid.is_bonafide).any():
        return None
    return Bootstrap(grid.drawn, scores, both).curves(["auroc"])["auroc"]


def _speakers(grid: Grid, detectors: Sequence[str], chains: Sequence[str]) -> Table:
    rows: list[tuple[Any, ...]] = []
    for d in detectors:
        threshold = grid.frozen[d].threshold
        if threshold is None:
            continue
        for speaker in sorted({t.speaker for t in grid.trials}):
            mine = np.array([t.speaker == speaker for t in grid.trials])
            row: list[Any] = [d, FIGURES.get(speaker, speaker or "unnamed")]
            for fake, wrong in ((False, lambda s, t=threshold: s < t), (True, lambda s, t=threshold: s >= t)):
                use = mine & (grid.is_bonafide != fake)
                row.append(int(use.sum()))
                for of in (chains[:1], chains[1:]):
                    shares = [_share(grid.scores(d, c)[use], wrong) for c in of]
                    known = [s for s in shares if np.isfinite(s)]
                    row.append(float(np.mean(known)) if known else None)
            rows.append(tuple(row))
    return Table(
        "speakers", "Every speaker",
        (
            Column("Detector"), Column("Speaker"), Column("Real clips", "count"), Column("accused, clean", "share"), Column("accused, shared", "share"),
            Column("Fakes", "count"), Column("passed, clean", "share"), Column("passed, shared", "share"),
        ),
        tuple(rows),
        "Shared: the mean over the chains. Without intervals: so few clips of a speaker give none.",
    )  # fmt: skip


def _share(scores: Scores, wrong: Any) -> float:
    known = scores[np.isfinite(scores)]
    return float(wrong(known).mean()) if known.size else float("nan")
