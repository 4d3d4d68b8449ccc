"""A whole service on loopback, as clients meet it: good ones, careless ones, and those who mean harm."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("fastapi", reason="needs the extra web")

import itertools

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from service import Service, service, tone, upload, write_toy
from spoofproof.web.keys import new_key
from spoofproof.web.process import Worker
from spoofproof.web.settings import Settings

REAL, SYNTHETIC, SLOW, HANG, CRASH, HOG = 500, 3000, 4500, 5000, 6000, 7000  # Hz: what the toy detector does


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: one with a report, one without, and a secret beside it."""
    root = tmp_path_factory.mktemp("shelf")
    record = {
        "plan": "smoke", "summary": "A smoke test.", "conditions": ["clean"], "detectors": {"known": {}},
        "corpus": {"name": "builtin", "trials": 8}, "made": {"at": "2026-11-24T10:00:00+00:00"},
    }  # fmt: skip
    for name in ("first run", "second"):
        (root / "runs" / name).mkdir(parents=True)
        (root / "runs" / name / "run.json").write_text(json.dumps(record))
    (root / "runs" / "first run" / "report.html").write_text(
        "<!doctype html><title>report</title><script>1</script>"
    )
    (root / "secret.html").write_text("secret")
    return root / "runs"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, toy: tuple[str, Path], shelf: Path) -> Iterator[Service]:
    """The service of this module: small limits, so that they can be met."""
    with service(
        tmp_path_factory.mktemp("served") / "state", detector=toy[0], table=toy[1], runs=shelf, queue=6, wall_seconds=20,
        long_wall_seconds=20, max_bytes=2_000_000, sync_seconds=10, corrupt_seconds=5, idle_seconds=3, attempts=2, batch=4,
    ) as found:  # fmt: skip
        yield found


def detect(client: httpx.Client, content: bytes, kind: str = "audio/wav") -> httpx.Response:
    return client.post("/v1/detect", files=upload(content, kind))


def refused(response: httpx.Response, status: int, words: str) -> None:
    """A problem document with a sentence in it, and no path of this machine."""
    assert response.status_code == status, (response.status_code, response.text)
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail"} and body["status"] == status
    assert words in body["detail"] and "/tmp" not in body["detail"] and "Traceback" not in response.text, body


def written(samples: np.ndarray[Any, Any], rate: int, kind: str = "WAV", subtype: str | None = None) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind, subtype=subtype)
    return out.getvalue()


# --- answers -------------------------------------------------------------------------------------------------------


def test_a_real_and_a_synthetic_recording_get_their_verdicts(served: Service) -> None:
    for hz, verdict in ((REAL, "likely real"), (SYNTHETIC, "likely synthetic")):
        body = detect(served.client, tone(hz, seconds=6.0)).raise_for_status().json()
        assert body["verdict"] == verdict and body["reasons"] == []
        assert body["low"] <= body["probability"] <= body["high"]
        assert (body["probability"] > 0.5) == (hz == SYNTHETIC) and (body["llr"] < 0) == (hz == SYNTHETIC)
        assert body["timeline"][0]["start"] == 0 and body["timeline"][-1]["end"] == pytest.approx(6.0)
        assert body["spans"] == ([[0.0, 6.0]] if hz == SYNTHETIC else [])
        assert body["quality"]["rate"] == 16_000 and body["detector"] == "known.py:known"
    assert served.left() == []


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "WAV"])
def test_other_containers_are_heard_too_whatever_they_are_called(served: Service, kind: str) -> None:
    body = detect(served.client, tone(REAL, kind=kind), "application/octet-stream").raise_for_status().json()
    assert body["verdict"] == "likely real"


def test_many_channels_at_a_high_rate_are_heard(served: Service) -> None:
    x = np.repeat(soundfile.read(io.BytesIO(tone(REAL, 1.2, rate=96_000)))[0][:, None], 8, axis=1)
    body = detect(served.client, written(x, 192_000, subtype="PCM_16")).json()
    assert body.get("quality", {}).get("channels") == 8, body


def video_without_sound() -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(10):
            for packet in stream.encode(
                av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            ):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return out.getvalue()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", content)
    return out.getvalue()


