"""Enhancers: they take noise away, and nothing else.

1. physics: SNR up, clean speech nearly alone, silence silent, no delay, same length and rate, nothing kept between clips
2. closed forms: perfect reconstruction, the noise estimate on white noise, the gains where they can be worked out by hand
3. ``enhanced@…`` is a detector like any other, and what it is made of is its identity
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from signals import noise, tone, voice
from spoofproof import bench, registry, weights
from spoofproof.ask import load_detector
from spoofproof.enhance import ENHANCERS, enhancer, missing, recurrent, spectral, stft
from spoofproof.enhance.noise import noise_power
from spoofproof.errors import BadAudio, BadPlan, MissingPart, UnknownName
from spoofproof.types import Clip
from toys import write_detectors

SPECTRAL = ("spectral-subtraction", "wiener", "log-mmse")


def snr_db(clean: Clip, other: Clip) -> float:
    x, y = clean.samples.astype(np.float64), other.samples.astype(np.float64)
    return float(10 * np.log10((x @ x) / ((y - x) @ (y - x))))


def noisy(clean: Clip, db: float, seed: int = 0) -> Clip:
    x, n = clean.samples.astype(np.float64), noise(clean.seconds, seed=seed).samples.astype(np.float64)
    return clean.replace(x + n * np.sqrt((x @ x) / (n @ n)) * 10 ** (-db / 20))


@pytest.fixture(autouse=True)
def shared_weights(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "data" in request.fixturenames:
        monkeypatch.setenv("SPOOFPROOF_DATA", str(request.getfixturevalue("data")))


@pytest.mark.parametrize("name", SPECTRAL)
@pytest.mark.parametrize(("db", "gain"), [(0, 6.0), (5, 4.0), (10, 0.5)])
def test_white_noise_is_taken_from_a_voice(name: str, db: float, gain: float) -> None:
    for seed in (1, 2, 3):
        clean = voice(3.0, seed=seed)
        assert snr_db(clean, enhancer(name)(noisy(clean, db, seed))) > db + gain


@pytest.mark.parametrize("name", SPECTRAL)
def test_a_clean_voice_is_left_nearly_alone(name: str) -> None:
    for seed in (1, 2, 3):
        clean = voice(3.0, seed=seed)
        assert snr_db(clean, enhancer(name)(clean)) > 13  # its own noise floor lies 50 dB below its peaks


@pytest.mark.parametrize("name", SPECTRAL)
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_length_and_rate_are_kept_and_nothing_is_late(name: str, rate: int) -> None:
    for samples in (1, 7, 511, 512, 12_345):
        clip = Clip(voice(1.0, rate=rate).samples[:samples], rate)
        out = enhancer(name)(clip)
        assert (out.samples.size, out.rate, out.samples.dtype) == (clip.samples.size, rate, np.float32)
    clean = voice(1.0, rate=rate)
    lags = np.correlate(enhancer(name)(clean).samples[500:-500], clean.samples, "valid")
    assert int(np.argmax(np.abs(lags))) == 500


@pytest.mark.parametrize("name", SPECTRAL)
def test_silence_stays_silent_and_loudness_does_not_matter(name: str) -> None:
    assert not enhancer(name)(Clip(np.zeros(5_000, np.float32), 16_000)).samples.any()
    clip = noisy(voice(1.0), 5)
    quiet = enhancer(name)(clip.replace(clip.samples / 64)).samples * 64
    assert np.allclose(quiet, enhancer(name)(clip).samples, atol=1e-5)


@pytest.mark.parametrize("name", SPECTRAL)
def test_nothing_is_kept_from_clip_to_clip_and_the_input_is_not_touched(name: str) -> None:
    clip, other = noisy(voice(1.0), 5), noise(1.0)
    before = clip.samples.copy()
    first = enhancer(name)(clip).samples
    enhancer(name)(other)
    assert np.array_equal(enhancer(name)(clip).samples, first)
    assert np.array_equal(clip.samples, before)


@pytest.mark.parametrize("samples", [1, 100, 512, 9_999])
def test_spectra_that_were_not_changed_give_the_clip_back(samples: int) -> None:
    x = np.random.default_rng(samples).standard_normal(samples)
    assert np.abs(stft.synthesise(stft.analyse(x, 512), 512, samples) - x).max() < 1e-12


def test_the_noise_is_found_under_noise_alone_and_after_it_has_changed() -> None:
    x = noise(6.0, rms=0.1).samples.astype(np.float64)
    x[x.size // 2 :] *= 2  # 6 dB louder from the middle on
    power = np.square(np.abs(stft.analyse(x, 512)))
    found = 10 * np.log10(noise_power(power).mean(axis=1))
    truth = 10 * np.log10(0.1**2 * 512 / stft.OVERLAP)  # variance x energy of the window, 512 / 4
    middle = len(found) // 2
    assert found[50 : middle - 50].mean() == pytest.approx(truth, abs=1.3)
    assert found[-150:].mean() == pytest.approx(truth + 20 * np.log10(2), abs=1.3)


def test_noise_that_is_there_from_the_start_is_known_from_the_start() -> None:
    power = np.square(np.abs(stft.analyse(noise(3.0, rms=0.1).samples.astype(np.float64), 512)))
    found = 10 * np.log10(noise_power(power).mean(axis=1))
    assert found[3:8].mean() == pytest.approx(10 * np.log10(0.1**2 * 512 / stft.OVERLAP), abs=1.6)


def test_a_voice_is_not_taken_for_noise() -> None:
    clean = voice(4.0)
    power = np.square(np.abs(stft.analyse(clean.samples.astype(np.float64), 512)))
    assert noise_power(power).sum() < 0.03 * power.sum()


def test_gains_are_those_of_the_papers() -> None:
    prior, posterior = np.array([[1.0]]), np.array([[2.0]])
    assert spectral._wiener_gain(prior, posterior)[0, 0] == 0.5
    # Ephraim and Malah, eq. 20 with v = 1: 0.5 exp(E1(1) / 2), E1(1) = 0.219384
    assert spectral._log_mmse_gain(prior, posterior)[0, 0] == pytest.approx(0.5 * np.exp(0.109692), rel=1e-5)
    # Berouti at 0 dB takes four times the noise and leaves its floor; far above the noise it takes the noise once
    assert spectral._subtraction(np.array([[1.0]]), np.array([[1.0]]))[0, 0] == pytest.approx(0.002**0.5)
    assert spectral._subtraction(np.array([[1000.0]]), np.array([[1.0]]))[0, 0] == pytest.approx(0.999**0.5)


def test_a_steady_tone_far_above_the_noise_survives() -> None:
    # the quantile over time takes a tone that never stops for noise: this is what such methods cannot know
    steady = tone(1000.0, 2.0)
    gated = steady.replace(steady.samples * (np.arange(steady.samples.size) % 8000 > 4000))
    for name in SPECTRAL:
        assert snr_db(gated, enhancer(name)(gated)) > 10


def test_unknown_names_and_missing_weights_are_sentences(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UnknownName, match="Did you mean wiener"):
        enhancer("weiner")
    for variable in ("SPOOFPROOF_DATA", "SPOOFPROOF_DTLN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    recurrent._networks.cache_clear()
    assert "SPOOFPROOF_DTLN" in missing("dtln") and missing("wiener") == ""
    with pytest.raises(MissingPart, match="spoofproof fetch dtln"):
        recurrent.dtln(voice(0.5))
    with pytest.raises(MissingPart, match="spoofproof fetch dtln"):
        load_detector("enhanced@dtln/lfcc-gmm")


def test_dtln_takes_noise_away_keeps_time_and_forgets(data: Path) -> None:
    assert set(weights.read(data / "weights" / "dtln", "dtln")) == set(weights.SETS["dtln"].files)
    recurrent._networks.cache_clear()
    clean = voice(2.0, seed=1)
    enhance = ENHANCERS["dtln"]
    for db, gain in ((0, 8.0), (5, 6.0), (10, 3.0)):
        assert snr_db(clean, enhance(noisy(clean, db))) > db + gain
    out = enhance(noisy(clean, 5))
    lags = np.correlate(out.samples[800:-800], clean.samples, "valid")
    assert int(np.argmax(np.abs(lags))) == 800
    assert np.array_equal(enhance(noisy(clean, 5)).samples, out.samples)
    for samples in (1, 127, 513):
        assert enhance(Clip(clean.samples[:samples], 16_000)).samples.size == samples
    assert np.abs(enhance(Clip(np.zeros(4_000, np.float32), 16_000)).samples).max() < 1e-4
    with pytest.raises(BadAudio, match="16000 Hz"):
        enhance(voice(0.5, rate=8_000))


def test_dtln_leaves_real_clean_speech_nearly_alone(data: Path) -> None:
    from spoofproof.audio import open_audio

    recurrent._networks.cache_clear()
    for path in sorted((data / "speech" / "train" / "emodb_de").glob("*.flac"))[:2]:
        clip = open_audio(path)
        assert snr_db(clip, ENHANCERS["dtln"](clip)) > 20


def test_an_enhancer_in_front_of_a_detector_is_a_detector(tmp_path: Path) -> None:
    toy = f"{write_detectors(tmp_path)}:tilt"
    clips = [noisy(voice(1.0, seed=s), 5) for s in range(3)]
    _, plain = load_detector(toy)
    _, same = load_detector(f"enhanced@none/{toy}")
    _, better = load_detector(f"enhanced@wiener/{toy}")
    assert list(same(clips)) == list(plain(clips))
    assert list(better(clips)) == list(plain([ENHANCERS["wiener"](clip) for clip in clips]))
    _, negative = load_detector(f"enhanced@none/{toy}@-1")
    assert list(negative(clips)) == [-x for x in plain(clips)]
    _, narrow = load_detector(f"enhanced@none/{write_detectors(tmp_path)}:narrow")
    assert all(8000 < x < 8001 for x in narrow(clips))  # heard at its own rate


def test_detectors_behind_one_enhancer_share_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spoofproof.detectors import enhanced

    heard: list[Clip] = []

    def counting(clip: Clip) -> Clip:
        heard.append(clip)
        return clip.replace(-clip.samples)

    toys = write_detectors(tmp_path)
    clips = [voice(0.5, seed=s) for s in range(70, 73)]
    monkeypatch.setattr(enhanced, "enhancer", lambda name: counting)
    enhanced._recent.clear()
    for inside in ("tilt", "tilt@-1"):
        score = enhanced.enhanced(f"wiener/{toys}:{inside}")
        for _ in range(2):
            score(clips)
    assert len(heard) == 3
    score([voice(0.1, seed=s) for s in range(200, 300)])
    assert len(enhanced._recent) == 64
    enhanced._recent.clear()


def test_a_bad_reference_says_how_it_is_written() -> None:
    for bad in ("wiener", "wiener/", "/lfcc-gmm"):
        with pytest.raises((BadPlan, UnknownName), match=r"Known: |ENHANCER/DETECTOR"):
            load_detector(f"enhanced@{bad}")
    with pytest.raises(UnknownName, match="Did you mean lfcc-gmm"):
        load_detector("enhanced@none/lfcc-gmn")


def test_what_is_inside_is_part_of_the_identity(tmp_path: Path) -> None:
    file = write_detectors(tmp_path)
    reference = f"enhanced@none/{file}:tilt"
    before = bench.identity(reference)["identity"]
    assert bench.identity(reference)["identity"] == before
    file.write_text(file.read_text() + "\n# another version\n")
    assert bench.identity(reference)["identity"] != before
    assert "enhanced" in registry.detectors.names()


def test_a_detector_behind_an_enhancer_has_met_what_the_detector_met() -> None:
    plain = bench.identity("lfcc-gmm")["card"]["contamination"]
    assert plain and bench.identity("enhanced@none/lfcc-gmm")["card"]["contamination"] == plain
    assert (
        "contamination" not in bench.identity("enhanced@none/spectral-tilt")["card"]
        or not (bench.identity("enhanced@none/spectral-tilt")["card"]["contamination"])
    )
