"""Noise, synthetic and recorded: ratios that are exact, kinds that sound like themselves, folders that are read right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import welch

from signals import noise, tone, voice
from spoofproof import registry
from spoofproof.audio import save_audio
from spoofproof.corrupt import corrupt
from spoofproof.corruptions import recordings
from spoofproof.corruptions.noise import draw
from spoofproof.corruptions.sounds import KINDS
from spoofproof.errors import MissingPart
from spoofproof.streams import stream
from spoofproof.types import Clip


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(recordings.NOISE, raising=False)
    monkeypatch.delenv(recordings.ROOMS, raising=False)
    recordings.files.cache_clear()
    recordings.by_kind.cache_clear()


def added(clean: Clip, name: str, level: float, key: str = "trial") -> np.ndarray:
    out = registry.corruptions[name].run(clean, level, stream(7, key, name))
    return out.samples.astype(np.float64) - clean.samples


# --- the ratio -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gaussian_noise", "background_noise"])
@pytest.mark.parametrize("level", [40, 30, 20, 10, 5, 0, -5])
def test_the_ratio_is_exact_by_its_definition(name: str, level: float) -> None:
    """10 log10(sum x² / sum n²), pauses included, to 1e-4 dB in float32 samples."""
    clean = voice(2.0)
    n = added(clean, name, level)
    x = clean.samples.astype(np.float64)
    assert 10 * np.log10(np.sum(x**2) / np.sum(n**2)) == pytest.approx(level, abs=1e-4)


def test_white_noise_is_white_and_gaussian() -> None:
    """Power per band within 0.5 dB of the mean; skewness 0 and kurtosis 3 within sampling error."""
    n = added(tone(1_000.0, 60.0), "gaussian_noise", 10)
    _, power = welch(n, 16_000, nperseg=256)
    assert 10 * np.log10(power[2:-2] / power[2:-2].mean()) == pytest.approx(0, abs=0.5)
    z = n / n.std()
    assert np.mean(z**3) == pytest.approx(0, abs=0.02)
    assert np.mean(z**4) == pytest.approx(3, abs=0.03)


def test_noise_does_not_depend_on_the_clip() -> None:
    """Two clips of one length under one key are heard through the same noise: only its level differs."""
    one, other = added(voice(1.0), "background_noise", 5), added(noise(1.0), "background_noise", 5)
    assert np.corrcoef(one, other)[0, 1] > 0.9999


@pytest.mark.parametrize("name", ["gaussian_noise", "background_noise"])
def test_silence_has_no_ratio_and_stays_silent(name: str) -> None:
    silence = Clip(np.zeros(1_000, dtype=np.float32), 16_000)
    assert not added(silence, name, 5).any()


# --- the synthetic kinds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_every_kind_at_every_rate_is_finite_and_never_silent(kind: str, rate: int) -> None:
    for samples in (1, 7, rate // 10, 2 * rate):
        made = KINDS[kind](samples, rate, stream(0, kind))
        assert made.shape == (samples,) and made.dtype == np.float32
        assert np.isfinite(made).all() and made.any()


def bands(kind: str) -> dict[str, float]:
    """Share of power below 500 Hz, above 2 kHz; crest factor in dB; share of 20 ms frames 20 dB below the loudest."""
    made = np.concatenate([KINDS[kind](64_600, 16_000, stream(i, kind)) for i in range(6)]).astype(np.float64)
    hz, power = welch(made, 16_000, nperseg=512)
    frames = np.mean(made[: made.size // 320 * 320].reshape(-1, 320) ** 2, axis=1)
    return {
        "low": float(power[hz < 500].sum() / power.sum()),
        "high": float(power[hz > 2_000].sum() / power.sum()),
        "crest": float(20 * np.log10(np.abs(made).max() / made.std())),
        "pauses": float(np.mean(frames < 1e-2 * frames.max())),
    }


def test_kinds_have_the_spectrum_and_the_rhythm_of_the_real_thing() -> None:
    """Wind is low and footsteps are; rain is high and dense; ticks, coughs and sneezes are sparse; babble is neither."""
    found = {kind: bands(kind) for kind in KINDS}
    assert found["wind"]["low"] > 0.8
    assert found["footsteps"]["low"] > 0.6
    assert found["rain"]["high"] > 0.5 and found["rain"]["pauses"] < 0.05
    assert found["babble"]["low"] > 0.3 and found["babble"]["pauses"] < 0.2
    for kind in ("clock_tick", "coughing", "sneezing", "footsteps"):
        assert found[kind]["pauses"] > 0.5, kind
        assert found[kind]["crest"] > 15, kind
    assert found["sneezing"]["high"] > 0.2
    assert found["clock_tick"]["high"] > 0.3


def test_music_is_on_the_tempered_scale() -> None:
    """The strongest partials of a minute lie on semitones of one tuning (A = 440 Hz), within 20 cents."""
    made = KINDS["music"](20 * 16_000, 16_000, stream(0, "music")).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(made * np.hanning(made.size)))
    hz = np.arange(spectrum.size) * 16_000 / made.size
    low = (hz > 100) & (hz < 450)
    strongest = hz[low][np.argsort(spectrum[low])[-30:]]
    semitones = 12 * np.log2(strongest / 440)
    assert np.abs(semitones - np.round(semitones)).max() < 0.2


def test_babble_is_voiced() -> None:
    """Autocorrelation of 40 ms frames: many have a clear period between 80 and 250 Hz, unlike noise."""

    def voiced(x: np.ndarray) -> float:
        frames = x[: x.size // 640 * 640].reshape(-1, 640).astype(np.float64)
        spectra = np.abs(np.fft.rfft(frames, 2048, axis=1)) ** 2
        r = np.fft.irfft(spectra, axis=1)
        return float(np.median(r[:, 64:200].max(axis=1) / r[:, 0]))

    assert voiced(KINDS["babble"](64_600, 16_000, stream(0, "b"))) > 0.3
    assert voiced(noise(4.0).samples) < 0.2


def test_all_kinds_come_up() -> None:
    """The plain name draws among the nine: over 100 trials each kind's own noise is met, none much more often."""
    clean = voice(0.5)
    spectra = {hash(added(clean, "background_noise", 5, key=str(i)).tobytes()) for i in range(20)}
    assert len(spectra) == 20
    drawn = [list(KINDS)[int(stream(7, str(i), "background_noise").integers(9))] for i in range(200)]
    assert {drawn.count(kind) > 8 for kind in KINDS} == {True}


