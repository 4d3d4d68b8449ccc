"""From a cold process to an answer: seconds of the clock and of the processor, best of several.

python benchmarks/startup.py [--quick]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import QUICK, clips, cpu, describe, table

from spoofproof.audio import save_audio

_SCORE = (
    "import sys, spoofproof\n"
    "from spoofproof.audio import open_audio\n"
    "from spoofproof.cell import Windows, listen\n"
    "print(listen(sys.argv[2], [open_audio(sys.argv[1], rate=16_000)], Windows()))\n"
)


def main() -> None:
    """One row a command."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "five.flac"
        save_audio(clips(1, 5.0)[0], file)
        spoofproof = [sys.executable, "-m", "spoofproof"]
        commands = {
            "python, nothing else": [sys.executable, "-c", "pass"],
            "spoofproof --help": [*spoofproof, "--help"],
            "spoofproof list corruptions": [*spoofproof, "list", "corruptions"],
            "spoofproof hear mp3@16": [*spoofproof, "hear", "mp3@16", str(file), f"{folder}/out.wav"],
            "lfcc-gmm scores 5 s": [sys.executable, "-c", _SCORE, str(file), "lfcc-gmm"],
            "lfcc-lcnn scores 5 s": [sys.executable, "-c", _SCORE, str(file), "lfcc-lcnn"],
        }
        from spoofproof.cli import app

        if "detect" in {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}:
            commands["spoofproof detect"] = [*spoofproof, "detect", str(file)]
        rows = [(name, *_best(command, 2 if QUICK else 5)) for name, command in commands.items()]
    print(describe())
    print()
    table(("command", "clock, s", "processor, s"), rows)


def _best(command: list[str], times: int) -> tuple[float, float]:
    walls, cpus = [], []
    for _ in range(times):
        begin, used = time.perf_counter(), cpu()
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 3, 4):  # 3 and 4: an answer of detect
            raise SystemExit(f"{command}: exit {done.returncode}\n{done.stderr}")
        walls.append(time.perf_counter() - begin)
        cpus.append(cpu() - used)
    return min(walls), min(cpus)


if __name__ == "__main__":
    main()
