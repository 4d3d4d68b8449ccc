"""Damaged files of every container, decoded: sound or a sentence, never a crash, a hang or a leak.

SPOOFPROOF_FUZZ=20 makes twenty times as many; SPOOFPROOF_FUZZ_SEED makes others.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import select
import struct
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mangle
from detect_toys import encode, toy_judge, write
from signals import voice
from spoofproof.audio import open_audio, open_blocks
from spoofproof.errors import BadAudio

MANY = float(os.environ.get("SPOOFPROOF_FUZZ", "1"))
SEED = int(os.environ.get("SPOOFPROOF_FUZZ_SEED", "0"))
DIRECT, CLOSED_OFF = int(259 * MANY), int(74 * MANY)  # mutants; a multiple of the kinds
HANG = 60.0  # seconds for one file, on a machine that is busy
GROWTH = 60_000_000  # bytes that a process may gain once it has met every kind
PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="what a process holds is read from /proc")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return mangle.small_files(tmp_path_factory.mktemp("seeds"), 0.7)


class Child:
    """The process that decodes; a new one where it has died."""

    def __init__(self, folder: Path) -> None:
        self.temporary, self.said = folder / "temporary", folder / "said"
        self.temporary.mkdir()
        self._folder = folder
        self.start()

    def start(self) -> None:
        here = Path(__file__).parent
        env = os.environ | {"TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1"}
        env["PYTHONPATH"] = os.pathsep.join([str(here), *filter(None, sys.path)])
        with self.said.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, str(here / "decode_child.py"), str(self._folder / "toy")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=env, text=True, bufsize=1,
            )  # fmt: skip
        self._line(5 * HANG)  # its libraries are loaded

    def _line(self, seconds: float) -> str:
        process = self._process
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        assert ready, f"it hangs for {seconds} s"
        line = process.stdout.readline()
        assert line, f"the process died: {process.wait(10)}; {self.said.read_text()[-1500:]}"
        return line

    def ask(self, path: Path, *, all_ways: bool = True) -> dict[str, Any]:
        """What came of a file; all_ways: also of judging it. Raises AssertionError where it dies or hangs."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(path), all_ways]) + "\n")
        found: dict[str, Any] = json.loads(self._line(HANG))
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    found = Child(tmp_path_factory.mktemp("child"))
    yield found
    found.close()


def sentence(text: str) -> bool:
    """Whether a person can read it: one line, of some length, of characters that a terminal shows."""
    return len(text) > 15 and text.isprintable()


@needs_proc
def test_whole_files_of_every_container_are_heard_by_every_way(
    seeds: dict[str, bytes], child: Child, tmp_path: Path
) -> None:
    for name, content in seeds.items():
        path = tmp_path / f"whole.{name}"
        path.write_bytes(content)
        assert child.ask(path)["said"] == dict.fromkeys(("path", "bytes", "blocks", "judge"), "ok"), name
        assert open_audio(path).seconds == pytest.approx(0.7, abs=0.1), name


@needs_proc
def test_damaged_files_are_sound_or_a_sentence(seeds: dict[str, bytes], child: Child, tmp_path: Path) -> None:
    wrong, outcomes, held = [], Counter[str](), []
    path = tmp_path / "mutant"
    for number, (what, content) in enumerate(mangle.mutants(seeds, DIRECT, SEED)):
        path.write_bytes(content)
        try:
            found = child.ask(path, all_ways=number % 4 == 0)
        except AssertionError as error:
            wrong.append((what, str(error)))
            child.close()
            child.start()
            assert len(wrong) < 3, wrong
            held.clear()
            continue
        for way, said in found["said"].items():
            kind, _, text = said.partition(": ")
            outcomes[kind] += 1
            if kind == "failed" or (kind == "refused" and not sentence(text)):
                wrong.append((what, f"{way}: {said}"))
        if found["held"] and number >= 2 * len(seeds):
            held.append(found["held"])
    assert not wrong, "\n".join(map(str, wrong[:15])) + f"\n{len(wrong)} in all"
    assert min(outcomes["ok"], outcomes["refused"]) > DIRECT / 2, outcomes
    assert held[-1]["files"] == held[0]["files"]
    assert held[-1]["bytes"] - held[0]["bytes"] < GROWTH, (held[0], held[-1])
    assert list(child.temporary.iterdir()) == []
    assert "Traceback" not in child.said.read_text()


