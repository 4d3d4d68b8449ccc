"""GMM-UBM, the learnt feature and fusion: limits that are known, likelihoods that climb, files that lie are refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression

from signals import noise, voice
from spoofproof import registry
from spoofproof.audio import open_audio, save_audio
from spoofproof.detectors.cepstra import Front
from spoofproof.detectors.fusion import Fusion, Member
from spoofproof.detectors.gmm_ubm import Ubm
from spoofproof.detectors.lfcc_gmm import Mixture
from spoofproof.detectors.prepare import prepare
from spoofproof.errors import BadAudio, BadPlan, BadScores, MissingPart, SpoofproofError, UnknownName
from spoofproof.metrics.rank import eer
from spoofproof.shipped import sha256
from spoofproof.train import run
from spoofproof.train.data import Example
from spoofproof.train.feature_study import ALL, HAND, crossed, features_study, markdown
from spoofproof.train.fusion import fit
from spoofproof.train.map_adaptation import adapted_means
from spoofproof.train.recipe import Recipe
from spoofproof.types import Clip, Label, Trial

RECIPES = Path(__file__).parents[1] / "recipes"


def mixture(k: int = 3, d: int = 2, seed: int = 0) -> Mixture:
    rng = np.random.default_rng(seed)
    mean = 4 * rng.standard_normal((k, d))
    arrays = rng.dirichlet(np.full(k, 9.0)), mean, rng.uniform(0.5, 2.0, (k, d))
    return Mixture(*(a.astype(np.float32) for a in arrays))


def frames(n: int = 400, d: int = 2, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (3 * rng.standard_normal((3, d))[rng.integers(0, 3, n)] + rng.standard_normal((n, d))).astype(
        np.float32
    )


def answers(m: Mixture, x: np.ndarray) -> np.ndarray:
    parts = np.array(
        [
            w * multivariate_normal(mean, np.diag(v)).pdf(x)
            for w, mean, v in zip(m.weight, m.mean, m.variance, strict=True)
        ]
    )
    return np.asarray((parts / parts.sum(axis=0)).T)


def likelihood(m: Mixture, means: np.ndarray, x: np.ndarray) -> float:
    return float(Mixture(m.weight, means, m.variance).log_density(x).mean(dtype=np.float64))


def test_much_relevance_keeps_the_background_and_none_gives_the_likeliest_means() -> None:
    m, x = mixture(), frames()
    assert np.allclose(adapted_means(m, x, 1e12), m.mean, atol=1e-5)
    share = answers(m, x)
    likeliest = share.T @ x / share.sum(axis=0)[:, None]
    assert np.allclose(adapted_means(m, x, 0.0), likeliest, atol=1e-3)
    one = Mixture(np.ones(1, np.float32), m.mean[:1], m.variance[:1])
    assert np.allclose(adapted_means(one, x, 0.0)[0], x.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("relevance", [4.0, 16.0, 200.0])
def test_adapted_means_are_between_by_the_published_rule(relevance: float) -> None:
    m, x = mixture(), frames()
    share = answers(m, x)
    n = share.sum(axis=0)[:, None]
    alpha = n / (n + relevance)
    expected = alpha * (share.T @ x / n) + (1 - alpha) * m.mean
    assert np.allclose(adapted_means(m, x, relevance), expected, atol=1e-3)


def test_further_rounds_ask_the_moved_means_and_start_from_the_background() -> None:
    m, x = mixture(), frames()
    once = adapted_means(m, x, 16.0)
    share = answers(Mixture(m.weight, once, m.variance), x)
    expected = (share.T @ x + 16 * m.mean) / (share.sum(axis=0)[:, None] + 16)
    assert np.allclose(adapted_means(m, x, 16.0, rounds=2), expected, atol=1e-3)
    assert np.abs(expected - once).max() > 0.01


def test_a_component_without_frames_stays() -> None:
    m = mixture()
    far = Mixture(m.weight, np.vstack([m.mean[:2], np.full((1, 2), 900)]).astype(np.float32), m.variance)
    for relevance in (0.0, 16.0):
        assert np.allclose(adapted_means(far, frames(), relevance)[2], 900)


def test_likelihood_never_falls_while_means_adapt() -> None:
    m, x = mixture(), frames()
    seen = [likelihood(m, m.mean, x)]
    seen += [likelihood(m, adapted_means(m, x, 0.0, rounds), x) for rounds in range(1, 8)]
    assert np.diff(seen).min() > -1e-6
    assert seen[-1] > seen[0] + 0.05
    gained = [likelihood(m, adapted_means(m, x, r), x) for r in (1e9, 1e3, 100.0, 16.0, 1.0, 0.0)]
    assert np.diff(gained).min() > -1e-6  # the freer, the likelier


def test_frames_twice_are_frames_with_half_the_relevance() -> None:
    m, x = mixture(), frames()
    assert np.allclose(adapted_means(m, np.vstack([x, x]), 32.0), adapted_means(m, x, 16.0), atol=1e-4)


def model(front: Front, seed: int = 0) -> Ubm:
    d = front(noise(0.2)).shape[1]
    m = mixture(4, d, seed)
    rng = np.random.default_rng(seed + 1)
    shift = [(m.mean + 0.3 * rng.standard_normal(m.mean.shape)).astype(np.float32) for _ in range(2)]
    centre, scale = rng.standard_normal(d).astype(np.float32), np.full(d, 3, np.float32)
    return Ubm(front, None, centre, scale, m, *shift, slope=1.7, offset=-0.4)


def test_the_score_is_the_mean_ratio_by_hand_and_survives_saving(tmp_path: Path) -> None:
    front = Front("mfcc", parts=("static", "rough"), normalise="utterance", coefficients=7)
    ubm, clip = model(front), prepare(voice(2.0))
    x = (front(clip).astype(np.float64) - ubm.centre) / ubm.scale
    densities = [
        np.logaddexp.reduce(
            [
                np.log(w) + multivariate_normal(mean, np.diag(v)).logpdf(x)
                for w, mean, v in zip(ubm.world.weight, means, ubm.world.variance, strict=True)
            ]
        )
        for means in (ubm.bonafide, ubm.spoof)
    ]
    expected = 1.7 * (densities[0] - densities[1]).mean() - 0.4
    assert ubm(clip) == pytest.approx(expected, abs=1e-3)
    for name in ("a", "b"):
        ubm.save(tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = Ubm.load(tmp_path / "a.npz")
    assert again.front == front
    assert again(clip) == ubm(clip)
    detector = registry.detectors["gmm-ubm"].make(str(tmp_path / "a.npz"))
    assert detector([voice(2.0), voice(1.0)])[0] == ubm(clip)
    with pytest.raises(BadAudio, match="8000 Hz"):
        detector([voice(1.0, 8000)])


def test_files_that_hold_no_gmm_ubm_are_explained(tmp_path: Path) -> None:
    make = registry.detectors["gmm-ubm"].make
    good = tmp_path / "good.npz"
    model(Front("lfcc", coefficients=5)).save(good)
    bad = tmp_path / "bad.npz"
    for content in (b"", b"nothing", good.read_bytes()[:700]):
        bad.write_bytes(content)
        with pytest.raises(SpoofproofError, match=r"holds no GMM-UBM.*spoofproof train"):
            make(str(bad))
    np.savez(bad, settings=np.frombuffer(b'{"front": {"kind": "mfc", "parts": ["static"]}}', np.uint8))
    with pytest.raises(SpoofproofError, match="Did you mean mfcc"):
        make(str(bad))
    with pytest.raises(MissingPart, match="no such file"):
        make(str(tmp_path / "none.npz"))


def dev_like(seed: int, spread: tuple[float, ...] = (1.0, 1.3, 0.8, 0.2)) -> tuple[np.ndarray, np.ndarray]:
    """Scores of four members, partly of the same mind, each apart by ``spread`` deviations; labels."""
    rng = np.random.default_rng(seed)
    real = np.arange(600) < 200
    shared = rng.standard_normal((600, 1))
    own = rng.standard_normal((600, len(spread)))
    return np.where(real[:, None], 1, -1) * np.array(spread) / 2 + 0.3 * shared + 0.95 * own, real


def error(scores: np.ndarray, real: np.ndarray) -> float:
    return eer(bonafide=scores[real], spoof=scores[~real])


@pytest.mark.parametrize("seed", range(4))
def test_a_fusion_is_no_worse_than_its_best_member(seed: int) -> None:
    scores, real = dev_like(seed)
    weights, offset = fit(scores, real)
    fresh, truth = dev_like(seed + 100)
    for s, y in ((scores, real), (fresh, truth)):
        best = min(error(column, y) for column in s.T)
        assert error(s @ weights + offset, y) <= best + 0.01
    assert error(fresh @ weights + offset, truth) < min(error(c, truth) for c in fresh.T) - 0.01


def test_rescaling_or_moving_a_member_changes_no_fused_score() -> None:
    scores, real = dev_like(0)
    moved = scores * [1, 1000, 0.01, 1] + [0, 7, 0, -300]
    w, b = fit(scores, real)
    v, c = fit(moved, real)
    assert np.allclose(scores @ w + b, moved @ v + c, atol=1e-6)


def test_fusion_weights_are_scikit_learns() -> None:
    scores, real = dev_like(3, (1.0, 1.3, 0.8))
    w, b = fit(scores, real, ridge=0.01)
    weight = np.where(real, 0.5 / real.sum(), 0.5 / (~real).sum())
    spread = np.sqrt(weight @ np.square(scores - weight @ scores))
    theirs = LogisticRegression(C=1 / 0.01, tol=1e-10, max_iter=1000).fit(scores / spread, real, weight)
    assert np.allclose(w * spread, theirs.coef_[0], atol=1e-4)
    assert b == pytest.approx(theirs.intercept_[0], abs=1e-3)


def test_a_member_that_points_the_wrong_way_or_says_nothing_gets_no_weight() -> None:
    scores, real = dev_like(1)
    scores[:, 1] *= -1
    scores[:, 3] = 5.0
    w, b = fit(scores, real)
    assert w[1] == w[3] == 0
    assert (w[[0, 2]] > 0).all()
    two, c = fit(scores[:, [0, 2]], real)
    assert np.allclose(w[[0, 2]], two)
    assert b == pytest.approx(c)
    assert fit(-scores[:, [0]], ~real)[0][0] > 0
    none, offset = fit(-dev_like(1)[0][:, :2], real)
    assert not none.any()
    assert offset == 0


def test_scores_that_separate_have_finite_weights_and_bad_scores_are_refused() -> None:
    real = np.arange(40) < 20
    w, b = fit(np.where(real, 1.0, -1.0)[:, None], real)
    assert 0 < w[0] < 10
    assert abs(b) < 1e-6
    for scores, labels in (
        (np.full((40, 1), np.nan), real),
        (np.zeros((40, 1)), real | True),
        (np.zeros((39, 1)), real),
    ):
        with pytest.raises(BadScores):
            fit(scores, labels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model(Front("mfcc", coefficients=6), seed=1).save(tmp_path / "mfcc.npz")
    model(Front("scfc", filters=8, coefficients=8), seed=2).save(tmp_path / "scfc.npz")
    members = (
        Member("gmm-ubm@mfcc.npz", 0.5, sha256(tmp_path / "mfcc.npz")),
        Member("gmm-ubm@scfc.npz", 2.0, sha256(tmp_path / "scfc.npz")),
        Member("spectral-tilt", -0.1),
    )
    Fusion(members, 0.25).save(tmp_path / "all.json")
    return tmp_path


def test_a_fused_score_is_the_weighted_sum_of_what_each_says_of_the_same_clip(folder: Path) -> None:
    detector = registry.detectors["fusion"].make(str(folder / "all.json"))
    clips = [voice(2.0), noise(1.0), voice(6.0, seed=3)]
    parts = [
        registry.detectors["gmm-ubm"].make(str(folder / "mfcc.npz"))(clips),
        registry.detectors["gmm-ubm"].make(str(folder / "scfc.npz"))(clips),
        registry.detectors["spectral-tilt"].make()(clips),
    ]
    expected = 0.25 + np.array([0.5, 2.0, -0.1]) @ np.array(parts)
    assert np.allclose(detector(clips), expected, atol=1e-9)
    assert [detector([c])[0] for c in clips[::-1]] == detector(clips)[::-1]
    assert detector([]) == []
    with pytest.raises(BadAudio, match="8000 Hz"):
        detector([voice(1.0, 8000)])


def test_a_member_that_is_missing_or_changed_is_an_error_that_names_it(folder: Path) -> None:
    make = registry.detectors["fusion"].make
    model(Front("mfcc", coefficients=6), seed=9).save(folder / "mfcc.npz")
    with pytest.raises(
        SpoofproofError, match=r"member gmm-ubm@mfcc\.npz.*not those that the fusion was fitted"
    ):
        make(str(folder / "all.json"))
    (folder / "mfcc.npz").unlink()
    with pytest.raises(SpoofproofError, match=r"member gmm-ubm@mfcc\.npz"):
        make(str(folder / "all.json"))
    for text, error_, says in (
        ("gmm-umb", UnknownName, "Did you mean gmm-ubm"),
        ("fusion@all.json", SpoofproofError, "single detectors"),
    ):
        Fusion((Member(text, 1.0),), 0.0).save(folder / "bad.json")
        with pytest.raises(error_, match=says):
            make(str(folder / "bad.json"))


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"members": [], "offset": 0}', '{"members": [{"detector": "random"}], "offset": 0}',
        '{"members": [{"detector": "random", "weight": NaN, "sha256": ""}], "offset": 0}',
    ],
)  # fmt: skip
def test_files_that_hold_no_fusion_are_explained(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(SpoofproofError, match=r"holds no fusion.*spoofproof train"):
        registry.detectors["fusion"].make(str(tmp_path / "x.json"))


def test_a_fusion_file_is_text_that_a_person_can_read(folder: Path) -> None:
    facts = json.loads((folder / "all.json").read_text())
    assert facts["members"][0]["detector"] == "gmm-ubm@mfcc.npz"
    assert Fusion.load(folder / "all.json").offset == 0.25


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 28 short voices of three pages, the spoofed ones smoothed; an evaluation clip nobody may open."""
    root = tmp_path_factory.mktemp("corpus")
    rows = ["path,label,part,source,generator,speaker"]
    for part, count in (("train", 12), ("dev", 16)):
        for i in range(count):
            clip = voice(0.8, seed=i + 100 * (part == "dev"), f0=100 + 9 * i)
            if i % 2:
                clip = clip.replace(np.convolve(clip.samples, np.ones(5) / 5, "same"))
            save_audio(clip, root / f"{part}{i}.wav")
            kind, page = ("spoof", "g1") if i % 2 else ("bonafide", ""), i // 2 % 3
            rows.append(f"{part}{i}.wav,{kind[0]},{part},page{page},{kind[1]},s{i}")
    (root / "sealed.wav").write_bytes(b"whoever opens this fails")
    rows.append("sealed.wav,spoof,test,page9,g9,s9")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


