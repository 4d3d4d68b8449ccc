"""The process that decodes and scores: ``python -m spoofproof.web.worker``, one line of JSON in, two lines out:
that the task is begun, and what came of it.

It closes itself off (``sandbox``) before it loads anything, makes the detector ready, says so, and then does one task
after the other. Nothing that it says is unpickled or executed by the service, and it prints nothing else: what
libraries write to standard output goes to nowhere.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import SpoofproofError
from . import sandbox

if TYPE_CHECKING:
    from ..detect.judge import Judge


def main() -> None:
    """Serve until standard input closes. The first line is {"folder", "memory", "file_bytes", "readable", "detector", "table"}."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    setup = json.loads(sys.stdin.readline())
    folder = Path(setup["folder"])
    holds = sandbox.enter(
        folder,
        memory=setup["memory"],
        file_bytes=setup["file_bytes"],
        readable=[Path(path) for path in setup["readable"]],
    )
    from . import tasks

    try:
        judge = tasks.load(setup["detector"], setup["table"])
    except SpoofproofError as error:
        _say(answers, {"refused": str(error)})
        return
    except Exception as error:  # a library that does not load in here: the owner has to know which
        _say(answers, {"refused": f"the detector does not load ({type(error).__name__}: {error})"})
        return
    _say(answers, {"ready": list(holds), "detector": tasks.shown(judge.name)})
    for line in sys.stdin:
        order = json.loads(line)
        _say(answers, {"begun": True})
        sandbox.allow_cpu(order["cpu_seconds"])
        reply = answer(order, folder, judge)
        _say(answers, reply)
        if "exhausted" in reply:
            return  # the heap may be in pieces; a fresh process takes over


def answer(order: Mapping[str, Any], folder: Path, judge: Judge) -> dict[str, Any]:
    """{"ok": result}, {"refused": sentence, "status": 413 or 422}, {"exhausted": sentence} or {"failed": type}."""
    from . import tasks

    try:
        return {"ok": tasks.TASKS[order["task"]](folder, order["options"], judge)}
    except tasks.TooLong as error:
        return {"refused": str(error), "status": 413}
    except SpoofproofError as error:
        said = str(error).replace(judge.name, tasks.shown(judge.name))
        return {"refused": _without_paths(said, folder), "status": 422}
    except MemoryError:
        return {
            "exhausted": "this recording needs more memory than the service allows for one; send a shorter one"
        }
    except Exception as error:  # a defect: the class and the place are told, what was in the file is not
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
        return {"failed": f"{type(error).__name__} in {where}"}


def _without_paths(sentence: str, folder: Path) -> str:
    return sentence.replace(str(folder / "in"), "the file").replace(str(folder), "")


def _say(out: IO[str], reply: Mapping[str, Any]) -> None:
    out.write(json.dumps(reply, allow_nan=False) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
