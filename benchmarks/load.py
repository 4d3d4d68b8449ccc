"""Load on a service on loopback: N clients for a bounded time. Fails on a 5xx or a memory that grows; states latencies.

python benchmarks/load.py --clients 20 --seconds 60
"""

from __future__ import annotations

import argparse
import collections
import io
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from service import Service, service
from signals import voice

GROWTH = 1.2  # memory at the end over memory after a quarter of the time, at most


def main() -> None:
    """Run, print, exit with 1 where the service did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    buffer = io.BytesIO()
    soundfile.write(buffer, voice(4.0).samples, 16_000, format="WAV")
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder) / "state", workers=given.workers) as found,
    ):
        seen, memory = load(found, buffer.getvalue(), given.clients, given.seconds)
        left = found.left()
    answered = np.array(seen[200] or [np.nan])
    early, late = np.median(memory[len(memory) // 4 :][:5]), np.median(memory[-5:])
    print(f"{given.clients} clients, {given.seconds:g} s, {given.workers} workers, clips of 4 s")
    print("answers: " + ", ".join(f"{len(v)} x {k}" for k, v in sorted(seen.items())))
    print(f"latency of 200: median {np.median(answered):.2f} s, p95 {np.percentile(answered, 95):.2f} s")
    print(f"throughput: {len(seen[200]) / given.seconds:.1f} recordings a second")
    print(
        f"memory of the service: {early / 1e6:.0f} MB early, {late / 1e6:.0f} MB late; files left: {len(left)}"
    )
    bad = [status for status in seen if status >= 500 or status == 0]
    if bad or late > GROWTH * early or left or not seen[200]:
        raise SystemExit(
            f"the service did not hold: statuses {bad}, memory x {late / early:.2f}, {len(left)} files left"
        )


def load(
    found: Service, content: bytes, clients: int, seconds: float
) -> tuple[dict[int, list[float]], list[float]]:
    """({status: latencies in s}, resident memory in bytes twice a second). Status 0: no answer came."""
    end = time.monotonic() + seconds
    seen: dict[int, list[float]] = collections.defaultdict(list)

    def client() -> None:
        with httpx.Client(base_url=found.url, timeout=120) as line:
            while time.monotonic() < end:
                begun = time.monotonic()
                try:
                    answer = line.post("/v1/detect", files={"file": ("x", content, "audio/wav")})
                except httpx.TransportError:
                    seen[0].append(time.monotonic() - begun)
                    continue
                seen[answer.status_code].append(time.monotonic() - begun)
                if answer.status_code == 429:
                    time.sleep(min(1.0, float(answer.headers["retry-after"])))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    memory = []
    while time.monotonic() < end:
        status = Path("/proc", str(found.process.pid), "statm").read_text().split()
        memory.append(float(status[1]) * 4096)
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    return seen, memory


if __name__ == "__main__":
    main()
