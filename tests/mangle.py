"""Small files in every container that is written here, and ways to damage them: what the fuzz tests feed."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import soundfile

from detect_toys import encode
from signals import voice

# name → libsndfile's format and subtype
WRITTEN = {
    "wav": ("WAV", "PCM_16"), "float.wav": ("WAV", "FLOAT"), "u8.wav": ("WAV", "PCM_U8"),
    "ulaw.wav": ("WAV", "ULAW"), "ima.wav": ("WAV", "IMA_ADPCM"), "ms.wav": ("WAV", "MS_ADPCM"),
    "gsm.wav": ("WAV", "GSM610"), "ex.wav": ("WAVEX", "PCM_24"), "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"), "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS"),
    "sf.opus": ("OGG", "OPUS"), "mp3": ("MP3", "MPEG_LAYER_III"), "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"), "caf": ("CAF", "PCM_16"), "alac.caf": ("CAF", "ALAC_16"),
    "voc": ("VOC", "PCM_16"), "nist": ("NIST", "PCM_16"),
}  # fmt: skip
# name → FFmpeg's codec, rate, whether a picture moves beside the sound
ENCODED = {
    "m4a": ("aac", 44_100, False), "aac": ("aac", 16_000, False), "opus": ("libopus", 48_000, False),
    "webm": ("libopus", 48_000, False), "mka": ("libmp3lame", 44_100, False), "mp4": ("aac", 44_100, True),
    "mkv": ("aac", 48_000, True), "mov": ("pcm_s16le", 16_000, True), "avi": ("libmp3lame", 44_100, True),
    "amr": ("libopencore_amrnb", 8_000, False), "wv": ("wavpack", 16_000, False),
    "tta": ("tta", 16_000, False), "ac3": ("ac3", 48_000, False), "flv": ("aac", 44_100, False),
    "ts": ("aac", 48_000, True), "asf": ("libmp3lame", 44_100, False), "3gp": ("aac", 44_100, False),
}  # fmt: skip


def small_files(folder: Path, seconds: float = 1.0) -> dict[str, bytes]:
    """name → a valid file with a voice of that length in it, for every container that is written here."""
    found = {}
    for name, (kind, subtype) in WRITTEN.items():
        clip = voice(seconds, rate=16_000)
        out = io.BytesIO()
        soundfile.write(out, clip.samples, clip.rate, format=kind, subtype=subtype)
        found[name] = out.getvalue()
    for name, (codec, rate, video) in ENCODED.items():
        path = folder / f"small.{name}"
        found[name] = encode(voice(seconds, rate=rate), path, codec, rate=rate, video=video).read_bytes()
        path.unlink()
    return found


def _flip(x: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 2, 8, 64))):
        x[rng.randrange(len(x))] ^= 1 << rng.randrange(8)


def _head(x: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 2, 4))):
        x[rng.randrange(min(200, len(x)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _cut(x: bytearray, rng: random.Random) -> None:
    del x[rng.choice((1, 8, len(x) - 1, rng.randrange(1, len(x)), rng.randrange(1, min(300, len(x))))) :]


def _cut_front(x: bytearray, rng: random.Random) -> None:
    del x[: rng.randrange(1, min(300, len(x)))]


def _number(x: bytearray, rng: random.Random) -> None:
    """A number of a header at its edges: sizes, counts, rates."""
    at = rng.randrange(0, min(400, max(1, len(x) - 8)))
    value = rng.choice(
        (0, 1, 2, 7, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, len(x), len(x) * 1000)
    )
    kind = rng.choice((">I", "<I", ">H", "<H", ">Q", "<Q"))
    packed = struct.pack(kind, value & (1 << 8 * struct.calcsize(kind)) - 1)
    x[at : at + len(packed)] = packed


def _chunk(x: bytearray, rng: random.Random) -> None:
    """The size of a chunk or box whose name can be read, or of one of Matroska's elements."""
    names = [
        i
        for i in range(4, min(len(x) - 8, 4000))
        if bytes(x[i : i + 4]).isalpha() or x[i] in (0x1A, 0xA3, 0xAE, 0xE1)
    ]
    at = rng.choice(names) if names else 4
    size = rng.choice((0, 1, 8, 0x7FFF_FFFF, 0x8000_0001, 0xFFFF_FFFF, rng.randrange(1 << 16)))
    before = rng.random() < 0.5  # boxes of MP4 have their size before the name, chunks of RIFF behind it
    place = at - 4 if before else at + 4
    x[place : place + 4] = struct.pack(">I" if before else rng.choice(("<I", ">I")), size)


def _double(x: bytearray, rng: random.Random) -> None:
    a = rng.randrange(len(x))
    b = min(len(x), a + rng.choice((4, 64, 512, 4096)))
    x[a:a] = x[a:b] * rng.choice((1, 2, 16))


def _drop(x: bytearray, rng: random.Random) -> None:
    a = rng.randrange(len(x))
    del x[a : a + rng.choice((1, 4, 64, 512, 4096))]
    x += b"\0" * (not x)


def _swap(x: bytearray, rng: random.Random) -> None:
    size = rng.choice((4, 32, 256, 2048))
    a, b = rng.randrange(len(x)), rng.randrange(len(x))
    one, other = bytes(x[a : a + size]), bytes(x[b : b + size])
    x[a : a + len(other)], x[b : b + len(one)] = other, one


def _fill(x: bytearray, rng: random.Random) -> None:
    a = rng.randrange(len(x))
    b = min(len(x), a + rng.choice((4, 64, 1024, len(x))))
    x[a:b] = rng.choice((b"\0", b"\xff", b"\x80")) * (b - a)


def _noise(x: bytearray, rng: random.Random) -> None:
    a = rng.randrange(len(x))
    b = min(len(x), a + rng.choice((4, 64, 1024)))
    x[a:b] = rng.randbytes(b - a)


def _tail(x: bytearray, rng: random.Random) -> None:
    x += rng.choice((b"\0" * 5000, rng.randbytes(3000), bytes(x[: min(len(x), 3000)])))


WAYS: dict[str, Callable[[bytearray, random.Random], None]] = {
    "flip": _flip, "head": _head, "cut": _cut, "cut front": _cut_front, "number": _number, "chunk": _chunk,
    "double": _double, "drop": _drop, "swap": _swap, "fill": _fill, "noise": _noise, "tail": _tail,
}  # fmt: skip


def mutant(files: dict[str, bytes], number: int, seed: int = 0) -> tuple[str, bytes]:
    """(what was done to which file, the damaged file), always the same. Files take turns."""
    rng = random.Random(f"{seed}/{number}")
    names = list(files)
    name = names[number % len(names)]
    x = bytearray(files[name])
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        way = rng.choice(list(WAYS))
        WAYS[way](x, rng)
        done.append(way)
        if len(x) < 2:
            break
    if rng.random() < 0.06:  # the beginning of one kind and the end of another
        other = files[rng.choice(names)]
        x[rng.randrange(1, len(x) + 1) :] = other[rng.randrange(len(other)) :]
        done.append("splice")
    return f"{number}: {name} {'+'.join(done)}", bytes(x)


def mutants(files: dict[str, bytes], count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """The first ``count`` mutants."""
    return (mutant(files, number, seed) for number in range(count))
