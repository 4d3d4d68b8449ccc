"""The command line as a person meets it: sentences and exit codes, no traceback, and a whole run end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from signals import voice
from spoofproof.audio import open_audio, save_audio
from toys import write_corpus, write_detectors


def spoofproof(*args: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spoofproof", *map(str, args)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        env={**os.environ, "COLUMNS": "160", **env},
    )


def refused(done: subprocess.CompletedProcess[str], *fragments: str) -> None:
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    for fragment in fragments:
        assert fragment in done.stderr, done.stderr


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV corpus with dev and eval parts."""
    folder = tmp_path_factory.mktemp("cli-corpus")
    lines = ["id,path,label,part,speaker,attack"]
    lines += [f"{t.id},{t.path},{t.label},{t.part},{t.speaker},{t.attack}" for t in write_corpus(folder)]
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder / "manifest.csv"


def test_bad_names_files_and_plans_are_sentences_with_exit_code_2(tmp_path: Path, corpus: Path) -> None:
    (tmp_path / "bad.toml").write_text("detektors = []")
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "none.csv").write_text("id,path,label\n")
    one = [line for line in corpus.read_text().splitlines() if "bonafide" not in line]
    (tmp_path / "one.csv").write_text("\n".join(one))
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "run.json").write_text("{ half")
    bench = ("bench", "--corpus", f"manifest:{corpus}", "--plan", "smoke")
    for args, fragments in [
        (("bench", "--plan", "smok"), ["unknown plan 'smok'", "Did you mean smoke"]),
        (("bench", "--plan", tmp_path / "bad.toml"), ["unknown key 'detektors'", "Did you mean detectors"]),
        (("bench", "--plan", tmp_path / "no.toml"), ["no such plan file"]),
        (("bench", "--corpus", "in-the-wyld:/x"), ["Did you mean in-the-wild"]),
        (("bench", "--corpus", f"manifest:{tmp_path}/missing.csv"), ["missing.csv"]),
        (("bench", "--corpus", f"manifest:{tmp_path}/none.csv"), ["none.csv"]),
        (("bench", "--corpus", f"manifest:{tmp_path}/one.csv", "--plan", "smoke"), ["bonafide"]),
        ((*bench, "--detector", "lfcc-gmn"), ["Did you mean lfcc-gmm"]),
        ((*bench, "--detector", "nowhere.py:x"), ["no such file"]),
        ((*bench, "--condition", "mp4@8"), ["Did you mean mp3"]),
        ((*bench, "--out", tmp_path / "used"), ["damaged"]),
        (
            (*bench, "--condition", "parametric_codec@1.2", "--out", tmp_path / "new"),
            ["2.4, 1.6, 0.8 kbit/s"],
        ),
        (("report", tmp_path), ["not a run folder"]),
        (("hear", "mp3@8", tmp_path / "text.wav", tmp_path / "o.wav"), ["cannot read"]),
        (("hear", "mp3", tmp_path / "text.wav", tmp_path / "o.wav"), ["error"]),
        (("list", "corruption"), ["Did you mean corruptions"]),
        (("show", "mp33"), ["Did you mean mp3"]),
        (("bench", "--colour"), ["No such option"]),
    ]:
        refused(spoofproof(*args, cwd=tmp_path), *fragments)
    assert not (tmp_path / "new").exists(), (
        "a level that is refused leaves a folder that refuses the right one"
    )


def test_the_built_in_corpus_says_both_ways_to_get_speech(tmp_path: Path) -> None:
    done = spoofproof("bench", cwd=tmp_path, PATH=str(tmp_path), SPOOFPROOF_CACHE=str(tmp_path / "cache"))
    refused(done, "--speech DIR", "apt-get")


@pytest.mark.parametrize("what", ["corruptions", "detectors", "metrics", "corpora", "plans"])
def test_lists_are_tables_and_json(what: str, tmp_path: Path) -> None:
    table = spoofproof("list", what, cwd=tmp_path)
    rows = json.loads(spoofproof("list", what, "--json", cwd=tmp_path).stdout)
    assert table.returncode == 0 and len(rows) >= 4
    for row in rows[:3]:
        assert row["name"] in table.stdout


