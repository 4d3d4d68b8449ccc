"""Every registered corruption keeps every promise of contract.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import shared_data
from contract import Check, check_long, checks
from spoofproof import registry
from spoofproof.types import CorruptionSpec

SPECS = list(registry.corruptions)
PUBLISHED = {
    "gaussian_noise": (40, 30, 20, 10, 5),
    "background_noise": (40, 30, 20, 10, 5),
    "smooth": (6, 10, 14, 18, 22, 26),
    "echo": (0.1, 0.3, 0.5, 0.7, 0.9),
    "high_pass": (0.1, 0.2, 0.3, 0.4, 0.5),
    "low_pass": (0.5, 0.4, 0.3, 0.2, 0.1),
    "pitch_shift": (-0.5, 0.5, -1, 1, -2, 2),
    "time_stretch": (0.9, 1.1, 0.7, 1.3, 1.5),
    "quantization": (1024, 256, 64, 16, 4),
    "mp3": (40, 32, 24, 16, 8),
    "opus": (31, 16, 8, 4, 2, 1),
    "neural_codec": (6, 3, 1.5),
    "reverb": (0.15, 0.3, 0.5, 0.8, 1.2),
    "clipping": (0.95, 0.8, 0.6, 0.4, 0.2),
    "resample": (12, 8, 6, 4, 3),
    "packet_loss": (2, 5, 10, 20, 30),
    "telephone": None,
    "parametric_codec": None,
}
OURS = {"reverb", "clipping", "resample", "packet_loss", "telephone", "parametric_codec"}


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights from the shared data folder where it is there; synthetic noises and rooms."""
    root = shared_data()
    if root is not None:
        monkeypatch.setenv("SPOOFPROOF_DATA", str(root))
    monkeypatch.delenv("SPOOFPROOF_NOISE", raising=False)
    monkeypatch.delenv("SPOOFPROOF_RIR", raising=False)


def here(spec: CorruptionSpec) -> CorruptionSpec:
    missing = spec.available()
    if missing:
        pytest.skip(f"{spec.name} cannot run here: {missing}")
    return spec


def test_the_eighteen_and_their_levels() -> None:
    """Twelve published corruptions with their levels, six of our own, and who is which."""
    plain = {spec.name: spec for spec in SPECS if spec.family != "control" and "." not in spec.name}
    assert set(plain) == set(PUBLISHED)
    for name, levels in PUBLISHED.items():
        assert levels is None or plain[name].levels == levels
    assert {name for name, spec in plain.items() if spec.origin == "spoofproof"} == OURS
    controls = {spec.name for spec in SPECS if spec.family == "control"}
    assert controls == {"identity", "pcm_transcode", "resample_control", "speed_resample"}


@pytest.mark.parametrize(
    ("spec", "check"),
    [
        pytest.param(spec, check, id=f"{spec.name}-{check.__name__}")
        for spec in SPECS
        for check in checks(spec)
    ],
)
def test_contract(spec: CorruptionSpec, check: Check) -> None:
    check(here(spec))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_ten_minutes(spec: CorruptionSpec) -> None:
    """Ten minutes through each; one through the neural codecs of others, which are slow."""
    check_long(here(spec), 60.0 if spec.name.startswith("neural_codec.") else 600.0)


def test_the_shared_weights_are_used_where_they_are(data: Path) -> None:
    assert registry.corruptions["neural_codec.lyra"].available() == ""
