"""Neural codecs of others: Lyra with its published weights, the rest end to end on tiny random networks."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate

from signals import noise, tone, voice
from spoofproof import registry
from spoofproof.corruptions import neural, neural_torch
from spoofproof.errors import BadPlan, MissingPart
from spoofproof.streams import stream
from spoofproof.types import Clip, CorruptionSpec

LYRA = registry.corruptions["neural_codec.lyra"]
NAMES = ("encodec", "dac", "mimi")
DATA_LYRA = "weights/lyra"


def through(spec: CorruptionSpec, clip: Clip, level: float) -> Clip:
    return spec.run(clip, level, stream(0, "test"))


def envelope(clip: Clip) -> np.ndarray:
    width = clip.rate // 50
    return np.convolve(np.abs(clip.samples), np.ones(width) / width, "same")


def distance(clean: Clip, out: Clip) -> float:
    """Root mean square of the difference between log spectra, in dB."""
    a, b = (
        20
        * np.log10(
            1e-3
            + np.abs(np.fft.rfft(x.samples[: x.samples.size // 512 * 512].reshape(-1, 512) * np.hanning(512)))
        )
        for x in (clean, out)
    )
    return float(np.sqrt(np.mean((a - b) ** 2)))


# --- Lyra ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lyra(data: Path, monkeypatch: pytest.MonkeyPatch) -> CorruptionSpec:
    pytest.importorskip("ai_edge_litert", reason="needs the extra neural")
    monkeypatch.setenv("SPOOFPROOF_LYRA", str(data / DATA_LYRA))
    assert LYRA.available() == ""
    return LYRA


@pytest.fixture
def speech(data: Path) -> list[Clip]:
    """Four real clips, of four sources."""
    from spoofproof.audio import open_audio

    folders = sorted(path for path in (data / "speech" / "train").iterdir() if path.is_dir())
    return [open_audio(min(folder.glob("*.flac"))) for folder in folders[:8:2]]


@pytest.mark.data
def test_lyra_keeps_the_speech_and_its_time(lyra: CorruptionSpec, speech: list[Clip]) -> None:
    for clean in speech:
        for level in lyra.levels:
            out = through(lyra, clean, level)
            assert (out.samples.size, out.rate) == (clean.samples.size, clean.rate)
            a, b = envelope(clean), envelope(out)
            assert np.corrcoef(a, b)[0, 1] > 0.85
            c = correlate(out.samples.astype(float), clean.samples.astype(float), method="fft")
            assert abs(int(np.argmax(c)) - clean.samples.size + 1) <= 1


@pytest.mark.data
def test_lyra_gets_worse_with_fewer_bits(lyra: CorruptionSpec, speech: list[Clip]) -> None:
    found = [
        np.mean([distance(clean, through(lyra, clean, level)) for clean in speech]) for level in lyra.levels
    ]
    assert found == sorted(found) and found[0] < found[-1]


@pytest.mark.data
def test_lyra_sends_the_bits_it_says(lyra: CorruptionSpec) -> None:
    assert lyra.measure is not None
    for level in lyra.levels:
        assert lyra.measure(voice(1.0), voice(1.0), level) == pytest.approx(level, abs=1e-6)


@pytest.mark.data
def test_lyra_begins_every_clip_anew(lyra: CorruptionSpec) -> None:
    clean = voice(1.0)
    first = through(lyra, clean, 6).samples
    through(lyra, noise(0.5), 3.2)
    assert np.array_equal(first, through(lyra, clean, 6).samples)
    neural._quantizer.cache_clear(), neural._files.cache_clear()
    assert np.array_equal(first, through(lyra, clean, 6).samples)


@pytest.mark.data
@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_lyra_is_right_at_other_rates(lyra: CorruptionSpec, rate: int) -> None:
    for clean in (
        voice(1.5, rate),
        Clip(voice(1.0, rate).samples[:1], rate),
        Clip(np.zeros(500, dtype=np.float32), rate),
    ):
        out = through(lyra, clean, 9.2)
        assert (out.samples.size, out.rate) == (clean.samples.size, rate)
    clean = voice(1.5, rate)
    out = through(lyra, clean, 9.2)
    assert np.corrcoef(envelope(clean), envelope(out))[0, 1] > 0.9
    c = correlate(out.samples.astype(float), clean.samples.astype(float), method="fft")
    assert abs(int(np.argmax(c)) - clean.samples.size + 1) / rate < 2e-4


@pytest.mark.data
def test_lyra_refuses_a_bit_rate_that_it_has_not(lyra: CorruptionSpec) -> None:
    with pytest.raises(BadPlan, match=r"9.2, 6, 3.2"):
        through(lyra, voice(0.2), 5)


def test_without_weights_it_says_every_way_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra neural")
    for name in ("SPOOFPROOF_LYRA", "SPOOFPROOF_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    missing = LYRA.available()
    for way in ("SPOOFPROOF_LYRA", str(tmp_path), "spoofproof fetch lyra", "SPOOFPROOF_WEIGHTS_URL"):
        assert way in missing
    with pytest.raises(MissingPart, match="fetch lyra"):
        through(LYRA, voice(0.2), 6)


def test_without_the_extra_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "spoofproof[neural]" in LYRA.available()
    for name in NAMES:
        assert "spoofproof[foundation]" in registry.corruptions[f"neural_codec.{name}"].available()


# --- EnCodec, DAC, Mimi ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of networks with the published rates, strides and codebooks, but few channels and random weights."""
    torch = pytest.importorskip("torch", reason="needs the extra foundation")
    transformers = pytest.importorskip("transformers", reason="needs the extra foundation")
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    t = transformers
    models = {
        "encodec": t.EncodecModel(t.EncodecConfig(num_filters=4, hidden_size=16, codebook_dim=16, num_lstm_layers=1)),
        "dac": t.DacModel(
            t.DacConfig(
                sampling_rate=16_000, encoder_hidden_size=4, decoder_hidden_size=32, downsampling_ratios=[2, 4, 5, 8],
                upsampling_ratios=[8, 5, 4, 2], n_codebooks=12, codebook_dim=4,
            )
        ),
        "mimi": t.MimiModel(
            t.MimiConfig(
                num_filters=4, hidden_size=16, codebook_dim=16, vector_quantization_hidden_dimension=16, upsample_groups=16,
                num_hidden_layers=1, intermediate_size=16, num_attention_heads=2, num_key_value_heads=2, head_dim=8,
            )
        ),
    }  # fmt: skip
    folders = {}
    for name, model in models.items():
        for key, buffer in model.state_dict().items():
            if key.endswith(("codebook.embed", "codebook.embed_sum")):
                buffer.normal_(0, 0.05)  # they begin as zeros, with which every level would sound the same
            if key.endswith("cluster_usage"):
                buffer.fill_(1.0)
        folders[name] = tmp_path_factory.mktemp(name)
        model.eval().save_pretrained(folders[name])
    return folders


