"""MP3, Opus and the telephone: bit rates, delay, bands, and what their standards promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate, welch

from signals import noise, tone, voice
from spoofproof import registry
from spoofproof.corruptions import codecs, coding
from spoofproof.errors import BadPlan, MissingPart
from spoofproof.streams import stream
from spoofproof.types import Clip, CorruptionSpec

MP3, OPUS, TELEPHONE = (registry.corruptions[name] for name in ("mp3", "opus", "telephone"))
LINES = {name: float(index) for index, name in enumerate(TELEPHONE.level_names)}
RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)


def through(spec: CorruptionSpec, clip: Clip, level: float) -> Clip:
    return spec.run(clip, level, stream(0, "test"))


def lag(clean: Clip, out: Clip) -> float:
    """Delay of ``out`` in seconds, by the peak of the cross-correlation with a parabola through it."""
    c = correlate(out.samples.astype(float), clean.samples.astype(float), method="fft")
    k = int(np.argmax(c))
    bend = c[k - 1] - 2 * c[k] + c[k + 1]
    return (k - clean.samples.size + 1 + 0.5 * (c[k - 1] - c[k + 1]) / bend) / clean.rate


def pitch(clip: Clip) -> float:
    """The strongest frequency in Hz."""
    n = 1 << 20
    return float(
        np.argmax(np.abs(np.fft.rfft(clip.samples * np.hanning(clip.samples.size), n))) * clip.rate / n
    )


def snr(clean: Clip, out: Clip) -> float:
    error = out.samples.astype(float) - clean.samples
    return 10 * np.log10(np.sum(clean.samples.astype(float) ** 2) / np.sum(error**2))


def gain_db(spec: CorruptionSpec, level: float, rate: int, low: float, high: float) -> float:
    """Mean gain between two frequencies, from spectra of noise before and after."""
    clean = noise(8.0, rate, rms=0.05)
    f, before = welch(clean.samples, rate, nperseg=4096)
    _, after = welch(through(spec, clean, level).samples, rate, nperseg=4096)
    band = (f >= low) & (f <= high)
    return float(10 * np.log10(np.sum(after[band]) / np.sum(before[band])))


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("level", MP3.levels)
def test_mp3_is_on_time_at_every_rate(level: float, rate: int) -> None:
    clean = noise(1.5, rate)
    assert abs(lag(clean, through(MP3, clean, level))) < 0.1 / rate  # a tenth of a sample


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("level", [31, 16, 8, 4])
def test_opus_is_on_time_at_every_rate(level: float, rate: int) -> None:
    clean = noise(1.5, rate)
    assert (
        abs(lag(clean, through(OPUS, clean, level))) < 1.3e-4
    )  # its pre-skip is exact to 6 samples of 48 kHz


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("line", LINES)
def test_telephone_is_on_time_at_every_rate(line: str, rate: int) -> None:
    clean = noise(1.5, rate)
    assert abs(lag(clean, through(TELEPHONE, clean, LINES[line]))) < 2e-5


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize(
    ("spec", "level"),
    [(MP3, 8), (MP3, 40), (OPUS, 1), (OPUS, 31), *((TELEPHONE, level) for level in LINES.values())],
    ids=lambda x: getattr(x, "name", str(x)),
)
def test_a_tone_keeps_its_frequency_and_its_length(spec: CorruptionSpec, level: float, rate: int) -> None:
    clean = tone(1000.0, 1.3, rate)
    out = through(spec, clean, level)
    assert (out.samples.size, out.rate) == (clean.samples.size, rate)
    assert pitch(out) == pytest.approx(1000.0, abs=2.0)


@pytest.mark.parametrize(
    ("spec", "level"),
    [(MP3, 16), (OPUS, 16), *((TELEPHONE, level) for level in LINES.values())],
    ids=lambda x: getattr(x, "name", str(x)),
)
def test_a_word_begins_and_ends_where_it_did(spec: CorruptionSpec, level: float) -> None:
    x = np.zeros(32_000, dtype=np.float32)
    x[12_000:20_000] = noise(0.5, seed=3).samples
    energy = np.cumsum(through(spec, Clip(x, 16_000), level).samples.astype(float) ** 2)
    before = np.cumsum(x.astype(float) ** 2)
    for share in (0.02, 0.98):
        there, here = (np.searchsorted(e, share * e[-1]) / 16_000 for e in (before, energy))
        assert here == pytest.approx(there, abs=0.012)


@pytest.mark.parametrize("spec", [MP3, OPUS, TELEPHONE], ids=lambda s: s.name)
def test_the_last_sample_is_coded_not_padded(spec: CorruptionSpec) -> None:
    for size in (16_000, 16_001, 16_159, 16_575):
        clean = noise(2.0)
        clean = Clip(clean.samples[:size], 16_000)
        for level in spec.levels:
            end = through(spec, clean, level).samples[-80:]
            assert np.sqrt(np.mean(end**2)) > 0.01, (level, size)


def test_a_codec_that_is_not_built_in_is_named() -> None:
    with pytest.raises(MissingPart, match=r"no encoder 'libvo_amrwbenc'.*pip install"):
        coding.encode("libvo_amrwbenc", np.zeros(320, dtype=np.int16), 16_000)


def test_pcm_saturates_and_does_not_wrap() -> None:
    pcm = coding.to_pcm16(np.array([-3.0, -1.0, 0.0, 0.5, 1.0, 3.0], dtype=np.float32))
    assert pcm.tolist() == [-32768, -32768, 0, 16384, 32767, 32767]


# --- MP3 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_mp3_sends_the_bits_it_says(rate: int) -> None:
    clean = voice(2.0, rate)
    for level in MP3.levels:
        assert MP3.measure is not None
        assert MP3.measure(clean, clean, level) == pytest.approx(level, rel=0.01)


def test_mp3_is_the_same_stream_as_ffmpegs_default() -> None:
    clean = voice(2.0)
    for level in MP3.levels:
        ours, _ = codecs._mp3(clean, level)
        theirs = b"".join(mp3_by_ffmpeg(coding.to_pcm16(clean.samples), int(level) * 1000))
        same = min(len(ours), len(theirs)) - 8 * 144  # the reservoir of the last frames knows of the end
        agree = np.mean(np.frombuffer(ours[:same], np.uint8) == np.frombuffer(theirs[:same], np.uint8))
        assert agree > 0.99, level


def mp3_by_ffmpeg(pcm: np.ndarray, bit_rate: int) -> list[bytes]:
    import av

    context = av.codec.CodecContext.create("libmp3lame", "w")
    context.sample_rate, context.layout, context.format = 16_000, "mono", "s16p"
    context.bit_rate = bit_rate
    context.open()
    packets = []
    for start in range(0, pcm.size - 576, 576):
        frame = av.AudioFrame.from_ndarray(
            pcm[None, start : start + 576].copy(), format="s16p", layout="mono"
        )
        frame.sample_rate, frame.pts = 16_000, start
        packets += [bytes(p) for p in context.encode(frame)]
    return packets


def test_mp3_loses_the_treble_first() -> None:
    """LAME's own low-pass for MPEG-2 at 16 kHz: about 7.2, 7.2, 5.7, 5.3 and 3 kHz."""
    for level, passed, stopped in ((40, 6900, 7600), (32, 6900, 7600), (24, 5400, 6200), (8, 1400, 3600)):
        assert gain_db(MP3, level, 16_000, passed - 400, passed) > -3
        assert gain_db(MP3, level, 16_000, stopped, 8000) < -60
    assert gain_db(MP3, 40, 48_000, 6000, 6500) > -3  # coded at 24 kHz …
    assert gain_db(MP3, 40, 48_000, 12_200, 24_000) < -60  # … and not at 48 under the name of 24


