"""What training does to audio, by physics: RawBoost, low-pass, noise; what is drawn how often; files that are shared."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from signals import noise, tone, voice
from spoofproof.audio import save_audio
from spoofproof.detectors.prepare import level, prepare, trim
from spoofproof.errors import BadAudio, SpoofproofError
from spoofproof.streams import stream
from spoofproof.train import rawboost, waves, workers
from spoofproof.train.batches import Deck, batches, chances, mixed, twins_of
from spoofproof.train.curves import svg
from spoofproof.train.data import Example
from spoofproof.train.live import enliven, low_pass
from spoofproof.train.recipe import Live, Recipe, Sampling
from spoofproof.types import Trial

TEXT = """
detector = "lfcc-lcnn"
summary = "a test"
seed = 3
[augment]
copies = 3
chain = 2
conditions = ["mp3@24", "gaussian_noise@20", "low_pass@0.3"]
copy_synthesis = ["lpc"]
[live]
clean = 0.5
[sampling]
paired = 0.5
[optimiser]
batch = 8
crop = [0.6, 1.4]
[select]
conditions = ["mp3@16"]
"""


def recipe() -> Recipe:
    return Recipe.parse(TEXT, name="r")


def power(x: np.ndarray) -> float:
    return float(np.square(x, dtype=np.float64).mean())


def rng(key: str = "") -> np.random.Generator:
    return stream(1, "test", key)


# RawBoost


@pytest.mark.parametrize("kind", sorted(rawboost.KINDS))
def test_rawboost_keeps_length_level_and_the_input_and_lets_silence_be(kind: str) -> None:
    x = voice(1.0).samples
    before = x.copy()
    out = rawboost.KINDS[kind](x, rng())
    assert out.shape == x.shape and out.dtype == np.float32
    assert power(out) == pytest.approx(power(x), rel=1e-3)
    assert np.array_equal(x, before)
    assert not np.array_equal(out, x)
    assert np.array_equal(out, rawboost.KINDS[kind](x, rng()))
    silent = rawboost.KINDS[kind](np.zeros(4000, dtype=np.float32), rng())
    assert np.array_equal(silent, np.zeros(4000))


def test_notches_stop_their_bands_and_pass_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rawboost, "NOTCHES", 1)
    monkeypatch.setattr(rawboost, "CENTRES", (3000.0, 3000.0))
    monkeypatch.setattr(rawboost, "WIDTHS", (1000.0, 1000.0))
    monkeypatch.setattr(rawboost, "TAPS", (100, 100))
    taps = rawboost.notches(rng())
    assert taps.size == 101
    assert np.allclose(taps, taps[::-1], atol=1e-9)

    def gain(hz: float) -> float:
        x = tone(hz, 1.0).samples.astype(np.float64)
        return power(rawboost.filtered(x, taps)[2000:-2000]) / power(x[2000:-2000])

    assert 10 * np.log10(gain(3000)) < -30
    for hz in (500, 1500, 4500, 7000):
        assert 10 * np.log10(gain(hz)) == pytest.approx(0, abs=0.3)


def test_filters_have_no_delay() -> None:
    x = np.zeros(2000)
    x[1000] = 1.0
    assert np.argmax(np.abs(rawboost.filtered(x, rawboost.notches(rng())))) == 1000


def test_convolutive_noise_makes_harmonics_and_nothing_else() -> None:
    spectrum = np.abs(np.fft.rfft(rawboost.convolutive(tone(1000, 1.0).samples, rng("a"))))
    harmonics = [k * 1000 for k in range(1, 6)]  # one hertz a bin; powers up to the fifth
    rest = np.delete(spectrum, [h + d for h in harmonics for d in range(-60, 61)])
    assert max(spectrum[2000], spectrum[3000], spectrum[4000], spectrum[5000]) > 100 * np.median(rest)


def test_impulses_hit_a_tenth_at_most_and_grow_with_the_sample() -> None:
    x = voice(1.0).samples
    shares = []
    for i in range(30):
        out = rawboost.impulsive(x, rng(str(i)))
        ratio = out[np.abs(x) > 1e-3] / x[np.abs(x) > 1e-3]
        scale = np.median(ratio)  # the level was set again
        shares.append(np.mean(np.abs(ratio / scale - 1) > 1e-3))
        assert np.abs(ratio / scale - 1).max() <= rawboost.IMPULSE + 1e-3
    assert max(shares) <= rawboost.SHARE + 0.005
    assert 0.03 < np.mean(shares) < 0.07  # uniform up to a tenth


def test_stationary_noise_lies_10_to_40_db_below() -> None:
    x = voice(1.0).samples.astype(np.float64)
    found = []
    for i in range(60):
        out = rawboost.stationary(x.astype(np.float32), rng(str(i))).astype(np.float64)
        gain = (out @ x) / (x @ x)
        found.append(10 * np.log10(power(gain * x) / power(out - gain * x)))
    assert min(found) > 9.5 and max(found) < 40.5
    assert min(found) < 16 and max(found) > 34


def test_added_noise_has_the_ratio_that_was_asked_for() -> None:
    x, n = voice(1.0).samples, rng().standard_normal(16000)
    added = rawboost.add_noise(x, n, 17.0) - x
    assert 10 * np.log10(power(x) / power(added)) == pytest.approx(17.0, abs=1e-4)


# what is done live


def test_low_pass_leaves_what_is_below_and_nothing_above() -> None:
    x = noise(2.0).samples
    out = np.abs(np.fft.rfft(low_pass(x, 5000.0, 200.0)))
    before = np.abs(np.fft.rfft(x))
    hertz = np.arange(out.size) * 16000 / x.size
    assert np.allclose(out[hertz < 4790], before[hertz < 4790], rtol=1e-3, atol=1e-3)
    assert out[hertz > 5001].max() < 1e-3 * before.max()


def test_live_does_nothing_by_default_and_what_it_is_told_otherwise() -> None:
    x = voice(1.0).samples
    assert np.allclose(enliven(x, Live(), rng()), x)
    levelled = enliven(x + np.float32(0.1), Live(level=True), rng())
    assert power(levelled) == pytest.approx(0.05**2, rel=1e-4)
    assert abs(levelled.mean()) < 1e-6
    loud = [power(enliven(x, Live(gain=6.0), rng(str(i)))) / power(x) for i in range(50)]
    assert min(loud) > 10**-0.6 and max(loud) < 10**0.6 and max(loud) > 2 and min(loud) < 0.5
    cut = [enliven(x, Live(bandwidth=0.5, lowest=3400), rng(str(i))) for i in range(60)]
    touched = np.mean([not np.allclose(c, x, atol=1e-6) for c in cut])
    assert 0.3 < touched < 0.7
    noisy = [
        10 * np.log10(power(x) / power(enliven(x, Live(noise=1.0, snr=(10, 20)), rng(str(i))) - x))
        for i in range(20)
    ]
    assert min(noisy) > 9.9 and max(noisy) < 20.1


# what is drawn


def trial(name: str, source: str, label: str, attack: str = "") -> Trial:
    return Trial(name, Path("x"), label, source=source, attack=attack)  # type: ignore[arg-type]


def test_chances_follow_label_kind_and_group() -> None:
    real = [Example(trial(f"a{i}", "a", "bonafide")) for i in range(16)]
    real += [Example(trial(f"b{i}", "b", "bonafide")) for i in range(4)]
    made = [Example(trial(f"m{i}", "a", "spoof", "g1")) for i in range(9)] + [
        Example(trial("m9", "a", "spoof", "g2"))
    ]
    twins = [Example(real[i].trial, "lpc") for i in range(7)]
    every = [*real, *made, *twins]
    odds = chances(every, Sampling(spoof=0.6, copied=0.25, power=0.5))
    assert odds.sum() == pytest.approx(1)
    assert odds[:20].sum() == pytest.approx(0.4)
    assert odds[20:30].sum() == pytest.approx(0.45)
    assert odds[30:].sum() == pytest.approx(0.15)
    assert odds[:16].sum() / odds[16:20].sum() == pytest.approx(2.0)
    assert odds[20:29].sum() / odds[29] == pytest.approx(3.0)
    alike = chances(every, Sampling(power=1.0))
    assert np.allclose(alike[:20], alike[0])
    groups = chances(every, Sampling(power=0.0))
    assert groups[:16].sum() == pytest.approx(groups[16:20].sum())
    only = chances([*real, *made], Sampling(spoof=0.5, copied=0.9))
    assert only[20:].sum() == pytest.approx(0.5)
    assert twins_of(every) == {i: [30 + i] for i in range(7)}


def test_mixup_mixes_waves_and_labels_by_the_same_share() -> None:
    wave = np.eye(6, dtype=np.float32)
    target = np.array([1, 0, 1, 0, 1, 0], dtype=np.float32)
    mixed_wave, mixed_target = mixed(wave, target, 0.5, rng())
    assert np.allclose(mixed_wave.sum(axis=1), 1)
    assert np.allclose(mixed_wave @ target, mixed_target, atol=1e-6)
    assert not np.array_equal(mixed_wave, wave)


# files


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    root = tmp_path_factory.mktemp("clips")
    found = []
    for i in range(6):
        clip = voice(0.5 + 0.3 * i, seed=i)
        save_audio(clip, root / f"{i}.wav")
        label = "spoof" if i % 2 else "bonafide"
        found.append(Trial(str(i), root / f"{i}.wav", label, source=f"s{i % 3}"))  # type: ignore[arg-type]
    return [Example(t) for t in found] + [Example(t, "lpc") for t in found if t.label == "bonafide"]


def rendered(examples: list[Example], folder: Path, settings: Recipe | None = None) -> waves.Waves:
    settings = settings or recipe()
    return waves.rendered(
        examples, settings, waves.training_renderings, folder, lambda *update: None, "renderings"
    )


def test_a_rendering_is_what_a_detector_would_hear(examples: list[Example], tmp_path: Path) -> None:
    store = rendered(examples, tmp_path)
    from spoofproof.audio import open_audio

    heard = prepare(open_audio(examples[5].trial.path)).samples
    mine = store.cut(5, 0, heard.size)
    assert np.abs(mine - heard).max() <= np.abs(heard).max() / 32767
    long = store.cut(4, 0, 8000, place=1.0)
    whole = level(trim(open_audio(examples[4].trial.path))).samples
    assert np.abs(long - whole[-8000:]).max() <= np.abs(whole).max() / 32767
    assert store.length(4, 0) == whole.size
    for copy in (1, 2):  # loudness and silence are equal after a condition, too
        corrupted = store.cut(4, copy, store.length(4, copy))
        assert power(corrupted) == pytest.approx(0.05**2, rel=1e-3)
    assert store.cut(0, 0, 3 * store.length(0, 0), place=0.7).size == 3 * store.length(0, 0)


def test_a_twin_goes_through_the_conditions_of_its_clip(examples: list[Example]) -> None:
    settings = recipe()
    own, twin = examples[0], examples[6]
    assert twin.trial is own.trial
    mine, its = (waves.training_renderings(e, settings) for e in (own, twin))
    assert [r.condition for r in mine] == [r.condition for r in its]
    assert mine[0].condition == "clean"
    many = replace(settings, augment=replace(settings.augment, copies=40))
    drawn = Counter(r.condition for r in waves.training_renderings(own, many)[1:])
    assert len(drawn) == 6  # three alone, three pairs in the recipe's order
    assert all(len(c.split("+")) <= 2 for c in drawn)


def test_any_number_of_workers_gives_the_same_files_and_the_store_is_shared(
    examples: list[Example], tmp_path: Path
) -> None:
    one = rendered(examples, tmp_path / "one")
    settings = recipe()
    two = rendered(examples, tmp_path / "two", replace(settings, run=replace(settings.run, workers=2)))
    for a, b in zip(one.files, two.files, strict=True):
        assert [p.name for p in a] == [p.name for p in b]
        assert [p.read_bytes() for p in a] == [p.read_bytes() for p in b]
    assert not list(tmp_path.rglob("*.part"))
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "one").rglob("*.wave")}
    victim = one.files[2][1]
    victim.unlink()
    rendered(examples, tmp_path / "one")
    again = {p: p.stat().st_mtime_ns for p in (tmp_path / "one").rglob("*.wave")}
    assert [p for p in times if times[p] != again[p]] == [victim]
    other = rendered(examples, tmp_path / "one", replace(settings, seed=4))
    assert other.files[6][0] != one.files[6][0]  # its vocoder draws from the seed


def test_a_file_that_changed_is_rendered_anew(examples: list[Example], tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    example = Example(Trial("c", path, "bonafide"))
    save_audio(voice(1.0, seed=1), path)
    first = rendered([example], tmp_path / "w").files
    waves.content.cache_clear()
    save_audio(voice(1.0, seed=2), path)
    assert rendered([example], tmp_path / "w").files[0][0] != first[0][0]


def test_a_file_that_cannot_be_read_says_so_from_a_worker(examples: list[Example], tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    settings = replace(recipe(), run=replace(recipe().run, workers=2))
    with pytest.raises(BadAudio, match=r"cannot read .*broken\.wav"):
        rendered([Example(Trial("b", broken, "bonafide")), *examples[:2]], tmp_path / "w", settings)


def dies(job: int) -> None:
    import os

    os._exit(9)


def test_a_worker_that_dies_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpoofproofError, match="a worker process died"):
        workers.do(dies, [1, 2], 2, lambda n: None, tmp_path)


# batches


def test_a_batch_depends_on_the_step_alone_and_pairs_differ_in_the_synthesis_alone(
    examples: list[Example], tmp_path: Path
) -> None:
    settings = recipe()
    deck = Deck.of(examples, rendered(examples, tmp_path), settings)
    one, two = list(batches(deck, 0, 6, 1)), list(batches(deck, 2, 6, 3))
    for a, b in zip(one[2:], two, strict=True):
        assert np.array_equal(a.wave, b.wave) and np.array_equal(a.bonafide, b.bonafide)
    assert not np.array_equal(one[0].wave[:, :9600], one[1].wave[:, :9600])
    lengths = {b.wave.shape[1] for b in one}
    assert len(lengths) > 2 and min(lengths) >= 9600 and max(lengths) <= 22400
    for batch in one:
        assert batch.wave.shape[0] == 8 and batch.wave.dtype == np.float32
        assert batch.pairs.tolist() == [[0, 1], [2, 3]]
        assert batch.bonafide[batch.pairs].tolist() == [[1, 0], [1, 0]]
    # envelopes of a clip and of its twin agree: they were cut at the same place, under the same condition
    rows = [(b.wave[i], b.wave[j]) for b in one for i, j in b.pairs]
    twins = {i for i, e in enumerate(examples) if e.maker}
    plain = replace(settings, live=replace(settings.live, clean=1.0))
    first = Deck.of(examples, deck.waves, plain).batch(0).wave
    assert any(held(first[0], deck.waves, i) for i in set(range(len(examples))) - twins)
    assert any(held(first[1], deck.waves, i) for i in twins)
    alike = [
        np.corrcoef(*(np.abs(w[:9600]).reshape(60, 160).mean(axis=1) for w in pair))[0, 1] for pair in rows
    ]
    assert np.median(alike) > 0.6


def held(crop: np.ndarray, store: waves.Waves, example: int) -> bool:
    """Whether a crop is a stretch of the example as it is (or of the example repeated)."""
    whole = np.tile(store.cut(example, 0, store.length(example, 0)), 4)
    found = np.lib.stride_tricks.sliding_window_view(whole, 400)
    return bool((np.abs(found - crop[:400]).max(axis=1) < 1e-6).any())


def test_curves_are_a_picture(tmp_path: Path) -> None:
    text = svg(
        {
            "loss": {"train": [(1, 0.7), (2, 0.5)]},
            "dev AUROC": {"clean <made>": [(1, 0.5), (2, float("nan"))]},
        },
        "t",
    )
    root = ElementTree.fromstring(text)
    lines = [e for e in root.iter() if e.tag.endswith("polyline")]
    points = [[tuple(map(float, p.split(","))) for p in e.get("points", "").split()] for e in lines]
    assert [len(p) for p in points] == [2, 1]
    assert points[0][0][1] < points[0][1][1]  # a smaller loss lies lower on the page
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
