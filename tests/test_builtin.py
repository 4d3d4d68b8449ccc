"""The built-in corpus, from synthetic voices in a folder, and from a make-believe Debian: no network, no engines."""

from __future__ import annotations

import hashlib
import json
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from signals import noise, tone, voice
from spoofproof.audio import open_audio, save_audio
from spoofproof.corpora import channel
from spoofproof.corpora.audit import audit
from spoofproof.corpora.builtin import builtin, builtin_facts
from spoofproof.corpora.casting import choose
from spoofproof.corpora.prompts import DEV_SPEAKERS, debian_prompts, folder_speech
from spoofproof.corpora.sentences import SENTENCES, texts
from spoofproof.corpora.shortcuts import delong
from spoofproof.corpora.vocoders import VOCODERS
from spoofproof.errors import BadAudio, BadCorpus
from spoofproof.registry import read_corpus
from spoofproof.types import Clip, Trial

RATE = 16_000
SPEAKERS = {"anna": 200.0, "bert": 110.0, "carla": 230.0, "dirk": 130.0, "emma": 180.0}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five speakers, six sentences each of 1.3 to 1.9 s, at two rates."""
    root = tmp_path_factory.mktemp("people")
    for turn, (name, f0) in enumerate(SPEAKERS.items()):
        for i in range(6):
            clip = voice(1.3 + 0.12 * i, rate=(16_000, 22_050)[i % 2], f0=f0, seed=10 * turn + i)
            (root / name).mkdir(exist_ok=True)
            save_audio(clip, root / name / f"sentence {i}.wav")
    return root


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own, no programs to be found, no folder of speech named; gives the folder for programs."""
    bin_folder = tmp_path_factory.mktemp("bin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOOFPROOF_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("SPOOFPROOF_SPEECH", raising=False)
        patch.setenv("PATH", str(bin_folder))
        yield bin_folder


@pytest.fixture(scope="module")
def built(people: Path, alone: Path) -> list[Trial]:
    return builtin(people, size=6)


def content(trials: list[Trial]) -> dict[str, str]:
    return {trial.id: hashlib.sha256(trial.path.read_bytes()).hexdigest() for trial in trials}


def program(folder: Path, name: str, code: str) -> None:
    """A make-believe program on the PATH, written in Python."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


# --- what is in it -------------------------------------------------------------------------------------------------


def test_the_counts_are_as_the_size_says(built: list[Trial]) -> None:
    counts = Counter((trial.part, trial.label) for trial in built)
    # Three speakers with two sentences and 2 x 5/3 copies each; two with two and as many.
    assert counts == {
        ("eval", "bonafide"): 6,
        ("eval", "spoof"): 9,
        ("dev", "bonafide"): 4,
        ("dev", "spoof"): 6,
    }
    assert len({trial.id for trial in built}) == len(built)


def test_the_parts_share_no_sentence_and_no_speaker(built: list[Trial]) -> None:
    for of in ("pair", "speaker"):
        inside = {part: {getattr(t, of) for t in built if t.part == part} for part in ("dev", "eval")}
        assert inside["dev"] and inside["eval"] and not inside["dev"] & inside["eval"], of
    assert {t.speaker for t in built} == set(SPEAKERS)


def test_every_vocoder_and_every_speaker_gets_its_share(built: list[Trial]) -> None:
    for part in ("dev", "eval"):
        spoofed = [t for t in built if t.part == part and t.label == "spoof"]
        attacks = Counter(t.attack for t in spoofed)
        assert set(attacks) == set(VOCODERS) and max(attacks.values()) - min(attacks.values()) <= 2
        people = Counter(t.speaker for t in spoofed)
        assert max(people.values()) - min(people.values()) <= 1
    assert max(Counter((t.pair, t.attack) for t in built).values()) == 1


def test_a_copy_says_whose_sentence_it_is(built: list[Trial]) -> None:
    human = {t.pair: t for t in built if t.label == "bonafide"}
    for t in built:
        of = human[t.pair]
        assert (t.speaker, t.part, t.language, t.source) == (of.speaker, of.part, of.language, of.source)
        assert (t.attack == "") == (t.label == "bonafide")


def test_a_copy_resembles_its_sentence_and_no_other(built: list[Trial]) -> None:
    def loudness(trial: Trial) -> np.ndarray:
        x = open_audio(trial.path).samples
        frames = 10 * np.log10(np.square(x[: x.size // 320 * 320].reshape(-1, 320)).mean(axis=1) + 1e-9)
        return frames - frames.mean()

    def like(one: Trial, other: Trial) -> float:
        a, b = loudness(one), loudness(other)
        n = min(a.size, b.size)
        return float(np.corrcoef(a[:n], b[:n])[0, 1])

    human = [t for t in built if t.label == "bonafide"]
    for copy in (t for t in built if t.label == "spoof"):
        best = max(human, key=lambda t: like(copy, t))
        assert best.pair == copy.pair and like(copy, best) > 0.8


# --- the channel ---------------------------------------------------------------------------------------------------


def test_g722_adds_no_delay_keeps_the_length_and_is_no_copy() -> None:
    x = voice(1.0).samples
    for clip in (Clip(x, RATE), Clip(x[:15_999].copy(), RATE), Clip(x[:1].copy(), RATE)):
        out = channel.g722(clip)
        assert out.samples.size == clip.samples.size
    out = channel.g722(Clip(x, RATE)).samples
    snr = 10 * np.log10(np.square(x).mean() / np.square(out - x).mean())
    assert 20 < snr < 60  # one sample of delay would leave about 10 dB
    with pytest.raises(BadAudio, match="16 kHz"):
        channel.g722(tone(440.0, rate=8000))
    with pytest.raises(BadAudio, match="0 bytes"):
        channel.decode_g722(b"")


def test_the_active_level_of_a_tone_is_its_rms_whatever_the_silence_around_it() -> None:
    x = np.pad(tone(400.0, 1.0, amplitude=0.5).samples, (RATE, 3 * RATE))
    assert channel.active_level(x) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.05)
    assert channel.active_span(x) == (RATE, 2 * RATE)
    assert channel.active_level(np.zeros(RATE, dtype=np.float32)) == -np.inf
    assert channel.active_span(np.zeros(5, dtype=np.float32)) == (0, 0)


def test_the_road_takes_off_silence_sets_level_and_peaks_and_keeps_the_band() -> None:
    clip = noise(2.0, rms=0.02)
    x = np.pad(clip.samples, 8000) * 3 + 0.1
    out = channel.send(Clip(x.astype(np.float32), RATE), np.random.default_rng(0)).samples
    assert abs(out.size - 2 * RATE) <= 2 * channel.FRAME
    level = channel.active_level(out)
    assert -29.5 < level < -22.5
    assert 20 * np.log10(np.abs(out).max()) - level < channel.CREST + 1.5  # G.722 overshoots a little
    assert abs(out.mean()) < 1e-3
    power = np.square(np.abs(np.fft.rfft(out)))
    hz = np.fft.rfftfreq(out.size, 1 / RATE)
    inside = power[(hz > 500) & (hz < 6500)].mean()
    assert 10 * np.log10(power[(hz > 10) & (hz < 35)].mean() / inside) < -20
    assert (
        10 * np.log10(power[hz > 7700].mean() / inside) < -6
    )  # G.722's own noise fills the rest of its upper band


def test_the_road_refuses_silence() -> None:
    nothing = Clip(np.zeros(RATE, dtype=np.float32), RATE)
    with pytest.raises(BadAudio, match="silence"):
        channel.send(nothing, np.random.default_rng(0))
    with pytest.raises(BadAudio, match="silence"):
        channel.as_recorded(nothing, -20.0)


def test_colour_is_taken_over_in_every_octave() -> None:
    from scipy.signal import lfilter

    white, bright = noise(3.0, seed=1), noise(3.0, seed=2)
    brown = white.replace(lfilter([0.1], [1, -0.9], white.samples))
    out = channel.coloured(bright, brown)

    def octaves(clip: Clip) -> np.ndarray:
        power = np.square(np.abs(np.fft.rfft(clip.samples)))
        hz = np.fft.rfftfreq(clip.samples.size, 1 / RATE)
        bands = np.array([power[(hz >= low) & (hz < 2 * low)].mean() for low in (250, 500, 1000, 2000, 4000)])
        return np.asarray(10 * np.log10(bands / bands.mean()))

    assert np.abs(octaves(bright) - octaves(brown)).max() > 4
    assert np.abs(octaves(out) - octaves(brown)).max() < 1.5


def test_every_file_went_the_same_road(built: list[Trial]) -> None:
    for trial in built:
        info = soundfile.info(str(trial.path))
        assert (info.samplerate, info.channels, info.format, info.subtype) == (RATE, 1, "FLAC", "PCM_16")
        x = open_audio(trial.path).samples
        level = channel.active_level(x)
        assert channel.LEVEL - channel.JITTER - 0.5 < level < channel.LEVEL + channel.JITTER + 0.5
        assert channel.CREST - 1 < 20 * np.log10(np.abs(x).max()) - level < channel.CREST + 2.5
        start, stop = channel.active_span(x)
        assert start <= channel.FRAME and x.size - stop <= 2 * channel.FRAME
        assert 1.1 < x.size / RATE < 7


def test_trivial_features_do_not_tell_the_classes_apart(people: Path, alone: Path) -> None:
    trials = builtin(people, size=15)
    report = audit(trials)
    assert not report.to_dict()["missing"] and not report.to_dict()["unreadable"]
    rows = {row["feature"]: row for row in report.to_dict()["shortcuts"]}
    for feature in (
        "duration",
        "loudness",
        "peak",
        "leading silence",
        "trailing silence",
        "bandwidth",
        "roll-off",
    ):
        assert rows[feature]["strength"] < 0.68, rows[feature]  # chance strays that far on 15 + 25 clips
    human = [t for t in trials if t.label == "bonafide"]
    length = {t.pair: open_audio(t.path).seconds for t in human}
    spoof = np.array([open_audio(t.path).seconds - length[t.pair] for t in trials if t.label == "spoof"])
    assert np.abs(spoof).max() < 0.25 and abs(np.median(spoof)) < 0.03
    area, low, high = delong(
        np.array(list(length.values())), spoof + [length[t.pair] for t in trials if t.label == "spoof"]
    )
    assert low < 0.5 < high, area


# --- the same again ------------------------------------------------------------------------------------------------


def test_another_build_elsewhere_has_the_same_bytes_and_digest(
    people: Path, built: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOOFPROOF_CACHE", str(tmp_path))
    again = builtin(people, size=6)
    assert tmp_path in again[0].path.parents
    assert content(again) == content(built)
    assert builtin_facts(again)["digest"] == builtin_facts(built)["digest"]


def test_a_build_cut_off_goes_on_where_it_stopped(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOOFPROOF_CACHE", str(tmp_path))

    class Killed(Exception):
        pass

    def kill(done: int, total: int, text: str) -> None:
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        builtin(people, size=4, progress=kill)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")}
    assert len(kept) == 5 and not list(tmp_path.rglob("manifest.json"))
    trials = builtin(people, size=4)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items()), "work was done twice"
    whole, digest = content(trials), builtin_facts(trials)["digest"]
    manifest = trials[0].path.parent.parent / "manifest.json"
    manifest.unlink()
    for trial in trials[::2]:
        trial.path.unlink()
    again = builtin(people, size=4)
    assert again == trials and content(again) == whole and builtin_facts(again)["digest"] == digest
    again[3].path.unlink()  # a file lost under a whole manifest
    assert content(builtin(people, size=4)) == whole


def test_a_second_call_makes_nothing_and_says_nothing(people: Path, built: list[Trial]) -> None:
    when = [trial.path.stat().st_mtime_ns for trial in built]
    told: list[tuple[int, int, str]] = []
    assert builtin(people, size=6, progress=lambda *args: told.append(args)) == built
    assert [trial.path.stat().st_mtime_ns for trial in built] == when and not told


def test_progress_counts_every_file_once(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOOFPROOF_CACHE", str(tmp_path))
    told: list[tuple[int, int, str]] = []
    trials = builtin(people, size=3, progress=lambda *args: told.append(args))
    assert [done for done, _, _ in told] == list(range(1, len(trials) + 1))
    assert {total for _, total, _ in told} == {len(trials)}
    assert {text for _, _, text in told} == {trial.id for trial in trials}


def test_the_seed_draws_other_sentences_and_the_folder_changes_the_build(
    people: Path, built: list[Trial], alone: Path
) -> None:
    other = choose(folder_speech(people), 6, seed=1)[0]
    assert {s.of.key for s in other} != {t.pair for t in built}
    grown = {s.of.key for s in choose(folder_speech(people), 9, seed=0)[0] if s.part == "eval"}
    assert {t.pair for t in built if t.part == "eval"} <= grown, (
        "a larger corpus holds the smaller one's sentences"
    )


def test_the_seed_changes_the_bytes(people: Path, alone: Path) -> None:
    first, other = builtin(people, size=2), builtin(people, size=2, seed=1)
    assert first[0].path.parent != other[0].path.parent
    assert builtin_facts(first)["digest"] != builtin_facts(other)["digest"]


# --- the record ----------------------------------------------------------------------------------------------------


def test_the_facts_say_what_it_is_made_of_and_what_it_cannot_show(built: list[Trial]) -> None:
    facts = json.loads(json.dumps(builtin_facts(built)))
    assert len(facts["digest"]) == 64
    assert facts["counts"]["eval"]["bonafide"] == 6
    assert set(facts["vocoders"]) == set(VOCODERS) and all(facts["vocoders"].values())
    assert facts["text-to-speech"]["espeak-ng"] == "not installed"
    assert facts["human speech"]["voices"] == sorted(SPEAKERS)
    assert facts["channel"]["passes_of_g722"] == 2
    assert set(facts["libraries"]) >= {"numpy", "scipy", "av"}
    assert any("voices" in limit for limit in facts["cannot show"])


def test_facts_are_of_builtin_trials_only(tmp_path: Path) -> None:
    for trials in ([], [Trial("x", tmp_path / "a" / "x.wav", "spoof")]):
        with pytest.raises(BadCorpus, match="not of the built-in corpus"):
            builtin_facts(trials)


# --- bad input -----------------------------------------------------------------------------------------------------


def test_without_apt_and_without_a_folder_both_ways_are_named(alone: Path) -> None:
    with pytest.raises(BadCorpus, match="apt-get and dpkg-deb are not on this machine") as caught:
        builtin()
    assert "--speech DIR" in str(caught.value) and "SPOOFPROOF_SPEECH=DIR" in str(caught.value)


@pytest.mark.parametrize("size", [0, -3])
def test_a_size_of_nothing_is_refused(size: int, people: Path, alone: Path) -> None:
    with pytest.raises(BadCorpus, match="at least 1"):
        builtin(people, size=size)


def test_folders_without_speech_are_refused_with_both_ways(tmp_path: Path, alone: Path) -> None:
    with pytest.raises(BadCorpus, match=r"no such folder.*--speech DIR"):
        builtin(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(BadCorpus, match=r"holds no audio files.*--speech DIR"):
        builtin(tmp_path)
    for i in range(4):
        save_audio(Clip(np.zeros(3 * RATE, dtype=np.float32), RATE), tmp_path / f"{i}.wav")
        save_audio(voice(0.5, seed=i), tmp_path / f"short{i}.wav")
    with pytest.raises(BadCorpus, match=r"no recording for the eval part: of 8 in all, \d too short"):
        builtin(tmp_path)


def test_a_broken_file_is_left_out_and_counted(tmp_path: Path, alone: Path) -> None:
    for i in range(6):
        save_audio(voice(1.3, seed=i, f0=100 + 10 * i), tmp_path / f"{i}.wav")
    (tmp_path / "broken.wav").write_bytes(b"RIFF0000WAVEnothing")
    (tmp_path / "twice.wav").write_bytes((tmp_path / "3.wav").read_bytes())
    trials = builtin(tmp_path, size=50)
    left = builtin_facts(trials)["selection"]["left out"]
    assert left == {"unreadable": 1, "the same sound twice": 1}
    assert sum(t.label == "bonafide" for t in trials) == 6
    assert {t.speaker for t in trials} == {""}
    assert {t.part for t in trials} == {"dev", "eval"}, "without speakers the sentences are split"


def test_a_long_recording_is_cut_in_a_pause(tmp_path: Path, alone: Path) -> None:
    for i in range(4):
        x = voice(12.0, seed=i).samples.copy()
        x[4 * RATE : 4 * RATE + 4000] *= 1e-3
        save_audio(Clip(x, RATE), tmp_path / f"{i}.wav")
    for sentence in choose(folder_speech(tmp_path), 2, 0)[0]:
        assert sentence.seconds == pytest.approx(4.0, abs=0.3)


def test_the_environment_names_a_folder_too(
    people: Path, alone: Path, monkeypatch: pytest.MonkeyPatch, built: list[Trial]
) -> None:
    monkeypatch.setenv("SPOOFPROOF_SPEECH", str(people))
    assert builtin(size=6) == built == builtin(speech=people, size=6)
    monkeypatch.setenv("SPOOFPROOF_SPEECH", str(people / "nowhere"))
    with pytest.raises(BadCorpus, match=r"no such folder.*nowhere"):
        builtin()
    with pytest.raises(BadCorpus, match=r"no such folder.*elsewhere"):
        read_corpus(f"builtin:{people / 'elsewhere'}")


# --- Debian's prompts, make-believe --------------------------------------------------------------------------------

APT = """
import json, pathlib, sys
log = pathlib.Path({log!r})
log.write_text(log.read_text() + json.dumps(sys.argv[1:]) + "\\n" if log.exists() else json.dumps(sys.argv[1:]) + "\\n")
lists = [a.split("=")[1] for a in sys.argv if a.startswith("Dir::State::Lists=")]
if "update" in sys.argv:
    (pathlib.Path(lists[0]) / "fresh").write_text("")
    sys.exit(0)
if {broken!r} or (not lists or not (pathlib.Path(lists[0]) / "fresh").exists()):
    print("W: noise", file=sys.stderr)
    print("E: Unable to locate package " + sys.argv[-1], file=sys.stderr)
    sys.exit(100)
for name in sys.argv[1:]:
    if name.startswith("asterisk-"):
        pathlib.Path(name + "_1%3a9.9-1_all.deb").write_text(name)
"""
DPKG = """
import pathlib, shutil, sys
_, _, deb, place = sys.argv
language = pathlib.Path(deb).name.split("-")[3]
shutil.copytree(pathlib.Path({prompts!r}) / language, pathlib.Path(place) / "usr" / "share" / "sounds")
"""


def raw_g722(clip: Clip) -> bytes:
    import av

    encoder = av.CodecContext.create("g722", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "s16"
    encoder.open()
    x = np.round(clip.samples * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(x[None, : x.size // 320 * 320], format="s16", layout="mono")
    frame.sample_rate = RATE
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """apt-get whose lists are stale, dpkg-deb, and packages of three prompts, a letter and a beep in each language."""
    place, prompts = tmp_path / "bin", tmp_path / "prompts"
    place.mkdir()
    for turn, language in enumerate(("en", "es", "fr", "it", "ru")):
        folder = prompts / language / "voice"
        (folder / "letters").mkdir(parents=True)
        for i in range(3):
            (folder / f"vm-{i}.g722").write_bytes(
                raw_g722(voice(1.6 + 0.2 * i, f0=120 + 20 * turn, seed=5 * turn + i))
            )
        (folder / "empty.g722").write_bytes(b"")
        (folder / "beep.g722").write_bytes(raw_g722(tone(1000.0, 2.0)))
        (folder / "letters" / "a.g722").write_bytes(raw_g722(voice(2.0, seed=99)))
    program(place, "apt-get", APT.format(log=str(tmp_path / "log"), broken=False))
    program(place, "dpkg-deb", DPKG.format(prompts=str(prompts)))
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.setenv("SPOOFPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPOOFPROOF_SPEECH", raising=False)
    return place


def test_prompts_are_fetched_with_fresh_lists_of_our_own_and_kept(debian: Path, tmp_path: Path) -> None:
    trials = builtin(size=9)
    calls = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert ["download" in call for call in calls] == [True, False, True] and "update" in calls[1]
    assert not any(argument.startswith("Dir::State") for argument in calls[0]), (
        "the machine's own lists come first"
    )
    for call in calls[1:]:
        options = [a.partition("=") for a in call if a.startswith("Dir::")]
        assert {name for name, _, _ in options} == {"Dir::State::Lists", "Dir::Cache"}
        assert all(str(tmp_path / "cache") in value for _, _, value in options)
    human = [t for t in trials if t.label == "bonafide"]
    assert {t.language for t in human if t.part == "eval"} == {"en", "es", "it"}
    assert {t.speaker for t in human if t.part == "eval"} == {"allison-smith", "carlo-flora"}
    assert {t.speaker for t in human if t.part == "dev"} == set(DEV_SPEAKERS)
    keys = sorted(u.key for u in debian_prompts(lambda *_: None).utterances if u.language == "en")
    assert keys == ["en-empty", "en-vm-0", "en-vm-1", "en-vm-2"], "letters and beeps are not sentences"
    package = builtin_facts(trials)["human speech"]["packages"][0]
    assert package["version"] == "1:9.9-1"
    assert package["sha256"] == hashlib.sha256(b"asterisk-core-sounds-en-g722").hexdigest()
    assert package["licence"] == "CC-BY-SA-3.0"
    assert builtin_facts(trials)["selection"]["left out"]["unreadable"] == 3, "the empty prompts of eval"
    builtin(size=9)
    builtin(size=4)
    assert len((tmp_path / "log").read_text().splitlines()) == 3, "fetched again"
    assert not list((tmp_path / "cache").rglob("*.deb")), "packages left behind"


def test_human_prompts_get_one_more_pass_of_g722_and_folders_two(debian: Path, people: Path) -> None:
    passes: list[int] = []
    real = channel.g722

    def counted(clip: Clip) -> Clip:
        passes.append(clip.samples.size)
        return real(clip)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel, "g722", counted)
        for root, human in ((None, 1), (people, 2)):
            passes.clear()
            trials = builtin(root, size=1)
            bonafide = sum(t.label == "bonafide" for t in trials)
            assert len(passes) == human * bonafide + 2 * (len(trials) - bonafide)


def test_an_apt_that_fails_is_quoted_with_both_ways(debian: Path, tmp_path: Path) -> None:
    program(debian, "apt-get", APT.format(log=str(tmp_path / "log"), broken=True))
    with pytest.raises(BadCorpus, match=r"apt-get says: E: Unable to locate package.*--speech DIR"):
        builtin(size=1)
    assert not list((tmp_path / "cache" / "prompts").iterdir()), "half a download left behind"


# --- engines -------------------------------------------------------------------------------------------------------

ESPEAK = """
import sys
if "--version" in sys.argv:
    print("eSpeak NG text-to-speech: 1.52  Data at: somewhere")
elif "--voices" in sys.argv:
    print("Pty Language Age/Gender VoiceName\\n 2  en-us  --/M  English\\n 5  it  --/M  Italian")
else:
    import math, wave
    at = lambda flag: sys.argv[sys.argv.index(flag) + 1]
    text = open(at("-f"), encoding="utf-8").read()
    if {mute!r}:
        sys.exit("no voice today")
    n = int(22050 * len(text) / 14 * 175 / float(at("-s")))
    out = wave.open(at("-w"), "wb")
    out.setparams((1, 2, 22050, n, "NONE", ""))
    buzz = [sum(math.sin(0.035 * k * i) for k in (1, 2, 3, 9)) * (1.1 + math.sin(i / 900)) for i in range(n)]
    out.writeframes(b"".join(int(2500 * x).to_bytes(2, "little", signed=True) for x in buzz))
    out.close()
"""


@pytest.fixture
def espeak(alone: Path) -> Iterator[Path]:
    program(alone, "espeak-ng", ESPEAK.format(mute=False))
    yield alone
    (alone / "espeak-ng").unlink()


def test_an_engine_says_other_texts_in_the_time_of_human_sentences(
    espeak: Path, people: Path, built: list[Trial]
) -> None:
    trials = builtin(people, size=6)
    spoken = [t for t in trials if t.attack == "espeak-ng"]
    assert {t.id for t in trials} - {t.id for t in spoken} == {t.id for t in built}, "engines only add"
    assert len(spoken) == 2 and {t.speaker for t in spoken} == {"espeak-ng:en-us"}
    assert builtin_facts(trials)["text-to-speech"]["espeak-ng"] == "1.52, voices en-us, it"
    human = [open_audio(t.path).seconds for t in trials if t.label == "bonafide"]
    for trial in spoken:
        assert trial.pair.startswith("text-en-") and trial.part in ("dev", "eval")
        assert min(human) - 0.2 < open_audio(trial.path).seconds < max(human) + 0.2


def test_an_engine_that_does_not_speak_is_an_error(espeak: Path, people: Path) -> None:
    program(espeak, "espeak-ng", ESPEAK.format(mute=True))
    with pytest.raises(BadCorpus, match="espeak-ng is installed and does not speak: no voice today"):
        builtin(people, size=5)


def test_no_text_is_in_both_parts() -> None:
    for language, sentences in SENTENCES.items():
        dev, others = texts(language, "dev"), texts(language, "eval")
        assert len(dev) + len(others) == len(sentences) == len(set(sentences)) == 20
        assert not set(dev) & set(others) and not set(dev.values()) & set(others.values())
    assert texts("xx", "eval") == {}
