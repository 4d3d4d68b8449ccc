"""Which hand-made feature tells most? python recipes/features.py OUT [--data ROOT] [--recipe gmm-ubm-features.toml]

Trains a GMM-UBM over each of ten features and their fusion, and prints the table of docs/results.md. A few minutes
on one free core; stop it whenever you like, the same command goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from spoofproof.train.feature_study import features_study, markdown


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, help="root of the corpus (default: SPOOFPROOF_DATA)")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).with_name("gmm-ubm-features.toml"))
    chosen = parser.parse_args()
    print(markdown(features_study(chosen.recipe, chosen.data, chosen.out, _tell)))


def _tell(done: int, total: int, text: str = "") -> None:
    print(f"\r{text}: {done}/{total}".ljust(60), end="\n" if done == total else "", flush=True)


if __name__ == "__main__":
    main()
