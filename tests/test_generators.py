"""The vocoder and the codec that this project trains: their networks, their training, and the weights that ship."""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal

from signals import noise, voice
from spoofproof import mel, registry, shipped
from spoofproof.audio import save_audio
from spoofproof.corpora import neural_vocoder
from spoofproof.corpora.vocoders import VOCODERS
from spoofproof.corruptions import neural_own
from spoofproof.errors import BadCorpus, BadPlan, MissingPart, RunConflict, SpoofproofError, UnknownName
from spoofproof.runtime import in_pieces
from spoofproof.shipped import sha256
from spoofproof.train import run
from spoofproof.train.generative.fidelity import mel_distance, spectral_distance, stoi
from spoofproof.train.generative.recipe import Recipe, is_generator
from spoofproof.types import Clip

RATE = 16_000
RECIPES = Path(__file__).parents[1] / "recipes"
TINY = """
generator = "neural-{kind}"
name = "tiny"
summary = "a test"
seed = 3
[model]
{model}
[training]
steps = 6
alone = 3
batch = 2
crop = 2560
judged = 2560
mark = 2
"""
VOCODER = TINY.format(kind="vocoder", model="width = 8\ninner = 16\ndepth = 1")
UPSAMPLE = TINY.format(kind="vocoder", model='head = "upsample"\nwidth = 16')
CODEC = TINY.format(
    kind="codec", model="width = 8\ninner = 16\nencoder = 1\ndecoder = 1\nlatent = 4\nstages = 4"
).replace("alone = 3", "alone = 6\nwhole = 2")


# --- recipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(RECIPES.glob("neural-*.toml")), ids=lambda p: p.stem)
def test_the_recipes_of_the_project_are_recipes(path: Path) -> None:
    recipe = Recipe.load(path)
    assert recipe.name == path.stem and is_generator(path)
    assert 0 < recipe.training.alone <= recipe.training.steps


