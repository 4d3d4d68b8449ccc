"""Explanations: toy detectors whose reasons are known, faithfulness, the words and their numbers, determinism, bad input."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from signals import noise, voice
from spoofproof.audio import save_audio
from spoofproof.cli import app
from spoofproof.errors import BadAudio, BadPlan, BadScores
from spoofproof.explain import Explanation, explain
from spoofproof.explain.artefacts import MEASURES, Reading
from spoofproof.explain.assess import Measured, assess
from spoofproof.explain.deletion import deletion
from spoofproof.explain.ear import LLR, Ear, excerpt
from spoofproof.explain.occlusion import Grid, occlude, outstanding
from spoofproof.explain.page import page
from spoofproof.explain.reference import Reference, load, read, written
from spoofproof.explain.spectra import FILLS, Canvas, istft, stft
from spoofproof.explain.why import findings
from spoofproof.streams import stream
from spoofproof.types import Clip, DetectorSpec, Trial

RATE = 16_000


def cue(clips: Sequence[Clip]) -> list[float]:
    """Listens to 3–4 kHz between 1 and 2 s and to nothing else: the louder it is there, the more it calls synthetic."""
    found = []
    for clip in clips:
        spectrum = np.abs(np.fft.rfft(clip.samples[RATE : 2 * RATE] * np.hanning(RATE)))
        found.append(3 - 10 * math.log10(float(np.square(spectrum[3000:4000]).mean()) + 1e-9) / 5)
    return found


def constant(clips: Sequence[Clip]) -> list[float]:
    return [-1.0] * len(clips)


def ear(detector: Any, card: str = "log odds of bona fide") -> Ear:
    spec = DetectorSpec("toy", lambda: detector, RATE, "", card=lambda: {"score": card})
    return Ear("toy", spec, detector)


def planted(seed: int = 0) -> Clip:
    """A voice with noise between 3 and 4 kHz added from 1 to 2 s."""
    x = voice(4.0, seed=seed).samples.copy()
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(RATE))
    spectrum[:3000] = spectrum[4000:] = 0
    x[RATE : 2 * RATE] += (0.2 * np.fft.irfft(spectrum, RATE)).astype(np.float32)
    return Clip(x, RATE)


@pytest.fixture(scope="module")
def found() -> Explanation:
    return explain(planted(), ear(cue))


def test_the_spectra_come_back() -> None:
    x = noise(1.0).samples
    assert istft(stft(x), x.size) == pytest.approx(x, abs=1e-5)


def test_nothing_changes_outside_a_region() -> None:
    x = noise(3.0).samples
    canvas = Canvas.of(x, FILLS["silence"], stream(0, "x"))
    grid = Grid.over(x.size)
    cells = np.zeros(grid.shape, dtype=np.bool_)
    cells[4:8, 3] = True  # 1 to 2 s
    made = canvas.without(grid.region(cells))
    assert made[: RATE - 512] == pytest.approx(x[: RATE - 512], abs=1e-5)
    assert made[2 * RATE + 512 :] == pytest.approx(x[2 * RATE + 512 :], abs=1e-5)
    before, after = (np.fft.rfft(y[RATE + 512 : 2 * RATE - 512] * np.hanning(RATE - 1024)) for y in (x, made))
    hz = np.fft.rfftfreq(RATE - 1024, 1 / RATE)
    inside = (hz > grid.hz[3] + 100) & (hz < grid.hz[4] - 100)
    assert np.square(np.abs(after[inside])).sum() < 1e-3 * np.square(np.abs(before[inside])).sum()
    outside = (hz < grid.hz[3] - 100) | (hz > grid.hz[4] + 100)
    changed = np.abs(after[outside] - before[outside])
    assert np.square(changed).sum() < 1e-3 * np.square(np.abs(before[outside])).sum()


def test_cells_cover_everything_once() -> None:
    grid = Grid.over(64_600)
    total = np.zeros((grid.frames, 257), dtype=int)
    for t, b in np.ndindex(*grid.shape):
        cells = np.zeros(grid.shape, dtype=np.bool_)
        cells[t, b] = True
        total += grid.region(cells)
    assert (total == 1).all()
    assert grid.frames == len(stft(noise(1.0).samples[:1].repeat(64_600)))


def test_a_planted_cue_is_found_where_it_is(found: Explanation) -> None:
    t, b = np.unravel_index(np.argmax(np.abs(found.occlusion.change)), found.occlusion.change.shape)
    grid = found.occlusion.grid
    assert 1 <= (grid.times[t] + grid.times[t + 1]) / 2 <= 2
    assert grid.hz[b] < 4000
    assert grid.hz[b + 1] > 3000
    first = found.occlusion.regions[0]
    assert first.change < -1, "it spoke for synthesis"
    assert 0.75 <= first.start < first.end <= 2.25
    assert first.low_hz < 3600 < first.high_hz
    outside = found.occlusion.change[(grid.times[1:] < 0.9) | (grid.times[:-1] > 2.1)]
    assert np.abs(outside).max() < 0.02 * np.abs(found.occlusion.change).max()


def test_the_true_map_passes_the_deletion_test(found: Explanation) -> None:
    d = found.deletion
    assert d.passed
    assert d.low > 0
    assert d.beaten == 1.0
    assert d.by_map[2] > 3 * d.by_random[2]
    assert d.by_map[-1] >= d.by_map[1] > 0


def test_a_wrong_map_fails_the_deletion_test() -> None:
    heard = excerpt(planted())
    canvas = Canvas.of(heard.samples, FILLS["median-noise"], stream(0, "explain", "fill"))
    true = occlude(heard.samples, canvas, ear(cue))
    shuffled = stream(1, "shuffle").permutation(true.change.ravel()).reshape(true.change.shape)
    for wrong in (shuffled, -true.change):
        lie = type(true)(true.grid, true.score, wrong, true.fine, (), 0)
        assert not deletion(canvas, ear(cue), lie).passed


def test_a_constant_detector_has_no_region_and_it_says_so() -> None:
    made = explain(planted(), ear(constant))
    assert made.occlusion.regions == ()
    assert not made.occlusion.change.any()
    assert not made.deletion.passed
    assert made.deletion.area == 0
    text = " ".join(made.summary)
    assert "No region stands out" in text
    assert "fails the deletion test" in text


def test_calls_are_bounded_and_counted(found: Explanation) -> None:
    asked: list[int] = []

    def counting(clips: Sequence[Clip]) -> list[float]:
        asked.append(len(clips))
        return cue(clips)

    heard = excerpt(planted())
    canvas = Canvas.of(heard.samples, FILLS["silence"], stream(0, "x"))
    for most in (48, 96, 300):
        asked.clear()
        made = occlude(heard.samples, canvas, ear(counting), most)
        assert made.calls == sum(asked) <= most
        assert made.fine.any()
    assert made.fine.all(), "300 calls reach every cell"
    assert found.calls == found.occlusion.calls + found.deletion.calls
    with pytest.raises(BadPlan, match="at least 48"):
        occlude(heard.samples, canvas, ear(cue), 47)


def test_coarse_cells_hold_equal_shares() -> None:
    heard = excerpt(planted())
    canvas = Canvas.of(heard.samples, FILLS["silence"], stream(0, "x"))
    made = occlude(heard.samples, canvas, ear(cue), 60)
    assert not made.fine.all()
    assert np.abs(made.change[~made.fine]).max() < np.abs(made.change[made.fine]).max()
    coarse = ~made.fine & (made.change != 0)
    alike = [coarse & (made.change == value) for value in np.unique(made.change[coarse])]
    blocks = [cells for cells in alike if cells.sum() == 4]  # larger sets are several cells of one value
    assert len(blocks) >= 3
    for cells in blocks[:: len(blocks) // 3]:  # what deleting the whole cell does, shared among its parts
        without = ear(cue).scores([canvas.without(made.grid.region(cells))])[0]
        assert made.change[cells].sum() == pytest.approx(made.score - without, rel=1e-6)


def test_a_diffuse_map_names_no_region() -> None:
    even = stream(0, "even").normal(1.0, 0.2, (16, 8))
    assert outstanding(even, np.ones(even.shape, dtype=np.bool_)) == []
    even[3:5, 2] = -9
    (region,) = outstanding(even, np.ones(even.shape, dtype=np.bool_))
    assert np.argwhere(region).tolist() == [[3, 2], [4, 2]]


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


@pytest.mark.parametrize("detector", [cue, constant])
def test_the_summary_holds_only_numbers_that_are_in_the_facts(detector: Any) -> None:
    made = explain(planted(), ear(detector))
    facts = made.as_dict()
    text = " ".join(facts.pop("summary"))
    held = sorted(set(numbers(facts)))
    counts = {len(f.where) - 1 for f in made.findings} | {len(made.findings)}
    said = re.findall(r"(?<![\w.])[+-]?\d+(?:\.\d+)?", text.replace("–", " "))
    assert len(said) > 8
    for word in said:
        digits = len(word.partition(".")[2])
        near = 0.5 * 10.0**-digits * 1.01
        number = float(word)
        good = any(
            abs(sign * scale * h - number) <= near
            for h in held
            for scale in (1, 100, 0.001)
            for sign in (1, -1)
        )
        assert good or number in counts, f"{word} is in no fact: {text}"


def test_the_score_is_said_as_it_is(found: Explanation) -> None:
    side = "synthetic" if found.score < 0 else "real"
    said = f"gives 0.00–{found.end:.2f} s of the recording a log-likelihood ratio of {found.score:+.2f}, which speaks for {side}"
    assert any(said in text for text in found.summary)
    plain = explain(planted(), ear(cue, "a distance"))
    assert any(f"a score of {plain.score:+.2f}; where its threshold" in text for text in plain.summary)


def test_every_sentence_has_a_number(found: Explanation) -> None:
    for text in found.summary:
        if not text.startswith("Not measured"):
            assert re.search(r"\d", text), text


def test_the_same_twice_and_another_seed_draws_other_orders(found: Explanation) -> None:
    again = explain(planted(), ear(cue))
    assert json.dumps(again.as_dict()) == json.dumps(found.as_dict())
    other = explain(planted(), ear(cue), seed=1)
    assert other.occlusion.score == found.occlusion.score
    assert other.deletion.by_random != found.deletion.by_random


def test_batches_do_not_matter(found: Explanation) -> None:
    one = ear(cue)
    one.spec = DetectorSpec("toy", lambda: cue, RATE, "", batch=1, card=one.spec.card)
    assert explain(planted(), one).as_dict() == found.as_dict()


def test_a_score_that_is_no_log_odds_names_no_side() -> None:
    made = explain(planted(), ear(cue, card=""))
    assert made.unit != LLR
    assert "no side is named" in made.summary[0]
    assert "agrees" not in " ".join(made.summary)


def test_another_rate_and_a_start_explain_what_lies_there() -> None:
    x = planted()
    later = Clip(np.concatenate([noise(1.0, rms=0.001).samples, x.samples]), RATE)
    made = explain(later, ear(cue), start=1.0)
    assert (made.start, made.end) == (1.0, pytest.approx(5.0))
    assert made.score == pytest.approx(explain(x, ear(cue)).score, abs=0.05)
    assert excerpt(Clip(np.zeros(44_100 * 9, dtype=np.float32), 44_100)).samples.size == 64_600


def test_bad_input_is_a_sentence() -> None:
    with pytest.raises(BadAudio, match=r"at least 0\.5 s"):
        explain(noise(0.3), ear(cue))
    with pytest.raises(BadAudio, match="earlier start"):
        explain(noise(3.0), ear(cue), start=2.8)
    with pytest.raises(BadAudio, match="starts at 0 s"):
        explain(noise(3.0), ear(cue), start=-1)
    with pytest.raises(BadScores, match="one finite"):
        explain(noise(3.0), ear(lambda clips: [math.nan] * len(clips)))
    with pytest.raises(BadScores, match="one finite"):
        explain(noise(3.0), ear(lambda clips: [0.0]))
    with pytest.raises(BadPlan, match="no reference table"):
        read("{}")


def test_silence_is_explained_without_a_crash() -> None:
    made = explain(Clip(np.zeros(2 * RATE, dtype=np.float32), RATE), ear(constant))
    json.dumps(made.as_dict(), allow_nan=False)
    assert any(f.name == "digital silence" and f.value == 100 for f in made.findings)
    assert any("Not measured" in text for text in made.summary)


def reference_speech(shift: dict[str, float], n: int = 30) -> list[Measured]:
    """Two sources; each measure is normal, its spoof mean moved by ``shift`` (by default not at all)."""
    rng = np.random.default_rng(11)
    made = []
    for source in ("one", "two"):
        for i in range(2 * n):
            label = "spoof" if i % 2 else "bonafide"
            values = {m: rng.standard_normal() + (shift.get(m, 0.0) if i % 2 else 0.0) for m in MEASURES}
            trial = Trial(
                f"{source}{i}",
                Path("x"),
                label,
                speaker=f"{source}{i // 2}",
                source=source,
                attack=label[: i % 2 * 5],
            )
            made.append(Measured(trial, values, score=rng.standard_normal() + (0.0 if i % 2 else 2.0)))
    return made


def test_strong_measures_are_those_that_tell_the_classes_apart_in_every_source() -> None:
    speech = reference_speech({"jitter": 2.0, "noise floor": -2.0})
    one_sided = [
        Measured(
            m.trial,
            {**m.values, "breaths": 5.0 * (m.trial.label == "spoof" and m.trial.source == "one")},
            score=m.score,
        )
        for m in speech
    ]
    table = assess(one_sided, one_sided, {}, count=40)
    assert set(table.strong) == {"jitter", "noise floor"}, "breaths tell only in one source: a channel may"
    assert (table.measures["jitter"].direction, table.measures["noise floor"].direction) == (1, -1)
    # Normals two deviations apart: AUROC = Phi(2 / sqrt 2) = 0.921.
    assert table.measures["jitter"].auroc.value == pytest.approx(0.921, abs=0.05)
    far = dict.fromkeys(MEASURES, 0.0) | {"jitter": 3.0, "noise floor": -3.0}
    near = dict.fromkeys(MEASURES, 0.0)
    synthetic, real = table.measured(far), table.measured(near)
    assert synthetic is not None
    assert real is not None
    assert synthetic < 0 < real
    assert table.measured(near | {"jitter": math.nan}) is None
    back = read(written(table))
    assert back.measured(far) == pytest.approx(synthetic, rel=1e-9)
    assert back.strong == table.strong


def test_without_a_strong_measure_it_is_the_detector_alone() -> None:
    table = assess(reference_speech({}), reference_speech({}), {}, count=40)
    assert table.strong == ()
    assert table.measured(dict.fromkeys(MEASURES, 0.0)) is None
    made = explain(planted(), ear(cue), reference=table)
    assert "stands on toy alone" in " ".join(made.summary)


def test_shares_count_clips() -> None:
    table = assess(reference_speech({"jitter": 2.0}), reference_speech({"jitter": 2.0}), {}, count=20)
    entry = table.measures["jitter"]
    values = np.array(entry.values["real"])
    assert entry.share("real", 0.7, 1) == np.mean(values >= 0.7)
    assert entry.share("real", 0.7, -1) == np.mean(values <= 0.7)
    assert entry.share("real", float(values[5]), 1) == np.mean(values >= values[5]), "ties count"


def test_a_measure_speaks_beyond_its_line_however_far() -> None:
    table = assess(reference_speech({"jitter": 2.0}), reference_speech({"jitter": 2.0}), {}, count=20)
    line = table.measures["jitter"].line("real", 1)
    assert line is not None
    real = np.array(table.measures["jitter"].values["real"])
    assert np.mean(real >= line) <= 0.1 < np.mean(real >= line - 0.2)
    for value, speaks in ((line, "spoof"), (1e6, "spoof"), (line - 0.01, ""), (-1e6, "bonafide")):
        readings = dict.fromkeys(MEASURES, Reading(0.0)) | {"jitter": Reading(value)}
        (found,) = [f for f in findings(readings, table) if f.name == "jitter"]
        assert (found.speaks, found.strong) == (speaks, True), value
    assert table.measures["breaths"].line("real", table.measures["breaths"].direction) is None, (
        "it tells nothing"
    )


def test_the_shipped_table_is_whole() -> None:
    table: Reference = load()
    assert set(table.measures) == set(MEASURES)
    assert set(table.facts["dev"]) == {"bigvgan_demo", "meta_s2st"}
    for name, entry in table.measures.items():
        assert 0 <= entry.auroc.low <= entry.auroc.value <= entry.auroc.high <= 1, name
        assert entry.strong == (
            entry.auroc.low > 0.5 and min(e.value for e in entry.sources.values()) >= 0.6
        ), name
        assert len(entry.values["real"]) <= 49, name
    assert (table.together is None) == (not table.strong)


def test_the_page_is_whole_and_fetches_nothing(found: Explanation) -> None:
    made = page(found, planted(), "a <b> clip.wav")
    assert "a &lt;b&gt; clip.wav" in made
    assert not re.search(r"""(src|href)="(?!data:|#)""", made)
    assert made.count('class="cell') > 0
    assert f'class="found"' in made  # noqa: F541
    for text in found.summary:
        assert text.split(" [")[0][:40] in made.replace("&lt;", "<").replace("&#39;", "'")


TOY = '''
import numpy as np
import spoofproof

@spoofproof.detector(rate=16_000)
def loud(argument: str = ""):
    """Scores a clip by its level, and nothing else at all."""
    return lambda clips: [float(np.abs(c.samples).mean()) for c in clips]
'''


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    save_audio(planted(), tmp_path / "a b.wav")
    run = CliRunner().invoke
    words = [str(tmp_path / "a b.wav"), "--detector", f"{tmp_path / 'toy.py'}:loud"]
    told = run(app, ["explain", *words, "--html", str(tmp_path / "o.html")])
    assert told.exit_code == 0, told.output
    assert "deletion test" in told.output.replace("\n", " ")
    assert (tmp_path / "o.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    facts = run(app, ["explain", *words, "--json"])
    assert json.loads(facts.stdout)["occlusion"]["calls"] <= 96
    with pytest.raises(BadAudio, match="no such file"):
        run(app, ["explain", str(tmp_path / "none.wav")], catch_exceptions=False)
