"""Texture: what its statistics say of signals whose statistics are known, and a rule that finds a planted trace."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from signals import noise, voice
from spoofproof import registry
from spoofproof.audio import save_audio
from spoofproof.detectors.prepare import prepare
from spoofproof.detectors.texture import BANDS, SIZE, STATISTICS, Texture, names, statistics
from spoofproof.errors import BadPlan, MissingPart, SpoofproofError
from spoofproof.train import run


def of(samples: np.ndarray, statistic: str, window: int = 320) -> np.ndarray:
    """One statistic in each band."""
    found = statistics(samples.astype(np.float32))
    wanted = [
        i
        for i, n in enumerate(names())
        if n.startswith(statistic + ",") and n.endswith(f" {window // 16} ms")
    ]
    return found[wanted]


@pytest.fixture(scope="module")
def white() -> np.ndarray:
    return prepare(noise(4.1)).samples.astype(np.float64)


def test_every_number_has_a_name_and_all_are_finite(white: np.ndarray) -> None:
    assert len(names()) == len(set(names())) == SIZE == statistics(white.astype(np.float32)).size
    for hard in (np.zeros(64_600), np.full(64_600, 0.3), np.eye(1, 64_600, 900)[0], white[:4096]):
        assert np.isfinite(statistics(hard.astype(np.float32))).all()


def test_the_log_power_of_white_noise_has_the_shape_of_a_log_exponential(white: np.ndarray) -> None:
    """The power of a point of Gaussian noise is exponential; the logarithm of that is a (negative) Gumbel law."""
    rng = np.random.default_rng(0)
    law = np.log(rng.standard_exponential(400_000))
    assert of(white, "kurtosis of levels")[1:-1].mean() == pytest.approx(kurtosis(law), abs=0.25)
    assert of(white, "skewness within frames")[1:-1].mean() == pytest.approx(skew(law), abs=0.25)


def test_gain_and_a_fixed_channel_change_little(white: np.ndarray) -> None:
    """Doubling the level, or a tilt of 6 dB, leaves most statistics; the rest lie near a floor (valleys of a noise)."""
    plain, loud = statistics(white.astype(np.float32)), statistics((2 * white).astype(np.float32))
    steady = [i for i, n in enumerate(names()) if not n.startswith(("phase", "group"))]
    assert np.median(np.abs(plain - loud)[steady]) < 0.01
    tilted = np.convolve(white, [1.0, 0.3], "same")
    moved = np.abs(statistics(tilted.astype(np.float32)) - plain)[steady]
    assert np.median(moved) < 0.02


def test_a_steady_tone_has_no_stray_phase_and_an_impulse_no_stray_delay(white: np.ndarray) -> None:
    time = np.arange(64_600) / 16_000
    tone = 0.1 * np.sin(2 * np.pi * 1_250 * time)  # in the band from 1 to 1.5 kHz
    assert of(tone, "phase advance")[2] < of(white, "phase advance")[2] - 2
    clicks = np.zeros(64_600)
    clicks[::320] = 0.5  # one in every window of 20 ms
    assert of(clicks, "group delay").mean() < of(white, "group delay").mean() - 1


def test_bands_that_move_together_are_found() -> None:
    rng = np.random.default_rng(1)
    alone = rng.standard_normal(64_600)
    together = alone * np.repeat(np.exp(rng.standard_normal(404)), 160)[:64_600]  # one gain for all bands
    assert of(0.05 * together, "correlation with the band below").mean() > 0.8
    assert abs(of(0.05 * alone, "correlation with the band below").mean()) < 0.25


def test_noise_that_lasts_is_rougher_than_noise_that_is_held() -> None:
    """Held spectra (the same 20 ms again and again) do not change from frame to frame."""
    rng = np.random.default_rng(2)
    held = np.tile(rng.standard_normal(80), 808)[:64_600]  # periodic by the hop
    lasting = rng.standard_normal(64_600)
    assert (
        of(0.05 * held, "roughness over time").max() < of(0.05 * lasting, "roughness over time").min() - 0.5
    )


def test_a_file_is_read_back_and_nothing_else_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    parts = [rng.random(SIZE).astype(np.float32) + 0.1 for _ in range(3)]
    model = Texture(parts[0], parts[1], parts[2], 0.25, 4.0, 2.0, -1.0)
    model.save(tmp_path / "a.npz")
    model.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    x = rng.random(SIZE).astype(np.float32)
    assert Texture.load(tmp_path / "a.npz")(x) == model(x)
    expected = 2 * (np.clip((x - parts[0]) / parts[1], -4, 4).astype(float) @ parts[2] + 0.25) - 1
    assert model(x) == pytest.approx(expected, rel=1e-5)
    (tmp_path / "c.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:200])
    with pytest.raises(SpoofproofError, match="holds no texture rule"):
        Texture.load(tmp_path / "c.npz")
    with pytest.raises(MissingPart, match="no such file"):
        registry.detectors["texture"].make(str(tmp_path / "none.npz"))


RECIPE = """
detector = "texture"
summary = "a test"
seed = 3
[augment]
copies = 1
copy_synthesis = ["lpc"]
twins = 2
[model]
ridge = 0.01
"""


def test_training_finds_a_planted_trace_and_gives_the_same_bytes_again(tmp_path: Path) -> None:
    rows = ["path,label,part,source,generator"]
    for part, count in (("train", 16), ("dev", 10)):
        for i in range(count):
            clip = voice(1.2, seed=i + 100 * (part == "dev"), f0=100 + 7 * i)
            if i % 2:  # the trace: everything above 4 kHz is one envelope times noise
                rng = np.random.default_rng(i)
                spread = np.convolve(np.abs(clip.samples), np.ones(160) / 160, "same") * rng.standard_normal(
                    clip.samples.size
                )
                spectrum = np.fft.rfft(spread)
                spectrum[: spectrum.size // 2] = 0
                clip = clip.replace(clip.samples + np.fft.irfft(spectrum, clip.samples.size))
            save_audio(clip, tmp_path / f"{part}{i}.wav")
            rows.append(
                f"{part}{i}.wav,{'spoof' if i % 2 else 'bonafide'},{part},page{i % 3},{'g' if i % 2 else ''}"
            )
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    made = run(recipe, tmp_path, tmp_path / "a")
    assert run(recipe, tmp_path, tmp_path / "b").read_bytes() == made.read_bytes()
    card = json.loads(made.with_suffix(".json").read_text())
    assert card["figures"]["dev"]["auroc"] == 1.0
    assert card["figures"]["dev"]["cllr"] < 0.7
    assert len(card["model"]["heaviest"]) == 12
    score = registry.detectors["texture"].make(str(made))
    assert np.isfinite(score([voice(1.0), noise(1.0)])).all()
    recipe.write_text(RECIPE.replace("ridge = 0.01", "ridge = 0"))
    with pytest.raises(BadPlan, match="above 0"):
        run(recipe, tmp_path, tmp_path / "c")


def test_the_statistics_are_the_ones_that_are_listed() -> None:
    assert len(STATISTICS) == 12
    assert SIZE == 2 * (12 * BANDS - 1)
