"""The networks of LFCC-LCNN in torch, and their way into an .onnx file. Imported only while training."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..audio import whole_file
from ..detectors.features import Lfcc
from ..errors import SpoofproofError
from .recipe import Lcnn

PARITY = 1e-4  # largest difference in log odds between torch and ONNX Runtime that an export may show


class Mfm(nn.Module):  # type: ignore[misc]
    """Max-feature-map: the larger of two halves of the channels (Wu et al. 2018, "A light CNN")."""

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1)
        return b + torch.relu(a - b)  # max(a, b), with a gradient that is cheap on a CPU


class Copies(nn.Module):  # type: ignore[misc]
    """(B, T, D) cepstra with deltas -> (B,) log odds of bona fide against re-synthesis by a vocoder.

    Four stages of 1x1 and 3x3 convolutions with max-feature-map and batch normalisation, as in the ASVspoof
    LFCC-LCNN (Lavrentyeva et al. 2019; Wang and Yamagishi 2021), narrower; statics (mean removed), deltas, second
    deltas and roughness are four input maps of coefficients by time; the mean and the deviation over time of the
    last maps (instead of recurrent layers) go to one linear layer.
    """

    def __init__(self, static: int, settings: Lcnn) -> None:
        super().__init__()
        a, b, c, d = settings.channels
        self.static = static
        self.maps = nn.Sequential(
            nn.BatchNorm2d(4), *_mfm(4, a, 5), nn.MaxPool2d((1, 2)),
            *_mfm(a, a, 1), nn.BatchNorm2d(a), *_mfm(a, b, 3), nn.MaxPool2d(2), nn.BatchNorm2d(b),
            *_mfm(b, b, 1), nn.BatchNorm2d(b), *_mfm(b, c, 3), nn.MaxPool2d(2),
            *_mfm(c, c, 1), nn.BatchNorm2d(c), *_mfm(c, d, 3), nn.BatchNorm2d(d),
        )  # fmt: skip
        self.dropout = nn.Dropout(settings.dropout)
        self.odds = nn.Linear(2 * d * (static // 4), 1)

    def forward(self, frames: Tensor) -> Tensor:
        static, first, second = frames[:, 1:-1].chunk(3, dim=2)
        rough = roughness(frames[:, :, : self.static])
        levelled = static - static.mean(dim=1, keepdim=True)
        maps = torch.stack([levelled, first, second, rough], dim=1).transpose(2, 3)
        maps = self.maps(maps).flatten(1, 2)
        mean = maps.mean(dim=2)
        deviation = ((maps - mean.unsqueeze(2)).square().mean(dim=2) + 1e-5).sqrt()
        odds: Tensor = self.odds(self.dropout(torch.cat([mean, deviation], dim=1)))
        return odds.squeeze(1)


class Detector(nn.Module):  # type: ignore[misc]
    """(B, T, D) cepstra with deltas -> (B,) log odds of bona fide: both experts, calibrated, together.

    smooth: (weights, offset) of the log odds against generated speech, linear in the mean roughness. copies: the
    network above, with its (slope, offset).
    """

    def __init__(
        self, copies: Copies, calibration: tuple[float, float], smooth: tuple[np.ndarray, float]
    ) -> None:
        super().__init__()
        self.copies, self.calibration, self.offset = copies, calibration, smooth[1]
        self.weight = nn.Parameter(torch.tensor(smooth[0], dtype=torch.float32), requires_grad=False)

    def forward(self, frames: Tensor) -> Tensor:
        rough = roughness(frames[:, :, : self.copies.static]).mean(dim=1)
        generated = (rough * self.weight).sum(dim=1) + self.offset
        copied = self.calibration[0] * self.copies(frames) + self.calibration[1]
        return -torch.logaddexp(-generated, -copied)


def roughness(static: Tensor) -> Tensor:
    """``detectors.features.roughness`` in torch: (B, T, S) -> (B, T - 2, S)."""
    return (static[:, 2:] - 2 * static[:, 1:-1] + static[:, :-2]).abs().add(0.05).log()


def _mfm(inside: int, outside: int, width: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inside, 2 * outside, width, padding=width // 2), Mfm()


def export(network: Detector, features: Lfcc, frames: int, path: Path) -> float:
    """Write the network as ONNX for (1, frames, features.size); the front end's settings go in as metadata.

    Returns the largest difference between torch and ONNX Runtime over random inputs; raises SpoofproofError, and
    writes nothing, when it exceeds PARITY.
    """
    import onnx
    import onnxruntime

    network = network.eval()
    example = torch.zeros(1, frames, features.size)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecated calls
        program = torch.onnx.export(
            network, (example,), dynamo=True, verbose=False, input_names=["frames"], output_names=["odds"]
        )
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(
        model,
        {"spoofproof.features": json.dumps(asdict(features), sort_keys=True)},
    )
    _forget_machine(model)
    data = model.SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    generator = np.random.Generator(np.random.Philox(0))
    worst = 0.0
    for scale in (0.1, 1.0, 5.0):
        x = (scale * generator.standard_normal(tuple(example.shape))).astype(np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(x)).numpy()
        worst = max(worst, float(np.abs(session.run(None, {"frames": x})[0] - expected).max()))
    if not worst <= PARITY:
        raise SpoofproofError(
            f"the exported network differs from the trained one by {worst:.2g} in log odds (at most {PARITY:g} is "
            "accepted); nothing was written. The installed torch and onnxruntime may not fit each other"
        )
    with whole_file(path) as out:
        out.write(data)
    return worst


def _forget_machine(model: object) -> None:
    """Drop what the exporter notes for debugging: source lines hold the paths of the machine it ran on."""
    graph = model.graph  # type: ignore[attr-defined]
    model.ClearField("doc_string")  # type: ignore[attr-defined]
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        for name in ("doc_string", "metadata_props"):
            if name in item.DESCRIPTOR.fields_by_name:
                item.ClearField(name)
