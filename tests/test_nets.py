"""The networks: counted, held against the published weights and scores, and against physics."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signals import noise, voice
from spoofproof import registry, runtime
from spoofproof.audio import WINDOW_SAMPLES, open_audio, window
from spoofproof.detectors.features import Lfcc
from spoofproof.detectors.prepare import prepare
from spoofproof.errors import BadAudio, BadPlan, MissingPart, SpoofproofError, UnknownName
from spoofproof.types import Clip

torch = pytest.importorskip("torch", reason="needs the extra train: pip install 'spoofproof[train]'")
nets = pytest.importorskip("spoofproof.nets")

from spoofproof.train.export import export  # noqa: E402 - needs torch

pytestmark = pytest.mark.torch

SMALL: dict[str, dict[str, Any]] = {
    "aasist": {},
    "aasist-l": {},
    "rawgat-st": {},
    "rawnet2": {"gru": 32, "layers": 2},
    "spec-resnet": {"width": 4},
    "lfcc-lcnn": {"channels": (4, 6, 8, 4)},
}
COUNTS = {  # the papers' own where they say one: AASIST table 1, RawGAT-ST "437k", RawNet2 of ASVspoof 2021 "17.6 M"
    "aasist": 297_866,
    "aasist-l": 85_306,
    "rawgat-st": 436_778,
    "rawnet2": 17_621_410,
}


@pytest.fixture(autouse=True)
def one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def waves(count: int, samples: int, seed: int = 0) -> Any:
    generator = np.random.Generator(np.random.Philox(seed))
    return torch.from_numpy((0.05 * generator.standard_normal((count, samples))).astype(np.float32))


def small(name: str) -> Any:
    return nets.build(name, **SMALL[name]).eval()


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameters_are_as_many_as_published(name: str, count: int) -> None:
    assert sum(p.numel() for p in nets.build(name).parameters()) == count


@pytest.mark.parametrize("name", SMALL)
def test_any_length_has_two_logits(name: str) -> None:
    network = small(name)
    with torch.no_grad():
        for samples in (8_000, 12_345, 30_001):
            logits = network(waves(1, samples))
            assert logits.shape == (1, 2)
            assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", SMALL)
def test_a_clip_is_judged_without_its_batch_mates(name: str) -> None:
    network = small(name)
    clips = waves(3, 8_000)
    clips[1] *= 20
    with torch.no_grad():
        together = network(clips)
        alone = torch.cat([network(clip[None]) for clip in clips])
    assert torch.allclose(together, alone, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-4  # and it does hear the clip


@pytest.mark.parametrize("name", SMALL)
def test_silence_is_judged_and_learning_reaches_every_weight_that_is_used(name: str) -> None:
    network = small(name)
    with torch.no_grad():
        assert torch.isfinite(network(torch.zeros(1, 8_000))).all()
    network.train()
    network(waves(2, 8_000)).square().sum().backward()
    idle = [key for key, p in network.named_parameters() if p.grad is None]
    assert all(".unused." in key for key in idle), idle
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("count", [3, 7, 28, 29, 30, 59])
def test_frames_of_another_window_are_pooled_as_torch_pools_adaptively(count: int) -> None:
    from spoofproof.nets.rawgat_st import stretched

    nodes = torch.randn(2, count, 5)
    expected = torch.nn.functional.adaptive_max_pool1d(nodes.transpose(1, 2), 29).transpose(1, 2)
    assert torch.equal(stretched(nodes, 29), expected)


def test_unknown_networks_and_settings_are_named() -> None:
    with pytest.raises(UnknownName, match="aasist"):
        nets.build("asist")
    with pytest.raises(BadPlan, match="width"):
        nets.build("spec-resnet", widht=3)


# --- published weights


@pytest.fixture(scope="module")
def clips(data: Path) -> list[tuple[dict[str, str], Any]]:
    """Reference clips as the official code hears them: as they are in the file, first 64 600 samples, repeated."""
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        paths = {row["id"]: row["path"] for row in csv.DictReader(file)}
    with (data / "weights" / "aasist" / "reference-scores.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))[::5]
    heard = [window(open_audio(data / paths[row["id"]]), WINDOW_SAMPLES).samples for row in rows]
    return [(row, torch.from_numpy(x.copy())[None]) for row, x in zip(rows, heard, strict=True)]


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "name", "column", "close"),
    [
        ("AASIST", "aasist", "aasist", 1e-4),
        ("AASIST-L", "aasist-l", "aasist-l", 1e-4),
        ("AASIST-ASVspoof5", "aasist", "aasist-asvspoof5", 4e-4),  # scores from -1 to 13, in float32
    ],
)
def test_published_weights_give_the_official_scores(
    data: Path, clips: list[tuple[dict[str, str], Any]], file: str, name: str, column: str, close: float
) -> None:
    from spoofproof.nets.published import read

    found, network = read(data / "weights" / "aasist" / f"{file}.pth")
    assert found == name
    for row, clip in clips:
        with torch.no_grad():
            assert float(network(clip)[0, 1]) == pytest.approx(float(row[column]), abs=close), row["id"]


@pytest.mark.data
def test_published_rawgat_st_loads_whole(data: Path) -> None:
    from spoofproof.nets.published import read

    name, network = read(data / "weights" / "rawgat-st" / "RawGAT_ST_mul.pth")
    assert name == "rawgat-st"
    assert not network.training
    with torch.no_grad():
        logits = network(torch.from_numpy(voice(4.0375).samples)[None])
    assert torch.isfinite(logits).all()


@pytest.mark.data
def test_a_published_checkpoint_is_a_detector_with_the_official_score(
    data: Path, clips: list[tuple[dict[str, str], Any]]
) -> None:
    (row, wave), folder = clips[0], data / "weights" / "aasist"
    clip = Clip(wave[0].numpy(), 16_000)
    detector = registry.detectors["aasist"].make(str(folder / "AASIST-L.pth"))  # told apart by shapes
    alone, quieter = detector([clip, clip.replace(clip.samples * 0.5)])
    assert alone == pytest.approx(float(row["aasist-l"]), abs=1e-4)
    assert abs(alone - quieter) > 1e-3  # heard as it comes: nothing levels it
    again = registry.detectors["aasist-l"].make(str(folder / "AASIST-L.pth"))
    assert again([clip]) == [alone]
    with pytest.raises(BadAudio, match="8000 Hz"):
        detector([voice(1.0, 8000)])
    with pytest.raises(SpoofproofError, match=r"holds a aasist, not a aasist-l. Load it as aasist@"):
        registry.detectors["aasist-l"].make(str(folder / "AASIST.pth"))
    with pytest.raises(SpoofproofError, match="holds a aasist-l, not a rawgat-st"):
        registry.detectors["rawgat-st"].make(str(folder / "AASIST-L.pth"))


def test_a_checkpoint_without_torch_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "AASIST.pth").write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPart, match=r"pip install 'spoofproof\[train\]'"):
        registry.detectors["aasist"].make(str(tmp_path / "AASIST.pth"))
    with pytest.raises(MissingPart, match="no such file"):
        registry.detectors["rawgat-st"].make(str(tmp_path / "none.pth"))


def test_bad_checkpoints_are_explained(tmp_path: Path) -> None:
    from spoofproof.nets.published import read

    (tmp_path / "noise.pth").write_bytes(b"not a checkpoint")
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"weights": Path}, tmp_path / "code.pth")
    whole = small("aasist-l").state_dict()
    torch.save({"pos_S": torch.zeros(1, 23, 24)}, tmp_path / "part.pth")
    torch.save(whole, tmp_path / "ours.pth")
    data = (tmp_path / "ours.pth").read_bytes()
    (tmp_path / "short.pth").write_bytes(data[: len(data) // 2])
    for file, said in (
        ("noise", "run code|cannot be read"),
        ("other", "another architecture.*layer.weight"),
        ("list", "no state dictionary but a list"),
        ("code", "run code"),
        ("part", "no published aasist-l: .*Missing key"),
        ("short", "cut short"),
        ("ours", "the .onnx that it wrote beside"),
        ("none", "cannot be read"),
    ):
        with pytest.raises(SpoofproofError, match=said):
            read(tmp_path / f"{file}.pth")


# --- front ends


def test_sinc_filters_pass_their_band_of_the_mel_scale_and_no_other() -> None:
    from spoofproof.nets.sinc import bandpasses

    taps, filters = 1025, 20
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), filters + 1) / 2595) - 1)
    hz = np.fft.rfftfreq(16_384, 1 / 16_000)
    gain = np.abs(np.fft.rfft(bandpasses(filters, taps), 16_384))
    for low, high, response in zip(edges, edges[1:], gain, strict=False):
        middle = (hz > low + 40) & (hz < high - 40)
        outside = (hz < low - 40) | (hz > high + 40)
        assert np.abs(20 * np.log10(response[middle])).max() < 0.1 if middle.any() else True
        assert 20 * np.log10(response[outside].max()) < -45
    # together they let everything through: an impulse comes out as an impulse
    assert np.allclose(bandpasses(filters, taps).sum(0), np.eye(1, taps, 512)[0], atol=2e-3)


def test_a_tone_lights_the_sinc_band_it_lies_in() -> None:
    from spoofproof.nets.sinc import Sinc

    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 71) / 2595) - 1)
    for hz in (300.0, 1000.0, 5000.0):
        tone = torch.from_numpy(np.sin(2 * np.pi * hz * np.arange(8_000) / 16_000).astype(np.float32))
        band = int(Sinc(70, 129)(tone[None])[0].square().mean(1).argmax())
        assert edges[band] - 125 < hz < edges[band + 1] + 125  # half the window's main lobe


@pytest.mark.parametrize("clip", [voice(4.0375), noise(2.0), noise(0.5)], ids=["voice", "noise", "short"])
def test_lfcc_in_torch_is_lfcc_in_numpy(clip: Any) -> None:
    from spoofproof.nets.spectrum import Lfcc as Front

    expected = Lfcc()(clip)
    got = Front()(torch.from_numpy(clip.samples)[None])[0].T.numpy()
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() < 1e-4
    levelled = Front(normalise=True)(torch.from_numpy(clip.samples)[None])[0].T.numpy()
    assert np.abs(levelled[:, :20].mean(0)).max() < 1e-4
    assert np.array_equal(levelled[:, 20:], got[:, 20:])


def test_power_is_that_of_a_fourier_transform() -> None:
    from spoofproof.nets.spectrum import Power

    x = voice(1.0).samples
    taper = np.hanning(513)[:512]
    frames = np.lib.stride_tricks.sliding_window_view(x, 512)[::256]
    expected = np.abs(np.fft.rfft(frames * taper, 512)) ** 2
    got = Power(taper, 256, 512)(torch.from_numpy(x)[None])[0].T.numpy()
    assert np.abs(got - expected).max() < 1e-4 * expected.max()


# --- from a network to a file to a detector

WINDOW = 16_000  # a short one shows as much and is exported sooner
SLOPE, OFFSET = 2.5, -0.75


def settle(network: Any) -> None:
    """Give the batch normalisations the statistics of some speech and noise, as training would."""
    norms = [m for m in network.modules() if "BatchNorm" in type(m).__name__]
    for norm in norms:
        norm.momentum = None  # plain average
    heard = [voice(1.0, seed=4), voice(0.6, seed=5), noise(1.0, seed=6)]
    wave = np.stack([prepare(clip, WINDOW).samples for clip in heard])
    network.train()
    with torch.no_grad():
        network(torch.from_numpy(wave))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any]]:
    """The .onnx of a small network of random weights, and the torch module that it was made from; made once."""
    folder = tmp_path_factory.mktemp("onnx")
    made: dict[str, tuple[Path, Any]] = {}

    def make(name: str) -> tuple[Path, Any]:
        if name not in made:
            torch.manual_seed(1)
            network = nets.build(name, **SMALL[name])
            settle(network)
            path = folder / f"{name}.onnx"
            export(
                network.eval(),
                path,
                name=name,
                settings=SMALL[name],
                window=WINDOW,
                calibration=(SLOPE, OFFSET),
            )
            made[name] = path, network
        return made[name]

    return make


@pytest.mark.parametrize("name", ["aasist-l", "rawgat-st", "rawnet2", "spec-resnet", "lfcc-lcnn"])
def test_an_exported_network_is_a_detector_with_the_scores_of_torch(
    name: str, exported: Callable[[str], tuple[Path, Any]]
) -> None:
    path, network = exported(name)
    detector = registry.detectors[name].make(str(path))
    click = Clip(
        np.eye(1, 8_000, 700, dtype=np.float32)[0], 16_000
    )  # and silence around it: here floors show
    clips = [voice(2.0, seed=1), noise(0.5, seed=2), voice(0.3, seed=3), click]
    scores = detector(clips)
    for clip, score in zip(clips, scores, strict=True):
        with torch.no_grad():
            spoof, bonafide = network(torch.from_numpy(prepare(clip, WINDOW).samples)[None])[0].tolist()
        assert score == pytest.approx(SLOPE * (bonafide - spoof) + OFFSET, abs=1e-4)
    assert detector(clips[::-1]) == scores[::-1] == [detector([clip])[0] for clip in clips][::-1]
    assert np.ptp(scores) > 1e-3
    facts = json.loads(runtime.network(path, what=name).facts["spoofproof.network"])
    assert (facts["name"], facts["window"]) == (name, WINDOW)


def test_a_file_of_another_network_and_a_damaged_one_are_explained(
    exported: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    path, _ = exported("lfcc-lcnn")
    with pytest.raises(SpoofproofError, match=r"holds a lfcc-lcnn, not a rawnet2. Load it as lfcc-lcnn@"):
        registry.detectors["rawnet2"].make(str(path))
    data = path.read_bytes()
    for content in (b"", b"not a network", data[: len(data) // 2]):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(SpoofproofError, match=r"holds no aasist .*spoofproof train recipes/aasist\.toml"):
            registry.detectors["aasist"].make(str(tmp_path / "bad.onnx"))
    (tmp_path / "bad.onnx").write_bytes(data.replace(b"spoofproof.network", b"spoofproof.nothing"))
    with pytest.raises(SpoofproofError, match=r"holds no spec-resnet .*KeyError"):
        registry.detectors["spec-resnet"].make(str(tmp_path / "bad.onnx"))
    with pytest.raises(MissingPart, match="no such file"):
        registry.detectors["rawnet2"].make(str(tmp_path / "none.onnx"))
    with pytest.raises(SpoofproofError, match=r"are a \.onnx file, not \.pth"):
        registry.detectors["rawnet2"].make(str(tmp_path / "some.pth"))


def test_an_exported_network_runs_without_torch(exported: Callable[[str], tuple[Path, Any]]) -> None:
    path, _ = exported("lfcc-lcnn")
    code = (
        "import sys, numpy as np\n"
        "from spoofproof import registry\n"
        "from spoofproof.types import Clip\n"
        "clip = Clip(np.random.default_rng(0).standard_normal(20000).astype('f4') * 0.1, 16000)\n"
        f"registry.detectors['lfcc-lcnn'].make({str(path)!r})([clip])\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


@pytest.mark.parametrize("name", list(SMALL))
def test_a_detector_whose_weights_are_not_here_says_so_and_has_a_card(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("spoofproof.shipped.FOLDER", tmp_path)
    with pytest.raises(MissingPart, match=rf"spoofproof train recipes/{name}\.toml"):
        registry.detectors[name].make()
    card = registry.detectors[name].card()
    assert card["kind"] == "architecture"
    assert card["contamination"] == []
    if name in COUNTS and name != "rawnet2":
        assert card["parameters"] == COUNTS[name]