def nan() -> bytes:
    x = soundfile.read(io.BytesIO(tone(REAL)))[0].astype(np.float32)
    x[5000] = np.nan
    return written(x, 16_000, subtype="FLOAT")


def test_bad_input_is_a_sentence_and_nothing_is_left(served: Service) -> None:
    bad = [
        (b"", "empty"),
        (b"This is no audio but a text.\n" * 100, "cannot read"),
        (os.urandom(20_000), "cannot read"),
        (tone(REAL)[:20_000], "cut off"),
        (tone(REAL, kind="FLAC")[:9_000], "the recording"),
        (zipped(b"\0" * 10_000_000), "cannot read"),
        (nan(), "NaN"),
        (video_without_sound(), "no "),
        (tone(REAL, 0.3), "at least 0.5 s"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "cannot read"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "cannot read"),
    ]
    for content, words in bad:
        refused(detect(served.client, content), 422, words)
    silent = detect(served.client, written(np.zeros(32_000, np.float32), 16_000)).raise_for_status().json()
    assert silent["verdict"] == "cannot tell" and "speech" in silent["reasons"][0]
    assert served.left() == []


def test_what_is_too_much_is_413(served: Service) -> None:
    refused(detect(served.client, b"\0" * 2_000_001), 413, "2 MB")
    long = written(np.zeros(11 * 8000, np.float32), 8000, "FLAC")
    refused(detect(served.client, long), 413, "longer than 10 s")
    refused(
        served.client.post("/v1/corrupt", files=upload(long), data={"condition": "clean"}),
        413,
        "longer than 5 s",
    )
    refused(detect(served.client, tone(HOG)), 413, "memory")
    assert served.left() == []


def test_a_stream_of_bytes_without_a_length_is_cut_at_the_limit(served: Service) -> None:
    begun = time.monotonic()

    def endless() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        while time.monotonic() < begun + 60:
            yield b"\0" * 65_536

    with contextlib.suppress(httpx.TransportError):  # the line was closed while we still sent
        kind = {"content-type": "multipart/form-data; boundary=b"}
        refused(served.client.post("/v1/detect", content=endless(), headers=kind), 413, "2 MB")
    assert time.monotonic() - begun < 40 and served.left() == []


def test_only_forms_are_taken(served: Service) -> None:
    for kind, content in (
        ("application/json", b'{"url": "http://example.org"}'),
        ("audio/wav", tone(REAL)),
        ("text/plain", b"x"),
    ):
        refused(
            served.client.post("/v1/detect", content=content, headers={"content-type": kind}),
            415,
            "multipart/form-data",
        )
    refused(detect(served.client, b"<html>", "text/html"), 415, "text/html")
    refused(
        served.client.post("/v1/detect", files=upload(tone(REAL)), data={"url": "http://example.org/x.wav"}),
        422,
        "unknown field",
    )
    refused(served.client.get("/v1/detect"), 405, "method")
    refused(served.client.get("/v1/nothing"), 404, "nothing here")
    assert served.left() == []


# --- corruptions ---------------------------------------------------------------------------------------------------


def test_a_corruption_is_heard_and_keeps_length_and_rate(served: Service) -> None:
    source = tone(REAL, 2.0, rate=22_050)
    listed = {c["name"]: c for c in served.client.get("/v1/corruptions").json()}
    assert listed["mp3"]["conditions"] == [f"mp3@{level}" for level in listed["mp3"]["levels"]]
    for condition in ("clean", "mp3@8", "telephone@gsm", "low_pass@0.3+gaussian_noise@10"):
        response = served.client.post("/v1/corrupt", files=upload(source), data={"condition": condition})
        assert response.status_code == 200 and response.headers["content-type"] == "audio/wav", response.text
        before, rate = soundfile.read(io.BytesIO(source))
        after, rate_after = soundfile.read(io.BytesIO(response.content))
        assert rate_after == rate == 22_050 and after.shape == before.shape
        close = np.abs(after - before).max() < 1e-4
        assert close == (condition == "clean")
    assert detect(served.client, response.content).status_code == 200
    assert served.left() == []


