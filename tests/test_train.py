"""Training: recipes that lie are refused, only train and dev are read, EM climbs, mixtures come out the same again."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture

from signals import voice
from spoofproof.audio import save_audio
from spoofproof.corpora.vocoders import VOCODERS
from spoofproof.detectors.lfcc_gmm import LfccGmm
from spoofproof.detectors.prepare import prepare
from spoofproof.errors import BadCorpus, BadPlan, MissingPart, RunConflict, SpoofproofError, UnknownName
from spoofproof.streams import stream
from spoofproof.train import run
from spoofproof.train.data import Example, chances, read, renderings
from spoofproof.train.em import fit, improve
from spoofproof.train.evidence import area, calibrate, logistic
from spoofproof.train.recipe import Recipe
from spoofproof.types import Trial

RECIPES = Path(__file__).parents[1] / "recipes"
BASE = """
detector = "{detector}"
summary = "a test"
seed = 3
[augment]
copies = 2
conditions = ["mp3@24"]
held_out = ["opus", "mp3@8"]
copy_synthesis = ["lpc"]
twins = 3
"""
GMM = BASE.format(detector="lfcc-gmm") + "[model]\ncomponents = 4\niterations = 3\nframes = 2000\n"
NETWORK = BASE.format(detector="lfcc-lcnn")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 20 short voices, the spoofed ones smoothed by hand; an evaluation part nobody may open."""
    root = tmp_path_factory.mktemp("corpus")
    rows = ["path,label,part,source,generator,language"]
    for part, count in (("train", 12), ("dev", 8)):
        for i in range(count):
            clip = voice(1.0, seed=i + 100 * (part == "dev"), f0=100 + 9 * i)
            spoof = i % 2
            if spoof:
                clip = clip.replace(np.convolve(clip.samples, np.ones(5) / 5, "same"))
            save_audio(clip, root / f"{part}{i}.wav")
            source = f"page{i % 3}"
            rows.append(
                f"{part}{i}.wav,{'spoof' if spoof else 'bonafide'},{part},{source},{'g1' if spoof else ''},en"
            )
    (root / "sealed.wav").write_bytes(b"whoever opens this fails")
    rows.append("sealed.wav,spoof,test,page9,g9,en")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name", ["aasist", "aasist-l", "lfcc-gmm", "lfcc-lcnn", "rawgat-st", "rawnet2", "spec-resnet"]
)
def test_the_recipes_of_the_project_are_recipes(name: str) -> None:
    recipe = Recipe.load(RECIPES / f"{name}.toml")
    assert recipe.detector == name
    assert recipe.augment.held_out
    assert "harmonic_noise" not in recipe.augment.copy_synthesis


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (GMM + "componets = 3\n", BadPlan, "Did you mean components"),
        ("sed = 3\n" + GMM, BadPlan, "Did you mean seed"),
        (GMM.replace("seed = 3", 'seed = "3"'), BadPlan, "seed is a int"),
        (GMM.replace("copies = 2", "copies = true"), BadPlan, "copies is a int"),
        (GMM.replace("copies = 2", "copies = 0"), BadPlan, "at least 1"),
        (GMM.replace('"mp3@24"', "3"), BadPlan, "list of str"),
        (GMM.replace('"mp3@24"', '"mp4@24"'), UnknownName, "mp3"),
        (GMM.replace('"mp3@24"', '"parametric_codec@1.2"'), BadPlan, "2.4, 1.6, 0.8 kbit/s"),
        (NETWORK + '[select]\nconditions = ["clipping@95"]\n', BadPlan, "below 1"),
        (GMM.replace('"lpc"', '"lcp"'), UnknownName, "Did you mean lpc"),
        (GMM.replace('"mp3@8"', '"mp3"'), BadPlan, "held out"),
        (GMM.replace('"mp3@8"', '"mp3@24"'), BadPlan, "held out"),
        (GMM.replace('"mp3@24"', '"telephone@g722+opus@8"'), BadPlan, "held out"),
        (GMM.replace('summary = "a test"', ""), BadPlan, "lacks summary"),
        (GMM + "[optimiser]\n", BadPlan, "unknown key 'optimiser'"),
        (GMM + "[data]\neval = 3\n", BadPlan, "unknown key 'eval'"),
        ("detector = [", BadPlan, "not valid TOML"),
        (NETWORK + "[optimiser]\nepoch = 3\n", BadPlan, "Did you mean epochs"),
        (NETWORK + "[optimizer]\nepochs = 3\n", BadPlan, "Did you mean optimiser"),
        (NETWORK + "[features]\n", BadPlan, "unknown key 'features'"),
        (NETWORK + "[optimiser]\nepochs = 0\n", BadPlan, "optimiser.epochs is at least 1"),
        (NETWORK + "[optimiser]\ncrop = [2.0]\n", BadPlan, "crop is two numbers"),
        (NETWORK + "[optimiser]\ncrop = 2.0\n", BadPlan, "crop is a list of float"),
        (NETWORK + "[optimiser]\nrate = -1\n", BadPlan, "rate is above 0"),
        (NETWORK + '[optimiser]\nobjective = "emr"\n', UnknownName, "Did you mean erm"),
        (NETWORK + '[optimiser]\nobjective = "paired"\n', BadPlan, "sampling.paired above 0"),
        (NETWORK.replace('"lpc"', "") + "[sampling]\npaired = 0.5\n", BadPlan, "pairs need twins"),
        (NETWORK + "[live]\nrawboost = 1.5\n", BadPlan, "live.rawboost lies between 0 and 1"),
        (NETWORK + '[live]\nkinds = ["impulse"]\n', UnknownName, "Did you mean impulsive"),
        (NETWORK + '[select]\nmetric = "err"\n', UnknownName, "Did you mean eer"),
        (NETWORK + '[select]\npart = "eval"\n', BadPlan, "unknown key 'part'"),
        (NETWORK + '[run]\nprecision = "fp16"\n', UnknownName, "precision"),
        (NETWORK + "window = 100\n", BadPlan, "unknown key 'window'"),
        ("window = 100\n" + NETWORK, BadPlan, "window is at least 8000"),
        (NETWORK + '[select]\nconditions = ["opus@8"]\n', BadPlan, "decides which weights are kept"),
        (
            NETWORK.replace('"opus"', '"low_pass@0.3"') + "[live]\nbandwidth = 0.1\n",
            BadPlan,
            "bandwidth is the same",
        ),
        (
            NETWORK.replace('"opus"', '"gaussian_noise"') + "[live]\nrawboost = 0.1\n",
            BadPlan,
            "adds such noise",
        ),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Recipe.parse(text, name="recipe.toml")


