"""Studies: the answers are known, the folders remember, and the reports say what the numbers say.

1. severity: levels of a known psychometric curve, non-monotone and unreachable ones, steps, kinds and two sides
2. intervals over seeds and trials: coverage by simulation
3. whole studies on toys: known effects are found, resumed runs hear nothing again, reports hold the numbers
"""

from __future__ import annotations

import csv
import json
import math
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from signals import voice
from spoofproof import cell, registry
from spoofproof.audio import save_audio
from spoofproof.errors import BadCorpus, BadPlan, BadScores, RunConflict, SpoofproofError, UnknownName
from spoofproof.plan import Plan, expand
from spoofproof.report.study import Column, Page, Section, Table, write_page
from spoofproof.report.study_plots import Curve, Point, Row, curves, forest, scatter
from spoofproof.scores import ScoreTable
from spoofproof.studies import augment, common, parameters, politics, recipes, size
from spoofproof.studies.axis import Axis, axes
from spoofproof.studies.calibrate_severity import calibrate_severity
from spoofproof.studies.enhance import noisy, study_enhance
from spoofproof.studies.seeds import over_seeds
from spoofproof.studies.severity import BUDGET, Search, search
from spoofproof.train.recipe import Recipe
from spoofproof.types import Clip, Estimate, Trial
from toys import write_corpus, write_detectors

# --- severity: the search alone -------------------------------------------------------------------------------------


def run_search(
    axis: Axis, accuracy: Callable[[float], float], targets: Sequence[float], clean: float = 1.0
) -> tuple[Search, list[float]]:
    """Answer a search from a function; also every level that was asked for, in order."""
    asking = search(axis, targets, clean)
    asked: list[float] = []
    wanted = next(asking)
    while True:
        asked += wanted
        try:
            wanted = asking.send({level: accuracy(level) for level in wanted})
        except StopIteration as end:
            return end.value, asked


def falling(middle: float, slope: float) -> Callable[[float], float]:
    """A psychometric curve from 1 to one half: half-way at ``middle``."""
    return lambda level: 0.5 + 0.5 / (1 + math.exp((level - middle) / slope))


UP = Axis("made_up", "", (1.0, 2.0, 4.0, 6.0, 8.0), milder=(0.5, 0.25), severer=(12.0, 16.0))
SNR = Axis("made_up", "", (40.0, 30.0, 20.0, 10.0, 5.0), milder=(50.0, 60.0), severer=(0.0, -5.0))


@pytest.mark.parametrize("middle", [2.4, 3.0, 5.5, 7.7])
def test_targets_of_a_known_curve_are_hit_within_two_points_in_twelve_evaluations(middle: float) -> None:
    curve = falling(middle, 0.7)
    for axis, accuracy in ((UP, curve), (SNR, lambda x: curve(8.0 - x / 5))):
        found, asked = run_search(axis, accuracy, [0.95, 0.85, 0.70])
        assert len(asked) == len(set(asked))
        for f in found.found:
            assert f.level is not None and f.note == "reached"
            assert abs(accuracy(f.level) - f.target) <= 0.02 and f.accuracy == accuracy(f.level)
            assert f.evaluations <= BUDGET
        levels = [f.level for f in found.found]
        assert levels == sorted(levels, reverse=axis.order < 0)  # type: ignore[type-var]
        assert found.monotone


def test_levels_beyond_the_published_ones_are_tried_when_they_are_needed() -> None:
    early = falling(0.6, 0.1)  # 0.95 lies at 0.38: milder than the mildest published level
    found, _ = run_search(UP, early, [0.95])
    assert found.found[0].level is not None and found.found[0].level < 1.0
    late = falling(10.0, 0.5)
    found, asked = run_search(UP, late, [0.70])
    assert found.found[0].level == pytest.approx(10.2, abs=0.3)
    assert 16.0 not in asked  # 12 was enough


def test_targets_that_mean_nothing_say_so() -> None:
    found, asked = run_search(UP, falling(3.0, 0.7), [0.99, 0.5, 0.3], clean=0.96)
    notes = [f.note for f in found.found]
    assert "above the accuracy on clean audio (96.0 %)" in notes[0]
    assert "at or below chance" in notes[1] and "at or below chance" in notes[2]
    assert all(f.level is None and math.isnan(f.accuracy) for f in found.found)
    assert set(asked) == set(UP.first)


def test_a_target_that_is_never_reached_says_where_it_stays() -> None:
    found, _ = run_search(UP, lambda x: 0.9, [0.7])
    assert found.found[0].level is None and found.found[0].note == "never reached: still 90.0 % at 1"
    found, _ = run_search(UP, lambda x: 0.6, [0.7])
    assert (
        found.found[0].level is None and "already at 60.0 % at the mildest level, 0.25" in found.found[0].note
    )


def test_a_jump_is_called_a_jump() -> None:
    found, _ = run_search(UP, lambda x: 0.95 if x < 3 else 0.55, [0.7])
    note = found.found[0].note
    assert "jumps from 95.0 %" in note and "to 55.0 %" in note


