"""The published checkpoints of AASIST, AASIST-L and RawGAT-ST, read into our own networks.

Names differ, numbers do not: below stands every rule by which a published name becomes one of ours. Loading is
strict: a weight that is missing, left over or of another shape is an error.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import SpoofproofError
from .aasist import aasist, aasist_l
from .rawgat_st import rawgat_st

Rules = tuple[tuple[str, str], ...]

_BLOCKS: Rules = (
    (r"^first_bn\.", "front.norm."),
    (r"\.0\.(bn|conv)", r".\1"),  # each block lies in a sequence of one
    (r"\.bn1\.", ".unused."),
    (r"\.bn2\.", ".norm."),
    (r"\.conv_?1\.", ".enter."),
    (r"\.conv2\.", ".leave."),
    (r"\.conv_downsample\.", ".short."),
)
_GRAPHS: Rules = (
    (r"\.att_weight11$", ".weight_first"),
    (r"\.att_weight22$", ".weight_second"),
    (r"\.att_weight12$", ".weight_across"),
    (r"\.att_weightM$", ".weight_master"),
    (r"\.att_weight$", ".weight"),
    (r"\.proj_type1\.", ".first."),
    (r"\.proj_type2\.", ".second."),
    (r"\.att_projM\.", ".pair_master."),
    (r"\.att_proj\.", ".pair."),
    (r"\.proj_with_attM\.", ".others_master."),
    (r"\.proj_without_attM\.", ".itself_master."),
    (r"\.proj_with_att\.", ".others."),
    (r"\.proj_without_att\.", ".itself."),
    (r"\.bn\.", ".end.norm."),
)
_AASIST: Rules = (
    *_BLOCKS,
    *_GRAPHS,
    (r"^pos_S$", "position"),
    (r"^GAT_layer_S\.", "bands."),
    (r"^GAT_layer_T\.", "times."),
    (r"^pool_S\.proj\.", "keep_bands.score."),
    (r"^pool_T\.proj\.", "keep_times.score."),
    (r"^(master|pool_h.|HtrgGAT_layer_ST)1", r"left.\1"),
    (r"^(master|pool_h.|HtrgGAT_layer_ST)2", r"right.\1"),
    (r"\.pool_hS\.proj\.", ".keep_bands.score."),
    (r"\.pool_hT\.proj\.", ".keep_times.score."),
    (r"\.HtrgGAT_layer_ST1\.", ".one."),
    (r"\.HtrgGAT_layer_ST2\.", ".two."),
    (r"^out_layer\.", "logits."),
)
_RAWGAT_ST: Rules = (
    *_BLOCKS,
    *_GRAPHS,
    (r"^encoder1\.", "encoder_bands."),
    (r"^encoder2\.", "encoder_times."),
    (r"^GAT_layer1\.", "bands."),
    (r"^GAT_layer2\.", "times."),
    (r"^GAT_layer3\.", "both."),
    (r"^pool1\.proj\.", "keep_bands.score."),
    (r"^pool2\.proj\.", "keep_times.score."),
    (r"^pool3\.proj\.", "keep_both.score."),
    (r"^proj1\.", "align_bands."),
    (r"^proj2\.", "align_times."),
    (r"^proj\.", "score."),
    (r"^proj_node\.", "logits."),
)
# RawGAT-ST's later blocks also store the convolution that only a first block runs.
_IDLE = re.compile(r"^encoder[12]\.[1-5]\.0\.conv_1\.")


def read(path: Path) -> tuple[str, nn.Module]:
    """Name and network, in eval mode, of a published checkpoint: ``aasist``, ``aasist-l`` or ``rawgat-st``.

    Only weights are read; a pickle that would run code is refused. Raises SpoofproofError for a file that is no
    checkpoint, a damaged one, and one of another architecture.
    """
    state = _state(path)
    name, network, rules = _kind(state, path)
    ours = {_renamed(key, rules): value for key, value in state.items() if not _IDLE.match(key)}
    try:
        network.load_state_dict(ours, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise SpoofproofError(f"{path} is no published {name}: {reason}. {_EXPECTED}") from None
    return name, network.eval()


_EXPECTED = "Expected the state dictionary of the published AASIST, AASIST-L or RawGAT-ST (mul)"


def _state(path: Path) -> Mapping[str, Tensor]:
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise SpoofproofError(
            f"{path} holds other things than weights, and reading those could run code; it was not loaded. {_EXPECTED}"
        ) from None
    except (OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpoofproofError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}: {reason}); it may be cut short. {_EXPECTED}"
        ) from None
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise SpoofproofError(f"{path} holds no state dictionary but a {type(found).__name__}. {_EXPECTED}")
    return found


def _kind(state: Mapping[str, Tensor], path: Path) -> tuple[str, nn.Module, Rules]:
    """Which architecture the shapes are of."""
    if "pos_S" in state:
        wide = state["pos_S"].shape[-1]
        if wide in (24, 64):
            return ("aasist", aasist(), _AASIST) if wide == 64 else ("aasist-l", aasist_l(), _AASIST)
    if "encoder2.0.0.conv_1.weight" in state and "proj_node.weight" in state:
        return "rawgat-st", rawgat_st(), _RAWGAT_ST
    if "front.norm.weight" in state:
        raise SpoofproofError(
            f"{path} holds weights as spoofproof train keeps them, before calibration; the .onnx that it wrote beside "
            "them is what scores clips"
        )
    raise SpoofproofError(
        f"{path} is a checkpoint of another architecture (it begins with {', '.join(list(state)[:3]) or 'nothing'}). "
        f"{_EXPECTED}"
    )


def _renamed(key: str, rules: Rules) -> str:
    for pattern, ours in rules:
        key = re.sub(pattern, ours, key)
    return key