@pytest.mark.torch
def test_a_detector_that_is_no_network_is_refused() -> None:
    pytest.importorskip("torch")
    with pytest.raises(UnknownName, match="Did you mean lfcc-gmm"):
        Recipe.parse(GMM.replace("lfcc-gmm", "lfcc-gm"), name="r")
    with pytest.raises(UnknownName, match="Did you mean aasist"):
        Recipe.parse(NETWORK + '[network]\nname = "aasits"\n', name="r")
    mine = NETWORK.replace("lfcc-lcnn", "mine") + '[network]\nname = "aasist"\n'
    assert Recipe.parse(mine, name="r").architecture == "aasist"


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadPlan, match="no such recipe"):
        run(tmp_path / "none.toml")


def test_only_train_and_dev_are_read_and_both_need_both_classes(corpus: Path, tmp_path: Path) -> None:
    recipe = Recipe.parse(GMM, name="r")
    parts = read(recipe, corpus)
    heard = {e.trial.part for e in (*parts.train, *parts.dev, *parts.left)}
    assert heard == {"train", "dev"}
    assert sum(e.kind == "copied" for e in parts.train) == 3
    left = read(replace(recipe, data=replace(recipe.data, leave_out=("page1",))), corpus)
    assert {e.trial.source for e in left.left} == {"page1"}
    assert "page1" not in {e.trial.source for e in left.train}
    with pytest.raises(BadPlan, match="page7"):
        read(replace(recipe, data=replace(recipe.data, leave_out=("page7",))), corpus)
    lines = [
        x for x in (corpus / "manifest.csv").read_text().splitlines() if "dev" not in x or "bonafide" not in x
    ]
    (corpus / "one.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(BadCorpus, match="dev part has no bonafide"):
        read(recipe, corpus / "one.csv")


def test_further_corpora_are_learned_from_and_never_selected_on(corpus: Path) -> None:
    recipe = Recipe.parse(GMM, name="r")
    more = replace(recipe, data=replace(recipe.data, extra=(f"manifest:{corpus}",)))
    once, twice = read(recipe, corpus), read(more, corpus)
    own = [e for e in twice.train if not e.maker]
    assert len(own) == 24
    assert len({e.key for e in own}) == 24
    assert {e.trial.part for e in own} == {"train"}
    assert twice.dev == once.dev
    (corpus / "eval.csv").write_text("path,label,part\ntrain0.wav,bonafide,eval\n")
    with pytest.raises(BadCorpus, match="no train part"):
        read(replace(recipe, data=replace(recipe.data, extra=(f"manifest:{corpus / 'eval.csv'}",))), corpus)


def test_renderings_depend_on_the_example_and_the_copy_alone(corpus: Path) -> None:
    recipe = Recipe.parse(GMM, name="r")
    parts = read(recipe, corpus)
    twin = next(e for e in parts.train if e.maker)
    own = Example(twin.trial)
    first, second = renderings(twin, 2, recipe)
    assert np.array_equal(next(renderings(twin, 1, recipe)).samples, first.samples)
    assert np.array_equal([*renderings(twin, 2, recipe)][1].samples, second.samples)
    assert not np.array_equal(first.samples, second.samples)
    plain = next(renderings(own, 1, recipe))
    again = prepare(VOCODERS["lpc"](plain, stream(recipe.seed, "vocoder", twin.key)))
    assert np.corrcoef(np.abs(again.samples), np.abs(first.samples))[0, 1] > 0.3
    assert np.corrcoef(plain.samples, first.samples)[0, 1] < 0.9


def trial(source: str, label: str, attack: str = "") -> Trial:
    return Trial(f"{source}{label}{attack}", Path("x"), label, source=source, attack=attack)  # type: ignore[arg-type]


def test_chances_are_balanced_by_label_and_by_group() -> None:
    real = [Example(trial("a", "bonafide"))] * 16 + [Example(trial("b", "bonafide"))] * 4
    fake = [Example(trial("a", "spoof", "g1"))] * 9 + [Example(trial("a", "spoof", "g2"))]
    twin = [Example(trial("b", "bonafide"), "lpc")] * 7
    odds = chances([*real, *fake, *twin], "made")
    assert odds[:20].sum() == pytest.approx(0.5)
    assert odds[:16].sum() / odds[16:20].sum() == pytest.approx(2.0)
    assert odds[20:29].sum() / odds[29] == pytest.approx(3.0)
    assert odds[30:].sum() == 0
    other = chances([*real, *fake, *twin], "copied")
    assert other[20:30].sum() == 0
    assert other[30:].sum() == pytest.approx(0.5)


def blobs(n: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(0)
    centre = np.array([[0, 0, 0], [6, 0, -4], [0, 7, 3]], dtype=np.float32)
    return (centre[rng.integers(0, 3, n)] + rng.standard_normal((n, 3))).astype(np.float32)


def test_em_never_loses_likelihood_and_finds_what_scikit_learn_finds() -> None:
    x, seen = blobs(), []
    mixture = fit(
        x, 3, np.random.default_rng(1), iterations=25, floor=1e-4, report=lambda _, l: seen.append(l)
    )
    assert np.diff(seen).min() > -1e-4
    assert seen[-1] > seen[0]
    theirs = GaussianMixture(3, covariance_type="diag", random_state=0).fit(x)
    assert mixture.log_density(x).mean() == pytest.approx(theirs.score(x), abs=2e-3)
    assert np.allclose(sorted(mixture.weight), sorted(theirs.weights_), atol=0.01)


def test_em_of_one_component_is_the_mean_and_the_variance() -> None:
    x = blobs(500)
    one = fit(x, 1, np.random.default_rng(0), iterations=2, floor=1e-6)
    assert np.allclose(one.mean[0], x.mean(axis=0), atol=1e-4)
    assert np.allclose(one.variance[0], x.var(axis=0), rtol=1e-3)
    expected = multivariate_normal(x.mean(axis=0), np.diag(x.var(axis=0))).logpdf(x).mean()
    assert improve(one, x, np.zeros(3))[1] == pytest.approx(expected, abs=1e-3)


def test_em_keeps_the_variance_floor_and_refuses_too_few_frames() -> None:
    x = np.repeat(blobs(4), 50, axis=0)
    mixture = fit(x, 4, np.random.default_rng(0), iterations=5, floor=0.1)
    assert (mixture.variance >= 0.0999 * x.var(axis=0)).all()
    with pytest.raises(SpoofproofError, match="at least as many frames"):
        fit(x[:3], 4, np.random.default_rng(0))


def test_logistic_regression_is_scikit_learns() -> None:
    x = blobs(400).astype(float)
    y = x @ [1.0, -0.5, 0.2] + np.random.default_rng(2).standard_normal(400) > 0.5
    weight = np.random.default_rng(3).uniform(0.5, 2, 400)
    w, b = logistic(x, y, weight / weight.sum(), ridge=0.01)
    theirs = LogisticRegression(C=1 / (0.01 * weight.sum()), tol=1e-10, max_iter=1000).fit(x, y, weight)
    assert np.allclose(w, theirs.coef_[0], atol=1e-4)
    assert b == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_area_is_scikit_learns_with_ties() -> None:
    rng = np.random.default_rng(0)
    y, s = rng.random(300) < 0.3, rng.integers(0, 9, 300).astype(float)
    assert area(s, y) == pytest.approx(roc_auc_score(y, s))
    assert np.isnan(area(s, y | True))


def test_calibration_gives_log_odds_and_silences_an_expert_that_is_turned_round() -> None:
    rng = np.random.default_rng(0)
    examples = [Example(trial("a", "bonafide"))] * 800 + [Example(trial("a", "spoof"))] * 200
    llr = np.concatenate(
        [rng.normal(2, 2, 800), rng.normal(-2, 2, 200)]
    )  # log odds of N(2,4) against N(-2,4): x
    slope, offset = calibrate(3 * llr + 5, examples, "made")
    assert slope == pytest.approx(1 / 3, rel=0.25)
    assert offset == pytest.approx(-5 / 3, rel=0.3)
    assert calibrate(-llr, examples, "made") == (0.0, 0.0)


def test_a_gmm_is_trained_from_its_recipe_and_again_to_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    recipe = write(tmp_path, GMM)
    seen: list[tuple[int, int, str]] = []
    made = run(recipe, corpus, tmp_path / "a", lambda *update: seen.append(update))
    assert run(recipe, corpus, tmp_path / "b").read_bytes() == made.read_bytes()
    assert run(recipe, corpus, tmp_path / "a").read_bytes() == made.read_bytes()
    assert np.isfinite(LfccGmm.load(made)(prepare(voice(1.0))))
    assert seen[-1][:2] == (12, 12)
    card = json.loads(made.with_suffix(".json").read_text())
    assert card["augmentation"] == ["mp3@24"]
    assert card["contamination"] == ["page0", "page1", "page2"]
    assert card["data"]["train"]["bonafide"] == 6
    assert card["data"]["train"]["copied"] == 3
    events = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert {e["event"] for e in events} == {"start", "em", "score", "end"}
    with pytest.raises(RunConflict, match="another recipe"):
        run(write(tmp_path, GMM.replace("seed = 3", "seed = 4")), corpus, tmp_path / "a")
    assert run(write(tmp_path, "# a remark\n" + GMM), corpus, tmp_path / "a").exists()


def test_a_network_without_torch_says_what_to_install(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPart, match=r"spoofproof\[train\]"):
        run(write(tmp_path, NETWORK), corpus, tmp_path / "out")
    assert not (tmp_path / "out").exists()
