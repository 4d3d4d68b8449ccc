"""The only file that opens audio files or changes sampling rates.

``open_audio`` decodes with libsndfile and, where that cannot, with FFmpeg's libraries; ``resample`` is soxr;
``window`` cuts what a detector hears. Nothing else in the package resamples behind anyone's back.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import BadAudio, BadPlan, RunConflict
from .types import Clip

WINDOW_SAMPLES = 64_600  # the field's window at 16 kHz, 4.0375 s (AASIST, SSL-AASIST, ASVspoof 5 baselines)
Pad = Literal["repeat", "zero", "none"]


def open_audio(source: Path | str | bytes, rate: int | None = None, seconds: float | None = None) -> Clip:
    """Decode a file, or the bytes of one, to mono float32.

    rate: resample to this rate in Hz; None keeps the file's own. seconds: stop after this much audio (from the
    start), so that an hour of audio is not read for its first four seconds. Channels are averaged.

    Raises BadAudio, with the cause, for a missing, empty, truncated or unreadable file and for NaN samples.
    """
    if isinstance(source, bytes):
        shown = f"{len(source)} bytes of audio"
    else:
        shown = str(source)
        path = Path(source)
        if not path.exists():
            raise BadAudio(f"no such file: {shown}")
        if path.is_dir():
            raise BadAudio(f"{shown} is a folder, not an audio file")
        if path.stat().st_size == 0:
            raise BadAudio(f"{shown} is an empty file (0 bytes)")
    try:
        samples, file_rate = _with_sndfile(source, seconds)
    except _Unreadable as first:
        try:
            samples, file_rate = _with_ffmpeg(source, seconds)
        except _Unreadable as second:
            raise BadAudio(f"cannot read {shown}: {first}; {second}") from None
    if samples.size == 0:
        raise BadAudio(f"{shown} holds no audio (0 samples)")
    try:
        clip = Clip(samples, file_rate)
    except BadAudio as error:
        raise BadAudio(f"{shown}: {error}") from None
    return clip if rate is None else resample(clip, rate)


def save_audio(clip: Clip, path: Path | str) -> None:
    """Write WAV (float32) or FLAC/OGG/MP3 by the ending; ``.part`` first, then renamed.

    Samples beyond ±1 survive in WAV and are clipped elsewhere. Raises BadAudio for an ending libsndfile cannot write.
    """
    import soundfile

    path = Path(path)
    kind = path.suffix.lower().lstrip(".").upper()
    kinds = soundfile.available_formats()
    if kind not in kinds:
        raise BadAudio(f"cannot write {path.name}: unknown ending {path.suffix!r}; try .wav or .flac")
    buffer = io.BytesIO()
    subtype = "FLOAT" if kind == "WAV" else None
    soundfile.write(buffer, clip.samples, clip.rate, format=kind, subtype=subtype)
    with whole_file(path) as out:
        out.write(buffer.getvalue())


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears under ``path`` only when it is whole: written beside it as ``….part``, then renamed.

    Raises RunConflict with a sentence when the disk is full or the folder cannot be written; no half file stays.
    """
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.{os.getpid()}.", suffix=".part", dir=path.parent)
        part = Path(name)
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        raise RunConflict(
            f"cannot write {path}: {error.strerror or error}. What was already written is whole; "
            "free some space (or fix the permissions) and run the same command again to go on."
        ) from error
    except BaseException:
        if part is not None:
            part.unlink(missing_ok=True)
        raise


def remove_halves(folder: Path, pids: Iterable[int | None]) -> None:
    """Remove the half files below ``folder`` of processes that are dead: they could not do it themselves."""
    for pid in pids:
        for path in folder.rglob(f"*.{pid}.*.part"):
            path.unlink(missing_ok=True)


def resample(clip: Clip, rate: int) -> Clip:
    """Band-limited resampling with soxr (HQ: linear phase, no delay). Output length ceil(T · rate / clip.rate)."""
    if rate == clip.rate:
        return clip
    if rate < 1:
        raise BadPlan(f"a sampling rate is at least 1 Hz, not {rate}")
    import soxr

    expected = -(-clip.samples.size * rate // clip.rate)
    out = soxr.resample(clip.samples, clip.rate, rate, quality="HQ")
    return Clip(fit(np.asarray(out, dtype=np.float32), expected), rate)


def fit(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Cut or zero-pad at the end to exactly ``length`` samples (codecs round to whole frames)."""
    if samples.size >= length:
        return samples[:length]
    return np.concatenate([samples, np.zeros(length - samples.size, dtype=np.float32)])


def window(clip: Clip, samples: int, pad: Pad = "repeat") -> Clip:
    """The first ``samples`` samples; a shorter clip is repeated ("repeat"), followed by zeros ("zero") or left ("none").

    The field's rule (AASIST: first 64 600 samples at 16 kHz, tiled when shorter) is the default.
    """
    x = clip.samples
    if x.size >= samples:
        return Clip(x[:samples], clip.rate)
    if pad == "repeat":
        return Clip(np.resize(x, samples), clip.rate)
    if pad == "zero":
        return Clip(fit(x, samples), clip.rate)
    return clip


class _Unreadable(Exception):
    pass


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _with_sndfile(source: Path | str | bytes, seconds: float | None) -> tuple[NDArray[np.float32], int]:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
            frames = -1 if seconds is None else int(np.ceil(seconds * file.samplerate))
            samples = file.read(frames, dtype="float32", always_2d=True)
            return samples.mean(axis=1, dtype=np.float32), int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError, OSError, TypeError) as error:
        raise _Unreadable(f"libsndfile says: {str(error).strip() or type(error).__name__}") from None


def _with_ffmpeg(source: Path | str | bytes, seconds: float | None) -> tuple[NDArray[np.float32], int]:
    import av

    try:
        with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as container:
            if not container.streams.audio:
                raise _Unreadable("FFmpeg finds no audio stream in it")
            stream = container.streams.audio[0]
            planar = None
            chunks: list[NDArray[np.float32]] = []
            total, rate = 0, 0
            for frame in container.decode(stream):
                if planar is None:
                    rate = frame.sample_rate
                    planar = av.AudioResampler(format="fltp", layout=frame.layout, rate=rate)
                for piece in planar.resample(frame):
                    mono = piece.to_ndarray().mean(axis=0, dtype=np.float32)
                    chunks.append(mono)
                    total += mono.size
                if seconds is not None and total >= seconds * rate:
                    break
    except (av.FFmpegError, ValueError, OSError) as error:
        raise _Unreadable(f"FFmpeg says: {str(error).strip() or type(error).__name__}") from None
    if not chunks:
        raise _Unreadable("FFmpeg decodes no audio from it")
    samples = np.concatenate(chunks)
    return samples if seconds is None else samples[: int(np.ceil(seconds * rate))], rate
