"""Edges and holes: one rule, asked by ``detect`` on its grid and by ``explain`` on another."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import spoofproof
from spoofproof.explain.artefacts import readings
from spoofproof.spectrum import HOLE_DB, Spectrometer, emptied, lasting_falls
from spoofproof.types import Clip

RATE = 16_000


def low_passed(hz: float, down: float, seconds: float = 3.0) -> np.ndarray:
    """White noise that a perfect filter has lowered by ``down`` dB above ``hz``."""
    noise = np.random.default_rng(4).normal(0, 0.1, int(seconds * RATE))
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(noise.size, 1 / RATE) > hz] *= 10 ** (-down / 20)
    return np.fft.irfft(spectrum, noise.size).astype(np.float32)


def test_a_step_falls_by_its_height_and_what_comes_back_is_no_fall() -> None:
    step = np.where(np.arange(60) < 30, -20.0, -65.0)
    falls = dict(zip(range(8, 50), lasting_falls(step, range(8, 50), near=1, far=4), strict=True))
    assert falls[30] == (-20, 45) and falls[29] == (-20, 45) and falls[28] == (-20, 0)
    assert falls[20] == (-20, 0) and falls[45] == (-65, 0)
    assert falls[32] == (-42.5, 22.5)  # the mean of two bands above the step and two below
    step[55] = -25.0
    back = [fall for _, fall in lasting_falls(step, range(8, 50), near=1, far=4)]
    assert max(back) == 5
    rising = list(lasting_falls(np.arange(60.0), [30], near=2, far=6))
    assert rising == [(26.0, 26.0 - 59.0)]


def test_a_hole_lies_more_than_its_depth_below() -> None:
    levels = np.array([-HOLE_DB - 0.1, -HOLE_DB, 0.0, 5.0])
    assert emptied(levels, np.zeros(4)).tolist() == [True, False, False, False]


@pytest.mark.parametrize("hz", [2500, 3400, 5500])
def test_both_rooms_find_the_same_edge(hz: float) -> None:
    """Within the grids of both: 100 Hz, and 31 Hz smoothed over 125."""
    x = low_passed(hz, 22)
    meter = Spectrometer(RATE)
    meter.add(x)
    cut = meter.band().cutoff_hz
    explained = 1000 * readings(Clip(x, RATE))["cut-off frequency"].value
    assert cut is not None and abs(cut - hz) <= 100 and abs(explained - hz) <= 130
    gentle = low_passed(hz, 6)
    meter = Spectrometer(RATE)
    meter.add(gentle)
    assert meter.band().cutoff_hz is None and readings(Clip(gentle, RATE))["cut-off frequency"].value == 8


def test_the_rule_is_asked_and_not_written_twice() -> None:
    """``detect`` and ``explain`` take edges and holes from ``spectrum``; neither has a depth of hole of its
    own."""
    root = Path(spoofproof.__file__).parent
    asked = {
        "detect/quality.py": {"Spectrometer"},
        "explain/artefacts/codec.py": {"emptied"},
        "explain/artefacts/high_band.py": {"lasting_falls"},
    }
    for path, names in asked.items():
        tree = ast.parse((root / path).read_text(encoding="utf-8"))
        found = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "spectrum"
            for alias in node.names
        }
        assert found == names, path
    assert not (root / "detect" / "spectrum.py").exists()
