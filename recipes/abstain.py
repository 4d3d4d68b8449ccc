"""When a detector says "cannot tell", fitted on development data and shown on the test part.

python recipes/abstain.py fit DATA [--detector NAME] [--table FILE] [--kept FILE] [--most N]
    reads the dev part of the manifest under DATA and no other, and writes src/spoofproof/shipped/NAME.abstain.json.
    Do it again whenever the detector's weights change. --kept FILE lets a stopped run go on.
    --most N: clips of each class under each condition but clean (60: some 3 minutes of one core).
python recipes/abstain.py test DATA [--detector NAME] [--table FILE]
    prints, for the test part: the share of "cannot tell" and why, the error among the rest, and the risk-coverage curve, with
    intervals clustered by source. Nothing may be tuned after it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

from spoofproof import registry
from spoofproof.corpora.manifest import manifest
from spoofproof.detect.calibration import opinion
from spoofproof.detect.curve import ALWAYS, Judged, curve, drops, points
from spoofproof.detect.fit import CONDITIONS, TARGET, fit_table, judged_by
from spoofproof.detect.judge import judge
from spoofproof.detect.rows import hear_rows
from spoofproof.detect.table import Point, Table, weights_of
from spoofproof.detect.verdict import reasons
from spoofproof.errors import SpoofproofError
from spoofproof.scores import write_json
from spoofproof.shipped import DETECTOR
from spoofproof.types import CLEAN, Ref

SHIPPED = Path(__file__).parents[1] / "src" / "spoofproof" / "shipped"


def fit(data: Path, detector: str, file: Path, kept: Path | None, most: int) -> Table:
    """Fit on the dev part and write ``file``; ``most`` clips of each class under each condition but clean."""
    trials = [t for t in manifest(data) if t.part == "dev"]
    ref = Ref.parse(detector)
    spec = registry.detectors[ref.name]
    ear = spec.make(ref.arg) if ref.arg else spec.make()
    weights = weights_of(spec, ref)
    rows = hear_rows(trials, CONDITIONS, ear, spec, most=most, kept=kept, weights=weights, progress=_progress)
    made = {
        "part": "dev",
        "date": datetime.now(UTC).date().isoformat(),
        "clips": {label: sum(t.label == label for t in trials) for label in ("bonafide", "spoof")},
        "sources": sorted({t.source for t in trials}),
        "conditions": list(CONDITIONS),
        "rows": len(rows),
        "most": most,
        "target": TARGET,
    }
    table = fit_table(rows, detector, weights, made)
    write_json(file, table.to_dict())
    print(f"\n{file}: an answer needs {table.clear:.2f} log odds between its interval and even odds")
    _show(table.curve)
    for cell in table.cells:
        rates = [f"{r.value:.2f} of {r.n}" if r else "-" for r in (cell.misses, cell.accuses)]
        print(
            f"{cell.axis:15} {cell.low:7g} to {cell.high:7g}  misses {rates[0]:12} accuses {rates[1]:12} {'' if cell.usable else 'cannot tell'}"
        )
    return table


def test(data: Path, detector: str, file: Path | None) -> list[Judged]:
    """Print what the detector answers on the test part."""
    trials = [t for t in manifest(data) if t.part == "eval"]
    who = judge(detector, table=file)
    rows = hear_rows(trials, [CLEAN], who.detector, who.spec, progress=_progress)
    judged = judged_by(who.table, rows)
    least = who.table.clear
    unsure = [row for row, j in zip(rows, judged, strict=True) if j.clear < least]
    why = Counter(reasons(opinion(row.scores, who.table), row.quality, who.table)[0] for row in unsure)
    print(f"\n{len(rows)} clips: cannot tell {len(unsure)} ({len(unsure) / len(rows):.1%})")
    for text, times in Counter(re.split(r"[:(]", text)[0].strip() for text in why.elements()).most_common():
        print(f"    {times:4} {text}")
    wrong = [j for j in judged if j.clear >= least and j.synthetic == (j.trial.label == "bonafide")]
    real = sum(j.trial.label == "bonafide" for j in wrong)
    print(
        f"of {len(judged) - len(unsure)} answered: {real} real ones accused, {len(wrong) - real} synthetic ones missed"
    )
    for point in points(judged, [ALWAYS, least], by_source=True):
        print(f"coverage {point.coverage:.1%}, error {point.risk:.1%} [{point.low:.1%}, {point.high:.1%}]")
    found = curve(judged, by_source=True)
    _show(found, drops(judged, [point.clear for point in found], by_source=True))
    return judged


def _show(found: tuple[Point, ...], lower: Sequence[tuple[float, float, float]] = ()) -> None:
    print(
        "distance  coverage  risk [95 %]"
        + ("  below that of answering everything, points [95 %]" if lower else "")
    )
    for point, drop in zip_longest(found, lower):
        less = "  {:.1f} [{:.1f}, {:.1f}]".format(*(100 * x for x in drop)) if drop else ""
        print(
            f"{point.clear:8.2f}  {point.coverage:8.1%}  {point.risk:.1%} [{point.low:.1%}, {point.high:.1%}]{less}"
        )


def _progress(done: int, total: int, text: str) -> None:
    if done == total or (done % 50 == 0 and sys.stderr.isatty()):
        print(f"\r{done} of {total} {text}        ", end="", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["fit", "test"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--detector", default=DETECTOR)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--most", type=int, default=60)
    given = parser.parse_args()
    try:
        if given.what == "fit":
            fit(
                given.data,
                given.detector,
                given.table or SHIPPED / f"{given.detector}.abstain.json",
                given.kept,
                given.most,
            )
        else:
            test(given.data, given.detector, given.table)
    except SpoofproofError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
