"""The answer itself: calibration, interval, verdict, timeline, table, command line, thousands of files."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

import spoofproof
from detect_toys import encode, table, toy_judge, whistled, write
from signals import noise, voice
from spoofproof import registry
from spoofproof.audio import save_audio
from spoofproof.cli.detect import _printable
from spoofproof.detect.answer import REAL, SYNTHETIC, UNSURE, Answer
from spoofproof.detect.axes import AXES
from spoofproof.detect.batch import Batch, detect_all
from spoofproof.detect.calibration import opinion
from spoofproof.detect.curve import ALWAYS, Judged, choose, curve, drops, points
from spoofproof.detect.fit import CONDITIONS, fit_table, judged_by, usable
from spoofproof.detect.judge import Judge, spans
from spoofproof.detect.listen import Listened, listen
from spoofproof.detect.page import page, picture
from spoofproof.detect.reliability import lookup, one_in
from spoofproof.detect.rows import Row, hear_rows
from spoofproof.detect.table import Point, Table, load
from spoofproof.detect.tables import COLUMNS, as_csv, as_json
from spoofproof.detect.text import clock, lines, percent, strip
from spoofproof.errors import BadPlan, BadScores, MissingPart, RunConflict, SpoofproofError
from spoofproof.shipped import DETECTOR
from spoofproof.types import Clip, Trial


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return toy_judge(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def long(judge: Judge) -> Answer:
    """Half a minute, of which 10 to 20 s whistle."""
    return judge.answer(whistled(voice(30.0, seed=2), 10, 20), "long")


# --- what windows say together ---


def test_the_line_and_the_prior_are_bayes_rule() -> None:
    scores = np.array([1.0, 2.0, 3.0])
    for prior in (0.5, 0.1, 0.9):
        said = opinion(scores, table(), prior)
        assert said.llr == pytest.approx(1.0)  # mean 2, scale one half
        assert said.probability == pytest.approx(expit(logit(prior) - 1.0))
        assert said.low <= said.probability <= said.high
    for bad in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(BadPlan, match="prior"):
            opinion(scores, table(), bad)


def test_with_one_window_the_interval_is_that_of_the_lines() -> None:
    some = table()
    said = opinion(np.array([3.0]), some)
    exact = sorted(-(3.0 * a + b) for a, b in some.lines)
    assert expit(exact[0]) - 1e-9 <= said.low <= expit(exact[1])
    assert expit(exact[-2]) <= said.high <= expit(exact[-1]) + 1e-9
    assert said.clear == pytest.approx(-logit(said.high))


def test_the_interval_narrows_with_the_root_of_the_length_and_never_below_the_lines() -> None:
    one_line = replace(table(), lines=((0.5, 0.0),))
    for n in (25, 100, 400):
        ratios = []
        for seed in range(12):
            scores = np.random.default_rng(seed).standard_normal(n)
            said = opinion(scores, one_line)
            ratios.append((logit(said.high) - logit(said.low)) / (2 * 1.96 * 0.5 * scores.std() / np.sqrt(n)))
        assert np.mean(ratios) == pytest.approx(1, abs=0.2)
    lines_only = opinion(np.full(500, 3.0), table())
    assert lines_only.high - lines_only.low == pytest.approx(
        opinion(np.array([3.0]), table()).high - opinion(np.array([3.0]), table()).low, rel=0.15
    )


def test_the_interval_covers_the_mean_of_blocks_that_hang_together() -> None:
    """Windows overlap by half: means of moving averages are covered nearly as often as is said (95 %; some ten blocks give 90)."""
    one_line = replace(table(), lines=((1.0, 0.0),))
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        x = rng.standard_normal(61)
        said = opinion((x[1:] + x[:-1]) / 2, one_line)
        inside += said.low <= 0.5 <= said.high
    assert 0.85 <= inside / 200 <= 0.99


def test_nothing_heard_says_the_prior_and_everything_around_it() -> None:
    said = opinion(np.zeros(0), table(), 0.2)
    assert (said.llr, said.probability, said.low, said.high) == (0.0, 0.2, 0.0, 1.0) and said.clear < ALWAYS


# --- the answer ---


def test_real_synthetic_and_cannot_tell(judge: Judge) -> None:
    real, fake = judge.answer(voice(6.0)), judge.answer(whistled(voice(6.0)))
    assert (
        real.verdict == REAL
        and real.llr == pytest.approx(2.0)
        and real.probability == pytest.approx(expit(-2))
    )
    assert fake.verdict == SYNTHETIC and fake.llr == pytest.approx(-2.0) and fake.spans == ((0.0, 6.0),)
    assert not real.reasons and not real.spans and not fake.reasons
    doubtful = judge.answer(whistled(voice(9.0), 0, 4.5))
    assert doubtful.verdict == UNSURE and "evidence is too weak" in doubtful.reasons[0]
    assert judge.answer(noise(3.0)).reasons == ("No speech was found.",)


def test_each_side_of_quality_can_be_the_reason(tmp_path: Path) -> None:
    clip = voice(4.0)
    rng = np.random.default_rng(0)
    loud = clip.replace(clip.samples + 0.02 * rng.standard_normal(clip.samples.size))
    top = 0.05 * np.abs(clip.samples).max()
    for axis, cells, heard, said in (
        ("speech_seconds", (0,), Clip(clip.samples[:9_000], 16_000), "Too little speech"),
        ("snr_db", (1, 2), loud, "Too noisy"),
        ("bandwidth_hz", (0,), voice(4.0, rate=8_000), "Too narrow a band"),
        ("clipping_share", (2,), clip.replace(np.clip(clip.samples, -top, top)), "Clipped too much"),
    ):
        strict = toy_judge(tmp_path / axis, bad={axis: cells})
        answer = strict.answer(heard)
        assert answer.verdict == UNSURE and answer.reasons[0].startswith(said), (axis, answer.reasons)
        assert toy_judge(tmp_path / "free").answer(heard).verdict != UNSURE, axis


def test_the_timeline_and_the_spans_show_where(long: Answer) -> None:
    starts = np.array([w.start for w in long.timeline])
    assert np.allclose(np.diff(starts[:-1]), 32_300 / 16_000) and long.timeline[-1].end == pytest.approx(30.0)
    assert all(w.end - w.start == pytest.approx(4.0375) for w in long.timeline)
    ((start, end),) = long.spans
    assert abs(start - 10) < 2.1 and abs(end - 20) < 2.1  # to half a window
    for w in long.timeline:
        assert w.probability == pytest.approx(expit(-w.llr))
    assert "▇" in strip(long) or "█" in strip(long)


def test_spans_leave_out_silence_and_join_neighbours() -> None:
    starts = np.arange(6) * 32_300
    heard = Listened(starts, starts + 64_600, np.zeros(6), np.array([4.0, 4, 0, 0, 4, 4]), None)  # type: ignore[arg-type]
    found = spans(heard, np.array([2.0, 2, 9, 9, 2, -5]), 1.0)
    seconds = 32_300 / 16_000
    assert np.allclose(found, ((0.0, 3 * seconds), (4 * seconds, 5 * seconds)))
    assert (
        spans(heard, np.full(6, 0.7), 1.0) == ()
    )  # where two windows lie, their mean counts and not their sum


def test_a_file_and_the_same_samples_get_the_same_answer(judge: Judge, tmp_path: Path) -> None:
    clip = whistled(voice(9.0, rate=44_100), 3, 6)
    save_audio(clip, tmp_path / "a.wav")
    one, other = judge.answer(tmp_path / "a.wav", "same"), judge.answer(clip, "same")
    assert one == other


def test_answers_survive_json_and_have_the_promised_shape(long: Answer) -> None:
    text = json.dumps(long.as_dict(), allow_nan=False)
    assert Answer.from_dict(json.loads(text)) == long
    values = json.loads(text)
    assert list(values) == [
        "path", "seconds", "verdict", "probability", "low", "high", "llr", "detector", "prior", "reasons", "timeline", "spans",
        "quality", "reliability",
    ]  # fmt: skip
    assert set(values["timeline"][0]) == {"start", "end", "llr", "probability", "speech"}
    for broken in ({}, {**values, "quality": {}}, {**values, "timeline": [1]}, {**values, "more": 1}):
        with pytest.raises(BadScores, match="no answer"):
            Answer.from_dict(broken)


def test_a_detector_of_another_rate_is_given_its_own(tmp_path: Path) -> None:
    (tmp_path / "d.py").write_text(
        "import spoofproof\n@spoofproof.detector(rate=8000, seconds=2.0)\ndef narrow(_: str = '') -> spoofproof.Detector:\n"
        "    'Says which rate and length it is given, for the test.'\n"
        "    return lambda clips: [c.rate + c.seconds for c in clips]\n"
    )
    spec = registry.detectors[f"{tmp_path}/d.py:narrow"]
    heard = listen(voice(5.0), spec.make(), spec)
    assert np.allclose(heard.scores, 8002.0) and heard.starts.tolist() == [0, 16_000, 32_000, 48_000]


def test_scores_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    name, _ = write(tmp_path)
    spec = registry.detectors[name]
    for answers, said in (
        (lambda c: [float("nan")] * len(c), "no number"),
        (lambda c: [[1.0, 2.0]], "shape"),
    ):
        with pytest.raises(BadScores, match=said):
            listen(voice(1.0), answers, spec)


# --- reliability ---


def test_a_cell_that_is_better_than_a_good_one_is_usable_and_a_worse_one_is_not() -> None:
    assert usable([False, True, False], low_is_bad=True) == [False, True, True]
    assert usable([False, True, False], low_is_bad=False) == [True, True, False]


def test_reliability_is_that_of_the_worst_cell_in_words(long: Answer) -> None:
    some = table()
    cells = [
        replace(c, misses=replace(c.misses, value=0.167), accuses=replace(c.accuses, value=0.5))  # type: ignore[type-var]
        if c.axis == "hole_share" and c.low == 0.015
        else c
        for c in some.cells
    ]
    coded = replace(long.quality, hole_share=0.02)
    found = lookup(coded, replace(some, cells=tuple(cells)))
    assert found is not None and "compression" in found.quality and found.n_synthetic == 100
    assert "missed 1 in 6 synthetic clips and accused 1 in 2 real ones" in found.text
    other = lookup(replace(coded, hole_share=0.0), replace(some, cells=tuple(cells)))
    assert other is not None and "missed 1 in 10 synthetic clips and accused 1 in 5 real ones" in other.text
    assert lookup(coded, replace(some, cells=())) is None


@pytest.mark.parametrize(
    ("share", "n", "text"),
    [(0.0, 9, "none of 9"), (0.02, 100, "1 in 50"), (0.34, 99, "1 in 3"), (0.97, 30, "nearly all of 30"), (1.0, 5, "all 5")],
)  # fmt: skip
def test_shares_in_words(share: float, n: int, text: str) -> None:
    assert one_in(share, n) == text


def test_cells_meet_without_gaps_and_every_value_has_one(long: Answer) -> None:
    for axis in AXES:
        assert list(axis.edges) == sorted(set(axis.edges))
        for k, (low, high) in enumerate(zip(axis.edges[:-1], axis.edges[1:], strict=True)):
            field = replace(long.quality, **{axis.name: low})
            assert axis.cell(field) == k and axis.say(low, high)
        assert axis.cell(replace(long.quality, **{axis.name: 2 * axis.edges[-1]})) == len(axis.edges) - 2


# --- the table and how it is made ---


def rows(effect: float, n: int = 40, seed: int = 0) -> list[Row]:
    """Scores of n clips a class under every condition: real ones N(effect, 1), synthetic N(-effect, 1); at 5 dB of SNR N(0, 1)."""
    rng = np.random.default_rng(seed)
    good = toy_judge_quality()
    found = []
    for condition in CONDITIONS:
        noisy = condition.endswith("noise@5")
        quality = replace(good, snr_db=2.0 if noisy else 45.0)
        for k in range(n):
            for label, sign in (("bonafide", 1), ("spoof", -1)):
                trial = Trial(
                    f"{label}{k}",
                    Path("x"),
                    label,
                    f"s{k % 10}",
                    "" if sign > 0 else f"g{k % 5}",
                    source=f"c{k % 2}",
                )  # type: ignore[arg-type]
                score = (0.0 if noisy else sign * effect) + rng.standard_normal()
                found.append(Row(trial, condition, (float(score),), quality))
    return found


def toy_judge_quality():  # type: ignore[no-untyped-def]
    from spoofproof.detect.quality import QualityMeter

    meter, clip = QualityMeter(16_000), voice(4.0)
    meter.raw(clip.samples[:, None], clip.samples)
    meter.heard(clip.samples)
    return meter.quality()[0]


def test_a_fitted_table_is_calibrated_and_knows_where_the_detector_is_a_coin() -> None:
    made = fit_table(rows(1.0, n=80), "toy", "", {})
    assert made.scale == pytest.approx(2.0, rel=0.35)  # the llr of N(1, 1) against N(-1, 1) is 2 x
    assert abs(made.offset) < 0.6
    cells = {(c.axis, c.low): c for c in made.cells}
    assert not cells["snr_db", -20.0].usable and cells["snr_db", 30.0].usable
    worst, best = cells["snr_db", -20.0], cells["snr_db", 30.0]
    assert worst.misses is not None and best.misses is not None and best.accuses is not None
    assert worst.misses.value == pytest.approx(0.5, abs=0.1)
    assert best.misses.value == pytest.approx(0.159, abs=0.07)  # Phi(-1)
    assert best.accuses.low < best.accuses.value < best.accuses.high
    assert made.clear >= 0 and made.span >= 0
    judged = judged_by(made, rows(1.0, n=20, seed=5))
    assert all(
        j.clear == ALWAYS
        for j, row in zip(judged, rows(1.0, n=20, seed=5), strict=True)
        if row.quality.snr_db == 2.0
    )
    assert Table.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_a_coin_gets_no_table_and_neither_does_one_class() -> None:
    with pytest.raises(BadScores, match="no better than a coin"):
        fit_table(rows(-1.0), "toy", "", {})
    with pytest.raises(BadScores, match="both classes"):
        fit_table([row for row in rows(1.0) if row.trial.label == "spoof"], "toy", "", {})


def judged_at_random(n: int = 3000) -> list[Judged]:
    """Wrong with the probability that a calibrated distance says: risk falls with distance, in closed form."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(n):
        label = ("bonafide", "spoof")[k % 2]
        clear = float(rng.uniform(0, 4))
        wrong = rng.random() < expit(-clear)
        trial = Trial(str(k), Path("x"), label, f"s{k % 30}", "" if k % 2 == 0 else f"g{k % 7}")  # type: ignore[arg-type]
        found.append(Judged(trial, clear, (label == "spoof") != wrong))
    return found


