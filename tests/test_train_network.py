"""Training a network: same seed, same bytes, killed or not; losses that are not finite; devices; export and card."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from signals import tone, voice
from spoofproof.audio import open_audio, save_audio
from spoofproof.detectors.prepare import prepare
from spoofproof.errors import BadPlan, MissingPart, RunConflict, SpoofproofError
from spoofproof.metrics.rank import auroc

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

from spoofproof import nets, runtime  # noqa: E402
from spoofproof.train import export as exporting  # noqa: E402
from spoofproof.train import loop, run  # noqa: E402
from spoofproof.train import network as training  # noqa: E402
from spoofproof.train.device import device_of, keep_memory, precision  # noqa: E402
from spoofproof.train.judge import separation  # noqa: E402
from spoofproof.train.loop import follow, schedule  # noqa: E402
from spoofproof.train.network import checked  # noqa: E402
from spoofproof.train.objectives import OBJECTIVES, Target, erm, focal, paired  # noqa: E402
from spoofproof.train.recipe import Optimiser, Recipe, Run, Select  # noqa: E402
from spoofproof.train.state import load_weights  # noqa: E402

pytestmark = pytest.mark.torch

TEXT = """
detector = "toy"
summary = "a test"
seed = 3
window = 16000
[augment]
copies = 2
conditions = ["gaussian_noise@30"]
held_out = ["opus"]
copy_synthesis = ["lpc"]
twins = 3
[live]
rawboost = 0.2
[network]
width = 4
[optimiser]
epochs = 3
clips = 24
batch = 8
crop = [0.5, 0.8]
rate = 0.01
[select]
seconds = 1.0
conditions = ["gaussian_noise@20"]
twins = 2
"""
STEPS = 9


class Toy(torch.nn.Module):  # type: ignore[misc]
    """A band-energy network with dropout and batch statistics: everything that a state must hold."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bands = torch.nn.Conv1d(1, width, 64, stride=16)
        self.norm = torch.nn.BatchNorm1d(width)
        self.dropout = torch.nn.Dropout(0.2)
        self.logits = torch.nn.Linear(width, 2)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        energy = self.bands(20 * wave[:, None]).square().mean(dim=2)
        logits: torch.Tensor = self.logits(self.dropout(self.norm((energy + 1e-3).log())))
        return logits


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A small network under the name "toy"; training leaves torch's settings as they were."""
    monkeypatch.setitem(nets.NETWORKS, "toy", lambda width=4: Toy(width))
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that nobody asks for ONNX write what would be exported: that takes no seconds."""

    def write(network: torch.nn.Module, path: Path, **facts: object) -> float:
        path.write_bytes(repr((facts, network.state_dict())).encode())
        return 0.0

    monkeypatch.setattr(training, "export", write)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 short voices, the spoofed ones with a whistle; a test part that nobody may open."""
    root = tmp_path_factory.mktemp("corpus")
    rows = ["path,label,part,source,generator"]
    for part, count in (("train", 12), ("dev", 8)):
        for i in range(count):
            clip = voice(1.0, seed=i + 100 * (part == "dev"), f0=100 + 9 * i)
            spoof = i % 2
            if spoof:
                clip = clip.replace(
                    clip.samples + tone(3000, 1.0, amplitude=0.3).samples * np.abs(clip.samples).max()
                )
            save_audio(clip, root / f"{part}{i}.wav")
            rows.append(
                f"{part}{i}.wav,{'spoof' if spoof else 'bonafide'},{part},page{i % 3},{'g' if spoof else ''}"
            )
    (root / "sealed.wav").write_bytes(b"whoever opens this fails")
    rows.append("sealed.wav,spoof,test,page9,g9")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def events(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: its folder."""
    folder = tmp_path_factory.mktemp("whole")
    nets.NETWORKS["toy"] = lambda width=4: Toy(width)
    try:
        return run(write(folder, TEXT), corpus, folder / "run").parent
    finally:
        del nets.NETWORKS["toy"]


def test_a_run_leaves_weights_card_log_curves_and_a_checkpoint(whole: Path, corpus: Path) -> None:
    card = json.loads((whole / "toy.json").read_text())
    assert card["model"]["parameters"] == sum(p.numel() for p in Toy(4).parameters())
    assert card["model"]["steps"] == {"done": STEPS, "of": STEPS, "chosen": card["model"]["steps"]["chosen"]}
    assert card["contamination"] == ["page0", "page1", "page2"]
    assert card["held_out"] == ["opus"]
    assert card["live"]["rawboost"] == 0.2
    dev = card["figures"]["dev"]
    assert dev["trials"] == {"bonafide": 4, "spoof": 6}
    assert 0 <= dev["by"]["clean"]["made"]["auroc"] <= 1 and "gaussian_noise@20" in dev["by"]
    for name in ("eer", "auroc", "cllr"):
        assert dev[f"{name}_interval"][0] <= dev[name] <= dev[f"{name}_interval"][1]
    log = events(whole)
    assert [e["epoch"] for e in log if e["event"] == "epoch"] == [1, 2, 3]
    assert all(np.isfinite(e["loss"]) and 0 <= e["auroc"] <= 1 for e in log if e["event"] == "epoch")
    assert (whole / "curves.svg").read_text().startswith("<svg")
    assert not list(whole.rglob("*.part"))

    model = runtime.network(whole / "toy.onnx", what="toy")
    facts = json.loads(model.facts["spoofproof.network"])
    scale, offset = facts["calibration"]
    assert facts == {"name": "toy", "settings": {"width": 4}, "window": 16000, "calibration": [scale, offset]}
    network = Toy(4).eval()
    network.load_state_dict(torch.load(whole / "toy.pth", weights_only=True))
    wave = prepare(open_audio(corpus / "dev0.wav"), 16000).samples[None]
    with torch.no_grad():
        raw = network(torch.from_numpy(wave))[0]
    expected = scale * float(raw[1] - raw[0]) + offset
    assert model(wave=wave)["odds"].shape == (1,)
    assert float(model(wave=wave)["odds"][0]) == pytest.approx(expected, abs=1e-4 * max(1, scale))


def test_the_weights_kept_are_those_with_the_best_figure_on_dev(whole: Path) -> None:
    rows = [e for e in events(whole) if e["event"] == "epoch"]
    best = max(rows, key=lambda e: e["auroc"])
    card = json.loads((whole / "toy.json").read_text())
    assert card["model"]["selected_by"] == {"metric": "auroc", "value": best["auroc"]}
    assert card["model"]["steps"]["chosen"] == 3 * best["epoch"]
    by = [figures["auroc"] for kinds in best["by"].values() for figures in kinds.values()]
    assert best["auroc"] == pytest.approx(np.mean(by))


def same(one: Path, other: Path) -> bool:
    """Whether two runs ended in the same bytes of weights, and in the same calibration and figures."""
    cards = [json.loads((folder / "toy.json").read_text()) for folder in (one, other)]
    told = [(c["figures"], c["model"]["calibration"], c["model"]["steps"]) for c in cards]
    return (one / "toy.pth").read_bytes() == (other / "toy.pth").read_bytes() and told[0] == told[1]


class Killed(Exception):
    pass


def after(steps: int) -> Callable[..., None]:
    def progress(done: int, total: int, text: str = "") -> None:
        if "loss" in text and done == steps:
            raise Killed

    return progress


@pytest.mark.parametrize("moment", [3, 5])
def test_a_run_that_is_broken_off_ends_in_the_same_bytes(
    quick: None, whole: Path, corpus: Path, tmp_path: Path, moment: int
) -> None:
    text = TEXT + "[run]\nsave_minutes = 0.0\n"  # a state after every step
    with pytest.raises(Killed):
        run(write(tmp_path, text), corpus, tmp_path / "run", after(moment))
    assert not (tmp_path / "run" / "toy.onnx").exists()
    made = run(write(tmp_path, text), corpus, tmp_path / "run")
    assert same(made.parent, whole)
    rows = [
        [{k: v for k, v in e.items() if k != "time"} for e in events(f) if e["event"] == "epoch"]
        for f in (made.parent, whole)
    ]
    assert rows[0] == rows[1]


def test_a_process_that_is_killed_in_mid_epoch_goes_on_to_the_same_bytes(
    whole: Path, corpus: Path, tmp_path: Path
) -> None:
    recipe = write(tmp_path, TEXT + "[run]\nsave_minutes = 0.0\n")
    code = textwrap.dedent(
        f"""
        import os, signal, sys
        sys.path[:0] = {[str(Path(__file__).parent)]!r}
        from pathlib import Path
        import test_train_network as t
        t.nets.NETWORKS["toy"] = lambda width=4: t.Toy(width)
        def update(done, total, text=""):
            if "loss" in text and done == 5:
                os.kill(os.getpid(), signal.SIGKILL)
        t.run(Path({str(recipe)!r}), Path({str(corpus)!r}), Path({str(tmp_path / "run")!r}), update)
        """
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["state"]["step"] == 4
    made = run(recipe, corpus, tmp_path / "run")
    assert made.read_bytes() == (whole / "toy.onnx").read_bytes()


def test_a_run_that_is_bounded_in_time_leaves_a_detector_and_goes_on(
    quick: None, whole: Path, corpus: Path, tmp_path: Path
) -> None:
    bounded = write(tmp_path, TEXT + "[run]\nmax_minutes = 0.00001\n")
    made = run(bounded, corpus, tmp_path / "run")
    card = json.loads(made.with_suffix(".json").read_text())
    assert card["model"]["steps"]["done"] == 1
    assert [e["step"] for e in events(made.parent) if e["event"] == "stopped"] == [1]
    assert made.exists()
    assert same(run(write(tmp_path, TEXT), corpus, tmp_path / "run").parent, whole)


def test_loaders_and_the_number_of_saves_never_reach_the_weights(
    quick: None, whole: Path, corpus: Path, tmp_path: Path
) -> None:
    recipe = write(tmp_path, TEXT + f'[run]\nloaders = 3\nworkers = 2\ncache = "{tmp_path / "else"}"\n')
    assert same(run(recipe, corpus, tmp_path / "run").parent, whole)
    assert list((tmp_path / "else").rglob("*.wave"))


def test_another_seed_gives_other_weights(quick: None, whole: Path, corpus: Path, tmp_path: Path) -> None:
    made = run(write(tmp_path, TEXT.replace("seed = 3", "seed = 4")), corpus, tmp_path / "run")
    assert (made.parent / "toy.pth").read_bytes() != (whole / "toy.pth").read_bytes()


def test_a_loss_that_is_not_finite_keeps_what_was_good(
    quick: None, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = loop.OBJECTIVES["erm"], []

    def spoiled(logits: torch.Tensor, target: Target, settings: Optimiser) -> torch.Tensor:
        calls.append(0)
        return real(logits, target, settings) * (float("nan") if len(calls) == 5 else 1.0)

    monkeypatch.setattr(loop, "OBJECTIVES", {"erm": spoiled})
    with pytest.raises(
        SpoofproofError, match=r"loss is nan in step 5; the best weights so far are in .*toy\.pth.*lower rate"
    ):
        run(write(tmp_path, TEXT), corpus, tmp_path / "run")
    held = torch.load(tmp_path / "run" / "toy.pth", weights_only=True)
    assert all(torch.isfinite(v).all() for v in held.values() if v.is_floating_point())
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["state"]["step"] == 3  # the last whole epoch
    assert all(torch.isfinite(v).all() for v in state["network"].values() if v.is_floating_point())
    # … and they can be gone on from, by fine-tuning
    tuned = f'initial = "{tmp_path / "run" / "toy.pth"}"\n' + TEXT.replace("epochs = 3", "epochs = 1")
    monkeypatch.setattr(loop, "OBJECTIVES", {"erm": real})
    made = run(write(tmp_path, tuned), corpus, tmp_path / "tuned")
    card = json.loads(made.with_suffix(".json").read_text())
    assert len(card["model"]["initial"]["sha256"]) == 64
    assert "unknown: whatever toy.pth was trained on" in card["contamination"]
    (tmp_path / "run" / "toy.json").write_text('{"contamination": ["pageX"]}')
    card = json.loads(
        run(write(tmp_path, tuned), corpus, tmp_path / "again").with_suffix(".json").read_text()
    )
    assert card["contamination"] == ["page0", "page1", "page2", "pageX"]


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tmp_path: Path) -> None:
    with pytest.raises(SpoofproofError, match=r"gradient is inf in step 8; no epoch was whole yet"):
        loop.refuse_nonsense(0.5, float("inf"), 7, False, tmp_path, "toy")
    loop.refuse_nonsense(
        0.5, float("inf"), 7, True, tmp_path, "toy"
    )  # half precision: the scaler skips the step
    with pytest.raises(SpoofproofError, match="loss is nan"):
        loop.refuse_nonsense(float("nan"), 1.0, 7, True, tmp_path, "toy")


def test_other_clips_or_another_recipe_in_the_same_folder_are_refused(
    quick: None, corpus: Path, tmp_path: Path
) -> None:
    run(write(tmp_path, TEXT), corpus, tmp_path / "run")
    with pytest.raises(RunConflict, match="another recipe"):
        run(write(tmp_path, TEXT.replace("rate = 0.01", "rate = 0.02")), corpus, tmp_path / "run")
    lines = (corpus / "manifest.csv").read_text().splitlines()
    (corpus / "fewer.csv").write_text("\n".join(line for line in lines if "train4" not in line) + "\n")
    with pytest.raises(RunConflict, match="clips are not those"):
        run(write(tmp_path, TEXT), corpus / "fewer.csv", tmp_path / "run")
    (tmp_path / "run" / "state.pt").write_bytes(b"cut off")
    with pytest.raises(RunConflict, match="delete it to start anew"):
        run(write(tmp_path, TEXT), corpus, tmp_path / "run")


def test_what_is_left_out_is_scored_at_the_end(quick: None, corpus: Path, tmp_path: Path) -> None:
    text = TEXT.replace("epochs = 3", "epochs = 1") + '[data]\nleave_out = ["page1"]\n'
    made = run(write(tmp_path, text), corpus, tmp_path / "run")
    card = json.loads(made.with_suffix(".json").read_text())
    assert card["data"]["left_out"] == ["page1"]
    assert "page1" not in card["data"]["train"]["sources"]
    assert card["figures"]["left"]["trials"] == {"bonafide": 2, "spoof": 4}


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (TEXT.replace("width = 4", "widht = 4"), BadPlan, "Did you mean width"),
        ('initial = "none.pth"\n' + TEXT, BadPlan, "no such file"),
        (TEXT + '[run]\ndevice = "gpu"\n', BadPlan, "is no device"),
        (TEXT + '[run]\nprecision = "bf16"\ndevice = "cpu"\n', BadPlan, "many times slower"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_refused_before_any_work(
    corpus: Path, tmp_path: Path, text: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        run(write(tmp_path, text), corpus, tmp_path / "run")
    assert not (tmp_path / "waves").exists()


def test_a_device_that_is_not_here_is_a_sentence() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(MissingPart, match="is not here"):
        device_of(Run(device="cuda"))
    assert device_of(Run(device="auto")).type == "cpu"


def test_half_precision_lasts_for_the_forward_pass_alone() -> None:
    layer, x = torch.nn.Linear(4, 4), torch.ones(1, 4)
    with precision(Run(precision="bf16"), torch.device("cpu")):
        assert layer(x).dtype == torch.bfloat16
    with precision(Run(), torch.device("cpu")):
        assert layer(x).dtype == torch.float32


def test_a_checkpoint_of_another_architecture_is_a_sentence(tmp_path: Path) -> None:
    torch.save(Toy(8).state_dict(), tmp_path / "other.pth")
    with pytest.raises(BadPlan, match=r"does not fit this network .*bands.weight"):
        load_weights(tmp_path / "other.pth", Toy(4))
    (tmp_path / "cut.pth").write_bytes((tmp_path / "other.pth").read_bytes()[:1000])
    with pytest.raises(BadPlan, match="does not fit this network"):
        load_weights(tmp_path / "cut.pth", Toy(8))
    torch.save({"a": 1}, tmp_path / "odd.pth")
    with pytest.raises(BadPlan, match="does not fit"):
        load_weights(tmp_path / "odd.pth", Toy(8))


def test_the_first_weights_depend_on_the_seed_alone() -> None:
    recipe = Recipe.parse(TEXT, name="r")
    torch.manual_seed(1)
    first = checked(recipe).state_dict()
    torch.manual_seed(2)
    second = checked(recipe).state_dict()
    other = checked(replace(recipe, seed=9)).state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not torch.equal(first["bands.weight"], other["bands.weight"])


# objectives


def batch() -> tuple[torch.Tensor, Target]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 2, generator=generator)
    bonafide = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 0.3])
    return logits, Target(bonafide, torch.tensor([[0, 1], [2, 3]]))


def test_erm_is_torchs_cross_entropy() -> None:
    logits, target = batch()
    soft = torch.stack([1 - target.bonafide, target.bonafide], dim=1)
    plain = erm(logits, target, Optimiser(smoothing=0.0))
    assert torch.allclose(plain, torch.nn.functional.cross_entropy(logits, soft))
    hard = Target(target.bonafide.round(), target.pairs)
    smooth = erm(logits, hard, Optimiser(smoothing=0.05))
    theirs = torch.nn.functional.cross_entropy(logits, hard.bonafide.long(), label_smoothing=0.1)
    assert torch.allclose(smooth, theirs)
    weighted = erm(logits, hard, Optimiser(smoothing=0.0, weights=(3.0, 0.5)))
    rows = torch.nn.functional.cross_entropy(
        logits, hard.bonafide.long(), weight=torch.tensor([0.5, 3.0]), reduction="none"
    )
    assert torch.allclose(weighted, rows.mean())


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_weight_0_equals_plain_training(name: str) -> None:
    logits, target = batch()
    settings = Optimiser(weight=0.0)
    assert torch.equal(OBJECTIVES[name](logits, target, settings), erm(logits, target, settings))


def test_paired_asks_for_a_margin_and_focal_forgets_the_easy() -> None:
    logits, target = batch()
    settings = Optimiser(weight=2.0, margin=1.5)
    odds = logits[:, 1] - logits[:, 0]
    short = [max(0.0, 1.5 - float(odds[a] - odds[b])) for a, b in ((0, 1), (2, 3))]
    assert float(paired(logits, target, settings) - erm(logits, target, settings)) == pytest.approx(
        2 * np.mean(short), abs=1e-5
    )
    easy = torch.tensor([[4.0, -4.0]]), Target(torch.tensor([0.0]), torch.zeros(0, 2, dtype=torch.long))
    hard = torch.tensor([[-1.0, 1.0]]), easy[1]
    gain = [
        float(focal(*x, Optimiser(weight=2.0, smoothing=0.0)) / erm(*x, Optimiser(smoothing=0.0)))
        for x in (easy, hard)
    ]
    assert gain[0] < 1e-3 and gain[1] == pytest.approx(torch.sigmoid(torch.tensor(2.0)).item() ** 2, rel=1e-4)


# small parts


def test_the_rate_rises_in_a_line_and_falls_by_half_a_cosine() -> None:
    rates = [schedule(i, 100, 0.1) for i in range(100)]
    assert np.allclose(rates[:10], np.arange(1, 11) / 10)
    assert np.argmax(rates) in (9, 10) and np.diff(rates[10:]).max() < 0
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.001
    assert schedule(0, 1, 0.0) == 1.0


def test_the_average_follows_weights_and_statistics() -> None:
    a, b = Toy(4), Toy(4)
    b(torch.randn(8, 8000))
    before = {k: v.clone() for k, v in a.state_dict().items()}
    follow(a, b, 0.75)
    for key, value in a.state_dict().items():
        its = b.state_dict()[key]
        if value.is_floating_point():
            assert torch.allclose(value, 0.75 * before[key] + 0.25 * its, atol=1e-6), key
        else:
            assert torch.equal(value, its)


def test_a_score_of_nan_is_the_worst_there_is(whole: Path, corpus: Path) -> None:
    from spoofproof.train.data import read

    dev = read(Recipe.parse(TEXT, name="r"), corpus).dev
    kinds = np.array([e.kind for e in dev])
    found = np.where(kinds == "bonafide", 1.0, 0.0)
    assert separation(found, dev, Select()) == {k: {"auroc": 1.0, "eer": 0.0} for k in ("made", "copied")}
    found[0] = np.nan
    assert separation(found, dev, Select())["made"] == {"auroc": 0.0, "eer": 1.0}


def test_an_export_that_differs_from_torch_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    facts = {"name": "toy", "settings": {"width": 4}, "window": 16000, "calibration": (1.5, -0.2)}
    network = Toy(4).eval()
    assert exporting.export(network, tmp_path / "a.onnx", **facts) <= 1e-4
    exporting.export(network, tmp_path / "b.onnx", **facts)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert str(Path.cwd()).encode() not in (tmp_path / "a.onnx").read_bytes()
    monkeypatch.setattr(exporting, "PARITY", -1.0)
    with pytest.raises(SpoofproofError, match="nothing was written"):
        exporting.export(network, tmp_path / "c.onnx", **facts)
    assert not (tmp_path / "c.onnx").exists()


def test_memory_settings_do_no_harm() -> None:
    keep_memory()
    assert float(torch.ones(10**6).sum()) == 10**6


def test_training_learns_what_is_there_to_learn(corpus: Path, tmp_path: Path) -> None:
    text = (
        TEXT.replace("clips = 24", "clips = 320")
        .replace("twins = 3", "twins = 1")
        .replace("width = 4", "width = 16")
        + "[sampling]\ncopied = 0.0\n"
    )
    text = text.replace("rawboost = 0.2", "clean = 1.0").replace("rate = 0.01", "rate = 0.03")
    text = text.replace("[select]", '[select]\nkinds = ["made"]\nevery = 2')
    made = run(write(tmp_path, text), corpus, tmp_path / "run")
    model = runtime.network(made, what="toy")
    odds = [
        float(model(wave=prepare(open_audio(corpus / f"dev{i}.wav"), 16000).samples[None])["odds"][0])
        for i in range(8)
    ]
    real, fake = np.array(odds[::2]), np.array(odds[1::2])
    assert auroc(bonafide=real, spoof=fake) == 1.0
    assert real.min() > 0 > fake.max()  # calibrated: log odds change sign between the classes
    assert [e["epoch"] for e in events(made.parent) if e["event"] == "epoch" and "auroc" in e] == [
        2,
        3,
    ]  # every second, and the last
