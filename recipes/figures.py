"""Write what a bench run measured into the cards of the shipped detectors: python recipes/figures.py RUN

RUN is a run folder over the test part of the data that the detectors were trained beside: clean audio alone gives the
figures ``test`` (``spoofproof bench --corpus manifest:DATA --condition clean --plan full``), a run with corruptions those
called ``test_corrupted``. Only detectors whose weights are those of the run are touched.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from spoofproof.results import Results, evaluate
from spoofproof.scores import ScoreTable, write_json

CARDS = Path(__file__).parents[1] / "src" / "spoofproof" / "shipped"


def main(run: Path) -> None:
    """Update every card whose detector was scored in ``run``."""
    table = ScoreTable.read(run)
    results = evaluate(table)
    for detector in results.detectors:
        path = CARDS / f"{detector}.json"
        if not path.exists():
            continue
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["weights"] != table.record["detectors"][detector]["card"]["weights"]:
            raise SystemExit(f"{detector}: the run was made with other weights; score it again")
        part = "test_corrupted" if (detector, "all") in results.aggregates else "test"
        card["figures"][part] = figures(results, detector)
        write_json(path, card)
        print(detector, part, json.dumps(card["figures"][part]))


def figures(results: Results, detector: str) -> dict[str, Any]:
    """Clean EER, AUROC, Cllr and the mean EER over corruptions, each with its 95 % interval."""
    clean = results.cells[detector, "clean"].metrics
    over = results.aggregates[detector, "all"].metrics if (detector, "all") in results.aggregates else {}
    found: dict[str, Any] = {
        "trials": {"bonafide": clean["eer"].n_bonafide, "spoof": clean["eer"].n_spoof},
        "digest": results.record["corpus"]["digest"],
        "plan": results.record["plan"],
    }
    for name, estimate in (
        ("eer", clean["eer"]),
        ("auroc", clean["auroc"]),
        ("cllr", clean["cllr"]),
        ("corrupted_eer", over.get("eer")),
    ):
        if estimate is None:  # a run over clean audio alone
            continue
        found[name] = round(estimate.value, 4)
        found[f"{name}_interval"] = [round(estimate.low, 4), round(estimate.high, 4)]
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
