"""Metrics against closed forms, other people's implementations, and the figures published for score files.

1. Gaussian scores of equal variance: EER, AUROC, DCF and Cllr have closed forms or integrals
2. the cases in which the field's functions disagree: constant, saturated, tied, few points
3. brute force over every threshold; scikit-learn
4. ASVspoof 2019 LA: the official package's figures for a published detector
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from spoofproof import registry
from spoofproof.calibrate import fit, frozen_threshold
from spoofproof.errors import BadScores
from spoofproof.metrics.cost import AsvErrors, a_dcf, act_dcf, asv_errors, min_dcf, min_tdcf, min_tdcf_2019
from spoofproof.metrics.decision import accuracy, balanced_accuracy, f1, false_alarm_rate, miss_rate
from spoofproof.metrics.llr import cllr, ece, min_cllr
from spoofproof.metrics.rank import auroc, eer, eer_asvspoof, eer_threshold
from spoofproof.types import Scores


def gaussian(distance: float, n: int = 20_000) -> tuple[Scores, Scores]:
    """Quantiles of N(d, 1) and N(0, 1): samples without luck."""
    grid = ndtri((np.arange(n) + 0.5) / n)
    return grid + distance, grid


def drawn(seed: int, n: int = 60, m: int = 90, levels: int = 0) -> tuple[Scores, Scores]:
    """Random scores; ``levels`` > 0 rounds them, for ties."""
    rng = np.random.default_rng(seed)
    b, s = rng.normal(1, 1, n), rng.normal(0, 1, m)
    return (np.round(b * levels) / levels, np.round(s * levels) / levels) if levels else (b, s)


# 1. closed forms


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.5, 3.0])
def test_gaussian_scores_have_known_eer_and_auroc(distance: float) -> None:
    b, s = gaussian(distance)
    assert eer(bonafide=b, spoof=s) == pytest.approx(ndtr(-distance / 2), abs=1e-4)
    assert auroc(bonafide=b, spoof=s) == pytest.approx(ndtr(distance / np.sqrt(2)), abs=1e-4)
    assert eer_threshold(bonafide=b, spoof=s) == pytest.approx(distance / 2, abs=2e-3) or distance == 0


@pytest.mark.parametrize("distance", [1.0, 2.0, 3.0])
def test_gaussian_llrs_have_known_cost_and_cllr(distance: float) -> None:
    """For N(d,1) and N(0,1) the log-likelihood ratio of x is d x - d²/2, and its Bayes threshold is optimal."""
    b, s = (distance * x - distance**2 / 2 for x in gaussian(distance))
    t = (-np.log(1.9) + distance**2 / 2) / distance
    dcf = (0.95 * ndtr(t - distance) + 0.5 * ndtr(-t)) / 0.5
    assert act_dcf(bonafide=b, spoof=s) == pytest.approx(dcf, abs=1e-3)
    assert min_dcf(bonafide=b, spoof=s) == pytest.approx(dcf, abs=1e-3)

    def bits(x: float) -> float:
        llr = distance * x - distance**2 / 2
        return float(norm.pdf(x, distance) * np.logaddexp(0, -llr) + norm.pdf(x) * np.logaddexp(0, llr))

    expected = quad(bits, -12, 12 + distance)[0] / (2 * np.log(2))
    assert cllr(bonafide=b, spoof=s) == pytest.approx(expected, abs=1e-4)
    assert min_cllr(bonafide=b, spoof=s) == pytest.approx(expected, abs=2e-3)
    assert ece(bonafide=b, spoof=s) < 2e-3


def test_calibration_error_of_overconfident_llrs_is_the_integral() -> None:
    """Doubled LLRs state sigmoid(2 l) where sigmoid(l) happens; at d = 2 the bins see it on one side of 1/2 each."""
    b, s = (2 * x - 2 for x in gaussian(2.0, 40_000))

    def gap(x: float) -> float:
        llr = 2 * x - 2
        mass = (norm.pdf(x, 2) + norm.pdf(x)) / 2
        return float(mass * abs(1 / (1 + np.exp(-2 * llr)) - 1 / (1 + np.exp(-llr))))

    assert ece(bonafide=2 * b, spoof=2 * s) == pytest.approx(quad(gap, -12, 14, points=[1.0])[0], abs=2e-3)


def test_cllr_does_not_overflow() -> None:
    assert cllr(bonafide=np.array([-2000.0]), spoof=np.array([-2000.0])) == pytest.approx(1000 / np.log(2))
    assert cllr(bonafide=np.zeros(3), spoof=np.zeros(5)) == 1.0


# 2. where the field's functions disagree


@pytest.mark.parametrize(
    ("bonafide", "spoof", "value", "official"),
    [
        ([1.0] * 30, [1.0] * 70, 0.5, 1.0),  # constant
        ([2.0, 3.0], [0.0, 1.0], 0.0, 0.0),  # perfect
        ([0.0, 1.0], [2.0, 3.0], 1.0, 1.0),  # inverted
        # hard decisions, 90 % and 70 % right: the line from (0.1, 0.3) to reject-all (1, 0) crosses at 1/4
        ([1.0] * 90 + [0.0] * 10, [1.0] * 30 + [0.0] * 70, 0.25, None),
        # 95 of 100 and 10 of 100 at the top score: from (0.05, 0.10) to (1, 0), 1/10.5
        ([1.0] * 95 + [0.5] * 5, [1.0] * 10 + [0.1] * 90, 1 / 10.5, None),
        # ten bona fide among 990: miss 2/10 where 198/990 are accepted
        (list(range(2, 12)), [3.5] * 198 + [1.0] * 792, 0.2, None),
    ],
)
def test_eer_in_the_corners(
    bonafide: list[float], spoof: list[float], value: float, official: float | None
) -> None:
    b, s = np.array(bonafide, float), np.array(spoof, float)
    assert eer(bonafide=b, spoof=s) == pytest.approx(value, abs=1e-12)
    if official is not None:
        assert eer_asvspoof(bonafide=b, spoof=s) == official


def test_saturated_scores() -> None:
    """Half-precision probabilities tie at the top: the tie-safe EER is that of the joined staircase."""
    b, s = (1 / (1 + np.exp(-6 * x)) for x in gaussian(1.5, 4000))
    exact = eer(bonafide=b, spoof=s)
    coarse = [np.round(x, 2) for x in (b, s)]
    assert exact == pytest.approx(ndtr(-0.75), abs=1e-3)
    assert eer(bonafide=coarse[0], spoof=coarse[1]) == pytest.approx(exact, abs=0.02)
    many = [np.where(x > 0.3, 1.0, 0.0) for x in (b, s)]
    miss, accepted = (many[0] == 0).mean(), (many[1] == 1).mean()
    # miss < accepted: between this point and reject-all, miss + w (1 - miss) = accepted (1 - w)
    w = (accepted - miss) / (1 - miss + accepted)
    assert eer(bonafide=many[0], spoof=many[1]) == pytest.approx(accepted * (1 - w))


def test_turning_the_classes_round_mirrors_the_eer() -> None:
    for seed in range(20):
        b, s = drawn(seed, levels=3)
        assert eer(bonafide=-s, spoof=-b) == pytest.approx(eer(bonafide=b, spoof=s))
        assert eer(bonafide=s, spoof=b) == pytest.approx(1 - eer(bonafide=b, spoof=s))


@pytest.mark.parametrize("spec", list(registry.metrics), ids=lambda s: s.name)
def test_every_metric_refuses_what_it_cannot_use(spec: registry.MetricSpec) -> None:
    more = {"threshold": 0.0} if spec.needs == "threshold" else {}
    good = np.array([0.0, 1.0])
    for bad in ([], [np.nan, 1.0], [np.inf, 1.0], [[0.0, 1.0], [1.0, 0.0]]):
        for pair in ({"bonafide": np.array(bad), "spoof": good}, {"bonafide": good, "spoof": np.array(bad)}):
            with pytest.raises(BadScores):
                spec.run(**pair, **more)
    assert np.isfinite(spec.run(bonafide=good, spoof=good, **more))


@pytest.mark.parametrize("spec", list(registry.metrics), ids=lambda s: s.name)
def test_better_is_the_direction_of_better_scores(spec: registry.MetricSpec) -> None:
    more = {"threshold": 0.0} if spec.needs == "threshold" else {}
    b, s = drawn(1)
    bad = spec.run(bonafide=b - 1, spoof=s, **more)
    good = spec.run(bonafide=b + 3, spoof=s - 3, **more)
    assert good < bad if spec.better == "lower" else good > bad


# 3. brute force and other implementations


def thresholds(*scores: Scores) -> Scores:
    distinct = np.unique(np.concatenate(scores))
    return np.append(distinct, distinct[-1] + 1)


@pytest.mark.parametrize("seed", range(8))
def test_costs_against_every_threshold(seed: int) -> None:
    b, s = drawn(seed, levels=[0, 4][seed % 2])
    asv = AsvErrors(0.02, 0.03, 0.4)
    c0 = 0.9405 * 0.03 + 0.0095 * 10 * 0.02
    c1, c2 = 0.9405 - c0, 0.05 * 10 * 0.4
    legacy1 = 0.9405 * (1 - 0.03) - 0.0095 * 10 * 0.02
    dcf, tandem, legacy = [], [], []
    for t in thresholds(b, s):
        miss, accepted = np.mean([x < t for x in b]), np.mean([x >= t for x in s])
        dcf.append((0.95 * 1 * miss + 0.05 * 10 * accepted) / 0.5)
        tandem.append((c0 + c1 * miss + c2 * accepted) / (c0 + min(c1, c2)))
        legacy.append((legacy1 * miss + c2 * accepted) / min(legacy1, c2))
    assert min_dcf(bonafide=b, spoof=s) == pytest.approx(min(dcf))
    assert min_tdcf(bonafide=b, spoof=s, asv=asv) == pytest.approx(min(tandem))
    assert min_tdcf_2019(bonafide=b, spoof=s, asv=asv) == pytest.approx(min(legacy))


@pytest.mark.parametrize("seed", range(4))
def test_a_dcf_against_every_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target, nontarget, spoof = rng.normal(3, 1, 40), rng.normal(0, 1, 50), rng.normal(1.5, 1, 30)
    costs = [
        0.9405 * (target < t).mean() + 0.095 * (nontarget >= t).mean() + 0.5 * (spoof >= t).mean()
        for t in thresholds(target, nontarget, spoof)
    ]
    assert a_dcf(target=target, nontarget=nontarget, spoof=spoof) == pytest.approx(min(costs) / 0.595)
    constant = np.zeros(5)
    assert a_dcf(target=constant, nontarget=constant, spoof=constant) == pytest.approx(1.0)


@pytest.mark.parametrize("levels", [0, 2, 20])
def test_auroc_and_decisions_against_scikit_learn(levels: int) -> None:
    b, s = drawn(3, levels=levels)
    scores, real = np.concatenate([b, s]), np.append(np.ones(b.size), np.zeros(s.size))
    assert auroc(bonafide=b, spoof=s) == pytest.approx(roc_auc_score(real, scores))
    t = 0.5
    called = scores >= t
    assert accuracy(bonafide=b, spoof=s, threshold=t) == pytest.approx(accuracy_score(real, called))
    assert f1(bonafide=b, spoof=s, threshold=t) == pytest.approx(f1_score(real == 0, ~called))
    assert miss_rate(bonafide=b, spoof=s, threshold=t) == np.mean(b < t)
    assert false_alarm_rate(bonafide=b, spoof=s, threshold=t) == np.mean(s >= t)
    half = 1 - (np.mean(b < t) + np.mean(s >= t)) / 2
    assert balanced_accuracy(bonafide=b, spoof=s, threshold=t) == pytest.approx(half)


@pytest.mark.parametrize("levels", [0, 3])
def test_min_cllr_is_the_loss_after_isotonic_regression(levels: int) -> None:
    b, s = drawn(5, levels=levels)
    scores, real = np.concatenate([b, s]), np.append(np.ones(b.size), np.zeros(s.size))
    weight = np.where(real == 1, 0.5 / b.size, 0.5 / s.size)
    stated = IsotonicRegression(y_min=0, y_max=1).fit_transform(scores, real, sample_weight=weight)
    expected = log_loss(real, np.clip(stated, 1e-15, 1 - 1e-15), sample_weight=weight) / np.log(2)
    assert min_cllr(bonafide=b, spoof=s) == pytest.approx(expected, abs=1e-9)


# calibration


def test_calibration_finds_the_likelihood_ratio() -> None:
    """Gaussian scores in other units and of unequal counts: the LLR is d x - d²/2 whatever the prior it is fitted at."""
    b, s = gaussian(2.0)
    s = s[3::7]
    for prior in (0.3, 0.5, 0.9):
        found = fit(bonafide=5 * b + 3, spoof=5 * s + 3, prior=prior)
        assert found.scale == pytest.approx(2 / 5, rel=0.01)
        assert found.offset == pytest.approx(-2 - 3 * 2 / 5, abs=0.02)


def test_calibration_of_separable_constant_and_inverted_scores() -> None:
    b, s = np.array([2.0, 3.0, 4.0]), np.array([-4.0, -3.0, -2.0])
    sure = fit(bonafide=b, spoof=s)
    assert 0 < sure.scale < 10 and np.isfinite(sure.offset)
    assert (sure.apply(b) > 0).all() and (sure.apply(s) < 0).all()
    # one trial of doubt a class: what is stated of three trials stays near (3 + 1) / (3 + 2)
    assert 0.7 < np.mean(1 / (1 + np.exp(-sure.apply(b)))) < 0.82
    for flat in (fit(bonafide=s, spoof=b), fit(bonafide=np.ones(3), spoof=np.ones(4))):
        assert flat.scale == 0 and flat.offset == 0
    with pytest.raises(BadScores, match="prior"):
        fit(bonafide=b, spoof=s, prior=1.0)


def test_calibration_mends_cllr_and_keeps_the_order() -> None:
    b, s = (100 * x + 7 for x in drawn(8, 300, 500))
    found = fit(bonafide=b, spoof=s)
    raw, mended = cllr(bonafide=b, spoof=s), cllr(bonafide=found.apply(b), spoof=found.apply(s))
    assert raw > 3 and mended == pytest.approx(min_cllr(bonafide=b, spoof=s), abs=0.03)
    assert eer(bonafide=found.apply(b), spoof=found.apply(s)) == pytest.approx(eer(bonafide=b, spoof=s))


def test_frozen_threshold_lies_in_the_gap() -> None:
    assert frozen_threshold(bonafide=np.array([2.0, 3.0]), spoof=np.array([0.0, 1.0])) == 1.5
    assert np.isfinite(frozen_threshold(bonafide=np.ones(3), spoof=np.ones(4)))


# 4. published figures


def table(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt") as lines:
        return [line.split() for line in lines]


@pytest.mark.data
def test_published_figures_of_a_published_detector(data: Path) -> None:
    folder = data / "reference" / "rawgat-st"
    rows = table(folder / "RawGAT_ST_mul.scores.txt.gz")
    b, s = (np.array([float(r[3]) for r in rows if r[2] == k]) for k in ("bonafide", "spoof"))
    assert (b.size, s.size) == (7355, 63882)
    assert 100 * eer_asvspoof(bonafide=b, spoof=s) == pytest.approx(1.060134752, abs=5e-8)
    assert eer(bonafide=b, spoof=s) == pytest.approx(0.010601, abs=1e-5)
    verifier = table(folder / "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt.gz")
    t, n, f = (
        np.array([float(r[2]) for r in verifier if r[1] == k]) for k in ("target", "nontarget", "spoof")
    )
    asv = asv_errors(target=t, nontarget=n, spoof=f)
    assert 100 * eer_asvspoof(bonafide=t, spoof=n) == pytest.approx(2.45778, abs=5e-5)
    assert 100 * asv.false_alarm == pytest.approx(2.46047, abs=5e-6)
    assert 100 * asv.miss == pytest.approx(2.45810, abs=5e-6)
    assert 100 * asv.false_alarm_spoof == pytest.approx(76.06525, abs=1e-5)
    assert min_tdcf_2019(bonafide=b, spoof=s, asv=asv) == pytest.approx(0.033538947, abs=5e-10)


@pytest.mark.data
def test_asvspoof5_development_scores(data: Path) -> None:
    """Three-class cost on real scores against every threshold; the file gives non-target and spoof one label."""
    with gzip.open(data / "reference" / "asvspoof5" / "dev_scores_label.csv.gz", "rt") as lines:
        rows = np.array([line.split(",") for line in list(lines)[1:]], float)
    score, target = rows[:, 1], rows[:, 2] == 1
    yes, no = score[target], score[~target]
    cost = 0.9405 * np.searchsorted(np.sort(yes), score) / yes.size
    cost += 0.595 * (1 - np.searchsorted(np.sort(no), score) / no.size)
    expected = min(cost.min(), 0.9405) / 0.595
    assert a_dcf(target=yes, nontarget=no, spoof=no) == pytest.approx(expected)
    assert auroc(bonafide=yes, spoof=no) == pytest.approx(roc_auc_score(target, score))
