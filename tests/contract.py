"""What every corruption promises, as functions that raise AssertionError when it does not keep it.

``CHECKS`` are run over the whole registry by test_corruptions_contract.py, and over corruptions that are broken on
purpose by test_mutants.py, which shows that they can fail. A corruption of your own can be checked the same way:
``for check in CHECKS: check(spec)``.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable

import numpy as np

from signals import noise, tone, voice
from spoofproof.corruptions import measure
from spoofproof.errors import BadAudio, BadPlan
from spoofproof.streams import stream
from spoofproof.types import Clip, CorruptionSpec

RATES = (8_000, 16_000, 24_000, 48_000)
SECONDS = 4.0
# all others draw nothing, or need not
RANDOM = ("gaussian_noise", "background_noise", "reverb", "packet_loss", "parametric_codec")
REBUILT = (
    "pitch_shift",
    "parametric_codec",
    "neural_codec",
)  # the waveform is made anew: only its envelope can be on time
FILTERS = ("high_pass", "low_pass", "telephone", "resample")  # may leave nothing of a narrow band


def levels(spec: CorruptionSpec) -> tuple[float, ...]:
    """The published levels, (0,) where there is none."""
    return spec.levels or (0.0,)


def is_random(spec: CorruptionSpec) -> bool:
    return spec.name.partition(".")[0] in RANDOM


def run(spec: CorruptionSpec, clip: Clip, level: float, key: str = "trial") -> Clip:
    """As the bench runs it; unusable audio is a broken promise, not an error of the test."""
    try:
        out = spec.run(clip, level, stream(2025, key, spec.name))
    except BadAudio as error:
        raise AssertionError(f"{spec.name}@{level:g} made unusable audio: {error}") from error
    assert isinstance(out, Clip), f"{spec.name} returned {type(out).__name__}"
    return out


@functools.lru_cache(maxsize=4)
def probe(kind: str) -> Clip:
    """The signals that the checks share: a low "voice", a high one ("voice 2"), white "noise"."""
    if kind == "voice 2":
        return voice(SECONDS, f0=210.0, seed=2)
    return {"voice": voice, "noise": noise}[kind](SECONDS)


@functools.lru_cache(maxsize=40)
def outcome(spec: CorruptionSpec, kind: str, level: float) -> Clip:
    return run(spec, probe(kind), level)


def consumed(spec: CorruptionSpec, level: float) -> float:
    return spec.consumes(level) if spec.consumes else 1.0


# --- the call --------------------------------------------------------------------------------------------------------


def check_described(spec: CorruptionSpec) -> None:
    """Summary, family, origin and distinct levels are there for lists, docs and reports."""
    assert spec.summary and spec.origin
    assert spec.family in {"noise", "modification", "compression", "control"}
    assert len(set(spec.levels)) == len(spec.levels)
    assert bool(spec.levels) == bool(spec.unit)
    assert not spec.level_names or len(spec.level_names) == len(spec.levels)
    for level in spec.levels:
        assert spec.parse_level(spec.show_level(level)) == level


def check_refuses(spec: CorruptionSpec) -> None:
    """A level from another world is said to be one, before anything is heard: no clean audio, and no other error."""
    if not spec.levels or spec.level_names:
        return
    for level in (-1e6, 1e9):
        try:
            spec.run(Clip(probe("voice").samples[:8_000], 16_000), level, stream(2025, "trial", spec.name))
        except BadPlan as error:
            assert "\n" not in str(error) and len(str(error)) > 20
        except Exception as error:
            raise AssertionError(f"{spec.name}@{level:g} ends in {type(error).__name__}: {error}") from error
        else:
            raise AssertionError(f"{spec.name}@{level:g} is taken for a level")


def check_deterministic(spec: CorruptionSpec) -> None:
    """The same stream gives the same bytes, whatever ran in between; another trial gets another draw, if any."""
    level = levels(spec)[-1]
    clip = Clip(probe("voice").samples[:24_000], 16_000)
    first = run(spec, clip, level)
    run(spec, probe("noise"), levels(spec)[0], key="somebody else")
    assert np.array_equal(first.samples, run(spec, clip, level).samples), f"{spec.name} is not reproducible"
    other = run(spec, clip, level, key="another trial")
    assert np.array_equal(first.samples, other.samples) != is_random(spec), (
        f"{spec.name}: another trial must {'draw anew' if is_random(spec) else 'change nothing'}"
    )


def check_input_untouched(spec: CorruptionSpec) -> None:
    """The array handed over is byte for byte the same afterwards, and may be read-only."""
    for level in levels(spec):
        clip = Clip(probe("voice").samples[:8_000].copy(), 16_000)
        before = clip.samples.tobytes()
        out = run(spec, clip, level)
        assert clip.samples.tobytes() == before, f"{spec.name}@{level:g} changed its input"
        assert not np.shares_memory(out.samples, clip.samples), f"{spec.name}@{level:g} returned its input"
        clip.samples.flags.writeable = False
        run(spec, clip, level)


def check_rate_and_length(spec: CorruptionSpec) -> None:
    """Rate kept; as many samples as before, or round(T / consumes(level)); finite. Also for an odd length."""
    for level in levels(spec):
        for clip in (probe("voice"), Clip(probe("voice").samples[:12_347], 16_000)):
            out = run(spec, clip, level)
            assert out.rate == clip.rate, f"{spec.name}@{level:g}: {clip.rate} Hz became {out.rate}"
            expected = round(clip.samples.size / consumed(spec, level))
            assert out.samples.size == expected, (
                f"{spec.name}@{level:g}: {out.samples.size} samples, not {expected}"
            )


def check_rates(spec: CorruptionSpec) -> None:
    """8, 16, 24 and 48 kHz: rate and length rules hold, and the sound neither vanishes nor explodes."""
    for rate in RATES:
        clip = voice(1.0, rate)
        for level in (levels(spec)[0], levels(spec)[-1]):
            out = run(spec, clip, level)
            assert out.rate == rate
            assert out.samples.size == round(rate / consumed(spec, level))
            change = _db(out.samples) - _db(clip.samples)
            assert -45 < change < 12, (
                f"{spec.name}@{level:g} at {rate} Hz changed the power by {change:.1f} dB"
            )


# --- odd input -------------------------------------------------------------------------------------------------------


def check_silence(spec: CorruptionSpec) -> None:
    """Digital silence stays silence (below -50 dBFS): no NaN, no noise out of nothing."""
    for level in levels(spec):
        out = run(spec, Clip(np.zeros(16_000, dtype=np.float32), 16_000), level)
        peak = float(np.abs(out.samples).max())
        assert peak < 10 ** (-50 / 20), f"{spec.name}@{level:g} made a peak of {peak:.3g} of silence"


def check_short(spec: CorruptionSpec) -> None:
    """One sample, two, and a tenth of a second survive, with the length rule (at least one sample)."""
    for level in levels(spec):
        for count in (1, 2, 1_600):
            clip = Clip(probe("voice").samples[20_000 : 20_000 + count].copy(), 16_000)
            out = run(spec, clip, level)
            assert out.samples.size == max(1, round(count / consumed(spec, level)))


def check_hot(spec: CorruptionSpec) -> None:
    """A clipped clip and one with a DC offset: finite, and no louder than 12 dB above what came in."""
    loud = np.clip(4 * probe("voice").samples[:16_000], -1, 1)
    shifted = 0.4 + 0.3 * probe("voice").samples[:16_000]
    for level in (levels(spec)[0], levels(spec)[-1]):
        for samples in (loud, shifted):
            out = run(spec, Clip(samples.astype(np.float32), 16_000), level)
            assert _db(out.samples) < _db(samples) + 12, f"{spec.name}@{level:g} explodes"


def check_long(spec: CorruptionSpec, seconds: float = 600.0) -> None:
    """Ten minutes: finite, the right length, and still sounding at the end."""
    level = levels(spec)[-1]
    clip = Clip(np.resize(probe("voice").samples, int(seconds * 16_000)), 16_000)
    out = run(spec, clip, level)
    assert out.samples.size == round(clip.samples.size / consumed(spec, level))
    ends = [_db(out.samples[:80_000]), _db(out.samples[-80_000:])]
    assert abs(ends[1] - ends[0]) < 6, f"{spec.name}@{level:g}: {ends} dB at the beginning and the end"


# --- the effect ------------------------------------------------------------------------------------------------------


def check_not_clean(spec: CorruptionSpec) -> None:
    """Every level of a corruption changes speech, by more than rounding does; ``identity`` changes nothing."""
    clean = probe("voice")
    for level in levels(spec):
        out = outcome(spec, "voice", level)
        if spec.name == "identity":
            assert np.array_equal(out.samples, clean.samples)
        elif out.samples.size == clean.samples.size:
            changed = measure.snr_db(clean, out)
            assert changed < 90, f"{spec.name}@{level:g} returned the clip clean ({changed:.0f} dB)"


def check_level(spec: CorruptionSpec) -> None:
    """The level that is named is the level found in the output, within ``tolerance``: on noise and on a voice.

    Of a reverberated voice only that something is found: its pauses hide the decay.
    """
    if spec.measure is None:
        assert spec.family == "control", f"{spec.name} has no measure"
        return
    for level in levels(spec):
        for kind in ("noise", "voice"):
            found = spec.measure(probe(kind), outcome(spec, kind, level), level)
            assert math.isfinite(found), f"{spec.name}@{level:g} on {kind}: measured {found}"
            if spec.tolerance is not None and (kind == "noise" or spec.name != "reverb"):
                assert abs(found - level) <= spec.tolerance, (
                    f"{spec.name}@{level:g} on {kind}: found {found:g}"
                )


def check_level_at_every_rate(spec: CorruptionSpec) -> None:
    """The named level is also found in audio at 8, 24 and 48 kHz (``resample`` to above its own rate does nothing)."""
    if spec.measure is None or spec.tolerance is None:
        return
    for rate in (8_000, 24_000, 48_000):
        clip = noise(2.5, rate, seed=3)
        for level in (levels(spec)[0], levels(spec)[-1]):
            if spec.name == "resample" and 1000 * level >= rate:
                continue
            found = spec.measure(clip, run(spec, clip, level), level)
            assert abs(found - level) <= spec.tolerance, (
                f"{spec.name}@{level:g} at {rate} Hz: found {found:g}"
            )


def check_monotone(spec: CorruptionSpec) -> None:
    """Severity, in the order of the levels, is the order of distortion; of a two-sided one on either side.

    ``measure.distortion`` averaged over two voices (with 4 levels a pause may be quieter than with 16), 1 % allowed.
    Levels that the codec itself cannot tell apart may be equal. Of kinds (telephone lines) only the first and the
    last are compared.
    """
    if len(spec.levels) < 2:
        return
    found = {
        level: sum(
            measure.distortion(probe(kind), outcome(spec, kind, level)) for kind in ("voice", "voice 2")
        )
        / 2
        for level in spec.levels
    }
    neutral = 0.0 if min(spec.levels) < 0 else 1.0
    sides = [spec.levels]
    if spec.two_sided:
        sides = [
            tuple(level for level in spec.levels if (level > neutral) == above) for above in (True, False)
        ]
    if spec.level_names:
        sides = [(spec.levels[0], spec.levels[-1])]
    for side in sides:
        distances = [found[level] for level in side]
        assert all(b >= 0.99 * a for a, b in itertools.pairwise(distances)), f"{spec.name}: {found}"
        assert distances[-1] > 1.05 * distances[0] > 0, f"{spec.name}: the level changes nothing: {found}"


def check_severities_share_their_draw(spec: CorruptionSpec) -> None:
    """Noise at two levels is the same noise, scaled."""
    if spec.family != "noise":
        return
    clean = probe("voice").samples.astype(np.float64)
    mild, severe = (
        outcome(spec, "voice", level).samples - clean for level in (spec.levels[1], spec.levels[-1])
    )
    alike = float(mild @ severe / np.sqrt((mild @ mild) * (severe @ severe)))
    assert alike > 0.999, f"{spec.name}: the noise of two levels correlates by {alike:.3f} only"


# --- time ------------------------------------------------------------------------------------------------------------


def check_no_delay(spec: CorruptionSpec) -> None:
    """What was said is where it was: by the waveform to 2 samples, by the envelope to 10 ms where it is made anew.

    A causal Butterworth filter has its group delay, 3.24 / (pi level) samples for a low-pass.
    """
    for level in levels(spec):
        if spec.consumes or spec.name in REBUILT:
            lag = _envelope_lag(probe("voice"), outcome(spec, "voice", level), consumed(spec, level))
            assert abs(lag) <= 0.010, f"{spec.name}@{level:g} is {1000 * lag:.0f} ms late"
            continue
        allowed = 2 + (3.24 / (math.pi * level) if spec.name == "low_pass" else 0)
        # a voice blurs the lag of a high-pass, noise that of a moving average: a delay shows in both
        lags = [measure.delay_samples(probe(kind), outcome(spec, kind, level)) for kind in ("voice", "noise")]
        assert min(map(abs, lags)) <= allowed, f"{spec.name}@{level:g} is {lags} samples late"


def check_nothing_before_the_sound(spec: CorruptionSpec) -> None:
    """Speech that begins after a silence: more than 80 ms before it there is still silence (60 dB down)."""
    if spec.family == "noise":
        return  # noise is there all the time
    samples = np.concatenate([np.zeros(24_000, dtype=np.float32), probe("voice").samples[:24_000]])
    for level in levels(spec):
        out = run(spec, Clip(samples, 16_000), level).samples.astype(np.float64)
        onset = round(24_000 / consumed(spec, level))
        before, after = np.var(out[: onset - 1280]), np.var(out[onset:])
        assert before < 1e-5 * after, f"{spec.name}@{level:g}: sound before the sound"


def check_ends(spec: CorruptionSpec) -> None:
    """First and last 50 ms are no quieter than the rest, as far as the input is not: no silent tail, no lost ending."""
    count = 800
    for level in levels(spec):
        for kind in ("noise", "voice"):
            clean = probe(kind).samples
            outs = [outcome(spec, kind, level).samples]
            if (
                spec.name == "packet_loss"
            ):  # the last packets of a trial may really be lost: not those of every trial
                outs += [run(spec, probe(kind), level, key=f"trial {i}").samples for i in range(3)]
            for end in (slice(0, count), slice(-count, None)):
                usual = [_db(out) - _db(clean) for out in outs]
                here = [_db(out[end]) - _db(clean[end]) for out in outs]
                lost = min(a - b for a, b in zip(usual, here, strict=True))
                assert lost < 12, f"{spec.name}@{level:g} on {kind}: {lost:.0f} dB lost at an end"
            zeros = max(np.flatnonzero(out[::-1]).min(initial=out.size) for out in outs[:1])
            assert zeros < count or spec.name in {"quantization", "packet_loss"}, (
                f"{spec.name}: a silent tail"
            )


def check_tempo_and_pitch_kept(spec: CorruptionSpec) -> None:
    """The clip runs at the speed that is declared, and at the pitch that it had: no rate is mislabelled anywhere."""
    for level in (levels(spec)[0], levels(spec)[-1]):
        out = outcome(spec, "voice", level)
        tempo = measure.tempo(probe("voice"), out)
        assert abs(tempo / consumed(spec, level) - 1) < 0.03, (
            f"{spec.name}@{level:g} runs {tempo:.2f} times as fast"
        )
        if spec.consumes or spec.unit == "semitones" or spec.name in FILTERS:
            continue
        moved = measure.semitones(probe("voice"), out)
        assert abs(moved) < 0.25, f"{spec.name}@{level:g} moved the pitch by {moved:.2f} semitones"


def check_tone_kept(spec: CorruptionSpec) -> None:
    """A tone at 1 kHz stays one at 1 kHz (1 %), unless pitch is what is changed."""
    if spec.unit == "semitones" or spec.name in {"speed_resample", "high_pass"} or spec.name in REBUILT:
        return
    for level in (levels(spec)[0], levels(spec)[-1]):
        out = run(spec, tone(1000.0, 2.0), level).samples.astype(np.float64)
        spectrum = np.abs(np.fft.rfft(out * np.hanning(out.size)))
        hz = float(np.argmax(spectrum)) * 16_000 / out.size
        assert abs(hz - 1000) < 10, f"{spec.name}@{level:g} made {hz:.0f} Hz of 1000"


def check_window_is_filled(spec: CorruptionSpec) -> None:
    """From ``consumes`` and ``margin`` as much input as it asks for, the field's window comes out whole."""
    window = 64_600
    for level in levels(spec):
        need = math.ceil((window / 16_000 * consumed(spec, level) + spec.margin) * 16_000)
        clip = Clip(np.resize(probe("voice").samples, need), 16_000)
        out = run(spec, clip, level)
        assert out.samples.size >= window, f"{spec.name}@{level:g}: {out.samples.size} of {window} samples"
        if out.samples.size >= window:
            assert np.any(out.samples[window - 800 : window]), (
                f"{spec.name}@{level:g}: the window ends in silence"
            )


