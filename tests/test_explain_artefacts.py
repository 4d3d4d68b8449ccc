"""Measures of artefacts: signals whose answer is known, from their construction and not from the code."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import firwin, lfilter

from signals import noise, tone, voice
from spoofproof.errors import BadAudio, SpoofproofError
from spoofproof.explain.artefacts import MEASURES, Analysis, readings
from spoofproof.explain.artefacts.measure import measure
from spoofproof.explain.artefacts.vocoder import strongest
from spoofproof.types import Clip

RATE = 16_000


def clip(x: np.ndarray) -> Clip:
    return Clip(np.ascontiguousarray(x, dtype=np.float32), RATE)


def value(name: str, heard: Clip) -> float:
    return MEASURES[name].run(Analysis.of(heard)).value


def pulses(spread: float, f0: float = 110.0, seconds: float = 3.0, seed: int = 0) -> Clip:
    """Band-limited pulses through two resonances; periods are independent normal draws with relative ``spread``."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    marks = np.cumsum(RATE / f0 * (1 + spread * rng.standard_normal(int(seconds * f0) + 20)))
    x = np.zeros(n)
    reach = np.arange(-24, 25)
    for mark in marks[marks < n - 30]:
        if mark > 30:
            at = round(mark)
            x[at + reach] += np.sinc(at + reach - mark) * np.hanning(49)
    for hz, width in ((600, 80), (1700, 120)):
        r = np.exp(-np.pi * width / RATE)
        x = lfilter([1.0], [1.0, -2 * r * np.cos(2 * np.pi * hz / RATE), r * r], x)
    return clip(0.3 * x / np.abs(x).max())


@pytest.mark.parametrize("hz", [2500.0, 3400.0, 5500.0])
def test_the_cut_off_of_a_low_passed_signal_is_found(hz: float) -> None:
    x = lfilter(firwin(401, hz, fs=RATE), 1.0, noise(3.0).samples)
    assert value("cut-off frequency", clip(x)) * 1000 == pytest.approx(hz, abs=125)
    assert value("cut-off depth", clip(x)) > 40


def test_without_an_edge_the_band_reaches_the_top() -> None:
    assert value("cut-off frequency", noise(3.0)) == 8.0
    assert value("cut-off depth", noise(3.0)) < 3
    tilted = lfilter([1.0], [1.0, -0.95], noise(3.0).samples)
    assert value("cut-off frequency", clip(tilted)) == 8.0, "a gentle slope is no edge"


@pytest.mark.parametrize("spread", [0.004, 0.01, 0.02])
def test_known_jitter_is_measured(spread: float) -> None:
    # Independent periods of relative standard deviation s differ by a normal of s·√2, whose mean size is 2s/√π.
    expected = 100 * spread * 2 / math.sqrt(math.pi)
    assert value("jitter", pulses(spread)) == pytest.approx(expected, rel=0.2)


def test_a_machine_has_no_jitter() -> None:
    assert value("jitter", pulses(0.0)) < 0.1


