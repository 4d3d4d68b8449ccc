"""Counters, gauges and histograms in the text format of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
_HELP = {
    "spoofproof_requests_total": ("counter", "Requests by route, method and status."),
    "spoofproof_refused_total": ("counter", "Requests refused before any work, by reason."),
    "spoofproof_items_total": ("counter", "Files worked on, by outcome."),
    "spoofproof_worker_kills_total": (
        "counter",
        "Workers that were lost in the middle of a file, by reason.",
    ),
    "spoofproof_worker_restarts_total": ("counter", "Workers that were replaced."),
    "spoofproof_workers": ("gauge", "Workers that are up."),
    "spoofproof_queue_items": ("gauge", "Items that wait."),
    "spoofproof_queue_limit": ("gauge", "Items that may wait."),
    "spoofproof_streams": ("gauge", "Live streams that are open."),
    "process_resident_memory_bytes": ("gauge", "Resident memory of the service, without its workers."),
    "spoofproof_request_seconds": ("histogram", "Seconds until a request was answered, by route."),
}
_Labels = tuple[tuple[str, str], ...]


class Metrics:
    """What the service counts. Labels are few and of the service's own making: no file name, no path of a client."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, _Labels]] = Counter()
        self._seconds: dict[str, list[int]] = {}
        self._sums: Counter[str] = Counter()

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        self._counts[name, tuple(sorted(labels.items()))] += 1

    def time(self, route: str, seconds: float) -> None:
        """Put the duration of a request into the histogram of its route."""
        counts = self._seconds.setdefault(route, [0] * (len(BUCKETS) + 1))
        counts[sum(seconds > edge for edge in BUCKETS)] += 1
        self._sums[route] += seconds  # type: ignore[assignment]

    def text(self, gauges: Mapping[str, float]) -> str:
        """The whole page; ``gauges`` (and counters kept elsewhere) are read at this moment."""
        lines: list[str] = []
        for name, (kind, help_) in _HELP.items():
            lines += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
            if kind == "histogram":
                lines += self._histogram(name)
            elif name in gauges:
                lines.append(f"{name} {gauges[name]:g}")
            else:
                found = sorted((labels, n) for (n_, labels), n in self._counts.items() if n_ == name)
                lines += [f"{name}{_labels(labels)} {n}" for labels, n in found]
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str) -> list[str]:
        lines = []
        for route, counts in sorted(self._seconds.items()):
            total = 0
            for edge, n in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += n
                lines.append(f"{name}_bucket{_labels((('le', edge), ('route', route)))} {total}")
            lines.append(f"{name}_sum{_labels((('route', route),))} {self._sums[route]:.6f}")
            lines.append(f"{name}_count{_labels((('route', route),))} {total}")
        return lines


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not say."""
    try:
        pages = int(Path(f"{os.sep}proc", "self", "statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _labels(pairs: _Labels) -> str:
    escaped = ((k, v.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for k, v in pairs)
    inside = ",".join(f'{k}="{v}"' for k, v in escaped)
    return f"{{{inside}}}" if inside else ""
