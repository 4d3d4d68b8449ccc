"""The contract of every registered detector, and what the built-in ones compute."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.metrics import roc_auc_score

from signals import noise, tone, voice
from spoofproof import registry
from spoofproof.ask import load_detector
from spoofproof.audio import open_audio, resample
from spoofproof.detectors.controls import slope_db_per_octave
from spoofproof.detectors.features import Lfcc
from spoofproof.detectors.lfcc_gmm import Expert, LfccGmm, Mixture, together
from spoofproof.detectors.prepare import prepare
from spoofproof.errors import BadAudio, BadPlan, MissingPart, SpoofproofError
from spoofproof.shipped import FOLDER, sha256
from spoofproof.types import Clip, Detector, DetectorSpec

BUILT_IN = ("random", "spectral-tilt", "lfcc-gmm", "lfcc-lcnn", "spec-resnet", "texture", "fusion", "gmm-ubm")
TRAINED = (
    ("lfcc-gmm", ".npz", 1_000_000),
    ("lfcc-lcnn", ".onnx", 2_500_000),
    ("spec-resnet", ".onnx", 6_000_000),
    ("texture", ".npz", 100_000),
    ("gmm-ubm", ".npz", 60_000),
)


def hard_clips(rate: int) -> dict[str, Clip]:
    speech = voice(2.0, rate)
    return {
        "silence": speech.replace(np.zeros(rate)),
        "one sample": Clip(np.array([0.3], np.float32), rate),
        "0.1 s": Clip(speech.samples[: rate // 10], rate),
        "clipped": speech.replace(np.clip(speech.samples * 20, -1, 1)),
        "DC": speech.replace(speech.samples + 0.5),
        "only DC": speech.replace(np.full(rate, 0.7)),
        "tone": tone(440.0, rate=rate),
        "faint": speech.replace(speech.samples * 1e-6),
    }


def ready(name: str) -> tuple[DetectorSpec, Detector]:
    """A detector that can score; the test is skipped, with the reason, for one that is known to ship without weights."""
    try:
        return load_detector(name)
    except MissingPart as error:
        if registry.detectors[name].card().get("kind") in ("detector", "control"):
            raise  # its card says that its weights are here
        pytest.skip(str(error))


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_detectors_are_registered(name: str) -> None:
    assert name in registry.detectors
    assert registry.detectors[name].summary


@pytest.mark.parametrize("name", registry.detectors.names())
class TestEveryDetector:
    def test_scores_of_hard_clips_are_finite_floats(self, name: str) -> None:
        spec, detector = ready(name)
        scores = detector(list(hard_clips(spec.rate).values()))
        assert all(isinstance(s, float) for s in scores)
        assert np.isfinite(scores).all(), dict(zip(hard_clips(spec.rate), scores, strict=True))

    def test_ten_minutes_are_scored(self, name: str) -> None:
        spec, detector = ready(name)
        assert np.isfinite(detector([noise(600.0, spec.rate)])).all()

    def test_a_score_is_the_same_alone_in_a_batch_and_backwards(self, name: str) -> None:
        spec, detector = ready(name)
        clips = [voice(s, spec.rate, seed=i) for i, s in enumerate((4.5, 1.0, 2.3, 4.0375))]
        together_ = list(detector(clips))
        assert together_ == [detector([c])[0] for c in clips] == list(detector(clips[::-1]))[::-1]
        assert len(set(together_)) == len(clips)

    def test_another_rate_is_refused(self, name: str) -> None:
        detector = ready(name)[1]
        with pytest.raises(BadAudio, match=r"8000 Hz.*resample"):
            detector([voice(1.0, 8000)])

    def test_the_input_is_left_as_it_was(self, name: str) -> None:
        spec, detector = ready(name)
        clip = voice(1.0, spec.rate)
        before = clip.samples.copy()
        detector([clip])
        assert np.array_equal(clip.samples, before)

    def test_no_clips_have_no_scores(self, name: str) -> None:
        assert list(ready(name)[1]([])) == []

    def test_the_card_says_what_a_person_must_know(self, name: str) -> None:
        card = registry.detectors[name].card()
        if not card:  # one whose weights ship, but have not been made yet, has none
            ready(name)
        needed = {"kind", "data", "date", "licence", "limits", "contamination", "augmentation"}
        if card["kind"] == "detector":
            needed |= {"weights", "recipe", "figures", "held_out", "copy_synthesis", "score"}
        assert needed <= set(card)
        json.dumps(card, allow_nan=False)


@pytest.mark.parametrize("name", ["lfcc-gmm", "lfcc-lcnn", "spectral-tilt"])
def test_loudness_and_silent_edges_change_nothing(name: str) -> None:
    detector = load_detector(name)[1]
    clip = voice(3.0)
    edge = np.zeros(1600, np.float32)
    whole = np.concatenate([edge, clip.samples * 0.25, edge])
    a, b = detector([clip, Clip(whole, 16_000)])
    assert a == pytest.approx(b, abs=2e-3)


@pytest.mark.parametrize(("name", "ending", "limit"), TRAINED)
def test_shipped_weights_are_those_on_the_card_and_small(name: str, ending: str, limit: int) -> None:
    file = FOLDER / f"{name}{ending}"
    card = registry.detectors[name].card()
    assert card["weights"] == sha256(file)
    assert file.stat().st_size < limit
    recipe = Path(__file__).parents[1] / "recipes" / str(card["recipe"])
    assert card["recipe_sha256"] == sha256(recipe), (
        "the recipe in recipes/ is not the one that made the weights"
    )
    assert b"/work" not in file.read_bytes()
    assert b"site-packages" not in file.read_bytes()


@pytest.mark.parametrize(("name", "ending", "limit"), TRAINED)
def test_another_file_is_loaded_by_path_and_wrong_ones_are_explained(
    name: str, ending: str, limit: int, tmp_path: Path
) -> None:
    make = registry.detectors[name].make
    clip = voice(1.0)
    assert make(str(FOLDER / f"{name}{ending}"))([clip]) == make()([clip])
    with pytest.raises(MissingPart, match="no such file"):
        make(str(tmp_path / f"none{ending}"))
    with pytest.raises(SpoofproofError, match=f"a {ending} file, not .pth"):
        make(str(tmp_path / "best.pth"))
    broken = tmp_path / f"broken{ending}"
    for content in (b"", b"not weights", (FOLDER / f"{name}{ending}").read_bytes()[:5000]):
        broken.write_bytes(content)
        with pytest.raises(SpoofproofError, match="spoofproof train"):
            make(str(broken))


def test_damaged_shipped_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for ending in (".npz", ".json"):
        (tmp_path / f"lfcc-gmm{ending}").write_bytes((FOLDER / f"lfcc-gmm{ending}").read_bytes())
    monkeypatch.setattr("spoofproof.shipped.FOLDER", tmp_path)
    registry.detectors["lfcc-gmm"].make()
    data = bytearray((tmp_path / "lfcc-gmm.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "lfcc-gmm.npz").write_bytes(data)
    with pytest.raises(SpoofproofError, match="SHA-256"):
        registry.detectors["lfcc-gmm"].make()
    (tmp_path / "lfcc-gmm.npz").unlink()
    with pytest.raises(MissingPart, match="spoofproof train"):
        registry.detectors["lfcc-gmm"].make()


def test_scoring_imports_no_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from spoofproof import registry\n"
        "from spoofproof.types import Clip\n"
        "clip = Clip(np.random.default_rng(0).standard_normal(20000).astype('f4') * 0.1, 16000)\n"
        f"for name in {BUILT_IN!r}: registry.detectors[name].make()([clip])\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


def test_random_knows_the_samples_and_the_seed_and_nothing_else() -> None:
    make = registry.detectors["random"].make
    clips = [noise(0.05, seed=i) for i in range(2000)]
    scores = np.array(make()(clips))
    assert abs(scores.mean()) < 0.1
    assert abs(scores.std() - 1) < 0.1
    again = Clip(clips[3].samples.copy(), 16_000)
    assert make("0")([again]) == [scores[3]]
    assert make("7")([again]) != [scores[3]]
    with pytest.raises(BadPlan, match="whole number"):
        make("x")


def test_spectral_tilt_of_white_and_of_pink_noise() -> None:
    white = noise(4.0)
    assert abs(slope_db_per_octave(white)) < 0.3
    spectrum = np.fft.rfft(white.samples)
    spectrum[1:] /= np.sqrt(np.arange(1, spectrum.size))
    pink = white.replace(np.fft.irfft(spectrum))
    assert abs(slope_db_per_octave(pink) + 10 * np.log10(2)) < 0.3
    detector = load_detector("spectral-tilt")[1]
    assert detector([white])[0] > detector([pink])[0] + 2.5


def test_log_density_is_scipys() -> None:
    rng = np.random.default_rng(3)
    weight = rng.dirichlet(np.ones(5)).astype(np.float32)
    mean = rng.standard_normal((5, 7)).astype(np.float32)
    variance = rng.uniform(0.2, 2.0, (5, 7)).astype(np.float32)
    frames = rng.standard_normal((40, 7)).astype(np.float32)
    parts = [
        np.log(w) + multivariate_normal(m, np.diag(v)).logpdf(frames)
        for w, m, v in zip(weight, mean, variance, strict=True)
    ]
    got = Mixture(weight, mean, variance).log_density(frames)
    assert np.allclose(got, logsumexp(parts, axis=0), atol=1e-4)


def test_a_mixture_far_from_every_component_has_a_finite_density() -> None:
    one = np.ones((1, 3), np.float32)
    assert np.isfinite(Mixture(one[:, 0], one, one).log_density(1e6 * one)).all()


def test_gmm_score_is_the_mean_ratio_by_hand_and_survives_saving(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def mixture(at: float, size: int) -> Mixture:
        mean = (at + rng.standard_normal((2, size))).astype(np.float32)
        return Mixture(np.array([0.3, 0.7], np.float32), mean, np.ones((2, size), np.float32))

    lfcc = Lfcc()
    one = Expert(
        "dynamics",
        np.zeros(60, np.float32),
        np.full(60, 2, np.float32),
        mixture(0, 60),
        mixture(0.1, 60),
        2.0,
        1.0,
    )
    two = Expert(
        "roughness",
        np.zeros(20, np.float32),
        np.ones(20, np.float32),
        mixture(0, 20),
        mixture(1, 20),
        0.5,
        -1.0,
    )
    model = LfccGmm(lfcc, (one, two))
    clip = prepare(voice(2.0))
    x = lfcc(clip)
    c = x[:, :20]
    b = np.log(0.05 + np.abs(c[2:] - 2 * c[1:-1] + c[:-2]))
    a = np.hstack([x[1:-1, 20:], b]) / 2
    first = 2 * np.mean(one.bonafide.log_density(a) - one.spoof.log_density(a)) + 1
    second = 0.5 * np.mean(two.bonafide.log_density(b) - two.spoof.log_density(b)) - 1
    assert model(clip) == pytest.approx(-np.log(np.exp(-first) + np.exp(-second)), abs=1e-3)
    model.save(tmp_path / "a.npz")
    model.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert LfccGmm.load(tmp_path / "a.npz")(clip) == model(clip)


def test_together_is_bounded_by_the_worst_evidence() -> None:
    assert together([5.0, -3.0]) < -3.0
    assert together([5.0, -3.0]) == pytest.approx(-np.log(np.exp(-5) + np.exp(3)))
    assert together([2.0]) == pytest.approx(2.0)
    assert np.isfinite(together([1e4, -1e4]))


@pytest.mark.data
@pytest.mark.parametrize("name", ["lfcc-gmm", "lfcc-lcnn", "spec-resnet", "texture", "fusion"])
def test_polarity_on_clips_that_it_was_trained_on(name: str, data: Path) -> None:
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["part"] == "train"]
    rows = [r for label in ("bonafide", "spoof") for r in [r for r in rows if r["label"] == label][::8]]
    clips = [resample(open_audio(data / r["path"]), 16_000) for r in rows]
    scores = load_detector(name)[1](clips)
    least = {"spec-resnet": 0.6}.get(name, 0.7)  # it knows vocoded copies better than these
    assert roc_auc_score([r["label"] == "bonafide" for r in rows], scores) > least


def test_the_ten_line_example_is_a_detector() -> None:
    spec = registry.detectors[f"{Path(__file__).parents[1] / 'examples' / 'my_detector.py'}:mine"]
    scores = spec.make()([voice(1.0, spec.rate), noise(1.0, spec.rate)])
    assert len(scores) == 2
    assert np.isfinite(scores).all()