def test_a_trembling_melody_is_rougher_than_a_smooth_one() -> None:
    t = np.arange(3 * RATE) / RATE

    def sung(trembling: float) -> Clip:
        rng = np.random.default_rng(1)
        steps = np.repeat(rng.standard_normal(t.size // 160 + 1), 160)[: t.size]  # cents, anew every 10 ms
        f0 = 140 * 2 ** ((100 * np.sin(2 * np.pi * 0.7 * t) + trembling * steps) / 1200)
        phase = 2 * np.pi * np.cumsum(f0) / RATE
        return clip(0.1 * sum(np.cos(k * phase) / k for k in range(1, 12)))

    smooth, rough = value("pitch micro-variation", sung(0)), value("pitch micro-variation", sung(40))
    assert smooth < 4 < rough


def test_minimum_phase_pulses_are_more_coherent_than_the_same_magnitudes_with_random_phases() -> None:
    regular = pulses(0.0, f0=100.0)
    rng = np.random.default_rng(3)
    n = 800
    out = np.zeros(regular.samples.size)
    taper = np.hanning(n + 1)[:-1]
    for start in range(0, out.size - n, n // 2):  # magnitudes of 50 ms kept, phases drawn
        spectrum = np.fft.rfft(regular.samples[start : start + n] * taper)
        drawn = np.abs(spectrum) * np.exp(2j * np.pi * rng.random(spectrum.size))
        out[start : start + n] += np.fft.irfft(drawn, n)
    one, other = value("phase coherence", regular), value("phase coherence", clip(out))
    assert one > 0.9
    assert other < one - 0.15
    assert value("phase steadiness", regular) > 0.98


def spoken(pause: np.ndarray) -> Clip:
    """A vowel, a pause of 0.9 s, a vowel; over a faint floor."""
    rng = np.random.default_rng(4)
    gap = pause + 1e-4 * rng.standard_normal(pause.size)
    vowel = pulses(0.005, seconds=1.2).samples
    fade = np.minimum(1, np.minimum(np.arange(vowel.size), np.arange(vowel.size)[::-1]) / 400)
    return clip(np.concatenate([vowel * fade, gap, vowel * fade]))


def test_a_breath_is_found_where_it_is() -> None:
    rng = np.random.default_rng(5)
    pause = np.zeros(int(0.9 * RATE))
    assert value("breaths", spoken(pause)) == 0
    breath = lfilter(
        firwin(101, [500, 3500], pass_zero=False, fs=RATE), 1.0, rng.standard_normal(int(0.35 * RATE))
    )
    at = int(0.3 * RATE)
    pause[at : at + breath.size] += 0.008 * breath / breath.std() * np.hanning(breath.size)
    found = MEASURES["breaths"].run(Analysis.of(spoken(pause)))
    assert found.value == pytest.approx(60 / 3.3, rel=0.01)  # one in 3.3 s
    (span,) = found.where
    assert 1.5 - 0.05 < span.start < span.end < 1.85 + 0.05


def test_a_comb_at_160_samples_is_found() -> None:
    x = noise(3.0, rms=0.05).samples.copy()
    x[::160] += 0.3
    rate, height = strongest(Analysis.of(clip(x)))
    assert rate == 100.0
    assert height > 8
    assert strongest(Analysis.of(noise(3.0)))[1] < 2


def test_harmonicity_hears_noise_in_the_high_band() -> None:
    voiced = pulses(0.003, seconds=2.0)
    high = lfilter(firwin(201, 4000, pass_zero=False, fs=RATE), 1.0, noise(2.0, rms=0.02).samples)
    noisy = clip(voiced.samples + high)
    assert value("high-band harmonicity", noisy) < value("high-band harmonicity", voiced) - 5
    assert value("low-band harmonicity", noisy) == pytest.approx(
        value("low-band harmonicity", voiced), abs=1.5
    )


def test_holes_are_the_share_of_blocks_that_were_cut() -> None:
    x = noise(3.0).samples.astype(np.float64)
    n, hop = 512, 128
    taper = np.hanning(n + 1)[:-1]
    out = np.zeros(x.size)
    rng = np.random.default_rng(6)
    for start in range(0, x.size - n, hop):
        spectrum = np.fft.rfft(x[start : start + n] * taper)
        if start % 4096 == 0:
            low = int(rng.integers(3, 12)) * 16
        if start % 4096 < 1024:  # for 64 ms in 256, 500 Hz go missing: 2 % of the blocks
            spectrum[low : low + 16] = 0
        out[start : start + n] += np.fft.irfft(spectrum, n) * taper / 1.5
    assert value("spectral holes", noise(3.0)) < 0.3
    assert 0.5 < value("spectral holes", clip(out)) < 2.2


def test_digital_silence_is_found_where_it_is() -> None:
    x = noise(2.0, rms=0.05).samples.copy()
    x[8_000:12_000] = 0
    x[20_000:20_100] = 0  # 6 ms: too short
    found = MEASURES["digital silence"].run(Analysis.of(clip(x)))
    assert found.value == pytest.approx(100 * 4000 / x.size, abs=0.01)
    (span,) = found.where
    assert (span.start, span.end) == (pytest.approx(0.5, abs=1e-3), pytest.approx(0.75, abs=1e-3))


def test_floor_and_its_jump_are_decibels() -> None:
    rng = np.random.default_rng(7)
    loud = 0.2 * rng.standard_normal(8_000)
    quiet = [gain * rng.standard_normal(6_400) for gain in (0.002, 0.0002)]
    heard = clip(np.concatenate([loud, quiet[0], loud, quiet[1], loud]))
    assert value("floor jumps", heard) == pytest.approx(20, abs=1.5)
    assert value("noise floor", heard) == pytest.approx(-60, abs=3)
    assert value("pause share", heard) == pytest.approx(100 * 12_800 / 36_800, abs=2)


@pytest.mark.parametrize(
    "heard",
    [
        clip(np.zeros(RATE)),
        clip(np.full(RATE, 0.3)),
        tone(440.0, 1.0),
        noise(0.5),
        clip(np.sign(noise(1.0).samples)),
        clip(1e-5 * noise(1.0).samples),
        clip(30 * voice(1.0).samples),
    ],
    ids=["zeros", "constant", "tone", "half a second", "clipped", "faint", "beyond full scale"],
)
def test_every_measure_has_a_value_or_a_reason(heard: Clip) -> None:
    for name, found in readings(heard).items():
        assert found.known != bool(found.why), name
        for span in found.where:
            assert 0 <= span.start <= span.end <= heard.seconds + 0.01, name
            assert 0 <= span.low_hz <= span.high_hz <= 8000, name


def test_measures_are_the_same_twice_and_do_not_know_the_level() -> None:
    heard = voice(2.0)
    first, again = readings(heard), readings(heard)
    half = readings(clip(0.5 * heard.samples))
    for name in MEASURES:
        assert first[name].value == again[name].value or not first[name].known, name
        if first[name].known:
            assert half[name].value == pytest.approx(first[name].value, rel=0.02, abs=0.06), name


def test_another_rate_is_refused_and_names_are_unique() -> None:
    with pytest.raises(BadAudio, match="16000"):
        readings(Clip(np.zeros(8000, dtype=np.float32), 8000))
    with pytest.raises(SpoofproofError, match="twice"):
        measure("jitter", family="pitch", unit="", low="", high="")(lambda heard: heard)  # type: ignore[arg-type, return-value]


def test_spans_of_pauses_do_not_overlap() -> None:
    spans = MEASURES["pause share"].run(Analysis.of(voice(3.0))).where
    assert all(a.end <= b.start for a, b in pairwise(spans))
