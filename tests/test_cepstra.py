"""The nine hand-made features: closed forms, mirrors, known filters, tones, and explicit loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.fft
from scipy.linalg import solve_toeplitz
from scipy.signal import freqz, lfilter

from signals import noise, tone, voice
from spoofproof.detectors import linear_prediction
from spoofproof.detectors.cepstra import (
    FEATURES,
    PARTS,
    Front,
    box_bank,
    inverted_bank,
    mel_bank,
    normalised,
)
from spoofproof.detectors.constant_q import ConstantQ, cepstral_weights
from spoofproof.detectors.features import Lfcc, delta, roughness
from spoofproof.detectors.learned import Encoder, stacked
from spoofproof.errors import BadAudio, BadPlan, UnknownName
from spoofproof.types import Clip

RATE = 16_000


def times(clip: Clip, gain: float) -> Clip:
    return clip.replace(clip.samples * np.float32(gain))


def test_the_family_is_whole() -> None:
    assert set(FEATURES) == {"mfcc", "imfcc", "lfcc", "rfcc", "lpcc", "cqcc", "scmc", "scfc", "ssfc"}


@pytest.mark.parametrize("kind", FEATURES)
class TestEveryFeature:
    def test_shapes_and_types(self, kind: str) -> None:
        front = Front(kind)
        clip = voice(1.0)
        x = front(clip)
        assert x.shape == (front.base.frames(clip.samples.size), 60)
        assert x.dtype == np.float32
        assert np.array_equal(x, front(clip))
        assert replace(front, parts=("delta", "rough"))(clip).shape[1] == 40
        static = front.static(clip.samples)
        assert np.array_equal(x[:, :20], static)
        assert np.array_equal(x[:, 20:40], delta(static))

    def test_silence_one_sample_and_extremes_are_finite(self, kind: str) -> None:
        for x in (np.zeros(8000), np.ones(1), np.full(500, 0.7), np.sign(voice(0.5).samples)):
            assert np.isfinite(Front(kind)(Clip(x.astype(np.float32), RATE))).all()

    def test_a_gain_moves_c0_alone(self, kind: str) -> None:
        loud, soft = (Front(kind, emphasis=0.0).static(noise(1.0, rms=r).samples) for r in (0.2, 0.05))
        moved = loud - soft
        rest = moved if kind in ("scfc", "ssfc") else moved[:, 1:]
        assert np.abs(rest).max() < (0.05 if kind == "cqcc" else 5e-3)  # cqcc are sums over 8 118 points
        if kind not in ("scfc", "ssfc"):
            assert np.ptp(moved[:, 0]) < 0.02 * moved[:, 0].mean()
            assert moved[:, 0].min() > 1

    def test_mean_and_deviation_after_normalisation(self, kind: str) -> None:
        x = Front(kind, normalise="utterance")(voice(2.0)).astype(np.float64)
        assert np.abs(x.mean(axis=0)).max() < 1e-3
        assert np.allclose(x.std(axis=0), 1, atol=1e-3)

    def test_a_gain_is_gone_after_normalisation(self, kind: str) -> None:
        front, clip = Front(kind, normalise="utterance", emphasis=0.0), noise(2.0)
        apart = np.abs(front(clip) - front(times(clip, 0.25)))
        assert apart.max() < 0.02

    def test_another_rate_is_refused(self, kind: str) -> None:
        with pytest.raises(BadAudio, match="8000 Hz"):
            Front(kind)(voice(1.0, rate=8000))


def test_lfcc_is_the_lfcc_that_is_there() -> None:
    clip = voice(1.0)
    assert np.array_equal(Front("lfcc")(clip), Lfcc()(clip))


def test_mel_triangles_by_hand() -> None:
    bank = mel_bank(Front("mfcc", filters=26, coefficients=13))
    corner = [700 * (10 ** (m * 2595 * np.log10(1 + 8000 / 700) / 27 / 2595) - 1) for m in range(28)]
    assert corner[-1] == pytest.approx(8000)
    expected = np.zeros((26, 257))
    for m in range(26):
        for k in range(257):
            f = k * 31.25
            up = (f - corner[m]) / (corner[m + 1] - corner[m])
            down = (corner[m + 2] - f) / (corner[m + 2] - corner[m + 1])
            expected[m, k] = max(0.0, min(up, down))
    assert np.allclose(bank, expected, atol=1e-5)


def test_mfcc_by_hand() -> None:
    front, clip = Front("mfcc", emphasis=0.0, filters=26, coefficients=13), voice(0.3)
    frames = np.lib.stride_tricks.sliding_window_view(clip.samples, 320)[::160]
    power = np.abs(np.fft.rfft(frames * np.hamming(320) * 2 / np.hamming(320).sum(), 512, axis=1)) ** 2
    expected = scipy.fft.dct(np.log(power @ mel_bank(front).T + 1e-10), norm="ortho", axis=1)[:, :13]
    assert np.abs(front.static(clip.samples) - expected).max() < 2e-3


def test_imfcc_is_mfcc_of_the_mirrored_sound() -> None:
    clip = noise(1.0)
    mirrored = clip.samples * np.where(np.arange(clip.samples.size) % 2, -1, 1).astype(np.float32)
    plain, inverted = Front("mfcc", emphasis=0.0), Front("imfcc", emphasis=0.0)
    there = np.log(inverted.base.spectra(clip.samples) @ inverted_bank(inverted).T)
    here = np.log(plain.base.spectra(mirrored) @ mel_bank(plain).T)
    assert np.abs(there[:, ::-1] - here).max() < 1e-3  # filter m is filter M + 1 - m
    sign = np.where(np.arange(20) % 2, -1, 1)  # a DCT-II of a turned sequence
    assert np.abs(inverted.static(clip.samples) - sign * plain.static(mirrored)).max() < 1e-3
    assert np.abs(inverted.static(clip.samples) - plain.static(clip.samples)).max() > 1


def test_rectangles_share_the_band_out() -> None:
    bank = box_bank(Front("rfcc"))
    assert np.array_equal(bank.sum(axis=0), np.ones(257, np.float32))
    assert set(np.unique(bank)) == {0.0, 1.0}
    assert np.ptp(bank.sum(axis=1)) <= 1
    narrow = box_bank(Front("rfcc", low=1000, high=2000, filters=4, coefficients=4))
    hz = np.arange(257) * 31.25
    assert np.array_equal(narrow.sum(axis=0) > 0, (hz >= 1000) & (hz <= 2000))


def test_energy_of_a_tone_is_in_its_own_rectangle() -> None:
    front = Front("rfcc", emphasis=0.0)
    for m in (2, 9, 17):
        clip = tone((m + 0.5) * 400, 0.3)
        energies = front.base.spectra(clip.samples) @ box_bank(front).T
        assert (energies.argmax(axis=1) == m).all()


POLES = np.array([1.3, -0.8])  # x[n] = 1.3 x[n-1] - 0.8 x[n-2] + e[n]


def test_cepstra_of_known_poles_are_those_of_the_log_spectrum() -> None:
    _, response = freqz([1.0], [1.0, *-POLES], worN=4096, whole=True)
    expected = np.fft.ifft(np.log(np.abs(response) ** 2)).real[1:21]
    assert np.allclose(linear_prediction.cepstra(POLES[None], 20)[0], expected, rtol=1e-3, atol=1e-9)
    radius, angle = np.sqrt(0.8), np.arccos(1.3 / (2 * np.sqrt(0.8)))
    n = np.arange(1, 21)
    assert np.allclose(expected, 2 * radius**n / n * np.cos(angle * n), atol=1e-6)  # its closed form


def test_the_predictor_solves_the_normal_equations_and_finds_the_poles() -> None:
    rng = np.random.default_rng(0)
    x = lfilter([1.0], [1.0, *-POLES], rng.standard_normal(50_000))
    lags = np.array([x[: x.size - k] @ x[k:] for k in range(9)]) / x.size
    poles, error = linear_prediction.predictor(lags[None])
    assert np.allclose(poles[0], solve_toeplitz(lags[:8], lags[1:]), atol=1e-9)
    assert np.allclose(poles[0], [*POLES, *np.zeros(6)], atol=0.03)
    assert error[0] == pytest.approx(1.0, rel=0.03)


def test_lpcc_of_a_known_filter() -> None:
    rng = np.random.default_rng(1)
    x = lfilter([1.0], [1.0, *-POLES], 0.05 * rng.standard_normal(8 * RATE)).astype(np.float32)
    mean = Front("lpcc", emphasis=0.0, poles=2).static(x).mean(axis=0)
    expected = linear_prediction.cepstra(POLES[None], 5)[0]
    assert np.allclose(mean[1:6], expected, atol=0.06)
    power = Front("lpcc", emphasis=0.0).base.spectra(x).mean(axis=0)
    assert mean[0] == pytest.approx(np.log(power).mean(), abs=0.1)  # c0: the mean of the log spectrum


@pytest.mark.parametrize("hz", [100.0, 440.0, 997.0, 3000.0, 7000.0])
def test_a_tone_lands_in_its_constant_q_bin_with_its_own_power(hz: float) -> None:
    grid = ConstantQ()
    hz = grid.centres[np.abs(grid.centres - hz).argmin()]
    power = grid.power(tone(hz, 4.0, amplitude=0.5).samples, 398)[50:-50]
    peak = power.argmax(axis=1)
    assert (grid.centres[peak] == hz).all()
    assert np.allclose(power.max(axis=1), 0.25, rtol=0.02)
    assert (power[:, peak[0] + 3] < 0.25e-3).all()


def test_constant_q_bins_stand_at_equal_steps_of_pitch() -> None:
    grid = ConstantQ()
    assert grid.centres.size == 864
    assert np.allclose(grid.centres[96:] / grid.centres[:-96], 2)
    assert grid.centres[0] == pytest.approx(15.625)


def test_constant_q_power_is_an_explicit_sum() -> None:
    grid, clip = ConstantQ(octaves=4, bins=12), noise(0.2)
    got = grid.power(clip.samples, 19)
    spectrum = np.fft.fft(clip.samples)
    hz, ratio = np.arange(3200) * 5.0, 2 ** (1 / 12)
    for k in (3, 20, 40):
        f = 8000 * 2 ** ((k - 48) / 12)
        off = (hz - f) / ((f + 228.7) * (ratio - 1 / ratio) / 2)
        band = spectrum * np.where((np.abs(off) < 1) & (hz <= 8000), 0.5 + 0.5 * np.cos(np.pi * off), 0)
        n = 160 + 160 * np.arange(19)
        x = np.exp(2j * np.pi * np.outer(n, np.arange(3200)) / 3200) @ band / 1600
        assert np.allclose(got[:, k], np.abs(x) ** 2, rtol=1e-3, atol=1e-9)


def test_an_event_is_at_its_time_in_the_high_bins() -> None:
    x = np.zeros(RATE, np.float32)
    x[8000:8320] = noise(0.02).samples  # centred on 8160 = 160 + 160 * 50
    assert (ConstantQ().power(x, 99)[:, 700:].mean(axis=1)).argmax() == 50


def test_cqcc_are_the_dct_of_the_log_spectrum_on_a_linear_scale() -> None:
    grid = ConstantQ()
    spectrum = np.random.default_rng(0).standard_normal(864)
    line = np.arange(grid.centres[0], grid.centres[-1], grid.centres[0] / 16)
    expected = scipy.fft.dct(np.interp(line, grid.centres, spectrum), norm="ortho")[:20]
    assert np.allclose(spectrum @ cepstral_weights(grid, 20), expected, atol=1e-4)


def test_centroid_frequency_of_a_tone_is_the_tone_and_of_flat_sound_the_filters_own() -> None:
    front = Front("scfc", emphasis=0.0)
    hz, bank = np.arange(257) * 31.25, front.base.bank
    flat = (bank @ hz) / bank.sum(axis=1) / 1000
    assert np.allclose(front.static(noise(20.0).samples).mean(axis=0), flat, atol=0.01)
    assert np.allclose(front.static(np.zeros(8000, np.float32)), flat, atol=1e-4)
    strong = front.static(tone(2000.0, 0.5, amplitude=0.9).samples)
    near = np.abs(hz[bank.argmax(axis=1)] - 2000).argmin()
    assert np.allclose(strong[:, near], 2.0, atol=0.02)


def test_centroid_magnitude_grows_with_the_sound_and_the_higher_in_the_filter_the_more() -> None:
    front = Front("scmc", emphasis=0.0)
    soft, loud = (front.static(noise(0.5, rms=r).samples) for r in (0.05, 0.1))
    assert np.allclose((loud - soft)[:, 0], np.log(2) * np.sqrt(20), atol=2e-3)
    magnitude, bank = np.sqrt(front.base.spectra(noise(0.5).samples)), front.base.bank
    hz = np.arange(257) * 31.25
    by_hand = np.log([[w @ (hz * m) / (w @ hz) + 1e-6 for w in bank] for m in magnitude])
    assert np.allclose(
        front.static(noise(0.5).samples), scipy.fft.dct(by_hand, norm="ortho", axis=1), atol=1e-3
    )


def test_flux_of_a_steady_sound_is_zero_and_of_a_change_it_is_not() -> None:
    front = Front("ssfc", emphasis=0.0)
    steady = tone(1000.0, 0.5).samples  # 160 samples are ten periods
    assert np.abs(front.static(steady)).max() < 1e-3
    changed = np.concatenate([steady[:4000], tone(3000.0, 0.25).samples])
    flux = np.abs(front.static(changed)[:, 0])
    assert flux.argmax() in (23, 24, 25)
    assert flux.max() > 5
    assert np.abs(np.delete(flux, [22, 23, 24, 25, 26])).max() < 1e-2
    assert np.array_equal(front.static(noise(0.3).samples)[0], front.static(noise(0.3).samples)[1])


def test_parts_are_dynamics_of_the_statics() -> None:
    x = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    assert np.array_equal(PARTS["second"](x), delta(delta(x)))
    assert np.array_equal(PARTS["rough"](x)[1:-1], roughness(x))
    for few in (x[:1], x[:2], x[:3]):
        assert all(PARTS[name](few).shape == few.shape for name in PARTS)


def test_sliding_normalisation_is_an_explicit_loop() -> None:
    x = (5 + np.random.default_rng(0).standard_normal((50, 3)).cumsum(axis=0)).astype(np.float32)
    x[:, 2] = 7
    got = normalised(x, Front(normalise="sliding", reach=6))
    for t in (0, 3, 20, 46, 49):
        near = x[max(0, t - 6) : t + 7]
        assert np.allclose(
            got[t, :2], ((x[t] - near.mean(axis=0)) / (near.std(axis=0) + 1e-9))[:2], atol=1e-4
        )
    assert not got[:, 2].any()
    whole = normalised(x, Front(normalise="utterance"))
    assert np.allclose(normalised(x, Front(normalise="sliding", reach=60)), whole, atol=1e-4)


def test_a_fixed_channel_is_nearly_gone_after_mean_subtraction() -> None:
    clip = voice(3.0)
    telephone = clip.replace(lfilter([1.0, 0.4, -0.2], [1.0], clip.samples))
    front = Front("mfcc")
    apart = np.abs(front(clip)[:, :20].mean(axis=0) - front(telephone)[:, :20].mean(axis=0))
    even = replace(front, normalise="utterance")
    assert apart.max() > 0.5
    left = np.abs(even(clip) - even(telephone))[:, :20].mean()
    assert left < 0.1  # deviations of each column are 1


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"kind": "mfc"}, UnknownName, "Did you mean mfcc"),
        ({"parts": ("statics",)}, BadPlan, "Did you mean static"),
        ({"parts": ()}, BadPlan, "Known: "),
        ({"normalise": "cmvn"}, BadPlan, "none, utterance, sliding"),
        ({"reach": 0}, BadPlan, "at least 1"),
        ({"kind": "lpcc", "poles": 400}, BadPlan, "192 poles"),
        ({"kind": "mfcc", "filters": 120}, BadPlan, "take fewer filters"),
        ({"coefficients": 21}, BadPlan, "1 to 20 coefficients"),
    ],
)
def test_settings_that_make_no_feature_are_refused(wrong: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Front(**wrong)


def test_an_encoder_by_hand_and_its_context_at_the_edges() -> None:
    rng = np.random.default_rng(0)
    sizes = ((3 * 257, 6), (6, 4))
    encoder = Encoder(
        rng.standard_normal(257).astype(np.float32),
        np.full(257, 2, np.float32),
        1,
        tuple(0.1 * rng.standard_normal(s).astype(np.float32) for s in sizes),
        tuple(rng.standard_normal(s[1]).astype(np.float32) for s in sizes),
    )
    front, clip = Front("autoencoder", parts=("static", "delta")), voice(0.5)
    got = front(clip, encoder)
    spectra = np.log(front.base.spectra(clip.samples) + 1e-10)
    level = (spectra - encoder.centre) / 2
    for t in (0, 10, len(level) - 1):
        seen = np.concatenate([level[max(t - 1, 0)], level[t], level[min(t + 1, len(level) - 1)]])
        code = np.tanh(seen @ encoder.weights[0] + encoder.biases[0]) @ encoder.weights[1] + encoder.biases[1]
        assert np.allclose(got[t, :4], code, atol=1e-3)
    assert got.shape == (len(level), 8)
    assert stacked(level, 0).shape == level.shape
    with pytest.raises(BadPlan, match="needs the encoder"):
        front(clip)