def test_mp3_refuses_a_bit_rate_that_it_has_not() -> None:
    with pytest.raises(BadPlan, match=r"mp3@12.*8, 16, 24, 32, 40"):
        through(MP3, voice(0.5), 12)


# --- Opus ------------------------------------------------------------------------------------------------------------


def test_opus_4_2_and_1_are_one_level_and_the_others_are_not() -> None:
    clean = voice(2.0)
    out = {level: through(OPUS, clean, level).samples.tobytes() for level in OPUS.levels}
    assert out[4] == out[2] == out[1]
    assert len(set(out.values())) == 4


def test_opus_says_what_it_really_sends() -> None:
    clean = voice(4.0)
    assert OPUS.measure is not None
    sent = {level: OPUS.measure(clean, clean, level) for level in OPUS.levels}
    assert sent[31] == pytest.approx(31, rel=0.15) and sent[16] == pytest.approx(16, rel=0.15)
    assert 4 < sent[1] < 6 and sent[1] == sent[2] == sent[4]


def test_opus_refuses_what_libopus_cannot() -> None:
    for level in (0.1, 600):
        with pytest.raises(BadPlan, match=r"0.5 to 256"):
            through(OPUS, voice(0.5), level)


# --- telephone -------------------------------------------------------------------------------------------------------


