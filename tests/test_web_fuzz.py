"""The HTTP API against its own document: every operation gets good, odd and broken requests.

SPOOFPROOF_FUZZ=10 asks everything of everybody and gives chance ten times as long; SPOOFPROOF_FUZZ_SEED
changes its luck.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra web")

import spoofproof
from api_fuzz import MULTIPART, PROBLEM, Line, Maker, Request, faults
from mangle import WAYS, small_files
from service import Service, service, tone, write_toy

LONG = float(os.environ.get("SPOOFPROOF_FUZZ", "0"))
SECONDS = 6.0 * (LONG or 1)  # of chance, behind what is asked for once each
EVERY = 3  # of the odd requests each operation gets a third of its own; a long run gives all to all
SLOW = "/explain"  # a second and more where it succeeds: it is mostly sent what is too short
SEED = os.environ.get("SPOOFPROOF_FUZZ_SEED", "0")
HIDDEN = (
    "could not be worked on",
    "times on this one",
    "failed at this recording",
    "took longer than",
)  # defects in other words


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Iterator[Service]:
    """A service with a shelf of runs, small limits, and a temporary folder that is looked into."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "runs" / "a run").mkdir(parents=True)
    record = {
        "plan": "smoke",
        "conditions": ["clean"],
        "detectors": {"known": {}},
        "corpus": {"name": "x", "trials": 3},
    }
    (folder / "runs" / "a run" / "run.json").write_text(json.dumps(record))
    (folder / "runs" / "a run" / "report.html").write_text("<!doctype html><title>report</title>")
    (folder / "secret.html").write_text("a secret")
    name, table = write_toy(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        with service(
            folder / "state", detector=name, table=table, runs=folder / "runs", max_bytes=400_000,
            wall_seconds=20, long_wall_seconds=20, sync_seconds=10, corrupt_seconds=5, idle_seconds=5,
            batch=4,
        ) as found:  # fmt: skip
            yield found


class Known:
    """Good values, by the name of a parameter or field."""

    def __init__(self, served: Service) -> None:
        listed = served.client.get("/v1/corruptions").json()
        # What loads a network takes seconds; one code path is the same for all conditions.
        here = [c for c in listed if not c["missing"] and not c["name"].startswith(("neural", "enhance"))]
        self._conditions = ["clean"] + [condition for c in here for condition in c["conditions"]]
        self.jobs: list[str] = ["0" * 32]

    def __call__(self) -> dict[str, object]:
        return {
            "condition": lambda rng: rng.choice(self._conditions),
            "start": lambda rng: rng.choice(("0", "0.1")),
            "job": lambda rng: rng.choice(self.jobs[-3:]),
            "name": lambda rng: "a run",
        }


def test_every_operation_keeps_to_its_document_whatever_it_is_sent(
    served: Service, temporary: Path, tmp_path: Path
) -> None:
    document = served.client.get("/openapi.json").json()
    known = Known(served)
    seeds = small_files(tmp_path, 0.6)

    def damaged(rng: random.Random) -> bytes:
        x = bytearray(seeds[rng.choice(sorted(seeds))])
        WAYS[rng.choice(sorted(WAYS))](x, rng)
        return bytes(x)

    short, too_short = tone(500, 0.6), tone(500, 0.3)
    maker = Maker(document, known(), lambda rng: short, damaged)  # type: ignore[arg-type]
    places = map(str, (served.state.parent, temporary, Path(spoofproof.__file__).parents[1], sys.prefix))
    secrets = ("Traceback", 'File "', "site-packages", "a secret", "root:x", *places)
    line, wrong, seen = Line(served.url), [], {str(o): Counter[int]() for o in maker.operations}

    def ask(operation, request: Request) -> None:  # type: ignore[no-untyped-def]
        answer = line.send(request)
        if answer is None:
            return
        seen[str(operation)][answer.status] += 1
        found = faults(operation, document, answer, secrets)
        found += [f"a defect in other words: {word}" for word in HIDDEN if word.encode() in answer.body]
        if answer.status == 202:
            known.jobs.append(json.loads(answer.body)["id"])
            served.wait_for(known.jobs[-1])  # a job that is deleted while it runs takes its worker along
        if found:
            wrong.append(
                (str(operation), request.kind, request.target, answer.status, found, answer.body[:300])
            )

    for turn, operation in enumerate(maker.operations):
        for n, request in enumerate(maker.directed(operation)):
            if n and operation.path.endswith(SLOW):
                request.body = request.body.replace(short, too_short)
            if n == 0 or LONG or (n + turn) % EVERY == 0:
                ask(operation, request)
    end, rng, turns = time.monotonic() + SECONDS, random.Random(SEED), 0
    while turns < 5 or time.monotonic() < end:
        for operation in maker.operations:
            if operation.path.endswith(SLOW) and turns % 16 != 4:
                continue
            ask(operation, maker.chance(operation, rng))
        turns += 1
    line.close()
    assert not wrong, "\n".join(map(str, wrong[:20])) + f"\n{len(wrong)} in all"
    for operation in maker.operations:
        statuses = seen[str(operation)]
        assert any(200 <= status < 300 for status in statuses), f"{operation} never succeeded: {statuses}"
        assert any(400 <= status < 500 for status in statuses), f"{operation} never refused: {statuses}"
    assert sum(sum(c.values()) for c in seen.values()) > 400

    for job in served.client.get("/v1/jobs").json()["jobs"]:
        served.client.delete(f"/v1/jobs/{job}")
    health = served.client.get("/health").json()
    assert health["status"] == "ok" and health["workers"] == 2 and health["queue"] == 0
    assert served.client.get("/v1/jobs").json() == {"jobs": []}
    text = served.client.get("/metrics").text
    assert "spoofproof_worker_restarts_total 0" in text and 'status="5' not in text, text
    end = time.monotonic() + 20  # an upload that was cut off is noticed a little later
    while served.left() and time.monotonic() < end:
        time.sleep(0.1)
    assert served.left() == [] and list(temporary.iterdir()) == []
    log = served.log.read_text()
    assert "Traceback" not in log and "passwd" not in log, log[-3000:]


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST", "HEAD", "BREW"]
)
def test_what_the_document_does_not_have_is_a_problem_too(served: Service, method: str) -> None:
    """No trace, no page of the framework's own: the same sentence and headers as for everything else."""
    document = served.client.get("/openapi.json").json()
    line = Line(served.url)
    for path in (*document["paths"], "/v1", "/nothing", "/v1/detect/", "//", "/%00", "/openapi.json"):
        if method.lower() in document["paths"].get(path, {}) or (method, path) == ("GET", "/openapi.json"):
            continue
        answer = line.send(
            Request("method", method, path.replace("{", "").replace("}", ""), {"content-type": MULTIPART})
        )
        assert answer is not None
        if answer.status == 200:  # /v1/jobs/job is one of an operation, and HEAD asks for what GET has
            assert method in {"GET", "HEAD"}, (method, path)
            continue
        assert answer.status in {404, 405}, (method, path, answer)
        assert answer.headers["content-type"] == PROBLEM and "content-security-policy" in answer.headers
        if method != "HEAD":
            assert json.loads(answer.body)["status"] == answer.status
    line.close()
