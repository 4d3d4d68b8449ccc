"""How each foundation model hears: samples (B, T) at 16 kHz -> states over time (B, N, H) and which frames count.

Waveform models are fed in torch. Models on log-mel spectra are fed by the feature extractors of ``transformers``, so
that their input is the published one to the last bit; these run in numpy, clip by clip, and pass no gradient to the
samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..audio import resample
from ..types import Clip, Samples

RATE = 16_000
Heard = tuple[Tensor, Tensor | None]


def masks(backbone: Any) -> bool:
    """Whether clips of several lengths may share a padded batch without hearing of each other.

    Not where a group normalisation runs over the whole (padded) time, as in wav2vec2-large-960h, where an adapter
    shortens the states, where the model takes no mask, or (WavLM) mixes masks of two types, which torch will refuse.
    """
    config = backbone.config
    takes = config.model_type in ("wav2vec2", "hubert", "wav2vec2-bert")
    whole = getattr(config, "feat_extract_norm", "layer") == "group" or getattr(config, "add_adapter", False)
    return takes and not whole


def wave_model(backbone: Any, extractor: Any, wave: Tensor, lengths: Tensor | None, context: str) -> Heard:
    """wav2vec 2.0, HuBERT, WavLM, XLS-R: each clip to zero mean and unit variance where its extractor says so."""
    inside = None if lengths is None else _first(wave.shape[1], lengths)
    if extractor.do_normalize:
        wave = standardised(wave, inside)
    elif inside is not None:
        wave = wave * inside
    mask = None if inside is None else inside.long()
    states = backbone(wave, attention_mask=mask).last_hidden_state
    if lengths is None:
        return states, None
    for kernel, stride in zip(backbone.config.conv_kernel, backbone.config.conv_stride, strict=True):
        lengths = (lengths - kernel) // stride + 1
    return states, _first(states.shape[1], lengths)


def w2v_bert(backbone: Any, extractor: Any, wave: Tensor, lengths: Tensor | None, context: str) -> Heard:
    """w2v-BERT 2.0: 80 log-mel bins, standardised per bin, two frames at a time; always with the extractor's mask."""
    found = _extracted(extractor, _rows(wave, lengths))
    mask = found.attention_mask.to(wave.device)
    states = backbone(found.input_features.to(wave), attention_mask=mask).last_hidden_state
    if states.shape[1] != mask.shape[1]:
        return states, None  # an adapter; clips are then of one length
    return states, mask.bool()


def whisper(backbone: Any, extractor: Any, wave: Tensor, lengths: Tensor | None, context: str) -> Heard:
    """The encoder of Whisper: 50 states a second, of which those of the clip are kept.

    context "published": padded with silence to 30 s, as it was trained. "clip": the clip alone, with the first of the
    published positions; several times cheaper, and another input: the scores differ.
    """
    padding = "max_length" if context == "published" else "do_not_pad"
    mel = _extracted(extractor, _rows(wave, lengths), padding=padding).input_features.to(wave)
    if context == "published":
        states = backbone(mel).last_hidden_state
        return states[:, : -(-wave.shape[1] // 320)], None
    x = functional.gelu(backbone.conv2(functional.gelu(backbone.conv1(mel)))).transpose(1, 2)
    x = x + backbone.embed_positions.weight[: x.shape[1]]
    x = functional.dropout(x, p=backbone.dropout, training=backbone.training)
    for layer in backbone.layers:
        x = layer(x, None)
    return backbone.layer_norm(x), None


def ast(backbone: Any, extractor: Any, wave: Tensor, lengths: Tensor | None, context: str) -> Heard:
    """AST: 128 log-mel bins, padded to its 10.24 s; states of a time are averaged over frequency, the clip's are kept."""
    mel = _extracted(extractor, _rows(wave, lengths)).input_values.to(wave)
    states = backbone(mel).last_hidden_state[:, 2:]  # the first two are tokens, not patches
    c = backbone.config
    bands = (c.num_mel_bins - c.patch_size) // c.frequency_stride + 1
    states = states.unflatten(1, (bands, -1)).mean(dim=1)
    frames = min(c.max_length, 1 + (wave.shape[1] - 400) // 160)
    return states[:, : -(-frames // c.time_stride)], None


def clap(backbone: Any, extractor: Any, wave: Tensor, lengths: Tensor | None, context: str) -> Heard:
    """The audio side of CLAP (HTSAT), at 48 kHz: the clip repeated to fill 10 s; states averaged over frequency.

    Of a longer clip the first 10 s are heard: the extractor would draw a stretch by chance.
    """
    rate, most = extractor.sampling_rate, extractor.nb_max_samples * RATE // extractor.sampling_rate
    rows = [resample(Clip(row[:most], RATE), rate).samples for row in _rows(wave, lengths)]
    mel = _extracted(extractor, rows).input_features.to(wave)
    longer = torch.zeros(
        len(rows), 1, dtype=torch.bool, device=wave.device
    )  # the extractor marks one by chance
    states = backbone(mel, is_longer=longer).last_hidden_state
    return states.mean(dim=2).transpose(1, 2), None


HEAR: Mapping[str, Callable[[Any, Any, Tensor, Tensor | None, str], Heard]] = MappingProxyType(
    {
        "wav2vec2": wave_model,
        "hubert": wave_model,
        "wavlm": wave_model,
        "xls-r": wave_model,
        "w2v-bert": w2v_bert,
        "whisper": whisper,
        "ast": ast,
        "clap": clap,
    }
)


def standardised(wave: Tensor, inside: Tensor | None) -> Tensor:
    """Zero mean and unit variance of each row, of its samples ``inside`` alone; zeros outside (as Wav2Vec2FeatureExtractor)."""
    if inside is None:
        mean, variance = wave.mean(1, keepdim=True), wave.var(1, keepdim=True, unbiased=False)
        return (wave - mean) / torch.sqrt(variance + 1e-7)
    count = inside.sum(1, keepdim=True)
    centred = (wave - (wave * inside).sum(1, keepdim=True) / count) * inside
    return centred / torch.sqrt(centred.square().sum(1, keepdim=True) / count + 1e-7)


def _first(size: int, lengths: Tensor) -> Tensor:
    """(B, size): true for the first ``lengths`` of each row."""
    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


def _extracted(extractor: Any, rows: list[Samples], **choices: str) -> Any:
    """What the extractor makes of clips at its own rate, in float32 whatever the network runs in."""
    with torch.autocast("cpu", enabled=False):
        return extractor(rows, sampling_rate=extractor.sampling_rate, return_tensors="pt", **choices)


def _rows(wave: Tensor, lengths: Tensor | None) -> list[Samples]:
    samples = np.asarray(wave.detach().cpu().numpy(), dtype=np.float32)
    if lengths is None:
        return list(samples)
    return [row[:n] for row, n in zip(samples, lengths.tolist(), strict=True)]
