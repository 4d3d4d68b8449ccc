"""The bootstrap: right trials, right weights, right width.

1. multiplicities: whole speakers and attacks, shared by both classes, redrawn when a class vanishes, from the seed alone
2. weighted metrics equal the metric of the repeated scores, for every metric and with ties
3. coverage: 95 % intervals of clustered data hold the true EER in 90 to 98 % of simulated data sets; those that take
   trials for independent do so far less often
4. paired differences, p-values, Holm, ranks
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import t as student

from spoofproof import registry
from spoofproof.errors import BadScores
from spoofproof.metrics.rank import eer_threshold
from spoofproof.stats import (
    Bootstrap,
    Resamples,
    estimate,
    estimates,
    holm,
    interval,
    p_value,
    paired_difference,
    rank_intervals,
    resamples,
)
from spoofproof.stats.estimate import metric_values
from spoofproof.stats.intervals import expanded
from spoofproof.types import Scores, Trial


def trial(i: int, label: str, speaker: str = "", attack: str = "", pair: str = "") -> Trial:
    return Trial(f"t{i}", Path("x"), label, speaker=speaker, attack=attack, pair=pair)  # type: ignore[arg-type]


def crossed(
    seed: int, speakers: int = 8, attacks: int = 4, each: int = 3, spread: float = 0.6
) -> tuple[list[Trial], Scores]:
    """Every speaker with ``each`` bona fide trials and as many of every attack; both shift the score."""
    rng = np.random.default_rng(seed)
    of_speaker, of_attack = rng.normal(0, spread, speakers), rng.normal(0, spread, attacks)
    trials: list[Trial] = []
    scores: list[float] = []
    for k in range(speakers):
        for _ in range(each):
            trials.append(trial(len(trials), "bonafide", f"s{k}"))
            scores.append(2 + of_speaker[k] + rng.normal())
            for a in range(attacks):
                trials.append(trial(len(trials), "spoof", f"s{k}", f"a{a}"))
                scores.append(of_speaker[k] + of_attack[a] + rng.normal())
    return trials, np.array(scores)


def counts(drawn: Resamples) -> np.ndarray:
    """How often each trial was drawn, shape (N, B)."""
    return drawn.weights(0, drawn.count)[drawn.cell]


# 1. multiplicities


def test_whole_speakers_and_whole_attacks_are_drawn() -> None:
    trials, _ = crossed(0)
    drawn = resamples(trials, count=200, seed=3)
    n = counts(drawn)
    speaker = {
        name: next(n[i] for i, t in enumerate(trials) if t.speaker == name and t.label == "bonafide")
        for name in {t.speaker for t in trials}
    }
    assert (sum(speaker.values()) == 8).all()
    for b in range(200):
        of_attack: dict[str, set[float]] = {}
        for i, t in enumerate(trials):
            if t.label == "bonafide":
                assert n[i, b] == speaker[t.speaker][b]
            elif speaker[t.speaker][b]:
                of_attack.setdefault(t.attack, set()).add(n[i, b] / speaker[t.speaker][b])
            else:
                assert n[i, b] == 0
        assert all(len(values) == 1 for values in of_attack.values())
        assert sum(value for values in of_attack.values() for value in values) == 4
    assert drawn.clusters == {"bona fide speakers": 8, "spoof speakers": 8, "attacks": 4}
    assert drawn.fewest == 4 and "rough" in drawn.note


def test_sentences_or_trials_stand_in_for_speakers() -> None:
    one = [trial(i, "bonafide", "ann", pair=f"p{i // 2}") for i in range(8)]
    one += [trial(8 + i, "spoof", "ann", f"a{i % 2}", pair=f"p{i // 2}") for i in range(8)]
    drawn = resamples(one, count=50)
    assert drawn.clusters == {"bona fide sentences": 4, "spoof sentences": 4, "attacks": 2}
    n = counts(drawn)
    assert (n[0] == n[1]).all() and (n[0] != n[2]).any()
    bare = [trial(i, ("bonafide", "spoof")[i % 2]) for i in range(40)]
    assert resamples(bare, count=5).clusters == {"bona fide trials": 20, "spoof trials": 20}
    assert (counts(resamples(bare, count=300)).mean(axis=1).std()) < 0.1
    attacks_only = [trial(i, "bonafide") for i in range(9)]
    attacks_only += [trial(9 + i, "spoof", attack=f"a{i % 3}") for i in range(9)]
    assert resamples(attacks_only, count=5).clusters == {"bona fide trials": 9, "attacks": 3}


def test_draws_depend_on_the_seed_and_the_resample_alone() -> None:
    trials, _ = crossed(0)
    a, b = resamples(trials, count=30, seed=1), resamples(trials, count=60, seed=1)
    assert np.array_equal(counts(a), counts(b)[:, :30])
    assert not np.array_equal(counts(a), counts(resamples(trials, count=30, seed=2)))
    order = np.random.default_rng(0).permutation(len(trials))
    shuffled = counts(resamples([trials[i] for i in order], count=30, seed=1))
    assert np.array_equal(shuffled, counts(a)[order])


def test_large_sets_draw_the_same_lazily(monkeypatch: pytest.MonkeyPatch) -> None:
    trials, scores = crossed(1)
    held = resamples(trials, count=40)
    monkeypatch.setattr("spoofproof.stats.resample._KEEP", 0)
    lazy = resamples(trials, count=40)
    assert lazy._held is None and np.array_equal(counts(lazy), counts(held))
    monkeypatch.setattr("spoofproof.stats.weighted._BLOCK", 7)
    for name in ("eer", "eer_asvspoof", "cllr"):
        values = [metric_values(Bootstrap(d, scores), [name], llrs=lambda x: x)[name] for d in (held, lazy)]
        assert np.array_equal(*values)


def test_draws_that_lose_a_class_are_drawn_again_and_counted() -> None:
    apart = [trial(i, "bonafide", f"r{i % 2}") for i in range(6)] + [
        trial(6 + i, "spoof", f"f{i % 2}") for i in range(6)
    ]
    drawn = resamples(apart, count=400)
    n = counts(drawn)
    assert drawn.redrawn > 20 and str(drawn.redrawn) in drawn.note
    assert (n[:6].sum(axis=0) > 0).all() and (n[6:].sum(axis=0) > 0).all()
    with pytest.raises(BadScores, match="both classes"):
        resamples(apart[:6])


# 2. weighted metrics


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("spec", list(registry.metrics), ids=lambda s: s.name)
def test_weighted_metrics_are_those_of_the_repeated_scores(spec: registry.MetricSpec, levels: int) -> None:
    trials, scores = crossed(2)
    if levels:
        scores = np.round(scores * levels) / levels
    drawn = resamples(trials, count=25, seed=5)
    boot = Bootstrap(drawn, scores)
    more = {"threshold": 0.7} if spec.needs == "threshold" else {}
    values = metric_values(boot, [spec.name], threshold=0.7, llrs=lambda x: x)[spec.name]
    bonafide = np.array([t.label == "bonafide" for t in trials])
    weights = np.hstack([np.ones((len(trials), 1)), counts(drawn)]).astype(int)
    expected = [
        spec.run(
            bonafide=np.repeat(scores[bonafide], w[bonafide]),
            spoof=np.repeat(scores[~bonafide], w[~bonafide]),
            **more,
        )
        for w in weights.T
    ]
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_oracle_decisions_are_taken_at_the_eer_threshold_of_each_resample() -> None:
    trials, scores = crossed(4)
    drawn = resamples(trials, count=20)
    boot = Bootstrap(drawn, scores)
    values = metric_values(boot, ["accuracy_oracle", "miss_oracle"])
    bonafide = np.array([t.label == "bonafide" for t in trials])
    for b, w in enumerate(counts(drawn).T.astype(int), start=1):
        real, fake = np.repeat(scores[bonafide], w[bonafide]), np.repeat(scores[~bonafide], w[~bonafide])
        t = eer_threshold(bonafide=real, spoof=fake)
        assert values["miss_oracle"][b] == pytest.approx((real < t).mean())
        right = (real >= t).sum() + (fake < t).sum()
        assert values["accuracy_oracle"][b] == pytest.approx(right / (real.size + fake.size))


@pytest.mark.parametrize("levels", [0, 1, 8])
def test_many_trials_have_the_values_of_the_whole_staircase(
    monkeypatch: pytest.MonkeyPatch, levels: int
) -> None:
    """Blocks are only a way to look: continuous scores, ties, and steps larger than a block; drawn in few and many parts."""
    trials, scores = crossed(4, 20, 10, 6)
    scores = np.round(scores * levels) / levels if levels else scores
    use = np.arange(scores.size) % 9 > 0
    boot = Bootstrap(resamples(trials, count=60), scores, use)
    names = [
        "eer",
        "auroc",
        "min_dcf",
        "min_tdcf",
        "min_cllr",
        "accuracy_oracle",
        "miss_oracle",
        "f1_oracle",
        "eer_asvspoof",
    ]
    whole = metric_values(boot, names)
    monkeypatch.setattr("spoofproof.stats.weighted._LADDER", 0)
    for block, blocks, dense in ((3_000_000, 99.0, 8_000_000), (500, 0.5, 8_000_000), (3_000_000, 0.5, 0)):
        monkeypatch.setattr("spoofproof.stats.weighted._BLOCK", block)
        monkeypatch.setattr("spoofproof.stats.ladder.BLOCKS", blocks)
        monkeypatch.setattr("spoofproof.stats.ladder._DENSE", dense)
        found = metric_values(boot, names)
        for name in names:
            if name in ("auroc", "min_cllr"):  # sums in another order
                np.testing.assert_allclose(found[name], whole[name], atol=1e-12)
            else:
                assert np.array_equal(found[name], whole[name]), name


def test_a_class_that_vanished_has_no_value_however_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only one speaker's bona fide trials are used, resamples without that speaker are NaN."""
    trials, scores = crossed(3, 4, 4, 3)
    use = np.array([t.label == "spoof" or t.speaker == "s0" for t in trials])
    boot = Bootstrap(resamples(trials, count=40), scores, use)
    names = ["eer", "auroc", "min_dcf", "miss_oracle", "eer_asvspoof"]
    with np.errstate(invalid="ignore"):
        whole = metric_values(boot, names)
        monkeypatch.setattr("spoofproof.stats.weighted._LADDER", 0)
        found = metric_values(boot, names)
    for name in names:
        assert 3 < np.isnan(whole[name]).sum() < 30, name
        np.testing.assert_allclose(found[name], whole[name], atol=1e-12)


