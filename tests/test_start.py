"""A cold process answers soon: what an answer does not need is not loaded."""

from __future__ import annotations

import subprocess
import sys

_HEAVY = ("scipy.signal", "scipy.stats", "scipy.ndimage", "torch", "librosa", "rich", "av")


def test_scoring_a_clip_loads_nothing_that_it_does_not_need() -> None:
    """scipy.signal alone, which brings scipy.stats along, took more than half of the way to an answer."""
    program = (
        "import sys, numpy as np\n"
        "from spoofproof.cell import Windows, listen\n"
        "from spoofproof.types import Clip\n"
        "clip = Clip(np.full(64_600, 0.01, np.float32), 16_000)\n"
        "[(score, status)] = listen('lfcc-gmm', [clip], Windows())\n"
        f"print(status, np.isfinite(score), sorted(set({_HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "ok True []"


def test_the_window_is_scipys_and_detect_does_without_scipys_signals() -> None:
    """What frames are weighted by, bit for bit; loading it from scipy cost a cold ``detect`` a second of two and a half."""
    program = (
        "import sys, numpy as np, spoofproof\n"
        "noise = np.random.default_rng(0).standard_normal(32_000).astype(np.float32)\n"
        "print(spoofproof.detect(spoofproof.Clip(0.05 * noise, 16_000)).verdict)\n"
        "print(sorted({'scipy.signal', 'scipy.stats', 'torch', 'librosa'} & set(sys.modules)))\n"
        "from scipy import signal\n"
        "from spoofproof.spectrum import hann\n"
        "print(all(np.array_equal(hann(n), signal.windows.hann(n, sym=False)) for n in (441, 640, 1764, 2048)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[1:3] == ["[]", "True"], done.stdout
