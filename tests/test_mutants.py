"""The contract tests can fail: corruptions broken on purpose, and the check that must turn red for each.

Every mutant is one of the registered corruptions with one fault of the kind that published code has. A check that
passes a mutant is itself at fault.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

import contract
from contract import Check
from spoofproof import registry
from spoofproof.audio import fit, resample
from spoofproof.types import Clip, CorruptionSpec, Rng

Run = Callable[[Clip, float, Rng], Clip]
good = {name: registry.corruptions[name].run for name in registry.corruptions.names()}
_hidden = np.random.Generator(np.random.PCG64(0))
_seen: list[float] = []


def one_db_off(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["gaussian_noise"](clip, level - 1, rng)


def one_db_off_background(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["background_noise"](clip, level + 1, rng)


def noise_not_seeded(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["gaussian_noise"](clip, level, _hidden)


def same_noise_for_all(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["background_noise"](clip, level, np.random.Generator(np.random.PCG64(1)))


def noise_by_level(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["gaussian_noise"](clip, level, np.random.Generator(np.random.PCG64(int(level))))


def scaled_on_average_only(clip: Clip, level: float, rng: Rng) -> Clip:
    x = clip.samples.astype(np.float64)
    return clip.replace(x + rng.standard_normal(x.size) * np.sqrt(np.mean(x**2)) * 10 ** (-level / 20))


def echo_before_the_sound(clip: Clip, level: float, rng: Rng) -> Clip:
    backwards = Clip(clip.samples[::-1].copy(), clip.rate)
    return clip.replace(good["echo"](backwards, level, rng).samples[::-1])


def echo_at_50_ms(clip: Clip, level: float, rng: Rng) -> Clip:
    x = clip.samples.astype(np.float64)
    delay = round(0.05 * clip.rate)
    x[delay:] += level * clip.samples[:-delay] if x.size > delay else 0
    return clip.replace(x)


def window_not_scaled_with_rate(clip: Clip, level: float, rng: Rng) -> Clip:
    return clip.replace(good["smooth"](Clip(clip.samples, 16_000), level, rng).samples)


def shifted_with_silent_tail(clip: Clip, level: float, rng: Rng) -> Clip:
    early = good["smooth"](clip, level, rng).samples[int(0.06 * clip.rate) :]
    return clip.replace(fit(early, clip.samples.size))


def cutoff_too_low(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["low_pass"](clip, 0.9 * level, rng)


def stretched_to_the_old_length(clip: Clip, level: float, rng: Rng) -> Clip:
    return clip.replace(fit(good["time_stretch"](clip, level, rng).samples, clip.samples.size))


def stretched_with_a_silent_end(clip: Clip, level: float, rng: Rng) -> Clip:
    out = good["time_stretch"](clip, level, rng).samples.copy()
    out[int(0.9 * out.size) :] = 0
    return clip.replace(out)


def stretched_the_other_way(clip: Clip, level: float, rng: Rng) -> Clip:
    out = good["time_stretch"](clip, 1 / level, rng).samples
    return clip.replace(np.resize(out, max(1, round(clip.samples.size / level))))


def stretched_by_resampling(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["speed_resample"](clip, level, rng)


def half_the_semitones(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["pitch_shift"](clip, level / 2, rng)


def zero_by_zero_on_silence(clip: Clip, level: float, rng: Rng) -> Clip:
    x = clip.samples.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = (x - x.min()) / np.ptp(x)
    return clip.replace(np.round(unit * (level - 1)) / (level - 1) * np.ptp(x) + x.min())


def bits_taken_for_levels(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["quantization"](clip, 2 * level, rng)


def clipped_in_place(clip: Clip, level: float, rng: Rng) -> Clip:
    clip.samples[:] = good["clipping"](clip, level, rng).samples
    return Clip(clip.samples.copy(), clip.rate)


def the_input_itself(clip: Clip, level: float, rng: Rng) -> Clip:
    return clip


def renormalised(clip: Clip, level: float, rng: Rng) -> Clip:
    return clip.replace(good["clipping"](clip, level, rng).samples / np.float32(level))


def clean_because_it_failed(clip: Clip, level: float, rng: Rng) -> Clip:
    return clip.replace(clip.samples.copy())


def codec_delay_kept(clip: Clip, level: float, rng: Rng) -> Clip:
    out = good["mp3"](clip, level, rng).samples
    return clip.replace(fit(np.concatenate([np.zeros(1105, dtype=np.float32), out]), out.size))


def vocoder_delay_kept(clip: Clip, level: float, rng: Rng) -> Clip:
    out = good["parametric_codec"](clip, level, rng).samples
    late = np.zeros(round(0.02 * clip.rate), dtype=np.float32)
    return clip.replace(fit(np.concatenate([late, out]), out.size))


def opus_pre_skip_kept(clip: Clip, level: float, rng: Rng) -> Clip:
    out = good["opus"](clip, level, rng).samples
    late = np.zeros(round(0.0065 * clip.rate), dtype=np.float32)
    return clip.replace(fit(np.concatenate([late, out]), out.size))


def rate_mislabelled(clip: Clip, level: float, rng: Rng) -> Clip:
    """16 kHz handed over as 24: two thirds of the length, half as fast again (what the paper's EnCodec does)."""
    fast = resample(Clip(clip.samples, clip.rate * 3 // 2), clip.rate)
    return good["opus"](fast, level, rng)


def rate_mislabelled_and_padded(clip: Clip, level: float, rng: Rng) -> Clip:
    fast = rate_mislabelled(clip, level, rng)
    return clip.replace(np.resize(fast.samples, clip.samples.size))


def rate_changed(clip: Clip, level: float, rng: Rng) -> Clip:
    return resample(good["resample"](clip, level, rng), 8_000)


def one_sample_short(clip: Clip, level: float, rng: Rng) -> Clip:
    return clip.replace(good["mp3"](clip, level, rng).samples[: max(1, clip.samples.size - 1)])


def level_ignored(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["mp3"](clip, 24.0, rng)


def order_reversed(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["packet_loss"](clip, 32 - level, rng)


def remembers_the_last_clip(clip: Clip, level: float, rng: Rng) -> Clip:
    _seen.append(float(clip.samples[0]))
    out = good["opus"](clip, level, rng).samples
    return clip.replace(out * np.float32(1 - 1e-3 * (len(_seen) % 7)))


def comfort_noise_in_silence(clip: Clip, level: float, rng: Rng) -> Clip:
    out = good["telephone"](clip, level, rng).samples
    return clip.replace(out + 0.01 * rng.standard_normal(out.size, dtype=np.float32))


def room_twice_as_live(clip: Clip, level: float, rng: Rng) -> Clip:
    return good["reverb"](clip, 1.5 * level, rng)


def room_without_direct_sound(clip: Clip, level: float, rng: Rng) -> Clip:
    late = round(0.03 * clip.rate)
    out = good["reverb"](clip, level, rng).samples
    return clip.replace(fit(np.concatenate([np.zeros(late, dtype=np.float32), out]), out.size))


def identity_with_a_gain(clip: Clip, level: float, rng: Rng) -> Clip:
    return clip.replace(clip.samples * np.float32(0.999))


def any_share_of_the_peak(clip: Clip, level: float, rng: Rng) -> Clip:
    ceiling = abs(level) * np.abs(clip.samples).max()
    return clip.replace(np.clip(clip.samples, -ceiling, ceiling))


def ratio_of_any_size(clip: Clip, level: float, rng: Rng) -> Clip:
    scale = np.sqrt(np.mean(clip.samples**2)) * 10 ** (-level / 20)
    return clip.replace(clip.samples + scale * rng.standard_normal(clip.samples.size))


MUTANTS: list[tuple[str, Run, Check]] = [
    # the six that the project asks for
    ("gaussian_noise", one_db_off, contract.check_level),
    ("echo", echo_before_the_sound, contract.check_nothing_before_the_sound),
    ("mp3", codec_delay_kept, contract.check_no_delay),
    ("opus", rate_mislabelled, contract.check_rate_and_length),
    ("gaussian_noise", noise_not_seeded, contract.check_deterministic),
    ("telephone", clean_because_it_failed, contract.check_not_clean),
    # and more
    ("background_noise", one_db_off_background, contract.check_level),
    ("background_noise", same_noise_for_all, contract.check_deterministic),
    ("gaussian_noise", noise_by_level, contract.check_severities_share_their_draw),
    ("gaussian_noise", scaled_on_average_only, contract.check_level),
    ("echo", echo_before_the_sound, contract.check_level),
    ("echo", echo_at_50_ms, contract.check_level),
    ("smooth", window_not_scaled_with_rate, contract.check_level_at_every_rate),
    ("smooth", shifted_with_silent_tail, contract.check_ends),
    ("smooth", shifted_with_silent_tail, contract.check_no_delay),
    ("low_pass", cutoff_too_low, contract.check_level),
    ("time_stretch", stretched_to_the_old_length, contract.check_rate_and_length),
    ("time_stretch", stretched_to_the_old_length, contract.check_window_is_filled),
    ("time_stretch", stretched_with_a_silent_end, contract.check_ends),
    ("time_stretch", stretched_the_other_way, contract.check_level),
    ("time_stretch", stretched_the_other_way, contract.check_tempo_and_pitch_kept),
    ("time_stretch", stretched_by_resampling, contract.check_tone_kept),
    ("pitch_shift", half_the_semitones, contract.check_level),
    ("quantization", zero_by_zero_on_silence, contract.check_silence),
    ("quantization", zero_by_zero_on_silence, contract.check_short),
    ("quantization", bits_taken_for_levels, contract.check_level),
    ("clipping", clipped_in_place, contract.check_input_untouched),
    ("identity", the_input_itself, contract.check_input_untouched),
    ("clipping", renormalised, contract.check_level),
    ("parametric_codec", vocoder_delay_kept, contract.check_no_delay),
    ("opus", opus_pre_skip_kept, contract.check_no_delay),
    ("opus", rate_mislabelled_and_padded, contract.check_tempo_and_pitch_kept),
    ("opus", rate_mislabelled_and_padded, contract.check_tone_kept),
    ("resample", rate_changed, contract.check_rate_and_length),
    ("mp3", one_sample_short, contract.check_rate_and_length),
    ("mp3", level_ignored, contract.check_monotone),
    ("packet_loss", order_reversed, contract.check_monotone),
    ("packet_loss", order_reversed, contract.check_level),
    ("opus", remembers_the_last_clip, contract.check_deterministic),
    ("telephone", comfort_noise_in_silence, contract.check_silence),
    ("reverb", room_twice_as_live, contract.check_level),
    ("reverb", room_without_direct_sound, contract.check_no_delay),
    ("clipping", any_share_of_the_peak, contract.check_refuses),
    ("gaussian_noise", ratio_of_any_size, contract.check_refuses),
    ("identity", identity_with_a_gain, contract.check_not_clean),
]


def broken(name: str, run: Run) -> CorruptionSpec:
    return dataclasses.replace(registry.corruptions[name], run=run)


@pytest.mark.parametrize(
    ("name", "run", "check"),
    [pytest.param(*mutant, id=f"{mutant[1].__name__}-{mutant[2].__name__}") for mutant in MUTANTS],
)
def test_the_check_turns_red(name: str, run: Run, check: Check) -> None:
    with pytest.raises(AssertionError):
        check(broken(name, run))


def test_every_check_has_a_mutant() -> None:
    """No check of the contract is unproven; check_described is about words, the others below have theirs here."""
    proven = {check for _, _, check in MUTANTS}
    assert set(contract.CHECKS) - proven <= {
        contract.check_described,
        contract.check_hot,
        contract.check_rates,
    }
    spec = registry.corruptions["mp3"]
    with pytest.raises(AssertionError):
        contract.check_described(dataclasses.replace(spec, origin=""))
    with pytest.raises(AssertionError):
        contract.check_described(dataclasses.replace(spec, levels=(8.0, 8.0)))
    with pytest.raises(AssertionError):
        contract.check_hot(broken("clipping", lambda clip, level, rng: clip.replace(clip.samples * 20)))
    with pytest.raises(AssertionError):
        contract.check_rates(
            broken("mp3", lambda clip, level, rng: clip.replace(clip.samples * (clip.rate < 48_000)))
        )
    with pytest.raises(AssertionError):
        contract.check_long(
            broken("mp3", lambda c, level, rng: c.replace(fit(c.samples[:640_000], c.samples.size))), 60
        )