def test_conditions_of_strangers_name_no_file_and_no_absurd_level(served: Service, tmp_path: Path) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    for condition, words in [
        (f"{trap}:x@1", "names a file"),
        ("os:system@1", "names a file"),
        ("time_stretch@0.0001", "takes levels from"),
        ("resample@0.000001", "takes levels from"),
        ("mp4@8", "Did you mean mp3"),
        ("mp3", "needs a level"),
        ("mp3@nan", "finite"),
        ("", "names nothing"),
        ("+".join(["echo@0.5"] * 5), "at most 4"),
    ]:
        response = served.client.post("/v1/corrupt", files=upload(tone(REAL)), data={"condition": condition})
        assert words in response.json()["detail"] and response.status_code == 422, (condition, response.text)
    assert not (tmp_path / "sprung").exists()
    refused(served.client.post("/v1/corrupt", files=upload(tone(REAL))), 422, "no field 'condition'")
    assert served.left() == []


# --- jobs ----------------------------------------------------------------------------------------------------------


def batch(*contents: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("file", ("x.wav", content, "audio/wav")) for content in contents]


def test_a_batch_is_answered_in_order_and_deleted_on_request(served: Service) -> None:
    response = served.client.post(
        "/v1/jobs", files=batch(tone(REAL), b"no audio at all", tone(SYNTHETIC, seconds=20.0))
    )
    assert response.status_code == 202
    place = response.headers["location"]
    body = served.wait_for(response.json()["id"])
    assert body["state"] == "done" and [item["state"] for item in body["items"]] == ["done", "failed", "done"]
    assert [item["result"] and item["result"]["verdict"] for item in body["items"]] == [
        "likely real",
        None,
        "likely synthetic",
    ]
    assert "cannot read" in body["items"][1]["problem"]
    assert body["id"] in served.client.get("/v1/jobs").json()["jobs"]
    assert served.left() == []
    assert served.client.delete(place).status_code == 204
    refused(served.client.get(place), 404, "no such job")
    refused(served.client.delete(place), 404, "no such job")
    refused(served.client.get("/v1/jobs/..%2f..%2fetc%2fpasswd"), 404, "")
    refused(served.client.post("/v1/jobs", files=batch(*[tone(REAL)] * 5)), 413, "at most")


def test_a_job_that_is_deleted_while_it_runs_stops(served: Service) -> None:
    job = served.client.post("/v1/jobs", files=batch(tone(HANG))).json()["id"]
    while served.client.get(f"/v1/jobs/{job}").json()["state"] == "queued":
        time.sleep(0.05)
    assert served.client.delete(f"/v1/jobs/{job}").status_code == 204
    answer = detect(served.client, tone(REAL))
    assert answer.status_code == 200 and answer.json()["verdict"] == "likely real", answer.text
    assert served.left() == []


def test_a_worker_that_is_stopped_while_it_starts_again_keeps_its_new_folder(
    toy: tuple[str, Path], tmp_path: Path
) -> None:
    """As when a job is deleted: one task stops the worker that another task already starts anew."""
    sent = tmp_path / "upload"
    sent.write_bytes(tone(REAL))

    async def both() -> dict[str, Any]:
        worker = Worker(Settings(tmp_path, detector=toy[0], table=toy[1]), "0")
        await worker.start()
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0)  # it has begun, and waits for the process to end
        await worker.start()
        await stopping
        try:
            return await worker.run("detect", {"max_seconds": 9.0}, source=sent, out=None, seconds=60)
        finally:
            await worker.stop()

    assert asyncio.run(both())["ok"]["verdict"] == "likely real"
    assert list((tmp_path / "workers").iterdir()) == []


# --- load, death and hang ------------------------------------------------------------------------------------------


def test_a_full_queue_says_when_to_come_back_and_health_answers_all_the_while(served: Service) -> None:
    content = tone(SLOW)
    with ThreadPoolExecutor(30) as pool:
        futures = [pool.submit(detect, served.client, content) for _ in range(30)]
        time.sleep(1)
        assert served.client.get("/health").json()["status"] == "ok"
        assert not all(future.done() for future in futures)  # it did not wait for those before it
        answers = [future.result() for future in futures]
    counts = {status: sum(a.status_code == status for a in answers) for status in (200, 429)}
    others = [(a.status_code, a.text) for a in answers if a.status_code not in counts]
    assert not others and counts[429] >= 15 and counts[200] >= 6, (counts, others)
    assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 429)
    assert served.left() == []


