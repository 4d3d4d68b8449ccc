"""How a run is spread, without a cluster: pieces, shares, and the driver against a Ray that is played in this process.

1. a job in pieces of any size, broken files at its head included, writes the bytes of the whole
2. the driver replaces workers that die, gives up on a piece that kills them, and says in a sentence what a cluster lacks
3. shares are disjoint, together everything, and processes that fill one folder at once give the bytes of one run
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from spoofproof import bench
from spoofproof.cell import Job, put, score, todo
from spoofproof.cli import app
from spoofproof.errors import BadPlan, MissingPart, RunConflict, SpoofproofError, UnknownName
from spoofproof.plan import Plan
from spoofproof.scale import Share, check, do, one_thread, ray
from spoofproof.scale.cluster import needs, room_for
from spoofproof.scale.shard import cut, noting, wanting
from spoofproof.types import Trial
from test_bench import everything, plan
from toys import write_corpus, write_detectors


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    """20 of each class in eval, the first six of them broken files; 4 in dev."""
    folder = tmp_path_factory.mktemp("corpus")
    found = write_corpus(folder, n=20, dev=2, seconds=0.4)
    broken = folder / "broken.wav"
    broken.write_bytes(b"RIFF this is no audio")
    heads = [t.id for t in found if t.part == "eval"][:6]
    return [replace(t, path=broken) if t.id in heads else t for t in found]


@pytest.fixture(scope="module")
def whole(trials: list[Trial], tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    folder = tmp_path_factory.mktemp("whole")
    the_plan = plan(folder, "tilt", "narrow", conditions=["clean", "gaussian_noise@5", "low_pass@0.2"])
    bench.run(the_plan, trials, folder / "run")
    return the_plan, folder / "run"


def job(run: Path, the_plan: Plan, trials: Sequence[Trial], condition: str = "gaussian_noise@5") -> Job:
    heard = tuple(t for t in trials if t.part == "eval")
    return Job(run, condition, the_plan.detectors, heard, 2.0, the_plan.seed, 16_000, 16_000, "repeat", 4, 2)


def fill(whole: Job) -> None:
    """A job in one go: what pieces are held against."""
    work = todo(whole)
    put(whole, [score(work)], facts=work.facts)


@pytest.mark.parametrize("size", [1, 3, 16, 64])
def test_pieces_of_any_size_write_the_bytes_of_the_whole(
    size: int, trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path
) -> None:
    one, many = (job(tmp_path / name, whole[0], trials) for name in ("one", "many"))
    fill(one)
    work = todo(many)
    pieces = cut(work, size)
    assert [t for piece in pieces for t in piece.trials] == list(many.trials)
    parts = [score(piece) for piece in pieces]
    again = 0
    while (place := wanting(work, pieces, parts)) is not None:
        again += 1
        pieces[place] = noting(work, pieces[place])
        parts[place] = score(pieces[place])
    put(many, parts, facts=work.facts)
    assert everything(tmp_path / "many") == everything(tmp_path / "one")
    facts = json.loads((tmp_path / "one" / "conditions" / "gaussian_noise@5.json").read_text())
    assert facts["effective"]["n"] == 4 and len(list((tmp_path / "one").rglob("*.flac"))) == 4
    assert (again > 0) == (size < 6)  # only then do the broken files fill the pieces that were to measure


def test_only_the_first_pieces_measure(trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path) -> None:
    pieces = cut(todo(job(tmp_path, whole[0], trials)), 8)
    assert [piece.measured for piece in pieces] == [4, 0, 0, 0, 0]


def test_a_piece_takes_along_only_what_is_known_of_its_own_trials(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path
) -> None:
    ids = frozenset(t.id for t in trials)
    held = {whole[0].detectors[0]: ids}
    pieces = cut(replace(job(tmp_path, whole[0], trials), sample=ids, noted=ids, held=held), 8)
    for piece in pieces:
        mine = {t.id for t in piece.trials}
        assert piece.sample == piece.noted == piece.held[whole[0].detectors[0]] == mine


def test_facts_are_of_the_trials_that_are_noted_however_many_are_heard(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path
) -> None:
    heard = [t for t in trials if t.part == "eval"]
    first = heard[6:9] + heard[20:23]
    few = replace(job(tmp_path / "few", whole[0], first), detectors=())
    fill(replace(job(tmp_path / "all", whole[0], trials), noted=frozenset(t.id for t in first)))
    fill(few)
    place = Path("conditions") / "gaussian_noise@5.json"
    assert (tmp_path / "all" / place).read_bytes() == (tmp_path / "few" / place).read_bytes()


class RayError(Exception):
    """As in ray.exceptions."""


class RayTaskError(RayError):
    """As in ray.exceptions."""


@dataclass
class Played:
    """Ray in this process: a task runs when it is waited for. dies(count, job): whether a worker dies of its task."""

    room: float = 2.0
    dies: Callable[[int, Job], bool] = lambda count, job: False
    changes: Callable[[Any], Any] = lambda answer: answer
    killed: set[int] = field(default_factory=set)
    scored: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"Alive": True, "Resources": {"CPU": self.room}},
            {"Alive": False, "Resources": {"CPU": 64.0}},
        ]

    def remote(self, kind: type) -> Any:
        def options(**asked: Any) -> Any:
            self.asked.append(asked)
            return SimpleNamespace(remote=lambda *args: Actor(self, kind(*args)))

        return SimpleNamespace(options=options)

    def wait(self, refs: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return refs[:1], refs[1:]

    def get(self, ref: tuple[Actor, str, tuple[Any, ...]]) -> Any:
        actor, method, args = ref
        if id(actor) in self.killed:
            raise RayError("the actor is dead")
        if method == "score":
            self.scored += 1
            if self.dies(self.scored, args[0]):
                self.killed.add(id(actor))
                raise RayError("the actor died unexpectedly.\nmore about it")
        return self.changes(getattr(actor.inside, method)(*args))

    def kill(self, actor: Actor, no_restart: bool) -> None:
        assert no_restart
        self.killed.add(id(actor))


class Actor:
    def __init__(self, played: Played, inside: Any) -> None:
        self.inside = inside
        for method in ("about", "score"):
            task = SimpleNamespace(remote=lambda *args, method=method: (self, method, args))
            setattr(self, method, task)


def drive(played: Played, jobs: Sequence[Job], monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """Ticks and what was said."""
    monkeypatch.setattr(ray, "_LOOK", 0.0)
    said: list[str] = []
    ticks: list[int] = []
    ray._Driver(played, jobs, 0, ticks.append, lambda job: None, said.append).run()
    return sum(ticks), said


def test_workers_that_die_are_replaced_and_their_pieces_done_again(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_plan, _ = whole
    one, many = tmp_path / "one", tmp_path / "many"
    with one_thread():  # as every worker has it: the last bits of a sum hang on it
        for condition in the_plan.conditions:
            fill(job(one, the_plan, trials, condition))
    played = Played(dies=lambda count, job: count in (2, 5))
    jobs = [job(many, the_plan, trials, condition) for condition in the_plan.conditions]
    ticks, said = drive(played, jobs, monkeypatch)
    assert everything(many) == everything(one)
    assert ticks == 3 * 40  # no trial is counted twice
    lost = [text for text in said if "lost a worker" in text]
    assert len(lost) == 2 and "the actor died unexpectedly)" in lost[0]
    assert len(played.asked) == 4 and played.asked[0]["num_cpus"] == 1 and played.asked[0]["num_gpus"] == 0


def test_a_piece_that_is_done_again_to_be_measured_counts_once(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ray, "size_for", lambda work, workers: 4
    )  # broken files fill the pieces that were to measure
    one, many = (job(tmp_path / name, whole[0], trials) for name in ("one", "many"))
    with one_thread():
        fill(one)
    played = Played()
    ticks, _ = drive(played, [many], monkeypatch)
    assert played.scored > 10 and ticks == 40
    assert everything(tmp_path / "many") == everything(tmp_path / "one")


def test_a_piece_that_takes_every_worker_down_ends_the_run_in_a_sentence(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths: list[int] = []

    def dies(count: int, job: Job) -> bool:
        if job.trials[0].id == "eval-bonafide-8":
            deaths.append(count)
        return job.trials[0].id == "eval-bonafide-8"

    played = Played(dies=dies)
    with pytest.raises(SpoofproofError, match=r"4 workers in turn .*eval-bonafide-8 .*more memory"):
        drive(played, [job(tmp_path, whole[0], trials)], monkeypatch)
    assert len(deaths) == 4
    assert len(played.killed) == len(played.asked)  # nobody is left behind


def test_a_corpus_that_workers_cannot_see_is_said_and_no_row_is_written(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(answer: Any) -> Any:
        return answer if isinstance(answer, dict) else (answer[0], [trials[-1].path])

    with pytest.raises(SpoofproofError, match=r"cannot see .*wav, which this machine can.*same path"):
        drive(Played(changes=blind), [job(tmp_path, whole[0], trials)], monkeypatch)
    assert not everything(tmp_path)


def test_a_file_that_nobody_can_see_is_a_row_as_it_is_on_one_machine(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [*trials, Trial("gone", tmp_path / "gone.wav", "spoof")]
    fill(job(tmp_path / "one", whole[0], gone))
    drive(Played(), [job(tmp_path / "many", whole[0], gone)], monkeypatch)
    assert everything(tmp_path / "many") == everything(tmp_path / "one")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"spoofproof": "0.0.1"}, "differs from this machine in spoofproof"), ({"recordings": {"X": "1"}}, "recordings")],
)  # fmt: skip
def test_workers_that_would_score_otherwise_are_refused(
    change: dict[str, Any],
    message: str,
    trials: list[Trial],
    whole: tuple[Plan, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Played(changes=lambda answer: answer | change if isinstance(answer, dict) else answer)
    with pytest.raises(SpoofproofError, match=message):
        drive(other, [job(tmp_path, whole[0], trials)], monkeypatch)


def test_a_cluster_without_room_is_said(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SpoofproofError, match="no node of the Ray cluster has 1 CPU"):
        drive(Played(room=0.5), [job(tmp_path, whole[0], trials)], monkeypatch)


def test_a_detector_that_breaks_its_contract_on_a_worker_is_its_own_error(
    trials: list[Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SpoofproofError, match="one float a clip"):
        drive(Played(), [job(tmp_path / "run", plan(tmp_path, "pair"), trials)], monkeypatch)


def test_what_a_worker_asks_for_is_the_most_cpus_and_the_sum_of_gpu_shares(tmp_path: Path) -> None:
    file = write_detectors(tmp_path)
    with file.open("a") as out:
        out.write(
            "\n\nfor name, cpus, gpus in (('half', 2, 0.5), ('third', 0.5, 0.3), ('big', 1, 0.75)):\n"
            "    spoofproof.detector(rate=16_000, name=name, cpus=cpus, gpus=gpus)(lambda arg='': None)\n"
        )
    half, third, big = (f"{file}:{name}" for name in ("half", "third", "big"))
    assert needs(["random"], gpus=True) == {"CPU": 1.0}
    assert needs([half, third, half], gpus=True) == {"CPU": 2.0, "GPU": 0.8}
    assert needs([half, third], gpus=False) == {"CPU": 2.0}
    assert needs([half, big], gpus=True) == {"CPU": 2.0, "GPU": 2.0}  # beyond one: whole GPUs
    assert needs(["wav2vec2@x", "hubert@y"], gpus=True) == {"CPU": 1.0, "GPU": 0.2}
    assert needs(["enhanced@dtln/wav2vec2@x"], gpus=True)["GPU"] == 0.1


def test_workers_are_whole_on_one_node_and_shares_of_a_gpu_add_up() -> None:
    assert room_for({"CPU": 1.0}, [{"CPU": 3.0}, {"CPU": 2.0}]) == 5
    assert room_for({"CPU": 2.0}, [{"CPU": 3.0}, {"CPU": 3.0}]) == 2
    assert room_for({"CPU": 1.0, "GPU": 0.1}, [{"CPU": 64.0, "GPU": 1.0}, {"CPU": 64.0}]) == 10
    assert room_for({"CPU": 1.0, "GPU": 2.0}, [{"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 1.0}]) == 0


def test_ways_that_do_not_exist_or_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="Did you mean ray"):
        check("rai:10.0.0.1:6379")
    with pytest.raises(BadPlan, match="local has no address"):
        do([], workers=1, tick=lambda n: None, done=lambda job: None, scale="local:here")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPart, match=r"pip install 'spoofproof\[scale\]'"):
        check("ray")


@pytest.mark.parametrize("count", [1, 2, 7, 64, 100, 130])
def test_shares_are_disjoint_and_together_everything(count: int) -> None:
    names = [f"c{i}" for i in range(100)]
    shares = [Share(k, count).of(names, seed=7) for k in range(1, count + 1)]
    assert sorted(name for share in shares for name in share) == sorted(names)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert all(share == sorted(share, key=names.index) for share in shares)


def test_no_share_gets_one_level_of_everything() -> None:
    names = [f"{corruption}@{level}" for corruption in range(20) for level in range(5)]
    for k in range(1, 6):
        assert len({name[-1] for name in Share(k, 5).of(names, seed=2025)}) == 5


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5"])
def test_a_bad_share_is_a_sentence(text: str) -> None:
    with pytest.raises(BadPlan, match="K/N with K from 1 to N"):
        Share.parse(text)
    found = CliRunner().invoke(app, ["bench", f"--shard={text}"])
    assert isinstance(found.exception, BadPlan)


def test_a_budget_is_of_one_machine() -> None:
    found = CliRunner().invoke(app, ["bench", "--shard=1/2", "--budget=10m"])
    assert isinstance(found.exception, BadPlan) and "neither --scale ray nor --shard" in str(found.exception)


def test_processes_that_fill_one_folder_at_once_give_the_bytes_of_one_run(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path
) -> None:
    the_plan, run = whole
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from spoofproof import bench\n"
        "from spoofproof.plan import Plan\n"
        "from spoofproof.scale import Share\n"
        "from spoofproof.scores import read_trials\n"
        "plan = Plan.make(name='toy', detectors=sys.argv[5:], conditions=sys.argv[4].split(), samples=16_000)\n"
        "share = Share.parse(sys.argv[3])\n"
        "bench.run(plan, read_trials(Path(sys.argv[2]) / 'trials.parquet'), Path(sys.argv[1]), share=share)\n"
    )
    out = tmp_path / "run"
    args = [" ".join(the_plan.conditions), *the_plan.detectors]
    at_once = [
        subprocess.Popen([sys.executable, "-c", program, str(out), str(run), f"{k}/2", *args]) for k in (1, 2)
    ]
    assert [process.wait(300) for process in at_once] == [0, 0]
    assert everything(out) == everything(run)
    record = (out / "run.json").read_bytes()
    bench.run(the_plan, trials, out, share=Share(2, 3))
    assert everything(out) == everything(run) and (out / "run.json").read_bytes() == record
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


def test_the_record_is_that_of_the_first_process_and_another_experiment_is_refused(
    trials: list[Trial], whole: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_plan, run = whole
    out = tmp_path / "run"
    real = bench.write_trials

    def slow(path: Path, rows: Sequence[Trial]) -> None:  # meanwhile another process has begun
        real(path, rows)
        (out / "run.json").write_bytes((run / "run.json").read_bytes())

    monkeypatch.setattr(bench, "write_trials", slow)
    with pytest.raises(RunConflict, match="another experiment"):
        bench.run(the_plan.with_(seed=3), trials, out, share=Share(1, 3))
    assert (out / "run.json").read_bytes() == (run / "run.json").read_bytes()