def test_abstaining_lowers_the_risk_at_every_step_of_a_calibrated_curve() -> None:
    found = curve(judged_at_random())
    coverage, risk = [p.coverage for p in found], [p.risk for p in found]
    assert coverage[0] == 1.0 and all(a >= b for a, b in pairwise(coverage))
    rough = risk[1:-3]
    assert all(a >= b - 0.01 for a, b in pairwise(rough)), risk
    for p in found[1:-4]:  # mean of expit(-x) over p.clear to 4
        exact = (np.log1p(np.exp(-p.clear)) - np.log1p(np.exp(-4))) / (4 - p.clear)
        assert p.risk == pytest.approx(exact, abs=0.03) and p.low <= p.risk <= p.high


def test_both_classes_weigh_alike_in_risk_and_coverage() -> None:
    def some(label: str, n: int, right: int) -> list[Judged]:
        return [
            Judged(
                Trial(f"{label}{k}", Path("x"), label),
                1.0 if k % 2 else 3.0,
                (label == "spoof") == (k < right),
            )  # type: ignore[arg-type]
            for k in range(n)
        ]

    (point,) = points([*some("bonafide", 10, 5), *some("spoof", 100, 100)], [0.0])
    assert point.coverage == 1 and point.risk == pytest.approx(0.25)
    (half,) = points([*some("bonafide", 10, 10), *some("spoof", 100, 100)], [2.0])
    assert half.coverage == pytest.approx(0.5) and half.risk == 0