Check = Callable[[CorruptionSpec], None]
CHECKS: tuple[Check, ...] = (
    check_described,
    check_refuses,
    check_not_clean,
    check_level,
    check_monotone,
    check_severities_share_their_draw,
    check_no_delay,
    check_ends,
    check_tempo_and_pitch_kept,
    check_rate_and_length,
    check_nothing_before_the_sound,
    check_window_is_filled,
    check_deterministic,
    check_input_untouched,
    check_silence,
    check_short,
    check_hot,
    check_tone_kept,
    check_rates,
    check_level_at_every_rate,
)
# what is left to check of one kind of a corruption that is checked whole (background_noise.rain)
OF_A_KIND: tuple[Check, ...] = (
    check_described,
    check_refuses,
    check_not_clean,
    check_level,
    check_monotone,
    check_severities_share_their_draw,
    check_deterministic,
    check_silence,
    check_short,
)


def checks(spec: CorruptionSpec) -> tuple[Check, ...]:
    """All checks; for a kind of noise, those that can turn out otherwise than for ``background_noise``."""
    return OF_A_KIND if spec.name.startswith("background_noise.") else CHECKS


def _db(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20))


def _envelope_lag(clean: Clip, out: Clip, rate: float) -> float:
    """Seconds by which the envelope of ``out``, read at ``rate`` times its speed, is late."""
    step = clean.rate // 1000
    curves = []
    for clip in (clean, out):
        power = np.convolve(np.square(clip.samples, dtype=np.float64), np.hanning(20 * step), "same")[::step]
        curves.append(np.sqrt(power))
    one = curves[0]
    other = np.interp(np.arange(one.size) / rate, np.arange(curves[1].size), curves[1])
    one, other = one - one.mean(), other - other.mean()
    lags = np.arange(-100, 101)
    alike = [
        float(one[max(0, -k) : one.size - max(0, k)] @ other[max(0, k) : one.size + min(0, k)]) for k in lags
    ]
    return float(lags[int(np.argmax(alike))]) / 1000