def test_trials_without_a_score_are_left_out() -> None:
    trials, scores = crossed(6)
    holes = scores.copy()
    holes[::7] = np.nan
    found = estimate(trials, holes, "eer", count=50)
    kept = np.isfinite(holes)
    rest = [t for t, k in zip(trials, kept, strict=True) if k]
    assert found.n_bonafide + found.n_spoof == kept.sum()
    assert found.value == estimate(rest, holes[kept], "eer", count=5).value
    with pytest.raises(BadScores, match="infinite"):
        estimate(trials, np.where(kept, holes, np.inf))
    with pytest.raises(BadScores, match="one score a trial"):
        estimate(trials, scores[1:])
    with pytest.raises(BadScores, match="threshold"):
        estimate(trials, scores, "accuracy", count=5)


# 3. width


def hits(unit: str, sets: int, speakers: int, attacks: int) -> float:
    """Share of simulated data sets whose 95 % interval holds the true EER of new speakers and attacks."""
    spread = 0.6
    true = ndtr(-2 / (np.sqrt(1 + spread**2) + np.sqrt(1 + 2 * spread**2)))
    inside = 0
    for seed in range(sets):
        trials, scores = crossed(1000 + seed, speakers, attacks, 6, spread)
        drawn = resamples(trials, count=200, seed=seed, unit=unit)  # type: ignore[arg-type]
        found = estimate(trials, scores, "eer", drawn=drawn)
        inside += found.low <= true <= found.high
    return inside / sets


