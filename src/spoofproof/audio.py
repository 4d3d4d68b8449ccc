"""The only file that opens audio files or changes sampling rates.

``open_audio`` decodes with libsndfile or FFmpeg's libraries, ``open_blocks`` a block at a time, for hours of audio in little
memory; ``resample`` is soxr; ``window`` cuts what a detector hears. Nothing else resamples behind anyone's back.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import BadAudio, BadPlan, RunConflict
from .files import Steady, looks_like, refuse_foreign, refuse_locked
from .interrupt import check
from .types import Clip

WINDOW_SAMPLES = 64_600  # the field's window at 16 kHz, 4.0375 s (AASIST, SSL-AASIST, ASVspoof 5 baselines)
Pad = Literal["repeat", "zero", "none"]

_BLOCK = 1 << 18  # numbers (frames times channels) in a block: 1 MiB
_RATES = (1_000, 768_000)  # Hz: outside of it a header is damaged, or made to hurt
_EXACT = (
    b"RIFF",
    b"RIFX",
    b"RF64",
    b"riff",
    b"FORM",
    b"fLaC",
    b".snd",
    b"caff",
    b"NIST",
)  # libsndfile decodes these
# What FFmpeg may take a file for. No playlists (hls, concat, dash, sdp …): these name further files and addresses to open.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,mp3,aac,flac,wav,w64,aiff,caf,au,amr,amrnb,amrwb,ac3,eac3,asf,avi,flv,"
    "mpegts,mpeg,ape,wv,tta,tak,mpc,mpc8,voc,gsm,loas,dsf,oma,rm,ivf,qcp,truehd,dts"
)


def open_audio(source: Path | str | bytes, rate: int | None = None, seconds: float | None = None) -> Clip:
    """Decode a file, or the bytes of one, to mono float32.

    rate: resample to this rate in Hz; None keeps the file's own. seconds: stop after this much audio (from the
    start), so that an hour of audio is not read for its first four seconds. Channels are averaged.

    Raises BadAudio, with the cause, for a missing, empty, truncated or unreadable file, for a rate that no
    recording has and for NaN samples.
    """
    if isinstance(source, bytes):
        shown = f"{len(source)} bytes of audio"
    else:
        shown = str(source)
        _require_file(Path(source), shown)
    with _opened(source, shown) as file:
        refuse_foreign(file, shown)
        try:
            samples, file_rate = _with_sndfile(source, seconds)
        except _Unreadable as first:
            try:
                samples, file_rate = _with_ffmpeg(source, seconds)
            except _Unreadable as second:
                refuse_locked(file, shown)
                kind = looks_like(file)
                raise BadAudio(f"cannot read {shown}{kind}{';' if kind else ':'} {first}; {second}") from None
    _sane(file_rate, shown)
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

    Raises RunConflict with a sentence when the disk is full or the folder cannot be written; no half file stays. Raises
    KeyboardInterrupt for what was made while a Ctrl-C went missing (``interrupt``).
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
        check()
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


@contextmanager
def _opened(source: Path | str | bytes, shown: str) -> Iterator[BinaryIO]:
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")  # noqa: SIM115
    except OSError as error:
        raise BadAudio(f"cannot read {shown}: {error.strerror or error}") from None
    with file:
        yield file


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _with_sndfile(source: Path | str | bytes, seconds: float | None) -> tuple[NDArray[np.float32], int]:
    import soundfile

    try:
        with soundfile.SoundFile(
            Steady(io.BytesIO(source)) if isinstance(source, bytes) else str(source)
        ) as file:
            frames = -1 if seconds is None else int(np.ceil(seconds * file.samplerate))
            if frames < 0 and not file.seekable():  # GSM in WAV: how much there is shows when it is read
                pieces = [file.read(_BLOCK, dtype="float32", always_2d=True)]
                while len(pieces[-1]):
                    pieces.append(file.read(_BLOCK, dtype="float32", always_2d=True))
                samples = np.concatenate(pieces)
            else:
                samples = file.read(frames, dtype="float32", always_2d=True)
            return samples.mean(axis=1, dtype=np.float32), int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError, OSError, TypeError, ValueError, MemoryError) as error:
        # The last two: a header that promises more samples than any machine holds.
        raise _Unreadable(f"libsndfile says: {str(error).strip() or type(error).__name__}") from None


def _with_ffmpeg(source: Path | str | bytes, seconds: float | None) -> tuple[NDArray[np.float32], int]:
    import av

    try:
        with (
            io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file,
            _container(file) as container,
        ):
            stream = _sound_of(container)
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
        raise _Unreadable(f"FFmpeg says: {_said(error)}") from None
    if not chunks:
        raise _Unreadable("FFmpeg decodes no audio from it")
    samples = np.concatenate(chunks)
    return samples if seconds is None else samples[: int(np.ceil(seconds * rate))], rate


@dataclass(frozen=True, slots=True)
class Blocks:
    """Audio as it is decoded. rate: in Hz. blocks: float32 arrays of shape (n, channels), n >= 1, finite, to be read once;
    they raise BadAudio, with the second at which it happened, for damage, NaN, and a file that ends early."""

    rate: int
    blocks: Iterator[NDArray[np.float32]]


@contextmanager
def open_blocks(source: Path | str | BinaryIO, shown: str = "") -> Iterator[Blocks]:
    """Decode a file a block at a time, at its own rate and with all its channels: memory does not grow with its length.

    source: a path, or an open file that can be read from any place. shown: its name in messages. WAV and its kin are
    decoded by libsndfile, everything else by FFmpeg's libraries, which know when an MP3 ends early.

    Raises BadAudio for a file that is missing, empty, encrypted, damaged, without sound, cut off before the length
    that its header promises, or that holds NaN.
    """
    shown = shown or (str(source) if isinstance(source, str | Path) else "the audio")
    if isinstance(source, str | Path):
        _require_file(Path(source), shown)
    try:
        with Path(source).open("rb") if isinstance(source, str | Path) else _left_open(source) as file:
            refuse_foreign(file, shown)
            opened = _sndfile_blocks(file, shown)
            if opened is None:
                file.seek(0)
                opened = _ffmpeg_blocks(file, shown)
            yield opened
    except OSError as error:
        raise BadAudio(f"cannot read {shown}: {error.strerror or error}") from None


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], rate: int, to: int
) -> Iterator[NDArray[np.float32]]:
    """``resample`` for audio that comes in blocks, shape (n,) each: the same filter, bounded memory.

    How the input was cut does not matter: it is cut anew, every 2^16 samples.
    """
    import soxr

    if rate == to:
        yield from (block for block in blocks if block.size)
        return
    filter_ = soxr.ResampleStream(rate, to, 1, dtype="float32", quality="HQ")
    for block in _equal_blocks(blocks, 1 << 16):
        out = filter_.resample_chunk(block)
        if out.size:
            yield np.asarray(out, dtype=np.float32)
    last = filter_.resample_chunk(np.zeros(0, np.float32), last=True)
    if last.size:
        yield np.asarray(last, dtype=np.float32)


def _equal_blocks(blocks: Iterable[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    """The same samples in blocks of ``size``; the last may be shorter."""
    waiting: list[NDArray[np.float32]] = []
    held = 0
    for block in blocks:
        waiting.append(block)
        held += block.size
        if held >= size:
            joined = np.concatenate(waiting)
            whole = held - held % size
            yield from joined[:whole].reshape(-1, size)
            waiting, held = [joined[whole:]], held - whole
    if held:
        yield np.concatenate(waiting)


@contextmanager
def _left_open(file: BinaryIO) -> Iterator[BinaryIO]:
    file.seek(0)
    yield file


def _require_file(path: Path, shown: str) -> None:
    if not path.exists():
        raise BadAudio(f"no such file: {shown}")
    if path.is_dir():
        raise BadAudio(f"{shown} is a folder, not an audio file")
    if not path.is_file():
        raise BadAudio(f"{shown} is a device or a pipe, not a file; pipe it to - (standard input) instead")
    if path.stat().st_size == 0:
        raise BadAudio(f"{shown} is an empty file (0 bytes)")


def _sndfile_blocks(file: BinaryIO, shown: str) -> Blocks | None:
    """None where libsndfile is not the one to ask."""
    import soundfile

    head = file.read(4)
    file.seek(0)
    if head not in _EXACT:
        return None
    try:
        sound = soundfile.SoundFile(Steady(file))
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        return None
    rate = _sane(int(sound.samplerate), shown)
    promised = _promised(file, sound)

    def blocks() -> Iterator[NDArray[np.float32]]:
        frames = max(1, _BLOCK // sound.channels)
        done = 0
        with sound:
            while True:
                try:
                    block = sound.read(frames, dtype="float32", always_2d=True)
                except (soundfile.SoundFileError, RuntimeError) as error:
                    raise BadAudio(f"{shown} is damaged or cut off at {done / rate:.1f} s: {error}") from None
                if not len(block):
                    break
                done += len(block)
                yield _finite(block, shown, done / rate)
        _whole(done / rate, promised, shown)

    return Blocks(rate, blocks())


def _promised(file: BinaryIO, sound: Any) -> float | None:
    """Seconds that the header promises; libsndfile itself is content with what is there. None: it promises nothing."""
    if sound.format not in {"WAV", "WAVEX"} or ("PCM" not in sound.subtype and sound.subtype != "FLOAT"):
        return float(sound.frames / sound.samplerate) if sound.format == "FLAC" else None
    size = _data_bytes(file)
    if not size or size >= 0x7FFF_0000:  # written by a program that could not know how much would come
        return None
    width = {"PCM_U8": 1, "PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4}.get(sound.subtype)
    return None if width is None else size / (width * sound.channels * sound.samplerate)


def _data_bytes(file: BinaryIO) -> int | None:
    """What the chunk "data" of a RIFF file says of its length; leaves the file where it was."""
    here = file.tell()
    try:
        file.seek(0)
        if file.read(12)[:4] != b"RIFF":
            return None
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                return size
            file.seek(size + size % 2, os.SEEK_CUR)
        return None
    finally:
        file.seek(here)


def _ffmpeg_blocks(file: BinaryIO, shown: str) -> Blocks:
    import av

    try:
        container = _container(file)
        stream = _sound_of(container)
        rate = _sane(int(stream.rate or 0), shown)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise BadAudio(
            f"cannot read {shown} as audio{looks_like(file)}; FFmpeg says: {_said(error)}"
        ) from None
    except _Unreadable as error:
        refuse_locked(file, shown)
        raise BadAudio(f"{shown}: {error}") from None
    exact = not container.format.name.startswith(("aac", "amr", "mpeg", "asf", "avi", "flv"))
    seconds = stream.duration * stream.time_base if stream.duration else (container.duration or 0) / 1e6
    promised = float(seconds) if exact and seconds > 0 else None

    def blocks() -> Iterator[NDArray[np.float32]]:
        done, planar, kind = 0, None, None
        with container:
            try:
                for frame in container.decode(stream):
                    if kind != (frame.layout.name, frame.format.name, frame.sample_rate):
                        kind = (frame.layout.name, frame.format.name, frame.sample_rate)
                        planar = av.AudioResampler(format="fltp", layout=frame.layout, rate=rate)
                    for piece in planar.resample(frame):  # type: ignore[union-attr]
                        block = np.ascontiguousarray(piece.to_ndarray().T, dtype=np.float32)
                        done += len(block)
                        if len(block):
                            yield _finite(block, shown, done / rate)
            except (av.FFmpegError, ValueError, OSError) as error:
                refuse_locked(file, shown)
                raise BadAudio(
                    f"{shown} is damaged or cut off at {done / rate:.1f} s; FFmpeg says: {_said(error)}"
                ) from None
            ended = container.format.name != "ogg" or _ogg_ends(file)
        if not done:
            raise BadAudio(f"{shown} holds no audio: FFmpeg decodes 0 samples from it")
        _whole(done / rate, promised, shown)
        if not ended:
            raise BadAudio(f"{shown} is cut off: its last page, that would end the stream, is missing")

    return Blocks(rate, blocks())


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error).strip() or type(error).__name__


def _container(file: BinaryIO) -> Any:
    """FFmpeg's view of an open file: of that file alone, whatever is written in it."""
    import av

    return av.open(Steady(file), options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "none"})


