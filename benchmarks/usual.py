"""The twelve published corruptions the way they are commonly done: librosa, torch one clip at a time, codecs by file.

`usual(name)(samples, rate, level, rng) -> samples`. MP3 and Opus go through temporary files and a child process of
`ffmpeg`, as pydub does it, where that program is here; otherwise through temporary files and FFmpeg's libraries in this process,
which is kinder to them. A neural codec is left out: it is the same network either way.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Usual = Callable[[Samples, int, float, np.random.Generator], Samples]
FFMPEG = shutil.which("ffmpeg")
CODED = "ffmpeg processes" if FFMPEG else "FFmpeg's libraries, by files"


def gaussian_noise(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """numpy, float64."""
    noise = rng.normal(0, 1, x.size)
    scale = np.sqrt((x.astype(float) ** 2).mean() / (noise**2).mean() / 10 ** (level / 10))
    return (x + scale * noise).astype(np.float32)


def background_noise(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """The noise is read from its file for each clip."""
    import librosa

    noise, _ = librosa.load(_noise_file(rate), sr=rate)
    noise = np.resize(noise, x.size)
    scale = np.sqrt((x**2).mean() / (noise**2).mean() / 10 ** (level / 10))
    return (x + scale * noise).astype(np.float32)


def smooth(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """A moving average."""
    return np.convolve(x, np.ones(int(level)) / level, "same").astype(np.float32)


def echo(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """One reflection."""
    late = round(level * rate) if level < 10 else round(level * rate / 1000)
    out = x.copy()
    out[late:] += 0.5 * x[: x.size - late]
    return out


def low_pass(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """A windowed sinc by torch's conv1d, built for each clip, as julius and torchaudio do it."""
    import torch

    half = int(8 / level / 2)
    t = torch.arange(-half, half + 1, dtype=torch.float32)
    kernel = level * torch.hann_window(2 * half + 1, periodic=False) * torch.sinc(level * t)
    kernel /= kernel.sum()
    padded = torch.nn.functional.pad(torch.from_numpy(x)[None, None], (half, half), mode="replicate")
    return torch.nn.functional.conv1d(padded, kernel[None, None])[0, 0].numpy()


def high_pass(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """What the low-pass leaves."""
    return x - low_pass(x, rate, level, rng)


def pitch_shift(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """librosa.effects.pitch_shift."""
    import librosa

    return np.asarray(librosa.effects.pitch_shift(x, sr=rate, n_steps=level), dtype=np.float32)


def time_stretch(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """librosa.effects.time_stretch."""
    import librosa

    return np.asarray(librosa.effects.time_stretch(x, rate=level), dtype=np.float32)


def quantization(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """Rounded to ``level`` steps between full scales."""
    steps = level / 2
    return (np.round(x * steps) / steps).astype(np.float32)


def mp3(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """To a file and back."""
    return _by_file(x, rate, "mp3", "libmp3lame", level)


def opus(x: Samples, rate: int, level: float, rng: np.random.Generator) -> Samples:
    """To a file and back."""
    return _by_file(x, rate, "ogg", "libopus", level)


USUAL: dict[str, Usual] = {
    f.__name__: f
    for f in (
        *(gaussian_noise, background_noise, smooth, echo, low_pass, high_pass, pitch_shift, time_stretch),
        *(quantization, mp3, opus),
    )
}
_noise: dict[int, Path] = {}


def _noise_file(rate: int) -> Path:
    if rate not in _noise:
        import soundfile

        path = Path(tempfile.mkdtemp()) / "noise.wav"
        soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(10 * rate), rate)
        _noise[rate] = path
    return _noise[rate]


def _by_file(x: Samples, rate: int, ending: str, codec: str, kbps: float) -> Samples:
    import librosa
    import soundfile

    with tempfile.TemporaryDirectory() as name:
        there, coded, back = (Path(name) / f for f in ("there.wav", f"coded.{ending}", "back.wav"))
        soundfile.write(there, x, rate)
        for source, target, how in ((there, coded, codec), (coded, back, "pcm_s16le")):
            if FFMPEG:
                command = [FFMPEG, "-v", "error", "-y", "-i", source, "-ar", str(rate), "-c:a", how]
                subprocess.run([*command, "-b:a", f"{kbps:g}k", target], check=True)
            else:
                _transcode(source, target, how, rate, kbps)
        out, _ = librosa.load(back, sr=rate)
    return np.asarray(out, dtype=np.float32)


def _transcode(source: Path, target: Path, codec: str, rate: int, kbps: float) -> None:
    import av

    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        stream = writer.add_stream(codec, rate=rate, layout="mono")
        if codec != "pcm_s16le":
            stream.bit_rate = round(1000 * kbps)
        fitted = av.AudioResampler(
            format=stream.codec_context.format or "s16",
            layout="mono",
            rate=rate,
            frame_size=stream.codec_context.frame_size or 0,
        )
        for frame in reader.decode(audio=0):
            for piece in fitted.resample(frame):
                writer.mux(stream.encode(piece))
        for piece in fitted.resample(None):
            writer.mux(stream.encode(piece))
        writer.mux(stream.encode(None))