@pytest.fixture
def hub(tiny: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, folder in tiny.items():
        monkeypatch.setenv(f"SPOOFPROOF_{name.upper()}", str(folder))


@pytest.mark.torch
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("name", NAMES)
def test_length_and_rate_are_kept(hub: None, name: str, rate: int) -> None:
    spec = registry.corruptions[f"neural_codec.{name}"]
    assert spec.available() == ""
    for size in (1, rate // 10, rate + 7):
        clean = Clip(voice(1.2, rate).samples[:size], rate)
        out = through(spec, clean, spec.levels[0])
        assert (out.samples.size, out.rate) == (size, rate)
        assert np.array_equal(out.samples, through(spec, clean, spec.levels[0]).samples)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "books"), [("encodec", (32, 16, 8, 4, 2)), ("dac", (12, 8, 4, 2, 1)), ("mimi", (32, 16, 8, 4))]
)
def test_the_level_is_a_number_of_codebooks(hub: None, name: str, books: tuple[int, ...]) -> None:
    spec = registry.corruptions[f"neural_codec.{name}"]
    codec = getattr(neural_torch, f"_{name.upper()}")
    model = neural_torch._load(codec)
    clean = noise(1.0, rms=0.3)
    outs = set()
    for level, wanted in zip(spec.levels, books, strict=True):
        codes = neural_torch._there(
            codec, model, neural_torch._padded(model, clean.samples), level
        ).audio_codes
        assert codes.shape[-2] == wanted
        assert spec.measure is not None
        assert spec.measure(clean, clean, level) == pytest.approx(level, abs=1e-6)
        outs.add(through(spec, clean, level).samples.tobytes())
    assert len(outs) == len(books)
    with pytest.raises(BadPlan, match="kbit/s"):
        through(spec, clean, 100)


@pytest.mark.torch
@pytest.mark.parametrize(("name", "sees"), [("encodec", 0.02), ("dac", 0.3), ("mimi", 0.085)])
def test_a_sound_changes_nothing_before_it_comes(hub: None, name: str, sees: float) -> None:
    """Random networks make no speech, but their answer to a sound begins where it begins: EnCodec and Mimi are causal
    to a frame, DAC's windows reach 0.3 s to either side."""
    spec = registry.corruptions[f"neural_codec.{name}"]
    silent = Clip(np.zeros(32_000, dtype=np.float32), 16_000)
    x = silent.samples.copy()
    x[16_000:22_000] = noise(1.0, rms=0.5).samples[:6000]
    before = through(spec, silent, spec.levels[0]).samples
    change = np.abs(through(spec, Clip(x, 16_000), spec.levels[0]).samples - before)
    first = np.flatnonzero(change > 0.02 * change.max())[0] / 16_000
    assert 1 - sees < first < 1 + 0.085


