"""SpecTTTra: a transformer for long audio whose tokens are slices of time and slices of frequency.

A patch transformer makes (T/t)(F/f) tokens of a T x F picture; this one cuts it twice, into T/t slices over all
frequencies and F/f slices over all times, and has their sum. Attention over two minutes then costs what it can.

Source: Rahman, Hakim, Sarkar, Hossain et al. 2025 (ICLR), "SONICS: synthetic or not, identifying counterfeit songs";
what the text leaves open is as in its published settings (no bias in the slicing and in queries, keys, values).
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import BadPlan, SpoofproofError
from . import mel_image
from .mel_image import RATE, MelImage, width

SLICES = {"alpha": (3, 1), "beta": (5, 3), "gamma": (7, 5)}  # columns, bands
_PUBLISHED_SECONDS = {128: 5.0, 3_744: 120.0}


def spectttra(
    variant: str = "alpha",
    seconds: float = 5.0,
    *,
    dim: int = 384,
    depth: int = 12,
    heads: int = 6,
    widen: float = 2.67,
    bands: int = 128,
    dropout: float = 0.1,
) -> SpecTttra:
    """The network for a window of ``seconds`` (the positions are learnt, so that it is fixed): (B, T) -> (B, 2).

    variant: "alpha", "beta", "gamma": slices of 3, 5, 7 columns and of 1, 3, 5 bands. dim: of a token; depth: layers;
    heads: of attention; widen: width of the hidden layer as a multiple of dim. The defaults are the published ones:
    17, 17, 17 million parameters at 5 s and 19, 21, 24 at 120 s. ``dim=96, depth=4, heads=3`` trains on a CPU.

    Raises BadPlan for settings that make no network.
    """
    if variant not in SLICES:
        raise BadPlan(f"SpecTTTra comes as {', '.join(SLICES)}, not as {variant!r}")
    if not 1.0 <= seconds <= 600:
        raise BadPlan(f"SpecTTTra hears windows of 1 to 600 s, not of {seconds:g} s")
    if min(dim, depth, heads) < 1 or dim % heads:
        raise BadPlan(
            f"{heads} heads share a token of {dim} numbers: dim is a multiple of heads, both at least 1"
        )
    if bands < SLICES[variant][1]:
        raise BadPlan(f"SpecTTTra {variant} cuts slices of {SLICES[variant][1]} bands; there are {bands}")
    return SpecTttra(
        SLICES[variant], round(seconds * RATE), dim, depth, heads, int(dim * widen), bands, dropout
    )


def token_count(variant: str, seconds: float, bands: int = 128) -> int:
    """Tokens of a window: T // t + F // f for a picture of T columns and F bands.

    >>> [token_count(v, 5) for v in SLICES], [token_count(v, 120) for v in SLICES]
    ([170, 67, 43], [1376, 790, 559])
    """
    columns, rows = SLICES[variant]
    return width(round(seconds * RATE)) // columns + bands // rows


class Slices(nn.Module):  # type: ignore[misc]
    """(B, C, L) -> (B, L // size, dim): each run of ``size`` columns becomes a token that knows its place."""

    def __init__(self, channels: int, length: int, size: int, dim: int) -> None:
        super().__init__()
        self.cut = nn.Conv1d(channels, dim, size, stride=size, bias=False)
        self.place = nn.Parameter(0.02 * torch.randn(1, length // size, dim))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, picture: Tensor) -> Tensor:
        tokens = nn.functional.gelu(self.cut(picture)).transpose(1, 2)
        return self.norm(tokens + self.place)


class Layer(nn.Module):  # type: ignore[misc]
    """Self-attention and a hidden layer, each after a normalisation and added to what came in; (B, N, dim) twice."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.ask, self.answer = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        parts = self.ask(self.norm_1(tokens)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        heard = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        tokens = tokens + self.dropout(self.answer(heard.transpose(1, 2).flatten(2)))
        hidden = nn.functional.gelu(self.up(self.norm_2(tokens)))
        return tokens + self.dropout(self.down(hidden))


class SpecTttra(nn.Module):  # type: ignore[misc]
    """See ``spectttra``. samples: the window; a longer clip is cut, a shorter one followed by zeros."""

    def __init__(
        self,
        slices: tuple[int, int],
        samples: int,
        dim: int,
        depth: int,
        heads: int,
        hidden: int,
        bands: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.samples = samples
        self.picture = MelImage(bands, samples)
        self.times = Slices(bands, self.picture.columns, slices[0], dim)
        self.bands = Slices(self.picture.columns, bands, slices[1], dim)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(dim, heads, hidden, dropout) for _ in range(depth))
        self.logits = nn.Linear(dim, 2)

    def forward(self, wave: Tensor) -> Tensor:
        tokens = self.tokens(wave)
        for layer in self.layers:
            tokens = layer(tokens)
        logits: Tensor = self.logits(tokens.mean(dim=1))
        return logits

    def tokens(self, wave: Tensor) -> Tensor:
        """(B, T) -> (B, N, dim): slices of time, then slices of frequency."""
        picture = self.picture(wave)
        both = [self.times(picture), self.bands(picture.transpose(1, 2))]
        tokens: Tensor = self.dropout(torch.cat(both, dim=1))
        return tokens


def macs(
    variant: str,
    seconds: float,
    *,
    dim: int = 384,
    depth: int = 12,
    widen: float = 2.67,
    bands: int = 128,
) -> dict[str, int]:
    """Multiplications and additions of one clip, by part: picture, slices, layers, attention, logits.

    "attention" is the two products of tokens with tokens, N² · dim each; the published table, whose counter does not
    see into the fused kernel, leaves it out (2.9, 1.1, 0.7 thousand million at 5 s and 23.7, 14, 10.1 at 120 s).
    """
    samples = round(seconds * RATE)
    columns, (t, f), hidden = width(samples), SLICES[variant], int(dim * widen)
    n = token_count(variant, seconds, bands)
    return {
        "picture": mel_image.macs(bands, samples),
        "slices": (columns // t) * bands * t * dim + (bands // f) * columns * f * dim,
        "layers": depth * n * (4 * dim * dim + 2 * dim * hidden),
        "attention": depth * 2 * n * n * dim,
        "logits": 2 * dim,
    }


def read(path: Path) -> tuple[dict[str, Any], SpecTttra]:
    """(settings, network in eval mode) of a checkpoint file in the layout of SONICS.

    Only weights are read; a pickle that would run code is refused. Raises SpoofproofError for any other file.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        settings, ours = published(state if isinstance(state, Mapping) else {})
        network = spectttra(**settings)
        network.load_state_dict(ours, strict=True)
    except (
        pickle.UnpicklingError,
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        KeyError,
        SpoofproofError,
    ) as error:
        reason = " ".join(str(error).split())[:300]
        raise SpoofproofError(
            f"{path} holds no SpecTTTra ({type(error).__name__}: {reason}). Expected the state dictionary of one that "
            "SONICS published, or an .onnx that spoofproof train wrote"
        ) from None
    network.eval()
    return settings, network


def published(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(settings of ``spectttra``, our state dictionary) of a checkpoint in the layout that SONICS publishes.

    Its one output is the logit of "fake"; ours become that and 0, so that the log odds of bona fide are its negative.
    Raises SpoofproofError for another layout.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        own = name
        for pattern, ours in _NAMES:
            own = re.sub(pattern, ours, own)
        renamed[own] = value
    try:
        cut, across = renamed["times.cut.weight"], renamed["bands.cut.weight"]
        weight, bias = renamed["logits.weight"], renamed["logits.bias"]
        size = (cut.shape[2], across.shape[2])
        settings = {
            "variant": {v: k for k, v in SLICES.items()}[size],
            "seconds": _PUBLISHED_SECONDS[across.shape[1]],
            "dim": cut.shape[0],
            "depth": len({name.split(".")[1] for name in renamed if name.startswith("layers.")}),
            "heads": cut.shape[0] // 64,
            "widen": (renamed["layers.0.up.bias"].shape[0] + 0.5) / cut.shape[0],
            "bands": cut.shape[1],
        }
    except (KeyError, IndexError, AttributeError) as error:
        raise SpoofproofError(
            f"this is no SpecTTTra checkpoint in the layout of SONICS ({type(error).__name__}: {error})"
        ) from None
    renamed["logits.weight"] = torch.cat([weight, torch.zeros_like(weight)])
    renamed["logits.bias"] = torch.cat([bias, torch.zeros_like(bias)])
    return settings, renamed


_NAMES = (
    (r"^encoder\.st_tokenizer\.temporal_tokenizer\.", "times."),
    (r"^encoder\.st_tokenizer\.spectral_tokenizer\.", "bands."),
    (r"^encoder\.transformer\.blocks\.", "layers."),
    (r"\.conv1d\.", ".cut."),
    (r"\.pos_encoder\.pe$", ".place"),
    (r"\.norm_pre\.", ".norm."),
    (r"\.norm([12])\.", r".norm_\1."),
    (r"\.attn\.qkv\.", ".ask."),
    (r"\.attn\.proj\.", ".answer."),
    (r"\.mlp\.fc1\.", ".up."),
    (r"\.mlp\.fc2\.", ".down."),
    (r"^classifier\.", "logits."),
)
