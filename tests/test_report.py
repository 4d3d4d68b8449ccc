"""The report says what Results say: every number, nothing twice, nothing unescaped, nothing fetched."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
import struct
import subprocess
import sys
import zlib
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import results_toys as toys
from spoofproof import report
from spoofproof.report import plots, samples, text, view, words
from spoofproof.results import CellResult, Comparison, ConditionInfo, Results
from spoofproof.types import Clip, Estimate

EVIL = "<script>alert(1)</script>"
QUOTES = "od\"d's & <b>|x|</b> 100%_$\\{^~#}"
VOID = {"meta", "link", "input", "br", "hr", "img", "wbr", "line", "rect", "circle", "polyline", "polygon"}


class Page(HTMLParser):
    """Checks that tags nest, and keeps what a test asks for."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []
        self.tips: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute twice in {tag}: {attrs}"
        self.links += [str(found[key]) for key in ("src", "href", "srcset", "action", "data") if key in found]
        self.handlers += [key for key in found if key.startswith("on")]
        self.ids += [str(found["id"])] if "id" in found else []
        self.tips += [str(found["data-tip"])] if "data-tip" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data


def page(results: Results, run: Path = Path("nowhere")) -> tuple[str, Page]:
    source = report.html(results, toys.table_of(results), run)
    return source, Page(source)


def said(results: Results, width: int = 160) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    report.terminal(results, console)
    return console.export_text()


def flat(text: str) -> str:
    """One line; the no-break space before a per cent sign stays."""
    return re.sub(r"[ \n]+", " ", text)


def rows_of(name: str, results: Results) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(report.csv_files(results)[name])))


@pytest.fixture(scope="module")
def full() -> Results:
    return toys.make()


@pytest.fixture(scope="module")
def odd() -> Results:
    """Names that try to break out of every format."""
    chain = ConditionInfo(f"reverb@0.5+{QUOTES}", f"reverb@0.5+{QUOTES}", "chain")
    return toys.make(
        (EVIL, QUOTES, "plain"), extra=[chain], notes=(f"note {EVIL}", "[bold]not markup[/bold]")
    )


# --- HTML


def test_page_is_well_formed_and_self_contained(full: Results, tmp_path: Path) -> None:
    toys.write_samples(tmp_path, full, seconds=0.3)
    source, parsed = page(full, tmp_path)
    assert source.startswith("<!doctype html>")
    assert parsed.tags["script"] == 1 and parsed.tags["style"] == 1 and parsed.tags["iframe"] == 0
    assert parsed.tags["audio"] > 60 and parsed.tags["svg"] > 20
    bad = [link for link in parsed.links if not link.startswith(("#", "data:"))]
    assert not bad and not parsed.handlers
    assert not re.search(r"https?://|@import|url\((?!#)", source)
    assert all(parsed.ids.count(link[1:]) == 1 for link in parsed.links if link.startswith("#"))
    assert max(Counter(parsed.ids).values()) == 1


def test_page_has_every_detector_condition_and_interval(full: Results) -> None:
    _, parsed = page(full)
    shown = flat(parsed.text)
    for name in [*full.detectors, *(c.name for c in full.conditions)]:
        assert name in shown, name
    for cell in full.cells.values():
        eer = cell.metrics["eer"]
        assert f"{100 * eer.value:.1f}\u00a0%{100 * eer.low:.1f}–{100 * eer.high:.1f}" in shown
    for (detector, name), aggregate in full.aggregates.items():
        if name in {c.corruption for c in full.conditions}:
            eer = aggregate.metrics["eer"]
            tip = f"EER {100 * eer.value:.1f}\u00a0% [{100 * eer.low:.1f}–{100 * eer.high:.1f}]"
            assert any(t.startswith(f"{detector} · {name}") and tip in t for t in parsed.tips), (
                detector,
                name,
            )


def test_names_cannot_break_out_of_the_page(odd: Results) -> None:
    source, parsed = page(odd)
    assert parsed.tags["script"] == 1 and parsed.tags["b"] and not parsed.handlers
    assert EVIL not in source and "<b>|x|" not in source
    assert EVIL in parsed.text and QUOTES in parsed.text


