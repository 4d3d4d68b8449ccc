"""Make corruptions.md, its pictures, and the command reference from the registries. Run: .venv/bin/python docs/make.py

``--check`` writes nothing and exits with 1 when a page is not what the registries say (the test suite does this).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

from signals import voice
from spoofproof import registry
from spoofproof.corrupt import corrupt
from spoofproof.report.samples import png
from spoofproof.types import CorruptionSpec

HERE = Path(__file__).parent
FAMILIES = {
    "noise": "Noise: something is added",
    "modification": "Modification: the sound itself is changed",
    "compression": "Compression and transmission: the sound is coded, sent, decoded",
    "control": "Controls: what the plumbing does by itself",
}
HEAD = """<!-- made by docs/make.py from the registry: do not edit -->
# Corruptions

Levels run from mild to severe; `name@level` applies one, `reverb@0.5+opus@16` a chain. All chance comes from a stream keyed
by (seed, trial, corruption): the levels of one corruption share their draw. A corruption works on the scoring window and the
margin it needs, keeps the sampling rate, and keeps the length unless it says otherwise. What it really did is measured in its
output and shown in the report as the *effective* level.

The picture of each: a synthetic voice, 1.5 s, 0 to 8 kHz; left before, right after, at the most severe level that runs here.
Corruptions of the paper are those of Li, Chen, Wei, *Measuring the Robustness of Audio Deepfake Detectors* (arXiv 2503.17577);
those marked `spoofproof` are our own, with levels of our choice.
"""


def page() -> Iterator[str]:
    """corruptions.md, line by line."""
    yield HEAD
    for family, title in FAMILIES.items():
        yield f"## {title}\n"
        for spec in registry.corruptions:
            if spec.family == family and "." not in spec.name:
                yield from entry(spec)
    yield "## Kinds, by name\n"
    yield "| name | levels | what |\n|---|---|---|"
    for spec in registry.corruptions:
        if "." in spec.name:
            yield f"| `{spec.name}` | {levels(spec)} | {spec.summary} |"


def entry(spec: CorruptionSpec) -> Iterator[str]:
    """One corruption: facts, docstring, picture."""
    yield f"### {spec.name}\n"
    yield f"- levels: {levels(spec)} ({spec.unit})" if spec.levels else f"- no level ({spec.unit})"
    yield f"- origin: {spec.origin}"
    if spec.measure is not None:
        sure = f", within {spec.tolerance:g} on a broadband signal" if spec.tolerance is not None else ""
        yield f"- the level is measured in the output{sure}"
    if spec.consumes is not None:
        yield "- changes the length: one second of output consumes `level` seconds of input"
    yield f"\n{inspect.getdoc(spec.run)}\n"
    if (HERE / "img" / f"{spec.name}.png").exists():
        yield f"![{spec.name}, before and after](img/{spec.name}.png)\n"


def levels(spec: CorruptionSpec) -> str:
    """The published levels as they stand after the @."""
    return " ".join(spec.show_level(level) for level in spec.levels) or "—"


def picture(spec: CorruptionSpec) -> bytes:
    """PNG of the voice before and after, side by side."""
    clean = voice(seconds=2.5, seed=3)
    out = corrupt(clean, spec.conditions()[-1], key="docs")
    size = int(1.5 * clean.rate)
    gap = np.zeros(size // 30, np.float32)
    pair = np.concatenate([clean.samples[:size], gap, out.samples[:size]])
    return png(shades(pair))


def shades(samples: np.ndarray) -> np.ndarray:
    """Spectrogram as shades, shape (160, columns), low frequencies at the bottom: 0 (60 dB down) to 23 (the loudest)."""
    hop, size = 100, 320
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop] * np.hanning(size)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames))[:, 1:] + 1e-7)
    scaled = np.clip((level - level.max() + 60) / 60, 0, 1)
    return np.ascontiguousarray((23 * scaled).round().T[::-1]).astype(np.uint8)


def main() -> int:
    """Write the pages, or compare them with --check."""
    check = "--check" in sys.argv
    if not check:
        (HERE / "img").mkdir(exist_ok=True)
        for spec in registry.corruptions:
            if "." not in spec.name and not spec.available():
                (HERE / "img" / f"{spec.name}.png").write_bytes(picture(spec))
    text = "\n".join(page()) + "\n"
    path = HERE / "corruptions.md"
    if check:
        return int(not path.exists() or path.read_text(encoding="utf-8") != text)
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