def test_a_recipe_for_a_detector_is_not_for_a_generator(tmp_path: Path) -> None:
    assert not is_generator(RECIPES / "lfcc-gmm.toml")
    assert not is_generator(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (VOCODER.replace("steps", "stepps"), BadPlan, "Did you mean steps"),
        (VOCODER.replace("seed", "sed"), BadPlan, "Did you mean seed"),
        (VOCODER.replace("neural-vocoder", "neural-vocader"), UnknownName, "Did you mean neural-vocoder"),
        (VOCODER.replace("width = 8", "width = 8.5"), BadPlan, "width is a whole number"),
        (VOCODER.replace("width = 8", "width = 0"), BadPlan, "at least 1"),
        (VOCODER.replace("width = 8", 'head = "gan"'), BadPlan, "istft or upsample"),
        (VOCODER.replace("crop = 2560", "crop = 2600"), BadPlan, "multiple of 256"),
        (VOCODER.replace("judged = 2560", "judged = 5120"), BadPlan, "up to crop"),
        (VOCODER + "average = 1.0\n", BadPlan, "below 1"),
        (VOCODER + "[data]\neval = 3\n", BadPlan, "unknown key 'eval'"),
        (CODEC.replace("latent", "depth"), BadPlan, "unknown key 'depth'"),
        (CODEC.replace("alone = 6", "alone = 3"), BadPlan, "without the jury"),
        (VOCODER + "stop = 3\n", BadPlan, "stop is a mark"),
        ("generator = [", BadPlan, "not valid TOML"),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Recipe.parse(text, name="recipe.toml")


# --- spectra and networks --------------------------------------------------------------------------------------------


@pytest.fixture
def torch() -> Iterator[Any]:
    yield pytest.importorskip("torch", reason="the extra 'train' is not installed")


@pytest.mark.torch
@pytest.mark.parametrize(("fft", "hop"), [(512, 128), (480, 160)])
def test_synthesis_undoes_analysis(torch: Any, fft: int, hop: int) -> None:
    from spoofproof.nets.mel import Analysis, Synthesis

    x = torch.from_numpy(noise(1.2).samples[: hop * 120])[None]
    spectra = Analysis(fft, hop)(x)
    assert spectra.shape == (1, fft + 2, 120)
    back = Synthesis(fft, hop)(spectra.transpose(1, 2))
    assert back.shape == x.shape
    inside = slice(fft, -fft)
    assert torch.allclose(back[0, inside], x[0, inside], atol=1e-5)


@pytest.mark.torch
def test_analysis_is_the_short_time_fourier_transform(torch: Any) -> None:
    from spoofproof.nets.mel import Analysis

    x = noise(0.5).samples[:4_800]
    got = Analysis(480, 160)(torch.from_numpy(x)[None])[0].numpy()
    frame = x[160 * 5 - 160 : 160 * 5 + 320] * scipy.signal.get_window("hann", 480)
    want = np.fft.rfft(frame)
    assert np.allclose(got[:, 5], np.concatenate([want.real, want.imag]), atol=1e-4)


@pytest.mark.torch
def test_the_mel_of_training_is_the_mel_of_use(torch: Any) -> None:
    from spoofproof.corpora.vocoders import mel_bank
    from spoofproof.nets.mel import LogMel

    x = voice(1.0).samples[: 256 * 60]
    trained = LogMel(torch.from_numpy(mel_bank(80, RATE)), 256)(torch.from_numpy(x)[None])[0].numpy()
    used = mel.analyse(x)
    assert trained.shape == used.shape == (80, 60)
    assert np.abs(trained - used).max() < 2e-3


@pytest.mark.torch
def test_the_shipped_sizes_have_at_most_two_million_parameters(torch: Any) -> None:
    from spoofproof.train.generative.makers import MAKERS

    sizes = {}
    for path in RECIPES.glob("neural-*.toml"):
        recipe = Recipe.load(path)
        network = MAKERS[recipe.generator](recipe).network
        learnt = sum(p.numel() for p in network.parameters())
        if recipe.generator == "neural-codec":
            learnt += network.quantiser.books.numel()
        assert 100_000 < learnt <= 2_000_000
        sizes[recipe.name] = learnt
    assert sizes["neural-codec"] + sizes["neural-vocoder"] <= 2_000_000  # the codec is both


@pytest.mark.torch
def test_residual_quantisation_comes_nearer_with_every_stage(torch: Any) -> None:
    from spoofproof.nets.codec import Residual

    torch.manual_seed(1)
    chance = torch.Generator().manual_seed(1)
    quantiser = Residual(4, 3)
    x = torch.randn(2_000, 3)
    everything = torch.ones(2_000, 4)
    for _ in range(30):
        quantiser.learn(x, everything, chance)
    words = quantiser.words(x)
    left = []
    for stages in range(5):
        kept = (torch.arange(4) < stages).float()[None]
        left.append(float((x - quantiser.vectors(words, kept)).square().mean()))
    assert all(b < 0.5 * a for a, b in itertools.pairwise(left)), left
    assert left[1] < 0.1  # 256 words for 2 000 points of three numbers
    apart = ((x[:50, None] - quantiser.books[0][None]) ** 2).sum(-1)  # two words may be the same
    assert torch.allclose(apart[torch.arange(50), words[:50, 0]], apart.min(dim=1).values, atol=1e-5)


@pytest.mark.torch
def test_a_word_that_nobody_uses_is_given_away(torch: Any) -> None:
    from spoofproof.nets.codec import Residual

    torch.manual_seed(2)
    quantiser = Residual(1, 2)
    quantiser.books[:] = 1e3  # all words far from everything
    x = torch.randn(4_000, 2)
    chance = torch.Generator().manual_seed(2)
    for _ in range(60):
        quantiser.learn(x, torch.ones(4_000, 1), chance)
    used = quantiser.words(x)[:, 0].unique().numel()
    assert used > 0.9 * 256


@pytest.mark.torch
def test_the_gradient_goes_straight_through_the_quantiser(torch: Any) -> None:
    from spoofproof.nets.codec import Residual

    quantiser = Residual(2, 3)
    x = torch.randn(10, 3, requires_grad=True)
    out, _ = quantiser.learn(x, torch.ones(10, 2), torch.Generator().manual_seed(0))
    out.sum().backward()
    assert torch.equal(x.grad, torch.ones(10, 3))


# --- training --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Voices of two parts, two of them "spoofed": those and the part "test" must never be opened."""
    root = tmp_path_factory.mktemp("speech")
    rows = ["id,path,part,label,generator,speaker,language,pair,source"]
    for i, (part, label) in enumerate([("train", "bonafide")] * 3 + [("dev", "bonafide")] * 2):
        save_audio(voice(1.0, f0=100.0 + 20 * i, seed=i), root / f"{i}.wav")
        rows.append(f"c{i},{i}.wav,{part},{label},,s{i},en,,page")
    for name, part, label in (("spoof", "train", "spoof"), ("held", "test", "bonafide")):
        (root / f"{name}.wav").write_bytes(b"not audio")
        rows.append(f"{name},{name}.wav,{part},{label},{'gan' if label == 'spoof' else ''},x,en,,page")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


class Killed(Exception):
    pass


@pytest.mark.torch
@pytest.mark.parametrize("text", [VOCODER, CODEC], ids=["vocoder", "codec"])
def test_a_killed_run_ends_with_the_same_bytes(torch: Any, corpus: Path, tmp_path: Path, text: str) -> None:
    pytest.importorskip("onnxscript")
    recipe = write(tmp_path, text)
    whole = run(recipe, corpus, tmp_path / "whole")

    def stop(done: int, total: int, text: str) -> None:
        if done == 5:  # in the middle between two marks, with the jury at work
            raise Killed

    with pytest.raises(Killed):
        run(recipe, corpus, tmp_path / "cut", stop)
    again = run(recipe, corpus, tmp_path / "cut")
    assert sha256(whole) == sha256(again)

    card = json.loads(whole.with_suffix(".json").read_text())
    assert card["weights"] == sha256(whole) and card["data"]["train"]["bonafide"] == 3
    assert card["contamination"] == ["page"] and card["model"]["parity"]["onnx"] <= 1e-4
    first, second = (
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("whole", "cut")
    )
    marks = [
        [{k: v for k, v in e.items() if k != "time"} for e in log if e["event"] == "mark"]
        for log in (first, second)
    ]
    assert [m["step"] for m in marks[0]] == [2, 4, 6]
    assert marks[0] == marks[1]
    assert "verdict" not in marks[0][0] and ("verdict" in marks[0][2]) == (text is not CODEC)
    assert str(tmp_path) not in whole.read_bytes().decode("latin-1")

    with pytest.raises(RunConflict, match="another recipe"):
        run(write(tmp_path / "b", text.replace("seed = 3", "seed = 4")), corpus, tmp_path / "whole")


@pytest.mark.torch
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_mark(
    torch: Any, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spoofproof.train.generative import loop

    crops = loop.crops

    def broken(speech: Any, odds: Any, recipe: Any, step: int) -> Any:
        return crops(speech, odds, recipe, step) * np.float32(np.nan if step == 4 else 1)

    monkeypatch.setattr(loop, "crops", broken)
    recipe = write(tmp_path, VOCODER)
    with pytest.raises(SpoofproofError, match=r"loss is nan in step 5.*state\.pt"):
        run(recipe, corpus, tmp_path / "out")
    assert torch.load(tmp_path / "out" / "state.pt", weights_only=True)["step"] == 4


@pytest.mark.torch
def test_the_other_head_is_trained_and_makes_sound(torch: Any, corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    path = run(write(tmp_path, UPSAMPLE), corpus, tmp_path / "out")
    made = neural_vocoder.copy(voice(1.0), path=str(path))
    assert made.samples.size == RATE and np.std(made.samples) == pytest.approx(
        np.std(voice(1.0).samples), rel=0.1
    )


@pytest.mark.torch
def test_what_cannot_be_gone_on_from_is_said(torch: Any, corpus: Path, tmp_path: Path) -> None:
    recipe = write(tmp_path, VOCODER)
    out = tmp_path / "out"
    out.mkdir()
    (out / "recipe.toml").write_text(VOCODER)
    torch.save({"network": {}}, out / "state.pt")
    with pytest.raises(SpoofproofError, match="Delete it to begin again"):
        run(recipe, corpus, out)


@pytest.mark.torch
def test_both_parts_need_recordings(torch: Any, corpus: Path, tmp_path: Path) -> None:
    lines = [x for x in (corpus / "manifest.csv").read_text().splitlines() if ",dev," not in x]
    (corpus / "one.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(BadCorpus, match="dev part has no bona fide"):
        run(write(tmp_path, VOCODER), corpus / "one.csv", tmp_path / "out")


# --- measures --------------------------------------------------------------------------------------------------------


def test_measures_are_nought_for_the_same_and_grow_with_noise() -> None:
    clean = voice(2.0)
    assert mel_distance(clean, clean) == 0 and spectral_distance(clean, clean) == 0
    assert stoi(clean, clean) == pytest.approx(1.0, abs=1e-9)
    found = []
    for size in (0.01, 0.1, 1.0):
        worse = clean.replace(clean.samples + size * noise(2.0).samples)
        found.append((mel_distance(clean, worse), spectral_distance(clean, worse), -stoi(clean, worse)))
    assert found == sorted(found)
    assert mel_distance(clean, clean.replace(2 * clean.samples)) == pytest.approx(20 * np.log10(2), abs=0.6)


def test_stoi_does_not_hear_level_and_hears_other_speech() -> None:
    clean = voice(2.0)
    assert stoi(clean, clean.replace(0.01 * clean.samples)) == pytest.approx(1.0, abs=1e-6)
    assert stoi(clean, noise(2.0)) < 0.4


def test_stoi_of_fixed_signals_is_that_of_pystoi() -> None:
    """Values of pystoi 0.4.1 for the same arrays at 10 kHz."""
    rng = np.random.Generator(np.random.Philox(5))
    x = rng.standard_normal(20_000) * (1 + np.sin(2 * np.pi * 3 * np.arange(20_000) / 10_000)) * 0.1
    for size, want in PYSTOI.items():
        y = x + size * 0.1 * rng.standard_normal(20_000)
        pair = (Clip(s.astype(np.float32), 10_000) for s in (x, y))
        assert stoi(*pair) == pytest.approx(want, abs=2e-3)


PYSTOI = {0.3: 0.9834, 1.0: 0.8499, 3.0: 0.4772}


def test_pieces_do_not_show() -> None:
    """A filter of 101 taps over pieces of 640 samples gives what it gives over the whole."""
    x = noise(1.0).samples[:9_999]
    taps = np.hanning(101).astype(np.float32)
    whole = np.convolve(x, taps, "same")
    cut = in_pieces(x, lambda part: np.convolve(part, taps, "same"), piece=640, around=64, frame=32)
    assert cut.size == x.size and np.allclose(cut, whole, atol=1e-4)
    short = in_pieces(x, lambda part: np.convolve(part, taps, "same"), piece=640, around=32, frame=32)
    assert not np.allclose(short, whole, atol=1e-2), "too little around the pieces must show"


# --- what ships ------------------------------------------------------------------------------------------------------


def test_what_ships_is_small_and_has_a_whole_card() -> None:
    for name in ("neural-vocoder", "neural-codec"):
        file = shipped.weights(name, ".onnx", "")
        card = dict(shipped.card(name)())
        assert file.stat().st_size == card["bytes"] <= 8_000_000
        assert card["recipe_sha256"] and Recipe.load(RECIPES / str(card["recipe"]))
        assert card["model"]["parameters"] <= 2_000_000 and card["model"]["parity"]["onnx"] <= 1e-4
        # of the codec's mel spectrogram: half precision chooses another word now and then
        assert card["model"]["parity"]["rounding_db"] < (-45 if name == "neural-vocoder" else -30)
        assert set(card["figures"]) == {"dev", "test"} and card["limits"] and card["licence"]
        assert card["data"]["train"]["bonafide"] == 640


def test_the_vocoder_keeps_time_and_level() -> None:
    for rate in (16_000, 8_000, 24_000):
        clean = voice(2.0, rate)
        made = VOCODERS["neural_vocoder"](clean, np.random.default_rng(0))
        assert (made.samples.size, made.rate) == (clean.samples.size, rate)
        assert abs(lag(clean, made)) <= 0.004 * rate
        assert np.std(made.samples) == pytest.approx(np.std(clean.samples), rel=0.1)


def test_a_copy_does_not_depend_on_level_nor_on_where_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = voice(3.0)
    made = neural_vocoder.copy(clean).samples
    loud = neural_vocoder.copy(clean.replace(10 * clean.samples)).samples
    assert np.allclose(loud, 10 * made, atol=1e-3)
    monkeypatch.setattr(neural_vocoder, "_PIECE", 64 * mel.HOP)
    assert np.allclose(neural_vocoder.copy(clean).samples, made, atol=1e-4)


def test_correction_brings_the_sound_nearer_to_the_mel_spectrogram() -> None:
    wanted = mel.analyse(voice(2.0).samples[: 256 * 120])
    apart = [np.abs(mel.analyse(mel.sound(wanted, rounds=n)) - wanted).mean() for n in (0, 1, 8)]
    assert apart[1] < 0.8 * apart[0] and apart[2] < 0.8 * apart[1], apart
    untouched = noise(2.0).samples[: 256 * 120]
    same = mel.corrected(untouched, mel.analyse(untouched))
    inside = slice(30 * 256, -30 * 256)  # the ends fade out, which eight rounds carry 24 frames inwards
    assert np.allclose(same[inside], untouched[inside], atol=1e-4), "what is right already stays"


def test_a_vocoder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match="no such file"):
        neural_vocoder.copy(voice(0.5), path=str(tmp_path / "none.onnx"))
    (tmp_path / "bad.onnx").write_bytes(struct.pack("<4I", 1, 2, 3, 4))
    with pytest.raises(SpoofproofError, match="holds no vocoder"):
        neural_vocoder.copy(voice(0.5), path=str(tmp_path / "bad.onnx"))
    with pytest.raises(SpoofproofError, match="no vocoder for 80 mel bands"):
        neural_vocoder.copy(voice(0.5), path=str(shipped.FOLDER / "neural-codec.onnx"))


def test_the_codec_sends_the_bits_it_says_and_gets_worse_with_fewer() -> None:
    spec = registry.corruptions["neural_codec"]
    assert spec.levels == (6, 3, 1.5) and spec.available() == ""
    clean, found = voice(3.0), []
    for level in spec.levels:
        assert spec.measure is not None
        made = spec.run(clean, level, np.random.default_rng(0))
        assert spec.measure(clean, made, level) == pytest.approx(level, rel=1e-6)
        assert abs(lag(clean, made)) <= 64  # 4 ms
        found.append(mel_distance(clean, made))
    assert found == sorted(found) and found[0] < found[-1]


def test_the_codec_hears_nothing_but_what_is_sent() -> None:
    """Words do not depend on how many are sent, and what is made of fewer of them is something else."""
    model = neural_own._codec("")
    given = mel.analyse(voice(1.0).samples[: 256 * 40] / 4)[None]
    three = (np.arange(12) < 3).astype(np.float32)[None]
    whole = model(mel=given, kept=np.ones((1, 12), np.float32))
    few = model(mel=given, kept=three)
    assert np.array_equal(whole["words"], few["words"])
    assert whole["words"].shape == (1, 40, 12) and 0 <= whole["words"].min() <= whole["words"].max() < 256
    assert not np.allclose(whole["made"], few["made"], atol=0.05)


def test_the_codec_refuses_a_bit_rate_that_it_has_not() -> None:
    with pytest.raises(BadPlan, match=r"6, 3, 1\.5"):
        neural_own.transcode(voice(0.2).samples, 2.0)


def test_the_codec_does_not_show_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    x = voice(3.0).samples
    whole = neural_own.transcode(x, 3.0)
    monkeypatch.setattr(neural_own, "_PIECE", 64 * mel.HOP)
    assert np.allclose(neural_own.transcode(x, 3.0), whole, atol=1e-3)


def lag(one: Clip, other: Clip) -> int:
    """Samples by which the envelope of ``other`` comes later."""
    width = one.rate // 200
    a, b = (np.convolve(np.abs(c.samples), np.ones(width) / width, "same") for c in (one, other))
    c = scipy.signal.correlate(b - b.mean(), a - a.mean(), method="fft")
    return int(np.argmax(c)) - a.size + 1