def test_how_much_abstaining_lowers_the_risk_is_paired() -> None:
    def some(label: str, hard: float, easy: float) -> list[Judged]:
        """200 clips: half of them near even odds, of which the share ``hard`` is wrong, half clear, ``easy`` of them."""
        rates = [(1.0, hard)] * 100 + [(3.0, easy)] * 100
        return [
            Judged(
                Trial(f"{label}{k}", Path("x"), label),  # type: ignore[arg-type]
                clear,
                (label == "spoof") == (k % 100 >= 100 * rate),
            )
            for k, (clear, rate) in enumerate(rates)
        ]

    helps = [*some("bonafide", 0.5, 0.1), *some("spoof", 0.5, 0.1)]
    nothing, all_of_it, none_left = drops(helps, [ALWAYS, 2.0, 2.5], count=2000)
    assert nothing == (0.0, 0.0, 0.0)  # against itself, in every resample
    assert all_of_it == none_left and all_of_it[0] == pytest.approx(0.2)
    # half of (rate of the hard - rate of the easy): its deviation is that of two rates of 200 clips each
    deviation = np.sqrt((0.5 * 0.5 + 0.1 * 0.9) / 200) / 2
    assert all_of_it[1] == pytest.approx(0.2 - 1.96 * deviation, abs=0.01)
    assert all_of_it[2] == pytest.approx(0.2 + 1.96 * deviation, abs=0.01)
    ((drop, low, high),) = drops([*some("bonafide", 0.3, 0.3), *some("spoof", 0.3, 0.3)], [2.0])
    assert drop == pytest.approx(0.0) and low < -0.02 and high > 0.02
    assert drops(helps, [5.0]) == ()