def test_clustered_intervals_hold_the_true_error_rate() -> None:
    assert 0.90 <= hits("cluster", 200, 20, 10) <= 0.98


def test_intervals_of_few_clusters_are_widened_enough() -> None:
    assert hits("cluster", 80, 4, 4) >= 0.88


def test_intervals_that_take_trials_for_independent_are_too_narrow() -> None:
    assert hits("trial", 60, 20, 10) < 0.85


def test_few_clusters_give_students_interval() -> None:
    """For a mean of n values, the expanded percentile interval has the length of the t interval."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=6)
    draws = rng.choice(x, (200_000, 6)).mean(axis=1)
    low, high = interval(draws, clusters=6)
    t = student.ppf(0.975, 5) * x.std(ddof=1) / np.sqrt(6)
    assert high - low == pytest.approx(2 * t, rel=0.12)
    plain = interval(draws)
    assert (high - low) / (plain[1] - plain[0]) > 1.25
    assert expanded(0.025, 10_000) == pytest.approx(0.025, abs=1e-4)
    assert expanded(0.025, None) == 0.025


def test_interval_of_nothing_and_of_the_measured_value() -> None:
    assert np.isnan(interval(np.full(5, np.nan))).all()
    assert interval(np.array([1.0, 2.0, 3.0]), value=0.5)[0] == 0.5


# 4. differences and many comparisons


def test_differences_are_paired() -> None:
    """Two detectors that share the speakers' hardness: each is uncertain, their difference is not."""
    trials, scores = crossed(7, 20, 8, 3, 1.0)
    rng = np.random.default_rng(1)
    bonafide = np.array([t.label == "bonafide" for t in trials])
    worse = scores - 0.5 * bonafide + rng.normal(0, 0.1, scores.size)
    difference, p = paired_difference(trials, worse, scores, "eer")
    single = estimate(trials, scores, "eer")
    assert difference.value > 0 and difference.low > 0 and p < 0.05
    assert difference.high - difference.low < 0.6 * (single.high - single.low)
    same, p_same = paired_difference(trials, scores, scores, "eer")
    assert (same.value, same.low, same.high, p_same) == (0, 0, 0, 1)


