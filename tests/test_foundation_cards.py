"""What the detectors on foundation models say without torch: lists, cards, and why they do not score yet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from signals import voice
from spoofproof import registry
from spoofproof.ask import load_detector
from spoofproof.errors import MissingPart

NAMES = ("wav2vec2", "hubert", "w2v-bert", "whisper", "clap", "wavlm", "xls-r", "ast")


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_which_backbone_and_how_it_becomes_a_detector(name: str) -> None:
    spec = registry.detectors[name]
    card = spec.card()
    assert card["kind"] == "foundation"
    assert card["contamination"]
    assert str(card["backbone"]) in str(card["how"]) and "spoofproof train" in str(card["how"])
    assert spec.summary.endswith("Ships without weights.")


@pytest.mark.parametrize("name", NAMES)
def test_without_a_folder_nothing_is_scored(name: str) -> None:
    with pytest.raises(MissingPart, match=rf"ships without weights.*{name}@FOLDER"):
        load_detector(name)[1]([voice(1.0)])


def test_lists_and_cards_load_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from spoofproof import registry, listing\n"
        "listing.rows('detectors')\n"
        "for spec in registry.detectors: listing.describe(spec.name)\n"
        "sys.exit(bool({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPart, match=r"spoofproof\[foundation\]"):
        registry.detectors["hubert"].make("some-folder")
