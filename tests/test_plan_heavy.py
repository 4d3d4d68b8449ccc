"""Heavy detectors hear a declared, paired part, and every number that is compared with theirs rests on that part.

1. which trials and conditions: by the seed alone, spread over attacks and speakers, larger draws hold smaller ones
2. plans: checked key by key
3. runs: same bytes however they are run, light detectors hear everything, nothing is decoded for nobody
4. results: coverage against the part, pairs on common ground, ranks over the same trials and conditions
5. the report says it in every format
"""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from spoofproof import bench, report
from spoofproof.errors import BadPlan, RunConflict, SpoofproofError, UnknownName
from spoofproof.listing import describe
from spoofproof.metrics.rank import eer
from spoofproof.plan import Plan
from spoofproof.registry import detector
from spoofproof.results import Results, evaluate
from spoofproof.scores import ScoreTable, cell_path
from spoofproof.subsample import Heavy
from spoofproof.types import Trial
from toys import write_corpus

HEAVY = Heavy(above=20, eval=3, dev=2, levels=("middle", "severest"))
CONDITIONS = (
    *("clean", "identity", "pcm_transcode", "gaussian_noise@20", "gaussian_noise@5", "gaussian_noise@30"),
    *("low_pass@0.2", "clipping@0.8+gaussian_noise@20"),
)
DETECTORS = '''
"""A light detector and two heavy ones, which are the light one with another sign or a bend."""
import numpy as np
import spoofproof


def score(clips, sign, bend=1.0):
    out = []
    for clip in clips:
        power = np.abs(np.fft.rfft(clip.samples)) ** 2 + 1e-9
        edge = len(power) // 8
        tilt = float(np.log(power[:edge].mean()) - np.log(power[edge:].mean()))
        out.append(float(sign) * tilt + bend * float(np.abs(clip.samples).max()))
    return out


@spoofproof.detector(rate=16_000, cost=3)
def light(sign: str = "1") -> spoofproof.Detector:
    """Slope of the spectrum, quickly."""
    return lambda clips: score(clips, sign)


@spoofproof.detector(rate=16_000, cost=300)
def dear(sign: str = "1") -> spoofproof.Detector:
    """Slope of the spectrum, as if it were slow."""
    return lambda clips: score(clips, sign)


@spoofproof.detector(rate=16_000, cost=20.5)
def bent(sign: str = "1") -> spoofproof.Detector:
    """Slope of the spectrum and the peak."""
    return lambda clips: score(clips, sign, 5.0)
'''


def plan(folder: Path, *names: str, heavy: Heavy | None = HEAVY) -> Plan:
    file = folder / "toy_heavy.py"
    if not file.exists():
        file.write_text(DETECTORS, encoding="utf-8")
    return Plan.make(
        name="toy",
        detectors=[f"{file}:{name}" for name in names],
        conditions=CONDITIONS,
        samples=8_000,
        heavy=heavy,
    )


def everything(run: Path) -> dict[str, bytes]:
    found = [
        p for folder in ("scores", "conditions", "samples") for p in (run / folder).rglob("*") if p.is_file()
    ]
    return {str(p.relative_to(run)): p.read_bytes() for p in sorted(found)}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    return write_corpus(tmp_path_factory.mktemp("corpus"), n=8, dev=4, seconds=0.5)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def whole(home: Path, trials: list[Trial]) -> tuple[Plan, Path]:
    the_plan = plan(home, "light", "dear", "bent")
    bench.run(the_plan, trials, home / "run")
    return the_plan, home / "run"


@pytest.fixture(scope="module")
def results(whole: tuple[Plan, Path]) -> Results:
    return evaluate(ScoreTable.read(whole[1]), resamples=60)


def named(results: Results) -> tuple[str, str, str]:
    """light, dear and bent, as the run calls them."""
    light, dear, bent = (
        next(d for d in results.detectors if d.endswith(f":{name}")) for name in ("light", "dear", "bent")
    )
    return light, dear, bent