def test_page_says_what_did_not_run_and_what_is_double(full: Results) -> None:
    source, parsed = page(full)
    assert source.count('class="hatch"') == 6  # neural_codec, once in the map of each metric
    assert toys.WHY in parsed.text
    for level in ("4", "2", "1"):
        assert f"opus@{level} gives the same output as opus@8" in flat(parsed.text)
    assert "97.2\u00a0%" in parsed.text and "shorter than one frame" in parsed.text


def test_page_is_small(full: Results, tmp_path: Path) -> None:
    report.write(full, toys.table_of(full), tmp_path)
    assert len(full.conditions) * len(full.detectors) > 450
    assert (tmp_path / "report.html").stat().st_size < 1_500_000


def test_corpus_audit_and_how_to_repeat_are_there(full: Results) -> None:
    _, parsed = page(full)
    shown = flat(parsed.text)
    assert "reaches AUROC 0.53 [0.48–0.58] (chance is 0.50): near chance" in shown
    assert "Four professional voices and old synthesis" in shown
    assert (
        "640 evaluation trials of builtin (320 bona fide, 320 spoof; 4 speakers, 6 attacks, 5 languages)"
        in shown
    )
    assert (
        "spoofproof bench --plan default --corpus builtin --detector lfcc-lcnn" in shown
        and "--seed 2025" in shown
    )
    assert "c0ffeec0ffee" in shown and "abc1234" in shown
    fast = replace(full, record={**full.record, "runtime": "openvino"})
    assert "spoofproof --runtime openvino bench --plan default" in flat(page(fast)[1].text)


def test_shortcut_sentence_warns_when_flagged() -> None:
    from spoofproof.report.html import shortcut_sentence

    assert "without listening" in shortcut_sentence(
        {"classifier": {"auroc": 0.8, "low": 0.7, "high": 0.9, "flagged": True}}
    )
    wide = shortcut_sentence({"classifier": {"auroc": 0.53, "low": 0.35, "high": 0.71, "flagged": False}})
    assert "too few clips to rule one out" in wide and "near chance" not in wide
    assert shortcut_sentence({}) == "" and shortcut_sentence({"classifier": None}) == ""


# --- pictures


def test_curve_points_stand_at_their_values(full: Results) -> None:
    """Read the drawing back: the y of each marker, put through the axis, is the EER of its cell."""
    group = next(g for g in view.groups(full) if g.name == "mp3")
    scale = plots.axis(full, words.EER)
    svg = str(plots.severity(full, group, scale))
    circles = re.findall(r'<circle class="mark" cx="([\d.]+)" cy="([\d.]+)"[^>]*data-tip="([^"]*)"', svg)
    assert len(circles) == 6  # lfcc-lcnn: clean and five levels
    names = ["clean", *(c.name for c in group.conditions)]
    bottom, top = scale.y(0.0), scale.y(0.5)
    assert bottom > top  # y grows downwards in SVG: the worse error stands higher
    for name, (x, y, tip) in zip(names, circles, strict=True):
        eer = full.cells["lfcc-lcnn", name].metrics["eer"].value
        assert (bottom - float(y)) / (bottom - top) * 0.5 == pytest.approx(eer, abs=0.002)
        assert name in tip and 0 < float(x) < 300
    assert [float(x) for x, _, _ in circles] == sorted(float(x) for x, _, _ in circles)


def test_two_sided_levels_stand_around_clean(full: Results) -> None:
    order = {
        "pitch_shift": ["-2", "-1", "-0.5", None, "0.5", "1", "2"],
        "time_stretch": ["0.7", "0.9", None, "1.1", "1.3", "1.5"],
        "mp3": [None, "40", "32", "24", "16", "8"],
        "speed_resample": [None, "0.9", "1.1"],
    }
    for name, expected in order.items():
        group = next(g for g in view.groups(full) if g.name == name)
        assert [None if c is None else view.level_text(c) for c in plots._slots(group)] == expected


def test_a_missing_level_breaks_the_line() -> None:
    broken = toys.make(missing=[("lfcc-gmm", "mp3@24")])
    whole = toys.make()
    group = next(g for g in view.groups(broken) if g.name == "mp3")
    lines = [
        str(plots.severity(r, group, plots.axis(r, words.EER))).count("<polyline") for r in (whole, broken)
    ]
    assert lines == [5, 6]


