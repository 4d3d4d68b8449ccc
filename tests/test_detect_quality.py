"""Speech, noise, bandwidth, clipping and traces of codecs against signals of which all is known."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from signals import noise, tone, voice
from spoofproof import runtime
from spoofproof.audio import open_audio, resample
from spoofproof.corrupt import corrupt
from spoofproof.detect.frames import FRAME, HOP, Tracker, measure
from spoofproof.detect.quality import Quality, QualityMeter, flat_tops, spoken_in
from spoofproof.detect.speech import FRAME_SECONDS, Flags, snr_db, speech_frames
from spoofproof.spectrum import count_holes
from spoofproof.types import Clip

SECOND = 16_000


def quality(clip: Clip, stereo: np.ndarray | None = None) -> Quality:
    meter = QualityMeter(clip.rate)
    meter.raw(clip.samples[:, None] if stereo is None else stereo, clip.samples)
    meter.heard(resample(clip, SECOND).samples)
    return meter.quality()[0]


def activity(clip: Clip) -> tuple[Flags, float]:
    tracker = Tracker()
    for block in np.array_split(clip.samples, 7):
        tracker.add(block)
    track = tracker.track()
    flags = speech_frames(track)
    return flags, snr_db(track, flags)


def spoken(data: Path, count: int, seconds: float = 3.0) -> list[Clip]:
    """Real recordings of the train part, one a speaker, at -26 dB."""
    rows = list(csv.DictReader((data / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    found: dict[str, Clip] = {}
    for row in rows:
        good = row["part"] == "train" and row["label"] == "bonafide" and float(row["seconds"]) > seconds
        if (
            good
            and row["source"] in {"speechbot_resynth", "resemblyzer", "css10_ref"}
            and row["speaker"] not in found
        ):
            clip = open_audio(data / row["path"])
            found[row["speaker"]] = clip.replace(clip.samples / np.sqrt(np.mean(clip.samples**2)) * 0.05)
        if len(found) == count:
            break
    return list(found.values())


def with_pauses(
    clips: list[Clip], pause: float, floor: float = 3e-5
) -> tuple[Clip, list[tuple[float, float]]]:
    """Clips with ``pause`` seconds before, between and after; where the pauses are, in seconds."""
    gap = np.zeros(int(pause * SECOND), np.float32)
    parts, pauses, at = [], [], 0
    for clip in clips:
        parts += [gap, clip.samples]
        pauses.append((at / SECOND, at / SECOND + pause))
        at += gap.size + clip.samples.size
    pauses.append((at / SECOND, at / SECOND + pause))
    x = np.concatenate([*parts, gap])
    x = x + floor * np.random.default_rng(3).standard_normal(x.size).astype(np.float32)
    return Clip(x.astype(np.float32), SECOND), pauses


def noisy(clip: Clip, snr: float, over: np.ndarray, seed: int = 1) -> Clip:
    """White noise at ``snr`` dB below the power of the samples where ``over`` is true."""
    power = np.mean(np.square(clip.samples[over].astype(float)))
    added = np.random.default_rng(seed).standard_normal(clip.samples.size) * np.sqrt(power / 10 ** (snr / 10))
    return clip.replace(clip.samples + added)


def test_frames_measure_level_periodicity_and_flatness() -> None:
    x = tone(200, 1.0, amplitude=0.1).samples
    frames = np.lib.stride_tricks.sliding_window_view(x, FRAME)[::HOP]
    level, periodicity, flatness = measure(frames)
    assert np.allclose(level, 10 * np.log10(0.1**2 / 2), atol=0.2)
    assert periodicity.min() > 0.97 and flatness.max() < -25
    level, periodicity, flatness = measure(
        np.lib.stride_tricks.sliding_window_view(noise(2.0, rms=0.1).samples, FRAME)[::HOP]
    )
    assert abs(level.mean() + 20) < 0.5
    assert periodicity.mean() < 0.4
    assert abs(flatness.mean() + 2.51) < 0.3  # 10 log10 of exp(-Euler's constant)
    assert measure(np.zeros((1, FRAME), np.float32))[0][0] == -120


def test_the_track_does_not_know_how_audio_was_cut() -> None:
    clip = voice(9.0)
    one, other = Tracker(), Tracker()
    one.add(clip.samples)
    for block in np.array_split(clip.samples, 101):
        other.add(block)
    assert np.array_equal(one.track().level, other.track().level)
    assert one.track().frames == (clip.samples.size - FRAME) // HOP + 1


@pytest.mark.data
@pytest.mark.parametrize(("snr", "found", "false"), [(None, 0.97, 0.05), (20, 0.9, 0.05), (10, 0.75, 0.05)])
def test_known_pauses_are_found_in_speech_also_under_noise(
    data: Path, snr: float | None, found: float, false: float
) -> None:
    """found: share of the speech of a quiet recording that is found again; false: speech reported deep inside pauses."""
    clip, pauses = with_pauses(spoken(data, 5), 1.5)
    clean, _ = activity(clip)
    quiet = np.zeros(clean.size, bool)
    for start, end in pauses:
        quiet[int((start + 0.15) / FRAME_SECONDS) : int((end - 0.15) / FRAME_SECONDS)] = True
    if snr is not None:
        over = np.pad(np.repeat(clean, HOP), (0, clip.samples.size - clean.size * HOP))
        clip = noisy(clip, snr, over)
    flags, _ = activity(clip)
    assert flags[quiet].mean() <= false
    assert flags[clean].mean() >= found


@pytest.mark.data
def test_speech_is_where_another_detector_finds_it(data: Path) -> None:
    """Silero's network (an independent implementation) agrees on most frames of recordings with pauses."""
    net = runtime.network(
        next((data / "weights" / "silero-vad").glob("*.onnx")), what="voice activity detector"
    )
    clip, _ = with_pauses(spoken(data, 4), 1.0)
    state, before, theirs = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for i in range(0, clip.samples.size - 511, 512):
        piece = clip.samples[i : i + 512]
        out = net(input=np.concatenate([before, piece])[None], state=state, sr=np.array(SECOND))
        before, state = piece[-64:], out["stateN"]
        theirs.append(float(out["output"].ravel()[0]))
    ours, _ = activity(clip)
    at = np.minimum((np.arange(ours.size) * HOP + FRAME // 2) // 512, len(theirs) - 1)
    assert np.mean(ours == (np.array(theirs)[at] > 0.5)) > 0.9


@pytest.mark.parametrize("clip", [noise(), tone(440), Clip(np.zeros(32_000, np.float32), SECOND)], ids=str)
def test_noise_tones_and_silence_are_no_speech(clip: Clip) -> None:
    flags, snr = activity(clip)
    assert not flags.any() and np.isnan(snr)


@pytest.mark.data
@pytest.mark.parametrize("snr", [0, 5, 10, 20, 30])
def test_the_snr_of_known_mixtures_is_found_within_3_db(data: Path, snr: int) -> None:
    errors = []
    for k, clip in enumerate(spoken(data, 6)):
        quiet, _ = with_pauses([clip], 0.4)
        over = np.repeat(activity(quiet)[0], HOP)
        over = np.pad(over, (0, quiet.samples.size - over.size))
        errors.append(activity(noisy(quiet, snr, over, seed=k))[1] - snr)
    assert np.abs(np.median(errors)) < 2
    assert np.sort(np.abs(errors))[-2] < 3  # in one of six recordings the pauses may hide


@pytest.mark.data
def test_without_pauses_the_snr_still_falls_with_the_noise(data: Path) -> None:
    clip = spoken(data, 1)[0]
    found = [activity(noisy(clip, snr, np.ones(clip.samples.size, bool)))[1] for snr in (40, 25, 15, 5)]
    assert all(a > b + 3 for a, b in pairwise(found)), found


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_the_bandwidth_is_where_a_sharp_filter_ends(rate: int, share: float) -> None:
    edge = share * rate / 2
    sos = signal.cheby2(14, 90, edge * 1.04, output="sos", fs=rate)
    x = signal.sosfilt(sos, noise(4.0, rate=rate).samples)
    found = quality(Clip(x.astype(np.float32), rate))
    assert found.bandwidth_hz == pytest.approx(edge, abs=max(200, 0.05 * edge))
    assert found.cutoff_hz == found.bandwidth_hz
    assert found.codec.startswith("spectrum cut off at")


def test_full_band_noise_has_no_cut_off_and_silence_no_band() -> None:
    full = quality(noise(4.0))
    assert full.bandwidth_hz == 8_000 and full.cutoff_hz is None and full.codec == ""
    assert quality(Clip(np.zeros(32_000, np.float32), SECOND)).bandwidth_hz == 0


@pytest.mark.parametrize(
    ("condition", "like"), [("telephone@g711a", "telephone"), ("mp3@8", "MP3 at 8"), ("mp3@16", "MP3 at 16")]
)
def test_known_encoders_are_named_by_their_cut_off(condition: str, like: str) -> None:
    clip = noise(4.0)  # fills the band, so that the cut-off is the encoder's and not the speaker's
    assert quality(clip).codec == ""
    assert like in quality(corrupt(clip, condition)).cutoff_like


def test_bands_emptied_by_mp3_are_found_and_nothing_else_leaves_them() -> None:
    clip = voice(6.0, seed=4)
    before = quality(clip).hole_share
    assert before < 0.001
    assert quality(corrupt(clip, "mp3@24")).hole_share > 5 * max(before, 0.001)
    for condition in ("gaussian_noise@20", "reverb@0.5", "opus@16", "telephone@g722"):
        assert quality(corrupt(clip, condition)).hole_share < 0.003, condition
    levels = np.full((10, 80), -30.0)
    levels[4, 40] = -60.0
    assert count_holes(levels) == (1, 10 * 56)


@pytest.mark.parametrize("level", [0.7, 0.4, 0.2])
def test_the_share_of_clipped_samples_is_counted(level: float) -> None:
    x = voice(6.0).samples
    top = np.abs(x).max() * level
    clipped = np.clip(x, -top, top)
    true = np.mean(np.abs(x) >= top)
    assert quality(Clip(clipped, SECOND)).clipping_share == pytest.approx(true, rel=0.1)
    assert quality(Clip(x, SECOND)).clipping_share == 0
    one_side = np.stack(
        [clipped, 0.1 * x], axis=1
    )  # one channel clips: half of the samples are looked at in vain
    assert quality(Clip(x, SECOND), one_side).clipping_share == pytest.approx(true / 2, rel=0.1)


def test_a_plateau_below_the_peak_is_no_clipping() -> None:
    x = np.concatenate([np.linspace(0, 1, 400), np.linspace(1, 0.95, 20)[1:], np.full(4_000, 0.95)]).astype(
        np.float32
    )
    assert flat_tops(x[:, None])[1] == 0
    assert flat_tops(np.minimum(x, 0.95)[:, None])[1] >= 4_000


def test_a_quiet_block_before_a_clipped_one_does_not_count_as_clipped() -> None:
    square = np.sign(tone(100, 1.0).samples).astype(np.float32)[:, None]
    loud, soft = flat_tops(square), flat_tops(0.1 * square)
    meter = QualityMeter(SECOND)
    for block in (0.1 * square, square):
        meter.raw(block, block[:, 0])
        meter.heard(block[:, 0])
    assert loud[1] > 15_900 and soft[1] > 15_900
    assert meter.quality()[0].clipping_share == pytest.approx(0.5, abs=0.01)


def test_speech_is_counted_between_two_positions() -> None:
    flags = np.zeros(200, bool)
    flags[50:100] = True  # from 1 s to 2 s
    assert spoken_in(flags, 0, 4 * SECOND) == pytest.approx(1.0)
    assert spoken_in(flags, int(1.5 * SECOND), 4 * SECOND) == pytest.approx(0.5, abs=0.03)
    assert spoken_in(flags, int(2.5 * SECOND), 4 * SECOND) == 0
