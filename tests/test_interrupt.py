"""Ctrl-C that arrives inside a callback of a C library, where Python drops the exception: never lost, and nothing that was
made meanwhile is kept."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spoofproof.audio import save_audio, whole_file
from spoofproof.cli.console import bar
from spoofproof.detect.batch import detect_all
from spoofproof.errors import BadAudio
from spoofproof.interrupt import check, minded
from spoofproof.types import Clip
from toys import write_corpus


class Pressed(io.BytesIO):
    """Someone presses Ctrl-C while libsndfile asks this file where it stands."""

    def tell(self) -> int:
        signal.raise_signal(signal.SIGINT)
        return super().tell()


def press() -> None:
    """Ctrl-C, lost: libsndfile goes on as if nothing had been."""
    soundfile.write(Pressed(), np.zeros(16_000, np.float32), 16_000, format="FLAC")


@pytest.fixture(autouse=True)
def ctrl_c_is_pythons() -> Iterator[None]:
    """The runner's workers ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_lost_ctrl_c_ends_the_block_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    went_on = False
    with pytest.raises(KeyboardInterrupt), minded():
        press()
        went_on = True
    assert went_on, "the exception was not lost, so this shows nothing"
    assert capfd.readouterr().err == ""
    check()  # and it is not remembered beyond the block
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_blocks_in_each_other() -> None:
    """The inner one ends what it holds; the outer one remembers what was lost before."""
    with pytest.raises(KeyboardInterrupt), minded():
        press()
        with minded():
            raise ValueError("the file seems to be damaged")
    with pytest.raises(SystemExit), minded():
        with pytest.raises(KeyboardInterrupt), minded():
            press()
        with pytest.raises(KeyboardInterrupt):
            check()
        raise SystemExit(130)  # of a command that said so itself


def test_an_error_that_may_have_come_of_it_is_a_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt), minded():
        press()
        raise ValueError("the file seems to be damaged")
    with pytest.raises(ValueError, match="damaged"), minded():
        raise ValueError("the file is damaged")


def test_what_was_made_meanwhile_is_not_written(tmp_path: Path) -> None:
    clip = Clip(np.zeros(16_000, np.float32), 16_000)
    with pytest.raises(KeyboardInterrupt), minded():
        press()
        save_audio(clip, tmp_path / "made.flac")
    with pytest.raises(KeyboardInterrupt), minded(), whole_file(tmp_path / "other") as file:
        press()
        file.write(b"half")
    assert not list(tmp_path.iterdir())
    save_audio(clip, tmp_path / "made.flac")
    assert (tmp_path / "made.flac").exists()


def test_a_progress_bar_ends_what_goes_on() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), minded(), bar("bench", "trials") as update:
        for n in range(10):
            done.append(n)
            update(n, 10)
            if n == 3:
                press()
    assert done == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("damaged", [True, False])
def test_no_answer_is_given_about_a_recording_that_was_read_meanwhile(tmp_path: Path, damaged: bool) -> None:
    path = tmp_path / "one.wav"
    save_audio(Clip(np.zeros(16_000, np.float32), 16_000), path)

    class Deaf:
        def answer(self, source: object, shown: str) -> str:
            press()
            if damaged:
                raise BadAudio(f"{shown} is cut off")
            return "likely real"

    told: list[object] = []
    with pytest.raises(KeyboardInterrupt), minded():
        detect_all(Deaf(), [str(path)], tell=lambda *said: told.append(said))  # type: ignore[arg-type]
    assert told == []


def test_another_ones_handler_stays() -> None:
    heard = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    with minded():
        signal.raise_signal(signal.SIGINT)
        check()
    assert heard == [signal.SIGINT]


IN_A_FILE = """
import io, signal, soundfile
from spoofproof.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)
write = soundfile.write


def once(file, *args, **options):
    class Pressed(io.BytesIO):
        def tell(self):
            signal.raise_signal(signal.SIGINT)
            return super().tell()

    soundfile.write = write
    broken = Pressed()
    write(broken, *args, **options)
    file.write(broken.getvalue())
    print("went on")


soundfile.write = once
main()
"""
BEFORE_IT_BEGINS = """
import signal
import spoofproof.cli as cli

signal.signal(signal.SIGINT, signal.default_int_handler)
whole = cli.open_corpus


class Pressed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def once(*args, **options):
    Pressed()
    print("went on")
    return whole(*args, **options)


cli.open_corpus = once
cli.main()
"""


@pytest.mark.parametrize("pressed", [IN_A_FILE, BEFORE_IT_BEGINS], ids=["in a file", "before it begins"])
def test_a_bench_ends_where_the_key_was_pressed_and_goes_on(pressed: str, tmp_path: Path) -> None:
    """The sample to listen to that was being written is made again, not kept as it came out."""
    lines = ["id,path,label,part,speaker,attack"]
    lines += [f"{t.id},{t.path},{t.label},{t.part},{t.speaker},{t.attack}" for t in write_corpus(tmp_path)]
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    plain = "from spoofproof.cli import main; main()"
    options = ["bench", "--corpus", "manifest:manifest.csv", "--plan", "smoke", "--detector", "random"]

    def run(code: str, out: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *options, "--workers", "1", "--out", out]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env={**os.environ}
        )

    stopped = run(pressed, "run")
    assert stopped.stdout.startswith("went on"), "the exception was not lost, so this shows nothing"
    assert stopped.returncode == 130, stopped.stderr
    assert ("run the same command again to go on" in stopped.stderr) == (pressed == IN_A_FILE)
    assert "Traceback" not in stopped.stderr
    assert not list(tmp_path.glob("run/samples/*/*")) and not list(tmp_path.rglob("*.part"))
    assert run(plain, "run").returncode == 0 and run(plain, "unbroken").returncode == 0
    samples = sorted((tmp_path / "unbroken" / "samples").rglob("*.flac"))
    assert samples
    for sample in samples:
        assert (
            tmp_path / "run" / sample.relative_to(tmp_path / "unbroken")
        ).read_bytes() == sample.read_bytes()