def test_the_distance_is_the_least_from_which_the_risk_stays_low() -> None:
    def at(clear: float, coverage: float, risk: float) -> Point:
        return Point(clear, coverage, risk, 0, 1)

    some = [
        at(ALWAYS, 1, 0.4),
        at(0, 0.8, 0.15),
        at(0.5, 0.6, 0.25),
        at(1, 0.4, 0.19),
        at(2, 0.2, 0.1),
        at(3, 0.05, 0.9),
    ]
    assert choose(some, 0.2) == 1
    assert choose(some, 0.05) == 2  # never that low: the least risk that answers a tenth
    assert choose([at(ALWAYS, 1, 0.0)], 0.2) == 0


def test_the_shipped_detector_has_a_table_of_its_own_weights_from_dev_alone() -> None:
    spec = registry.detectors[DETECTOR]
    found = load(DETECTOR, spec)
    assert found.weights == spec.card()["weights"] and found.made["part"] == "dev"
    assert len(found.lines) == 100 and len(found.curve) > 5
    assert [c.axis for c in found.cells] == [a.name for a in AXES for _ in a.edges[1:]]


def test_tables_of_others_are_refused(tmp_path: Path) -> None:
    name, file = write(tmp_path)
    spec = registry.detectors[name]
    assert load(name, spec, file) == table(name)
    with pytest.raises(MissingPart, match="--table FILE"):
        load(name, spec)
    with pytest.raises(SpoofproofError, match="was made for"):
        load(DETECTOR, registry.detectors[DETECTOR], file)
    values = json.loads(file.read_text())
    for change, said in (
        ({"weights": "abc"}, "other weights"),
        ({"kind": "x"}, "no abstention table"),
        ({"lines": []}, "no lines"),
    ):
        file.write_text(json.dumps({**values, **change}))
        with pytest.raises(SpoofproofError, match=said):
            load(name, spec, file)
    file.write_text("{")
    with pytest.raises(SpoofproofError, match="cannot be read as JSON"):
        load(name, spec, file)


