"""Types, registry, streams, plans and audio: what everything else leans on."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals import tone, voice
from spoofproof import registry
from spoofproof.audio import open_audio, resample, save_audio, whole_file, window
from spoofproof.corrupt import corrupt, seconds_needed
from spoofproof.errors import BadAudio, BadPlan, MissingPart, RunConflict, SpoofproofError, UnknownName
from spoofproof.plan import Plan, expand, plan_names
from spoofproof.registry import Registry
from spoofproof.scores import Cell, digest_of, file_name, read_cell, read_trials, write_cell, write_trials
from spoofproof.streams import stream
from spoofproof.types import Clip, Condition, MetricSpec, Ref, Trial


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), "empty"),
        (np.array([0, np.nan], np.float32), "1 NaN"),
        (np.array([np.inf], np.float32), "infinite"),
        (np.zeros((2, 2), np.float32), "shape"),
        (np.zeros(4), "float64"),
    ],
)
def test_a_clip_refuses_what_is_not_mono_finite_float32(samples: np.ndarray, message: str) -> None:
    with pytest.raises(BadAudio, match=message):
        Clip(samples, 16_000)


@pytest.mark.parametrize("text", ["clean", "mp3@8", "reverb@0.5+opus@12", "identity"])
def test_conditions_survive_the_round_trip(text: str) -> None:
    assert str(Condition.parse(text)) == text


def test_a_reference_splits_at_the_first_at() -> None:
    assert Ref.parse("my.py:det@run@2.pt") == Ref("my.py:det", "run@2.pt")
    with pytest.raises(BadPlan, match="names nothing"):
        Ref.parse("@8")


def test_unknown_names_come_with_suggestions() -> None:
    with pytest.raises(UnknownName, match="Did you mean gaussian_noise"):
        registry.corruptions["gausian_noise"]


def test_a_name_is_taken_once() -> None:
    fresh: Registry[MetricSpec] = Registry("metric", "spoofproof.metrics")
    spec = MetricSpec("same", lambda **_: 0.0, "lower", "ranks", "x")
    fresh.add(spec, "here")
    with pytest.raises(SpoofproofError, match="'same' of there has the name of one from here"):
        fresh.add(spec, "there")
    with pytest.raises(SpoofproofError, match="cannot name"):
        fresh.add(MetricSpec("a+b", lambda **_: 0.0, "lower", "ranks", "x"), "there")


def test_a_file_brings_its_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import spoofproof\n"
        "@spoofproof.corruption(family='noise', unit='dB', levels=[1, 2])\n"
        "def hum_of_mine(clip, level, rng):\n"
        "    'Adds a hum that I made.'\n"
        "    return clip.replace(clip.samples + 0.01 * level)\n"
    )
    assert expand(f"{file}:hum_of_mine@2.0") == [f"{file}:hum_of_mine@2"]
    assert expand(f"{file}:hum_of_mine@*") == [f"{file}:hum_of_mine@1", f"{file}:hum_of_mine@2"]
    assert "hum_of_mine" not in registry.corruptions  # a file's names are its own: two files may use the same
    assert registry.corruptions[f"{file}:hum_of_mine"].levels == (1.0, 2.0)
    with pytest.raises(UnknownName, match="It registers: hum_of_mine"):
        registry.corruptions[f"{file}:other"]
    with pytest.raises(BadPlan, match="no such file"):
        registry.corruptions[f"{tmp_path}/none.py:x"]
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(SpoofproofError, match="ZeroDivisionError"):
        registry.corruptions[f"{tmp_path}/broken.py:x"]


def test_a_plug_in_package_is_found_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "stranger.py").write_text(
        "import spoofproof\n"
        "@spoofproof.metric(better='lower')\n"
        "def strange(*, bonafide, spoof):\n"
        "    'A metric from another package, for the test.'\n"
        "    return 0.5\n"
    )
    info = tmp_path / "stranger-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[spoofproof]\nstranger = stranger\n")
    code = "from spoofproof import registry; print('strange' in registry.metrics)"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "True"


def test_streams_depend_on_their_keys_and_on_nothing_else() -> None:
    draw = stream(1, "trial", "noise").standard_normal(4)
    assert np.array_equal(draw, stream(1, "trial", "noise").standard_normal(4))
    others = [
        stream(2, "trial", "noise"),
        stream(1, "tria", "lnoise"),
        stream(1, "trial", "noise", ""),
        stream(1, "trial"),
    ]
    for other in others:
        assert not np.array_equal(draw, other.standard_normal(4))


@given(st.text(min_size=1, max_size=300))
def test_any_name_is_one_path_component(name: str) -> None:
    safe = file_name(name)
    assert "/" not in safe and "\0" not in safe and len(safe.encode()) <= 200


def test_trials_and_cells_survive_the_round_trip(tmp_path: Path) -> None:
    trials = (
        Trial("a b/ü", Path("x y.wav"), "spoof", attack="A1", attributes={"codec": "mp3"}),
        Trial("b", Path("z"), "bonafide"),
    )
    write_trials(tmp_path / "t.parquet", trials)
    assert read_trials(tmp_path / "t.parquet") == trials
    assert digest_of(trials) != digest_of(trials[::-1])
    cell = Cell(("a", "b"), np.array([0.1 + 0.2, np.nan]), ("ok", "error: why"))
    write_cell(tmp_path / "c.parquet", cell)
    back = read_cell(tmp_path / "c.parquet")
    assert back.ids == cell.ids and back.status == cell.status and back.scores[0] == 0.1 + 0.2
    assert back.coverage == 0.5


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_resampling_keeps_a_tone_where_it_is(rate: int) -> None:
    out = resample(tone(1000.0, seconds=1.0), rate)
    assert out.samples.size == rate
    middle = out.samples[rate // 4 : 3 * rate // 4]
    peak = np.argmax(np.abs(np.fft.rfft(middle * np.hanning(middle.size)))) * rate / middle.size
    assert peak == pytest.approx(1000, abs=rate / middle.size)
    t = np.arange(rate) / rate
    expected = 0.5 * np.sin(2 * np.pi * 1000 * t)
    assert np.abs(out.samples - expected)[rate // 10 : -rate // 10].max() < 2e-3  # no delay either


def test_resampling_lets_nothing_fold_back() -> None:
    out = resample(tone(6000.0, seconds=1.0), 8_000).samples[400:-400]  # 6 kHz would come back as 2 kHz
    assert np.sqrt(np.mean(out**2)) < 1e-4
    up = resample(tone(3000.0, seconds=1.0, rate=8_000), 16_000).samples[800:-800]
    power = np.abs(np.fft.rfft(up * np.blackman(up.size))) ** 2
    assert power[up.size * 45 // 160 :].sum() < 1e-8 * power.sum()  # no image at 5 kHz


@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_audio_survives_the_round_trip(ending: str, tmp_path: Path) -> None:
    clip = voice(seconds=0.5)
    save_audio(clip, tmp_path / f"x{ending}")
    back = open_audio(tmp_path / f"x{ending}")
    assert back.rate == clip.rate
    assert np.abs(back.samples - clip.samples).max() <= (0 if ending == ".wav" else 2**-15)


def test_stereo_is_averaged_and_only_the_start_is_read(tmp_path: Path) -> None:
    import soundfile

    left, right = np.full(8000, 0.5, np.float32), np.full(8000, -0.25, np.float32)
    soundfile.write(tmp_path / "s.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT")
    clip = open_audio(tmp_path / "s.wav", seconds=0.25)
    assert clip.samples.size == 2000
    assert np.allclose(clip.samples, 0.125)


def test_unusable_files_say_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("I am a text")
    save_audio(voice(seconds=0.2), tmp_path / "good.flac")
    (tmp_path / "cut.flac").write_bytes((tmp_path / "good.flac").read_bytes()[:60])
    import soundfile

    soundfile.write(tmp_path / "none.wav", np.zeros(0), 8000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), 8000, subtype="FLOAT")
    for name, message in [
        ("empty.wav", "empty file"),
        ("text.wav", "cannot read"),
        ("cut.flac", "cannot read|no audio"),
        ("none.wav", "0 samples"),
        ("nan.wav", "1 NaN"),
        ("missing.wav", "no such file"),
        (".", "folder"),
    ]:
        with pytest.raises(BadAudio, match=message):
            open_audio(tmp_path / name)
    with pytest.raises(BadAudio, match=r"unknown ending '\.xyz'"):
        save_audio(voice(seconds=0.1), tmp_path / "x.xyz")


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_what_libsndfile_cannot_read_ffmpeg_does(codec: str, tmp_path: Path) -> None:
    import av

    path = tmp_path / ("x.m4a" if codec == "aac" else "x.webm")
    rate = 48_000
    clip = tone(1000.0, seconds=1.0, rate=rate)
    with av.open(str(path), "w") as container:
        stream_ = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(clip.samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream_.format.name, layout="mono", rate=rate, frame_size=960)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream_.encode(piece))
        container.mux(stream_.encode(None))
    back = open_audio(path)
    assert back.seconds == pytest.approx(1.0, abs=0.05)
    peak = np.argmax(np.abs(np.fft.rfft(back.samples))) * back.rate / back.samples.size
    assert peak == pytest.approx(1000, abs=5)


def test_the_window_is_the_first_samples_and_short_clips_repeat() -> None:
    clip = Clip(np.arange(5, dtype=np.float32), 10)
    assert window(clip, 3).samples.tolist() == [0, 1, 2]
    assert window(clip, 12).samples.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert window(clip, 7, "zero").samples.tolist() == [0, 1, 2, 3, 4, 0, 0]
    assert window(clip, 7, "none").samples.tolist() == [0, 1, 2, 3, 4]


def test_a_file_appears_only_when_whole(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "x") as out:
        out.write(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(RunConflict, match="cannot write"), whole_file(tmp_path / "file" / "x") as out:
        out.write(b"x")


@pytest.mark.parametrize("name", plan_names())
def test_built_in_plans_load(name: str) -> None:
    plan = Plan.load(name)
    assert (
        plan.conditions[0] == "clean" and plan.summary and len(set(plan.conditions)) == len(plan.conditions)
    )


def test_the_default_plan_holds_18_corruptions_at_all_levels_and_the_controls() -> None:
    plan = Plan.load("default")
    plain = [s for s in registry.corruptions if "." not in s.name]
    assert sum(s.family != "control" for s in plain) == 18
    for spec in plain:
        assert {str(c) for c in spec.conditions()} <= set(plan.conditions)
    assert len(plan.detectors) >= 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("detector = ['x']", "unknown key 'detector'.*Did you mean detectors"),
        ("detectors = 'lfcc-gmm'", "must be a list"),
        ("detectors = ['lfcc-gmn']", "Did you mean lfcc-gmm"),
        ("detectors = ['random', 'random']", "more than once"),
        ("detectors = ['random']\nconditions = ['mp3@loud']", "the level is a number"),
        ("detectors = ['random']\nconditions = ['mp3']", "needs a level"),
        ("detectors = ['random']\nconditions = ['mp4@8']", "unknown corruption 'mp4'"),
        ("detectors = ['random']\nconditions = ['family:nois']", "Did you mean noise"),
        ("detectors = ['random']\n[window]\nsampels = 4", "unknown key 'sampels'"),
        ("detectors = ['random']\n[window]\npad = 'mirror'", "pad is one of"),
        ("detectors = ['random']\nseed = true", "must be a int"),
        ("detectors = [", "not valid TOML"),
        ("", "names no detector"),
    ],
)
def test_a_bad_plan_is_refused_with_a_way_out(text: str, message: str) -> None:
    with pytest.raises(SpoofproofError, match=message):
        Plan.parse(text, name="bad")


def test_a_corruption_that_cannot_run_here_is_an_error_and_never_clean_audio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = dataclasses.replace(
        registry.corruptions["echo"], available=lambda: "its codec is away: install it so"
    )
    monkeypatch.setitem(registry.corruptions._specs, "echo", away)
    with pytest.raises(MissingPart, match="echo cannot run here: its codec is away: install it so"):
        corrupt(voice(seconds=0.5), "low_pass@0.5+echo@0.5")


def test_a_corruption_that_changes_the_rate_or_gives_no_clip_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for run, message in [
        (lambda clip, level, rng: Clip(clip.samples, clip.rate + 1), "changed the sampling rate"),
        (lambda clip, level, rng: clip.samples, "must return a Clip"),
        (lambda clip, level, rng: clip.replace(clip.samples * np.float32(np.nan)), "unusable audio"),
    ]:
        broken = dataclasses.replace(registry.corruptions["echo"], run=run)
        monkeypatch.setitem(registry.corruptions._specs, "echo", broken)
        with pytest.raises(SpoofproofError, match=message):
            corrupt(voice(seconds=0.5), "echo@0.5")


def test_a_time_stretch_is_given_the_input_that_it_consumes() -> None:
    needed = seconds_needed("time_stretch@1.5", 4.0)
    assert needed >= 6.0
    assert seconds_needed("time_stretch@0.7", 4.0) < 4.0
    assert seconds_needed("time_stretch@1.5+time_stretch@1.5", 4.0) >= 9.0
