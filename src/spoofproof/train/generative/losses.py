"""How far made speech lies from the recording, and what a jury makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, relu

from ...mel import bank
from ...nets.discriminators import Opinion
from ...nets.mel import LogMel, magnitudes

RESOLUTIONS = (256, 512, 1024)


class Distance(nn.Module):  # type: ignore[misc]
    """(made, real), both (B, T) -> (mel, stft), two numbers.

    mel: mean absolute difference of log mel magnitudes (natural), 80 bands. stft: spectral convergence plus the same
    of log magnitudes (Yamamoto, Song and Kim 2020, "Parallel WaveGAN"), the mean over three resolutions; with a
    ``turn``, at one of them, each in its turn.
    """

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.mel = LogMel(torch.from_numpy(bank(80, rate)), 256)
        for fft in RESOLUTIONS:
            self.register_buffer(f"window{fft}", torch.hann_window(fft))

    def forward(self, made: Tensor, real: Tensor, turn: int | None = None) -> tuple[Tensor, Tensor]:
        mel = l1_loss(self.mel(made), self.mel(real))
        stft = torch.zeros(())
        used = RESOLUTIONS if turn is None else (RESOLUTIONS[turn % len(RESOLUTIONS)],)
        for fft in used:
            window = getattr(self, f"window{fft}")
            a, b = magnitudes(made, window, fft // 4), magnitudes(real, window, fft // 4)
            stft = stft + (a - b).norm() / b.norm().clamp_min(1e-6)
            stft = stft + l1_loss(a.clamp_min(1e-3).log(), b.clamp_min(1e-3).log())
        return mel, stft / len(used)


class MelDistance(nn.Module):  # type: ignore[misc]
    """(made, real), log mel (B, 80, K) and samples (B, T) -> (mel, stft), two numbers.

    mel: mean absolute difference. stft: the same of the changes from frame to frame, so that a low bit rate does not
    smear what is short.
    """

    def __init__(self, front: LogMel) -> None:
        super().__init__()
        self.front = front

    def forward(self, made: Tensor, real: Tensor, turn: int | None = None) -> tuple[Tensor, Tensor]:
        wanted = self.front(real)
        return l1_loss(made, wanted), l1_loss(made.diff(dim=2), wanted.diff(dim=2))


def verdict(real: Sequence[Opinion], made: Sequence[Opinion]) -> Tensor:
    """What the jury learns from: hinge loss of every judge, the mean of them."""
    parts = [relu(1 - r).mean() + relu(1 + m).mean() for (r, _), (m, _) in zip(real, made, strict=True)]
    return torch.stack(parts).mean()


def appeal(real: Sequence[Opinion], made: Sequence[Opinion]) -> tuple[Tensor, Tensor]:
    """What the generator learns from the jury: (its hinge loss, feature matching relative to the features' size)."""
    hinge = torch.stack([relu(1 - m).mean() for m, _ in made]).mean()
    apart = [
        l1_loss(b, a.detach()) / a.detach().abs().mean().clamp_min(1e-6)
        for (_, first), (_, second) in zip(real, made, strict=True)
        for a, b in zip(first, second, strict=True)
    ]
    return hinge, torch.stack(apart).mean()