# 1. the draw


def corpus(n: int = 120, attacks: int = 4, speakers: int = 3) -> list[Trial]:
    return [
        Trial(
            f"{label}-{i}",
            Path("x"),
            label,  # type: ignore[arg-type]
            speaker=f"s{i % speakers if i < n // 2 else 0}",  # the first speaker has most
            attack=f"a{i % attacks}" if label == "spoof" else "",
        )
        for label in ("bonafide", "spoof")
        for i in range(n)
    ]


def test_the_draw_depends_on_the_seed_alone_and_keeps_the_corpus_order() -> None:
    trials = corpus()
    heavy = replace(HEAVY, eval=8)
    ids = heavy.trials(trials, 1)
    assert set(heavy.trials(trials[::-1], 1)) == set(ids) != set(heavy.trials(trials, 2))
    assert list(ids) == [t.id for t in trials if t.id in set(ids)]


def test_the_draw_is_spread_over_attacks_and_speakers() -> None:
    by_id = {t.id: t for t in corpus()}
    drawn = [by_id[i] for i in replace(HEAVY, eval=12).trials(list(by_id.values()), 5)]
    spoof = [t for t in drawn if t.label == "spoof"]
    assert Counter(t.label for t in drawn) == {"bonafide": 12, "spoof": 12}
    assert set(Counter(t.attack for t in spoof).values()) == {3}
    assert set(Counter((t.attack, t.speaker) for t in spoof).values()) == {1}
    assert set(Counter(t.speaker for t in drawn if t.label == "bonafide").values()) == {4}


def test_an_attack_with_few_speakers_is_heard_as_often_as_one_with_many() -> None:
    made = [
        Trial(f"{attack}-{speaker}-{n}", Path("x.wav"), "spoof", speaker=f"{attack}{speaker}", attack=attack)
        for attack, speakers in (("many", 6), ("few", 1))
        for speaker in range(speakers)
        for n in range(6 // speakers)
    ]
    drawn = replace(HEAVY, eval=4).trials(made, 5)
    assert Counter(name.partition("-")[0] for name in drawn) == {"many": 2, "few": 2}


def test_a_larger_draw_holds_the_smaller_one_and_never_more_than_there_is() -> None:
    trials = corpus(n=20)
    draws = [set(replace(HEAVY, eval=n).trials(trials, 3)) for n in range(1, 25)]
    assert all(a <= b for a, b in itertools.pairwise(draws))
    assert len(draws[-1]) == 40 and len(draws[0]) == 2


def test_the_levels_of_each_corruption_and_the_controls() -> None:
    assert HEAVY.conditions(CONDITIONS) == (
        "clean",
        "identity",
        "gaussian_noise@20",
        "gaussian_noise@5",
        "low_pass@0.2",
        "clipping@0.8+gaussian_noise@20",
    )
    everything = Plan.load("default").conditions
    by = Counter(c.partition("@")[0] for c in HEAVY.conditions(everything))
    assert by.pop("clean") == by.pop("identity") == 1 and "speed_resample" not in by
    assert set(by.values()) == {2} and len(by) == 18
    mild = replace(HEAVY, levels=("mildest",), controls=()).conditions(everything)
    assert "gaussian_noise@40" in mild and "identity" not in mild and len(mild) == 19


# 2. plans


def test_the_default_plan_spares_heavy_detectors_and_the_full_one_does_not() -> None:
    default, full = Plan.load("default"), Plan.load("full")
    assert default.heavy is not None and full.heavy is None
    assert (default.conditions, default.detectors) == (full.conditions, full.detectors)
    clips = 2 * (default.heavy.eval * len(default.heavy.conditions(default.conditions)) + default.heavy.dev)
    assert 3 * 0.3 * clips / 2 < 250  # seconds on two cores of three detectors at 0.3 s a clip


def test_show_says_what_heavy_detectors_hear(home: Path) -> None:
    told = dict(describe("default"))
    assert "beyond 18 ms a clip hear" in told["heavy"] and "mp3@24" in told["heavy"]
    assert "heavy" not in dict(describe("full"))
    assert dict(describe(plan(home, "dear").detectors[0]))["cost"].startswith("300 ms a clip")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("above = 20\neval = 3\ndev = 2\nlevels = ['middel']", "Did you mean middle"),
        ("above = 20\neval = 0\ndev = 2\nlevels = ['middle']", "at least 1"),
        ("above = 20\neval = 3\ndev = 2\nlevels = []", "at least one"),
        ("above = 20\neval = 3\nlevels = ['middle']", "lacks dev"),
        ("above = 20\neval = 3\ndev = 2\nlevel = ['middle']", "Did you mean levels"),
        ("above = 'much'\neval = 3\ndev = 2\nlevels = ['middle']", "must be a int"),
        ("above = 20\neval = 3\ndev = 2\nlevels = [1]", "list of texts"),
        ("above = 20\neval = 3\ndev = 2\nlevels = ['middle']\ncontrols = ['mp3']", "unknown control"),
    ],
)
def test_a_bad_table_is_a_sentence(text: str, message: str) -> None:
    with pytest.raises((BadPlan, UnknownName), match=message):
        Plan.parse(f'detectors = ["random"]\nconditions = ["clean"]\n[heavy]\n{text}\n', name="p")


