"""What ``detect`` hears: every container, any length in bounded memory, bad files as sentences."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from detect_toys import encode, toy_judge, whistled
from signals import voice
from spoofproof.audio import open_audio, open_blocks, resample, resample_blocks
from spoofproof.detect.inputs import expand, opened_input
from spoofproof.detect.quality import QualityMeter
from spoofproof.detect.stream import at_16k, windows
from spoofproof.errors import BadAudio, BadPlan
from spoofproof.types import Clip

WRITTEN = ("wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64", "rf64")
ENCODED = {
    "m4a": ("aac", 44_100), "mp4": ("aac", 48_000), "aac": ("aac", 44_100), "opus": ("libopus", 48_000), "webm": ("libopus", 48_000),
    "mka": ("aac", 48_000), "amr": ("libopencore_amrnb", 8_000), "avi": ("libmp3lame", 44_100),
}  # fmt: skip


def decoded(path: Path) -> Clip:
    with open_blocks(path) as blocks:
        parts = [block.mean(axis=1) for block in blocks.blocks]
    return Clip(np.concatenate(parts).astype(np.float32), blocks.rate)


def alike(one: Clip, other: Clip) -> float:
    """Correlation at the best lag within 150 ms, both at 8 kHz: containers delay, codecs blur, phases stay."""
    x, y = (resample(c, 8_000).samples.astype(float) for c in (one, other))
    n = min(x.size, y.size) - 2400
    lags = range(-1200, 1201, 1)
    size = 1 << 16
    cross = np.fft.irfft(np.fft.rfft(x[1200 : 1200 + n - 1200], size).conj() * np.fft.rfft(y, size), size)
    best = max(cross[1200 + lag] for lag in lags)
    return float(best / np.linalg.norm(x[1200:n]) / np.linalg.norm(y) * np.sqrt(y.size / max(1, n - 1200)))


@pytest.mark.parametrize("ending", WRITTEN)
def test_what_libsndfile_writes_is_heard(ending: str, tmp_path: Path) -> None:
    clip = voice(3.0, rate=44_100)
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, clip.samples, clip.rate, format=ending.upper())
    found = decoded(path)
    assert found.rate == 44_100
    assert abs(found.seconds - 3.0) < 0.06
    assert alike(clip, found) > 0.97


@pytest.mark.parametrize("ending", ENCODED)
def test_what_ffmpeg_writes_is_heard_also_beside_a_picture(ending: str, tmp_path: Path) -> None:
    codec, rate = ENCODED[ending]
    clip = voice(3.0, rate=rate)
    path = encode(clip, tmp_path / f"a.{ending}", codec, rate=rate, video=ending in {"mp4", "avi"})
    found = decoded(path)
    assert abs(found.seconds - 3.0) < 0.1
    assert alike(clip, found) > (0.5 if ending == "amr" else 0.95)  # a codec of speech keeps no phases


def test_blocks_are_what_the_whole_file_is_and_resampling_does_not_know_where_it_was_cut() -> None:
    clip = voice(5.0, rate=44_100)
    file = io.BytesIO()
    soundfile.write(file, clip.samples, clip.rate, format="WAV", subtype="FLOAT")
    with open_blocks(file) as blocks:
        joined = np.concatenate([block[:, 0] for block in blocks.blocks])
    assert np.array_equal(joined, clip.samples)
    whole = resample(clip, 16_000).samples
    for pieces in (1, 7, 441):
        parts = list(resample_blocks(iter(np.array_split(clip.samples, pieces)), 44_100, 16_000))
        assert np.array_equal(np.concatenate(parts), whole)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 700),
    st.integers(2, 60),
    st.lists(st.integers(1, 90), min_size=1, max_size=9),
    st.randoms(),
)
def test_windows_hold_every_sample_and_begin_at_multiples_of_the_hop(
    length: int, half: int, cuts: list[int], _: object
) -> None:
    x = np.arange(length, dtype=np.float32)
    blocks, at = [], 0
    while at < length:
        step = cuts[len(blocks) % len(cuts)]
        blocks.append(x[at : at + step])
        at += step
    size = 2 * half
    found = list(windows(blocks, size, half))
    count = np.zeros(length, int)
    for piece in found:
        assert np.array_equal(piece.samples, x[piece.start : piece.start + piece.samples.size])
        assert piece.samples.size == min(size, length)
        count[piece.start : piece.start + piece.samples.size] += 1
    assert count.min() >= 1 and count.max() <= 3
    assert [p.start for p in found[:-1]] == [k * half for k in range(len(found) - 1)]
    assert found[-1].start + found[-1].samples.size == length
    assert len({p.start for p in found}) == len(found)


def test_two_hours_are_heard_in_the_memory_of_a_minute() -> None:
    """Blocks are counted as they are made: no more than a few are alive at once, and memory stays where it was."""
    rate, made, seconds = 16_000, 0, 7200
    second = voice(1.0).samples

    def hours() -> Iterator[np.ndarray]:
        nonlocal made
        for _ in range(seconds):
            made += 1
            yield second

    taken = 0
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for piece in windows(hours()):
        ahead = made * rate - (piece.start + piece.samples.size)
        assert ahead <= 2 * rate
        taken += 1
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert taken == -(-(seconds * rate - 64_600) // 32_300) + 1
    assert peak < 3_000_000, f"{peak / 1e6:.1f} MB"


def test_measuring_keeps_little_of_each_hour() -> None:
    """What stays in the meters grows by less than 3 MB an hour, where an hour of samples is 230 MB."""
    some = np.tile(voice(1.0).samples, 10)
    meter = QualityMeter(16_000)
    kept = []
    tracemalloc.start()
    for _ in range(3):
        for _ in range(6):
            meter.raw(some[:, None], some)
            meter.heard(some)
        kept.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert kept[2] - kept[1] < 3e6 / 60  # a minute's share


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """name → (file, what the message says)."""
    clip = voice(3.0, rate=48_000)
    m4a = encode(clip, folder / "a.m4a", "aac", rate=48_000, movflags="faststart")
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb"}
    locked = encode(
        clip,
        folder / "locked.m4a",
        "aac",
        rate=48_000,
        **key,
        encryption_kid="a7e61c373e219033c21091fa607bf3b8",
    )
    found = {
        "missing": (folder / "gone.wav", "no such file"),
        "folder": (folder, "folder"),
        "encrypted": (locked, "encrypted"),
    }
    found["no sound"] = (
        encode(clip, folder / "mute.mp4", "", rate=48_000, video=True),
        "video without sound",
    )

    def put(name: str, content: bytes, said: str) -> None:
        path = folder / name
        path.write_bytes(content)
        found[name] = (path, said)

    for ending, said in (
        ("wav", "promises 3.0 s and it ends after 1.8 s"),
        ("flac", "damaged or cut off"),
        ("mp3", "cut off"),
        ("ogg", "cut off"),
    ):
        soundfile.write(folder / f"a.{ending}", clip.samples, clip.rate)
        content = (folder / f"a.{ending}").read_bytes()
        put(f"cut.{ending}", content[: len(content) * 6 // 10], said)
    content = m4a.read_bytes()
    put("cut.m4a", content[: len(content) * 6 // 10], "cut off")
    put("half-moov.m4a", content[:200], "no sound")
    encode(clip, folder / "a.webm", "libopus", rate=48_000)
    content = (folder / "a.webm").read_bytes()
    put("cut.webm", content[: len(content) * 6 // 10], "cut off")
    put("empty.wav", b"", "empty")
    put("text.wav", b"Dear Sir or Madam,\nplease find attached", "looks like text")
    put("zip.mp3", b"PK\x03\x04" + bytes(500), "zip archive")
    put("noise.m4a", np.random.default_rng(1).bytes(5000), "cannot read")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\n{folder / 'a.flac'}\n#EXT-X-ENDLIST\n"
    put("list.m3u8", playlist.encode(), "looks like text")
    put("ffconcat.wav", f"ffconcat version 1.0\nfile {folder / 'a.flac'}\n".encode(), "looks like text")
    broken = clip.samples.copy()
    broken[70_000] = np.nan
    for name, samples, said in (
        ("nan.wav", broken, "1 NaN or infinite samples"),
        ("zero.wav", broken[:0], "0 samples"),
    ):
        soundfile.write(folder / name, samples, 48_000, subtype="FLOAT")
        found[name] = (folder / name, said)
    soundfile.write(folder / "short.wav", clip.samples[:10_000], 48_000)
    found["short"] = (folder / "short.wav", "0.21 s long")
    soundfile.write(folder / "slow.wav", clip.samples[:500], 40)
    found["rate"] = (folder / "slow.wav", "sampling rate is 40 Hz")
    return found


def test_bad_files_are_a_sentence_each(tmp_path: Path) -> None:
    judge = toy_judge(tmp_path / "toy")
    for name, (path, said) in bad_files(tmp_path).items():
        with pytest.raises(BadAudio) as caught:
            judge.answer(path)
        message = str(caught.value)
        assert said in message, (name, message)
        assert str(path) in message, (name, message)
        assert "\n" not in message and "Errno" not in message, (name, message)


def test_a_playlist_never_opens_what_it_names(tmp_path: Path) -> None:
    """FFmpeg would follow it to any file or address; neither reader does."""
    soundfile.write(tmp_path / "secret.wav", voice(1.0).samples, 16_000)
    encode(voice(3.0), tmp_path / "secret.aac", "aac", rate=16_000)
    path = tmp_path / "list.wav"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\nsecret.aac\n#EXT-X-ENDLIST\n")
    with pytest.raises(BadAudio):
        open_audio(path)
    with pytest.raises(BadAudio):
        decoded(path)


def test_unusual_but_good_audio_is_answered(tmp_path: Path) -> None:
    judge = toy_judge(tmp_path / "toy")
    clip = voice(2.0, rate=192_000)
    eight = np.stack([clip.samples * gain for gain in np.linspace(0.2, 1.0, 8)], axis=1)
    soundfile.write(tmp_path / "eight.wav", eight, 192_000, subtype="PCM_24")
    soundfile.write(tmp_path / "bits.wav", voice(2.0, rate=8_000).samples, 8_000, subtype="PCM_U8")
    soundfile.write(tmp_path / "loud.wav", voice(2.0).samples * 1e6, 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "half.wav", voice(0.5).samples, 16_000)
    endless = bytearray((tmp_path / "half.wav").read_bytes())
    at = endless.find(b"data") + 4
    endless[at : at + 4] = b"\xff\xff\xff\xff"  # what a program writes that does not know how much will come
    (tmp_path / "piped.wav").write_bytes(endless)
    for name, rate, channels in (
        ("eight.wav", 192_000, 8), ("bits.wav", 8_000, 1), ("loud.wav", 16_000, 1), ("half.wav", 16_000, 1), ("piped.wav", 16_000, 1)
    ):  # fmt: skip
        quality = judge.answer(tmp_path / name).quality
        assert (quality.rate, quality.channels) == (rate, channels)


def test_silence_is_answered_and_nothing_is_told_of_it(tmp_path: Path) -> None:
    answer = toy_judge(tmp_path).answer(Clip(np.zeros(40_000, np.float32), 16_000))
    assert answer.verdict == "cannot tell" and answer.reasons == ("No speech was found.",)
    assert (answer.probability, answer.low, answer.high, answer.llr) == (0.5, 0.0, 1.0, 0.0)
    assert answer.spans == () and answer.quality.snr_db is None


def test_longer_than_allowed_is_refused_before_it_is_all_decoded(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.flac", np.zeros(16_000 * 600, np.float32), 16_000)
    with pytest.raises(BadAudio, match="longer than 60 s"):
        toy_judge(tmp_path / "toy").answer(tmp_path / "silence.flac", longest=60)
    with open_blocks(tmp_path / "silence.flac") as blocks:
        heard = at_16k(blocks, QualityMeter(16_000), longest=60)
        with pytest.raises(BadAudio):
            taken = 0
            for block in heard:
                taken += block.size
    assert taken < 16_000 * 80


def test_names_with_blanks_quotes_line_breaks_and_bytes(tmp_path: Path) -> None:
    judge = toy_judge(tmp_path / "toy")
    for name in (
        "a b.wav",
        'it\'s "it".flac',
        "two\nlines.wav",
        "日本語.ogg",
        "concat:x.wav",
        os.fsdecode(b"\xff\xfe.wav"),
    ):
        path = tmp_path / name
        with path.open("wb") as file:
            kind = path.suffix[1:].upper()
            soundfile.write(file, voice(1.0).samples, 16_000, format=kind)
        assert judge.answer(path).seconds == pytest.approx(1.0, abs=0.01)


def test_folders_patterns_and_files_are_expanded_once_each(tmp_path: Path) -> None:
    for name in ("b.wav", "a.mp3", "notes.txt", "in/c.MP4", "in/deep/d.opus"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    shown = [str(Path(p).relative_to(tmp_path)) for p in expand([str(tmp_path)])]
    assert shown == ["a.mp3", "b.wav", "in/c.MP4", "in/deep/d.opus"]
    assert expand([str(tmp_path / "*.wav"), str(tmp_path / "b.wav")]) == [str(tmp_path / "b.wav")]
    assert expand([str(tmp_path / "notes.txt"), "-", "gone.wav"]) == [
        str(tmp_path / "notes.txt"),
        "-",
        "gone.wav",
    ]
    with pytest.raises(BadPlan, match="nothing matches"):
        expand([str(tmp_path / "*.xyz")])
    (tmp_path / "none").mkdir()
    with pytest.raises(BadPlan, match="holds no file"):
        expand([str(tmp_path / "none")])
    for address in ("http://localhost/a.wav", "https://localhost/a.wav", "file:///a.wav"):
        with pytest.raises(BadPlan, match="--allow-url"):
            expand([address])
        assert expand([address], allow_url=True) == [address]


class _Site(BaseHTTPRequestHandler):
    sound = b""

    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
            return
        found = self.path in {"/a.wav", "/cut.wav"}
        self.send_response(200 if found else 404)
        content = self.sound if found else b"no"
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path == "/cut.wav" else content)

    def log_message(self, *_: object) -> None:
        pass


def test_addresses_are_fetched_whole_and_nothing_but_http(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, whistled(voice(2.0)).samples, 16_000, format="WAV")
    _Site.sound = file.getvalue()
    server = HTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        home = f"http://127.0.0.1:{server.server_port}"
        with opened_input(f"{home}/a.wav") as source:
            assert toy_judge(tmp_path).answer(source, "a").verdict == "likely synthetic"
        for address, said in (
            ("/gone.wav", "404"),
            ("/cut.wav", "cut off|more expected"),
            ("/elsewhere", "cannot fetch"),
        ):
            with pytest.raises(BadAudio, match=said), opened_input(home + address):
                pass
        with pytest.raises(BadAudio, match="only http"), opened_input("file:///etc/hostname"):
            pass
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_standard_input_is_read_whatever_the_container(tmp_path: Path) -> None:
    path = encode(voice(2.0, rate=48_000), tmp_path / "a.m4a", "aac", rate=48_000)
    code = (
        "from spoofproof.detect.inputs import opened_input\nfrom spoofproof.audio import open_blocks\n"
        "with opened_input('-') as source, open_blocks(source) as b: print(sum(map(len, b.blocks)) / b.rate)"
    )
    with path.open("rb") as piped:
        done = subprocess.run([sys.executable, "-c", code], stdin=piped, capture_output=True, text=True)
    assert float(done.stdout) == pytest.approx(2.0, abs=0.1), done.stderr