RECIPE = """
detector = "gmm-ubm"
summary = "a test"
seed = 3
[features]
kind = "mfcc"
coefficients = 12
[model]
components = 4
iterations = 3
frames = 2000
[select]
conditions = ["low_pass@0.1"]
"""


def write(folder: Path, text: str, name: str = "recipe.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_gmm_ubm_and_a_fusion_are_trained_from_their_recipes(corpus: Path, tmp_path: Path) -> None:
    recipe = write(tmp_path, RECIPE)
    made = run(recipe, corpus, tmp_path / "runs" / "a")
    again = run(recipe, corpus, tmp_path / "runs" / "b")
    assert made.name == "gmm-ubm.npz"
    assert made.read_bytes() == again.read_bytes()
    card = json.loads(made.with_suffix(".json").read_text())
    assert card["weights"] == sha256(made)
    assert card["figures"]["dev"]["clean"]["made"] == {"auroc": 1.0, "eer": 0.0}
    assert card["figures"]["dev"]["trials"] == {"bonafide": 8, "spoof": 8}
    assert set(card["figures"]["dev"]) == {"trials", "cllr", "clean", "low_pass@0.1"}
    assert card["model"]["feature"] == "mfcc"
    assert card["contamination"] == ["page0", "page1", "page2"]
    clips = [open_audio(corpus / f"dev{i}.wav") for i in range(16)]
    scores = np.array(registry.detectors["gmm-ubm"].make(str(made))(clips))
    assert scores[::2].min() > scores[1::2].max()
    assert (scores[::2] > 0).all()

    both = write(
        tmp_path,
        'detector = "fusion"\nsummary = "both"\n'
        '[model]\nmembers = ["gmm-ubm@../a/gmm-ubm.npz", "spectral-tilt"]\n',
        "both.toml",
    )
    fused = run(both, corpus, tmp_path / "runs" / "fused")
    assert fused.name == "fusion.members.json"
    card = json.loads((fused.parent / "fusion.json").read_text())
    assert card["figures"]["dev"]["fusion"]["eer"] == 0
    assert set(card["figures"]["dev"]) == {"fusion", "spectral-tilt", "gmm-ubm@../a/gmm-ubm.npz"}
    loaded = Fusion.load(fused)
    parts = np.array([scores, registry.detectors["spectral-tilt"].make()(clips)])
    expected = np.array([m.weight for m in loaded.members]) @ parts + loaded.offset
    assert np.allclose(registry.detectors["fusion"].make(str(fused))(clips), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "error_", "says"),
    [
        (('kind = "mfcc"', 'kind = "mfc"'), UnknownName, "Did you mean mfcc"),
        (("components = 4", "componets = 4"), BadPlan, "Did you mean components"),
        (("[model]", "[network]"), BadPlan, "unknown key 'network'"),
        (("frames = 2000", 'frames = 2000\nagainst = "copied"'), BadPlan, "see copy_synthesis"),
        (("frames = 2000", 'frames = 2000\nagainst = "all"'), BadPlan, '"made" or "copied"'),
        (("iterations = 3", "relevance = -1"), BadPlan, "relevance is at least 0"),
    ],
)
def test_recipes_that_cannot_be_meant_are_refused(
    change: tuple[str, str], error_: type[Exception], says: str, corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(error_, match=says):
        run(write(tmp_path, RECIPE.replace(*change)), corpus, tmp_path / "runs" / "x")


def test_a_fusion_of_one_member_is_refused(corpus: Path, tmp_path: Path) -> None:
    text = 'detector = "fusion"\nsummary = "one"\n[model]\nmembers = ["random"]\n'
    with pytest.raises(BadPlan, match="at least two"):
        run(write(tmp_path, text), corpus, tmp_path / "runs" / "x")


def test_the_study_of_features_ranks_them_and_crosses_sources(corpus: Path, tmp_path: Path) -> None:
    text = RECIPE.replace("low_pass@0.1", "gaussian_noise@20")
    kinds = ("mfcc", "scfc", "ssfc")
    out = tmp_path / "runs" / "study"
    rows = features_study(write(tmp_path, text), corpus, out, kinds=kinds)
    assert [r.feature for r in rows] == [*kinds, HAND, ALL]
    assert all(r.eer.n_bonafide == r.eer.n_spoof == 8 for r in rows)
    assert all(r.corrupted is not None and 0 <= r.corrupted <= 1 for r in rows)
    assert rows[1].dimensions == 60
    with (out / "scores.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    clean = [r for r in table if r["condition"] == "clean"]
    for row in rows[:3]:
        real, fake = (
            np.array([float(r[row.feature]) for r in clean if r["label"] == label])
            for label in ("bonafide", "spoof")
        )
        assert row.eer.value == pytest.approx(eer(bonafide=real, spoof=fake))
        assert row.bytes == (out / f"{row.feature}.npz").stat().st_size
    scores = np.array([[float(r[k]) for k in kinds] for r in clean])
    real = np.array([r["label"] == "bonafide" for r in clean])
    pages = np.array([int(r["id"].split("dev")[1].split(".")[0]) // 2 % 3 for r in clean])
    fused = np.zeros(16)
    for page in range(3):
        w, b = fit(scores[pages != page], real[pages != page])
        fused[pages == page] = scores[pages == page] @ w + b
    assert rows[4].eer.value == pytest.approx(error(fused, real))
    assert "mfcc |" in markdown(rows)
    before = (out / "mfcc.npz").stat().st_mtime_ns
    assert features_study(tmp_path / "recipe.toml", corpus, out, kinds=kinds) == rows
    assert (out / "mfcc.npz").stat().st_mtime_ns == before


def test_a_fusion_is_judged_by_weights_that_its_source_had_no_part_in() -> None:
    scores, real = dev_like(5)
    pages = np.arange(600) % 3

    def example(i: int) -> Example:
        label: Label = "bonafide" if real[i] else "spoof"
        return Example(Trial(str(i), Path("x"), label, source=f"page{pages[i]}"))

    examples = [example(i) for i in range(600)]
    stacked = np.stack([scores, 0.5 * scores])
    got = crossed(stacked, examples)
    for page in range(3):
        w, b = fit(scores[pages != page], real[pages != page])
        assert np.allclose(got[0, pages == page], scores[pages == page] @ w + b)
        assert np.allclose(got[1, pages == page], 0.5 * scores[pages == page] @ w + b)
    alone = [replace(e, trial=replace(e.trial, source="page")) for e in examples]
    w, b = fit(scores[1::2], real[1::2])
    assert np.allclose(crossed(stacked, alone)[0, ::2], scores[::2] @ w + b)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("gmm-ubm*.toml")), ids=lambda p: p.stem)
def test_the_recipes_of_the_project_are_recipes(path: Path) -> None:
    assert Recipe.load(path).detector == "gmm-ubm"


@pytest.mark.torch
def test_the_auto_encoder_learns_what_principal_components_would(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra 'train' is not installed")
    from spoofproof.train.autoencoder import Autoencoder, train_encoder

    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((60, 20, 2)).astype(np.float32)
    spectra = np.tanh(hidden @ rng.standard_normal((2, 12)).astype(np.float32))
    spectra = (spectra + 0.05 * rng.standard_normal(spectra.shape)).astype(np.float32)
    settings, losses = Autoencoder(hidden=16, context=0, steps=400, batch=100, rate=5e-3), []
    encoder = train_encoder(spectra, 2, settings, 3, lambda _, loss: losses.append(loss))
    assert losses[-1] < 0.25 * losses[0]
    code = encoder(spectra.reshape(-1, 12))
    assert code.shape == (1200, 2)
    design = np.column_stack(
        [code, np.square(code), code**3, np.ones(1200)]
    )  # what the code says of the cause
    cause = hidden.reshape(-1, 2)
    left = cause - design @ np.linalg.lstsq(design, cause, rcond=None)[0]
    assert left.var() < 0.35 * cause.var()
    again = train_encoder(spectra, 2, settings, 3)
    assert all(np.array_equal(a, b) for a, b in zip(encoder.weights, again.weights, strict=True))

    front = Front("autoencoder", fft=512)
    wide = train_encoder(
        rng.standard_normal((4, 20, 257)).astype(np.float32), 5, Autoencoder(8, 1, 2, 20), seed=1
    )
    d = 15
    m = mixture(2, d)
    ubm = Ubm(front, wide, np.zeros(d, np.float32), np.ones(d, np.float32), m, m.mean, m.mean + 0.1)
    ubm.save(tmp_path / "ae.npz")
    clip = Clip(prepare(voice(1.0)).samples, 16_000)
    assert Ubm.load(tmp_path / "ae.npz")(clip) == ubm(clip)
