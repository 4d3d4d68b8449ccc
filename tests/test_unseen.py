"""What did not happen: intervals of values that no resample moves.

1. independent units: closed forms of designs
2. bounds: Clopper and Pearson's, and that no distribution of scores beats them
3. coverage of small clustered samples, old and new
4. cells, means, differences and gates; what the resamples do move keeps its bytes
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import beta

from spoofproof.gate import ALL, Side, Verdict, Wanted, differences, judge, match
from spoofproof.gate.text import power
from spoofproof.results import evaluate
from spoofproof.scores import Cell, ScoreTable
from spoofproof.stats import Bootstrap, estimate, estimates, interval, paired_difference, resamples, unseen
from spoofproof.stats.estimate import metric_values
from spoofproof.stats.units import Units, units_of
from spoofproof.studies.seeds import over_seeds
from spoofproof.types import Scores, Trial

EIGHT = Units(8, 8, 8, 8, 8)
ALPHA = 0.025


def trial(i: int, label: str, speaker: str = "", attack: str = "", part: str = "eval") -> Trial:
    return Trial(f"{part}{i}", Path("x"), label, speaker=speaker, attack=attack, part=part)  # type: ignore[arg-type]


def bare(n: int, part: str = "eval") -> tuple[Trial, ...]:
    """n trials of each class that share nothing."""
    return tuple(trial(i, ("bonafide", "spoof")[i % 2], part=part) for i in range(2 * n))


def apart(trials: Sequence[Trial], seed: int = 0, gap: float = 40.0) -> Scores:
    """Perfect order, every score its own."""
    noise = np.random.default_rng(seed).normal(size=len(trials))
    return noise + gap * np.array([t.label == "bonafide" for t in trials])


# 1. independent units


def counted(*spoof: tuple[str, str]) -> int:
    real = [trial(i, "bonafide", f"r{i}") for i in range(3)]
    fake = [trial(9 + i, "spoof", *names) for i, names in enumerate(spoof)]
    return units_of(resamples([*real, *fake], count=3)).spoof


def test_spoofed_trials_are_independent_that_share_neither_speaker_nor_attack() -> None:
    """Fully crossed: as many as the scarcer has. A star, where the many speakers share one attack and the
    many attacks one speaker: two, though there are six of each. Attacks of unknown speakers: each is one."""
    assert counted(*((f"s{s}", f"a{a}") for s in range(5) for a in range(3))) == 3
    star = [(f"s{s}", "a0") for s in range(5)] + [("s9", f"a{a}") for a in range(1, 6)]
    assert counted(*star) == 2
    assert counted(*(("", f"a{a % 4}") for a in range(12))) == 4
    assert counted(*((f"s{k % 3}", "a0") for k in range(9))) == 3  # one attack alone is not drawn
    assert counted(*((f"s{k}", f"a{k}" if k < 4 else "") for k in range(7))) == 7
    assert counted(*((("s0", "s1", "")[k % 3], f"a{k}") for k in range(9))) == 5


def test_pairs_share_no_speaker() -> None:
    """Own speakers in each class: the smaller number. The same speakers in both: a pair takes two of them."""
    own = [trial(i, "bonafide", f"r{i}") for i in range(6)] + [
        trial(9 + i, "spoof", f"f{i}") for i in range(4)
    ]
    assert units_of(resamples(own, count=3)) == Units(6, 4, 6, 4, 4)
    same = [trial(2 * i + k, ("bonafide", "spoof")[k], f"s{i}") for i in range(7) for k in range(2)]
    assert units_of(resamples(same, count=3)) == Units(7, 7, 7, 7, 3)
    used = np.arange(14) < 8
    assert units_of(resamples(same, count=3), used) == Units(4, 4, 4, 4, 2)


# 2. bounds


@pytest.mark.parametrize("m", [1, 3, 8, 200])
def test_no_error_at_a_threshold_has_the_bound_of_clopper_and_pearson(m: int) -> None:
    units = Units(m, 999, m, 999, m)
    for tail in (0.025, 0.05):
        high = float(beta.ppf(1 - tail, 1, m))
        assert unseen.around("miss_frozen", 0.0, units, tail) == pytest.approx((0, high))
        assert unseen.around("miss_rate", 1.0, units, tail) == pytest.approx((1 - high, 1))
        assert unseen.reach("auroc", units, tail) == pytest.approx(high)
    if m == 200:  # the rule of three
        assert unseen.reach("miss_frozen", units, 0.05) == pytest.approx(3 / m, rel=0.02)


def test_bounds_of_the_other_metrics_are_their_closed_forms() -> None:
    e = 1 - (ALPHA / 2) ** (1 / 8)  # 2 (1 - e)^8 = tail
    u = 1 - ALPHA ** (1 / 8)
    assert unseen.reach("eer", EIGHT, ALPHA) == pytest.approx(e)
    assert unseen.reach("eer", Units(8, 10**9, 8, 10**9, 8), ALPHA) == pytest.approx(u)
    assert unseen.reach("eer", Units(1, 1, 0, 1, 0), ALPHA) == 1
    assert unseen.reach("accuracy_frozen", EIGHT, ALPHA) == pytest.approx(u)
    assert unseen.reach("accuracy_frozen", Units(30, 10, 4, 8, 4), ALPHA) == pytest.approx(
        (30 * (1 - ALPHA ** (1 / 4)) + 10 * u) / 40
    )
    assert unseen.reach("accuracy_oracle", EIGHT, ALPHA) == pytest.approx(e)
    assert unseen.reach("act_dcf", EIGHT, ALPHA) == pytest.approx(2.9 * u)
    assert unseen.around("min_cllr", 0.0, EIGHT, ALPHA)[1] == pytest.approx(
        -e * math.log2(e) - (1 - e) * math.log2(1 - e)
    )
    d = unseen.reach("min_dcf", Units(99, 99, 50, 50, 50), ALPHA)
    assert (1 - d / 3.8) ** 50 + (1 - d / 2) ** 50 == pytest.approx(ALPHA)
    low, high = unseen.around("f1_frozen", 1.0, EIGHT, ALPHA)
    assert high == 1 and low <= 2 * (1 - u) / (2 * (1 - u) + 2 * u) + 1e-12
    assert unseen.around("eer", 0.5, EIGHT, ALPHA) == pytest.approx((0.5 - e, 0.5 + e))


def test_what_has_no_bound_is_not_available_and_what_says_nothing_is_exact() -> None:
    for metric in ("cllr", "cllr_raw", "cllr_loss", "llr_spoof", "ece", "one_of_mine"):
        assert np.isnan(unseen.around(metric, 0.25, EIGHT, ALPHA)).all()
    assert unseen.around("cllr", 1.0, EIGHT, ALPHA) == (1, 1)  # every llr is 0, of any trial


def test_no_distribution_of_scores_orders_few_trials_more_often_than_the_bounds_allow() -> None:
    """Perfect order of m and n independent scores: normal ones, and the ones that do it most often, which are
    all on the right side but for a share e of each class that is beyond everything."""
    rng = np.random.default_rng(0)
    sets = 40_000
    for m, n in ((4, 4), (3, 9)):
        for e in (0.05, 0.2, 0.4):
            far = -2 * ndtri(e)
            b, s = rng.normal(far, 1, (sets, m)), rng.normal(0, 1, (sets, n))
            wild_b = np.where(rng.random((sets, m)) < e, rng.uniform(-3, -2, (sets, m)), 1 + 0 * b)
            wild_s = np.where(rng.random((sets, n)) < e, rng.uniform(2, 3, (sets, n)), 0 * s)
            area = {"normal": ndtr(far / math.sqrt(2)), "wild": (1 - e) ** 2}
            for name, (x, y) in {"normal": (b, s), "wild": (wild_b, wild_s)}.items():
                chance = float((x.min(axis=1) > y.max(axis=1)).mean())
                slack = 4 * math.sqrt(chance * (1 - chance) / sets) + 1e-4
                assert chance <= (1 - e) ** m + (1 - e) ** n + slack
                assert chance <= area[name] ** min(m, n) + slack


def test_a_bin_of_one_class_may_hold_as_much_of_the_other_as_was_not_seen() -> None:
    """With all of the other class in it, n of them: u / (u + least), u and least of Clopper and Pearson at
    half the tail."""
    most, least = float(beta.ppf(1 - ALPHA / 2, 1, 8)), float(beta.ppf(ALPHA / 2, 20, 1))
    assert unseen.of_none(1.0, 8, 20, ALPHA) == pytest.approx(most / (most + least))
    half = float(beta.ppf(ALPHA / 2, 10, 11))
    assert unseen.of_none(0.5, 8, 20, ALPHA) == pytest.approx(most / (most + half))
    assert unseen.of_none(1e-9, 8, 20, ALPHA) == pytest.approx(1, abs=1e-3)


def test_a_p_value_is_the_tail_at_which_the_bound_meets_the_margin() -> None:
    for difference, margin in ((1.0, 0.0), (1.0, 0.1), (0.5, 0.02)):
        units = Units(20, 20, 20, 20, 20)
        p = unseen.tail_of("eer", difference, units, margin)
        assert p < 0.05 and unseen.apart("eer", difference, units, p) == pytest.approx(difference - margin)
    assert unseen.tail_of("eer", 0.0, EIGHT) == unseen.chance_of("eer", 0.0, EIGHT) == 1
    assert unseen.tail_of("eer", 1.0, Units(2, 2, 2, 2, 2)) == 1
    assert unseen.tail_of("cllr", 5.0, EIGHT) == 1


# 3. coverage


def drawn_set(
    rng: np.random.Generator, speakers: int, attacks: int, each: int, gap: float, shared: bool, spread: float
) -> tuple[list[Trial], Scores]:
    of = rng.normal(0, spread, (2, speakers))
    of[1] = of[0] if shared else of[1]
    of_attack = rng.normal(0, spread, max(1, attacks)) * bool(attacks)
    trials: list[Trial] = []
    scores: list[float] = []
    for k in range(speakers):
        for i in range(each):
            a = (k + i) % max(1, attacks)
            trials += [
                trial(len(trials), "bonafide", f"s{k}"),
                trial(
                    len(trials) + 1,
                    "spoof",
                    f"{'s' if shared else 'f'}{k}",
                    f"a{a}" if attacks else "",
                ),
            ]
            scores += [gap + of[0, k] + rng.normal(), of[1, k] + of_attack[a] + rng.normal()]
    return trials, np.array(scores)


def coverage(error: float, speakers: int, attacks: int, each: int, shared: bool) -> dict[str, list[float]]:
    """(old, new) share of intervals that hold the truth, by metric. 100 data sets, new speakers and attacks
    each."""
    spread, sets = 0.6, 100
    of_b, of_s = math.sqrt(1 + spread**2), math.sqrt(1 + spread**2 * (2 if attacks else 1))
    gap = -ndtri(error) * (of_b + of_s)
    threshold = gap + ndtri(error) * of_b
    truth = {"eer": error, "miss_frozen": error, "auroc": float(ndtr(gap / math.hypot(of_b, of_s)))}
    found = {name: [0.0, 0.0] for name in truth}
    for seed in range(sets):
        rng = np.random.default_rng([seed, speakers])
        trials, scores = drawn_set(rng, speakers, attacks, each, gap, shared, spread)
        drawn = resamples(trials, count=100, seed=seed)
        boot = Bootstrap(drawn, scores)
        for name, values in metric_values(boot, list(truth), threshold=threshold).items():
            old = interval(values[1:], clusters=drawn.fewest, value=float(values[0]))
            new = unseen.ends(values, lambda boot=boot: boot.units, name, clusters=drawn.fewest)  # type: ignore[misc]
            for k, (low, high) in enumerate((old, new)):
                found[name][k] += (low - 1e-9 <= truth[name] <= high + 1e-9) / sets
            if not unseen.still(values):
                assert old == new
    return found


@pytest.mark.parametrize("error", [0.02, 0.05, 0.1])
@pytest.mark.parametrize(
    ("speakers", "attacks", "each", "shared"), [(4, 4, 2, True), (8, 4, 1, False), (8, 0, 1, True)]
)
def test_intervals_of_few_clusters_hold_small_error_rates(
    error: float, speakers: int, attacks: int, each: int, shared: bool
) -> None:
    """The old intervals, [0, 0] for all that had no error, held them in 5 to 65 of 100."""
    for name, (old, new) in coverage(error, speakers, attacks, each, shared).items():
        assert new >= 0.93, name
        assert old < {0.02: 0.35, 0.05: 0.55, 0.1: 0.75}[error], name


# 4. where intervals are made


def test_eight_trials_without_an_error_prove_little() -> None:
    trials = bare(4)
    found = estimates(
        trials, apart(trials), ["eer", "auroc", "accuracy_frozen", "min_dcf", "cllr"], threshold=20.0,
        llrs=lambda x: np.sign(x - 20), count=200,
    )  # fmt: skip
    e = 1 - (ALPHA / 2) ** (1 / 4)
    assert (found["eer"].value, found["eer"].low) == (0, 0) and found["eer"].high == pytest.approx(e)
    assert found["auroc"].high == 1 and found["auroc"].low == pytest.approx(ALPHA ** (1 / 4))
    assert found["accuracy_frozen"].high == 1
    assert found["accuracy_frozen"].low == pytest.approx(ALPHA ** (1 / 4))
    assert found["min_dcf"].low == 0 and found["min_dcf"].high == 1
    assert np.isnan([found["cllr"].low, found["cllr"].high]).all() and found["cllr"].value > 0
    turned = estimate(trials, -apart(trials), "eer", count=200)
    assert (turned.value, turned.high) == (1, 1) and turned.low == pytest.approx(1 - e)
    wide = estimate(trials, apart(trials), "eer", count=200, confidence=0.99)
    assert wide.high > found["eer"].high


def test_trials_of_one_speaker_are_no_more_than_one_unit() -> None:
    """Forty trials of four speakers and four attacks bound an error as four of each do."""
    trials = [
        trial(4 * k + i, ("bonafide", "spoof")[i % 2], f"s{k % 4}", f"a{k % 4}" if i % 2 else "")
        for k in range(10)
        for i in range(4)
    ]
    found = estimate(trials, apart(trials), "eer", count=100)
    assert found.n_bonafide == 20 and found.high == pytest.approx(1 - (ALPHA / 2) ** (1 / 4))


def test_differences_of_two_without_error_are_as_sure_as_one_of_them() -> None:
    trials = bare(8)
    first, second = apart(trials, 1), apart(trials, 2)
    found, p = paired_difference(trials, first, second, count=100)
    e = 1 - (ALPHA / 2) ** (1 / 8)
    assert found.value == 0 and (found.low, found.high) == pytest.approx((-e, e)) and p == 1
    same, _ = paired_difference(trials, first, first, count=100)
    assert (same.low, same.high) == (0, 0)
    said = np.sign(first - 20)  # only two words: that two detectors say the same of 16 trials proves little
    twins, _ = paired_difference(trials, said, said.copy(), count=100)
    assert twins.high == pytest.approx(e)
    few = bare(2)
    turned, p = paired_difference(few, -apart(few), apart(few), count=400)
    assert turned.value == 1 and turned.low <= 0 and p > 0.05
    many = bare(60)
    turned, p = paired_difference(many, -apart(many), apart(many), count=400)
    assert turned.low > 0.5 and p < 0.02


def run_of(trials: Sequence[Trial], cells: dict[str, Scores]) -> ScoreTable:
    ids, good = tuple(t.id for t in trials), ("ok",) * len(trials)
    names = ("clean", "buzz@1", "buzz@2", "identity")
    facts = {
        c: {
            "corruption": "" if c == "clean" else c.partition("@")[0],
            "family": {"clean": "clean", "identity": "control"}.get(c, "noise"),
            "level": float(c[-1]) if "@" in c else None,
            "index": int(c[-1]) if "@" in c else 0,
            "digest": c,
            "status": "ok",
        }
        for c in names
    }
    detectors = list(dict.fromkeys(key.split("/")[0] for key in cells))
    record = {"conditions": list(names), "detectors": {d: {"card": {}, "identity": d} for d in detectors}}
    found = {(d, c): Cell(ids, cells[f"{d}/{c}"], good) for d in detectors for c in names}
    return ScoreTable(record, trials, found, facts)  # type: ignore[arg-type]


def test_no_interval_of_a_report_is_without_width_but_what_cannot_be_otherwise() -> None:
    trials = (*bare(4), *bare(6, "dev"))
    cells = {
        f"{d}/{c}": apart(trials, 10 * k + j)
        for k, d in enumerate(("good", "fine"))
        for j, c in enumerate(("clean", "buzz@1", "buzz@2", "identity"))
    }
    cells["good/identity"] = cells["good/clean"]
    found = evaluate(run_of(trials, cells), resamples=100)
    assert sum("no resample moves" in note for note in found.notes) == 1
    shown = [
        *(e for cell in found.cells.values() for e in cell.metrics.values()),
        *(e for key, cell in found.cells.items() if key != ("good", "identity") for e in cell.delta.values()),
        *(e for one in found.aggregates.values() for e in one.metrics.values()),
        *(c.difference for c in found.comparisons),
        *(b.found for one in found.reliability for b in one.bins),
    ]
    assert len(shown) > 200
    assert all(e.high > e.low for e in shown if math.isfinite(e.low))
    eers = [found.cells["good", "buzz@1"].metrics["eer"], found.aggregates["good", "all"].metrics["eer"]]
    assert all(e.high == pytest.approx(1 - (ALPHA / 2) ** (1 / 4)) for e in eers)
    assert all(e.low == e.high == 0 for e in found.cells["good", "identity"].delta.values())
    assert all(c.p == 1 for c in found.comparisons)
    noisy = {key: np.random.default_rng(k).normal(size=len(trials)) for k, key in enumerate(cells)}
    plain = evaluate(run_of(trials, noisy), resamples=100, metrics=["eer", "auroc"])
    assert not any("no resample" in note for note in plain.notes)


def test_seeds_that_all_make_no_error_are_as_sure_as_their_trials() -> None:
    still = np.zeros((3, 51))
    bounded = over_seeds(still, clusters=8, bounded=True, reach=lambda tail: unseen.reach("eer", EIGHT, tail))
    assert bounded.estimate.low == 0 and bounded.estimate.high == pytest.approx(1 - (ALPHA / 2) ** (1 / 8))
    assert bounded.p == 1 and np.isnan(over_seeds(still, clusters=8).estimate.high)
    assert np.isnan(over_seeds(still + 0.5, clusters=8).p)


class Held(Side):
    """A run in memory."""

    def cell(self, detector: str, condition: str) -> Cell | None:
        found: Cell | None = self.record["cells"].get(condition)
        return found


def gate(n: int, before: Sequence[Scores], after: Sequence[Scores], *, strict: bool = False) -> Verdict:
    trials = bare(n)
    ids, good = tuple(t.id for t in trials), ("ok",) * len(trials)
    sides = []
    for scores in (before, after):
        names = ["clean", "buzz@1", "hiss@1"][: len(scores)]
        table = run_of(trials, {})
        cells = {c: Cell(ids, x, good) for c, x in zip(names, scores, strict=True)}
        facts = {
            c: {**table.conditions["buzz@1"], "corruption": c.partition("@")[0], "digest": c} for c in names
        }
        record = {"conditions": names, "detectors": {"m": {"identity": "m"}}, "cells": cells}
        sides.append(Held(Path("held"), record, trials, facts))
    return judge(differences(match(*sides), [Wanted("eer", 0.02)], resamples=200), strict=strict)


def test_a_strict_gate_stays_shut_where_few_trials_show_no_error_in_either() -> None:
    """8 trials prove nothing, 400 that no more than 2 points were lost."""
    for n, word in ((4, "failed"), (200, "passed")):
        runs = [[apart(bare(n), 10 * k + j) for j in range(3)] for k in range(2)]
        found = gate(n, *runs, strict=True)
        assert found.word == word
        for j in found.judged:
            assert j.bound == pytest.approx(1 - 0.025 ** (1 / n)) and j.p == j.corrected == j.different == 1
        assert {j.difference.condition for j in found.judged} == {"clean", "buzz@1", "hiss@1", ALL}
        assert any("no resample moves" in note for note in found.comparison.notes)
    same = [apart(bare(4), j) for j in range(3)]
    again = gate(4, same, [x.copy() for x in same], strict=True)
    assert again.word == "passed" and not any("no resample" in note for note in again.comparison.notes)


def test_the_usual_gate_says_how_little_eight_trials_can_show() -> None:
    runs = [[apart(bare(4), 10 * k + j) for j in range(3)] for k in range(2)]
    found = gate(4, *runs)
    assert found.word == "passed"
    e = 1 - (0.05 / 4 / 2) ** (1 / 4)  # one of four tests
    assert all(j.called == pytest.approx(0.02 + e) for j in found.judged)
    assert f"{100 * (0.02 + e):.1f} points" in power(found)


def test_a_detector_that_broke_is_called_where_there_is_evidence() -> None:
    """From no error to nothing but errors, in every resample: two trials of each class do not show it, forty
    do."""
    for n, word in ((2, "passed"), (40, "regressed")):
        trials = bare(n)
        found = gate(n, [apart(trials, 1)], [-apart(trials, 2)])
        assert [j.word for j in found.judged] == [word]
    assert found.judged[0].p < 1e-2
    exact = unseen.tail_of("eer", 1.0, Units(9, 9, 9, 9, 9), 0.02)
    trials = bare(9)
    two = gate(9, [apart(trials, k) for k in range(2)], [-apart(trials, 5 + k) for k in range(2)])
    cells = [j for j in two.judged if j.difference.condition != ALL]
    assert 0.005 < exact < 0.1
    assert all(j.p == pytest.approx(exact) for j in cells)
    assert all(j.corrected == pytest.approx(len(two.judged) * exact) for j in cells)