class Wire:
    """A codec that changes nothing, at 24 kHz; it notes what it was given, and can say a tone of its own instead."""

    config = SimpleNamespace(
        sampling_rate=24_000, frame_rate=75, codebook_size=1024, target_bandwidths=[6.0], audio_channels=1
    )

    def __init__(self, says: Clip | None = None) -> None:
        self.says, self.given = says, 0

    def encode(self, x: Any, mask: None, bandwidth: float) -> Any:
        self.given = x.shape[-1]
        return SimpleNamespace(audio_codes=x, audio_scales=None, last_frame_pad_length=0)

    def decode(self, codes: Any, scales: None, mask: None, last_frame_pad_length: int) -> Any:
        import torch

        said = (
            codes
            if self.says is None
            else torch.from_numpy(self.says.samples[None, None, : codes.shape[-1]].copy())
        )
        return SimpleNamespace(audio_values=said)


@pytest.mark.torch
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_the_model_hears_and_speaks_at_its_own_rate(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of the paper labels 16 kHz as 24 kHz: a tone then comes out 1.5 times as high, and ⅔ as long."""
    pytest.importorskip("torch", reason="needs the extra foundation")

    def hz(clip: Clip) -> float:
        n = 1 << 19
        return float(
            np.argmax(np.abs(np.fft.rfft(clip.samples * np.hanning(clip.samples.size), n))) * clip.rate / n
        )

    spec = registry.corruptions["neural_codec.encodec"]
    clean = tone(1000.0, 2.0, rate)
    wire = Wire()
    monkeypatch.setattr(neural_torch, "_load", lambda codec: wire)
    assert hz(through(spec, clean, 6)) == pytest.approx(1000, abs=1)
    assert wire.given == pytest.approx(2.0 * 24_000, abs=2 * 320)
    monkeypatch.setattr(neural_torch, "_load", lambda codec: Wire(says=tone(700.0, 3.0, 24_000)))
    assert hz(through(spec, clean, 6)) == pytest.approx(700, abs=1)


@pytest.mark.torch
def test_a_long_clip_goes_in_pieces_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="needs the extra foundation")
    wire = Wire()
    monkeypatch.setattr(neural_torch, "_load", lambda codec: wire)
    clean = noise(65.0, 24_000)
    assert np.array_equal(
        through(registry.corruptions["neural_codec.encodec"], clean, 6).samples, clean.samples
    )
    assert wire.given < 32 * 24_000


def test_without_weights_they_name_the_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="needs the extra foundation")
    pytest.importorskip("transformers", reason="needs the extra foundation")
    monkeypatch.delenv("SPOOFPROOF_ALLOW_DOWNLOAD", raising=False)
    monkeypatch.setattr(neural_torch, "_is_cached", lambda published: False)
    for name in NAMES:
        spec = registry.corruptions[f"neural_codec.{name}"]
        monkeypatch.delenv(f"SPOOFPROOF_{name.upper()}", raising=False)
        assert (
            f"SPOOFPROOF_{name.upper()}" in spec.available()
            and "SPOOFPROOF_ALLOW_DOWNLOAD=1" in spec.available()
        )
        monkeypatch.setenv(f"SPOOFPROOF_{name.upper()}", str(tmp_path))
        assert "no config.json" in spec.available()
        with pytest.raises(MissingPart, match=name):
            through(spec, voice(0.1), spec.levels[0])


@pytest.mark.torch
def test_a_folder_of_another_model_is_a_missing_part(
    tiny: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text((tiny["dac"] / "config.json").read_text())
    monkeypatch.setenv("SPOOFPROOF_DAC", str(tmp_path))
    with pytest.raises(MissingPart, match=r"cannot load DacModel from .*SPOOFPROOF_DAC"):
        through(registry.corruptions["neural_codec.dac"], voice(0.1), 6)


def test_published_rates_are_whole_codebooks() -> None:
    """75 · 10, 50 · 10 and 12.5 · 11 bits a second a codebook."""
    for name, one in (("encodec", 0.75), ("dac", 0.5), ("mimi", 0.1375)):
        for level in registry.corruptions[f"neural_codec.{name}"].levels:
            assert math.isclose(level / one, round(level / one))
