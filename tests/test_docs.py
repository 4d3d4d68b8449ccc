"""The documentation is what the code says: generated pages are current, links lead somewhere, nothing is left out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from signals import voice
from spoofproof import registry
from spoofproof.corrupt import corrupt
from spoofproof.plan import plan_names

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_the_page_of_corruptions_is_what_the_registry_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, f"run: python docs/make.py\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("spec", [s for s in registry.corruptions if "." not in s.name], ids=lambda s: s.name)
def test_every_corruption_has_its_picture(spec: registry.CorruptionSpec) -> None:
    picture = ROOT / "docs" / "img" / f"{spec.name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", registry.metrics.names())
def test_every_metric_is_explained(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", registry.corpora.names())
def test_every_corpus_is_listed(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")


def test_every_file_that_the_readme_names_exists() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Where things are")[1]
    for row in re.findall(r"^\| (`[^|]+) \|", table, flags=re.M):
        for name in re.findall(r"`([^`]+)`", row):
            assert (ROOT / "src" / "spoofproof" / name).exists() or (ROOT / name).exists(), name


def test_the_examples_of_the_readme_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    model = "def load_my_model(checkpoint):\n    return lambda samples: samples.size + len(checkpoint)\n"
    (tmp_path / "mine.py").write_text(model + blocks[0] + "\nimport numpy as np\n" + blocks[1])
    detector = registry.detectors[f"{tmp_path}/mine.py:mine"]
    assert detector.make("v2.pt")([voice(1.0)]) == [16_005.0]
    clip = voice(1.0)
    louder = corrupt(clip, f"{tmp_path}/mine.py:too_loud@6")
    middle = np.abs(clip.samples) < 0.4
    assert np.allclose(louder.samples[middle], clip.samples[middle] * 10 ** (6 / 20), atol=1e-6)
    assert np.abs(louder.samples).max() == 1


def test_plans_say_what_they_are_for() -> None:
    assert {"default", "smoke", "paper-2025", "noise", "codecs", "telephony"} <= set(plan_names())
