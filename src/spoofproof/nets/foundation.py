"""Detectors on foundation models: a published backbone, one head, one folder that holds a fine-tuned detector whole.

    network = build("wav2vec2", source="facebook/wav2vec2-large-960h")    # fine-tune it: logits = network(wave)
    network.save(folder, calibration=(scale, offset))
    network, facts = load("wav2vec2", folder)

The folder is one of ``transformers`` (config.json, preprocessor_config.json, model.safetensors) with head.safetensors
and spoofproof.json beside them; a folder without these two is a backbone, and never scores.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..audio import WINDOW_SAMPLES
from ..errors import BadPlan, MissingPart, RunConflict, SpoofproofError, UnknownName
from .backbones import FAMILIES, FIXED, Family, config_of, empty, folder_of
from .backbones import load as load_backbone
from .heads import HEADS
from .hearing import HEAR, masks

Tune = Literal["full", "head", "layernorm"]
Context = Literal["published", "clip"]
MANIFEST, HEAD = "spoofproof.json", "head.safetensors"
_LEAST = 8_000  # samples that a window has at least
_NORMS = (nn.LayerNorm, nn.GroupNorm)
_RUNNING = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True, slots=True)
class Facts:
    """What spoofproof.json says of a fine-tuned detector.

    window: samples at 16 kHz that it hears. calibration: (scale, offset) of log odds = scale x (bona fide logit -
    spoof logit) + offset. source: the backbone that it was made from.
    """

    family: str
    head: str
    context: str = "published"
    window: int = WINDOW_SAMPLES
    calibration: tuple[float, float] = (1.0, 0.0)
    source: str = ""


class Foundation(nn.Module):  # type: ignore[misc]
    """(B, T) samples at 16 kHz, T >= 8 000 -> logits (B, 2), spoof first.

    tune: what learns: "full", the "head" alone, or the head and the "layernorm" weights of the backbone. Statistics
    of batch normalisation stay those of the published model, whatever is tuned.
    """

    def __init__(
        self,
        family: Family,
        backbone: Any,
        extractor: Any,
        *,
        head: str,
        tune: Tune,
        context: Context,
        source: str,
    ) -> None:
        super().__init__()
        if head not in HEADS:
            raise UnknownName.among("head", head, HEADS)
        if tune not in get_args(Tune):
            raise UnknownName.among("choice of tune", tune, get_args(Tune))
        if context not in get_args(Context):
            raise UnknownName.among("context", context, get_args(Context))
        if context != "published" and family.name != "whisper":
            raise SpoofproofError(f"{family.name} has one context only; {context!r} is a choice of whisper")
        self.family, self.extractor = family.name, extractor
        self.choice, self.tune, self.context, self.source = head, tune, context, source
        self.backbone, self.head = backbone, HEADS[head](_width(backbone))
        self._masked = masks(backbone) and self.head.masks
        self._choose()

    def forward(self, wave: Tensor, lengths: Tensor | None = None) -> Tensor:
        """lengths: (B,) samples of each row that are the clip's, where rows were padded to one length.

        A row's logits do not depend on the padding, nor on other rows: a model that takes masks gets them, any other
        is run on the rows of one length at a time, without their padding.
        """
        if lengths is None or self._masked:
            return self._logits(wave, lengths)
        logits = wave.new_zeros(wave.shape[0], 2)
        for length in lengths.unique().tolist():
            rows = (lengths == length).nonzero().squeeze(1)
            logits = logits.index_copy(0, rows, self._logits(wave[rows, :length], None))
        return logits

    def _logits(self, wave: Tensor, lengths: Tensor | None) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.tune != "head"):
            states, mask = HEAR[self.family](self.backbone, self.extractor, wave, lengths, self.context)
        with torch.autocast(wave.device.type, enabled=False):
            logits: Tensor = self.head(states.to(next(self.head.parameters())), mask)
        return logits

    def train(self, mode: bool = True) -> Foundation:
        """As everywhere in torch; a backbone that does not learn has no dropout, and its statistics never move."""
        super().train(mode)
        self.backbone.train(mode and self.tune != "head")
        for module in self.backbone.modules():
            if isinstance(module, _RUNNING):
                module.eval()
        return self

    def _choose(self) -> None:
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(self.tune == "full" and not name.endswith(FIXED))
        if self.tune == "layernorm":
            for module in self.backbone.modules():
                if isinstance(module, _NORMS):
                    module.requires_grad_(True)

    def save(
        self,
        folder: Path,
        *,
        window: int = WINDOW_SAMPLES,
        calibration: tuple[float, float] = (1.0, 0.0),
    ) -> Facts:
        """Write the detector to ``folder``; it appears when it is whole, and replaces a detector that was there.

        Raises RunConflict when ``folder`` holds anything else, or cannot be written.
        """
        facts = Facts(self.family, self.choice, self.context, window, calibration, self.source)
        folder = Path(folder)
        if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
            raise RunConflict(
                f"{folder} holds something else than a detector; choose another folder, or empty it"
            )
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        try:
            part.mkdir(parents=True, exist_ok=True)
            self.backbone.config.architectures = [type(self.backbone).__name__]
            self.backbone.config.save_pretrained(part)
            self.extractor.save_pretrained(part)
            _save(self.backbone, part / "model.safetensors")
            _save(self.head, part / HEAD)
            (part / MANIFEST).write_text(
                json.dumps(asdict(facts), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )
            if folder.exists():
                shutil.rmtree(folder)
            part.rename(folder)
        except (
            Exception
        ) as error:  # a full disk is an OSError to some writers and an error of their own to others
            raise RunConflict(
                f"cannot write {folder}: {error}. Free some space (or fix the permissions)"
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return facts


def build(
    family: str,
    *,
    source: str | Path = "",
    head: str = "mean",
    tune: Tune = "full",
    context: Context = "published",
) -> Foundation:
    """A network to be fine-tuned: the backbone of ``source`` (a folder, or OWNER/NAME on the hub) and a new head.

    Where ``source`` is a detector that was saved with this head, it goes on from that head. The new head is drawn from
    torch's generator: seed it. Raises BadPlan without a source, MissingPart, SpoofproofError, UnknownName.
    """
    kind = _family(family)
    if not str(source):
        raise BadPlan(f"{family} needs a source: a folder with its backbone, or OWNER/NAME on the hub")
    folder = folder_of(source)
    if (folder / MANIFEST).is_file() and (facts := _facts(kind, folder)).head == head:
        return _with_head(kind, folder, facts, tune, context)
    backbone, extractor = load_backbone(kind, folder)
    name = folder.name if Path(source).expanduser().is_dir() else str(source)  # nobody's folders are told on
    return Foundation(kind, backbone, extractor, head=head, tune=tune, context=context, source=name)


def load(family: str, source: str | Path) -> tuple[Foundation, Facts]:
    """A fine-tuned detector, ready to score (evaluation mode, on the processor), and its facts.

    Raises MissingPart where there is no trained head: a backbone alone knows nothing of spoofing and never scores.
    """
    kind = _family(family)
    folder = folder_of(source)
    if not (folder / MANIFEST).is_file():
        raise MissingPart(
            f"{source} is a backbone without a trained head (no {MANIFEST}), and knows nothing of spoofing. Fine-tune it "
            f'with a recipe that says detector = "{family}" and, under [network], source = "{source}" '
            f"(spoofproof train RECIPE.toml), then ask for {family}@ the folder that this writes"
        )
    facts = _facts(kind, folder)
    return _with_head(kind, folder, facts, "head", facts.context).eval(), facts  # type: ignore[arg-type]


def device() -> torch.device:
    """The best that is here: CUDA, Apple's Metal, the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def half(where: torch.device) -> torch.dtype | None:
    """The half precision that is fast on a device: bfloat16 or float16 on CUDA, None elsewhere.

    On a processor without units for it, bfloat16 was 26 times slower than float32.
    """
    if where.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


