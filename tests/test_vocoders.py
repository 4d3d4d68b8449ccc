"""Vocoders of the built-in corpus: closed forms for the analysis, librosa as the independent ear for the synthesis."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import freqz, lfilter

from signals import noise, tone, voice
from spoofproof.corpora import source_filter as sf
from spoofproof.corpora.vocoders import VOCODERS, Vocoder, mel_bank
from spoofproof.errors import BadAudio
from spoofproof.types import Clip, Samples

RATE = 16_000
NAMES = list(VOCODERS)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def pulses(hz: float, seconds: float = 2.0) -> Samples:
    """All harmonics below Nyquist in phase: a train of pulses that need not fall on samples."""
    phase = 2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE
    return (
        np.sum([np.cos(k * phase) for k in range(1, int(0.5 * RATE / hz))], axis=0).astype(np.float32) * 0.02
    )


def formants(
    source: Samples, centres: tuple[float, ...] = (700.0, 1800.0, 3000.0)
) -> tuple[Samples, NDArray[np.float64]]:
    """The source through resonances of 100 Hz, and the coefficients of the filter."""
    a = np.array([1.0])
    for centre in centres:
        r = np.exp(-np.pi * 100 / RATE)
        a = np.convolve(a, [1, -2 * r * np.cos(2 * np.pi * centre / RATE), r * r])
    return lfilter([1.0], a, source).astype(np.float32), a


@pytest.fixture(scope="module")
def speech() -> Clip:
    return voice(3.0, f0=120.0, seed=3)


@pytest.fixture(scope="module")
def copies(speech: Clip) -> dict[str, Clip]:
    return {name: run(speech, rng()) for name, run in VOCODERS.items()}


@pytest.fixture(params=NAMES)
def vocoder(request: pytest.FixtureRequest) -> Vocoder:
    return VOCODERS[request.param]


def yin(clip: Clip) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """librosa's f0 a frame of 10 ms, and which frames are loud."""
    import librosa

    f0 = librosa.yin(clip.samples, fmin=70, fmax=300, sr=clip.rate, frame_length=1024, hop_length=160)
    rms = librosa.feature.rms(y=clip.samples, frame_length=1024, hop_length=160)[0]
    return f0, rms > rms.max() * 0.2


def log_mel(clip: Clip) -> NDArray[np.float64]:
    import librosa

    power = librosa.feature.melspectrogram(
        y=clip.samples, sr=clip.rate, n_fft=512, hop_length=160, n_mels=30, fmin=80, fmax=7000
    )
    return np.asarray(10 * np.log10(power + 1e-8).T, dtype=np.float64)


def distance(one: Clip, other: Clip) -> float:
    """RMS difference of the log mel spectra in dB where the first is loud, the overall level aside."""
    a, b = log_mel(one), log_mel(other)
    loud = a.max(axis=1) > a.max() - 25
    difference = (a - b)[loud]
    return float(np.sqrt(np.mean(np.square(difference - difference.mean()))))


@pytest.mark.parametrize("hz", [75.0, 110.0, 150.0, 223.0, 330.0, 400.0])
def test_pitch_of_pulses_is_their_rate(hz: float) -> None:
    x, _ = formants(pulses(hz))
    f0 = sf.pitch(x, RATE)[10:-10]
    assert (f0 > 0).mean() > 0.98
    assert np.median(f0) == pytest.approx(hz, rel=0.005)
    assert np.abs(np.log2(f0[f0 > 0] / hz)).max() < 0.1, "an octave jump"


def test_pitch_follows_a_glide_frame_by_frame() -> None:
    hz = np.linspace(100, 200, 2 * RATE)
    x, _ = formants(np.diff(np.floor(np.cumsum(hz / RATE)), prepend=0.0).astype(np.float32))
    f0 = sf.pitch(x, RATE)
    true = hz[np.minimum(np.arange(f0.size) * sf.hop_of(RATE), hz.size - 1)]
    inside = slice(10, -10)
    assert np.abs(f0[inside] / true[inside] - 1).max() < 0.03


def test_noise_and_silence_have_no_pitch() -> None:
    assert (sf.pitch(noise(2.0).samples, RATE) > 0).mean() < 0.1
    assert not sf.pitch(np.zeros(RATE, dtype=np.float32), RATE).any()


def test_envelope_of_white_noise_is_its_variance() -> None:
    x = noise(4.0, rms=0.2).samples
    envelope = sf.envelope(x, RATE, np.zeros(sf.frame_count(x.size, RATE)))[5:-5]
    # The lifter works on the log, whose mean over chi-square noise lies at most 2.5 dB (Euler's constant) below the power.
    assert -2.6 < 10 * np.log10(np.exp(np.log(envelope).mean()) / 0.04) < 0.5
    assert np.ptp(10 * np.log10(np.exp(np.log(envelope).mean(axis=0)))[20:-20]) < 1.5, "not flat"


