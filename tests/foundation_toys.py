"""Tiny random foundation models of all eight families, saved to disk as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

_CONV = {
    "conv_dim": (16, 16, 16),
    "conv_stride": (5, 4, 16),
    "conv_kernel": (10, 8, 16),
    "num_feat_extract_layers": 3,
}
_SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_WAVE = _SIZE | _CONV | {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
_LAYER = _WAVE | {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}

SECONDS = 6  # of Whisper's context, 30 when published


def toy(name: str, **settings: Any) -> tuple[Any, Any]:
    """The published kind of model (with its decoder, its text side) and its feature extractor. settings: of the config."""
    t = transformers
    if name in ("wav2vec2", "xls-r"):
        size = _WAVE if name == "wav2vec2" else _LAYER  # the published ones: group and layer normalisation
        masked = {"return_attention_mask": name == "xls-r"}
        return t.Wav2Vec2Model(t.Wav2Vec2Config(**size | settings)), t.Wav2Vec2FeatureExtractor(**masked)
    if name == "hubert":
        return t.HubertModel(t.HubertConfig(**_LAYER | settings)), t.Wav2Vec2FeatureExtractor(
            return_attention_mask=True
        )
    if name == "wavlm":
        return t.WavLMModel(t.WavLMConfig(**_LAYER | settings)), t.Wav2Vec2FeatureExtractor(
            return_attention_mask=True
        )
    if name == "w2v-bert":
        size = _SIZE | {"feature_projection_input_dim": 160, "conv_depthwise_kernel_size": 7}
        return t.Wav2Vec2BertModel(t.Wav2Vec2BertConfig(**size | settings)), t.SeamlessM4TFeatureExtractor(
            padding_value=1.0
        )
    if name == "whisper":
        config = t.WhisperConfig(
            **{
                "d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
                "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32, "vocab_size": 20,
                "max_source_positions": 50 * SECONDS, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
                "decoder_start_token_id": 3,
            }
            | settings
        )  # fmt: skip
        return t.WhisperModel(config), t.WhisperFeatureExtractor(chunk_length=SECONDS)
    if name == "ast":
        config = t.ASTConfig(**_SIZE | {"max_length": 512, "num_mel_bins": 64} | settings)
        return t.ASTModel(config), t.ASTFeatureExtractor(max_length=512, num_mel_bins=64)
    assert name == "clap"
    audio = {
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [1, 2],
        "hidden_size": 16,
    }
    text = {
        "vocab_size": 20,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    config = t.ClapConfig(text_config=text, audio_config=audio | settings, projection_dim=8)
    fused = bool(settings.get("enable_fusion"))
    return t.ClapModel(config), t.ClapFeatureExtractor(truncation="fusion" if fused else "rand_trunc")


def loud(module: torch.nn.Module, seed: int = 0) -> None:
    """Draw every matrix anew, large enough that different clips get clearly different logits."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1 and "embed_positions" not in name and "original0" not in name:
            torch.nn.init.xavier_normal_(parameter.data, gain=1.5, generator=generator)


def write(name: str, folder: Path, **settings: Any) -> Path:
    """Save a toy to ``folder`` and return it."""
    torch.manual_seed(0)
    model, extractor = toy(name, **settings)
    loud(model)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def published_states(name: str, folder: Path, rows: list[Any]) -> torch.Tensor:
    """What transformers itself makes of clips of one length: its extractor, its whole model, its last hidden state."""
    t = transformers
    extractor = t.AutoFeatureExtractor.from_pretrained(folder)
    found = extractor(rows, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    with torch.no_grad():
        if name == "whisper":
            return t.WhisperModel.from_pretrained(folder).eval().encoder(**found).last_hidden_state
        if name == "clap":
            found["input_features"] = found["input_features"].float()
            found["is_longer"][:] = False  # the extractor of the fused model marks one clip by chance
            return t.ClapModel.from_pretrained(folder).eval().audio_model(**found).last_hidden_state
        if name == "wavlm":
            del found["attention_mask"]  # clips of one length need none, and torch warns of how WavLM uses it
        return t.AutoModel.from_pretrained(folder).eval()(**found).last_hidden_state


__all__ = ["SECONDS", "loud", "published_states", "toy", "write"]