def test_a_plan_with_other_settings_keeps_its_heavy_table() -> None:
    default = Plan.load("default")
    assert default.with_(seed=3).heavy == default.heavy
    assert Plan.load("smoke").heavy is None


def test_a_cost_is_a_number_of_milliseconds() -> None:
    for cost in (-1.0, float("inf"), float("nan")):
        with pytest.raises(SpoofproofError, match="cost"):
            detector(rate=16_000, cost=cost)


# 3. runs


def test_heavy_cells_hold_the_sub_sample_and_light_ones_everything(
    whole: tuple[Plan, Path], trials: list[Trial]
) -> None:
    the_plan, run = whole
    light, *heavy = the_plan.detectors
    table = ScoreTable.read(run)
    part = HEAVY.trials(trials, the_plan.seed)
    evals = [i for i in part if i.startswith("eval")]
    for name in CONDITIONS:
        assert len(table.cells[light, name].ids) == (24 if name == "clean" else 16)
        for d in heavy:
            if name in HEAVY.conditions(CONDITIONS):
                assert list(table.cells[d, name].ids) == (list(part) if name == "clean" else evals)
            else:
                assert (d, name) not in table.cells
    assert len(part) == 10 and table.record["heavy"]["trials"] == list(part)
    assert [table.record["detectors"][d]["heavy"] for d in the_plan.detectors] == [False, True, True]


def test_a_heavy_detector_hears_the_very_windows_of_the_light_one(whole: tuple[Plan, Path]) -> None:
    the_plan, run = whole
    table = ScoreTable.read(run)
    light, dear, _ = the_plan.detectors
    for name in HEAVY.conditions(CONDITIONS):
        scores = dict(zip(table.cells[light, name].ids, table.cells[light, name].scores, strict=True))
        cell = table.cells[dear, name]
        assert [scores[i] for i in cell.ids] == list(cell.scores)


@pytest.mark.parametrize("order", [("dear", "light", "bent"), ("light", "dear", "bent"), ("dear",)])
def test_detectors_that_join_later_give_the_same_bytes(
    order: Sequence[str], whole: tuple[Plan, Path], home: Path, trials: list[Trial], tmp_path: Path
) -> None:
    for name in order:
        bench.run(plan(home, name), trials, tmp_path / "run", workers=1)
    if len(order) == 1:
        alone = ScoreTable.read(tmp_path / "run")
        assert {c for _, c in alone.cells} == set(HEAVY.conditions(CONDITIONS))
        spared = alone.conditions["gaussian_noise@30"]
        assert spared["status"] == "not run" and "--plan full" in spared["why"]
        bench.run(plan(home, "light", "bent"), trials, tmp_path / "run", workers=2)
    assert everything(tmp_path / "run") == everything(whole[1])


