"""The published AASIST checkpoint at a third of torch's time: spoofproof bench --detector recipes/official.py:official@FILE

FILE: AASIST.pth, AASIST-L.pth or RawGAT-ST's, as published. It is exported to ONNX in memory when it is loaded (half a
minute, needs the extra ``train``), held against torch, and gives what ``aasist@FILE`` gives: the second logit of the
unprepared first 64 600 samples.
"""

from pathlib import Path

import numpy as np
import torch

import spoofproof
from spoofproof.audio import WINDOW_SAMPLES, window
from spoofproof.errors import SpoofproofError
from spoofproof.nets.published import read
from spoofproof.runtime import network
from spoofproof.train.export import graph

PARITY = 1e-3  # largest difference from torch that is accepted, of logits that span about ten


@spoofproof.detector(rate=16_000, seconds=WINDOW_SAMPLES / 16_000, cost=320)
def official(path: str) -> spoofproof.Detector:
    """Second logit of a published AASIST, AASIST-L or RawGAT-ST, higher = more bona fide; not log odds.

    Raises SpoofproofError for another file, and where ONNX Runtime and torch differ by more than PARITY.
    """
    _, module = read(Path(path))
    model = graph(module, torch.zeros(1, WINDOW_SAMPLES), "logits")
    run = network(model.SerializeToString(deterministic=True), what="published checkpoint")

    noise = np.random.Generator(np.random.Philox(0)).standard_normal((1, WINDOW_SAMPLES)).astype(np.float32)
    with torch.inference_mode():
        apart = float(
            np.abs(module(torch.from_numpy(0.05 * noise)).numpy() - run(wave=0.05 * noise)["logits"]).max()
        )
    if not apart <= PARITY:
        raise SpoofproofError(f"{path}: exported, it differs from torch by {apart:.2g} in its logits")

    def score(clips):
        return [float(run(wave=window(clip, WINDOW_SAMPLES).samples[None])["logits"][0, 1]) for clip in clips]

    return score