def test_kill_9_of_the_workers_under_load_loses_no_accepted_job(served: Service) -> None:
    job = served.client.post("/v1/jobs", files=batch(tone(SLOW), tone(REAL), tone(SYNTHETIC))).json()["id"]
    end = time.monotonic() + 60
    while served.client.get(f"/v1/jobs/{job}").json()["items"][0]["state"] != "running":
        assert time.monotonic() < end
        time.sleep(0.02)
    victims = served.workers()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    body = served.wait_for(job)
    assert [item["state"] for item in body["items"]] == ["done"] * 3
    assert not set(victims) & set(served.workers())
    assert served.left() == []


def test_a_recording_that_kills_or_holds_its_worker_is_given_up_and_others_are_not(served: Service) -> None:
    refused(detect(served.client, tone(CRASH)), 422, "ended 2 times")
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(detect, served.client, tone(HANG))
        good = pool.submit(detect, served.client, tone(REAL))
        assert good.result().json()["verdict"] == "likely real"
        refused(held.result(), 422, "took longer")
    text = served.client.get("/metrics").text
    kills = dict(re.findall(r'spoofproof_worker_kills_total\{reason="(\w+)"\} (\d+)', text))
    assert int(kills["death"]) >= 2 and int(kills["hang"]) >= 1
    assert served.left() == []


# --- clients that stop, dawdle or say nothing ----------------------------------------------------------------------