def test_hear_writes_what_a_detector_would_hear(tmp_path: Path) -> None:
    save_audio(voice(seconds=1.0), tmp_path / "in.wav")
    done = spoofproof("hear", "low_pass@0.1+gaussian_noise@30", "in.wav", "out.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = open_audio(tmp_path / "out.wav").samples
    power = np.abs(np.fft.rfft(out)) ** 2
    assert power[: len(power) // 8].sum() > 20 * power[len(power) // 4 :].sum()


def test_a_whole_run_is_scored_reported_resumed_and_reported_again(tmp_path: Path, corpus: Path) -> None:
    detectors = write_detectors(tmp_path)
    args = ("bench", "--plan", "smoke", "--corpus", f"manifest:{corpus}", "--detector", f"{detectors}:tilt")
    args = (*args, "--detector", "lfcc-gmm", "--out", "run", "--resamples", 100, "--workers", 2)
    done = spoofproof(*args, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "EER" in done.stdout and "lfcc-gmm" in done.stdout
    page = (tmp_path / "run" / "report.html").read_text()
    assert "mp3" in page and "<audio" in page
    cells = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "scores").rglob("*.parquet")}
    assert len(cells) == 16
    again = spoofproof(*args, cwd=tmp_path)
    assert again.returncode == 0 and again.stdout == done.stdout
    assert {p: p.stat().st_mtime_ns for p in cells} == cells
    reported = spoofproof("report", "run", "--resamples", 100, "--out", "elsewhere", cwd=tmp_path)
    assert reported.returncode == 0 and reported.stdout == done.stdout
    refused(spoofproof(*args, "--seed", 9, cwd=tmp_path), "another experiment", "seed")
    assert {p: p.stat().st_mtime_ns for p in cells} == cells


def test_low_coverage_is_exit_code_3(tmp_path: Path, corpus: Path) -> None:
    lines = corpus.read_text().splitlines()
    lines.append(f"bad,{tmp_path}/gone.wav,spoof,eval,s,x")
    (tmp_path / "m.csv").write_text("\n".join(lines))
    args = (
        "bench",
        "--plan",
        "smoke",
        "--corpus",
        f"manifest:{tmp_path}/m.csv",
        "--detector",
        "random",
        "--condition",
        "identity",
    )
    done = spoofproof(*args, "--resamples", 50, "--min-coverage", 0.999, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "coverage below" in done.stderr and "Traceback" not in done.stderr


SLOW = '''
"""A detector that takes its time once a cell is there: the run cannot end before the key is pressed."""
import time
from pathlib import Path
import spoofproof


@spoofproof.detector(rate=16_000)
def slow(_: str = "") -> spoofproof.Detector:
    """Half a second a batch."""

    def score(clips):
        time.sleep(0.5 if list(Path("run").glob("scores/*/*.parquet")) else 0)
        return [0.0] * len(clips)

    return score
'''


def test_ctrl_c_is_a_sentence_and_everything_finished_stays(tmp_path: Path, corpus: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "spoofproof",
        "bench",
        "--plan",
        "noise",
        "--corpus",
        f"manifest:{corpus}",
    ]
    (tmp_path / "slow.py").write_text(SLOW)
    command += ["--detector", "slow.py:slow", "--out", "run", "--workers", "2"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    deadline = time.monotonic() + 90
    while not list(tmp_path.glob("run/scores/*/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "run the same command again to go on" in said and "Traceback" not in said
    assert list(tmp_path.glob("run/scores/*/*.parquet")) and not list(tmp_path.rglob("*.part"))


def test_everything_that_is_registered_can_be_shown() -> None:
    """``spoofproof show NAME`` for every corruption, detector, metric, corpus and plan: what it is, in words."""
    from spoofproof import registry
    from spoofproof.listing import describe
    from spoofproof.plan import plan_names

    kinds = (registry.corruptions, registry.detectors, registry.metrics, registry.corpora)
    for name in [*(n for kind in kinds for n in kind.names()), *plan_names()]:
        told = dict(describe(name))
        assert len(told["what"]) > 20, name
    assert dict(describe("mp3"))["levels"] == "40 32 24 16 8"
    assert "arXiv 2503.17577" in dict(describe("mp3"))["origin"]