@pytest.mark.parametrize("hz", [100.0, 180.0])
def test_envelope_of_a_voice_is_its_filter_and_not_its_harmonics(hz: float) -> None:
    x, a = formants(pulses(hz))
    envelope = sf.envelope(x, RATE, np.full(sf.frame_count(x.size, RATE), hz))[50]
    grid = np.arange(sf.FFT // 2 + 1) * RATE / sf.FFT
    true = 20 * np.log10(np.abs(freqz(1, a, worN=grid, fs=RATE)[1]))
    inside = (grid > 300) & (grid < 7000)
    error = (10 * np.log10(envelope) - true)[inside]
    assert np.std(error) < 2.0
    for centre in (700.0, 1800.0, 3000.0):
        near = np.abs(grid - centre) < 250
        assert abs(grid[near][np.argmax(envelope[near])] - centre) <= hz / 2


def test_minimum_phase_of_one_pole_is_its_impulse_response() -> None:
    grid = 2 * np.pi * np.arange(sf.FFT // 2 + 1) / sf.FFT
    power = 1 / np.abs(1 - 0.9 * np.exp(-1j * grid)) ** 2
    response = np.fft.irfft(sf.minimum_phase(power))
    assert np.allclose(response[:60], 0.9 ** np.arange(60), atol=1e-6)


def test_aperiodicity_tells_pulses_from_noise() -> None:
    x, _ = formants(pulses(125.0))
    f0 = np.full(sf.frame_count(x.size, RATE), 125.0)
    assert sf.aperiodicity(x, RATE, f0)[20:-20].mean() < 0.15
    assert sf.aperiodicity(noise(2.0).samples, RATE, f0)[20:-20].mean() > 0.6
    assert (sf.aperiodicity(x, RATE, np.zeros_like(f0)) == 1).all()


def test_mel_filters_cover_the_band_and_sum_to_one_between_their_ends() -> None:
    bank = mel_bank(80, RATE)
    assert bank.shape == (80, sf.FFT // 2 + 1) and bank.min() == 0
    peaks = bank.argmax(axis=1)
    assert (np.diff(peaks) >= 0).all()
    assert np.allclose(bank[:, peaks[0] + 1 : peaks[-1]].sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_copy_keeps_the_pitch(name: str, speech: Clip, copies: dict[str, Clip]) -> None:
    before, loud = yin(speech)
    after, _ = yin(copies[name])
    assert np.median(before[loud]) == pytest.approx(120, rel=0.15)  # the voice drifts by 15 %
    ratio = after[loud] / before[loud]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
    assert (np.abs(ratio - 1) < 0.03).mean() > 0.75


@pytest.mark.parametrize("name", NAMES)
def test_the_copy_keeps_the_formants(name: str, speech: Clip, copies: dict[str, Clip]) -> None:
    assert distance(speech, copies[name]) < 4.0  # dB; measured: 2.3 to 2.8
    other = VOCODERS[name](voice(3.0, f0=120.0, seed=4), rng())
    assert distance(speech, other) > 6.0, "the bound would pass another sentence"


@pytest.mark.parametrize("name", NAMES)
def test_the_copy_keeps_length_rate_and_level(name: str, speech: Clip, copies: dict[str, Clip]) -> None:
    copy = copies[name]
    assert (copy.samples.size, copy.rate) == (speech.samples.size, speech.rate)
    gain = 10 * np.log10(np.square(copy.samples).mean() / np.square(speech.samples).mean())
    assert abs(gain) < 2.0


def test_no_copy_is_the_original_or_another_copy(speech: Clip, copies: dict[str, Clip]) -> None:
    def like(one: Clip, other: Clip) -> float:
        spectra = [np.fft.rfft(clip.samples, 2 * speech.samples.size) for clip in (one, other)]
        best = np.abs(np.fft.irfft(spectra[0] * spectra[1].conj())).max()
        return float(best / np.linalg.norm(one.samples) / np.linalg.norm(other.samples))

    everything = {"original": speech, **copies}
    for first, second in combinations(everything, 2):
        assert like(everything[first], everything[second]) < 0.9, (first, second)


def test_the_same_stream_gives_the_same_copy_and_another_one_not(vocoder: Vocoder) -> None:
    clip = voice(1.0)
    kept = clip.samples.copy()
    first, again = vocoder(clip, rng()), vocoder(clip, rng())
    assert np.array_equal(first.samples, again.samples)
    other = vocoder(clip, np.random.default_rng(8)).samples
    assert np.array_equal(first.samples, other) == (vocoder is VOCODERS["neural_vocoder"])  # it draws nothing
    assert np.array_equal(clip.samples, kept), "the input was touched"


def test_silence_stays_silent(vocoder: Vocoder) -> None:
    out = vocoder(Clip(np.zeros(RATE, dtype=np.float32), RATE), rng())
    assert out.samples.size == RATE and not out.samples.any()


def test_a_pause_stays_quiet(vocoder: Vocoder) -> None:
    clip = voice(3.0)
    x = clip.samples.copy()
    x[RATE : 2 * RATE] = 0
    out = vocoder(clip.replace(x), rng()).samples
    pause = np.square(out[RATE + 2000 : 2 * RATE - 2000]).mean()
    assert 10 * np.log10((pause + 1e-12) / np.square(out[:RATE]).mean()) < -40


@pytest.mark.parametrize("samples", [1, 7, 79, 160, 401, 1023])
def test_crumbs_are_copied_without_a_fuss(vocoder: Vocoder, samples: int) -> None:
    out = vocoder(Clip(voice(1.0).samples[3000 : 3000 + samples].copy(), RATE), rng())
    assert out.samples.size == samples


@pytest.mark.parametrize(
    "clip", [noise(1.0), tone(200.0, 1.0), Clip(np.full(RATE, 0.3, dtype=np.float32), RATE)]
)
def test_other_sounds_stay_finite_and_of_their_size(vocoder: Vocoder, clip: Clip) -> None:
    out = vocoder(clip, rng())
    assert np.abs(out.samples).max() < 10 * np.abs(clip.samples).max()


def test_a_rate_that_the_analysis_cannot_hold_is_refused() -> None:
    with pytest.raises(BadAudio, match="resample"):
        sf.envelope(noise(0.1, rate=48_000).samples, 48_000, np.zeros(21))
