"""A toy corpus and toy detectors for tests of the engine: small, seeded, and with known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from signals import voice
from spoofproof.audio import save_audio
from spoofproof.types import Clip, Trial

DETECTORS = '''
"""Detectors of a stranger, in one file."""
import numpy as np
import spoofproof


@spoofproof.detector(rate=16_000)
def tilt(sign: str = "1") -> spoofproof.Detector:
    """Difference of energy below and above 1 kHz, in log units: a toy with a real answer."""

    def score(clips):
        out = []
        for clip in clips:
            power = np.abs(np.fft.rfft(clip.samples)) ** 2 + 1e-9
            edge = len(power) // 8
            out.append(float(sign) * float(np.log(power[:edge].mean()) - np.log(power[edge:].mean())))
        return out

    return score


@spoofproof.detector(rate=8_000)
def narrow(_: str = "") -> spoofproof.Detector:
    """Peak level of the clip at 8 kHz: shows that each detector is given its own rate."""
    return lambda clips: [float(np.abs(clip.samples).max()) + clip.rate for clip in clips]


@spoofproof.detector(rate=16_000)
def moody(_: str = "") -> spoofproof.Detector:
    """Fails on loud clips, answers NaN on quiet ones: every failure must become a row with its cause."""

    def score(clips):
        if any(np.abs(clip.samples).max() > 0.3 for clip in clips):
            raise RuntimeError("too loud for me")
        return [float("nan") if np.abs(clip.samples).max() < 0.2 else 1.0 for clip in clips]

    return score


@spoofproof.detector(rate=16_000)
def pair(_: str = "") -> spoofproof.Detector:
    """Returns both logits instead of one score: refused."""
    return lambda clips: [[0.0, 1.0] for _ in clips]
'''


def write_detectors(folder: Path) -> Path:
    """The file of toy detectors."""
    path = folder / "toy_detectors.py"
    path.write_text(DETECTORS, encoding="utf-8")
    return path


def write_corpus(folder: Path, n: int = 6, dev: int = 4, seconds: float = 1.0) -> list[Trial]:
    """n clips of each class in eval, ``dev`` of each in dev. The spoof half has a whistle at 3 kHz."""
    trials = []
    for part, count in (("dev", dev), ("eval", n)):
        for i in range(count):
            clean = voice(seconds=seconds + 0.1 * i, seed=i + 100 * (part == "dev"))
            t = np.arange(clean.samples.size) / clean.rate
            whistle = (0.02 * np.sin(2 * np.pi * 3000 * t)).astype(np.float32)
            for label, clip in (("bonafide", clean), ("spoof", Clip(clean.samples + whistle, clean.rate))):
                path = folder / part / label / f"{i}.wav"
                save_audio(clip, path)
                trials.append(
                    Trial(
                        id=f"{part}-{label}-{i}",
                        path=path,
                        label=label,  # type: ignore[arg-type]
                        speaker=f"s{i % 3}",
                        attack="whistle" if label == "spoof" else "",
                        part=part,  # type: ignore[arg-type]
                    )
                )
    return trials