def dial(served: Service) -> socket.socket:
    host, port = served.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def head(served: Service, length: int) -> bytes:
    return (
        f"POST /v1/detect HTTP/1.1\r\nHost: {served.url.removeprefix('http://')}\r\nContent-Length: {length}\r\n"
        'Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    ).encode()


def test_an_upload_that_is_cut_in_the_middle_leaves_nothing(served: Service) -> None:
    with dial(served) as line:
        line.sendall(head(served, 100_000) + b"\0" * 20_000)
        time.sleep(0.3)
    end = time.monotonic() + 20
    while served.left():
        assert time.monotonic() < end, served.left()
        time.sleep(0.1)
    assert detect(served.client, tone(REAL)).status_code == 200


def test_slow_and_silent_clients_are_let_go(served: Service) -> None:
    with dial(served) as slow, dial(served) as silent, dial(served) as half:
        slow.sendall(head(served, 100_000) + b"\0" * 20_000)
        half.sendall(b"GET /health HTTP/1.1\r\nHost: ")
        assert b" 408 " in slow.recv(65_536).splitlines()[0]
        assert silent.recv(10) == b"" and half.recv(10) == b""
    assert served.left() == []


# --- strangers' pages, hosts, paths --------------------------------------------------------------------------------


def test_every_answer_carries_the_headers_that_keep_a_browser_safe(served: Service) -> None:
    for path in ("/", "/page/main.js", "/page/page.css", "/health", "/v1/nothing", "/openapi.json"):
        headers = served.client.get(path).headers
        policy = headers["content-security-policy"]
        assert (
            "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        )
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
    page = served.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert served.client.get("/", headers={"if-none-match": page.headers["etag"]}).status_code == 304
    assert re.search(r"(src|href)=\"(https?:)?//", page.text) is None


def test_other_sites_and_other_names_are_refused(served: Service) -> None:
    own = served.url
    refused(served.client.get("/health", headers={"host": "evil.example"}), 421, "host name")
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": own.replace("127.0.0.1", "localhost")},
    ):
        refused(
            served.client.post("/v1/detect", files=upload(tone(REAL)), headers=headers), 403, "other sites"
        )
    assert (
        served.client.get("/health", headers={"origin": own, "sec-fetch-site": "same-origin"}).status_code
        == 200
    )
    with (
        pytest.raises((InvalidHandshake, ConnectionClosed)),
        connect(own.replace("http", "ws") + "/v1/stream", origin="http://evil.example", proxy=None) as line,
    ):  # type: ignore[arg-type]
        line.recv(timeout=10)


def test_runs_are_shown_and_nothing_else_is(served: Service) -> None:
    runs = served.client.get("/v1/runs").json()
    assert [run["name"] for run in runs] == ["first run", "second"]
    assert runs[0]["trials"] == 8 and runs[0]["detectors"] == ["known"] and runs[1]["report"] is None
    report = served.client.get(runs[0]["report"])
    assert (
        "<title>report" in report.text
        and "sandbox allow-scripts" in report.headers["content-security-policy"]
    )
    refused(served.client.get("/v1/runs/second/report"), 404, "no report")
    for path in (
        "/v1/runs/../secret.html", "/v1/runs/..%2fsecret.html", "/v1/runs/%2e%2e/report", "/v1/runs/..%2f..%2f/report",
        "/v1/runs/first%20run%2freport.html", "/v1/runs/%00", "/page/..%2f..%2fapp.py", "/page/%2e%2e/app.py",
        "/page//etc/passwd", "/page/..\\app.py", "//etc/passwd", "/v1/runs/first%20run/report/../../../secret.html",
    ):  # fmt: skip
        with dial(served) as line:  # as it is: a client library would tidy the path up
            line.sendall(
                f"GET {path} HTTP/1.1\r\nHost: {served.url.removeprefix('http://')}\r\nConnection: close\r\n\r\n".encode()
            )
            said = b"".join(iter(lambda: line.recv(65_536), b""))
        assert b" 404 " in said.splitlines()[0] and b"secret" not in said and b"root:" not in said, (
            path,
            said,
        )


# --- streams -------------------------------------------------------------------------------------------------------


def pcm(hz: float, seconds: float) -> bytes:
    x = soundfile.read(io.BytesIO(tone(hz, seconds)))[0]
    return (x * 32_000).astype("<i2").tobytes()


def test_a_stream_is_judged_as_it_comes(served: Service) -> None:
    sound = pcm(REAL, 3.0) + pcm(SYNTHETIC, 5.0)
    heard: list[dict[str, Any]] = []
    with connect(served.url.replace("http", "ws") + "/v1/stream", proxy=None, open_timeout=60) as line:

        def speak() -> None:
            for i in range(0, len(sound), 6_400):  # a fifth of a second at a time
                line.send(sound[i : i + 6_400])
                time.sleep(0.2)
            line.send("end")

        speaking = threading.Thread(target=speak)
        speaking.start()
        heard += [json.loads(message) for message in line]
        speaking.join()
    assert heard[0]["end"] < 2.5 and heard[0]["verdict"] == "likely real"
    assert heard[-1]["end"] == pytest.approx(8.0) and heard[-1]["verdict"] == "likely synthetic"
    assert all(b["end"] > a["end"] for a, b in itertools.pairwise(heard))
    assert len(heard) >= 6 and sorted(h["seconds_late"] for h in heard)[len(heard) // 2] < 1.0


def test_seconds_of_a_stream_that_cannot_be_judged_say_why(served: Service) -> None:
    with connect(served.url.replace("http", "ws") + "/v1/stream", proxy=None, open_timeout=60) as line:
        for _ in range(2):
            line.send(pcm(HOG, 0.6))
        line.send("end")
        heard = [json.loads(message) for message in line]
    assert heard and all("verdict" not in one and "memory" in one["problem"] for one in heard), heard


def test_a_stream_that_breaks_the_rules_is_closed_with_a_reason(served: Service) -> None:
    address = served.url.replace("http", "ws") + "/v1/stream"
    for message, code in ((b"\0" * 40_000, 1009), ("hello", 1003)):
        with connect(address, proxy=None, open_timeout=60) as line, pytest.raises(ConnectionClosed) as closed:
            line.send(message)
            line.recv(timeout=20)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == code and closed.value.rcvd.reason
    with connect(address, proxy=None, open_timeout=60) as line, pytest.raises(ConnectionClosed) as closed:
        line.recv(timeout=20)
    assert closed.value.rcvd is not None and "nothing came" in closed.value.rcvd.reason


# --- at the end: what was said in the log --------------------------------------------------------------------------


def test_the_log_holds_no_name_no_query_and_no_traceback(served: Service) -> None:
    served.client.get("/health?secret=1")
    detect(served.client, tone(REAL))
    served.client.get("/v1/runs/none")
    end = time.monotonic() + 10  # a line is written when its answer has gone out
    while "GET /v1/runs/{name} 404" not in (log := served.log.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    assert "POST /v1/detect 200" in log and "GET /v1/runs/{name} 404" in log
    for word in ("passwd", "ünï", "secret", "Traceback", "x.wav", " 500 "):
        assert word not in log, log[-3000:]
    assert not re.search(r'status="5', served.client.get("/metrics").text)


# --- services of their own -----------------------------------------------------------------------------------------


def test_accepted_jobs_go_on_after_the_whole_service_was_killed(
    tmp_path: Path, toy: tuple[str, Path]
) -> None:
    state = tmp_path / "state"
    chosen = {"detector": toy[0], "table": toy[1], "workers": 1}
    with service(state, **chosen) as first:
        job = first.client.post("/v1/jobs", files=batch(tone(SLOW), tone(REAL))).json()["id"]
        while first.client.get(f"/v1/jobs/{job}").json()["state"] != "running":
            time.sleep(0.02)
        line = dial(first)  # an upload in flight, and nobody to answer it
        line.sendall(head(first, 100_000) + b"\0" * 20_000)
        time.sleep(0.2)
        first.kill()
        line.close()
        workers_end = time.monotonic() + 10
        while first.workers():  # they die with the service
            assert time.monotonic() < workers_end
            time.sleep(0.05)
    with service(state, **chosen) as second:
        body = second.wait_for(job)
        assert [item["result"]["verdict"] for item in body["items"]] == ["likely real"] * 2
        assert second.left() == []


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the refused client's own socket
def test_keys_open_the_door_and_rates_hold_it(tmp_path: Path, toy: tuple[str, Path]) -> None:
    state = tmp_path / "state"
    key, other = new_key(state, "press"), new_key(state, "radio")
    with service(state, detector=toy[0], table=toy[1], workers=1, rate=6, burst=12, host="0.0.0.0") as found:
        client = found.client
        assert client.get("/health").status_code == 200 and client.get("/").status_code == 200
        for headers in (
            {},
            {"authorization": "Bearer spk_guess"},
            {"authorization": f"Basic {key}"},
            {"cookie": "spoofproof_session=x"},
        ):
            answer = client.get("/v1/jobs", headers=headers)
            refused(answer, 401, "key")
            assert answer.headers["www-authenticate"] == "Bearer"
        refused(client.post("/v1/detect", files=upload(tone(REAL))), 401, "key")
        mine = {"authorization": f"Bearer {key}"}
        assert (
            detect(httpx.Client(base_url=found.url, headers=mine, timeout=60), tone(REAL)).status_code == 200
        )
        job = client.post("/v1/jobs", files=batch(tone(REAL)), headers=mine).json()["id"]
        refused(
            client.get(f"/v1/jobs/{job}", headers={"authorization": f"Bearer {other}"}), 404, "another key"
        )
        assert client.get("/v1/session").json() == {"keys": True, "name": ""}
        entered = client.post("/v1/session", headers=mine)
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower() and key not in cookie
        assert client.get("/v1/session").json() == {"keys": True, "name": "press"}  # by the cookie
        assert client.get("/v1/jobs").json() == {"jobs": [job]}
        answers = [client.get("/v1/jobs", headers=mine) for _ in range(14)]
        limited = [a for a in answers if a.status_code == 429]
        assert limited and int(limited[0].headers["retry-after"]) >= 1
        assert client.get("/v1/jobs", headers={"authorization": f"Bearer {other}"}).status_code == 200
        with (
            pytest.raises((InvalidHandshake, ConnectionClosed)),
            connect(found.url.replace("http", "ws") + "/v1/stream", proxy=None) as line,
        ):
            line.recv(timeout=10)
        assert key not in found.log.read_text()
