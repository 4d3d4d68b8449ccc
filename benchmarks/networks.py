"""Networks with random weights, for timing only: in torch, as the .onnx that `spoofproof train` would write, and
foundation models of base size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import spoofproof
from spoofproof.audio import WINDOW_SAMPLES

FOLDER = Path(tempfile.gettempdir()) / "spoofproof-benchmarks"


def made(name: str) -> tuple[Any, Path]:
    """(torch module: wave -> odds, path of its .onnx); the same weights in both, kept from one benchmark to the next."""
    import torch

    from spoofproof import nets
    from spoofproof.train.export import export

    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = nets.build(name).eval()
    path = FOLDER / f"{name}-{torch.__version__}.onnx"
    code = [f for room in ("nets", "train") for f in (Path(spoofproof.__file__).parent / room).glob("*.py")]
    if not path.exists() or path.stat().st_mtime < max(file.stat().st_mtime for file in code):
        export(network, path, name=name, settings={}, window=WINDOW_SAMPLES, calibration=(1.0, 0.0))
    return nets.Detector(network, 1.0, 0.0).eval(), path


_WHISPER = {"d_model": 768, "encoder_layers": 12, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072}
_SETTINGS: dict[str, tuple[str, dict[str, int]]] = {  # what transformers takes for base size, unless said
    "wav2vec2": ("wav2vec2", {}),
    "hubert": ("hubert", {}),
    "wavlm": ("wavlm", {}),
    "w2v-bert": ("wav2vec2-bert", {"num_hidden_layers": 6}),  # a quarter of the published one
    "whisper": ("whisper", _WHISPER),  # small
    "ast": ("audio-spectrogram-transformer", {}),
    "clap": ("clap_audio_model", {"enable_fusion": False}),
}
BACKBONES = tuple(_SETTINGS)


def foundation(name: str, engine: str) -> tuple[float, Callable[[Any], Any]]:
    """(GFLOP of a window, samples (1, T) -> logits): as ``detectors.foundation`` runs it, by torch or by OpenVINO."""
    import torch
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from spoofproof.nets import foundation as models
    from spoofproof.nets.backbones import FAMILIES, empty
    from spoofproof.nets.compiled import Compiled

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    kind, settings = _SETTINGS[name]
    config, family = CONFIG_MAPPING[kind](**settings), FAMILIES[name]
    backbone = empty(family, config)
    extractor = getattr(transformers, family.extractor)(
        **({"truncation": "rand_trunc"} if name == "clap" else {})
    )
    choices = {"head": "mean", "tune": "head", "context": "published", "source": ""}
    network = models.Foundation(family, type(backbone)(config), extractor, **choices).eval()
    if engine == "openvino":
        network.backbone = Compiled(network.backbone)

    def ask(samples: Any) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(samples))

    return models.describe(name, config).gflop, ask
