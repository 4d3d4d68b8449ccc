"""What ``test_decoder_fuzz`` starts: decodes one file after the other and says how it went.

A line of JSON, [path, whether to judge it too], comes in. A line goes out: what each way of decoding gave,
and, where it was judged too, what the process holds.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from detect_toys import toy_judge
from spoofproof.audio import open_audio, open_blocks
from spoofproof.detect.judge import Judge
from spoofproof.errors import BadAudio

MEMORY = 4_000_000_000  # bytes of address space
LONGEST = 60.0  # seconds


def held() -> dict[str, int]:
    """Resident bytes and open files of this process."""
    gc.collect()
    files = len(list(Path("/proc/self/fd").iterdir()))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {"bytes": pages * os.sysconf("SC_PAGE_SIZE"), "files": files}


def sound(source: Path | bytes, seconds: float | None) -> str:
    """Decode to a clip and hold it against what is promised."""
    clip = open_audio(source, seconds=seconds)
    assert clip.samples.dtype == np.float32 and clip.samples.ndim == 1 and np.isfinite(clip.samples).all()
    assert 1_000 <= clip.rate <= 768_000, clip.rate
    assert seconds is None or clip.seconds <= seconds + 1 / clip.rate, clip.seconds
    return "ok"


def stream(path: Path) -> str:
    """Decode a block at a time, at most a minute."""
    with open_blocks(path) as blocks:
        assert 1_000 <= blocks.rate <= 768_000, blocks.rate
        samples = 0
        for block in blocks.blocks:
            assert block.dtype == np.float32 and block.ndim == 2 and np.isfinite(block).all()
            samples += len(block)
            if samples > LONGEST * blocks.rate:
                break
    return "ok"


def judged(path: Path, judge: Judge) -> str:
    """Answer as ``spoofproof detect`` does."""
    answer = judge.answer(path, longest=LONGEST)
    assert 0 <= answer.low <= answer.probability <= answer.high <= 1
    assert 0.5 <= answer.seconds <= LONGEST + 1 and answer.timeline
    json.dumps(answer.as_dict())
    return "ok"


def outcome(act: Callable[[], str]) -> str:
    """ "ok", "refused: …" or "failed: …"."""
    try:
        return act()
    except BadAudio as error:
        return f"refused: {error}"
    except BaseException:  # what nobody foresaw is what is looked for
        return f"failed: {traceback.format_exc()[-1500:]}"


def main() -> None:
    """Until standard input closes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    judge = toy_judge(Path(sys.argv[1]))
    print("ready", flush=True)
    for line in sys.stdin:
        name, all_ways = json.loads(line)
        path = Path(name)
        ways: dict[str, Callable[[], str]] = {
            "path": partial(sound, path, 2.0),
            "bytes": partial(sound, path.read_bytes(), None),
            "blocks": partial(stream, path),
        }
        if all_ways:
            ways["judge"] = partial(judged, path, judge)
        said = {way: outcome(act) for way, act in ways.items()}
        print(json.dumps({"said": said, "held": held() if all_ways else None}), flush=True)


if __name__ == "__main__":
    main()