def test_rows_are_kept_and_taken_up_again(tmp_path: Path) -> None:
    name, _ = write(tmp_path)
    spec = registry.detectors[name]
    trials = []
    for k, label in enumerate(("bonafide", "spoof", "bonafide", "spoof")):
        save_audio(voice(2.0, seed=k), tmp_path / f"{k}.wav")
        trials.append(Trial(f"t{k}", tmp_path / f"{k}.wav", label))  # type: ignore[arg-type]
    heard: list[int] = []

    def counting(clips):  # type: ignore[no-untyped-def]
        heard.extend(c.samples.size for c in clips)
        return [1.0] * len(clips)

    conditions = ("clean", "gaussian_noise@10", "crop@0.6", "crop@0.3")
    first = hear_rows(trials, conditions, counting, spec, most=1, kept=tmp_path / "kept", weights="w")
    assert len(heard) == len(first) == 4 + 2 + 2  # crops of 0.3 s are shorter than anybody may ask about
    assert set(heard) == {32_000, 9_600}
    with (tmp_path / "kept").open("a") as out:
        out.write('{"half')
    assert hear_rows(trials, conditions, counting, spec, most=1, kept=tmp_path / "kept", weights="w") == first
    assert len(heard) == 8  # nothing is heard twice
    hear_rows(trials, ("clean",), counting, spec, kept=tmp_path / "kept", weights="other")
    assert len(heard) == 8 + 4


