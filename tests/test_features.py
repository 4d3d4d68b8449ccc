"""Cepstra against closed forms, an explicit loop, SciPy's transforms and librosa's framing."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import scipy.fft

from signals import noise, tone, voice
from spoofproof.detectors.features import Lfcc, delta, roughness
from spoofproof.detectors.prepare import level, prepare, trim
from spoofproof.errors import BadAudio, BadPlan
from spoofproof.types import Clip

SMALL = Lfcc()
LARGE = Lfcc(frame=480, shift=240, fft=1024, filters=70, coefficients=20)  # ASVspoof 2021 LFCC-GMM


@pytest.mark.parametrize("lfcc", [SMALL, LARGE])
def test_filters_are_triangles_on_a_linear_scale_that_add_up_to_one(lfcc: Lfcc) -> None:
    hz = np.arange(lfcc.fft // 2 + 1) * lfcc.rate / lfcc.fft
    step = lfcc.high / (lfcc.filters + 1)
    inner = (hz >= step) & (hz <= lfcc.high - step)
    assert np.allclose(lfcc.bank.sum(axis=0)[inner], 1, atol=1e-6)
    centres = (lfcc.bank @ hz) / lfcc.bank.sum(axis=1)
    assert np.allclose(centres, step * np.arange(1, lfcc.filters + 1), atol=hz[1])


def test_dct_is_orthonormal_and_is_scipys() -> None:
    full = Lfcc(coefficients=20)
    assert np.allclose(full.dct @ full.dct.T, np.eye(20), atol=1e-6)
    x = np.random.default_rng(1).standard_normal((3, 70)).astype(np.float32)
    expected = scipy.fft.dct(x, type=2, norm="ortho", axis=1)[:, :20]
    assert np.allclose(x @ LARGE.dct.T, expected, atol=1e-5)


@pytest.mark.parametrize("lfcc", [SMALL, LARGE])
def test_cepstra_equal_an_explicit_loop(lfcc: Lfcc) -> None:
    x = voice(0.3).samples.astype(np.float64)
    y = np.append(x[0], [x[n] - lfcc.emphasis * x[n - 1] for n in range(1, len(x))])
    window = [0.54 - 0.46 * np.cos(2 * np.pi * n / (lfcc.frame - 1)) for n in range(lfcc.frame)]
    rows = []
    for start in range(0, len(y) - lfcc.frame + 1, lfcc.shift):
        piece = [y[start + n] * window[n] * 2 / sum(window) for n in range(lfcc.frame)]
        power = np.abs(np.fft.fft(piece, lfcc.fft)[: lfcc.fft // 2 + 1]) ** 2
        energies = []
        for m in range(1, lfcc.filters + 1):
            total = 0.0
            for k, p in enumerate(power):
                place = k * lfcc.rate / lfcc.fft / (lfcc.high / (lfcc.filters + 1)) - m
                total += max(0.0, 1 - abs(place)) * p
            energies.append(np.log(total + 1e-10))
        rows.append(scipy.fft.dct(energies, type=2, norm="ortho")[: lfcc.coefficients])
    got = lfcc.static(voice(0.3).samples)
    assert got.dtype == np.float32
    assert got.shape == np.shape(rows)
    assert np.abs(got - np.array(rows)).max() < 2e-3


def test_frames_are_those_of_librosa() -> None:
    clip = noise(1.0)
    frames = librosa.util.frame(clip.samples, frame_length=320, hop_length=160).T
    plain = Lfcc(emphasis=0.0)
    expected = np.abs(scipy.fft.rfft(frames * plain.taper, 512, axis=1)) ** 2
    assert np.allclose(plain.spectra(clip.samples), expected, rtol=1e-4, atol=1e-9)
    assert plain.frames(clip.samples.size) == len(frames) == len(plain(clip))


def test_a_full_scale_sine_has_unit_power_in_its_own_bin_and_its_own_filter() -> None:
    plain = Lfcc(emphasis=0.0)
    power = plain.spectra(tone(2000.0, 0.5, amplitude=1.0).samples)
    assert np.allclose(power.max(axis=1), 1.0, atol=0.02)
    assert (power.argmax(axis=1) == 2000 * 512 // 16000).all()
    loudest = plain.log_energies(tone(2000.0, 0.5).samples).argmax(axis=1)
    assert (loudest == round(2000 / (8000 / 21)) - 1).all()


def test_gain_moves_c0_alone() -> None:
    quiet, loud = noise(0.5, rms=0.05), noise(0.5, rms=0.1)
    change = SMALL.static(loud.samples) - SMALL.static(quiet.samples)
    assert np.allclose(change[:, 0], np.log(4) * np.sqrt(20), atol=2e-3)
    assert np.abs(change[:, 1:]).max() < 2e-3


def test_the_slope_of_a_ramp_is_its_slope_and_of_a_constant_zero() -> None:
    ramp = np.outer(np.arange(30), [3.0, -0.5]).astype(np.float32)
    assert np.allclose(delta(ramp)[2:-2], [3.0, -0.5], atol=1e-5)
    assert np.allclose(delta(delta(ramp))[4:-4], 0, atol=1e-5)
    assert np.allclose(delta(np.full((9, 2), 7, np.float32)), 0)
    assert delta(ramp[:1]).shape == (1, 2)


def test_roughness_of_a_parabola_and_of_a_straight_line() -> None:
    n = np.arange(12, dtype=np.float32)[:, None]
    assert np.allclose(roughness(3 * n), np.log(0.05), atol=1e-4)
    assert np.allclose(roughness(n * n), np.log(2.05), atol=1e-4)
    channel = np.random.default_rng(0).standard_normal((1, 4)).astype(np.float32)
    x = np.random.default_rng(1).standard_normal((50, 4)).astype(np.float32)
    assert np.allclose(roughness(x + channel), roughness(x), atol=1e-4)


def test_sizes_and_deltas() -> None:
    assert SMALL.size == SMALL(noise(1.0)).shape[1] == 60
    assert SMALL.frames(64_600) == 402
    x = SMALL(voice(1.0))
    assert np.array_equal(x[:, 20:40], delta(x[:, :20]))
    assert np.array_equal(x[:, 40:], delta(x[:, 20:40]))


@pytest.mark.parametrize("samples", [1, 100, 320, 479, 480])
def test_short_clips_have_a_finite_frame(samples: int) -> None:
    clip = Clip(np.full(samples, 0.1, np.float32), 16_000)
    x = SMALL(clip)
    assert x.shape == (SMALL.frames(samples), 60)
    assert np.isfinite(x).all()


def test_silence_is_finite() -> None:
    assert np.isfinite(SMALL(Clip(np.zeros(16_000, np.float32), 16_000))).all()


def test_another_rate_is_refused() -> None:
    with pytest.raises(BadAudio, match="8000 Hz"):
        SMALL(noise(1.0, rate=8000))


@pytest.mark.parametrize(
    "wrong", [{"frame": 600}, {"coefficients": 21}, {"high": 9000.0}, {"deltas": 3}, {"shift": 0}]
)
def test_settings_that_make_no_front_end_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadPlan, match="LFCC"):
        Lfcc(**wrong)  # type: ignore[arg-type]


def test_trim_cuts_silent_edges_alone_and_level_sets_the_level() -> None:
    silence = np.zeros(3200, np.float32)
    speech = noise(1.0).samples
    middle = np.concatenate([speech, silence, speech])
    clip = Clip(np.concatenate([silence, middle, silence]), 16_000)
    assert np.array_equal(trim(clip).samples, middle)
    assert np.array_equal(trim(Clip(silence, 16_000)).samples, silence)
    for gain in (0.01, 1.0, 30.0):
        out = level(clip.replace(clip.samples * gain + 0.2))
        assert abs(np.sqrt(np.mean(out.samples.astype(float) ** 2)) - 0.05) < 1e-5
        assert abs(out.samples.mean()) < 1e-6
    assert prepare(clip).samples.size == 64_600
    assert not prepare(Clip(silence + 0.5, 16_000)).samples.any()
