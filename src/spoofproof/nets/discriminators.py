"""Small judges that tell recorded from made waveforms: they sharpen a generator and are thrown away afterwards."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad
from torch.nn.utils.parametrizations import weight_norm

from .mel import magnitudes

Opinion = tuple[Tensor, list[Tensor]]  # the verdict, one number a place (high = recorded), and what led to it


class Period(nn.Module):  # type: ignore[misc]
    """Every ``period``-th sample side by side (HiFi-GAN's multi-period judge, Kong et al. 2020), narrow."""

    def __init__(self, period: int, widths: tuple[int, ...] = (8, 16, 32, 64)) -> None:
        super().__init__()
        self.period = period
        sides = zip((1, *widths), widths, strict=False)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), stride=(3, 1), padding=(2, 0))) for a, b in sides
        )
        self.out = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wave: Tensor) -> Opinion:
        x = pad(wave, (0, -wave.shape[1] % self.period))
        return _listen(x.reshape(len(x), 1, -1, self.period), self.layers, self.out)


class Resolution(nn.Module):  # type: ignore[misc]
    """Log magnitudes at one resolution (UnivNet's multi-resolution judge, Jang et al. 2021), narrow."""

    def __init__(self, fft: int, hop: int, widths: tuple[int, ...] = (8, 16, 32, 32)) -> None:
        super().__init__()
        self.hop = hop
        self.register_buffer("window", torch.hann_window(fft))
        strides = ((2, 1), (2, 2), (2, 2), (2, 1))
        sides = zip((1, *widths), widths, strides, strict=False)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 3), stride=s, padding=(2, 1))) for a, b, s in sides
        )
        self.out = weight_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, wave: Tensor) -> Opinion:
        x = magnitudes(wave, self.window, self.hop).clamp_min(1e-4).log()[:, None]
        return _listen(x, self.layers, self.out)


class Jury(nn.Module):  # type: ignore[misc]
    """(B, T), turn -> the opinions of two judges: a period and a resolution, each of three in its turn.

    Hearing a third of the jury a step costs a third; over the steps all are heard alike.
    """

    def __init__(self) -> None:
        super().__init__()
        self.periods = nn.ModuleList(Period(p) for p in (3, 7, 11))
        self.resolutions = nn.ModuleList(Resolution(f, f // 4) for f in (256, 512, 1024))

    def forward(self, wave: Tensor, turn: int) -> list[Opinion]:
        return [cast(Opinion, judges[turn % 3](wave)) for judges in (self.periods, self.resolutions)]


def _listen(x: Tensor, layers: nn.ModuleList, out: nn.Module) -> Opinion:
    seen = []
    for layer in layers:
        x = leaky_relu(layer(x), 0.1)
        seen.append(x)
    return out(x), seen
