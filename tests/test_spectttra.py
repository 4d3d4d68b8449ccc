"""SpecTTTra: the published token counts, sizes and costs, its picture against scipy, and what a profile counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from signals import voice
from spoofproof import registry
from spoofproof.detectors.prepare import prepare
from spoofproof.errors import BadPlan, MissingPart, SpoofproofError

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

from spoofproof.nets import build, mel_image  # noqa: E402
from spoofproof.nets.profile import profile  # noqa: E402
from spoofproof.nets.spectttra import (  # noqa: E402
    SLICES,
    macs,
    published,
    read,
    spectttra,
    token_count,
)
from spoofproof.train.export import export  # noqa: E402
from spoofproof.train.recipe import Recipe  # noqa: E402

SMALL = {"dim": 48, "depth": 2, "heads": 3}
# variant, seconds: tokens, GFLOPs, millions of parameters, as published
PUBLISHED = {
    ("alpha", 5): (170, 2.9, 17),
    ("beta", 5): (67, 1.1, 17),
    ("gamma", 5): (43, 0.7, 17),
    ("alpha", 120): (1376, 23.7, 19),
    ("beta", 120): (790, 14.0, 21),
    ("gamma", 120): (559, 10.1, 24),
}


@pytest.fixture(autouse=True)
def no_grad() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.mark.parametrize(("variant", "seconds"), PUBLISHED)
def test_tokens_parameters_and_cost_are_the_published_ones(variant: str, seconds: int) -> None:
    tokens, cost, parameters = PUBLISHED[variant, seconds]
    assert token_count(variant, seconds) == tokens
    columns, rows = SLICES[variant]
    with torch.device("meta"):  # shapes without numbers
        network = spectttra(variant, seconds)
    size = sum(p.numel() for p in network.parameters())
    assert round(size / 1e6) == parameters
    assert network.times.place.shape[1] + network.bands.place.shape[1] == tokens
    assert mel_image.width(seconds * 16_000) // columns + 128 // rows == tokens
    parts = macs(variant, seconds)
    # their counter: no attention products, a plain mel product over 1 025 bins, five operations a normalised number
    mel = mel_image.raw_frames(seconds * 16_000) * 1025 * 128
    theirs = parts["slices"] + parts["layers"] + parts["logits"] + mel + 5 * 24 * tokens * 384
    assert theirs / 1e9 == pytest.approx(cost, abs=0.06)


def test_the_network_makes_as_many_tokens_as_it_says() -> None:
    for variant in SLICES:
        network = spectttra(variant, 5, **SMALL)
        assert network.tokens(torch.randn(2, 80_000)).shape == (2, token_count(variant, 5), 48)
        assert network(torch.randn(2, 80_000)).shape == (2, 2)


def test_the_picture_is_an_explicit_log_mel_spectrogram() -> None:
    wave = voice(5.0).samples.astype(np.float64)
    x = np.pad(wave / wave.std(), 1024, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(x, 2048)[::512]
    power = np.abs(np.fft.rfft(frames * scipy.signal.get_window("hann", 2048), axis=1)) ** 2
    corner = 700 * (10 ** (np.linspace(*(np.log10(1 + f / 700) for f in (20, 8000)), 130)) - 1)
    hz = np.arange(1025) * 16_000 / 2048
    bank = np.array([np.interp(hz, corner[m : m + 3], [0, 1, 0], left=0, right=0) for m in range(128)])
    level = 10 * np.log10(np.maximum(power @ bank.T, 1e-10)).T
    level = np.maximum(level, level.max() - 80)
    level = (level - level.mean()) / level.std(ddof=1)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(level)[None, None], size=(128, 128), mode="bilinear"
    )[0, 0]
    got = mel_image.MelImage(128, 80_000)(torch.from_numpy(wave[None]).float())[0]
    assert level.shape[1] == 157
    assert torch.abs(got - expected).max() < 3e-5


def test_level_does_not_matter_and_silence_is_finite() -> None:
    network = spectttra("beta", 2.0, **SMALL).eval()
    wave = torch.from_numpy(voice(2.0).samples[None])
    for gain in (30, 3e-5):
        assert torch.allclose(network(wave), network(gain * wave), atol=1e-4)
    assert torch.isfinite(network(torch.zeros(1, 32_000))).all()


def test_a_shorter_clip_is_followed_by_zeros_and_a_longer_one_cut() -> None:
    network = spectttra("gamma", 2.0, **SMALL).eval()
    wave = torch.randn(1, 32_000)
    longer = torch.cat([wave, torch.randn(1, 9_000)], dim=1)
    assert torch.equal(network(longer), network(wave))
    short = wave[:, :20_000]
    filled = torch.nn.functional.pad(short, (0, 12_000))
    assert torch.equal(network(short), network(filled))
    assert not torch.allclose(network(short), network(wave), atol=1e-4)


def test_a_score_does_not_depend_on_its_batch_mates() -> None:
    network = spectttra("alpha", 2.0, **SMALL).eval()
    half_silent = torch.cat([torch.randn(16_000), torch.zeros(16_000)])
    peaked = torch.sin(torch.arange(32_000) * 0.8)
    waves = torch.stack([0.01 * half_silent, torch.randn(32_000), 50 * peaked])
    alone = torch.cat([network(w[None]) for w in waves])
    assert torch.allclose(network(waves), alone, atol=1e-5)


def test_tokens_of_time_hear_their_own_columns_alone() -> None:
    network = spectttra("beta", 5.0, **SMALL).eval()
    picture = torch.randn(1, 128, 128)
    other = picture.clone()
    other[:, :, 50:55] += 1  # slice 10 of 25
    changed = (network.times(picture) - network.times(other)).abs().amax(dim=2)[0]
    assert changed.nonzero().ravel().tolist() == [10]
    bands = (network.bands(picture.transpose(1, 2)) - network.bands(other.transpose(1, 2))).abs().amax(dim=2)
    assert (bands > 0).all()


def test_tokens_are_slices_of_time_then_of_frequency_and_know_their_place() -> None:
    network = spectttra("beta", 5.0, **SMALL).eval()
    wave = torch.randn(1, 80_000)
    wave[:, 40_000:] = 0
    tokens = network.tokens(wave)[0]
    assert torch.equal(tokens[:25], network.times(network.picture(wave))[0])
    still = torch.cat(
        [network.times.cut(network.picture(wave)), network.bands.cut(network.picture(wave).mT)], 2
    )
    assert tokens.shape == still[0].T.shape
    late = still[0].T[15:25]  # slices of silence: alike but for their place
    assert torch.allclose(late, late[:1].expand_as(late), atol=1e-3)
    assert (tokens[15:24] - tokens[16:25]).abs().amax(dim=1).min() > 0.1


@pytest.mark.parametrize(("variant", "seconds"), [("alpha", 5.0), ("gamma", 5.0), ("beta", 20.0)])
def test_multiplications_counted_are_those_of_the_formula(variant: str, seconds: float) -> None:
    network = spectttra(variant, seconds, **SMALL)
    parts = macs(variant, seconds, dim=48, depth=2)
    assert profile(network, seconds, repeats=1).macs == sum(parts.values())


def test_a_profile_of_a_network_that_is_known_whole() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(16_000, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10))
    network.train()
    found = profile(network, 1.0)
    assert found.parameters == 16_000 * 100 + 100 + 100 * 10 + 10
    assert found.macs == 16_000 * 100 + 100 * 10
    assert found.peak_bytes == 4 * (100 + 100)  # what goes into the ReLU and what comes out
    assert 0 < found.seconds_per_clip < 1
    assert network.training


def test_a_profile_counts_convolutions_and_keeps_what_lives_on() -> None:
    class Kept(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv1d(1, 4, 5, stride=2, bias=False)

        def forward(self, wave: object) -> object:
            first = self.conv(wave[:, None])  # type: ignore[index]
            return first + (first * 2).sum()  # first stays until the end

    found = profile(Kept(), 1.0, repeats=1)
    length = (16_000 - 5) // 2 + 1
    assert found.macs == 4 * 5 * length
    assert found.peak_bytes == pytest.approx(2 * 4 * 4 * length, abs=64)


def test_cost_grows_with_the_tokens_and_not_with_the_patches() -> None:
    short, long = (sum(macs("gamma", s).values()) for s in (5, 120))
    patches = (128 // 7) * (128 // 5), (3744 // 7) * (128 // 5)
    assert long / short < 20
    assert (patches[1] / patches[0]) ** 2 > 800  # what attention over patches would grow by


def published_state(t: int, f: int, frames: int, depth: int = 12) -> dict[str, object]:
    """A state dictionary with the names and shapes of the published checkpoints."""
    dim, hidden = 384, 1025
    shapes: dict[str, tuple[int, ...]] = {}
    for name, channels, length, size in (("temporal", 128, frames, t), ("spectral", frames, 128, f)):
        head = f"encoder.st_tokenizer.{name}_tokenizer."
        shapes |= {
            f"{head}conv1d.weight": (dim, channels, size),
            f"{head}pos_encoder.pe": (1, length // size, dim),
            f"{head}norm_pre.weight": (dim,),
            f"{head}norm_pre.bias": (dim,),
        }
    for i in range(depth):
        head = f"encoder.transformer.blocks.{i}."
        shapes |= {f"{head}norm{n}.{w}": (dim,) for n in (1, 2) for w in ("weight", "bias")}
        shapes |= {
            f"{head}attn.qkv.weight": (3 * dim, dim),
            f"{head}attn.proj.weight": (dim, dim),
            f"{head}attn.proj.bias": (dim,),
            f"{head}mlp.fc1.weight": (hidden, dim),
            f"{head}mlp.fc1.bias": (hidden,),
            f"{head}mlp.fc2.weight": (dim, hidden),
            f"{head}mlp.fc2.bias": (dim,),
        }
    shapes |= {"classifier.weight": (1, dim), "classifier.bias": (1,)}
    return {name: 0.02 * torch.randn(shape) for name, shape in shapes.items()}


def test_a_checkpoint_in_the_published_layout_is_read_whole() -> None:
    state = published_state(5, 3, 128, depth=2)
    settings, ours = published(state)
    assert settings["variant"] == "beta"
    assert settings["seconds"] == 5.0
    network = spectttra(**settings).eval()
    network.load_state_dict(ours, strict=True)
    wave = torch.randn(1, 80_000)
    spoof, bonafide = network(wave)[0]
    tokens = network.tokens(wave)
    for layer in network.layers:
        tokens = layer(tokens)
    fake = tokens.mean(dim=1) @ state["classifier.weight"].T + state["classifier.bias"]
    assert float(bonafide) == 0
    assert float(spoof) == pytest.approx(float(fake), abs=1e-5)
    assert published(published_state(7, 5, 3_744, depth=2))[0]["seconds"] == 120.0


@pytest.mark.parametrize("wrong", [{}, {"a": 1}, {"classifier.weight": None}])
def test_another_checkpoint_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpoofproofError, match="layout of SONICS"):
        published(wrong)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"variant": "delta"}, "alpha, beta, gamma"),
        ({"seconds": 0.5}, "1 to 600 s"),
        ({"dim": 100}, "multiple of heads"),
        ({"variant": "gamma", "bands": 4}, "5 bands"),
    ],
)
def test_settings_that_make_no_network_are_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(BadPlan, match=says):
        spectttra(**settings)  # type: ignore[arg-type]


def test_the_three_are_networks_by_name() -> None:
    for variant in SLICES:
        network = build(f"spectttra-{variant}", seconds=2.0, **SMALL)
        assert network.times.cut.kernel_size == (SLICES[variant][0],)
    with pytest.raises(BadPlan, match="no setting 'second'"):
        build("spectttra-beta", second=2.0)


def test_an_exported_network_is_a_detector_and_scores_what_torch_scores(tmp_path: Path) -> None:
    settings = {"seconds": 2.0, **SMALL}
    network = build("spectttra-gamma", **settings).eval()
    path = tmp_path / "spectttra-gamma.onnx"
    facts = {"name": "spectttra-gamma", "settings": settings, "window": 32_000}
    assert export(network, path, **facts, calibration=(1.5, -0.3)) < 1e-4
    detector = registry.detectors["spectttra-gamma"].make(str(path))
    clips = [voice(1.0), voice(3.0, seed=1)]
    for clip, score in zip(clips, detector(clips), strict=True):
        spoof, bonafide = network(torch.from_numpy(prepare(clip, 32_000).samples[None]))[0].tolist()
        assert score == pytest.approx(1.5 * (bonafide - spoof) - 0.3, abs=1e-4)
    assert detector(clips[1:]) == detector(clips)[1:]
    with pytest.raises(SpoofproofError, match="holds a spectttra-gamma, not a spectttra-alpha"):
        registry.detectors["spectttra-alpha"].make(str(path))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(
        SpoofproofError, match=r"holds no spectttra-gamma.*spoofproof train recipes/spectttra-gamma\.toml"
    ):
        registry.detectors["spectttra-gamma"].make(str(path))


def test_a_published_checkpoint_is_a_detector(tmp_path: Path) -> None:
    state = published_state(7, 5, 128, depth=1)
    path = tmp_path / "pytorch_model.bin"
    torch.save(state, path)
    clip = voice(2.0)
    score = registry.detectors["spectttra-gamma"].make(str(path))([clip])[0]
    network = read(path)[1]
    spoof = network(torch.from_numpy(prepare(clip, 80_000).samples[None]))[0, 0]
    assert score == pytest.approx(-float(spoof), abs=1e-5)
    with pytest.raises(SpoofproofError, match="holds a spectttra-gamma, not a spectttra-beta"):
        registry.detectors["spectttra-beta"].make(str(path))
    path.write_bytes(b"no checkpoint")
    with pytest.raises(SpoofproofError, match=r"holds no SpecTTTra.*SONICS published"):
        registry.detectors["spectttra-gamma"].make(str(path))
    for missing in (str(tmp_path / "none.pth"), str(tmp_path / "none.onnx")):
        with pytest.raises(MissingPart, match="no such file"):
            registry.detectors["spectttra-gamma"].make(missing)
    with pytest.raises(MissingPart, match=r"spoofproof train recipes/spectttra-gamma\.toml"):
        registry.detectors["spectttra-gamma"].make()


@pytest.mark.parametrize("variant", SLICES)
def test_the_recipes_are_recipes_and_cards_say_how(variant: str) -> None:
    recipe = Recipe.load(Path(__file__).parents[1] / "recipes" / f"spectttra-{variant}.toml")
    assert recipe.window == recipe.settings["seconds"] * 16_000
    network = build(recipe.architecture, **recipe.settings)
    assert network.samples == recipe.window
    assert sum(p.numel() for p in network.parameters()) < 1e6
    card = registry.detectors[f"spectttra-{variant}"].card()
    assert {"kind", "data", "date", "licence", "limits", "contamination", "augmentation"} <= set(card)