@dataclass(frozen=True, slots=True)
class Size:
    """parameters: of the backbone. gflop: 10^9 operations for a window (a multiply-add counts as two)."""

    parameters: int
    gflop: float


def describe(
    family: str, config: Any, *, samples: int = WINDOW_SAMPLES, context: Context = "published"
) -> Size:
    """How large and how costly a backbone is, from its configuration alone: nothing is loaded and nothing computed.

    config: of ``transformers``, or a folder or hub name that holds config.json. The operations are those of
    matrix products, convolutions and attention.
    """
    kind = _family(family)
    if isinstance(config, str | Path):
        config = config_of(kind, folder_of(config))
    backbone = empty(kind, config).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        _measure(kind, backbone, samples, context)
    return Size(sum(p.numel() for p in backbone.parameters()), counter.get_total_flops() / 1e9)


def _measure(family: Family, backbone: Any, samples: int, context: str) -> None:
    c, frames = backbone.config, 1 + (samples - 400) // 160
    with torch.device("meta"):
        if family.name == "w2v-bert":
            backbone(torch.empty(1, frames // 2, c.feature_projection_input_dim))
        elif family.name == "whisper":
            whole = 2 * c.max_source_positions
            share = 1.0 if context == "published" else samples // 160 / whole
            x = backbone.conv2(
                backbone.conv1(torch.empty(1, c.num_mel_bins, round(share * whole)))
            ).transpose(1, 2)
            for layer in backbone.layers:
                x = layer(x, None)
        elif family.name == "ast":
            backbone(torch.empty(1, c.max_length, c.num_mel_bins))
        elif family.name == "clap":
            crops = 4 if c.enable_fusion else 1
            backbone(
                torch.empty(1, crops, 1001, c.num_mel_bins), is_longer=torch.zeros(1, 1, dtype=torch.bool)
            )
        else:
            backbone(torch.empty(1, samples))


def _with_head(family: Family, folder: Path, facts: Facts, tune: Tune, context: Context) -> Foundation:
    backbone, extractor = load_backbone(family, folder)
    network = Foundation(
        family, backbone, extractor, head=facts.head, tune=tune, context=context, source=facts.source
    )
    if not (folder / HEAD).is_file():
        raise MissingPart(f"{folder} holds no {HEAD}: the detector is not whole. Copy the folder again")
    try:
        from safetensors.torch import load_file

        network.head.load_state_dict(load_file(folder / HEAD))
    except (
        Exception
    ) as error:  # safetensors has an error of its own; torch raises RuntimeError for other shapes
        raise SpoofproofError(
            f"{folder / HEAD} holds no {facts.head} head for this backbone ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}). Copy the folder again, or train it anew"
        ) from None
    return network


def _facts(family: Family, folder: Path) -> Facts:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        facts = Facts(**{**found, "calibration": tuple(map(float, found["calibration"]))})
        sound = (
            facts.head in HEADS
            and facts.context in get_args(Context)
            and isinstance(facts.window, int)
            and facts.window >= _LEAST
            and len(facts.calibration) == 2
            and all(map(math.isfinite, facts.calibration))
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SpoofproofError(
            f"{folder / MANIFEST} cannot be read ({error!r}). Train the detector anew"
        ) from None
    if facts.family != family.name:
        raise SpoofproofError(
            f"{folder} holds a {facts.family}, not a {family.name}: ask for {facts.family}@{folder}"
        )
    if not sound:
        raise SpoofproofError(
            f"{folder / MANIFEST} is not one of this version: expected a head among {', '.join(HEADS)}, a window of at "
            f"least {_LEAST} samples and two finite numbers of calibration"
        )
    return facts


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise UnknownName.among("foundation model", name, FAMILIES)
    return FAMILIES[name]


def _width(backbone: Any) -> int:
    config = backbone.config
    if config.model_type == "clap_audio_model":
        return int(backbone.audio_encoder.num_features)
    if getattr(config, "add_adapter", False):
        return int(config.output_hidden_size)
    return int(config.hidden_size)  # Whisper's configuration calls it d_model, and answers to this name too


def _save(module: nn.Module, file: Path) -> None:
    from safetensors.torch import save_file

    save_file(
        {name: x.contiguous() for name, x in module.state_dict().items()}, file, metadata={"format": "pt"}
    )