def test_heat_runs_from_best_to_worst() -> None:
    from spoofproof.report.html import heat

    assert [heat(words.EER, x) for x in (0.0, 0.25, 0.5, 0.7)] == [0.0, 0.5, 1.0, 1.0]
    assert [heat(words.AUROC, x) for x in (1.0, 0.75, 0.5, 0.3)] == [0.0, 0.5, 1.0, 1.0]


def unpack_png(raw: bytes) -> tuple[np.ndarray, list[bytes]]:
    """Pixels and chunk names, each checksum verified (an independent reading of ISO/IEC 15948)."""
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(raw):
        (size,) = struct.unpack(">I", raw[at : at + 4])
        kind, body = raw[at + 4 : at + 8], raw[at + 8 : at + 8 + size]
        assert struct.unpack(">I", raw[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:], list(chunks)


def test_spectrogram_shows_a_tone_where_it_is() -> None:
    t = np.arange(32000) / 16000
    tone = Clip((0.5 * np.sin(2 * np.pi * 2000 * t) * (t > 1)).astype(np.float32), 16000)
    pixels, chunks = unpack_png(samples.png(samples.spectrogram(tone)))
    assert chunks == [b"IHDR", b"PLTE", b"IDAT", b"IEND"] and pixels.shape == (80, 160)
    brightest = pixels[:, 120].argmax()
    assert abs((80 - brightest - 0.5) / 80 * 8000 - 2000) < 150  # from the bottom, 0 to 8 kHz
    assert pixels[:, :70].max() == 0 and pixels[:, 120].max() > 15  # silence first, then the tone
    assert not samples.spectrogram(Clip(np.zeros(10, np.float32), 16000)).any()


# --- samples


def test_samples_pair_each_corruption_with_its_clean_clip(full: Results, tmp_path: Path) -> None:
    toys.write_samples(tmp_path, full, seconds=0.3)
    found = samples.samples(full, tmp_path)
    assert [o.label for o in found.originals] == ["real speech", "a fake"] and found.left_out == 0
    mp3 = [item for item in found.heard if item.group == "mp3"]
    assert [(i.label, [s.condition for s in i.sounds]) for i in mp3] == [
        ("bonafide", ["mp3@40", "mp3@8"]),
        ("spoof", ["mp3@40", "mp3@8"]),
    ]
    opus = next(item for item in found.heard if item.group == "opus")
    assert [s.condition for s in opus.sounds] == ["opus@31", "opus@8"]  # 4, 2, 1 are the same as 8
    assert all(s.audio.startswith("data:audio/flac;base64,") for i in found.heard for s in i.sounds)
    assert "neural_codec" not in {i.group for i in found.heard}


def test_samples_stop_at_the_limit_and_say_so(full: Results, tmp_path: Path) -> None:
    toys.write_samples(tmp_path, full, seconds=0.3)
    whole = samples.samples(full, tmp_path)
    size = sum(len(s.audio) for i in whole.heard for s in i.sounds)
    cut = samples.samples(full, tmp_path, limit=size // 2)
    kept = [s for i in cut.heard for s in i.sounds if s.audio]
    assert sum(len(s.audio) for s in kept) <= size // 2 and cut.left_out > 0
    assert len(kept) + cut.left_out == sum(len(i.sounds) for i in whole.heard)


def test_damaged_samples_do_not_stop_a_report(full: Results, tmp_path: Path) -> None:
    toys.write_samples(tmp_path, full, seconds=0.3)
    (tmp_path / "samples" / "mp3@8" / "bonafide-a.flac").write_bytes(b"not audio")
    (tmp_path / "samples" / "clean" / "spoof-b.flac").write_bytes(b"")
    found = samples.samples(full, tmp_path)
    assert [o.label for o in found.originals] == ["real speech"]
    assert [s.condition for i in found.heard if i.group == "mp3" for s in i.sounds] == ["mp3@40"]
    assert samples.samples(full, tmp_path / "nothing").heard == ()


# --- CSV and JSON


def test_cells_csv_equals_results_to_the_last_bit(odd: Results) -> None:
    rows = rows_of("cells.csv", odd)
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if not row["metric"]:
            continue
        cell = odd.cells[row["detector"], row["condition"]]
        estimate = (cell.metrics if row["kind"] == "value" else cell.delta)[row["metric"]]
        for field in ("value", "low", "high"):
            assert float(row[field]) == getattr(estimate, field)
        assert (int(row["n_bonafide"]), int(row["n_spoof"])) == (estimate.n_bonafide, estimate.n_spoof)
        assert float(row["coverage"]) == cell.coverage and row["note"] == cell.note
        seen[row["detector"], row["condition"]] += 1
    for key, cell in odd.cells.items():
        assert seen[key] == len(cell.metrics) + len(cell.delta)
    idle = [row for row in rows if not row["metric"]]
    assert len(idle) == 3 * len(odd.detectors) and {row["status"] for row in idle} == {"not run"}
    assert all(row["note"] == toys.WHY for row in idle)


@pytest.mark.parametrize(("name", "metric"), [("eer.csv", "eer"), ("accuracy.csv", "accuracy_frozen")])
def test_wide_csv_equals_results(full: Results, name: str, metric: str) -> None:
    rows = rows_of(name, full)
    assert [row["condition"] for row in rows] == [c.name for c in full.conditions]
    for row in rows:
        for detector in full.detectors:
            cell = full.cells.get((detector, row["condition"]))
            expected = "" if cell is None else repr(cell.metrics[metric].value)
            assert row[detector] == expected


def test_means_csv_equals_results(full: Results) -> None:
    for row in rows_of("means.csv", full):
        estimate = full.aggregates[row["detector"], row["over"]].metrics[row["metric"]]
        assert float(row["value"]) == estimate.value and float(row["high"]) == estimate.high


def test_json_round_trip_holds_all_of_results_and_no_nan(full: Results, tmp_path: Path) -> None:
    nan = Estimate(math.nan, -math.inf, math.inf, 1, 1)
    cells = {
        **full.cells,
        ("random", "mp3@8"): CellResult("random", "mp3@8", {"eer": nan}, {}, math.nan, "one class"),
    }
    results = replace(full, cells=cells)
    report.write(results, toys.table_of(results), tmp_path)
    raw = (tmp_path / "report.json").read_text(encoding="utf-8")

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads(raw, parse_constant=refuse)
    assert {f.name for f in dataclasses.fields(Results)} | {"schema"} == set(found)
    by = {(c["detector"], c["condition"]): c for c in found["cells"]}
    assert set(by) == set(cells)
    assert (
        by["random", "mp3@8"]["metrics"]["eer"]["value"] is None and by["random", "mp3@8"]["coverage"] is None
    )
    for key, cell in full.cells.items():
        if key != ("random", "mp3@8"):
            assert {m: Estimate(**e) for m, e in by[key]["metrics"].items()} == dict(cell.metrics)
            assert {m: Estimate(**e) for m, e in by[key]["delta"].items()} == dict(cell.delta)
    assert [ConditionInfo(**c) for c in found["conditions"]] == list(full.conditions)
    assert found["record"]["seed"] == 2025 and found["reference"] == full.reference
    page(results)  # NaN everywhere else as a dash
    assert "nan" not in said(results).lower()


# --- Markdown and LaTeX


def test_markdown_tables_are_rectangular(odd: Results) -> None:
    source = report.markdown(odd)
    blocks = re.findall(r"(?:^\|.*\n?)+", source, flags=re.M)
    assert len(blocks) >= 8
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}
        assert len(widths) == 1, block
    assert "<script" not in source and "&lt;script>" in source
    assert "neural_codec" in source and toys.WHY in source


def test_latex_is_escaped_and_balanced(odd: Results) -> None:
    source = report.latex(odd)
    assert source.count(r"\begin{") == source.count(r"\end{") == 2
    bare = re.sub(r"\\[{}\\$&%#_]", "", source)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    body = source[source.index(r"\begin{tabular}") :]
    for line in body.split("\n"):
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == len(odd.detectors), line
    for special in "%$#_":
        assert not re.search(rf"(?<!\\){re.escape(special)}", bare.replace("% needs", "", 1)), special
    assert not re.search(r"[<>|\"~^](?!.*\\)", "".join(re.findall(r"alert.*", source)).replace("~", ""))
    known = [
        "begin",
        "end",
        "centering",
        "caption",
        "label",
        "toprule",
        "midrule",
        "bottomrule",
        "scriptsize",
    ]
    known += [f"text{name}" for name in ("backslash", "asciitilde", "asciicircum", "less", "greater", "bar")]
    assert set(re.findall(r"\\([a-z]+)", source)) <= {*known, "char", "usepackage"}


def test_latex_numbers_are_the_means(full: Results) -> None:
    source = report.latex(full)
    row = next(line for line in source.split("\n") if line.startswith("mp3 &"))
    shown = [float(x) for x in re.findall(r"& ([\d.]+) ", row)]
    expected = [round(100 * full.aggregates[d, "mp3"].metrics["eer"].value, 1) for d in full.detectors]
    assert shown == expected
    assert "not run & not run" in source


# --- what is said


def test_headline_in_plain_words(full: Results) -> None:
    first = view.headlines(full)[0]
    clean, mean = (
        full.cells["lfcc-lcnn", "clean"].metrics["eer"],
        full.aggregates["lfcc-lcnn", "all"].metrics["eer"],
    )
    counted = [
        c
        for c in full.conditions
        if c.family not in ("clean", "control") and c.status == "ok" and not c.duplicate_of
    ]
    low = max(counted, key=lambda c: full.cells["lfcc-lcnn", c.name].metrics["eer"].value)
    assert first.detector == "lfcc-lcnn"
    assert first.sentences[0].startswith(f"{words.rough(clean.value)} [")
    assert (
        f"→ {words.rough(mean.value)} [" in first.sentences[0]
        and f"worst: {low.name} with" in first.sentences[0]
    )
    assert "accuse" in first.sentences[1] and "fakes through" in first.sentences[1]


def test_worst_leaves_controls_and_duplicates_out(full: Results) -> None:
    high = Estimate(0.99, 0.98, 1.0, 1, 1)
    cells = dict(full.cells)
    for name in ("identity", "opus@1", "speed_resample@1.1"):
        cells["lfcc-gmm", name] = replace(cells["lfcc-gmm", name], metrics={"eer": high})
    results = replace(full, cells=cells)
    names = {w.condition.name for w in view.worst_conditions(results)}
    assert not names & {"identity", "opus@1", "speed_resample@1.1"}
    assert Counter(w.detector for w in view.worst_conditions(results)) == dict.fromkeys(full.detectors, 5)


def test_inverted_is_sure_only_with_its_whole_interval(full: Results) -> None:
    cells = dict(full.cells)
    for name, high in (("mp3@8", 0.45), ("mp3@16", 0.55)):
        old = cells["lfcc-gmm", name]
        cells["lfcc-gmm", name] = replace(
            old, metrics={**old.metrics, "auroc": Estimate(0.4, 0.3, high, 1, 1)}
        )
    results = replace(full, cells=cells)
    found = {i.condition: i.sure for i in view.inverted(results) if i.detector == "lfcc-gmm"}
    assert found == {"mp3@8": True, "mp3@16": False}
    assert "Inverted (AUROC surely below 0.5) under 1 condition: mp3@8." in " ".join(
        next(h for h in view.headlines(results) if h.detector == "lfcc-gmm").sentences
    )
    assert "inverted  lfcc-gmm under mp3@8" in said(results)
    assert "⇅ mp3@8" in page(results)[1].text


def test_a_verdict_needs_the_corrected_p() -> None:
    assert text.verdict("a", "b", "eer", -0.1, 0.01) == "a is better"
    assert text.verdict("a", "b", "auroc", -0.1, 0.01) == "b is better"
    assert (
        text.verdict("a", "b", "eer", -0.1, 0.06)
        == text.verdict("a", "b", "eer", -0.1, math.nan)
        == "no difference shown"
    )
    row = Comparison("a", "b", "all", "eer", Estimate(-0.1, -0.2, -0.01, 1, 1), 0.01, 0.2)
    assert (
        text.comparison_rows(replace(toys.make(("a",)), comparisons=[row]))[1][0][-1] == "no difference shown"
    )


def test_terminal_says_it_all(full: Results) -> None:
    out = said(full)
    for name in full.detectors:
        assert name in out
    for group in view.groups(full):
        assert group.name in out
    shown = flat(out)
    assert toys.WHY in shown and "opus@4 gives the same output as opus@8" in shown
    assert "lfcc-gmm under time_stretch@1.5 scored 97.2% of its trials: 18 trials failed" in out.replace(
        "\n", " "
    )
    assert "Controls" in out and full.notes[0] in shown


def test_terminal_prints_names_as_they_are(odd: Results) -> None:
    assert "[bold]not markup[/bold]" in said(odd)
    narrow = said(odd, width=60)
    assert "mp3" in narrow and "not run" in narrow


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0\u00a0%"),
        (0.034, "3.4\u00a0%"),
        (0.0996, "10\u00a0%"),
        (0.3149, "31\u00a0%"),
        (1.0, "100\u00a0%"),
    ],
)
def test_rough_percentages(value: float, shown: str) -> None:
    assert words.rough(value) == shown


