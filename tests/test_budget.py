"""A run on a budget: which trials, how deep, how sure, and that time never reaches a score.

1. the draw: every trial with the same chance, attacks and speakers in proportion, deeper draws hold shallower ones
2. the rounds: what fits, spent where intervals are widest
3. coverage: 95 % intervals hold the truth as often as they say, though depths were chosen after looking
4. runs: the rows of a plain run, the same trials for every detector, on to the plain run's very bytes
5. a dry run: counts what is missing and writes nothing
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from spoofproof import bench, budget, cost
from spoofproof.budget import Prices, Width, first_round, guarded, half_widths, next_round, priorities
from spoofproof.cli import forecast
from spoofproof.errors import BadPlan, RunConflict
from spoofproof.plan import Plan
from spoofproof.results import evaluate
from spoofproof.scores import Cell, ScoreTable, cell_path, read_record
from spoofproof.subsample import Reach, places
from spoofproof.types import CLEAN, Trial
from toys import write_corpus, write_detectors

CONDITIONS = ("clean", "identity", "gaussian_noise@20", "low_pass@0.2")


# 1. the draw


def corpus(n: int = 23) -> list[Trial]:
    return [
        Trial(
            f"{label}-{i}",
            Path("x"),
            label,  # type: ignore[arg-type]
            speaker=f"s{i % 3}",
            attack=f"a{(i * i) % 7 % 3}" if label == "spoof" else "",
        )
        for label in ("bonafide", "spoof")
        for i in range(n)
    ]


def test_places_depend_on_the_seed_and_not_on_the_order_of_the_list() -> None:
    trials = corpus()
    found = places(trials, 1)
    assert places(trials[::-1], 1) == found != places(trials, 2)
    for label in ("bonafide", "spoof"):
        assert sorted(found[t.id] for t in trials if t.label == label) == list(range(23))


def test_every_beginning_holds_attacks_and_speakers_in_proportion() -> None:
    trials = corpus(240)
    found = places(trials, 3)
    sizes = Counter(t.attack for t in trials if t.attack)
    for n in (24, 60, 120):
        first = Counter(t.attack for t in trials if t.attack and found[t.id] < n)
        assert all(abs(first[a] - n * size / 240) <= 2 for a, size in sizes.items())
        speakers = Counter(t.speaker for t in trials if t.label == "bonafide" and found[t.id] < n)
        assert all(abs(m - n / 3) <= 2 for m in speakers.values())


def test_every_trial_has_the_same_chance_to_be_heard() -> None:
    trials, draws, n = corpus(), 600, 7
    heard: Counter[str] = Counter()
    for seed in range(draws):
        heard.update(name for name, place in places(trials, seed).items() if place < n)
    share = np.array([heard[t.id] for t in trials]) / draws
    expected = n / 23
    error = math.sqrt(expected * (1 - expected) / draws)
    assert np.abs(share - expected).max() < 4 * error


# 2. the rounds


def whole(depth: int = 1000) -> Reach:
    return Reach(dict.fromkeys(CONDITIONS, depth), 10, depth)


def test_the_first_round_treats_all_alike_and_fits() -> None:
    prices = Prices(dict.fromkeys(CONDITIONS, 0.5), fixed=3.0, pace=2.0)
    reach = first_round(prices, whole(), 1000.0)
    assert set(reach.depths.values()) == {reach.first}
    spent = prices.pace * (prices.fixed + prices.between({}, reach.depths))
    assert 150 < spent <= 200
    assert first_round(prices, whole(20), 1000.0).first == 20


def test_a_budget_that_holds_no_first_round_is_a_sentence() -> None:
    prices = Prices(dict.fromkeys(CONDITIONS, 1.0), fixed=0.0, pace=1.0)
    with pytest.raises(BadPlan, match=r"8 trials of each class under each of 4 conditions take about 42 s"):
        first_round(prices, whole(), 30.0)


def test_a_round_evens_out_the_widths_and_keeps_its_price() -> None:
    """A width that falls with the square root of the depth: the depths must be as the squares of the widths."""
    names = ("clean", "a", "b", "c")
    prices = Prices(dict.fromkeys(names, 1.0), 0.0, 1.0)
    start = Reach(dict.fromkeys(names, 100), 10, 100)
    widths = {"clean": 0.01, "a": 0.1, "b": 0.13, "c": 0.1}
    ends = Reach(dict.fromkeys(names, 10_000), 10, 10_000)
    reach = next_round(prices, start, ends, widths, 1600.0)
    assert 1200 < prices.between(start.depths, reach.depths) <= 1600
    assert reach.depths["a"] == pytest.approx(reach.depths["c"], rel=0.26)
    assert reach.depths["b"] / reach.depths["a"] == pytest.approx(1.69, rel=0.26)
    assert reach.depths[CLEAN] == max(reach.depths.values())


def test_nothing_stays_behind_half_the_depth_of_another() -> None:
    prices = Prices(dict.fromkeys(CONDITIONS, 1.0), 0.0, 1.0)
    start = Reach(dict.fromkeys(CONDITIONS, 16), 10, 16)
    widths = dict.fromkeys(CONDITIONS, 0.01) | {"identity": 0.4}
    depths = next_round(prices, start, whole(), widths, 1500.0).depths
    assert depths["identity"] == depths[CLEAN] > 300
    assert depths["identity"] // 2 == depths["low_pass@0.2"] == depths["gaussian_noise@20"]


def test_a_dear_condition_is_not_passed_over_for_a_cheap_one_that_is_known_better() -> None:
    prices = Prices({"clean": 0.1, "a": 100.0, "b": 0.1}, 0.0, 1.0)
    start = Reach({"clean": 40, "a": 40, "b": 40}, 10, 40)
    reach = next_round(prices, start, whole(), {"clean": 0.1, "a": 0.3, "b": 0.2}, 50.0)
    assert reach.depths == start.depths


def test_no_round_goes_beyond_the_corpus() -> None:
    prices = Prices(dict.fromkeys(CONDITIONS, 1.0), 0.0, 1.0)
    start = Reach(dict.fromkeys(CONDITIONS, 100), 10, 100)
    everything = next_round(prices, start, whole(130), dict.fromkeys(CONDITIONS, 0.1), 1e9)
    assert set(everything.depths.values()) == {130}


def test_a_lucky_width_counts_for_no_less_than_its_trials_allow() -> None:
    assert guarded(0.0, 0.0, 20, 30) == pytest.approx(1.96 * math.sqrt(2 / 24 * 22 / 24 / 24))
    assert guarded(0.3, 0.1, 20, 20) == 0.3
    assert guarded(math.nan, math.nan, 0, 3) == 0.5


def test_controls_do_not_draw_the_budget() -> None:
    sure, chance = Width(0.0, 0.1, 0.05, True), Width(0.3, 0.7, 0.2, False)
    found = {("mine", "a"): sure, ("random", "a"): chance, ("random", "b"): chance}
    assert priorities(found) == {"a": 0.05}
    assert priorities({("random", "b"): chance}) == {"b": 0.2}


# 3. coverage

EERS = {"clean": 0.03, "a": 0.05, "b": 0.1, "c": 0.2, "d": 0.35, "e": 0.45}


class World:
    """Trials of a population with known EERs: normal scores of unit variance, two detectors that share half of it."""

    def __init__(self, seed: int, n: int = 300) -> None:
        rng = np.random.default_rng(seed)
        self.trials = [
            Trial(f"{label}-{i}", Path("x"), label)  # type: ignore[arg-type]
            for label in ("bonafide", "spoof")
            for i in range(n)
        ]
        self.ids = np.array([t.id for t in self.trials])
        self.place = np.concatenate([rng.permutation(n), rng.permutation(n)])
        real = np.arange(2 * n) < n
        self.scores = {}
        for name, eer in EERS.items():
            common = rng.normal(size=2 * n)
            for detector in ("one", "two"):
                own = math.sqrt(0.5) * (common + rng.normal(size=2 * n))
                self.scores[detector, name] = own + real * 2 * norm.isf(eer)

    def table(self, depths: dict[str, int]) -> ScoreTable:
        cells = {}
        for (detector, name), scores in self.scores.items():
            keep = self.place < depths[name]
            n = int(keep.sum())
            cells[detector, name] = Cell(tuple(self.ids[keep]), scores[keep], ("ok",) * n)
        record = {"detectors": {"one": {}, "two": {}}, "conditions": list(EERS)}
        return ScoreTable(record, tuple(self.trials), cells, {})


def run_in_world(world: World) -> tuple[dict[tuple[str, str], Width], dict[str, int]]:
    """Three adaptive rounds after the first, as ``budget.run`` makes them: the intervals at the end, and the depths."""
    prices = Prices(dict.fromkeys(EERS, 1.0), 0.0, 1.0)
    ends = Reach(dict.fromkeys(EERS, 300), 0, 300)
    reach = Reach(dict.fromkeys(EERS, 24), 0, 24)
    found = half_widths(world.table(reach.depths))
    for _ in range(3):
        reach = next_round(prices, reach, ends, priorities(found), 110.0)
        found = half_widths(world.table(reach.depths))
    return found, dict(reach.depths)


def coverage(worlds: int) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """By condition: how often the interval held the truth on a budget; with the depths of the world before, chosen without
    a look at this one; and the mean depth."""
    held: dict[str, list[bool]] = {name: [] for name in EERS}
    blind: dict[str, list[bool]] = {name: [] for name in EERS}
    depths: dict[str, list[int]] = {name: [] for name in EERS}
    before: dict[str, int] = {}
    for seed in range(worlds):
        world = World(seed)
        found, reached = run_in_world(world)
        fixed = half_widths(world.table(before)) if before else {}
        for rows, widths in ((held, found), (blind, fixed)):
            for (_, name), width in widths.items():
                rows[name].append(width.low <= EERS[name] <= width.high)
        for name, depth in reached.items():
            depths[name].append(depth)
        before = reached
    held_mean, blind_mean, depth_mean = (
        {name: float(np.mean(values)) for name, values in rows.items()} for rows in (held, blind, depths)
    )
    return held_mean, blind_mean, depth_mean


def test_intervals_keep_their_word_though_depths_were_chosen_after_looking() -> None:
    held, blind, depths = coverage(40)
    told = f"on a budget {held}, with depths fixed before {blind}"
    assert 0.92 <= np.mean(list(held.values())) <= 0.985, told
    assert np.mean(list(held.values())) > np.mean(list(blind.values())) - 0.02, told
    assert all(held[name] > blind[name] - 0.08 for name in EERS), told
    assert depths["e"] > 1.5 * depths["a"]  # and the budget went where there was most to learn


# 4. runs


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    return write_corpus(tmp_path_factory.mktemp("corpus"), n=20, dev=2, seconds=0.1)


def plan(folder: Path) -> Plan:
    file = write_detectors(folder)
    return Plan.make(
        name="toy",
        detectors=[f"{file}:tilt", f"{file}:narrow"],
        conditions=CONDITIONS,
        samples=4_000,
        measured=2,
    )


class Clock:
    """A clock that only scoring moves: half a second a trial."""

    def __init__(self) -> None:
        self.now = 0.0
        self.last = 0

    def __call__(self) -> float:
        return self.now

    def tick(self, progress: bench.Progress) -> None:
        self.now += 0.5 * max(0, progress.done - self.last)
        self.last = progress.done


@pytest.fixture(autouse=True)
def fixed_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second for a trial of each class, whatever this machine does."""
    monkeypatch.setattr(
        budget, "_prices", lambda plan, *_: Prices(dict.fromkeys(plan.conditions, 1.0), 0.0, 1.0)
    )