# --- recordings ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """wind/ holds a 1 kHz tone at 48 kHz, a file named cough 2 kHz, engine.wav (no known kind) 3 kHz."""
    root = tmp_path / "noises"
    save_audio(tone(1_000.0, 3.0, rate=48_000), root / "wind" / "a1.wav")
    save_audio(tone(2_000.0, 0.3), root / "x" / "my_Cough-03.wav")
    save_audio(tone(3_000.0, 1.0), root / "engine.wav")
    monkeypatch.setenv(recordings.NOISE, str(root))
    return root


def hz_of(x: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(x * np.hanning(x.size), 1 << 18)))) * 16_000 / (1 << 18)


def test_recordings_are_sorted_by_folder_and_name(folder: Path) -> None:
    kinds = recordings.by_kind(folder)
    assert {kind: [path.name for path in paths] for kind, paths in kinds.items()} == {
        "wind": ["a1.wav"],
        "coughing": ["my_Cough-03.wav"],
        "other": ["engine.wav"],
    }


def test_the_table_decides_where_there_is_one(folder: Path) -> None:
    (folder.parent / "noise-and-rooms.csv").write_text("path,condition\nnoises/engine.wav,crowd/babble\n")
    recordings.by_kind.cache_clear()
    assert [path.name for path in recordings.by_kind(folder)["babble"]] == ["engine.wav"]