# --- for people and programs ---


def test_the_text_says_it_at_a_glance(long: Answer, judge: Judge) -> None:
    said = "\n".join(lines(long))
    for word in (
        long.verdict.upper(),
        percent(long.probability),
        "95 % interval",
        "SNR",
        "kHz",
        "0:10",
        "how far to trust",
    ):
        assert word in said
    assert "because: No speech was found." in "\n".join(lines(judge.answer(noise(2.0))))
    assert [clock(x) for x in (0, 4.24, 65, 3723)] == ["0:00.0", "0:04.2", "1:05.0", "1:02:03"]
    assert [percent(x) for x in (0, 0.001, 0.5, 0.999, 1)] == ["0 %", "<1 %", "50 %", ">99 %", "100 %"]


def test_the_page_is_whole_and_escapes_what_it_shows(long: Answer) -> None:
    evil = replace(long, path='<script>alert(1)</script>".wav')
    shown = page([evil, long], {"<b>.wav": "no <i>sound</i>"})
    assert "<script" not in shown and "&lt;script&gt;" in shown and "<i>" not in shown
    assert "http" not in shown and shown.count("<article>") == 3 and long.verdict.capitalize() in shown
    assert picture(long).count("polyline") == len(long.timeline) - 1
    page([replace(long, path=os.fsdecode(b"\xff.wav"))], {}).encode()


