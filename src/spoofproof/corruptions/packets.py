"""Lost packets: which ones are lost, and what a telephone plays in their place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import BadPlan
from ..registry import corruption
from ..types import Clip, Rng

_FRAME = 0.020  # seconds in a packet
_BURST = 2.0  # mean number of packets lost in a row
_CHANGED = 0.9  # of a frame's samples: the cross-fades beside a loss touch at most 0.7 of a good frame


def _share(clean: Clip, corrupted: Clip, level: float) -> float:
    """Share of 20 ms frames that are not what was sent, in %."""
    frame = round(_FRAME * clean.rate)
    changed = clean.samples != corrupted.samples
    starts = np.arange(0, changed.size, frame)
    sizes = np.diff(np.append(starts, changed.size))
    return float(100 * np.mean(np.add.reduceat(changed, starts, dtype=np.int64) >= _CHANGED * sizes))


@corruption(family="compression", unit="% lost", levels=(2, 5, 10, 20, 30), measure=_share, tolerance=0.5)
def packet_loss(clip: Clip, level: float, rng: Rng) -> Clip:
    """Packets of 20 ms lost in bursts, and concealed as a telephone does it (G.711, Appendix I).

    level: per cent of the frames, 0 … 100; the count is rounded, so that a clip of fewer than 50/level frames may
    lose none. The losses are those of a two-state (Gilbert-Elliott) channel with a mean burst of two packets, and
    nested: what is lost at 2 % is lost at 30 %, too. The packets hold PCM at the clip's own rate; chain a codec in
    front for its sound (telephone@g711a+packet_loss@10). Raises BadPlan for a level beyond 0 … 100.
    """
    if not 0 <= level <= 100:
        raise BadPlan(f"packet_loss@{level:g}: a share of the packets is 0 to 100 %")
    frame = round(_FRAME * clip.rate)
    frames = -(-clip.samples.size // frame)
    order = loss_order(frames, rng)
    lost = np.zeros(frames, dtype=bool)
    lost[order[: int(level / 100 * frames + 0.5)]] = True
    return clip.replace(conceal(clip.samples.astype(np.float64), lost, clip.rate))


def loss_order(frames: int, rng: Rng) -> NDArray[np.int64]:
    """All frame numbers, shape (frames,), in the order in which they are lost as the channel gets worse.

    Any beginning of it is a loss pattern: bursts of geometric length (mean 2, what the bad state of Gilbert's channel
    makes) at uniformly random places, with at least one packet that arrives between two of them, for as long as
    there is room; then the rest. Thus a level fixes the share exactly, keeps the bursts, and contains every lower one.
    """
    starts = rng.permutation(frames)
    lengths = rng.geometric(1 / _BURST, size=frames)
    taken = np.zeros(frames + 2, dtype=bool)  # a frame that is never lost on either side
    order: list[int] = []
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        end = min(start + length, frames)
        if not taken[start : end + 2].any():
            taken[start + 1 : end + 1] = True
            order.extend(range(start, end))
    rest = starts[~taken[1:-1][starts]]
    return np.concatenate([np.array(order, dtype=np.int64), rest.astype(np.int64)])


def conceal(sent: NDArray[np.float64], lost: NDArray[np.bool_], rate: int) -> NDArray[np.float64]:
    """Waveform substitution of ITU-T G.711 Appendix I (1999), at any rate.

    sent: shape (T,). lost: shape (ceil(T / frame),) with frames of 20 ms. The last pitch period before a loss (5 to
    15 ms, by normalised cross-correlation over 20 ms) is repeated, after 10 and 20 ms the last two and three, joined
    by overlap-add over a quarter of a period; from 10 ms on it fades by 20 % per 10 ms, to silence at 60 ms; when
    packets arrive again it is cross-faded into them over a quarter of a period and 4 ms for every further 10 ms lost,
    at most 10 ms. A loss with nothing before it is silence.
    """
    out = sent.copy()
    frame = round(_FRAME * rate)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
    for first, last in edges.reshape(-1, 2):
        _fill(out, sent, int(first) * frame, min(int(last) * frame, sent.size), rate)
    return out


def _fill(out: NDArray[np.float64], sent: NDArray[np.float64], start: int, end: int, rate: int) -> None:
    ten = rate / 100
    longest = round(1.5 * ten)
    need = round(2 * ten) + longest + 1
    history = out[max(0, start - 4 * longest) : start]
    history = np.concatenate([np.zeros(max(0, 4 * longest - history.size)), history])
    period = _pitch(history[-need:], round(0.5 * ten), longest, round(2 * ten))
    quarter = max(1, period // 4)
    further = max(0.0, (end - start) / ten - 1)
    fade = min(round(quarter + 0.4 * ten * further), round(ten), out.size - end)
    synthetic = _repeat(history, period, quarter, end - start + fade, ten)
    # The wave has to meet its own past: its last quarter period flows into the sample before the period repeated.
    known = min(quarter, start)
    joined = _joined(history, period, quarter)[-quarter:]
    out[start - known : start] = joined[quarter - known :]
    out[start:end] = synthetic[: end - start]
    rise = (np.arange(fade) + 1) / (fade + 1)
    out[end : end + fade] = rise * sent[end : end + fade] + (1 - rise) * synthetic[end - start :]


def _pitch(past: NDArray[np.float64], shortest: int, longest: int, width: int) -> int:
    """The lag at which the last ``width`` samples resemble what was before them most."""
    now = past[-width:]
    before = past[-width - longest : -shortest]  # windows of lag longest … shortest
    products = np.correlate(before, now, mode="valid")
    energy = np.cumsum(np.concatenate([[0.0], before**2]))
    energies = energy[width:] - energy[:-width]
    likeness = products / np.sqrt(np.maximum(energies, 1e-12))
    return longest - int(np.argmax(likeness))


def _joined(history: NDArray[np.float64], length: int, quarter: int) -> NDArray[np.float64]:
    """The last ``length`` samples, their end bent so that they can be repeated without a step."""
    buffer = history[-length:].copy()
    rise = (np.arange(quarter) + 1) / (quarter + 1)
    before = history[-length - quarter : -length]
    buffer[-quarter:] = (1 - rise) * buffer[-quarter:] + rise * before
    return buffer


def _repeat(
    history: NDArray[np.float64], period: int, quarter: int, count: int, ten: float
) -> NDArray[np.float64]:
    time = np.arange(count)
    out = np.zeros(count)
    switches = [0, round(ten), round(2 * ten)]
    rise = (np.arange(quarter) + 1) / (quarter + 1)
    for periods, switch in enumerate(switches, start=1):
        if switch >= count:
            break
        buffer = _joined(history, periods * period, quarter)
        # enter the longer buffer at the phase that the wave has reached
        wave = buffer[(switch % period + time[switch:] - switch) % buffer.size]
        if switch:
            blend = min(quarter, wave.size)
            wave[:blend] = rise[:blend] * wave[:blend] + (1 - rise[:blend]) * out[switch : switch + blend]
        out[switch:] = wave
    return out * np.clip(1 - 0.2 * (time / ten - 1), 0.0, 1.0)