@needs_proc
def test_the_process_that_is_closed_off_survives_them_all(seeds: dict[str, bytes], tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs the extra web")
    from spoofproof.web.process import Worker
    from spoofproof.web.settings import Settings

    name, table = write(tmp_path / "toy")
    sent, made = tmp_path / "sent", tmp_path / "made"
    wrong, outcomes, held = [], Counter[str](), []

    async def all_of_them() -> None:
        worker = Worker(Settings(tmp_path, detector=name, table=table), "0")
        await worker.start()
        first = worker.pid
        try:
            for number, (what, content) in enumerate(mangle.mutants(seeds, CLOSED_OFF, SEED + 1)):
                sent.write_bytes(content)
                options = {"max_seconds": 60.0, "condition": "clean"}
                task = "corrupt" if number % 3 == 0 else "detect"
                reply = await worker.run(task, options, source=sent, out=made, seconds=HANG)
                (kind,) = reply.keys() - {"status"}
                outcomes[kind] += 1
                if kind not in {"ok", "refused"} or (kind == "refused" and not sentence(reply[kind])):
                    wrong.append((what, reply))
                if str(tmp_path) in json.dumps(reply):
                    wrong.append((what, "it tells a path", reply))
                if kind == "ok" and task == "corrupt":
                    assert open_audio(made).seconds <= 60
                if number >= len(seeds):
                    of = PROC / str(worker.pid)
                    held.append(
                        (int((of / "statm").read_text().split()[1]), len(list((of / "fd").iterdir())))
                    )
            assert worker.pid == first and worker.restarts == 0, "it had to be replaced"
            assert [list(folder.iterdir()) for folder in (tmp_path / "workers").iterdir()] == [[]]
        finally:
            await worker.stop()

    asyncio.run(all_of_them())
    assert not wrong, "\n".join(map(str, wrong[:15])) + f"\n{len(wrong)} in all"
    assert min(outcomes["ok"], outcomes["refused"]) > CLOSED_OFF / 6, outcomes
    assert held[-1][1] == held[0][1]
    assert (held[-1][0] - held[0][0]) * os.sysconf("SC_PAGE_SIZE") < GROWTH, (held[0], held[-1])


# --- headers that lie, each of which once was more than a sentence ------------------------------------------


def wav(rate: int = 16_000, size: int | None = None, format_: int = 1) -> bytes:
    """A WAV of 16 bits that says what it is told to say."""
    pcm = b"\1\0" * 16_000
    head = struct.pack("<HHIIHH", format_, 1, rate, 2 * rate % (1 << 32), 2, 16)
    chunks = (
        b"fmt "
        + struct.pack("<I", 16)
        + head
        + b"data"
        + struct.pack("<I", len(pcm) if size is None else size)
    )
    return b"RIFF" + struct.pack("<I", 36 + len(pcm)) + b"WAVE" + chunks + pcm


@pytest.mark.parametrize("rate", [0, 1, 999, 768_001, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_rates_that_no_recording_has_are_refused_by_both_readers(rate: int, tmp_path: Path) -> None:
    """A second at 1 Hz is 16 000 s of zeros and ones at 16 kHz to whoever resamples it."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav(rate))
    with pytest.raises(BadAudio):
        open_audio(path)
    with pytest.raises(BadAudio), open_blocks(path) as blocks:
        list(blocks.blocks)


def test_sound_of_an_unknown_coding_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(format_=0x4D4D))
    for act in (lambda: open_audio(path), lambda: toy_judge(tmp_path / "toy").answer(path)):
        with pytest.raises(BadAudio, match="coded in a way that FFmpeg does not know"):
            act()


def test_a_flac_that_promises_a_hundred_hours_is_no_reason_for_a_hundred_gigabytes(
    seeds: dict[str, bytes], tmp_path: Path
) -> None:
    content = bytearray(seeds["flac"])
    content[21] |= 0x0F  # STREAMINFO: 36 bits of samples in the stream
    content[22:26] = b"\xff" * 4
    clip = open_audio(bytes(content))
    assert clip.seconds == pytest.approx(0.7, abs=0.01)
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    with pytest.raises(BadAudio, match=r"cut off|damaged"):
        toy_judge(tmp_path / "toy").answer(path)


def test_gsm_in_wav_is_read_to_its_end_with_and_without_a_limit(seeds: dict[str, bytes]) -> None:
    """libsndfile cannot seek in it, and so cannot say how long it is."""
    whole, limited = open_audio(seeds["gsm.wav"]), open_audio(seeds["gsm.wav"], seconds=9.0)
    assert whole.samples.tobytes() == limited.samples.tobytes() and whole.seconds == pytest.approx(
        0.7, abs=0.05
    )


# --- what is encrypted --------------------------------------------------------------------------------------


def locked_zip(content: bytes) -> bytes:
    """A zip with one file in it under the password "open", by PKWARE's traditional cipher (APPNOTE, 6.1)."""
    table = [_crc_entry(n) for n in range(256)]
    keys = [0x1234_5678, 0x2345_6789, 0x3456_7890]

    def turn(byte: int) -> None:
        keys[0] = keys[0] >> 8 ^ table[(keys[0] ^ byte) & 0xFF]
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134_775_813 + 1) & 0xFFFF_FFFF
        keys[2] = keys[2] >> 8 ^ table[(keys[2] ^ keys[1] >> 24) & 0xFF]

    def locked(byte: int) -> int:
        mask = (keys[2] | 2) & 0xFFFF
        turn(byte)
        return byte ^ (mask * (mask ^ 1) >> 8 & 0xFF)

    for byte in b"open":
        turn(byte)
    crc = zlib.crc32(content)
    body = bytes(map(locked, [*random.Random(1).randbytes(11), crc >> 24, *content]))
    name = b"a.wav"
    common = struct.pack("<HHHHHIIIHH", 20, 1, 0, 0, 0x21, crc, len(body), len(content), len(name), 0)
    local = b"PK\3\4" + common + name + body
    central = b"PK\1\2\x14\0" + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def _crc_entry(n: int) -> int:
    for _ in range(8):
        n = n >> 1 ^ (0xEDB8_8320 if n & 1 else 0)
    return n


ARMOUR = (
    b"-----BEGIN PGP MESSAGE-----\n\nhQEMA0vV2Zk8b3fTAQf/Zm9vYmFyYmF6\n=abcd\n-----END PGP MESSAGE-----\n"
)


def test_encrypted_files_are_said_to_be_encrypted(tmp_path: Path) -> None:
    sound = wav()
    archive = locked_zip(sound)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:  # it is one, and opens with its password alone
        assert opened.read("a.wav", b"open") == sound
        with pytest.raises(RuntimeError, match="encrypted"):
            opened.read("a.wav")
    clip, key = voice(1.0, rate=44_100), "76a6c65c5ea762046bd749a2e632ccbb"
    locked = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": key[::-1]}
    cenc = encode(clip, tmp_path / "locked.m4a", "aac", rate=44_100, **locked).read_bytes()
    enca = bytearray(encode(clip, tmp_path / "a.m4a", "aac", rate=44_100).read_bytes())
    at = enca.find(b"mp4a", enca.find(b"stsd"))
    enca[at : at + 4] = b"enca"  # the sample entry of protected sound (ISO/IEC 14496-12, 8.12)
    at, size = enca.find(b"mdat"), int.from_bytes(enca[enca.find(b"mdat") - 4 : enca.find(b"mdat")])
    enca[at + 4 : at - 4 + size] = random.Random(3).randbytes(size - 8)
    judge = toy_judge(tmp_path / "toy")
    noise = random.Random(2).randbytes(4000)
    for name, content, said in (
        ("zip.wav", archive, "a zip archive that is locked with a password"),
        ("cenc.m4a", cenc, "is encrypted"),
        ("enca.m4a", bytes(enca), "is encrypted"),
        ("armour.wav", ARMOUR, "encrypted with PGP"),
        ("pgp.mp3", b"\x85\x01\x0c\x03" + noise, "encrypted with PGP"),
        ("openssl.wav", b"Salted__" + noise, "encrypted with OpenSSL"),
        ("age.flac", b"age-encryption.org/v1\n-> X25519 x\n" + noise, "encrypted with age"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        for act in (lambda: open_audio(path), lambda: judge.answer(path)):  # noqa: B023
            with pytest.raises(BadAudio) as caught:
                act()
            message = str(caught.value)
            assert said in message and str(path) in message and sentence(message), message