def test_a_response_that_rises_again_is_flagged_and_the_mildest_crossing_counts() -> None:
    def dip(level: float) -> float:
        return 1 - 0.45 * math.exp(-(((level - 2.5) / 0.8) ** 2)) - 0.04 * level

    found, _ = run_search(UP, dip, [0.85])
    assert not found.monotone and found.rise > 0.2
    assert found.found[0].level == pytest.approx(1.6, abs=0.3)
    assert abs(dip(found.found[0].level or 0) - 0.85) <= 0.02


def test_steps_take_the_nearest_level_there_is() -> None:
    steps = (48.0, 40.0, 32.0, 24.0, 16.0, 8.0)
    axis = Axis("made_up", "", (40.0, 24.0, 8.0), steps=steps, milder=(48.0,))
    asked_of: list[float] = []

    def accuracy(level: float) -> float:
        asked_of.append(level)
        return {48.0: 0.97, 40.0: 0.9, 32.0: 0.84, 24.0: 0.79, 16.0: 0.66, 8.0: 0.55}[level]

    found, _ = run_search(axis, accuracy, [0.85, 0.72])
    assert [f.level for f in found.found] == [32.0, 16.0]
    assert found.found[0].note == "reached" and "nearest available, −6.0 points off" in found.found[1].note
    assert set(asked_of) <= set(steps)


def test_kinds_are_all_heard_and_the_nearest_is_named() -> None:
    axis = Axis("made_up", "", (0.0, 1.0, 2.0), kinds=True)
    found, asked = run_search(axis, lambda x: {0.0: 0.7, 1.0: 0.9, 2.0: 0.6}[x], [0.88, 0.62])
    assert [f.level for f in found.found] == [1.0, 2.0] and asked == [0.0, 1.0, 2.0] and found.monotone


def test_a_search_asks_the_same_every_time() -> None:
    first, again = (run_search(UP, falling(3.3, 0.4), [0.95, 0.85, 0.7]) for _ in range(2))
    assert first == again


def test_axes_of_real_corruptions_go_from_mild_to_severe() -> None:
    (low_pass,) = axes(registry.corruptions["low_pass"])
    assert low_pass.order == -1 and low_pass.milder[0] > 0.5 and 0 < low_pass.severer[-1] < 0.1
    assert not low_pass.steps and low_pass.between(0.5, 0.4) == 0.45
    below, above = axes(registry.corruptions["pitch_shift"])
    assert (below.side, above.side) == ("below", "above")
    assert below.first == (-0.5, -1.0, -2.0) and above.first == (0.5, 1.0, 2.0)
    assert all(-0.5 < x < 0 for x in below.milder) and all(x > 2 for x in above.severer)
    slow, fast = axes(registry.corruptions["time_stretch"])
    assert slow.first == (0.9, 0.7) and all(0.9 < x < 1 for x in slow.milder) and fast.first[0] == 1.1
    (mp3,) = axes(registry.corruptions["mp3"])
    assert {160.0, 56.0, 40.0, 8.0} <= set(mp3.steps) and 41.0 not in mp3.steps
    assert mp3.milder[0] == 48.0 and mp3.milder[-1] == 160.0 and mp3.order == -1
    assert mp3.between(40.0, 8.0) in mp3.steps and mp3.between(16.0, 8.0) is None
    (quantization,) = axes(registry.corruptions["quantization"])
    assert all(x == round(x) for x in quantization.steps)
    assert all(f"{x:g}" == f"{float(f'{x:g}'):g}" and float(f"{x:g}") == x for x in quantization.steps)
    (noise,) = axes(registry.corruptions["gaussian_noise"])
    assert noise.severer[:2] == (0.0, -5.0) and not noise.ratio
    (kinds,) = axes(registry.corruptions["telephone"])
    assert kinds.kinds


# --- severity: a detector whose curve is known, through the engine ----------------------------------------------------

SYNTHETIC = '''
"""A corruption that writes its level into a clip, and a detector that errs on as many clips as its curve says."""
import numpy as np
import spoofproof


@spoofproof.corruption(family="modification", unit="steps", levels=[1, 2, 4, 6, 8], margin=0.0)
def marked(clip, level, rng):
    """Writes its level into the third sample."""
    x = clip.samples.copy()
    x[2] = level
    return clip.replace(x)


@spoofproof.detector(rate=16_000)
def psychometric(argument: str = "") -> spoofproof.Detector:
    """Right with probability 1 - error(level), where each clip has its own fixed luck."""

    def score(clips):
        out = []
        for clip in clips:
            sign, luck, level = clip.samples[:3]
            error = 0.5 / (1 + np.exp((4 - level) / 0.8)) if level else 0.0
            out.append(float(np.sign(sign) * (1 if luck > error else -1)))
        return out

    return score
'''