def test_levels_that_differ_are_flagged(full: Results) -> None:
    assert {c.name for c in full.conditions if view.differs(c)} == {"opus@4", "opus@2", "opus@1"}
    assert "→ 4.68" not in str(page(full)[1].text)  # a duplicate says what it equals instead
    changed = [replace(c, duplicate_of="") for c in full.conditions]
    assert "→ 4.68" in page(replace(full, conditions=changed))[1].text


# --- runs that are not whole


def test_incomplete_run(tmp_path: Path) -> None:
    whole = toys.make()
    gone = [("lfcc-gmm", c.name) for c in whole.conditions if c.family == "compression"] + [
        ("random", "clean")
    ]
    results = toys.make(missing=gone)
    paths = report.write(results, toys.table_of(results), tmp_path)
    _, parsed = page(results)
    waiting = len([1 for d, n in gone if (d, n) in whole.cells])
    assert f"{waiting} cells of this run are not scored yet" in flat(parsed.text)
    assert all(path.is_file() for path in paths)


def test_nothing_scored_at_all(tmp_path: Path) -> None:
    whole = toys.make(("a", "b"))
    results = replace(
        whole,
        conditions=[
            replace(c, status="missing", why="") if c.status == "ok" else c for c in whole.conditions
        ],
        cells={},
        aggregates={},
        comparisons=[],
        breakdowns=[],
        ranks={},
        relative_error={},
        thresholds={},
    )
    report.write(results, toys.table_of(results), tmp_path)
    assert "No cell has been scored yet" in page(results)[1].text
    assert "not scored yet" in said(results)