def test_json_and_csv_hold_every_answer(long: Answer) -> None:
    document = json.loads(as_json([long], {"b.wav": "empty"}))
    assert document["schema"] == "spoofproof.detect/1"
    assert Answer.from_dict(document["answers"][0]) == long
    assert document["failed"] == [{"path": "b.wav", "error": "empty"}]
    header, one, failed = csv.reader(
        io.StringIO(as_csv([replace(long, path='a,"b"\n.wav')], {"b.wav": "empty"}))
    )
    assert tuple(header) == COLUMNS and one[0] == 'a,"b"\n.wav' and float(one[2]) == long.probability
    assert dict(zip(header, failed, strict=True))["error"] == "empty"
    as_json([replace(long, path=os.fsdecode(b"\xff.wav"))], {}).encode()


@pytest.mark.parametrize(
    ("verdicts", "failed", "code"),
    [((REAL,), 0, 0), ((REAL, UNSURE), 0, 4), ((UNSURE, SYNTHETIC, REAL), 0, 3), ((SYNTHETIC,), 1, 2), ((), 1, 2)],
)  # fmt: skip
def test_exit_codes(verdicts: tuple[str, ...], failed: int, code: int, long: Answer) -> None:
    answers = tuple(replace(long, verdict=v) for v in verdicts)  # type: ignore[arg-type]
    assert Batch(answers, {str(k): "x" for k in range(failed)}).exit_code == code


def test_nothing_in_a_name_reaches_the_terminal_as_a_command() -> None:
    assert _printable("a\x1b[31m\nb\u202e.wav") == "a\\x1b[31m\\nb\\u202e.wav"
    assert _printable("日本 é") == "日本 é"
    _printable(os.fsdecode(b"\xff")).encode()


def test_a_batch_goes_on_where_it_was_and_hears_what_changed(judge: Judge, tmp_path: Path) -> None:
    files = []
    for k in range(4):
        files.append(str(tmp_path / f"{k}.wav"))
        save_audio(voice(1.0, seed=k), Path(files[-1]))
    heard: list[str] = []

    class Stop(Exception):
        pass

    def tell(path: str, found: object) -> None:
        heard.append(path)
        if len(heard) == 2:
            raise Stop

    out = tmp_path / "out"
    with pytest.raises(Stop):
        detect_all(judge, files, out=out, tell=tell)
    kept = {p: p.stat().st_mtime_ns for p in (out / "answers").iterdir()}
    assert len(kept) == 2
    (tmp_path / "3.wav").write_text("broken")
    again = detect_all(judge, files, out=out)
    assert (again.kept, len(again.answers), list(again.failed)) == (2, 3, files[3:])
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    save_audio(whistled(voice(1.0)), tmp_path / "0.wav")
    save_audio(voice(1.0, seed=3), tmp_path / "3.wav")
    third = detect_all(judge, files, out=out)
    assert third.kept == 2 and not third.failed
    assert [a.verdict for a in third.answers] == [SYNTHETIC, REAL, REAL, REAL]
    assert third.answers == detect_all(judge, files).answers
    next(iter(kept)).write_text("{")  # a damaged answer is given again
    assert detect_all(judge, files, out=out).answers == third.answers
    with pytest.raises(RunConflict, match="another prior"):
        detect_all(replace(judge, prior=0.2), files, out=out)


# --- the command ---


def spoofproof_detect(
    *args: object, cwd: Path, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "spoofproof", "detect", *map(str, args)]
    return subprocess.run(command, capture_output=True, cwd=cwd, input=stdin, timeout=300)