@pytest.fixture(scope="module")
def lucky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Trial]]:
    """100 eval clips and 12 dev clips that hold their label and their luck."""
    folder = tmp_path_factory.mktemp("lucky")
    (folder / "made.py").write_text(SYNTHETIC)
    trials = []
    for part, count in (("eval", 50), ("dev", 6)):
        for i in range(count):
            for label, sign in (("bonafide", 0.5), ("spoof", -0.5)):
                x = np.zeros(200, np.float32)
                x[:2] = sign, (i + 0.5) / count
                path = folder / f"{part}-{label}-{i}.wav"
                save_audio(Clip(x, 16_000), path)
                trials.append(Trial(path.stem, path, label, speaker=f"{label}{i % 20}", part=part))  # type: ignore[arg-type]
    return folder / "made.py", trials


def test_levels_of_a_known_detector_are_found_written_and_remembered(
    lucky: tuple[Path, list[Trial]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, trials = lucky
    detector, corruption = f"{file}:psychometric", f"{file}:marked"
    page = calibrate_severity(detector, trials, tmp_path / "a", corruptions=[corruption], count=100)
    known = json.loads((tmp_path / "a" / "severity.json").read_text())["corruptions"][corruption]["levels"]
    for name, target in (("low", 0.95), ("medium", 0.85), ("high", 0.70)):
        truth = 4 - 0.8 * math.log(0.5 / (1 - target) - 1)
        assert known[name]["level"] == pytest.approx(truth, abs=0.25)
        assert known[name]["accuracy"] == pytest.approx(target, abs=0.02)
        assert known[name]["evaluations"] <= 12
    plan = Plan.load(str(tmp_path / "a" / "severity.toml"))
    assert set(plan.conditions) == {"clean", *(level["condition"] for level in known.values())}
    row = page.tables[0].rows[0]
    shown = row[5]
    assert isinstance(shown, Estimate) and shown.low < shown.value < shown.high
    before = everything(tmp_path / "a")
    calibrate_severity(
        detector, trials, tmp_path / "b", targets=[0.85], corruptions=[corruption], count=20, workers=2
    )
    cells = {k: v for k, v in everything(tmp_path / "b").items() if k.endswith(".parquet")}
    assert len(cells) >= 6 and all(before[k] == v for k, v in cells.items())

    def deaf(*_: object) -> None:
        raise AssertionError("heard again")

    monkeypatch.setattr(cell, "open_audio", deaf)
    calibrate_severity(detector, trials, tmp_path / "a", corruptions=[corruption], count=100)
    assert everything(tmp_path / "a") == before
    with pytest.raises(RunConflict, match="other settings \\(seed\\)"):
        calibrate_severity(detector, trials, tmp_path / "a", corruptions=[corruption], seed=1)
    for bad, words in (([], "names no accuracy"), ([85.0], "85 % is 0.85")):
        with pytest.raises(BadPlan, match=words):
            calibrate_severity(detector, trials, tmp_path / "c", targets=bad)


def everything(folder: Path) -> dict[str, bytes]:
    """Every cell and result of a study's folder but the pages (which name their folder)."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.suffix in {".parquet", ".json", ".toml", ".csv"} and p.name != "report.json"
    }


# --- pages -----------------------------------------------------------------------------------------------------------


def test_a_page_says_the_same_in_every_form(tmp_path: Path) -> None:
    e = Estimate(0.125, 0.1, 0.2, 10, 10)
    columns = (
        Column("Name"),
        Column("EER", "share"),
        Column("Change", "points"),
        Column("p", "p"),
        Column("n", "count"),
    )
    rows = (
        ("a <b> | c", e, Estimate(-0.03, -0.05, -0.01, 1, 1), 0.0004, 12345),
        ("none", None, math.nan, 0.5, 0),
    )
    table = Table("things", "Things", columns, rows)
    page = Page(
        "toy", "A <title>", "lead", ("first",), ("but",), (Section("s", "Section", ("text",), (table,)),),
        {"k": "v"}, "spoofproof study toy", {"extra": [math.nan, e]},
    )  # fmt: skip
    assert {p.name for p in write_page(page, tmp_path)} == {
        "report.html",
        "report.md",
        "report.json",
        "things.csv",
    }
    html = (tmp_path / "report.html").read_text()
    assert (
        "A &lt;title&gt;" in html
        and "a &lt;b&gt; | c" in html
        and "12.5\u00a0%<small>10.0–20.0</small>" in html
    )
    assert "http" not in html.split("<style>")[0] and "src=" not in html
    markdown = (tmp_path / "report.md").read_text()
    assert "a <b> \\| c" in markdown and "−3.0 [−5.0 to −1.0]" in markdown and "| <\u00a00.001 |" in markdown
    read = list(csv.DictReader((tmp_path / "tables" / "things.csv").read_text().splitlines()))
    assert (read[0]["EER"], read[0]["EER low"], read[0]["EER high"]) == ("0.125", "0.1", "0.2")
    assert read[1]["EER"] == "" and read[0]["n"] == "12345"
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["tables"]["things"][0]["EER"]["high"] == 0.2 and data["extra"][0] is None
    assert not list(tmp_path.rglob("*.part"))


def test_pictures_hold_their_values_and_survive_gaps() -> None:
    e = Estimate(0.2, 0.1, 0.3, 1, 1)
    picture = str(
        forest(
            [Row("group", head=True), Row("x & y", e), Row("gap"), Row("nan", Estimate(math.nan, 0, 0, 0, 0))]
        )
    )
    assert "x &amp; y: 20.0" in picture and picture.count("<circle") == 1
    assert "+10.0" in str(forest([Row("a", Estimate(0.1, 0.0, 0.2, 1, 1))], points=True, reference=0.0))
    dots = str(scatter([Point("s", 1e5, e, "f"), Point("l", 1e6, e, "f")], x_title="n", y_title="EER"))
    assert dots.count("polyline") == 1 and "100k" in dots and "1M" in dots
    line = str(
        curves([Curve("c", ((1.0, 0.9), (2.0, 0.6)), ((2.0, 0.6, "here"),))], targets=[0.7], x_title="x")
    )
    assert "here" in line and line.count("coin") == 1
    assert (
        not forest([]) and not scatter([], x_title="", y_title="") and not curves([], targets=[], x_title="")
    )


# --- what studies share ----------------------------------------------------------------------------------------------


def test_folders_and_corpora_that_do_not_fit_are_sentences(tmp_path: Path) -> None:
    trials = write_corpus(tmp_path / "corpus", n=1, dev=1, seconds=0.2)
    assert len(common.heard(trials)) == 4
    with pytest.raises(BadCorpus, match="dev holds no spoof"):
        common.heard([t for t in trials if (t.part, t.label) != ("dev", "spoof")])
    common.claim(tmp_path / "s", {"a": 1, "b": (1, 2)})
    common.claim(tmp_path / "s", {"a": 1, "b": [1, 2]})
    with pytest.raises(RunConflict, match=r"other settings \(a, c\)"):
        common.claim(tmp_path / "s", {"a": 2, "b": [1, 2], "c": 0})
    (tmp_path / "s" / "study.json").write_text("{ half")
    with pytest.raises(RunConflict, match="damaged"):
        common.claim(tmp_path / "s", {"a": 1})


def test_what_a_detector_met_in_training_is_left_out_for_all(
    toys: tuple[str, list[Trial]], tmp_path: Path
) -> None:
    detector, trials = toys
    heard = [replace(t, source="emodb_de" if t.id.endswith("0") else "new") for t in trials]
    table = common.score(
        "t", ["lfcc-gmm", detector], ["clean"], heard, tmp_path, seed=1, workers=1, tell=common.quiet
    )
    grid = common.grid_of(table, resamples=20)
    assert {t.source for t in grid.trials} == {"new"} and len(grid.trials) == 14
    (said,) = common.met_words(table, grid)
    assert "2 of 16 eval trials are left out" in said and "emodb_de" in said
    everything = common.grid_of(table, resamples=20, met=True)
    assert len(everything.trials) == 16 and not common.met_words(table, everything)
    all_met = [replace(t, source="emodb_de") for t in trials]
    table = common.score(
        "t", ["lfcc-gmm"], ["clean"], all_met, tmp_path / "x", seed=1, workers=1, tell=common.quiet
    )
    with pytest.raises(BadCorpus, match="0 are left that no detector met"):
        common.grid_of(table, resamples=20)


def test_middle_conditions_are_one_for_each_corruption() -> None:
    found = common.middle_conditions()
    assert "gaussian_noise@20" in found and "low_pass@0.3" in found
    assert len({common.corruption_of(c) for c in found}) == len(found) >= 15
    assert all(expand(c) == [c] for c in found)
    assert common.corruption_of("reverb@0.3+mp3@40") == "reverb@0.3+mp3@40"
    assert common.label("enhanced@dtln/lfcc-gmm") == "enhanced@dtln/lfcc-gmm"
    assert common.label("/a b/c/toys.py:tilt@d/e.npz") == "toys.py:tilt@e.npz"


# --- augment ---------------------------------------------------------------------------------------------------------


def test_intervals_over_seeds_and_trials_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    for seeds, of_trials, of_seeds, clusters in ((3, 0.02, 0.03, 40), (3, 0.03, 0.0, 12), (5, 0.0, 0.03, 40)):
        covered, false = 0, 0
        for _ in range(600):
            each = rng.normal(0, of_trials) + rng.normal(0, of_seeds, seeds)
            drawn = rng.normal(0, of_trials * math.sqrt((clusters - 1) / clusters), 200)
            found = over_seeds(np.column_stack([each, each[:, None] + drawn]), clusters=clusters)
            covered += found.estimate.low <= 0 <= found.estimate.high
            false += found.p < 0.05
            assert (found.p < 0.05) == (not found.estimate.low <= 0 <= found.estimate.high)
        assert 0.93 <= covered / 600 <= 1.0 and false == 600 - covered
    shifted = over_seeds(np.array([[0.3, 0.3, 0.32], [0.31, 0.31, 0.33]]), clusters=30)
    assert shifted.p < 0.05 and shifted.estimate.value == pytest.approx(0.305)
    assert over_seeds(np.array([[0.1, 0.1], [0.5, 0.5]]), clusters=9).unstable
    with pytest.raises(BadScores, match="at least two seeds"):
        over_seeds(np.zeros((1, 5)), clusters=9)


def test_recipe_variants_differ_in_the_augmentation_alone(tmp_path: Path) -> None:
    base = (Path(augment.__file__).parent / "augment.toml").read_text()
    base = base.replace("[live]\n", "[live]\nrawboost = 0.3\nbandwidth = 0.5\nnoise = 0.2\n")
    assert "rawboost = 0.3" in base
    seen, held = ["mp3@16", "low_pass@0.3"], ["opus@16", "reverb@0.3+echo@0.3"]
    made = {
        arm: Recipe.parse(
            recipes.prepared(recipes.variant(base, arm, 7, "manifest:here", seen, held, False)), name="r"
        )
        for arm in (False, True)
    }
    clean, with_ = made[False], made[True]
    assert clean.augment.copies == 1 and clean.augment.conditions == () and clean.live.clean == 1.0
    assert with_.augment.conditions == tuple(seen) and with_.augment.copies >= 2
    for r in (clean, with_):
        assert (
            r.augment.held_out == ("echo", "opus", "reverb")
            and r.seed == 7
            and r.data.corpus == "manifest:here"
        )
        assert (r.live.rawboost, r.live.bandwidth, r.live.noise, r.select.conditions) == (0, 0, 0, ())
    assert (clean.optimiser, clean.network, clean.sampling) == (
        with_.optimiser,
        with_.network,
        with_.sampling,
    )
    quick = Recipe.parse(recipes.prepared(recipes.variant(base, True, 7, "m", seen, held, True)), name="r")
    assert quick.optimiser.epochs < with_.optimiser.epochs
    with pytest.raises(BadPlan, match="held out"):
        recipes.prepared(recipes.variant(base, True, 7, "m", seen, ["low_pass@0.1"], False))
    with pytest.raises(BadPlan, match="not valid TOML"):
        recipes.variant("= 3", True, 7, "m", seen, held, False)
    table = {"a": 'quo"te', "b": [1.5, 2], "c": True, "d": {"e": ["x"], "f": 1e-3}}
    assert tomllib.loads(recipes.toml(table)) == table


GMM_RECIPE = """
detector = "lfcc-gmm"
summary = "toy"
[augment]
copies = 2
copy_synthesis = ["lpc"]
twins = 2
[features]
coefficients = 8
filters = 12
[model]
components = 2
iterations = 2
frames = 2000
"""


def test_two_arms_are_trained_once_scored_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["path,label,part,source,speaker,attack"]
    for t in write_corpus(tmp_path / "corpus", n=6, dev=4, seconds=0.6):
        rows.append(f"{t.path},{t.label},{t.part},{t.part},{t.speaker},{t.attack}")
    for t in write_corpus(tmp_path / "more", n=6, dev=1, seconds=0.5):
        if t.part == "eval":
            rows.append(f"{t.path},{t.label},train,train,{t.speaker},{t.attack}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    corpus = f"manifest:{tmp_path / 'manifest.csv'}"
    trials = registry.read_corpus(corpus)
    (tmp_path / "base.toml").write_text(GMM_RECIPE)
    lists = {"seen": ["gaussian_noise@20"], "held_out": ["low_pass@0.4", "echo@0.5"]}
    more = {"corpus": corpus, "recipe": tmp_path / "base.toml", "seeds": 2, "count": 60, **lists}
    page = augment.study_augment(trials, tmp_path / "study", **more)  # type: ignore[arg-type]
    table = ScoreTable.read(tmp_path / "study" / "run")
    assert len(table.detectors) == 4 and all("lfcc-gmm@" in d for d in table.detectors)
    arms = next(t for t in page.tables if t.name == "arms")
    assert [row[0] for row in arms.rows if row[1] == "EER"] == ["clean", "seen", "held out"]
    grid = common.grid_of(table, resamples=60)
    held = next(row for row in arms.rows if row[:2] == ("held out", "EER"))
    by_arm = []
    for arm in ("clean", "augmented"):
        of = [d for d in table.detectors if f"/{arm}-" in d]
        eers = [[float(grid.values(d, c)["eer"][0]) for c in lists["held_out"]] for d in of]  # type: ignore[index]
        by_arm.append(float(np.mean(eers)))
    clean, with_, change = held[2], held[3], held[4]
    assert isinstance(clean, Estimate) and isinstance(with_, Estimate) and isinstance(change, Estimate)
    assert [clean.value, with_.value] == pytest.approx(by_arm)
    assert change.value == pytest.approx(by_arm[1] - by_arm[0])
    corruptions = next(t for t in page.tables if t.name == "corruptions")
    assert {row[0]: row[1] for row in corruptions.rows} == {
        "gaussian_noise": "seen",
        "low_pass": "held out",
        "echo": "held out",
    }
    text = (tmp_path / "study" / "report.md").read_text()
    assert "On held-out corruptions EER is" in text and "Every seed" in text

    met = (tmp_path / "manifest.csv").read_text().replace(",eval,eval,", ",eval,train,")
    (tmp_path / "met.csv").write_text(met)
    corpus = f"manifest:{tmp_path / 'met.csv'}"
    with pytest.raises(BadCorpus, match="source is in the train or dev part, too"):
        augment.study_augment(registry.read_corpus(corpus), tmp_path / "x", **{**more, "corpus": corpus})  # type: ignore[arg-type]

    def never(*_: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr(cell, "open_audio", never)
    monkeypatch.setattr(recipes, "train_one", never)
    augment.study_augment(trials, tmp_path / "study", **more)  # type: ignore[arg-type]
    with pytest.raises(RunConflict, match="recipes"):
        augment.study_augment(trials, tmp_path / "study", **{**more, "seed": 1})  # type: ignore[arg-type]


def test_what_is_seen_cannot_be_held_out(toys: tuple[str, list[Trial]], tmp_path: Path) -> None:
    for change, words in (
        ({"seen": ["mp3@16"], "held_out": ["reverb@0.3+mp3@40"]}, "mp3 is both seen and held out"),
        ({"seeds": 1}, "--seeds is at least 2"),
        ({"recipe": tmp_path / "none.toml"}, "no such recipe"),
        ({"seen": ["clean"]}, "no seen corruption is left"),
    ):
        with pytest.raises(BadPlan, match=words):
            augment.study_augment(toys[1], tmp_path / "x", corpus="manifest", **change)  # type: ignore[arg-type]


# --- enhance ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Trial]]:
    folder = tmp_path_factory.mktemp("toys")
    return f"{write_detectors(folder)}:tilt", write_corpus(folder, n=8, dev=6, seconds=0.6)


def test_enhancement_is_compared_with_none_and_its_threshold_is_its_own(
    toys: tuple[str, list[Trial]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, trials = toys
    args = {"enhancers": ["wiener"], "conditions": ["gaussian_noise@10", "low_pass@0.4"], "count": 60}
    page = study_enhance([detector], trials, tmp_path, **args)  # type: ignore[arg-type]
    table = ScoreTable.read(tmp_path / "run")
    assert table.detectors == [detector, f"enhanced@wiener/{detector}"]
    gains = next(t for t in page.tables if t.name == "gains")
    of = {(row[1], row[2]): row for row in gains.rows}
    assert set(of) == {(n, g) for n in ("none", "wiener") for g in ("clean", "noise", "other corruptions")}
    grid = common.grid_of(table, resamples=60)
    for name, reference in (("none", detector), ("wiener", f"enhanced@wiener/{detector}")):
        value = of[name, "noise"][3]
        assert isinstance(value, Estimate)
        cell_values = grid.values(reference, "gaussian_noise@10")
        assert cell_values is not None and value.value == cell_values["eer"][0]
    change = of["wiener", "noise"][4]
    with_, without = of["wiener", "noise"][3], of["none", "noise"][3]
    assert isinstance(change, Estimate) and isinstance(with_, Estimate) and isinstance(without, Estimate)
    assert change.value == pytest.approx(with_.value - without.value)
    assert of["none", "clean"][4] is None
    thresholds = [grid.frozen[d].threshold for d in table.detectors]
    assert thresholds[0] != thresholds[1]
    refit = next(t for t in page.tables if t.name == "refit")
    plain = [row for row in refit.rows if row[1] == "none"]
    assert all(row[3] == row[4] for row in plain)  # without an enhancer there is nothing to refit
    text = (tmp_path / "report.md").read_text()
    assert "wiener" in text and "cost" in text and "Holm" in text

    def deaf(*_: object) -> None:
        raise AssertionError("heard again")

    monkeypatch.setattr(cell, "open_audio", deaf)
    study_enhance([detector], trials, tmp_path, **args)  # type: ignore[arg-type]
    with pytest.raises(RunConflict, match="conditions"):
        study_enhance([detector], trials, tmp_path, enhancers=["wiener"], conditions=["mp3@40"])


def test_noise_is_told_from_other_corruptions_and_missing_enhancers_are_said(
    toys: tuple[str, list[Trial]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert noisy("gaussian_noise@5") and noisy("gaussian_noise@5+background_noise.rain@10")
    assert not noisy("gaussian_noise@5+mp3@40") and not noisy("clean")
    for variable in ("SPOOFPROOF_DATA", "SPOOFPROOF_DTLN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    detector, trials = toys
    with pytest.raises(BadPlan, match="no enhancer can run here: the weights of dtln"):
        study_enhance([detector], trials, tmp_path / "x", enhancers=["dtln"])
    with pytest.raises(UnknownName, match="Did you mean dtln"):
        study_enhance([detector], trials, tmp_path / "x", enhancers=["dtlm"])
    page = study_enhance(
        [detector],
        trials,
        tmp_path / "y",
        enhancers=["dtln", "wiener"],
        conditions=["gaussian_noise@10"],
        count=20,
    )
    assert any("dtln was left out" in text for text in page.cautions)


# --- size ------------------------------------------------------------------------------------------------------------


def test_parameters_are_counted_in_files_and_read_from_cards(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.zeros((3, 4)), b=np.zeros(5, np.float32), n=np.arange(7))
    assert parameters.counted(tmp_path / "a.npz") == 17
    header = json.dumps(
        {"x": {"dtype": "F16", "shape": [2, 3]}, "i": {"dtype": "I64", "shape": [9]}, "__metadata__": {}}
    ).encode()
    (tmp_path / "m.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert parameters.counted(tmp_path) == 6
    assert parameters.counted(tmp_path / "none.txt") == 0
    (tmp_path / "bad.onnx").write_bytes(b"\x07\x01 no network")
    with pytest.raises(SpoofproofError, match="cannot be counted"):
        parameters.counted(tmp_path / "bad.onnx")
    number, source = parameters.parameters("lfcc-lcnn")
    assert (number > 10_000 and "lfcc-lcnn.onnx" in source) or source == "its card"
    assert parameters.parameters(f"lfcc-gmm@{tmp_path / 'a.npz'}") == (17, "counted in a.npz")
    (tmp_path / "a.json").write_text(json.dumps({"model": {"parameters": 16}}))
    assert parameters.parameters(f"lfcc-gmm@{tmp_path / 'a.npz'}") == (16, "the card beside a.npz")
    assert parameters.parameters("spectral-tilt") == (0, "neither a card nor a weights file says how many")


def test_parameters_of_a_network_are_those_that_onnx_counts(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(Path(registry.__file__).parent / "shipped" / "lfcc-lcnn.onnx")
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
    truth = sum(math.prod(t.dims) for t in model.graph.initializer if t.data_type in floats)
    assert parameters.counted(Path(registry.__file__).parent / "shipped" / "lfcc-lcnn.onnx") == truth > 0


def test_the_front_holds_what_nothing_beats() -> None:
    assert size.pareto([1, 2, 3, 2], [0.3, 0.2, 0.25, 0.2]) == [True, True, False, True]
    assert size.pareto([1, math.inf], [0.5, 0.1]) == [True, False]


def test_a_family_is_compared_inside_itself_and_timed_once(
    toys: tuple[str, list[Trial]], tmp_path: Path
) -> None:
    detector, trials = toys
    families = {"tilts": (detector, f"{detector}@2"), "control": ("random",)}
    page = size.study_size(
        families, trials, tmp_path, conditions=["gaussian_noise@20", "low_pass@0.4"], count=40
    )
    members = next(t for t in page.tables if t.name == "members")
    assert [row[0] for row in members.rows] == [detector, f"{detector}@2", "random"]
    assert all(isinstance(row[4], float) and row[4] > 0 for row in members.rows)
    compared = next(t for t in page.tables if t.name == "differences").rows
    assert {frozenset(row[:2]) for row in compared} == {frozenset((detector, f"{detector}@2"))}
    change = compared[0][3]
    assert isinstance(change, Estimate) and change.value == 0.0  # the same scores times two
    assert any("not in the first picture" in text for text in page.cautions)
    cost = (tmp_path / "cost.json").read_bytes()
    size.study_size(families, trials, tmp_path, conditions=["gaussian_noise@20", "low_pass@0.4"], count=40)
    assert (tmp_path / "cost.json").read_bytes() == cost


def test_families_are_read_and_refused_with_a_sentence(toys: tuple[str, list[Trial]], tmp_path: Path) -> None:
    assert size.parse_family("A = x@y.onnx, z") == ("A", ("x@y.onnx", "z"))
    for bad in ("A", "=x", "A="):
        with pytest.raises(BadPlan, match="NAME=DETECTOR"):
            size.parse_family(bad)
    with pytest.raises(BadPlan, match="at least two"):
        size.study_size({"one": ["random"]}, toys[1], tmp_path)
    with pytest.raises(BadPlan, match="more than one family"):
        size.study_size({"one": ["random"], "two": ["random"]}, toys[1], tmp_path)


# --- politics --------------------------------------------------------------------------------------------------------


def test_the_social_plan_is_the_one_that_has_names() -> None:
    plan = Plan.load("social")
    assert set(politics.CHAINS) == set(plan.conditions)
    assert len(set(politics.CHAINS.values())) == len(plan.conditions)
    assert sum("+" in c for c in plan.conditions) >= 8


@pytest.fixture(scope="module")
def speeches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speeches")
    for who in ("anna", "bert"):
        for i in range(2):
            save_audio(voice(0.7, f0=100 + 60 * (who == "anna"), seed=i), folder / "real" / who / f"{i}.wav")
            save_audio(voice(0.7, seed=i + 9), folder / "fake" / who / "cloner" / f"{i}.wav")
    return folder


def test_a_folder_of_speeches_is_copied_shared_and_judged(
    speeches: Path, toys: tuple[str, list[Trial]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, dev = toys
    given = politics.from_folder(speeches / "real", speeches / "fake")
    assert {(t.label, t.speaker, t.attack) for t in given} == {
        ("bonafide", "anna", ""), ("bonafide", "bert", ""), ("spoof", "anna", "cloner"), ("spoof", "bert", "cloner"),
    }  # fmt: skip
    plan = Plan.make(name="p", detectors=[detector], conditions=["mp3@40+opus@16", "low_pass@0.3"])
    page = politics.study_politics([detector], given, dev, tmp_path, plan=plan, count=40, material="Toys.")
    table = ScoreTable.read(tmp_path / "run")
    kinds = {t.attack for t in table.trials if t.part == "eval" and t.label == "spoof"}
    assert kinds == {"cloner", *politics.VOCODERS}
    copies = sorted((tmp_path / "copies").glob("*.flac"))
    assert len(copies) == 4 * len(politics.VOCODERS)
    pairs = {t.pair for t in table.trials if t.attack in politics.VOCODERS}
    assert pairs == {t.id for t in given if t.label == "bonafide"}
    speakers = next(t for t in page.tables if t.name == "speakers")
    assert [(row[1], row[2], row[5]) for row in speakers.rows] == [
        (who, 2, 2 + 2 * len(politics.VOCODERS)) for who in ("anna", "bert")
    ]
    grid = common.grid_of(table, resamples=40)
    threshold = grid.frozen[detector].threshold
    assert threshold is not None
    mine = np.array([t.speaker == "anna" and t.label == "bonafide" for t in grid.trials])
    assert speakers.rows[0][3] == pytest.approx(
        float((grid.scores(detector, "clean")[mine] < threshold).mean())
    )
    chains = next(t for t in page.tables if t.name == "chains")
    assert [row[1] for row in chains.rows] == ["as in the corpus", "posted, then messaged", "low_pass@0.3"]
    text = (tmp_path / "report.md").read_text()
    assert "not a modern clone" in text and "Toys." in text
    times = {p: p.stat().st_mtime_ns for p in copies}
    politics.study_politics([detector], given, dev, tmp_path, plan=plan, count=40, material="Toys.")
    assert {p: p.stat().st_mtime_ns for p in copies} == times


def test_what_a_detector_has_met_is_said(
    speeches: Path, toys: tuple[str, list[Trial]], tmp_path: Path
) -> None:
    given = politics.from_folder(speeches / "real", None)
    plan = Plan.make(name="p", detectors=["lfcc-gmm"], conditions=["mp3@40"])
    page = politics.study_politics(["lfcc-gmm"], given, toys[1], tmp_path, plan=plan, count=20)
    assert any("lfcc-gmm met in training copies by" in text for text in page.cautions)
    fakes = next(t for t in page.tables if t.name == "fakes")
    seen = {row[1]: row[6] for row in fakes.rows}
    assert seen["lpc"] == "yes" and seen["harmonic_noise"] == ""


def test_material_that_is_not_there_is_said(
    tmp_path: Path, toys: tuple[str, list[Trial]], data: Path
) -> None:
    with pytest.raises(BadCorpus, match="--speech FOLDER"):
        politics.figures_of(toys[1])
    with pytest.raises(BadCorpus, match="one folder a speaker"):
        politics.from_folder(tmp_path, None)
    found = politics.figures_of(registry.read_corpus(f"manifest:{data}"))
    assert {t.speaker for t in found if t.label == "bonafide"} == set(politics.FIGURES)
    assert any(t.label == "spoof" for t in found)


# --- the command line ------------------------------------------------------------------------------------------------


def test_commands_run_a_study_and_refuse_with_sentences(
    toys: tuple[str, list[Trial]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from spoofproof.cli import app

    detector, trials = toys
    lines = ["id,path,label,part,speaker,attack"]
    lines += [f"{t.id},{t.path},{t.label},{t.part},{t.speaker},{t.attack}" for t in trials]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPOOFPROOF_DATA", str(tmp_path / "nowhere"))
    corpus = ("--corpus", f"manifest:{tmp_path / 'm.csv'}", "--resamples", "20", "--workers", "1")
    family = f"tilts={detector},{detector}@2"
    done = CliRunner().invoke(
        app, ["study", "size", "--family", family, "--condition", "low_pass@0.4", *corpus]
    )
    assert done.exit_code == 0, (done.output, done.exception)
    assert (
        tmp_path / "runs" / "study-size" / "report.html"
    ).exists() and "no difference is shown" in done.output
    for args, words in [
        (("study", "size", "--family", "x", *corpus), "NAME=DETECTOR"),
        (("study", "size", *corpus[:2], "--family", "x=lfcc-gmn,random"), "Did you mean lfcc-gmm"),
        (("study", "enhance", "--enhancer", "weiner", *corpus), "Did you mean wiener"),
        (("study", "politics", "--fakes", "f", *corpus), "--fakes needs --speech"),
        (("study", "politics", *corpus), "--speech FOLDER"),
        (("study", "augment", "--recipe", "no.toml", *corpus), "no such recipe"),
        (("calibrate-severity", "--detector", detector, "--targets", "a", *corpus), "shares with commas"),
        (("calibrate-severity", "--detector", detector, "--corruption", "mp4", *corpus), "Did you mean mp3"),
        (("calibrate-severity", "--detector", detector), "nowhere"),
    ]:
        refused = CliRunner().invoke(app, list(args))
        assert isinstance(refused.exception, SpoofproofError), (args, refused.output)
        assert words in str(refused.exception)
