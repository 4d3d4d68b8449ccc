"""Packet loss: how much, in what bursts, nested; and a concealment that sounds like a telephone's, not like holes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from signals import noise, tone, voice
from spoofproof import registry
from spoofproof.corruptions.packets import conceal, loss_order
from spoofproof.errors import BadPlan
from spoofproof.streams import stream
from spoofproof.types import Clip

LOSS = registry.corruptions["packet_loss"]
FRAME = 320  # at 16 kHz


def through(clip: Clip, level: float, key: str = "test") -> Clip:
    return LOSS.run(clip, level, stream(0, key))


def runs(lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    edges = np.flatnonzero(np.diff(np.r_[0, lost.astype(int), 0]))
    return edges[1::2] - edges[::2]


def one_loss(clean: Clip, at: int, frames: int) -> NDArray[np.float64]:
    lost = np.zeros(-(-clean.samples.size // FRAME), dtype=bool)
    lost[at : at + frames] = True
    return conceal(clean.samples.astype(np.float64), lost, 16_000)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 48_000])
@pytest.mark.parametrize("level", LOSS.levels)
def test_the_share_is_exact(level: float, rate: int) -> None:
    clean = voice(4.0, rate)
    assert LOSS.measure is not None
    assert LOSS.measure(clean, through(clean, level), level) == pytest.approx(level, abs=0.3)


@pytest.mark.parametrize("level", LOSS.levels)
def test_losses_come_in_bursts_of_two_with_the_gaps_of_a_two_state_channel(level: float) -> None:
    """Gilbert's channel leaves its bad state with probability 1/2 and its good one with q = p/(2(1 - p))."""
    n, p = 40_000, level / 100
    lost = np.zeros(n, dtype=bool)
    lost[loss_order(n, stream(1, "x"))[: round(p * n)]] = True
    bursts, gaps = runs(lost), runs(~lost)
    assert lost.mean() == pytest.approx(p, abs=1e-4)
    assert bursts.mean() == pytest.approx(2.0, abs=0.25)
    assert np.mean(bursts == 1) == pytest.approx(0.5, abs=0.08)
    q = 0.5 * p / (1 - p)
    assert gaps.mean() == pytest.approx(1 / q, rel=0.15)
    assert np.mean(gaps == 1) == pytest.approx(q, abs=0.03)


def test_what_is_lost_at_a_low_level_is_lost_at_every_higher_one() -> None:
    clean = voice(4.0)
    before = np.zeros(200, dtype=bool)
    for level in LOSS.levels:
        changed = (through(clean, level).samples != clean.samples).reshape(200, FRAME).mean(axis=1) > 0.9
        assert changed[before].all() and changed.sum() > before.sum()
        before = changed


def test_every_frame_is_lost_once_in_the_end() -> None:
    for frames in (1, 2, 7, 500):
        assert sorted(loss_order(frames, stream(2, "x")).tolist()) == list(range(frames))
    assert not through(voice(1.0), 100).samples.any()
    assert np.array_equal(through(voice(1.0), 0).samples, voice(1.0).samples)


def test_other_clips_lose_other_frames() -> None:
    clean = voice(4.0)
    assert np.array_equal(through(clean, 10, "a").samples, through(clean, 10, "a").samples)
    assert not np.array_equal(through(clean, 10, "a").samples, through(clean, 10, "b").samples)


def test_a_periodic_sound_is_continued_as_if_nothing_were_lost() -> None:
    """The first 10 ms are not faded: a tone of whole periods there is a tone; then the fade is 20 % in 10 ms."""
    for hz in (80.0, 100.0, 160.0, 200.0):
        clean = tone(hz, 1.0)
        out = one_loss(clean, 20, 2)
        start = 20 * FRAME
        assert np.allclose(out[start : start + 160], clean.samples[start : start + 160], atol=0.03)
        fade = 1 - 0.2 * (np.arange(640) / 160 - 1).clip(0)
        assert np.allclose(out[start : start + 640], fade * clean.samples[start : start + 640], atol=0.04)


def test_a_loss_sounds_for_40_ms_and_is_silent_after_60() -> None:
    clean = voice(2.0)
    for at in (20, 33, 47, 61):
        out = one_loss(clean, at, 6)[at * FRAME : (at + 6) * FRAME]
        for block in out[:640].reshape(8, 80):
            assert np.any(block != 0)
        assert not np.any(out[round(0.06 * 16_000) + 1 :])


def test_concealment_makes_no_click_where_holes_do() -> None:
    """The steepest step is no steeper than in the voice itself; with zeros in the holes it is."""
    clean = tone(137.0, 4.0)
    lost = (through(clean, 20).samples != clean.samples).reshape(200, FRAME).mean(axis=1) > 0.9
    holes = np.where(np.repeat(lost, FRAME), 0.0, clean.samples)
    steepest = np.abs(np.diff(clean.samples)).max()
    assert np.abs(np.diff(through(clean, 20).samples)).max() < 1.3 * steepest
    assert np.abs(np.diff(holes)).max() > 5 * steepest


def test_concealment_keeps_more_of_the_voice_than_holes() -> None:
    clean = voice(4.0)
    for level in (10, 30):
        out = through(clean, level).samples.astype(float)
        lost = (out != clean.samples).reshape(200, FRAME).mean(axis=1) > 0.9
        holes = np.where(np.repeat(lost, FRAME), 0.0, clean.samples)
        spectra = [
            np.log(1e-3 + np.abs(np.fft.rfft(x.reshape(200, FRAME)[lost], axis=1)))
            for x in (clean.samples, out, holes)
        ]
        assert np.mean((spectra[1] - spectra[0]) ** 2) < 0.5 * np.mean((spectra[2] - spectra[0]) ** 2)


def test_frames_that_arrive_are_untouched_but_for_the_cross_fade() -> None:
    clean = noise(2.0)
    out = one_loss(clean, 50, 3)
    start, end = 50 * FRAME, 53 * FRAME
    assert np.array_equal(out[: start - 60], clean.samples[: start - 60].astype(float))  # 15 ms / 4 before
    assert np.array_equal(out[end + 160 :], clean.samples[end + 160 :].astype(float))  # at most 10 ms after


def test_a_loss_at_the_very_beginning_is_silence_then_speech() -> None:
    clean = voice(1.0)
    out = one_loss(clean, 0, 1)
    assert not out[:FRAME].any()
    assert np.array_equal(out[FRAME + 160 :], clean.samples[FRAME + 160 :].astype(float))


def test_a_share_beyond_all_is_refused() -> None:
    for level in (-1, 101):
        with pytest.raises(BadPlan, match="0 to 100 %"):
            through(voice(0.2), level)