def test_resume_scores_the_sub_sample_alone(
    whole: tuple[Plan, Path], trials: list[Trial], tmp_path: Path
) -> None:
    the_plan, run = whole
    bench.run(the_plan, trials, tmp_path / "run")
    cell_path(tmp_path / "run", the_plan.detectors[1], "gaussian_noise@5").unlink()
    seen = []
    bench.run(the_plan, trials, tmp_path / "run", progress=lambda p: seen.append(p.total))
    assert set(seen) == {6}
    assert everything(tmp_path / "run") == everything(run)


def test_another_sub_sample_is_another_experiment(
    whole: tuple[Plan, Path], trials: list[Trial], home: Path
) -> None:
    the_plan, run = whole
    for other in (replace(HEAVY, eval=4), None):
        with pytest.raises(RunConflict, match="heavy"):
            bench.run(the_plan.with_(heavy=other), trials, run)


def test_everything_is_heard_where_the_plan_has_no_sub_sample(
    home: Path, trials: list[Trial], tmp_path: Path
) -> None:
    table = bench.run(plan(home, "dear", heavy=None), trials, tmp_path / "run")
    assert {len(cell.ids) for (_, name), cell in table.cells.items() if name != "clean"} == {16}
    assert len(table.cells) == len(CONDITIONS)
    assert not evaluate(table, resamples=20, metrics=["eer"]).heard


# 4. results


def rates(table: ScoreTable, detector: str, names: Sequence[str], ids: set[str]) -> float:
    """Mean EER over conditions, on some trials."""
    found = []
    for name in names:
        cell = table.cells[detector, name]
        rows = [(i, s) for i, s in zip(cell.ids, cell.scores, strict=True) if i in ids]
        b, s = (np.array([x for i, x in rows if f"-{k}-" in i]) for k in ("bonafide", "spoof"))
        found.append(eer(bonafide=b, spoof=s))
    return float(np.mean(found))


def test_coverage_counts_against_the_sub_sample(results: Results) -> None:
    assert {cell.coverage for cell in results.cells.values()} == {1.0}
    light, dear, _ = named(results)
    assert results.cells[dear, "clean"].metrics["eer"].n_spoof == 3
    assert results.cells[light, "clean"].metrics["eer"].n_spoof == 8


def test_a_pair_is_compared_on_what_both_heard(whole: tuple[Plan, Path], results: Results) -> None:
    table = ScoreTable.read(whole[1])
    light, dear, bent = named(results)
    part = set(table.record["heavy"]["trials"])
    for c in results.comparisons:
        assert (c.difference.n_bonafide, c.difference.n_spoof) == (3, 3)
        assert c.conditions == (1 if c.scope == "clean" else 3)
    # the same scores on the same trials: no difference at all, though their own figures differ in trials
    same = [c for c in results.comparisons if {c.first, c.second} == {light, dear}]
    assert [c.difference.value for c in same] == [0.0, 0.0] == [c.difference.high for c in same]
    levels = ["gaussian_noise@20", "gaussian_noise@5"], ["low_pass@0.2"]
    for d in (light, dear, bent):
        expected = np.mean([rates(table, d, of, part) for of in levels])
        assert results.common[d, "all"].metrics["eer"].value == pytest.approx(expected)
        if d != light:
            assert results.aggregates[d, "all"].metrics["eer"].value == pytest.approx(expected)
    everyone = {t.id for t in table.trials if t.part == "eval"}
    own = [rates(table, light, of, everyone) for of in ([*levels[0], "gaussian_noise@30"], levels[1])]
    assert results.aggregates[light, "all"].metrics["eer"].value == pytest.approx(np.mean(own))
    assert results.ranks[light].value == results.ranks[dear].value
    assert results.ranks[light].n_spoof == 3