def on_budget(the_plan: Plan, trials: list[Trial], out: Path, seconds: float, workers: int = 1) -> ScoreTable:
    clock = Clock()
    return budget.run(
        the_plan, trials, out, seconds=seconds, workers=workers, progress=clock.tick, clock=clock
    )


def cells(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in sorted((run / "scores").rglob("*.parquet"))}


@pytest.fixture(scope="module")
def plain(trials: list[Trial], tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    folder = tmp_path_factory.mktemp("plain")
    the_plan = plan(folder)
    bench.run(the_plan, trials, folder / "run")
    return the_plan, folder / "run"


def test_a_budgeted_run_holds_rows_of_the_plain_one_and_goes_on_to_its_bytes(
    plain: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    the_plan, run = plain
    table = on_budget(the_plan, trials, tmp_path / "run", 60.0)
    everything = ScoreTable.read(run)
    reach = Reach.read(table.record["budget"])
    place = places(trials, the_plan.seed)
    for (detector, condition), cell in table.cells.items():
        rows = dict(
            zip(
                everything.cells[detector, condition].ids,
                everything.cells[detector, condition].scores,
                strict=True,
            )
        )
        assert [rows[name] for name in cell.ids] == list(cell.scores)
        expected = [t.id for t in trials if place[t.id] < reach.depths[condition] and t.part == "eval"]
        assert [name for name in cell.ids if name.startswith("eval")] == expected
    assert len(table.cells) == 8 and table.record["budget"]["rounds"] > 1
    depths = reach.depths
    assert 8 <= min(depths.values()) < max(depths.values()) == depths[CLEAN] <= 20
    assert table.record["budget"]["spent"] <= 60.0
    bench.run(the_plan, trials, tmp_path / "run")
    assert cells(tmp_path / "run") == cells(run)


def test_workers_and_a_lost_cell_change_no_row(
    plain: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    the_plan, _ = plain
    for workers, out in ((1, tmp_path / "one"), (2, tmp_path / "two")):
        on_budget(the_plan, trials, out, 50.0, workers)
    one, two = (Reach.read(read_record(tmp_path / name)["budget"]) for name in ("one", "two"))
    common = {c: min(one.depths[c], two.depths[c]) for c in CONDITIONS}
    assert min(common.values()) >= 8
    before = cells(tmp_path / "one")
    cell_path(
        tmp_path / "one", the_plan.detectors[0], "identity"
    ).unlink()  # as if killed before it was written
    reach = replace(one, depths={c: max(one.depths[c], two.depths[c]) for c in CONDITIONS})
    bench.run(the_plan, trials, tmp_path / "one", reach=one)
    assert cells(tmp_path / "one") == before
    for name in ("one", "two"):
        bench.run(the_plan, trials, tmp_path / name, reach=reach)
    assert cells(tmp_path / "one") == cells(tmp_path / "two")


def test_a_folder_without_a_budget_stays_so(plain: tuple[Plan, Path], trials: list[Trial]) -> None:
    the_plan, run = plain
    before = cells(run)
    with pytest.raises(RunConflict, match="without a budget"):
        on_budget(the_plan, trials, run, 60.0)
    assert cells(run) == before


def test_the_report_says_how_far_it_came_and_how_sure_it_is(
    plain: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    the_plan, _ = plain
    table = on_budget(the_plan, trials, tmp_path / "run", 50.0)
    results = evaluate(table, resamples=40)
    depths = table.record["budget"]["reach"]
    assert {cell.coverage for cell in results.cells.values()} == {1.0}
    for (_, condition), cell in results.cells.items():
        assert cell.metrics["eer"].n_spoof == cell.metrics["eer"].n_bonafide == depths[condition]
        if condition != CLEAN:
            assert cell.delta["eer"].n_spoof == depths[condition]
    note = next(text for text in results.notes if "on a budget" in text)
    low, high = 2 * min(depths.values()), 2 * max(depths.values())
    assert f"first {low} to {high} of 40 trials" in note and "points" in note
    said = table.record["budget"]["precision"][the_plan.detectors[0]]
    assert 0 < said["median"] <= said["widest"] <= 0.5 and said["condition"] in CONDITIONS


# 5. a dry run


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("10m", 600.0), ("1.5h", 5400.0)])
def test_a_time_has_a_unit(text: str, seconds: float) -> None:
    assert forecast.seconds(text) == seconds


@pytest.mark.parametrize("text", ["600", "m", "-3s", "0m", "ten minutes", "infs", "nans"])
def test_a_time_without_sense_is_a_sentence(text: str) -> None:
    with pytest.raises(BadPlan, match="with its unit"):
        forecast.seconds(text)


def test_a_dry_run_counts_what_is_missing_and_writes_nothing(
    trials: list[Trial], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    the_plan = plan(tmp_path)
    forecast.dry_run(the_plan, trials, tmp_path / "run", workers=2)
    assert not (tmp_path / "run").exists()
    said = " ".join(capsys.readouterr().err.split())
    assert "8 of 8 cells are missing: 164 clips to corrupt, 328 windows to score" in said  # 44 + 3 * 40
    assert "Nothing was written" in said
    bench.run(the_plan.with_(conditions=CONDITIONS), trials[:], tmp_path / "run")
    cell_path(tmp_path / "run", the_plan.detectors[0], "identity").unlink()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")}
    forecast.dry_run(the_plan, trials, tmp_path / "run", workers=2)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")} == before
    assert "1 of 8 cells are missing: 40 clips to corrupt, 40 windows" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_forecast_adds_up(trials: list[Trial], tmp_path: Path) -> None:
    """Known costs: 2 ms a clip, 5 and 10 ms a window, 1 ms to decode."""
    the_plan = plan(tmp_path)
    record = bench.prepare(the_plan, trials, tmp_path / "run", {})
    jobs = bench.missing(the_plan, trials, tmp_path / "run", record).jobs
    one, two = the_plan.detectors
    costs = cost.Costs(
        decode=0.001,
        clip=dict.fromkeys(CONDITIONS, 0.002),
        facts=dict.fromkeys(CONDITIONS, 0.1),
        score={one: 0.005, two: 0.010},
        load={one: 1.0, two: 0.5},
        seconds=0.35,
        cell=0.25,
        sample=0.01,
    )
    found = cost.forecast(the_plan, jobs, costs, cells=8, workers=2)
    expected = 164 * (0.002 + 0.015) + (2 * 40 + 4) * 0.001 + 4 * 2 * 0.1 + 2 * 1.5 + 8 * 0.25 + 4 * 2 * 0.01
    assert found.seconds == pytest.approx(expected / 2)
    assert [line.total for line in found.detectors] == pytest.approx([0.82, 1.64])
    assert sum(line.clips for line in found.families) == 164
    assert found.audio == pytest.approx(164 * 0.25)