def test_differences_are_over_trials_with_both_scores() -> None:
    trials, first = crossed(8)
    second = first - 0.4 * np.array([t.label == "bonafide" for t in trials])
    first[::7], second[::11] = np.nan, np.nan
    kept = np.isfinite(first) & np.isfinite(second)
    found, _ = paired_difference(trials, first, second, count=20)
    rest = [t for t, k in zip(trials, kept, strict=True) if k]
    a, b = (estimate(rest, x[kept], count=2).value for x in (first, second))
    assert found.value == a - b and found.n_bonafide + found.n_spoof == kept.sum()


def test_p_and_interval_agree() -> None:
    rng = np.random.default_rng(2)
    for shift in np.linspace(0, 5, 40):
        values = rng.normal(shift, 1, 999)
        for clusters in (None, 5, 50):
            low, _ = interval(values, clusters=clusters)
            p = p_value(values, clusters=clusters)
            assert (low > 0) == (p < 0.05) or abs(p - 0.05) < 0.02
            assert p_value(-values, clusters=clusters) == p
    assert np.isnan(p_value(np.array([np.nan])))


def test_p_values_of_equal_detectors_are_uniform_enough() -> None:
    """Two detectors of equal power on clustered data: at most about one in twenty is called different."""
    called = 0
    for seed in range(60):
        trials, scores = crossed(3000 + seed, 12, 6, 2)
        rng = np.random.default_rng(seed)
        a, b = (scores + rng.normal(0, 0.7, scores.size) for _ in range(2))
        called += paired_difference(trials, a, b, "eer", count=200)[1] < 0.05
    assert called <= 7


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    found = holm([0.5, float("nan"), 0.9])
    assert found[0] == 1.0 and np.isnan(found[1]) and found[2] == 1.0
    assert holm([]) == []


def test_ranks_have_intervals() -> None:
    rng = np.random.default_rng(3)
    far = {"a": rng.normal(0, 0.1, 500), "b": rng.normal(1, 0.1, 500), "c": rng.normal(1, 0.1, 500)}
    found = rank_intervals({"a": 0.0, "b": 1.0, "c": 1.0}, far)
    assert (found["a"].value, found["a"].low, found["a"].high) == (1, 1, 1)
    assert (found["b"].value, found["b"].low, found["b"].high) == (2.5, 2, 3)


def test_estimates_give_all_at_once() -> None:
    trials, scores = crossed(9)
    names: Sequence[str] = ["auroc", "eer", "miss_frozen"]
    found = estimates(trials, scores, names, threshold=1.0, count=100)
    assert list(found) == list(names)
    assert all(e.low <= e.value <= e.high for e in found.values())
    assert list(estimates(trials, scores, names, count=10)) == ["auroc", "eer"]