def test_the_command_end_to_end(tmp_path: Path) -> None:
    name, file = write(tmp_path / "toy")
    toy = ("--detector", name, "--table", file)
    save_audio(voice(5.0), tmp_path / "real.flac")
    encode(whistled(voice(5.0, rate=48_000)), tmp_path / "fake.m4a", "aac", rate=48_000)
    (tmp_path / "bad.wav").write_text("text")
    both = spoofproof_detect("real.flac", "fake.m4a", *toy, "--html", "page.html", cwd=tmp_path)
    said = both.stdout.decode()
    assert both.returncode == 3, both.stderr
    assert (
        "LIKELY REAL" in said
        and "LIKELY SYNTHETIC" in said
        and "Likely synthetic" in (tmp_path / "page.html").read_text()
    )
    piped = spoofproof_detect("-", "--json", *toy, cwd=tmp_path, stdin=(tmp_path / "real.flac").read_bytes())
    assert piped.returncode == 0, piped.stderr
    assert json.loads(piped.stdout)["answers"][0]["path"] == "-"
    listed = spoofproof_detect(".", "--csv", *toy, "--out", "out", cwd=tmp_path)
    assert listed.returncode == 2 and b"Traceback" not in listed.stderr
    found = {row["path"]: row for row in csv.DictReader(io.StringIO(listed.stdout.decode()))}
    assert found["real.flac"]["verdict"] == REAL and "looks like text" in found["bad.wav"]["error"]
    assert (tmp_path / "out" / "answers.csv").read_bytes() == listed.stdout and (
        tmp_path / "out" / "answers.html"
    ).exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("gone.wav",), "no such file"),
        (("*.xyz",), "nothing matches"),
        (("https://localhost/x.wav",), "--allow-url"),
        (("x.wav", "--detector", "lfcc-lcm"), "Did you mean lfcc-lcnn"),
        (("x.wav", "--prior", "1"), "between 0 and 1"),
    ],
)  # fmt: skip
def test_bad_use_is_a_sentence_and_exit_code_2(args: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = spoofproof_detect(*args, cwd=tmp_path)
    text = re.sub(r"\s+", " ", (done.stdout + done.stderr).decode())
    assert done.returncode == 2 and said in text and "Traceback" not in text, text


def test_a_run_that_is_killed_keeps_what_it_answered(tmp_path: Path) -> None:
    name, file = write(tmp_path / "toy")
    toy = tmp_path / "toy" / "toy.py"
    waits = (
        "while Path('stop').exists() and len(list(Path('out/answers').glob('*.json'))) > 3: time.sleep(0.1)"
    )
    toy.write_text(
        toy.read_text()
        .replace("import numpy", "import time\nfrom pathlib import Path\nimport numpy")
        .replace("        out = []\n", f"        {waits}\n        out = []\n")
    )
    (tmp_path / "stop").touch()
    for k in range(60):
        save_audio(voice(1.0, seed=k % 3), tmp_path / "in" / f"{k:02}.wav")
    command = [
        sys.executable,
        "-m",
        "spoofproof",
        "detect",
        "in",
        "--out",
        "out",
        "--detector",
        name,
        "--table",
        str(file),
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("out/answers/*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "stop").unlink()
    done = {p: p.stat().st_mtime_ns for p in tmp_path.glob("out/answers/*.json")}
    assert 3 <= len(done) < 60
    again = spoofproof_detect(
        "in", "--out", "out", "--json", "--detector", name, "--table", file, cwd=tmp_path
    )
    assert again.returncode == 0, again.stderr
    assert len(json.loads(again.stdout)["answers"]) == 60
    assert f"{len(done)} of 60 answers were there already".encode() in again.stderr
    assert {p: p.stat().st_mtime_ns for p in done} == done


def test_the_python_call_answers_files_and_clips_with_the_shipped_detector(tmp_path: Path) -> None:
    save_audio(voice(3.0), tmp_path / "a.wav")
    answer = spoofproof.detect(tmp_path / "a.wav", prior=0.3)
    assert isinstance(answer, spoofproof.Answer)
    assert (
        answer.detector == DETECTOR
        and answer.prior == 0.3
        and 0 <= answer.low <= answer.probability <= answer.high <= 1
    )
    import spoofproof.detect as room  # the room has the name of the function, and is one

    assert room.detect(voice(3.0), prior=0.3).llr == spoofproof.detect(voice(3.0)).llr == answer.llr