def test_two_light_detectors_are_compared_on_everything(
    home: Path, trials: list[Trial], tmp_path: Path
) -> None:
    file = plan(home, "light").detectors[0]
    the_plan = plan(home, "light", "dear").with_(
        detectors=(file, f"{file}@-1", file.replace("light", "dear"))
    )
    found = evaluate(bench.run(the_plan, trials, tmp_path / "run"), resamples=30)
    sizes = {
        (frozenset((c.first, c.second)), c.scope): (c.difference.n_spoof, c.conditions)
        for c in found.comparisons
    }
    dear = file.replace("light", "dear")
    assert sizes[frozenset((file, f"{file}@-1")), "all"] == (8, 4)
    assert sizes[frozenset((file, dear)), "all"] == sizes[frozenset((f"{file}@-1", dear)), "all"] == (3, 3)
    again = evaluate(ScoreTable.read(tmp_path / "run"), resamples=30, reference=file).relative_error
    assert again[dear].value == pytest.approx(1.0) and len(again) == 3
    assert set(found.ranks) == {file, f"{file}@-1"} and {r.n_spoof for r in found.ranks.values()} == {8}
    assert found.reference in found.ranks, "a few trials are a poor yardstick"
    assert any("ranks are of the 2 detectors that heard everything" in n and dear in n for n in found.notes)


def test_what_heavy_detectors_heard_is_in_the_results(results: Results) -> None:
    _, dear, bent = named(results)
    assert set(results.heard) == {dear, bent}
    part = results.heard[dear]
    assert (part.n_bonafide, part.n_spoof, part.of_bonafide, part.of_spoof) == (3, 3, 8, 8)
    assert (len(part.conditions), part.of_conditions) == (6, 8) and part.levels == ("middle", "severest")
    note = next(n for n in results.notes if "heavy" in n)
    assert "heard 6 of 16 trials (3 bona fide, 3 spoof) and 6 of 8 conditions" in note and dear in note
    assert {b.condition for b in results.breakdowns if b.detector == dear} <= {*part.conditions, ""}


def test_a_level_that_nobody_heard_does_not_take_its_twin_along(whole: tuple[Plan, Path]) -> None:
    """gaussian_noise@20 with the audio of @30: light detectors count @30; heavy ones, who did not hear it, @20."""
    table = ScoreTable.read(whole[1])
    facts = {k: dict(v) for k, v in table.conditions.items()}
    facts["gaussian_noise@20"]["digest"] = facts["gaussian_noise@30"]["digest"]
    found = evaluate(ScoreTable(table.record, table.trials, table.cells, facts), resamples=20)
    part = set(table.record["heavy"]["trials"])
    _, dear, _ = named(found)
    expected = rates(table, dear, ["gaussian_noise@20", "gaussian_noise@5"], part)
    assert found.aggregates[dear, "gaussian_noise"].metrics["eer"].value == pytest.approx(expected)
    assert {c.conditions for c in found.comparisons if c.scope == "all"} == {3}


# 5. the report


def test_every_format_says_who_heard_a_part(whole: tuple[Plan, Path], results: Results) -> None:
    table = ScoreTable.read(whole[1])
    console = Console(width=200, record=True, file=io.StringIO())
    report.terminal(results, console)
    csv = report.csv_files(results)
    told = {
        "terminal": " ".join(console.export_text().split()),
        "markdown": report.markdown(results),
        "html": " ".join(report.html(results, table, whole[1]).split()),
        "latex": report.latex(results),
    }
    for name, text in told.items():
        assert "6 of 16 trials" in text, name
        assert "†" in text or r"\dag" in text, name
    assert "On common ground" in told["html"] and "common ground" in told["markdown"]
    found = json.loads(json.dumps(report.as_json(results)))
    assert found["heard"][named(results)[1]]["n_spoof"] == 3 and found["common"]
    assert ",3,3," in csv["comparisons.csv"] and "common.csv" in csv
    assert "not scored yet" not in told["html"]
