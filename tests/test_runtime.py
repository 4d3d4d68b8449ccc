"""Engines agree: the same log odds from every network that ships, and from every foundation model, within TOLERANCE."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import toys
from signals import noise
from spoofproof import bench, registry, runtime, shipped
from spoofproof.ask import load_detector
from spoofproof.errors import MissingPart, RunConflict, SpoofproofError, UnknownName
from spoofproof.plan import Plan
from spoofproof.types import Clip

NETWORKS = sorted(path.stem for path in shipped.FOLDER.glob("*.onnx") if path.stem in registry.detectors)
openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra fast")
OTHERS = sorted(set(runtime.ENGINES) - {runtime.DEFAULT})


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An engine that is not the default, chosen for this test."""
    if find_spec(request.param) is None:  # to import it here would be to import its telemetry
        pytest.skip("needs the extra fast")
    monkeypatch.setenv(runtime.VARIABLE, request.param)
    return str(request.param)


def clips() -> list[Clip]:
    """Noise of three levels, and a tone with pauses: shorter and longer than a window."""
    t = np.arange(80_000) / 16_000
    tone = (0.2 * np.sin(2 * np.pi * 220 * t) * (np.sin(2 * np.pi * 1.5 * t) > 0)).astype(np.float32)
    return [noise(3.0), noise(5.0), Clip(noise(4.1).samples * np.float32(1e-3), 16_000), Clip(tone, 16_000)]


def test_six_networks_ship() -> None:
    assert {"aasist", "aasist-l", "lfcc-lcnn", "rawgat-st", "rawnet2", "spec-resnet"} <= set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_detector_scores_the_same_in_every_engine(
    name: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = registry.detectors[name].make("")(clips())
    monkeypatch.delenv(runtime.VARIABLE)
    default = registry.detectors[name].make("")(clips())
    assert fast != default  # it was another engine that answered
    assert np.ptp(default) > 50 * runtime.TOLERANCE  # the clips are unlike enough for that to mean something
    np.testing.assert_allclose(fast, default, rtol=0, atol=runtime.TOLERANCE)


@pytest.mark.parametrize("name", NETWORKS)
def test_ports_and_facts_are_those_of_the_file(name: str, other: str) -> None:
    file = shipped.FOLDER / f"{name}.onnx"
    one, two = (runtime.network(file, what=name, engine=engine) for engine in (runtime.DEFAULT, other))
    assert (one.inputs, one.outputs, one.facts) == (two.inputs, two.outputs, two.facts)


def test_an_answer_is_kept_when_the_next_is_asked(other: str) -> None:
    net = runtime.network(shipped.FOLDER / "lfcc-lcnn.onnx", what="network", engine=other)
    waves = [clip.samples[None, :64_600] for clip in (noise(5.0, seed=1), noise(5.0, seed=2))]
    first = net(wave=waves[0])["odds"]
    kept = first.copy()
    assert net(wave=waves[1])["odds"] != kept
    assert first == kept


def test_no_network_is_a_sentence_in_every_engine(other: str, tmp_path: Path) -> None:
    for engine in (runtime.DEFAULT, other):
        with pytest.raises(SpoofproofError, match="holds no toy"):
            runtime.network(b"no network", what="toy", engine=engine)
        with pytest.raises(SpoofproofError, match=r"absent\.onnx holds no toy"):
            runtime.network(tmp_path / "absent.onnx", what="toy", engine=engine)


@pytest.mark.parametrize("engine", runtime.ENGINES)
def test_no_engine_reports_to_its_makers_or_writes_into_the_home_folder(engine: str, tmp_path: Path) -> None:
    if find_spec(engine) is None:
        pytest.skip("needs the extra fast")
    program = (
        "import sys; from spoofproof import runtime, shipped\n"
        f"runtime.network(shipped.FOLDER / 'lfcc-lcnn.onnx', what='network', engine={engine!r})\n"
        "print([name for name, there in sys.modules.items() if there and 'telemetry' in name.partition('.')[0]])\n"
    )
    bare = {
        k: v for k, v in os.environ.items() if "TELEMETRY" not in k and k != "CI"
    }  # in CI they would be quiet
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=bare | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]" and list(tmp_path.iterdir()) == []


@openvino
def test_a_failure_of_the_engine_is_not_blamed_on_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(content: bytes) -> None:
        raise PermissionError("no room")

    monkeypatch.setattr("spoofproof.runtime.openvino.read", broken)
    with pytest.raises(
        SpoofproofError, match=r"LFCC-LCNN: OpenVINO cannot run it here \(PermissionError: no room"
    ):
        runtime.network(shipped.FOLDER / "lfcc-lcnn.onnx", what="LFCC-LCNN", engine="openvino")


def test_an_unknown_engine_and_one_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="Did you mean openvino"):
        runtime.choose("openvin")
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPart, match=r"pip install 'spoofproof\[fast\]'"):
        runtime.choose("openvino")
    assert runtime.VARIABLE not in os.environ  # nothing was chosen


def test_a_run_folder_holds_the_scores_of_one_engine(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = toys.write_corpus(tmp_path / "corpus")
    plan = Plan.make(name="p", detectors=("lfcc-lcnn",), conditions=("clean",), measured=0, listen=0)
    bench.run(plan, trials, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["runtime"] == other and other in record["made"]["packages"]
    monkeypatch.delenv(runtime.VARIABLE)
    with pytest.raises(RunConflict, match=f"runtime of its networks \\({other}, not onnxruntime\\)"):
        bench.run(plan, trials, tmp_path / "run")
    del record["runtime"]  # a folder of before there was a choice is of the default
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    bench.run(plan, trials, tmp_path / "run")


def test_a_detector_that_is_loaded_is_loaded_again_for_another_engine(
    other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, fast = load_detector("lfcc-lcnn")
    assert load_detector("lfcc-lcnn")[1] is fast
    monkeypatch.delenv(runtime.VARIABLE)
    _, default = load_detector("lfcc-lcnn")
    assert default(clips()) != fast(clips())


def test_the_command_hands_its_choice_to_its_workers(other: str, tmp_path: Path) -> None:
    trials = toys.write_corpus(tmp_path / "corpus")
    plan = Plan.make(
        name="p", detectors=("lfcc-lcnn",), conditions=("clean", "smooth@6"), measured=0, listen=0
    )
    alone = bench.run(plan, trials, tmp_path / "one")
    many = bench.run(plan, trials, tmp_path / "two", workers=2)
    for key, cell in alone.cells.items():
        np.testing.assert_array_equal(cell.scores, many.cells[key].scores)
    bare = {name: value for name, value in os.environ.items() if name != runtime.VARIABLE}
    command = [sys.executable, "-m", "spoofproof", "--runtime", "fastest", "list", "detectors"]
    told = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert told.returncode == 2 and "unknown runtime 'fastest'" in " ".join(told.stderr.split())