def test_without_development_data(tmp_path: Path) -> None:
    results = toys.make(dev=False)
    report.write(results, toys.table_of(results), tmp_path)
    source, parsed = page(results)
    assert 'id="threshold"' not in source and "Accuracy, frozen" not in parsed.text
    assert "accuse" not in said(results)
    assert {row["lfcc-gmm"] for row in rows_of("accuracy.csv", results)} == {""}


def test_single_detector(tmp_path: Path) -> None:
    results = toys.make(("lfcc-gmm",))
    report.write(results, toys.table_of(results), tmp_path)
    _, parsed = page(results)
    assert "this detector" in parsed.text and "Detectors against each other" not in parsed.text


def test_record_without_facts() -> None:
    results = replace(
        toys.make(("lfcc-gmm",)), record={"plan": "p", "detectors": ["lfcc-gmm"], "conditions": []}
    )
    page(results)
    said(results)
    report.markdown(results)


def test_only_eer_measured(tmp_path: Path) -> None:
    whole = toys.make()
    cells = {
        key: replace(cell, metrics={"eer": cell.metrics["eer"], "my.py:odd": cell.metrics["auroc"]})
        for key, cell in whole.cells.items()
    }
    results = replace(whole, cells=cells, aggregates={})
    report.write(results, toys.table_of(results), tmp_path)
    assert any(row["metric"] == "my.py:odd" for row in rows_of("cells.csv", results))


def test_files_are_where_they_should_be(full: Results, tmp_path: Path) -> None:
    paths = report.write(full, toys.table_of(full), tmp_path)
    assert {str(p.relative_to(tmp_path)) for p in paths} >= {
        *(
            "report.html",
            "report.md",
            "report.json",
            "report.tex",
            "tables/cells.csv",
            "tables/eer.csv",
            "tables/accuracy.csv",
        ),
    }
    assert not list(tmp_path.rglob("*.part"))


def test_report_never_imports_torch() -> None:
    code = (
        "import sys; import spoofproof.report; "
        "print(sorted({'torch', 'transformers', 'plotly', 'av', 'onnxruntime', 'lameenc'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