def test_telephone_names_its_lines_mild_to_severe() -> None:
    assert TELEPHONE.parse_level("g711a") == LINES["g711a"] and TELEPHONE.show_level(LINES["gsm"]) == "gsm"
    with pytest.raises(BadPlan, match=r"g722, g711u, g711a, amr-12.2, gsm, amr-4.75"):
        TELEPHONE.parse_level("amr-wb")


@pytest.mark.parametrize(
    ("line", "kbps"),
    {"g722": 64, "g711u": 64, "g711a": 64, "amr-12.2": 12.2, "gsm": 13.0, "amr-4.75": 4.75}.items(),
)
def test_telephone_sends_the_bits_of_the_standard(line: str, kbps: float) -> None:
    assert TELEPHONE.measure is not None
    assert TELEPHONE.measure(voice(2.0), voice(2.0), LINES[line]) == pytest.approx(kbps, rel=1e-3)


@pytest.mark.parametrize("line", ["g711u", "g711a"])
def test_narrow_band_is_300_to_3400_hz(line: str) -> None:
    level = LINES[line]
    assert abs(gain_db(TELEPHONE, level, 16_000, 400, 3250)) < 0.5
    for edge in (300, 3400):
        assert gain_db(TELEPHONE, level, 16_000, edge - 15, edge + 15) == pytest.approx(-6, abs=1.5)
    for low, high in ((20, 150), (3600, 3900), (4200, 8000)):
        assert gain_db(TELEPHONE, level, 16_000, low, high) < -25


def test_wide_band_is_50_to_7000_hz() -> None:
    assert abs(gain_db(TELEPHONE, LINES["g722"], 16_000, 100, 6800)) < 0.5
    assert gain_db(TELEPHONE, LINES["g722"], 16_000, 0, 25) < -15
    assert gain_db(TELEPHONE, LINES["g722"], 16_000, 7300, 8000) < -12  # its own noise is what is left there


@pytest.mark.parametrize(("line", "codec"), [("g711u", "pcm_mulaw"), ("g711a", "pcm_alaw")])
def test_g711_has_the_signal_to_noise_ratio_of_its_companding(line: str, codec: str) -> None:
    """6.02·8 + 4.77 - 20·log10(c) dB with c = ln(1 + µ) for µ = 255 and 1 + ln(A) for A = 87.6 (Jayant & Noll 1984).

    The laws are straight in pieces, so that the ratio of a sine swings by ±2 dB around this within every 6 dB.
    """
    c = {"g711u": np.log(256), "g711a": 1 + np.log(87.6)}[line]
    found = []
    for amplitude in 0.9 * 2 ** -np.linspace(0, 2, 16, endpoint=False):
        x = tone(997.0, 1.0, 8000, amplitude)
        samples, _ = coding.decode(codec, coding.encode(codec, coding.to_pcm16(x.samples), 8000), 8000)
        found.append(snr(x, Clip(samples[: x.samples.size], 8000)))
    assert np.mean(found) == pytest.approx(6.02 * 8 + 4.77 - 20 * np.log10(c), abs=0.7)
    assert np.ptp(found) < 4


@pytest.mark.parametrize(("line", "low", "high"), [("g722", 20, 60), ("g711a", 30, 42), ("gsm", 5, 32)])
def test_telephone_codes_a_tone_in_its_band_as_well_as_it_should(line: str, low: float, high: float) -> None:
    x = tone(700.0, 2.0, 16_000, 0.4)
    assert low < snr(x, through(TELEPHONE, x, LINES[line])) < high


def test_a_call_depends_on_nothing_but_the_clip() -> None:
    clean = voice(1.0)
    for level in LINES.values():
        first = through(TELEPHONE, clean, level).samples
        through(TELEPHONE, noise(0.5), level)
        assert np.array_equal(first, TELEPHONE.run(clean, level, stream(9, "other")).samples)
