"""From a name on the hub, or a folder, to a foundation model with all its weights; or to a sentence that says why not.

The hub is first resolved to a folder of its local cache, so that everything after that reads files and nothing waits
for a network; the network is asked only where SPOOFPROOF_ALLOW_DOWNLOAD=1 says so.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import MissingPart, SpoofproofError

DOWNLOAD = "SPOOFPROOF_ALLOW_DOWNLOAD"
_WANTED = ("*.json", "*.safetensors")
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", *_PICKLED)
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# The first stands for masked stretches in pre-training: never used here, and some published files lack it. The other
# is Whisper's table of sinusoids. Neither ever learns.
_UNUSED = "masked_spec_embed"
FIXED = (_UNUSED, "embed_positions.weight")


@dataclass(frozen=True, slots=True)
class Family:
    """name: of the detector. model, extractor: classes of ``transformers``. types: its ``model_type`` in config.json.

    rate: Hz that the extractor expects. rename: patterns of weight names in the published files, and what replaces
    them, where the backbone is a part of the published model.
    """

    name: str
    model: str
    extractor: str
    types: tuple[str, ...]
    rate: int = 16_000
    rename: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_WAVE = "Wav2Vec2FeatureExtractor"
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family("wav2vec2", "Wav2Vec2Model", _WAVE, ("wav2vec2",)),
            Family("hubert", "HubertModel", _WAVE, ("hubert",)),
            Family("w2v-bert", "Wav2Vec2BertModel", "SeamlessM4TFeatureExtractor", ("wav2vec2-bert",)),
            Family(
                "whisper",
                "models.whisper.modeling_whisper.WhisperEncoder",
                "WhisperFeatureExtractor",
                ("whisper",),
                rename=MappingProxyType({r"^(?:model\.)?encoder\.": ""}),
            ),
            Family(
                "clap",
                "ClapAudioModel",
                "ClapFeatureExtractor",
                ("clap", "clap_audio_model"),
                rate=48_000,
                rename=MappingProxyType({r"^audio_model\.": ""}),
            ),
            Family("wavlm", "WavLMModel", _WAVE, ("wavlm",)),
            Family("xls-r", "Wav2Vec2Model", _WAVE, ("wav2vec2",)),
            Family("ast", "ASTModel", "ASTFeatureExtractor", ("audio-spectrogram-transformer",)),
        )
    }
)


def folder_of(source: str | Path) -> Path:
    """The folder itself, or where the hub's cache keeps OWNER/NAME; downloads only with SPOOFPROOF_ALLOW_DOWNLOAD=1.

    Raises MissingPart, with what to do, when it is neither.
    """
    place = Path(source).expanduser()
    if place.is_dir():
        return place
    if place.exists():
        raise MissingPart(
            f"{source} is a file; expected a folder with config.json, or a name on the hub (OWNER/NAME)"
        )
    if not _HUB_NAME.fullmatch(str(source)):
        raise MissingPart(
            f"no such folder: {source}. Give a folder with config.json, or OWNER/NAME on the hub"
        )
    return _from_hub(str(source))


def load(family: Family, folder: Path) -> tuple[Any, Any]:
    """The backbone (float32, on the processor, its safetensors mapped into memory) and its feature extractor.

    Raises SpoofproofError for a folder of another architecture and for damaged or incomplete files, MissingPart for
    absent files and for a transformers that cannot work here.
    """
    _check(family, folder)
    model_class, extractor_class = _class(family.model), _class(family.extractor)
    import torch

    with _quiet():
        try:
            extractor = extractor_class.from_pretrained(folder, local_files_only=True)
            model, report = model_class.from_pretrained(
                folder,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
                key_mapping=dict(family.rename) or None,
            )
        except Exception as error:  # whatever a damaged file or a strange config makes of the library
            raise SpoofproofError(
                f"{folder} cannot be read as a {family.name} ({type(error).__name__}: {_short(error)}). "
                "Its files may be damaged or belong to different models: copy or fetch them again"
            ) from None
    if lacking := sorted(name for name in report["missing_keys"] if not name.endswith(_UNUSED)):
        raise SpoofproofError(
            f"the weights in {folder} lack {len(lacking)} of those of a {family.name} (the first: {lacking[0]}); they "
            "would be random numbers. Are config.json and the weights of the same model?"
        )
    if _UNUSED in report["missing_keys"]:
        torch.nn.init.zeros_(model.masked_spec_embed)
    if extractor.sampling_rate != family.rate:
        raise SpoofproofError(
            f"{folder} was trained on audio at {extractor.sampling_rate} Hz; {family.name} is run at {family.rate} Hz"
        )
    return _settled(model), extractor


def empty(family: Family, config: Any) -> Any:
    """The backbone of a ``transformers`` configuration without any weights (on the device "meta"), to be measured."""
    import torch

    with torch.device("meta"):
        return _class(family.model)(config)


def config_of(family: Family, folder: Path) -> Any:
    """The configuration in a folder, without its weights. Raises what ``load`` raises for it."""
    _check(family, folder, weights=False)
    return _class(family.model).config_class.from_pretrained(folder, local_files_only=True)


def _settled(model: Any) -> Any:
    """No masking of the input and no dropping of layers in training: they draw from generators that nobody seeds here."""
    for setting, value in (
        ("apply_spec_augment", False),
        ("layerdrop", 0.0),
        ("encoder_layerdrop", 0.0),
    ):
        if hasattr(model.config, setting):
            setattr(model.config, setting, value)
    if hasattr(model, "layerdrop"):
        model.layerdrop = 0.0
    return model.eval()


def _check(family: Family, folder: Path, weights: bool = True) -> None:
    config = _json(folder / "config.json", f"a {family.name}")
    kind = config.get("model_type")
    if kind not in family.types:
        fits = [other.name for other in FAMILIES.values() if kind in other.types]
        hint = f"Ask for {' or '.join(fits)} instead" if fits else f"Known: {', '.join(FAMILIES)}"
        raise SpoofproofError(
            f"{folder} holds a {kind or 'model without a model_type'}, not a {family.name} "
            f"(model_type {' or '.join(family.types)}). {hint}"
        )
    if not weights:
        return
    found = _json(folder / "preprocessor_config.json", f"the feature extractor of a {family.name}")
    if found.get("feature_extractor_type", family.extractor) != family.extractor:
        raise SpoofproofError(
            f"preprocessor_config.json in {folder} is of a {found['feature_extractor_type']}, not a {family.extractor}"
        )
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise MissingPart(
            f"{folder} holds no model.safetensors. Copy it beside config.json, or save it with "
            "model.save_pretrained(folder)"
        )


def _json(file: Path, what: str) -> dict[str, Any]:
    if not file.is_file():
        raise MissingPart(f"{file.parent} holds no {file.name}: expected {what} as save_pretrained writes it")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpoofproofError(f"{file} is not JSON: {error}. Copy or fetch it again") from None
    if not isinstance(found, dict):
        raise SpoofproofError(f"{file} is not {what}: expected a JSON object")
    return found


def _from_hub(name: str) -> Path:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingPart.extra(f"{name} (a model of the hub)", "foundation")
    allowed = os.environ.get(DOWNLOAD) == "1"
    try:
        folder = _snapshot(name, _WANTED, allowed)
        if not any((folder / file).is_file() for file in _WEIGHTS):
            folder = _snapshot(name, (*_WANTED, *_PICKLED), allowed)
    except Exception as error:  # of the hub, of its HTTP library, of the disk: they share no useful parent
        if allowed:
            raise MissingPart(
                f"cannot fetch {name} from the hub ({type(error).__name__}: {_short(error)}). Check the name and the "
                "network, or copy the model's files into a folder and give that folder"
            ) from None
        raise MissingPart(
            f"{name} is no folder, and the hub's local cache does not hold it. Set {DOWNLOAD}=1 once to fetch it, or "
            "give a folder with its config.json, preprocessor_config.json and model.safetensors"
        ) from None
    return folder


def _snapshot(name: str, patterns: tuple[str, ...], allowed: bool) -> Path:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, allow_patterns=list(patterns), local_files_only=not allowed))


def _class(path: str) -> Any:
    """A class of ``transformers``, by its path inside it. Raises MissingPart when it cannot be imported."""
    try:
        module, _, name = f"transformers.{path}".rpartition(".")
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # a broken neighbour raises RuntimeError, OSError or ImportError
        if importlib.util.find_spec("transformers") is None:
            raise MissingPart.extra("a foundation model", "foundation") from None
        for neighbour in ("torchaudio", "torchvision"):
            _refuse_broken(neighbour)
        raise MissingPart(
            f"transformers cannot offer {path} ({type(error).__name__}: {_short(error)}). "
            "Reinstall it with: pip install --upgrade 'spoofproof[foundation]'"
        ) from None


def _refuse_broken(neighbour: str) -> None:
    """transformers imports these where they are installed; built for another torch, they take every model down."""
    if importlib.util.find_spec(neighbour) is None:
        return
    try:
        importlib.import_module(neighbour)
    except Exception as error:
        raise MissingPart(
            f"{neighbour} is installed but does not fit this torch ({_short(error)}), and transformers fails with it. "
            f"Nothing here needs it: pip uninstall {neighbour}"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no loading reports (what they say is checked here), no advice about mel filters."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # published extractors have more filters than bins at the lowest frequencies; they were trained so
            warnings.filterwarnings("ignore", message="At least one mel filter has all zero values")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
