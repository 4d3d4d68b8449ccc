"""The verdict as a JUnit file: what CI services show as tests. A suite a pair of detectors, a case a condition and metric.

There is no standard; two schemas are in use (of the Ant task, and of Jenkins' xUnit plug-in). What is written here is valid
under both: attributes and elements that either lacks are left out, and those that one of them demands are there.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from .differences import Gap
from .text import limit_of, numbers, what_is_wrong
from .verdict import Judged, Verdict

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PACKAGE = "spoofproof.gate"


def junit(verdict: Verdict) -> bytes:
    """The verdict as XML, UTF-8. Failures are cells that regressed (strict: that are unproven), errors are cells that are
    missing; the counts are those of the cases. No time of day and no duration: the same runs give the same bytes."""
    root = Xml.Element("testsuites")
    match = verdict.comparison.match
    when = str(match.candidate.record.get("made", {}).get("at", ""))[:19]
    for number, (old, new) in enumerate(match.pairs):
        judged = [j for j in verdict.judged if (j.difference.baseline, j.difference.candidate) == (old, new)]
        gaps = [g for g in verdict.comparison.gaps if (g.baseline, g.candidate) == (old, new)]
        failed = {id(j) for j in verdict.failed}
        name = old if old == new else f"{old} → {new}"
        suite = Xml.SubElement(
            root,
            "testsuite",
            {
                "name": _clean(name),
                "package": _PACKAGE,
                "id": str(number),
                "timestamp": when if len(when) == 19 else "1970-01-01T00:00:00",
                "hostname": "localhost",
                "tests": str(len(judged) + len(gaps)),
                "failures": str(sum(id(j) in failed for j in judged)),
                "errors": str(sum(g.kind == "error" for g in gaps)),
                "skipped": str(sum(g.kind == "skipped" for g in gaps)),
                "time": "0",
            },
        )
        _properties(suite, verdict)
        for j in judged:
            _judged(suite, j, verdict, name, failed=id(j) in failed)
        for g in gaps:
            _gap(suite, g, name)
        out = Xml.SubElement(suite, "system-out")
        out.text = _clean("\n".join(verdict.comparison.notes))
        Xml.SubElement(suite, "system-err")
    Xml.indent(root)
    body: str = Xml.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'.encode()


def _properties(suite: Xml.Element, verdict: Verdict) -> None:
    found = verdict.comparison
    said = {
        "baseline": str(found.match.baseline.run),
        "candidate": str(found.match.candidate.run),
        "gate": "strict" if verdict.strict else "usual",
        "level": f"{verdict.level:g}",
        "resamples": str(found.resamples),
        "limits": ", ".join(f"{w.metric} {limit_of(w.metric, w.limit)}" for w in found.wanted),
    }
    inside = Xml.SubElement(suite, "properties")
    for key, value in said.items():
        Xml.SubElement(inside, "property", {"name": key, "value": _clean(value)})


def _case(suite: Xml.Element, condition: str, metric: str, name: str) -> Xml.Element:
    of = {"name": _clean(f"{condition}: {metric}"), "classname": _clean(f"spoofproof.{name}"), "time": "0"}
    return Xml.SubElement(suite, "testcase", of)


def _judged(suite: Xml.Element, j: Judged, verdict: Verdict, name: str, *, failed: bool) -> None:
    case = _case(suite, j.difference.condition, j.difference.metric, name)
    if failed:
        failure = Xml.SubElement(
            case, "failure", {"message": _clean(what_is_wrong(j, verdict.level)), "type": j.word}
        )
        failure.text = _clean("\n".join(f"{key}: {value}" for key, value in numbers(j, verdict).items()))


def _gap(suite: Xml.Element, g: Gap, name: str) -> None:
    case = _case(suite, g.condition, g.metric, name)
    if g.kind == "skipped":
        Xml.SubElement(case, "skipped")
        return
    error = Xml.SubElement(case, "error", {"message": _clean(g.why), "type": "missing"})
    error.text = _clean(g.why)


def _clean(text: str) -> str:
    """Characters that XML 1.0 has no way to write become U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)
