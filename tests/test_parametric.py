"""The vocoder codec: its bits, its lines, and speech that is still the same speech."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import correlate, stft

from signals import noise, tone, voice
from spoofproof import registry
from spoofproof.corruptions import parametric
from spoofproof.corruptions.parametric import LAYOUTS, decode, encode
from spoofproof.errors import BadPlan
from spoofproof.streams import stream
from spoofproof.types import Clip

CODEC = registry.corruptions["parametric_codec"]


def through(clip: Clip, level: float, key: str = "test") -> Clip:
    return CODEC.run(clip, level, stream(0, key))


def envelope(clip: Clip) -> np.ndarray:
    """Loudness over 20 ms."""
    width = clip.rate // 50
    return np.convolve(np.abs(clip.samples), np.ones(width) / width, "same")


def bands(clip: Clip) -> np.ndarray:
    """Levels in dB in 20 bands of equal width on the mel scale, every 16 ms."""
    f, _, z = stft(clip.samples, clip.rate, nperseg=512)
    edges = 700 * (np.exp(np.linspace(0, np.log1p(8000 / 700), 21)) - 1)
    power = np.abs(z) ** 2
    return np.array(
        [10 * np.log10(power[(f >= a) & (f < b + 1)].mean(axis=0) + 1e-9) for a, b in pairwise(edges)]
    )


def distance(clean: Clip, out: Clip) -> float:
    return float(np.sqrt(np.mean((bands(clean) - bands(out)) ** 2)))


@pytest.mark.parametrize("level", CODEC.levels)
def test_a_frame_has_its_bits_and_the_stream_has_its_rate(level: float) -> None:
    layout = LAYOUTS[level]
    assert sum(layout.lsf) + layout.gain + layout.pitch + layout.voicing == sum(layout.widths)
    for seconds in (0.5, 4.0):
        stream_ = encode(voice(seconds).samples, layout)
        frames = int(np.ceil(seconds * 16_000 / layout.hop))
        assert len(stream_) == int(np.ceil(frames * sum(layout.widths) / 8))
    assert len(encode(voice(8.0).samples, layout)) * 8 / 8.0 == pytest.approx(1000 * level, rel=2e-3)
    assert CODEC.measure is not None
    assert CODEC.measure(voice(4.0), voice(4.0), level) == pytest.approx(level, abs=0.01)


def test_the_published_levels_and_orders() -> None:
    assert CODEC.levels == pytest.approx((4.8, 3.2, 2.4, 1.6, 0.8))
    assert [len(LAYOUTS[level].lsf) for level in CODEC.levels] == [20, 16, 12, 10, 8]


def test_the_decoder_hears_nothing_but_the_stream() -> None:
    layout = LAYOUTS[2.4]
    sent = encode(voice(1.0).samples, layout)
    first = decode(sent, 16_000, layout, stream(0, "a"))
    assert np.array_equal(first, decode(sent, 16_000, layout, stream(0, "a")))
    flipped = bytes([sent[0] ^ 0x80]) + sent[1:]  # the first bit of the first line spectral frequency
    assert not np.array_equal(first, decode(flipped, 16_000, layout, stream(0, "a")))


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("level", CODEC.levels)
def test_it_is_still_the_same_speech(level: float, rate: int) -> None:
    clean = voice(4.0, rate)
    out = through(clean, level)
    assert out.samples.size == clean.samples.size
    a, b = envelope(clean), envelope(out)
    assert np.corrcoef(a, b)[0, 1] > 0.88
    c = correlate(b - b.mean(), a - a.mean(), method="fft")
    assert abs(int(np.argmax(c)) - a.size + 1) / rate < 0.006
    assert out.samples.std() == pytest.approx(clean.samples.std(), rel=0.15)


def test_fewer_bits_are_worse_and_no_level_is_far_off() -> None:
    clean = voice(6.0)
    found = [distance(clean, through(clean, level)) for level in CODEC.levels]
    assert found == sorted(found)
    assert found[0] < 4.0 and found[-1] < 8.0


def test_it_is_a_vocoder_not_a_waveform_codec() -> None:
    clean = voice(4.0)
    x, y = clean.samples.astype(float), through(clean, 4.8).samples.astype(float)
    assert 10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2)) < 3


@pytest.mark.parametrize("hz", [90.0, 120.0, 180.0, 250.0])
def test_the_pitch_is_kept(hz: float) -> None:
    pulses = np.zeros(32_000, dtype=np.float32)
    pulses[np.round(np.arange(0, 32_000, 16_000 / hz)).astype(int)[:-1]] = 0.5
    out = through(Clip(pulses, 16_000), 4.8).samples[4000:28_000].astype(float)
    out = np.convolve(out, np.hanning(16), "same")  # pulses lie on whole samples
    r = correlate(out, out, method="fft")[out.size - 1 :]
    high = np.flatnonzero(r[40:300] > 0.8 * r[40:300].max()) + 40
    near = high[high < 1.1 * high[0]]  # the first peak; its multiples are as high
    lag = near[np.argmax(r[near])]
    assert 16_000 / lag == pytest.approx(hz, rel=0.025)


@pytest.mark.parametrize("hz", [80.0, 180.0, 300.0])
def test_the_period_is_not_taken_for_a_multiple_of_it(hz: float) -> None:
    """Twice the period resembles as much, and in noise now and then more."""
    x = sum(tone(hz * k, 3.0, amplitude=0.3 / k).samples.astype(float) for k in range(1, int(4000 // hz)))
    x += noise(3.0, rms=float(np.std(x)), seed=4).samples
    layout = LAYOUTS[4.8]
    windows = next(parametric._cut(x, layout.hop, 1024, x.size))[5:-5]
    pitch, _ = parametric._pitch_codes(windows, layout)
    found = np.exp(parametric._uniform(pitch, 1 << layout.pitch, *np.log((60.0, 400.0))))
    assert np.mean(np.abs(np.log2(found / hz)) < 0.1) > 0.95


def test_noise_stays_noise_and_a_voice_a_voice() -> None:
    def periodicity(clip: Clip) -> float:
        x = clip.samples[8000:40_000].astype(float).reshape(-1, 1600)
        r = np.fft.irfft(np.abs(np.fft.rfft(x, 4096, axis=1)) ** 2, axis=1)
        return float(np.median(r[:, 50:270].max(axis=1) / r[:, 0]))

    for level in (4.8, 0.8):
        assert periodicity(through(noise(3.0), level)) < 0.35
        assert periodicity(through(tone_complex(), level)) > 0.55


def tone_complex() -> Clip:
    x = sum(tone(110.0 * k, 3.0, amplitude=0.3 / k).samples for k in range(1, 30))
    return Clip(np.asarray(x, dtype=np.float32), 16_000)


@pytest.mark.parametrize("order", [8, 10, 12, 16, 20])
def test_line_spectral_frequencies_are_those_of_the_polynomial(order: int) -> None:
    """The oracle: roots of A(z) ± z^-(p+1) A(1/z) on the unit circle; and back to the same polynomial."""
    windows = np.lib.stride_tricks.sliding_window_view(voice(2.0).samples.astype(float), 512)[::3000]
    a = parametric._predictors(windows, order)
    lines = parametric._lsf(a)
    assert lines.shape == (len(a), order) and np.all(np.diff(lines, axis=1) > 0)
    for one, found in zip(a, lines, strict=True):
        p, q = (np.r_[one, 0] + sign * np.r_[one, 0][::-1] for sign in (1, -1))
        angles = np.angle(np.concatenate([np.roots(p), np.roots(q)]))
        wanted = np.sort(angles[(angles > 1e-3) & (angles < np.pi - 1e-3)])
        assert np.allclose(found, wanted, atol=1e-6)
        assert np.abs(np.roots(one)).max() < 1
    assert np.allclose(parametric._from_lsf(lines), a, atol=1e-6)


def test_prediction_finds_the_filter_that_made_the_noise() -> None:
    from scipy.signal import lfilter

    true = np.poly([0.9 * np.exp(1j * w) for w in (0.4, -0.4, 1.5, -1.5)]).real
    x = lfilter([1.0], true, np.random.default_rng(0).standard_normal(512 * 400)).reshape(400, 512)
    assert np.allclose(parametric._predictors(x, 4).mean(axis=0), true, atol=0.06)


def test_levels_share_their_noise_and_clips_do_not() -> None:
    clean = noise(1.0)
    assert np.array_equal(through(clean, 2.4).samples, through(clean, 2.4).samples)
    assert not np.array_equal(through(clean, 2.4, "a").samples, through(clean, 2.4, "b").samples)
    a, b = through(clean, 4.8).samples, through(clean, 3.2).samples
    c = through(clean, 3.2, "other").samples
    assert np.corrcoef(a, b)[0, 1] > 0.5 > abs(np.corrcoef(a, c)[0, 1]) + 0.3


def test_another_rate_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(BadPlan, match=r"4.8, 3.2, 2.4, 1.6, 0.8"):
        through(voice(0.2), 5)
