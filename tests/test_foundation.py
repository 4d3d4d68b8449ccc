"""Foundation models, end to end on tiny random ones: what they hear, what learns, what is saved, what is refused."""

from __future__ import annotations

import copy
import importlib
import json
import shutil
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signals import voice
from spoofproof import registry, runtime
from spoofproof.audio import WINDOW_SAMPLES, resample, save_audio
from spoofproof.detectors.foundation import PUBLISHED
from spoofproof.detectors.prepare import prepare
from spoofproof.errors import BadAudio, BadPlan, MissingPart, RunConflict, SpoofproofError, UnknownName
from spoofproof.types import Clip

torch = pytest.importorskip(
    "torch", reason="needs the extra foundation: pip install 'spoofproof[foundation]'"
)
transformers = pytest.importorskip("transformers", reason="needs the extra foundation")
safetensors_torch = pytest.importorskip("safetensors.torch", reason="needs the extra foundation")

import foundation_toys as toys  # noqa: E402
from spoofproof import nets  # noqa: E402
from spoofproof.nets import backbones, foundation  # noqa: E402
from spoofproof.nets.hearing import HEAR  # noqa: E402

pytestmark = pytest.mark.torch

NAMES = tuple(backbones.FAMILIES)
KINDS = {name: {} for name in NAMES} | {
    "wav2vec2, layer norm": {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "wav2vec2, adapter": {"add_adapter": True, "num_adapter_layers": 1},
    "clap, fused": {"enable_fusion": True, "fusion_type": "aff_2d"},
}


@pytest.fixture(autouse=True)
def one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny published model for each of KINDS, under its name."""
    root = tmp_path_factory.mktemp("published")
    for kind, settings in KINDS.items():
        toys.write(family(kind), root / kind, **settings)
    return root


def family(kind: str) -> str:
    return kind.partition(",")[0]


def network(shelf: Path, kind: str, **choices: Any) -> Any:
    torch.manual_seed(0)
    made = nets.build(family(kind), source=shelf / kind, **choices)
    toys.loud(made.head, seed=1)
    return made.eval()


def clips(*lengths: int) -> list[np.ndarray]:
    """Prepared speech-like samples at 16 kHz, another voice for each."""
    return [
        prepare(voice(n / 16_000 + 0.1, f0=90.0 + 30 * i, seed=i), n).samples for i, n in enumerate(lengths)
    ]


def padded(rows: list[np.ndarray], filler: float = 0.0) -> tuple[Any, Any]:
    wave = np.full((len(rows), max(r.size for r in rows)), filler, dtype=np.float32)
    for i, row in enumerate(rows):
        wave[i, : row.size] = row
    return torch.from_numpy(wave), torch.tensor([r.size for r in rows])


def logits(made: Any, *args: Any) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(made(*args).numpy())


def detector(folder: Path, name: str) -> Any:
    return registry.detectors[name].make(str(folder))


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_names_are_the_same_in_all_three_tables() -> None:
    assert {p.name for p in PUBLISHED} == set(backbones.FAMILIES) == set(HEAR)


# --- end to end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_from_a_backbone_to_scores(kind: str, shelf: Path, tmp_path: Path) -> None:
    """Build, learn one step, save, load by name, score: the scores are the learnt logits, calibrated."""
    name = family(kind)
    made = network(shelf, kind).train()
    first = next(p for p in made.backbone.parameters() if p.requires_grad)
    before = first.detach().clone()
    wave = torch.from_numpy(np.stack(clips(16_000, 16_000)))
    optimiser = torch.optim.SGD([p for p in made.parameters() if p.requires_grad], lr=0.1)
    loss = torch.nn.functional.cross_entropy(made(wave), torch.tensor([0, 1]))
    loss.backward()
    optimiser.step()
    assert np.isfinite(loss.item()) and not torch.equal(before, first)

    made.eval().save(tmp_path / "mine", calibration=(2.0, -0.5), window=16_000)
    heard = [voice(s, f0=f) for s, f in ((1.5, 100.0), (0.4, 150.0), (3.0, 210.0))]
    score = detector(tmp_path / "mine", name)
    scores = score(heard)
    expected = logits(made, torch.from_numpy(np.stack([prepare(c, 16_000).samples for c in heard])))
    assert scores == pytest.approx(2.0 * (expected[:, 1] - expected[:, 0]) - 0.5, abs=1e-4)
    assert scores == [score([c])[0] for c in heard] == list(score(heard[::-1]))[::-1]
    assert all(isinstance(s, float) for s in scores) and np.ptp(scores) > 0.02
    assert score([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_openvino_gives_the_scores_of_torch(
    kind: str, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("openvino") is None:
        pytest.skip("needs the extra fast")
    network(shelf, kind).save(tmp_path / "mine", window=24_000)
    heard = [voice(s, f0=f) for s, f in ((1.5, 100.0), (0.4, 150.0), (3.0, 210.0))]
    expected = detector(tmp_path / "mine", family(kind))(heard)
    monkeypatch.setenv(runtime.VARIABLE, "openvino")
    monkeypatch.setattr(foundation, "device", lambda: torch.device("cpu"))
    score = detector(tmp_path / "mine", family(kind))
    found = score(heard)
    assert found != expected  # another engine answered
    assert found == pytest.approx(expected, abs=runtime.TOLERANCE) and np.ptp(expected) > 0.02
    assert [score([c])[0] for c in reversed(heard)] == found[::-1]


@pytest.mark.parametrize("kind", KINDS)
def test_logits_know_nothing_of_batch_mates(kind: str, shelf: Path) -> None:
    made = network(shelf, kind)
    rows = clips(12_000, 12_000, 12_000)
    together = logits(made, torch.from_numpy(np.stack(rows)))
    alone = np.concatenate([logits(made, torch.from_numpy(r[None])) for r in rows])
    assert np.abs(together - alone).max() < 1e-5
    assert np.ptp(together, axis=0).min() > 0.01, "the logits hardly differ: the comparison could not fail"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filler", [0.0, 3.0])
def test_logits_know_nothing_of_padding(kind: str, filler: float, shelf: Path) -> None:
    made = network(shelf, kind)
    rows = clips(17_000, 9_001, 12_345)
    together = logits(made, *padded(rows, filler))
    alone = np.concatenate([logits(made, torch.from_numpy(r[None])) for r in rows])
    assert np.abs(together - alone).max() < 1e-5
    cut = np.concatenate([logits(made, torch.from_numpy(r[None, :-4000])) for r in rows])
    assert np.abs(cut - alone).max(axis=1).min() > 1e-3, (
        "the end of a clip hardly matters: this could not fail"
    )


@pytest.mark.parametrize("name", NAMES)
def test_hard_clips_have_finite_scores(name: str, shelf: Path, tmp_path: Path) -> None:
    network(shelf, name).save(tmp_path / "mine", window=16_000)
    score = detector(tmp_path / "mine", name)
    speech = voice(1.0).samples
    hard = {
        "silence": np.zeros(16_000),
        "one sample": [0.3],
        "clipped": np.clip(speech * 20, -1, 1),
        "only DC": np.full(16_000, 0.7),
        "faint": speech * 1e-6,
    }
    heard = [Clip(np.asarray(x, dtype=np.float32), 16_000) for x in hard.values()]
    kept = [c.samples.copy() for c in heard]
    assert np.isfinite(score(heard)).all(), dict(zip(hard, score(heard), strict=True))
    assert all(np.array_equal(c.samples, k) for c, k in zip(heard, kept, strict=True))
    with pytest.raises(BadAudio, match=r"8000 Hz.*resample"):
        score([voice(1.0, 8000)])


def test_padding_would_matter_without_its_length(shelf: Path) -> None:
    """What the masks are for: the same padded rows, taken as they are, give other logits."""
    for name in ("hubert", "w2v-bert", "wav2vec2", "wavlm"):
        made = network(shelf, name)
        wave, lengths = padded(clips(17_000, 9_001))
        assert np.abs(logits(made, wave)[1] - logits(made, wave, lengths)[1]).max() > 1e-3


@pytest.mark.parametrize("name", ["hubert", "w2v-bert", "whisper", "ast", "clap"])  # one for each way to hear
def test_the_graphs_of_aasist_stand_on_every_backbone(name: str, shelf: Path, tmp_path: Path) -> None:
    """One step of learning, padding, batch mates, and scores by name, as with the other head.

    In double precision: the graphs of an untrained network enlarge what rounding leaves.
    """
    made = nets.build(name, source=shelf / name, head="aasist").double().train()
    rows = clips(17_000, 9_001, 17_000)
    wave = torch.from_numpy(np.stack(rows[::2])).double()
    torch.nn.functional.cross_entropy(made(wave), torch.tensor([0, 1])).backward()
    assert all(p.grad.abs().max() > 0 for p in made.head.encoder.parameters() if p.dim() > 1)
    assert next(p for p in made.backbone.parameters() if p.requires_grad).grad.abs().max() > 0
    made.eval()
    alone = np.concatenate([logits(made, torch.from_numpy(r[None]).double()) for r in rows])
    padding, lengths = padded(rows, 3.0)
    assert np.abs(logits(made, padding.double(), lengths) - alone).max() < 1e-9
    assert np.abs(logits(made, wave) - alone[::2]).max() < 1e-9
    assert np.ptp(alone, axis=0).min() > 1e-3

    made.float().save(tmp_path / "mine", window=17_000)
    score = detector(tmp_path / "mine", name)
    heard = [voice(2.0, f0=f) for f in (100.0, 180.0)]
    expected = [logits(made, torch.from_numpy(prepare(c, 17_000).samples[None]))[0] for c in heard]
    assert score(heard) == pytest.approx([b - s for s, b in expected], rel=1e-5, abs=1e-5)
    assert score(heard) == [score([c])[0] for c in heard]


def test_graphs_keep_every_third_state_as_a_node(shelf: Path) -> None:
    """Linear to 128, pooled by 3: 42 bands and a third of the states, none lost in the blocks (Tak et al. 2022)."""
    head = network(shelf, "hubert", head="aasist").head
    with torch.no_grad():
        maps = head.encoder(head.front(torch.randn(2, 201, 16)))
    assert maps.shape == (2, 64, 42, 67)


@pytest.mark.parametrize("kind", ["hubert", "xls-r", "w2v-bert", "wav2vec2, layer norm"])
def test_models_that_take_masks_run_a_padded_batch_at_once(
    kind: str, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = network(shelf, kind)
    calls = []
    forward = made.backbone.forward
    monkeypatch.setattr(made.backbone, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    logits(made, *padded(clips(17_000, 9_001, 12_345)))
    assert len(calls) == 1


# --- what is heard ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_those_that_transformers_makes(kind: str, shelf: Path) -> None:
    """Our way to the last hidden state against the published extractor and the whole published model."""
    name = family(kind)
    rows = clips(20_000, 20_000)
    made = network(shelf, kind)
    wave = torch.from_numpy(np.stack(rows))
    with torch.no_grad():
        states, mask = HEAR[name](made.backbone, made.extractor, wave, None, "published")
    if name == "clap":
        rows = [resample(Clip(r, 16_000), 48_000).samples for r in rows]
    expected = toys.published_states(name, shelf / kind, rows)
    if name == "clap":
        expected = expected.mean(dim=2).transpose(1, 2)
    if name == "ast":  # 2 tokens, then 5 bands x 50 times; 1.25 s are 123 frames, which 13 patches reach
        assert states.shape[1] == 13
        expected = torch.stack([expected[:, 2 + 50 * f : 2 + 50 * f + 13] for f in range(5)]).mean(0)
    if name == "whisper":  # 50 a second
        assert states.shape[1] == 63
        expected = expected[:, :63]
    assert states.shape == expected.shape
    assert states.std() > 0.05
    assert (states - expected).abs().max() < 1e-5
    assert mask is None or mask[:, :-1].all()  # w2v-BERT joins two frames, and one may be left over


def test_a_wav2vec2_score_is_the_published_state_through_the_head_by_hand(
    shelf: Path, tmp_path: Path
) -> None:
    made = network(shelf, "wav2vec2")
    made.save(tmp_path / "mine", calibration=(1.5, 0.25))
    clip = voice(2.0)
    x = prepare(clip).samples.astype(np.float64)
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-7)
    model = transformers.Wav2Vec2Model.from_pretrained(shelf / "wav2vec2").eval()
    with torch.no_grad():
        state = model(torch.from_numpy(x.astype(np.float32))[None]).last_hidden_state[0].numpy()
    head = {
        k: v.numpy().astype(np.float64)
        for k, v in safetensors_torch.load_file(tmp_path / "mine" / "head.safetensors").items()
    }
    hidden = np.tanh(head["hidden.weight"] @ state.mean(axis=0) + head["hidden.bias"])
    spoof, bonafide = head["logits.weight"] @ hidden + head["logits.bias"]
    assert detector(tmp_path / "mine", "wav2vec2")([clip]) == pytest.approx(
        [1.5 * (bonafide - spoof) + 0.25], abs=1e-5
    )


def test_whisper_may_hear_the_clip_alone(shelf: Path, tmp_path: Path) -> None:
    """Of a clip that fills the context both ways hear the same; of a shorter one they do not, and it is recorded."""
    whole, alone = network(shelf, "whisper"), network(shelf, "whisper", context="clip")
    full = torch.from_numpy(np.stack(clips(toys.SECONDS * 16_000)))
    assert np.abs(logits(whole, full) - logits(alone, full)).max() < 1e-5
    short = full[:, :16_000]
    assert np.abs(logits(whole, short) - logits(alone, short)).max() > 1e-3
    alone.save(tmp_path / "alone")
    assert foundation.load("whisper", tmp_path / "alone")[0].context == "clip"
    with pytest.raises(SpoofproofError, match="a choice of whisper"):
        foundation.build("hubert", source=shelf / "hubert", context="clip")


def test_clap_hears_the_beginning_of_a_long_clip_and_nothing_is_drawn(shelf: Path) -> None:
    for kind in ("clap", "clap, fused"):
        made = network(shelf, kind)
        long = torch.from_numpy(np.stack(clips(200_000)))
        assert np.array_equal(logits(made, long), logits(made, long[:, :160_000]))


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_near(name: str, shelf: Path) -> None:
    """As on a GPU: the backbone in bfloat16, the head in float32. Without oneDNN, whose grouped convolution in bfloat16 is
    wrong on processors with AMX (relative error 1.07 where 0.003 is right, torch 2.13)."""
    made = network(shelf, name)
    wave = torch.from_numpy(np.stack(clips(16_000, 16_000)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TF32 on Intel's GPUs, whenever these flags are touched
        with torch.backends.mkldnn.flags(enabled=False), torch.autocast("cpu", torch.bfloat16):
            halved = made(wave)
    assert halved.dtype == torch.float32
    assert np.abs(halved.detach().numpy() - logits(made, wave)).max() < 0.1
    assert foundation.half(torch.device("cpu")) is None


# --- what learns -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tune", ["full", "head", "layernorm"])
def test_what_is_not_tuned_stays_as_it_was(tune: str, name: str, shelf: Path) -> None:
    made = network(shelf, name, tune=tune).train()
    norms = {
        id(p)
        for m in made.backbone.modules()
        if isinstance(m, torch.nn.LayerNorm | torch.nn.GroupNorm)
        for p in m.parameters()
    }
    before = copy.deepcopy(made.state_dict())
    optimiser = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], 0.01, weight_decay=0.1)
    wave = torch.from_numpy(np.stack(clips(12_000, 12_000)))
    for _ in range(2):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(made(wave), torch.tensor([0, 1])).backward()
        optimiser.step()
    after = made.state_dict()
    moved = {key for key in after if not torch.equal(before[key], after[key])}
    parameters = dict(made.named_parameters())
    may = {
        key
        for key, p in parameters.items()
        if key.startswith("head.") or tune == "full" or (tune == "layernorm" and id(p) in norms)
    }
    may -= {key for key in may if key.endswith(("masked_spec_embed", "embed_positions.weight"))}
    assert moved <= may, "something moved that should not learn"
    assert {k for k in moved if k.startswith("head.")} == {k for k in after if k.startswith("head.")}
    grown = {k for k in moved if k.startswith("backbone.")}
    assert bool(grown) == (tune != "head")
    if tune == "full":
        assert len(grown) > 0.8 * len([k for k in may if k.startswith("backbone.")])


def test_a_backbone_that_does_not_learn_has_no_dropout_and_no_gradient(shelf: Path) -> None:
    made = network(shelf, "wavlm", tune="head").train()
    assert made.head.training and not any(m.training for m in made.backbone.modules())
    made(torch.from_numpy(np.stack(clips(12_000)))).sum().backward()
    assert all(p.grad is None for p in made.backbone.parameters())


def test_training_draws_from_torch_alone(shelf: Path) -> None:
    """No masking of the input from numpy's global generator: torch's seed decides a training step."""
    made = network(shelf, "w2v-bert").train()
    wave = torch.from_numpy(np.stack(clips(16_000)))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    outs = []
    for _ in range(2):
        torch.manual_seed(3)
        outs.append(made(wave).detach())
    assert torch.equal(*outs)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
def test_a_network_can_be_copied_for_an_average(name: str, shelf: Path) -> None:
    made = network(shelf, name)
    wave = torch.from_numpy(np.stack(clips(12_000)))
    assert np.array_equal(logits(copy.deepcopy(made), wave), logits(made, wave))


def test_a_wave_model_passes_its_gradient_to_the_samples(shelf: Path) -> None:
    wave = torch.from_numpy(np.stack(clips(12_000))).requires_grad_()
    network(shelf, "hubert")(wave).sum().backward()
    assert wave.grad is not None and wave.grad.abs().max() > 0


RECIPE = """
detector = "hubert"
summary = "a test"
window = 16000
[network]
source = "{source}"
tune = "layernorm"
[augment]
held_out = ["opus"]
[optimiser]
epochs = 1
clips = 8
batch = 4
crop = [0.6, 0.6]
[select]
seconds = 1.0
kinds = ["made"]
"""


def test_a_recipe_makes_a_folder_that_the_bench_knows(shelf: Path, tmp_path: Path) -> None:
    """Trained by recipe, scored by name; its card is in it and names the corpora of the backbone as met."""
    from spoofproof.bench import identity
    from spoofproof.train import run

    rows = ["path,label,part,source,generator"]
    for i in range(12):
        clip = voice(1.0, seed=i, f0=100 + 9 * i)
        save_audio(clip if i % 2 else clip.replace(np.sign(clip.samples) * 0.1), tmp_path / f"{i}.wav")
        part = "dev" if i >= 8 else "train"
        rows.append(f"{i}.wav,{('spoof', 'bonafide')[i % 2]},{part},page{i % 3},{('g', '')[i % 2]}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "mine.toml").write_text(RECIPE.format(source=shelf / "hubert"))
    folder = run(tmp_path / "mine.toml", tmp_path, tmp_path / "run")
    torch.use_deterministic_algorithms(False)

    assert folder == tmp_path / "run" / "hubert"
    card = json.loads((folder / "card.json").read_text())
    assert card["contamination"] == ["librilight", "librispeech", "page0", "page1", "page2"]
    trained, facts = foundation.load("hubert", folder)
    assert list(facts.calibration) == [card["model"]["calibration"][k] for k in ("scale", "offset")]
    moved = {
        key: not torch.equal(value, network(shelf, "hubert").backbone.state_dict()[key])
        for key, value in trained.backbone.state_dict().items()
    }
    assert {key.rpartition(".")[0].rpartition(".")[2] for key, did in moved.items() if did} <= {
        "layer_norm",
        "final_layer_norm",
    }
    assert any(moved.values())

    text = f"hubert@{folder}"
    known = identity(text)
    assert known["card"] == card
    head = safetensors_torch.load_file(folder / "head.safetensors")
    head["logits.bias"] += 1
    safetensors_torch.save_file(head, folder / "head.safetensors")
    assert identity(text)["identity"] != known["identity"] and identity(text)["card"] == {}


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_detector_is_whole_and_mapped_into_memory(name: str, shelf: Path, tmp_path: Path) -> None:
    made = network(shelf, name, tune="layernorm")
    facts = made.save(tmp_path / "mine", window=20_000, calibration=(0.5, 1.0))
    again, found = foundation.load(name, tmp_path / "mine")
    assert found == facts and (found.window, found.calibration) == (20_000, (0.5, 1.0))
    expected = made.state_dict()
    assert {k: v.dtype for k, v in again.state_dict().items()} == {k: v.dtype for k, v in expected.items()}
    assert all(torch.equal(v, expected[k]) for k, v in again.state_dict().items())
    assert set(files(tmp_path / "mine")) == {
        "config.json", "preprocessor_config.json", "model.safetensors", "head.safetensors", "spoofproof.json",
    }  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert found.source == name, "the folder's name, and not where it lay"
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(tmp_path / "mine" / "model.safetensors") in maps.read_text()


def test_the_folder_is_one_of_transformers_too(shelf: Path, tmp_path: Path) -> None:
    made = network(shelf, "hubert")
    made.save(tmp_path / "mine")
    model = transformers.AutoModel.from_pretrained(tmp_path / "mine")
    assert type(model).__name__ == "HubertModel"
    assert all(torch.equal(v, made.backbone.state_dict()[k]) for k, v in model.state_dict().items())


def test_training_goes_on_from_a_detector_and_a_new_head_is_new(shelf: Path, tmp_path: Path) -> None:
    made = network(shelf, "xls-r")
    made.save(tmp_path / "mine")
    again = foundation.build("xls-r", source=tmp_path / "mine", tune="head")
    assert all(
        torch.equal(a, b) for a, b in zip(again.head.parameters(), made.head.parameters(), strict=True)
    )
    (tmp_path / "mine" / "spoofproof.json").unlink()
    fresh = foundation.build("xls-r", source=tmp_path / "mine")
    assert not torch.equal(fresh.head.logits.weight, made.head.logits.weight)


def test_saving_replaces_a_detector_and_nothing_else(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = network(shelf, "hubert")
    made.save(tmp_path / "mine")
    made.save(tmp_path / "mine", calibration=(3.0, 0.0))
    assert foundation.load("hubert", tmp_path / "mine")[1].calibration == (3.0, 0.0)
    with pytest.raises(RunConflict, match="holds something else"):
        made.save(shelf / "hubert")
    before = files(tmp_path / "mine")

    def full(module: Any, file: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(foundation, "_save", full)
    with pytest.raises(RunConflict, match="No space left"):
        made.save(tmp_path / "mine", calibration=(9.0, 0.0))
    assert files(tmp_path / "mine") == before and [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_weights_in_pieces_or_as_a_checked_pickle_are_read(shelf: Path, tmp_path: Path) -> None:
    expected = network(shelf, "hubert").backbone.state_dict()
    model = transformers.HubertModel.from_pretrained(shelf / "hubert")
    for kind in ("pieces", "pickle"):
        folder = tmp_path / kind
        shutil.copytree(shelf / "hubert", folder)
        (folder / "model.safetensors").unlink()
        if kind == "pieces":
            model.save_pretrained(folder, max_shard_size="20KB")
            assert len(list(folder.glob("*.safetensors"))) > 1
        else:
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
        found = foundation.build("hubert", source=folder).backbone.state_dict()
        assert all(torch.equal(found[k], v) for k, v in expected.items())


def test_a_vector_that_some_published_files_lack_is_not_needed(shelf: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(shelf / "wav2vec2", tmp_path / "old")
    held = safetensors_torch.load_file(folder / "model.safetensors")
    del held["masked_spec_embed"]
    safetensors_torch.save_file(held, folder / "model.safetensors", metadata={"format": "pt"})
    assert foundation.build("wav2vec2", source=folder).backbone.masked_spec_embed.abs().max() == 0


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_backbone_without_a_trained_head_never_scores(name: str, shelf: Path) -> None:
    with pytest.raises(MissingPart, match=r"without a trained head.*spoofproof train"):
        detector(shelf / name, name)


def _rewrite(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-500])


def _drop(file: Path, name: str) -> None:
    held = safetensors_torch.load_file(file)
    del held[name]
    safetensors_torch.save_file(held, file, metadata={"format": "pt"})


DAMAGE: dict[str, tuple[Any, type[SpoofproofError], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), MissingPart, "holds no config.json"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), SpoofproofError, "is not JSON"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), SpoofproofError, "expected a JSON object"),
    "another architecture": (
        lambda f: _rewrite(f / "config.json", model_type="wavlm"), SpoofproofError, "holds a wavlm, not a hubert.*Ask for wavlm",
    ),
    "unknown architecture": (
        lambda f: _rewrite(f / "config.json", model_type="bert"), SpoofproofError, "holds a bert.*Known: wav2vec2",
    ),
    "impossible config": (
        lambda f: _rewrite(f / "config.json", num_attention_heads=3), SpoofproofError, "cannot be read as a hubert",
    ),
    "other size": (
        lambda f: _rewrite(f / "config.json", intermediate_size=64), SpoofproofError, "cannot be read as a hubert",
    ),
    "more layers than weights": (
        lambda f: _rewrite(f / "config.json", num_hidden_layers=3), SpoofproofError, "lack 16 of those.*random numbers",
    ),
    "no extractor": (lambda f: (f / "preprocessor_config.json").unlink(), MissingPart, "no preprocessor_config.json"),
    "another extractor": (
        lambda f: _rewrite(f / "preprocessor_config.json", feature_extractor_type="ASTFeatureExtractor"), SpoofproofError, "of a ASTFeatureExtractor",
    ),
    "another rate": (
        lambda f: _rewrite(f / "preprocessor_config.json", sampling_rate=8000), SpoofproofError, "at 8000 Hz",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), MissingPart, "holds no model.safetensors"),
    "truncated weights": (lambda f: _cut(f / "model.safetensors"), SpoofproofError, "cannot be read as a hubert"),
    "empty weights": (lambda f: (f / "model.safetensors").write_bytes(b""), SpoofproofError, "cannot be read"),
    "no head": (lambda f: (f / "head.safetensors").unlink(), MissingPart, "no head.safetensors"),
    "truncated head": (lambda f: _cut(f / "head.safetensors"), SpoofproofError, "holds no mean head"),
    "half a head": (lambda f: _drop(f / "head.safetensors", "hidden.bias"), SpoofproofError, "holds no mean head"),
    "manifest is no JSON": (lambda f: (f / "spoofproof.json").write_text("?"), SpoofproofError, "Train the detector anew"),
    "manifest of the future": (
        lambda f: _rewrite(f / "spoofproof.json", future=1), SpoofproofError, "Train the detector anew",
    ),
    "another family": (
        lambda f: _rewrite(f / "spoofproof.json", family="clap"), SpoofproofError, "holds a clap, not a hubert: ask for clap@",
    ),
    "unknown head": (lambda f: _rewrite(f / "spoofproof.json", head="x"), SpoofproofError, "not one of this version"),
    "tiny window": (lambda f: _rewrite(f / "spoofproof.json", window=100), SpoofproofError, "at least 8000 samples"),
    "calibration is no number": (
        lambda f: _rewrite(f / "spoofproof.json", calibration=[1.0, float("nan")]), SpoofproofError, "two finite numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_explained(damage: str, shelf: Path, tmp_path: Path) -> None:
    network(shelf, "hubert").save(tmp_path / "mine")
    detector(tmp_path / "mine", "hubert")
    harm, error, words = DAMAGE[damage]
    harm(tmp_path / "mine")
    with pytest.raises(error, match=words) as caught:
        detector(tmp_path / "mine", "hubert")
    assert len(str(caught.value)) < 700


def test_wrong_words_are_explained(shelf: Path, tmp_path: Path) -> None:
    source = shelf / "hubert"
    for error, words, settings in (
        (BadPlan, "needs a source", {}),
        (UnknownName, "head", {"source": source, "head": "max"}),
        (UnknownName, "tune", {"source": source, "tune": "lora"}),
        (UnknownName, "context", {"source": source, "context": "all"}),
        (MissingPart, "no such folder", {"source": tmp_path / "none"}),
        (MissingPart, "is a file", {"source": source / "config.json"}),
    ):
        with pytest.raises(error, match=words):
            foundation.build("hubert", **settings)
    with pytest.raises(UnknownName, match="Did you mean hubert"):
        foundation.load("huberd", source)
    with pytest.raises(BadPlan, match=r"no setting 'heads'. Did you mean head"):
        nets.build("hubert", source=source, heads="mean")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and a hub at which nobody answers."""
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv(backbones.DOWNLOAD, raising=False)
    return tmp_path / "hub"


def test_a_hub_that_is_not_asked_or_does_not_answer_is_a_sentence(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingPart, match=r"cache does not hold it.*SPOOFPROOF_ALLOW_DOWNLOAD=1"):
        registry.detectors["hubert"].make("facebook/hubert-large-ls960-ft")
    monkeypatch.setenv(backbones.DOWNLOAD, "1")
    with pytest.raises(MissingPart, match=r"cannot fetch facebook/hubert.*Check the name and the network"):
        registry.detectors["hubert"].make("facebook/hubert-large-ls960-ft")


def test_what_the_hub_cached_needs_no_network(hub: Path, shelf: Path) -> None:
    place = hub / "models--own--toy"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    network(shelf, "hubert").save(place / "snapshots" / ("0" * 40))
    assert np.isfinite(registry.detectors["hubert"].make("own/toy")([voice(1.0)])).all()


@pytest.mark.parametrize("neighbour", ["torchaudio", "torchvision"])
def test_a_neighbour_that_breaks_transformers_is_named(
    neighbour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / neighbour).mkdir()
    (tmp_path / neighbour / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, neighbour, raising=False)
    with pytest.raises(
        MissingPart, match=f"{neighbour} is installed but does not fit.*pip uninstall {neighbour}"
    ):
        backbones._class("AModelThatCannotBeImported")


def test_without_transformers_the_extra_is_named(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingPart, match=r"spoofproof\[foundation\]"):
        foundation.build("hubert", source=shelf / "hubert")


# --- size ------------------------------------------------------------------------------------------------------------


def test_size_and_cost_of_whisper_small_by_closed_forms() -> None:
    """12 layers of 768, 1500 states: counted by hand. 88 M parameters as published for the encoder of whisper-small."""
    d, f, n, layers = 768, 3072, 1500, 12
    config = transformers.WhisperConfig(
        d_model=d, encoder_layers=layers, encoder_attention_heads=12, encoder_ffn_dim=f, num_mel_bins=80
    )
    one = 4 * d * d + 3 * d + 2 * d * f + f + d + 4 * d  # attention has no bias for its keys
    parameters = 80 * d * 3 + d + d * d * 3 + d + n * d + layers * one + 2 * d
    operations = 2 * (2 * n * 80 * d * 3 + n * d * d * 3) + layers * (
        2 * n * (4 * d * d + 2 * d * f) + 4 * n * n * d
    )
    found = foundation.describe("whisper", config)
    assert found.parameters == parameters == 88_154_112
    assert found.gflop == pytest.approx(operations / 1e9, rel=1e-9)
    short = foundation.describe("whisper", config, context="clip")
    assert found.gflop / short.gflop > 7


@pytest.mark.parametrize("name", NAMES)
def test_size_and_cost_are_read_from_a_folder(name: str, shelf: Path) -> None:
    found = foundation.describe(name, shelf / name)
    assert found.parameters == sum(p.numel() for p in network(shelf, name).backbone.parameters())
    if name in ("clap", "ast", "whisper"):
        return  # their input has one length
    assert foundation.describe(name, shelf / name, samples=2 * WINDOW_SAMPLES).gflop > 1.9 * found.gflop
