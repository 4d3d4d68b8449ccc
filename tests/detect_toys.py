"""What the tests of ``spoofproof detect`` share: a detector with a known answer, its table, and files in every container."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np

from spoofproof import registry
from spoofproof.detect.axes import AXES
from spoofproof.detect.judge import Judge
from spoofproof.detect.table import Cell, Rate, Table
from spoofproof.types import Clip

DETECTOR = '''
"""A toy: bona fide unless it whistles."""
import numpy as np
import spoofproof


@spoofproof.detector(rate=16_000)
def whistle(_: str = "") -> spoofproof.Detector:
    """4 without a whistle at 3 kHz, -4 with one: the share of the power within 20 Hz of it decides."""

    def score(clips):
        out = []
        for clip in clips:
            power = np.abs(np.fft.rfft(clip.samples * np.hanning(clip.samples.size))) ** 2
            hz = np.fft.rfftfreq(clip.samples.size, 1 / clip.rate)
            near = power[abs(hz - 3000) < 20].mean()
            beside = power[(abs(hz - 3000) > 60) & (abs(hz - 3000) < 200)].mean()
            out.append(-4.0 if near > 30 * beside + 1e-9 else 4.0)
        return out

    return score
'''


def table(
    detector: str = "toy", *, clear: float = 1.0, bad: dict[str, tuple[int, ...]] | None = None
) -> Table:
    """llr = score / 2. All cells usable but those of ``bad``, axis → indices; errors of 10 and 20 percent everywhere."""
    cells = []
    for axis in AXES:
        for k, (low, high) in enumerate(zip(axis.edges[:-1], axis.edges[1:], strict=True)):
            usable = k not in (bad or {}).get(axis.name, ())
            rates = Rate(0.1, 0.05, 0.2, 100), Rate(0.2, 0.1, 0.3, 50)
            cells.append(Cell(axis.name, low, high, usable, *rates))
    lines = tuple((0.5 + 0.01 * k, 0.01 * k) for k in range(-5, 6))
    return Table(detector, "", 0.5, 0.0, lines, clear, 1.0, tuple(cells), (), {"part": "dev"})


def write(folder: Path, **options: object) -> tuple[str, Path]:
    """(name of the toy detector, its table's file)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy.py").write_text(DETECTOR, encoding="utf-8")
    name = f"{folder / 'toy.py'}:whistle"
    file = folder / "table.json"
    file.write_text(json.dumps(table(name, **options).to_dict()), encoding="utf-8")  # type: ignore[arg-type]
    return name, file


def toy_judge(folder: Path, prior: float = 0.5, **options: object) -> Judge:
    """The toy, ready to answer."""
    name, _ = write(folder, **options)
    spec = registry.detectors[name]
    return Judge(name, spec, spec.make(), table(name, **options), prior)  # type: ignore[arg-type]


def whistled(clip: Clip, start: float = 0.0, end: float = 1e9) -> Clip:
    """With a whistle at 3 kHz from start to end, in seconds."""
    t = np.arange(clip.samples.size) / clip.rate
    sound = 0.05 * np.sin(2 * np.pi * 3000 * t) * ((t >= start) & (t < end))
    return clip.replace(clip.samples + sound)


def encode(clip: Clip, path: Path, codec: str, *, rate: int, video: bool = False, **options: str) -> Path:
    """Write with FFmpeg's libraries; video: with a moving picture beside the sound."""
    whole = av.AudioFrame.from_ndarray(
        (clip.samples * 32767).astype(np.int16)[None], format="s16", layout="mono"
    )
    whole.sample_rate = clip.rate
    with av.open(str(path), "w", options=options) as container:
        if video:
            moving = container.add_stream("mpeg4", rate=10)
            moving.width = moving.height = 32
            moving.pix_fmt = "yuv420p"
        sound = container.add_stream(codec, rate=rate, layout="mono") if codec else None
        if video:
            for _ in range(int(clip.seconds * 10)):
                picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                container.mux(moving.encode(picture))
            container.mux(moving.encode(None))
        if sound is not None:
            context = sound.codec_context
            if not context.is_open:
                context.open()
            size = context.frame_size or 1024
            convert = av.AudioResampler(format=context.format, layout="mono", rate=rate, frame_size=size)
            for frame in [*convert.resample(whole), *convert.resample(None)]:
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path
