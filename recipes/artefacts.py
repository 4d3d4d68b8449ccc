"""How often is an artefact met? python recipes/artefacts.py OUT [--data ROOT] [--detector lfcc-lcnn] [--each 24] [--copies 0]

Measures development speech and makes src/spoofproof/explain/artefacts.json: all of the dev part, a copy of each of
its real clips by one of our vocoders in turn, and of every train source with both classes some clips of each, for the
directions. The test part is never read. Stop it whenever you like: the same command goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from spoofproof.explain.survey import survey
from spoofproof.shipped import DETECTOR


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "out", type=Path, help="the table to write; OUT.jsonl beside it keeps what was measured"
    )
    parser.add_argument("--data", type=Path, help="root of the corpus (default: SPOOFPROOF_DATA)")
    parser.add_argument("--detector", default=DETECTOR, help="what the measures are held against")
    parser.add_argument(
        "--each", type=int, default=24, help="train clips of a source and class, drawn by the seed"
    )
    parser.add_argument("--copies", type=int, default=0, help="real dev clips that are copied (default: all)")
    chosen = parser.parse_args()
    survey(chosen.out, chosen.data, chosen.detector, chosen.each, chosen.copies, _tell)
    print(f"\nwritten: {chosen.out}")


def _tell(done: int, total: int, text: str = "") -> None:
    print(f"\r{text}: {done}/{total}".ljust(60), end="", flush=True)


if __name__ == "__main__":
    main()
