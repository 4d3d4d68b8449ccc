"""A real Ray cluster of two nodes on this machine: the same bytes as a local run, also when a node dies half-way.

The cluster lives in a process of its own, which keeps it (and its death) out of this one; runs are the command line's.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spoofproof import bench
from spoofproof.plan import Plan
from spoofproof.registry import read_corpus
from test_bench import everything
from toys import write_corpus, write_detectors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="the extra scale is not installed (ray[default])"
    ),
]

KEEPER = """
import sys
from ray.cluster_utils import Cluster
small = dict(num_cpus=1, object_store_memory=80_000_000, include_dashboard=False)
cluster = Cluster(initialize_head=True, head_node_args=small)
second = cluster.add_node(**small)
print("address", cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(second, allow_graceful=False)
    print("removed", flush=True)
cluster.shutdown()
"""

SLEEPY = '''

@spoofproof.detector(rate=16_000)
def sleepy(_: str = "") -> spoofproof.Detector:
    """Level of the clip, slowly: what is being scored when a node dies takes a while."""
    import time

    def score(clips):
        time.sleep(0.05 * len(clips))
        return [float(np.abs(clip.samples).mean()) for clip in clips]

    return score
'''


class Keeper:
    """A cluster in another process: its address, and the end of its second node."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", KEEPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"},
        )
        self.address = self.heard("address")

    def heard(self, word: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return line.removeprefix(word).strip()
        raise AssertionError(f"the cluster ended before it said {word!r}")

    def remove_node(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("remove\n")
        self.process.stdin.flush()
        self.heard("removed")

    def end(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Keeper]:
    keeper = Keeper()
    yield keeper
    keeper.end()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 trials in eval, 8 in dev: three pieces a condition. A toy detector file lies beside the manifest."""
    folder = tmp_path_factory.mktemp("ray")
    lines = ["id,path,label,part,speaker,attack"]
    lines += [
        f"{t.id},{t.path},{t.label},{t.part},{t.speaker},{t.attack}" for t in write_corpus(folder, n=20)
    ]
    (folder / "manifest.csv").write_text("\n".join(lines))
    with write_detectors(folder).open("a") as file:
        file.write(SLEEPY)
    return folder


def command(corpus: Path, address: str, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "spoofproof", "bench", "--plan", "smoke", "--corpus", f"manifest:{corpus}/manifest.csv",
        "--scale", f"ray:{address}", "--resamples", "10", *more,
    ]  # fmt: skip


def test_a_plan_on_two_nodes_of_which_one_dies_half_way_gives_the_bytes_of_a_local_run(
    cluster: Keeper, corpus: Path, tmp_path: Path
) -> None:
    detectors = ("lfcc-lcnn", "lfcc-gmm", "random", f"{corpus}/toy_detectors.py:sleepy")
    out = tmp_path / "ray"
    args = [word for detector in detectors for word in ("--detector", detector)]
    process = subprocess.Popen(
        command(corpus, cluster.address, "--out", str(out), *args), stderr=subprocess.PIPE, text=True
    )
    plan = Plan.load("smoke").with_(detectors=detectors)
    cells = len(plan.conditions) * len(detectors)
    deadline = time.monotonic() + 300
    while len(list(out.rglob("*.parquet"))) < cells // 3 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    cluster.remove_node()
    assert process.poll() is None, "the run was over before the node died"
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    assert "Ray: 2 nodes, no dashboard" in said
    assert "Ray: 2 of 2 workers ready, each 1 CPU" in said
    assert "Ray: lost a worker on " in said
    bench.run(plan, read_corpus(f"manifest:{corpus}/manifest.csv"), tmp_path / "local")
    local, ray = everything(tmp_path / "local"), everything(out)
    assert len([name for name in local if name.endswith(".parquet")]) == cells
    assert ray == local


def test_a_detector_that_breaks_its_contract_on_a_worker_is_a_sentence(
    cluster: Keeper, corpus: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        command(corpus, cluster.address, "--out", str(tmp_path / "run"), "--detector", f"{corpus}/toy_detectors.py:pair"),
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "returned scores of shape" in done.stderr and "one float a clip" in done.stderr
    assert not list((tmp_path / "run").rglob("*.parquet"))[1:]  # the trials alone
