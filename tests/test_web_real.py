"""The page as a person meets it: Chromium, the shipped detector, the built-in corpus, a bench run's report.

What is compared is the page with the HTTP API: which verdict is the right one is not the matter of this test.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra web")

import browser
from service import Service, service
from signals import voice
from spoofproof.audio import save_audio
from spoofproof.corpora.builtin import builtin
from spoofproof.corpora.prompts import cache_root
from spoofproof.shipped import DETECTOR
from spoofproof.types import Trial

if browser.program() is None:
    pytest.skip("no Chromium is installed (SPOOFPROOF_BROWSER names one)", allow_module_level=True)

SIZE = 4  # human sentences of the evaluation part
CONDITIONS = ("clean", "gaussian_noise@5", "mp3@8")
HEAD = {"likely real": "Likely real", "likely synthetic": "Likely synthetic", "cannot tell": "Cannot tell"}
CORRUPTION = "document.querySelector('#corruption')"
CHANGE = ("gaussian_noise", "gaussian_noise@5")


def shown(share: float) -> str:
    """A probability as the page says it: in whole percent, never as certain as it is not."""
    if 0 < share < 0.01:
        return "less than 1 %"
    return "more than 99 %" if 0.99 < share < 1 else f"{math.floor(100 * share + 0.5)} %"


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """What the built-in corpus is made from: the prompts, where the cache has them; else voices in a folder.

    The corpus itself is built anew, in a cache of its own.
    """
    prompts, cache = cache_root() / "prompts", tmp_path_factory.mktemp("cache")
    folder = None
    if prompts.is_dir():
        (cache / "prompts").symlink_to(prompts.resolve())
    else:
        folder = tmp_path_factory.mktemp("people")
        for turn, (name, f0) in enumerate(
            {"anna": 200.0, "bert": 110.0, "carla": 230.0, "dirk": 130.0}.items()
        ):
            for i in range(6):
                save_audio(voice(2.0 + 0.2 * i, f0=f0, seed=10 * turn + i), folder / name / f"{i}.wav")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOOFPROOF_CACHE", str(cache))
        patch.delenv("SPOOFPROOF_SPEECH", raising=False)
        yield folder


@pytest.fixture(scope="module")
def clips(speech: Path | None) -> dict[str, Trial]:
    """label → the longest clip of that label in the evaluation part."""
    trials = [trial for trial in builtin(speech, size=SIZE) if trial.part == "eval"]

    def longest(label: str) -> Trial:
        return max((t for t in trials if t.label == label), key=lambda t: (t.path.stat().st_size, t.id))

    return {label: longest(label) for label in ("bonafide", "spoof")}


@pytest.fixture(scope="module")
def runs(speech: Path | None, clips: dict[str, Trial], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one bench run, made by the command on the same corpus."""
    folder = tmp_path_factory.mktemp("shelf") / "runs"
    command = [
        sys.executable,
        "-m",
        "spoofproof",
        "bench",
        "--plan",
        "smoke",
        "--out",
        str(folder / "tiny run"),
    ]
    command += [
        "--size",
        str(SIZE),
        "--workers",
        "1",
        "--resamples",
        "50",
        "--detector",
        "lfcc-gmm",
        "--detector",
        "random",
    ]
    command += [word for condition in CONDITIONS for word in ("--condition", condition)]
    command += ["--speech", str(speech)] if speech else []
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def served(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as it is shipped: its own detector and table, and one run on the shelf."""
    with service(tmp_path_factory.mktemp("real") / "state", runs=runs, workers=1) as found:
        yield found


@pytest.fixture(scope="module")
def tab(served: Service) -> Iterator[browser.Tab]:
    with browser.page(served.url) as found:
        yield found


def asked(served: Service, content: bytes) -> dict[str, Any]:
    """What the API says of a recording."""
    files = {"file": ("a.flac", content, "audio/flac")}
    body: dict[str, Any] = served.client.post("/v1/detect", files=files).raise_for_status().json()
    return body


def choose(tab: browser.Tab, file: Path) -> None:
    """Give a file and wait for its answer."""
    tab.run("document.querySelector('#status').textContent = ''")
    tab.choose_file("#file", file)
    tab.until(
        "document.querySelector('#status').innerText.startsWith('Done')"
        " || document.querySelector('#wrong').innerText"
    )
    assert tab.text("#wrong") == ""


@pytest.mark.parametrize("label", ["bonafide", "spoof"])
def test_the_page_shows_what_the_shipped_detector_says_of_a_clip(
    label: str, served: Service, tab: browser.Tab, clips: dict[str, Trial]
) -> None:
    said = asked(served, clips[label].path.read_bytes())
    assert said["detector"] == DETECTOR
    choose(tab, clips[label].path)
    assert tab.text("#verdict") == HEAD[said["verdict"]]
    tone = {"likely real": "real", "likely synthetic": "synthetic", "cannot tell": "unsure"}[said["verdict"]]
    assert tab.run("document.querySelector('#verdict-card').className") == f"verdict {tone}"
    interval = f"(95 % interval: {shown(said['low'])} to {shown(said['high'])})"
    assert f"is {shown(said['probability'])} {interval}" in tab.text("#meaning")
    assert tab.run("[...document.querySelectorAll('#reasons li')].map((n) => n.innerText)") == said["reasons"]
    assert DETECTOR in tab.text("#about") and clips[label].path.name in tab.text("#about")
    # The timeline: drawn once for the whole length, a rectangle for each span, the same figures in its table.
    assert tab.run("document.querySelectorAll('#timeline path.curve').length") == 1
    assert tab.run("document.querySelectorAll('#timeline rect.span').length") == len(said["spans"])
    chances = "[...document.querySelectorAll('#timeline-table tbody tr')].map((r) => r.cells[2].textContent)"
    rows = tab.run(chances)
    assert rows == [shown(w["probability"]) for w in said["timeline"]] and rows
    width = tab.run("document.querySelector('#timeline path.curve').getBBox().width")
    assert width == pytest.approx(860 * (said["timeline"][-1]["end"] / said["seconds"]), rel=0.02)


def test_a_corruption_moves_the_score_as_the_api_says(
    served: Service, tab: browser.Tab, clips: dict[str, Trial]
) -> None:
    clip = clips["spoof"].path
    before = asked(served, clip.read_bytes())
    files = {"file": ("a.flac", clip.read_bytes(), "audio/flac")}
    worse = served.client.post("/v1/corrupt", files=files, data={"condition": CHANGE[1]}).raise_for_status()
    after = asked(served, worse.content)
    assert shown(before["probability"]) != shown(after["probability"]), "choose another corruption"
    choose(tab, clip)
    tab.run(f"{CORRUPTION}.value = '{CHANGE[0]}'; {CORRUPTION}.dispatchEvent(new Event('change'))")
    tab.run(
        f"document.querySelector('#level').value = '{CHANGE[1]}'; document.querySelector('#apply').click()"
    )
    tab.until(
        "document.querySelector('#tries tbody').rows.length === 2"
        " || document.querySelector('#whatif-wrong').innerText"
    )
    assert tab.text("#whatif-wrong") == ""
    moved = f"went from {shown(before['probability'])} to {shown(after['probability'])}"
    assert moved in tab.text("#whatif-status"), tab.text("#whatif-status")
    cells = "[...r.cells].slice(1, 3).map((c) => c.innerText.trim())"
    rows = tab.run(f"[...document.querySelector('#tries tbody').rows].map((r) => {cells})")
    for (verdict, chance), answer in zip(rows, (before, after), strict=True):
        assert verdict == HEAD[answer["verdict"]] and chance.startswith(shown(answer["probability"]))


COLUMN = (
    "[...document.querySelectorAll('#allcells tbody tr')].map((r) => r.cells[{0}])"
    ".map((c) => c.dataset.v ?? c.textContent.trim())"
)


def test_the_report_of_a_bench_run_sorts_by_the_head_that_is_clicked(
    served: Service, tab: browser.Tab
) -> None:
    assert tab.text("#runs a") == "tiny run"
    tab.go(tab.run("document.querySelector('#runs a').href"))
    tab.until("document.querySelectorAll('#allcells thead button').length > 3")
    heads = tab.run("[...document.querySelectorAll('#allcells thead th')].map((h) => h.textContent.trim())")
    names = tab.run(COLUMN.format(1))
    assert len(names) == 2 * len(CONDITIONS) and set(names) >= {"clean"}
    numbers = tab.run(
        "[...document.querySelectorAll('#allcells thead th')].map((h) => h.className === 'num')"
    )

    def click(column: int) -> tuple[list[str], str]:
        tab.run(f"document.querySelectorAll('#allcells thead button')[{column}].click()")
        said = tab.run(f"document.querySelectorAll('#allcells thead th')[{column}].getAttribute('aria-sort')")
        return tab.run(COLUMN.format(column)), said

    moved = 0
    for column in (n for n, number in enumerate(numbers) if number):
        before = tab.run(COLUMN.format(column))
        figures = sorted(float(v) for v in before if v)
        for wanted, way in ((figures, "ascending"), (figures[::-1], "descending")):
            after, said = click(column)
            assert said == way and [float(v) for v in after if v] == wanted, (heads[column], after)
            assert "" not in after[: len(wanted)], "what has no value stands last, whichever way"
            moved += after != before
    assert moved > 6 and "EER" in heads, (moved, heads)
    tab.run("document.querySelectorAll('#allcells thead button')[1].click()")
    assert tab.run(COLUMN.format(1)) == sorted(names) and sorted(names) != names
    assert tab.run("document.querySelectorAll('#allcells thead th[aria-sort]').length") == 1
    assert not [line for line in tab.said if "error" in line.lower() and "getImageData" not in line], tab.said
