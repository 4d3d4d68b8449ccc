"""Sound as a picture: log-mel spectrograms of a fixed size, levelled clip by clip. The eye of SpecTTTra.

The Fourier transform of 2 048 samples is two products with small matrices and a rotation between them (Cooley and
Tukey 1965): a tenth of the work of one product with all 2 048 · 1 024 cosines, and an exported graph stays plain.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

RATE = 16_000
FFT, HOP = 2_048, 512
ROWS, COLUMNS = 32, 64  # of the factorised transform; ROWS * COLUMNS = FFT
BINS = FFT // 2  # the last bin, 8 kHz, has no weight in any filter
STEP = 32  # both published pictures (128 and 3 744 columns) are the frames rounded down to a multiple of it
RANGE_DB = 80.0


def raw_frames(samples: int) -> int:
    """Frames of a clip of ``samples`` samples, centred every 512 samples from its first one."""
    return 1 + samples // HOP


def width(samples: int) -> int:
    """Columns of the picture. 5 s (157 frames) -> 128, 120 s (3 751 frames) -> 3 744, as published."""
    return raw_frames(samples) // STEP * STEP


def mel_bank(bands: int, low: float = 20.0, high: float = RATE / 2) -> np.ndarray:
    """Triangles at equal steps of 2595 log10(1 + f/700), peak 1, shape (bands, FFT / 2 + 1), float64."""
    top, bottom = (2595 * math.log10(1 + f / 700) for f in (high, low))
    edges = 700 * (10 ** (np.linspace(bottom, top, bands + 2) / 2595) - 1)
    hz = np.arange(FFT // 2 + 1) * RATE / FFT
    rise = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    return np.asarray(np.clip(np.minimum(rise, fall), 0, None))


class MelImage(nn.Module):  # type: ignore[misc]
    """(B, T) samples -> (B, bands, width(samples)), mean 0 and deviation 1 over each clip, whatever its level.

    samples: the window; a longer clip is cut after it, a shorter one is followed by zeros (as SONICS does). Hann
    frames of 2 048 on the reflected edges, power in ``bands`` mel filters from 20 Hz to 8 kHz, in dB down to 80 below
    the loudest of the clip; then the columns are drawn together to the width by linear interpolation.

    Source: Rahman et al. 2025, "SONICS: synthetic or not" (SpecTTTra), and its published settings. Two things differ:
    the floor of 80 dB is each clip's own, not the batch's, so that a score never depends on its batch mates; and
    silence, which has no deviation, is zeros.
    """

    first: Tensor
    turn: Tensor
    second: Tensor
    window: Tensor
    bank: Tensor
    left: Tensor
    share: Tensor

    def __init__(self, bands: int, samples: int) -> None:
        super().__init__()
        self.samples, self.columns = samples, width(samples)
        for name, value in (*_transform(), ("bank", _bank(bands)), *_squeeze(raw_frames(samples))):
            self.register_buffer(name, value, persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        wave = nn.functional.pad(wave, (0, self.samples - wave.shape[1]))  # less than nothing cuts
        deviation = (wave - wave.mean(dim=1, keepdim=True)).square().mean(dim=1, keepdim=True).sqrt()
        power = self.power(wave / deviation.clamp(min=1e-6))
        mel = torch.matmul(self.bank, power.transpose(1, 2)).clamp(min=1e-10)
        level = 10 * torch.log10(mel)
        level = torch.maximum(level, level.amax(dim=(1, 2), keepdim=True) - RANGE_DB)
        level = level - level.mean(dim=(1, 2), keepdim=True)
        spread = (level.square().sum(dim=(1, 2), keepdim=True) / (level[0].numel() - 1)).sqrt()
        picture = level / (spread + 1e-6)
        right = picture[:, :, self.left + 1] * self.share
        return picture[:, :, self.left] * (1 - self.share) + right

    def power(self, wave: Tensor) -> Tensor:
        """(B, samples) -> (B, frames, BINS) power spectra; the bins stand in the order of the two products."""
        edged = nn.functional.pad(wave[:, None], (FFT // 2, FFT // 2), mode="reflect")[:, 0]
        count = raw_frames(self.samples)
        blocks = edged[:, : (count + 3) * HOP].unflatten(1, (count + 3, HOP))
        frames = torch.cat([blocks[:, i : i + count] for i in range(FFT // HOP)], dim=2) * self.window
        grid = frames.unflatten(2, (ROWS, COLUMNS))
        real, imaginary = torch.matmul(self.first, grid).chunk(2, dim=2)
        cos, sin = self.turn[0], self.turn[1]
        turned = torch.cat([real * cos + imaginary * sin, imaginary * cos - real * sin], dim=3)
        real, imaginary = torch.matmul(turned, self.second).chunk(2, dim=3)
        return (real.square() + imaginary.square()).flatten(2)


def macs(bands: int, samples: int) -> int:
    """Multiplications and additions of one clip in the two products and the filters."""
    one = 2 * ROWS * ROWS * COLUMNS + ROWS * 2 * COLUMNS * COLUMNS + BINS * bands
    return raw_frames(samples) * one


def _transform() -> list[tuple[str, Tensor]]:
    """The matrices of X[i + ROWS k] = Σ_n e^(-2πi nk/COLUMNS) e^(-2πi ni/FFT) Σ_m x[COLUMNS m + n] e^(-2πi mi/ROWS)."""
    rows, columns = torch.arange(ROWS).double(), torch.arange(COLUMNS).double()
    half = columns[: COLUMNS // 2]
    one = 2 * math.pi * torch.outer(rows, rows) / ROWS
    between = 2 * math.pi * torch.outer(rows, columns) / FFT
    two = 2 * math.pi * torch.outer(columns, half) / COLUMNS
    upper = torch.cat([two.cos(), -two.sin()], dim=1)  # what a real part gives to (real, imaginary)
    lower = torch.cat([two.sin(), two.cos()], dim=1)  # what an imaginary part gives
    return [
        ("first", torch.cat([one.cos(), -one.sin()]).float()),
        ("turn", torch.stack([between.cos(), between.sin()]).float()),
        ("second", torch.cat([upper, lower]).float()),
        ("window", torch.hann_window(FFT, dtype=torch.float64).float()),
    ]


def _bank(bands: int) -> Tensor:
    """The mel filters, (bands, BINS), over bins in the order in which ``MelImage.power`` leaves them."""
    order = np.arange(BINS).reshape(COLUMNS // 2, ROWS).T.ravel()
    return torch.from_numpy(mel_bank(bands)[:, order].astype(np.float32))


def _squeeze(frames: int) -> list[tuple[str, Tensor]]:
    """Which frame each column lies after, and how far, as linear interpolation between centres has it."""
    columns = frames // STEP * STEP
    place = ((torch.arange(columns).double() + 0.5) * frames / columns - 0.5).clamp(0, frames - 1)
    left = place.floor().clamp(max=frames - 2)
    return [("left", left.long()), ("share", (place - left).float())]
