"""Answers for programs: one JSON document, or one CSV line a recording."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .answer import SCHEMA, Answer

COLUMNS = (
    "path", "verdict", "probability", "low", "high", "llr", "seconds", "speech_seconds", "snr_db", "bandwidth_hz", "clipping_share",
    "hole_share", "codec", "spans", "reasons", "detector", "prior", "error",
)  # fmt: skip


def document(answers: Sequence[Answer], failed: Mapping[str, str]) -> dict[str, Any]:
    """Always of the same shape, for one recording or thousands. failed: path → what is wrong with it."""
    return {
        "schema": SCHEMA,
        "answers": [answer.as_dict() for answer in answers],
        "failed": [{"path": path, "error": error} for path, error in failed.items()],
    }


def as_json(answers: Sequence[Answer], failed: Mapping[str, str]) -> str:
    """``document`` as text; a file name that is no text is escaped."""
    return json.dumps(document(answers, failed), ensure_ascii=True, indent=1, allow_nan=False)


def as_csv(answers: Sequence[Answer], failed: Mapping[str, str]) -> str:
    """A header and a line for each recording, the failed ones last, RFC 4180 with line feeds."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for answer in answers:
        values = {**answer.quality.as_dict(), **answer.as_dict()}
        values["spans"] = " ".join(f"{a:.2f}-{b:.2f}" for a, b in answer.spans)
        values["reasons"] = " ".join(answer.reasons)
        writer.writerow({name: values.get(name, "") for name in COLUMNS})
    for path, error in failed.items():
        writer.writerow({"path": path, "error": error})
    return out.getvalue()
