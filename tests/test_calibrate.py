"""Scores become log-likelihood ratios: what they are worth, and no more.

1. PAV is isotonic regression (an independent implementation), with doubt at the ends
2. min Cllr is what no affine, and no increasing, map can beat; Cllr of true LLRs is its own minimum
3. the order is never turned round; degenerate inputs; stored and read back
4. reliability diagrams, and the same figures under resampling
"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofproof.calibrate import Calibration, Isotonic, fit, fit_isotonic, from_dict
from spoofproof.errors import BadScores
from spoofproof.metrics.curve import error_rates
from spoofproof.metrics.llr import cllr, ece, hull_points, min_cllr, min_cllr_of, reliability
from spoofproof.types import Scores

values = st.integers(-8, 8).map(float)
classes = st.tuples(st.lists(values, min_size=1, max_size=25), st.lists(values, min_size=1, max_size=25))


def arrays(both: tuple[list[float], list[float]]) -> tuple[Scores, Scores]:
    return np.array(both[0]), np.array(both[1])


def true_llrs(n: int, d: float = 2.0, seed: int = 3) -> tuple[Scores, Scores]:
    """Gaussian scores that are their own log-likelihood ratios: means ±d²/2, deviation d (van Leeuwen and Brümmer 2013)."""
    rng = np.random.default_rng(seed)
    return rng.normal(d * d / 2, d, n), rng.normal(-d * d / 2, d, n)


# 1. PAV


@settings(max_examples=80, deadline=None)
@given(classes)
def test_isotonic_calibration_is_isotonic_regression_with_doubt_at_the_ends(
    both: tuple[list[float], list[float]],
) -> None:
    sklearn = pytest.importorskip("sklearn.isotonic")
    b, s = arrays(both)
    doubt = 1 / (min(b.size, s.size) + 2)
    x = np.concatenate([b, s, [-99.0, -99, 99, 99]])
    real = np.concatenate([np.ones(b.size), np.zeros(s.size), [1.0, 0, 1, 0]])
    share = 1 - 2 * doubt
    weight = np.concatenate([np.full(b.size, share / b.size), np.full(s.size, share / s.size), [doubt] * 4])
    stated = sklearn.IsotonicRegression().fit_transform(x, real, sample_weight=weight)[:-4]
    found = fit_isotonic(bonafide=b, spoof=s)
    assert np.allclose(found.apply(x[:-4]), np.log(stated / (1 - stated)), atol=1e-9)
    assert np.abs(found.llrs).max() <= math.log(min(b.size, s.size) + 1) + 1e-9


def test_isotonic_calibration_finds_the_likelihood_ratio_of_a_curved_score() -> None:
    """Scores bent by a cube: no straight line mends them, an increasing one does."""
    b, s = true_llrs(4000)
    found = fit_isotonic(bonafide=b**3, spoof=s**3)
    at = np.array([-2.0, -1, 0, 1, 2])
    assert np.allclose(found.apply(at**3), at, atol=0.35)
    fresh_b, fresh_s = (x**3 for x in true_llrs(4000, seed=4))
    bent = fit(bonafide=b**3, spoof=s**3)
    mended, straight = (cllr(bonafide=m.apply(fresh_b), spoof=m.apply(fresh_s)) for m in (found, bent))
    assert mended < straight - 0.02
    assert mended == pytest.approx(min_cllr(bonafide=fresh_b, spoof=fresh_s), abs=0.015)


def test_between_pools_it_is_a_straight_line_and_beyond_the_ends_it_is_flat() -> None:
    found = fit_isotonic(bonafide=np.array([3.0, 4]), spoof=np.array([0.0, 1]))
    low, high = -math.log(3), math.log(3)
    assert np.allclose(found.apply([-9, 0, 1, 2, 3, 4, 9]), [low, low, low, 0, high, high, high])


# 2. Cllr and its least value


@settings(max_examples=80, deadline=None)
@given(classes, st.floats(0, 5), st.floats(-5, 5))
def test_no_increasing_map_beats_min_cllr(
    both: tuple[list[float], list[float]], scale: float, offset: float
) -> None:
    b, s = arrays(both)
    least = min_cllr(bonafide=b, spoof=s)
    assert 0 <= least <= 1 + 1e-9
    for x in (lambda v: scale * v + offset, lambda v: np.sign(v) * np.abs(v) ** 0.5 + offset):
        assert least <= cllr(bonafide=x(b), spoof=x(s)) + 1e-9
    for m in (fit(bonafide=b, spoof=s), fit_isotonic(bonafide=b, spoof=s)):
        assert least <= cllr(bonafide=m.apply(b), spoof=m.apply(s)) + 1e-9


def test_true_llrs_need_no_calibration() -> None:
    b, s = true_llrs(20_000)
    found = fit(bonafide=b, spoof=s)
    assert found.scale == pytest.approx(1, abs=0.03) and found.offset == pytest.approx(0, abs=0.03)
    assert np.allclose(
        fit_isotonic(bonafide=b, spoof=s).apply([-2, -1, 0, 1, 2]), [-2, -1, 0, 1, 2], atol=0.25
    )
    assert cllr(bonafide=b, spoof=s) - min_cllr(bonafide=b, spoof=s) < 0.005
    assert cllr(bonafide=3 * b, spoof=3 * s) - min_cllr(bonafide=b, spoof=s) > 0.2
    assert ece(bonafide=b, spoof=s) < 0.01


def test_least_cllr_of_many_curves_at_once_is_that_of_each() -> None:
    rng = np.random.default_rng(0)
    curves = [error_rates(rng.normal(1, 1, 30), rng.normal(0, 1, 50)) for _ in range(7)]
    miss, false_alarm = (np.stack([c[k] for c in curves], axis=1) for k in (1, 2))
    together = min_cllr_of(miss, false_alarm)
    for k, (_, m, f) in enumerate(curves):
        corners = hull_points(m, 1 - f)
        slopes = np.diff(m[corners]) / np.maximum(np.diff(1 - f[corners]), 1e-300)
        assert (np.diff(slopes) > 0).all() and corners[0] == 0 and corners[-1] == m.size - 1
        assert together[k] == pytest.approx(float(min_cllr_of(m, f)), abs=1e-12)
    assert len(set(together)) == 7
    b, s = true_llrs(4000)
    _, m, f = error_rates(b, s)
    thinned, exact = float(min_cllr_of(m, f)), min_cllr(bonafide=b, spoof=s)
    assert m.size > 2000 and exact <= thinned < exact + 0.001


# 3. order, degenerate inputs, storage


@settings(max_examples=80, deadline=None)
@given(classes, st.lists(st.floats(-20, 20), min_size=2, max_size=10))
def test_the_order_is_never_turned_round(both: tuple[list[float], list[float]], more: list[float]) -> None:
    b, s = arrays(both)
    for m in (fit(bonafide=b, spoof=s), fit_isotonic(bonafide=b, spoof=s)):
        llrs = m.apply(np.sort(more))
        assert np.isfinite(llrs).all() and (np.diff(llrs) >= -1e-12).all()


@pytest.mark.parametrize(
    ("b", "s", "top"),
    [
        ([1.0], [1.0], 0.0),
        ([2.0, 2.0, 2.0], [2.0] * 7, 0.0),  # says nothing, with classes of unequal size
        ([0.0, 1.0], [2.0, 3.0, 4.0], 0.0),  # points the wrong way
        ([1.0], [0.0], math.log(2)),
        ([1.0] * 9, [0.0] * 9, math.log(10)),  # tells them apart: finite, and worth the trials it rests on
    ],
)
def test_degenerate_scores(b: list[float], s: list[float], top: float) -> None:
    found = fit_isotonic(bonafide=np.array(b), spoof=np.array(s))
    assert found.llrs[-1] == pytest.approx(top, abs=1e-12)
    assert found.llrs[0] == pytest.approx(-top, abs=1e-12)


@pytest.mark.parametrize("bad", [([], [1.0]), ([1.0], []), ([math.nan], [1.0]), ([math.inf], [1.0])])
def test_scores_that_cannot_be_calibrated_are_refused(bad: tuple[list[float], list[float]]) -> None:
    b, s = arrays(bad)
    for fitted in (fit, fit_isotonic):
        with pytest.raises(BadScores):
            fitted(bonafide=b, spoof=s)


def test_calibrations_are_stored_and_read_back_to_the_last_bit() -> None:
    b, s = true_llrs(50)
    for found in (fit(bonafide=b, spoof=s), fit_isotonic(bonafide=b, spoof=s)):
        again = from_dict(json.loads(json.dumps(found.to_dict())))
        assert again == found and np.array_equal(again.apply(b), found.apply(b))


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"kind": "quadratic"},
        {"kind": "linear", "scale": 1.0},
        {"kind": "linear", "scale": -1.0, "offset": 0.0},
        {"kind": "linear", "scale": math.nan, "offset": 0.0},
        {"kind": "isotonic", "scores": [0.0, 1.0], "llrs": [1.0, 0.0]},
        {"kind": "isotonic", "scores": [1.0, 1.0], "llrs": [0.0, 1.0]},
        {"kind": "isotonic", "scores": [], "llrs": []},
        {"kind": "isotonic", "scores": [0.0], "llrs": ["much"]},
    ],
)
def test_what_is_no_calibration_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(BadScores, match="calibration"):
        from_dict(bad)


def test_a_calibration_that_turns_the_order_round_cannot_be_made() -> None:
    with pytest.raises(BadScores, match="scale"):
        Calibration(-0.1, 0.0)
    with pytest.raises(BadScores, match="never decrease"):
        Isotonic((0.0, 1.0), (0.5, 0.4))


# 4. reliability


def test_stated_probabilities_of_true_llrs_come_true() -> None:
    b, s = true_llrs(20_000, d=1.5)
    for one in reliability(bonafide=b, spoof=s[:5000]):  # whatever the counts of the classes
        assert one.low <= one.stated <= one.high
        assert one.found == pytest.approx(one.stated, abs=0.03)
    sure = reliability(bonafide=3 * b, spoof=3 * s)  # claims too much: what is said to be 90 % sure is not
    assert sure[-1].found < sure[-1].stated - 0.05 and sure[0].found > sure[0].stated + 0.05


def test_a_reliability_diagram_adds_up_to_the_calibration_error() -> None:
    b, s = true_llrs(300, d=1.0)
    b, s = 2 * b + 1, 2 * s[:100] + 1
    bins = reliability(bonafide=b, spoof=s)
    assert sum(one.n_bonafide for one in bins) == 300 and sum(one.n_spoof for one in bins) == 100
    weights = [(one.n_bonafide / 300 + one.n_spoof / 100) / 2 for one in bins]
    gaps = [w * abs(one.found - one.stated) for w, one in zip(weights, bins, strict=True) if w]
    assert sum(gaps) == pytest.approx(ece(bonafide=b, spoof=s))


def test_empty_bins_say_so() -> None:
    bins = reliability(bonafide=np.array([9.0]), spoof=np.array([9.0, 9.0]))
    assert bins[-1].found == 0.5 and all(
        math.isnan(one.found) and math.isnan(one.stated) for one in bins[:-1]
    )