def test_recordings_are_played_at_their_own_speed(folder: Path) -> None:
    """A tone of 1 kHz recorded at 48 kHz is one of 1 kHz in a clip at 16 kHz, tiled or not."""
    for kind, hz in (("wind", 1_000), ("coughing", 2_000), ("other", 3_000)):
        assert hz_of(draw(kind, 32_000, 16_000, stream(0, kind))) == pytest.approx(hz, abs=2)


def test_kinds_without_a_recording_are_synthetic(folder: Path) -> None:
    made = draw("rain", 8_000, 16_000, stream(0, "rain"))
    assert np.array_equal(made, KINDS["rain"](8_000, 16_000, stream(0, "rain")).astype(np.float64))


def test_other_recordings_are_one_kind_more(folder: Path) -> None:
    clean = voice(0.5)
    heard = [hz_of(added(clean, "background_noise", 0, key=str(i))) for i in range(60)]
    assert any(abs(hz - 3_000) < 20 for hz in heard)
    assert any(abs(hz - 1_000) < 20 for hz in heard)


def test_each_trial_starts_elsewhere_in_the_recording(folder: Path) -> None:
    save_audio(noise(3.0), folder / "rain.flac")
    recordings.files.cache_clear()
    recordings.by_kind.cache_clear()
    one, other = (draw("rain", 8_000, 16_000, stream(0, key)) for key in "ab")
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.9


def test_a_loop_has_no_seam_and_no_dip() -> None:
    """Noise repeated every 0.3 s keeps its power across the joint within 2 dB; a repeated ramp does not jump."""
    piece = noise(0.3, seed=1).samples
    made = recordings.looped(piece, 64_000, 100, 800).astype(np.float64)
    power = np.mean(made.reshape(-1, 400) ** 2, axis=1)
    assert 10 * np.log10(power.min() / power.mean()) > -2
    ramp = np.linspace(-1, 1, 4_800, dtype=np.float32)
    assert np.abs(np.diff(recordings.looped(ramp, 20_000, 0, 800))).max() < 0.01


def test_a_folder_that_is_not_there_or_empty_is_named_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(recordings.NOISE, str(tmp_path / "nowhere"))
    with pytest.raises(MissingPart, match=r"SPOOFPROOF_NOISE.*not a folder"):
        corrupt(voice(0.2), "background_noise@20")
    (tmp_path / "nowhere").mkdir()
    recordings.files.cache_clear()
    with pytest.raises(MissingPart, match="no audio file"):
        corrupt(voice(0.2), "background_noise.rain@20")
    monkeypatch.setenv(recordings.ROOMS, str(tmp_path / "nowhere"))
    with pytest.raises(MissingPart, match="SPOOFPROOF_RIR"):
        corrupt(voice(0.2), "reverb@0.5")


def test_the_recorded_room_nearest_to_the_level_is_taken_without_its_delay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rooms of 0.2, 0.4 and 1 s at 44.1 kHz, 20 ms late, and three more that are longer: levels find their own."""
    rate = 44_100
    for rt60 in (0.2, 0.21, 0.22, 1.0, 1.05, 1.1):
        t = np.arange(int(1.5 * rate)) / rate
        tail = 0.05 * np.random.default_rng(int(100 * rt60)).standard_normal(t.size) * 10 ** (-3 * t / rt60)
        tail[0] = 1.0
        response = np.concatenate([np.zeros(int(0.02 * rate)), tail]).astype(np.float32)
        save_audio(Clip(0.5 * response, rate), tmp_path / f"room-{rt60}.wav")
    monkeypatch.setenv(recordings.ROOMS, str(tmp_path))
    spec = registry.corruptions["reverb"]
    clip = noise(4.0)
    assert spec.measure is not None
    for level in (0.2, 1.0):
        out = spec.run(clip, level, stream(0, "trial", "reverb"))
        assert spec.measure(clip, out, level) == pytest.approx(level, rel=0.25)
        lag = np.argmax(np.correlate(out.samples[:4_000], clip.samples[:4_000], "full")) - 3_999
        assert abs(lag) <= 1
