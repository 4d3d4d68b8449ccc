"""Results of a realistic size, made up from a seed: what the renderers are tested on without a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from spoofproof.audio import save_audio
from spoofproof.results import Aggregate, Breakdown, CellResult, Comparison, ConditionInfo, Results
from spoofproof.scores import ScoreTable, file_name
from spoofproof.types import Clip, Estimate

DETECTORS = ("lfcc-lcnn", "lfcc-gmm", "my_model.py:mine@v2.pt", "spectral-tilt", "random")
BASE = {
    "lfcc-lcnn": 0.04,
    "lfcc-gmm": 0.12,
    "my_model.py:mine@v2.pt": 0.08,
    "spectral-tilt": 0.33,
    "random": 0.5,
}
# name, family, unit, levels mild to severe, how hard the severest is
CORRUPTIONS: tuple[tuple[str, str, str, tuple[str, ...], float], ...] = (
    ("gaussian_noise", "noise", "dB SNR", ("40", "30", "20", "10", "5"), 0.9),
    ("background_noise", "noise", "dB SNR", ("40", "30", "20", "10", "5"), 0.7),
    ("smooth", "modification", "samples", ("6", "10", "14", "18", "22", "26"), 0.8),
    ("echo", "modification", "volume", ("0.1", "0.3", "0.5", "0.7", "0.9"), 0.3),
    ("high_pass", "modification", "of Nyquist", ("0.1", "0.2", "0.3", "0.4", "0.5"), 0.6),
    ("low_pass", "modification", "of Nyquist", ("0.5", "0.4", "0.3", "0.2", "0.1"), 0.95),
    ("pitch_shift", "modification", "semitones", ("0.5", "-0.5", "1", "-1", "2", "-2"), 1.0),
    ("time_stretch", "modification", "× rate", ("0.9", "1.1", "0.7", "1.3", "1.5"), 0.85),
    ("quantization", "modification", "levels", ("1024", "256", "64", "16", "4"), 0.75),
    ("reverb", "modification", "s RT60", ("0.15", "0.3", "0.5", "0.8", "1.2"), 0.65),
    ("clipping", "modification", "of peak", ("0.95", "0.8", "0.6", "0.4", "0.2"), 0.35),
    ("resample", "modification", "Hz", ("12000", "8000", "6000", "4000", "3000"), 0.9),
    ("mp3", "compression", "kbit/s", ("40", "32", "24", "16", "8"), 0.8),
    ("opus", "compression", "kbit/s", ("31", "16", "8", "4", "2", "1"), 0.7),
    ("neural_codec", "compression", "kbit/s", ("9.2", "6", "3.2"), 1.1),
    ("packet_loss", "compression", "% lost", ("2", "5", "10", "20", "30"), 0.4),
    ("telephone", "compression", "kind", ("g722", "g711", "gsm", "amr-wb", "amr-nb"), 0.8),
    ("parametric_codec", "compression", "kbit/s", ("3.2", "2.4", "1.6", "1.2", "0.8"), 1.2),
    ("identity", "control", "none", (), 0.0),
    ("pcm_transcode", "control", "none", (), 0.0),
    ("resample_control", "control", "none", (), 0.02),
    ("speed_resample", "control", "× rate", ("0.9", "1.1"), 0.3),
)
WHY = "needs the Lyra V2 weights: set SPOOFPROOF_WEIGHTS to a folder that holds them, or run: spoofproof fetch lyra"


def conditions(without: Sequence[str] = ("neural_codec",)) -> list[ConditionInfo]:
    """clean, and every condition of CORRUPTIONS; ``without``: corruptions that could not run."""
    made = [ConditionInfo("clean", "", "clean")]
    for name, family, unit, levels, _ in CORRUPTIONS:
        for i, text in enumerate(levels or ("",), 1):
            level = None if not text else float(i - 1) if text[0].isalpha() else float(text)
            off = 1.17 if name == "opus" and i > 3 else 1.002
            made.append(
                ConditionInfo(
                    name=f"{name}@{text}" if text else name,
                    corruption=name,
                    family=family,
                    unit=unit,
                    level=level,
                    index=i if text else 0,
                    effective=None if level is None or text[0].isalpha() else level * off,
                    effective_low=None if level is None or text[0].isalpha() else level * off * 0.98,
                    effective_high=None if level is None or text[0].isalpha() else level * off * 1.02,
                    distortion_db=None if family == "control" else 30.0 - 5 * i,
                    duplicate_of="opus@8" if name == "opus" and i > 3 else "",
                    status="not run" if name in without else "ok",
                    why=WHY if name in without else "",
                    origin="spoofproof" if name in ("reverb", "clipping") else "paper-2025",
                )
            )
    return made


def estimate(value: float, half: float, top: float = 1.0) -> Estimate:
    """An interval around a value, cut at 0 and ``top``."""
    return Estimate(value, max(0.0, value - half), min(top, value + half), 320, 320)


def metrics_of(eer: float, half: float, shift: float, dev: bool) -> dict[str, Estimate]:
    """Metrics that hang together: a shifted score distribution at a frozen threshold."""
    auroc = 1 - 0.5 * (2 * eer) ** 1.7 if eer <= 0.5 else 1 - eer
    found = {
        "eer": estimate(eer, half),
        "auroc": estimate(auroc, half),
        "min_dcf": estimate(min(1.0, 2.2 * eer), half),
    }
    if dev:
        miss = min(0.98, eer + shift * (1 - eer))
        passed = max(0.01, eer * (1 - 0.8 * shift))
        found |= {
            "accuracy_frozen": estimate(1 - (miss + passed) / 2, half),
            "accuracy_oracle": estimate(1 - eer, half),
            "miss_frozen": estimate(miss, half),
            "false_alarm_frozen": estimate(passed, half),
            "cllr": estimate(0.2 + 2 * eer + shift, 2 * half, top=9.0),
        }
    return found


def make(
    detectors: Sequence[str] = DETECTORS,
    *,
    dev: bool = True,
    missing: Sequence[tuple[str, str]] = (),
    extra: Sequence[ConditionInfo] = (),
    without: Sequence[str] = ("neural_codec",),
    notes: Sequence[str] = (
        "Intervals: 1000 resamples, clustered by speaker and attack (4 speakers: wide).",
    ),
) -> Results:
    """Everything a report shows. dev: False leaves out what needs development data. missing: cells not scored yet."""
    rng = np.random.default_rng(7)
    of = [*conditions(without), *extra]
    hard = {name: h for name, *_, h in CORRUPTIONS}
    n_levels = {name: max(1, len(levels)) for name, _, _, levels, _ in CORRUPTIONS}
    cells: dict[tuple[str, str], CellResult] = {}
    for d, detector in enumerate(detectors):
        base = BASE.get(detector, 0.1)
        for c in of:
            if c.status != "ok" or (detector, c.name) in missing:
                continue
            share = max(c.index, 1) / n_levels.get(c.corruption, 1) if c.corruption else 0.0
            reach = hard.get(c.corruption, 0.3) * share * (0.25 + 0.12 * d)
            eer = base + (0.52 - base) * min(1.05, reach) + float(rng.normal(0, 0.012))
            eer = min(0.58, max(0.005, eer))
            ok = not (detector == "lfcc-gmm" and c.name == "time_stretch@1.5")
            cells[detector, c.name] = CellResult(
                detector,
                c.name,
                metrics_of(eer, 0.03 + 0.05 * eer, min(0.7, 0.8 * reach), dev),
                {}
                if c.name == "clean"
                else {"eer": Estimate(eer - base, eer - base - 0.03, eer - base + 0.03, 320, 320)},
                1.0 if ok else 0.971875,
                "" if ok else "18 trials failed: the clip is shorter than one frame",
            )
    aggregates = {
        (d, name): Aggregate(d, name, metrics)
        for d in detectors
        for name in ("all", *(c[0] for c in CORRUPTIONS if c[1] != "control"))
        if (metrics := mean_of(d, name, of, cells))
    }
    order = sorted(detectors, key=lambda d: overall_of(aggregates, d))
    pairs = [(a, b) for i, a in enumerate(detectors) for b in detectors[i + 1 :]]
    comparisons = []
    for a, b in pairs:
        gap = overall_of(aggregates, a) - overall_of(aggregates, b)
        p = math.exp(-abs(gap) * 90)
        comparisons.append(
            Comparison(
                a,
                b,
                "all",
                "eer",
                Estimate(gap, gap - 0.03, gap + 0.03, 320, 320),
                p,
                min(1.0, p * len(pairs)),
            )
        )
    return Results(
        record=record(detectors, of),
        detectors=list(detectors),
        conditions=of,
        cells=MappingProxyType(cells),
        aggregates=MappingProxyType(aggregates),
        comparisons=comparisons,
        breakdowns=breakdowns(detectors, of, cells),
        ranks={
            d: Estimate(i, max(1, i - (i > 2)), min(len(order), i + (1 < i < 4)), 320, 320)
            for i, d in enumerate(order, 1)
        },
        relative_error={
            d: estimate(overall_of(aggregates, d) / overall_of(aggregates, detectors[-1]), 0.05, 9.0)
            for d in detectors
        },
        reference=detectors[-1],
        thresholds={d: 0.1 * i for i, d in enumerate(detectors)} if dev else {},
        notes=notes,
    )


def overall_of(aggregates: dict[tuple[str, str], Aggregate], detector: str) -> float:
    """Mean EER over everything, 0.5 where nothing was scored."""
    found = aggregates.get((detector, "all"))
    return found.metrics["eer"].value if found else 0.5


def mean_of(
    detector: str, name: str, of: Sequence[ConditionInfo], cells: dict[tuple[str, str], CellResult]
) -> dict[str, Estimate]:
    """Plain means; half the width of the interval is a made-up 0.02."""
    counted = [
        cells[detector, c.name].metrics
        for c in of
        if (detector, c.name) in cells
        and not c.duplicate_of
        and (c.corruption == name or (name == "all" and c.family not in ("clean", "control", "chain")))
    ]
    if not counted:
        return {}
    return {
        key: estimate(float(np.mean([m[key].value for m in counted])), 0.02, 9.0 if key == "cllr" else 1.0)
        for key in counted[0]
    }


def breakdowns(
    detectors: Sequence[str], of: Sequence[ConditionInfo], cells: dict[tuple[str, str], CellResult]
) -> list[Breakdown]:
    """The mildest level with an EER above 0.25."""
    made = []
    for d in detectors:
        for name, family, *_ in CORRUPTIONS:
            if family == "control":
                continue
            over = [
                c
                for c in of
                if c.corruption == name
                and (d, c.name) in cells
                and cells[d, c.name].metrics["eer"].value > 0.25
            ]
            made.append(
                Breakdown(d, name, "eer", 0.25, over[0].level if over else None, over[0].name if over else "")
            )
    return made


def record(detectors: Sequence[str], of: Sequence[ConditionInfo]) -> dict[str, Any]:
    """A run's record, in the shape that the bench writes."""
    return {
        "format": 1,
        "plan": "default",
        "summary": "18 corruptions at every published level",
        "seed": 2025,
        "window": {"rate": 16000, "samples": 64600, "pad": "repeat"},
        "listen": {"measured": 8, "samples": 1},
        "conditions": [c.name for c in of],
        "detectors": {
            d: {"summary": "A detector.", "card": {"data": "train part", "EER": 0.12}, "identity": "ab" * 32}
            for d in detectors
        },
        "corpus": {
            "name": "builtin",
            "facts": {
                "speech": "Debian voice prompts in five languages",
                "generators": {"world": 60, "griffin-lim": 60, "lpc": 60, "espeak-ng": 80},
                "limits": "Four professional voices and old synthesis: it shows how a detector bends under corruption, "
                "not how well it does on today's fakes.",
            },
            "audit": {
                "trials": 900,
                "opened": 900,
                "scope": "eval",
                "counts": [
                    {"part": "eval", "label": "bonafide", "trials": 320, "speakers": 4},
                    {"part": "eval", "label": "spoof", "trials": 320, "speakers": 4},
                ],
                "shortcuts": [
                    {
                        "feature": "duration",
                        "unit": "s",
                        "auroc": 0.52,
                        "strength": 0.52,
                        "low": 0.47,
                        "high": 0.57,
                        "flagged": False,
                    }
                ],
                "classifier": {
                    "auroc": 0.53,
                    "low": 0.48,
                    "high": 0.58,
                    "flagged": False,
                    "grouped_by": "pair",
                    "groups": 160,
                },
                "warnings": ["speaker explains 12% of the label (8% by chance): compare within it"],
                "missing": 0,
            },
            "digest": "c0ffee" * 10 + "abcd",
            "trials": 900,
            "counts": [
                {"part": "dev", "label": "bonafide", "trials": 130},
                {"part": "dev", "label": "spoof", "trials": 130},
                {"part": "eval", "label": "bonafide", "trials": 320},
                {"part": "eval", "label": "spoof", "trials": 320},
            ],
            "speakers": 4,
            "attacks": 6,
            "languages": ["en", "es", "fr", "it", "ru"],
        },
        "made": {
            "at": "2026-11-23T05:00:00+00:00",
            "spoofproof": "0.1.0",
            "revision": "abc1234",
            "python": "3.11.2",
            "machine": "Linux x86_64",
            "packages": {"numpy": "2.3.0", "scipy": "1.16.0"},
        },
    }


def table_of(results: Results) -> ScoreTable:
    """A ScoreTable beside the Results: its record and no cells (the renderers take numbers from Results alone)."""
    return ScoreTable(results.record, (), MappingProxyType({}), MappingProxyType({}))


def write_samples(
    run: Path, results: Results, names: Sequence[str] = ("bonafide-a", "spoof-b"), seconds: float = 3.0
) -> None:
    """Clips to listen to under every condition that ran: a chord with more noise at each level."""
    t = np.arange(int(16000 * seconds)) / 16000
    for k, name in enumerate(names):
        tone = sum(
            np.sin(2 * np.pi * f * (1 + 0.02 * np.sin(2 * np.pi * 3 * t)) * t) / f * 100
            for f in (180 + 40 * k, 620, 1900)
        )
        rng = np.random.default_rng(k)
        noise = rng.normal(size=t.size)
        for c in results.conditions:
            if c.status == "ok":
                x = 0.2 * tone + 0.01 * c.index * noise
                save_audio(
                    Clip(np.clip(x, -1, 1).astype(np.float32), 16000),
                    run / "samples" / file_name(c.name) / f"{file_name(name)}.flac",
                )
