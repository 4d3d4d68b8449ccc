"""What a network costs: parameters, multiplications, memory and time, measured on one clip."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

RATE = 16_000


@dataclass(frozen=True, slots=True)
class Profile:
    """Cost of scoring one clip. parameters: those that training changes. macs: multiply-adds of matrix products,
    convolutions and attention. peak_bytes: the most that tensors made on the way held at once, weights not counted.
    seconds_per_clip: wall time of one clip alone, the least of several."""

    parameters: int
    macs: int
    peak_bytes: int
    seconds_per_clip: float


def profile(network: nn.Module, seconds: float, *, repeats: int = 3) -> Profile:
    """Measure ``network`` (samples (B, T) at 16 kHz -> anything) on one clip of ``seconds``, on its own device.

    Multiply-adds are counted where they happen, in the operators, whatever module calls them; element-wise work
    (normalisations, activations) is not counted. The network comes back in the mode that it was in.
    """
    place = next(network.parameters(), torch.zeros(1)).device
    chance = torch.Generator().manual_seed(0)
    wave = (0.05 * torch.randn(1, round(seconds * RATE), generator=chance)).to(place)
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            with _Meter(wave) as meter:
                network(wave)
            spent = min(_seconds(network, wave) for _ in range(repeats))
    finally:
        network.train(training)
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return Profile(parameters, meter.operations // 2, meter.peak, spent)


def _seconds(network: nn.Module, wave: Tensor) -> float:
    start = time.perf_counter()
    network(wave)
    if wave.is_cuda:
        torch.cuda.synchronize(wave.device)
    return time.perf_counter() - start


class _Meter(TorchDispatchMode):  # type: ignore[misc]
    """operations: multiplications and additions of every operator that torch has a count for. peak: bytes of the
    storages that operators made, each followed until nobody holds it, at their most."""

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.operations = self.now = self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet([known.untyped_storage()])

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        before = {t.untyped_storage() for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        result = function(*args, **(kwargs or {}))
        count = _COUNTS.get(function._overloadpacket)
        if count is not None:
            self.operations += int(count(*args, **(kwargs or {}), out_val=result))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage not in before and storage not in self._seen:
                    self._seen.add(storage)
                    self.now += storage.nbytes()
                    weakref.finalize(storage, self._freed, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def _freed(self, size: int) -> None:
        self.now -= size


def _fused_attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """The two products of the processor's fused attention; torch has counts for the kernels of graphics cards only."""
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))


_COUNTS = {**flop_registry, torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _fused_attention}