def _sound_of(container: Any) -> Any:
    if not container.streams.audio:
        video = "a video without sound" if container.streams.video else "it holds no sound"
        raise _Unreadable(f"{video}: FFmpeg finds no audio stream in it")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise _Unreadable("its sound is coded in a way that FFmpeg does not know")
    return stream


def _sane(rate: int, shown: str) -> int:
    if not _RATES[0] <= rate <= _RATES[1]:
        raise BadAudio(
            f"{shown} says that its sampling rate is {rate} Hz; expected {_RATES[0]} to {_RATES[1]} Hz"
        )
    return rate


def _finite(block: NDArray[np.float32], shown: str, seconds: float) -> NDArray[np.float32]:
    bad = int((~np.isfinite(block)).sum())
    if bad:
        raise BadAudio(f"{shown} holds {bad} NaN or infinite samples just before {seconds:.1f} s")
    return block


def _whole(seconds: float, promised: float | None, shown: str) -> None:
    """Raises BadAudio where more than a fiftieth, and more than 0.1 s, of what was promised is missing."""
    if seconds == 0:
        raise BadAudio(f"{shown} holds no audio (0 samples)")
    if promised is not None and promised - seconds > max(0.1, promised / 50):
        raise BadAudio(
            f"{shown} is cut off: its header promises {promised:.1f} s and it ends after {seconds:.1f} s; "
            "copy it again, or convert what is left to a new file"
        )


def _ogg_ends(file: BinaryIO) -> bool:
    """Whether the last page of an Ogg file has the flag "end of stream" (RFC 3533, section 6)."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - (1 << 17)))
    tail = file.read()
    at = tail.rfind(b"OggS")
    return at < 0 or len(tail) < at + 6 or bool(tail[at + 5] & 4)
