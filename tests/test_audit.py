"""The audit: confounds planted on purpose are found, clean corpora are not accused, broken files are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score

from corpus_files import touch
from signals import noise, tone
from spoofproof.audio import save_audio
from spoofproof.corpora.audit import Audit, _plain, assert_disjoint, audit, parts_disjoint
from spoofproof.corpora.audit_tables import tables
from spoofproof.corpora.confounds import confounds, connected, entropy, explained
from spoofproof.corpora.shortcuts import _cross_fitted, _fit, _folds, classifier, delong, single
from spoofproof.corpora.traits import NUMERIC, Traits, bands, silences, traits
from spoofproof.errors import BadAudio, BadCorpus, UnknownName
from spoofproof.types import Clip, Trial

Change = Callable[[np.ndarray, str, np.random.Generator], np.ndarray]
RATE = 8_000


def same(x: np.ndarray, label: str, rng: np.random.Generator) -> np.ndarray:
    return x


def corpus(folder: Path, change: Change = same, n: int = 60, ending: str = ".wav") -> list[Trial]:
    """n clips of each class: coloured noise of random length, level and silences, the same chance for both classes."""
    trials = []
    for i in range(2 * n):
        label = "bonafide" if i % 2 else "spoof"
        rng = np.random.default_rng(i)
        x = rng.standard_normal(int(RATE * np.clip(rng.normal(1.0, 0.15), 0.6, 1.4)))
        edge = [np.zeros(int(RATE * rng.uniform(0.02, 0.2))) for _ in range(2)]
        x = np.concatenate([edge[0], x * 10 ** rng.uniform(-1.6, -1.1), edge[1]])
        x = change(x + 1e-5 * rng.standard_normal(x.size), label, rng)
        path = folder / f"{i}{ending}"
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, x.astype(np.float32), RATE)
        trials.append(
            Trial(f"t{i}", path, label, f"s{i % 41}", "X" if label == "spoof" else "", attributes={})  # type: ignore[arg-type]
        )
    return trials


def shortcut(found: Audit, name: str) -> float:
    return next(row.strength for row in found.shortcuts if row.feature == name)


def flagged(found: Audit) -> set[str]:
    return {row.feature for row in found.shortcuts if row.flagged}


# ---- planted shortcuts


def test_a_clean_corpus_is_not_accused(tmp_path: Path) -> None:
    found = audit(corpus(tmp_path, n=150))
    assert flagged(found) == set()
    assert all(0.5 <= row.strength < 0.62 for row in found.shortcuts)
    assert found.classifier is not None
    assert 0.4 < found.classifier.auroc < 0.6
    assert not found.classifier.flagged
    assert not [text for text in found.warnings if "gives" in text or "trivial" in text]


def shorter(x: np.ndarray, label: str, rng: np.random.Generator) -> np.ndarray:
    return x[: -int(0.3 * RATE)] if label == "spoof" else x


def louder(x: np.ndarray, label: str, rng: np.random.Generator) -> np.ndarray:
    return x * 3 if label == "spoof" else x


def silent_start(x: np.ndarray, label: str, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([np.zeros(int(0.15 * RATE)), x[: -int(0.15 * RATE)]]) if label == "bonafide" else x


def band_limited(x: np.ndarray, label: str, rng: np.random.Generator) -> np.ndarray:
    return sosfilt(butter(10, 2_500, fs=RATE, output="sos"), x) * 1.2649 if label == "spoof" else x


def offset(x: np.ndarray, label: str, rng: np.random.Generator) -> np.ndarray:
    return x + 0.003 if label == "spoof" else x


@pytest.mark.parametrize(
    ("change", "feature", "bonafide_is"),
    [
        (shorter, "duration", "larger"),
        (louder, "loudness", "smaller"),
        (silent_start, "leading silence", "larger"),
        (band_limited, "bandwidth", "larger"),
        (offset, "DC offset", "smaller"),
    ],
)
def test_planted_shortcuts_are_found(tmp_path: Path, change: Change, feature: str, bonafide_is: str) -> None:
    found = audit(corpus(tmp_path, change))
    assert shortcut(found, feature) > 0.8
    assert feature in flagged(found)
    row = next(row for row in found.shortcuts if row.feature == feature)
    assert (row.auroc > 0.5) == (bonafide_is == "larger")
    assert found.classifier is not None
    assert found.classifier.flagged
    assert found.classifier.auroc > 0.8
    assert any(feature in text for text in found.warnings)
    assert "trivial features" in found.warnings[0]


def test_a_codec_of_one_class_is_found(tmp_path: Path) -> None:
    real = corpus(tmp_path / "wav", n=30)
    fake = corpus(tmp_path / "flac", n=30, ending=".flac")
    trials = [t for t in real if t.label == "bonafide"] + [t for t in fake if t.label == "spoof"]
    found = audit(trials)
    assert {"codec", "ending"} <= flagged(found)
    row = next(row for row in found.shortcuts if row.feature == "codec")
    assert (row.bonafide, row.spoof) == ("wav pcm_16", "flac pcm_16")


def test_a_class_in_the_middle_is_found_by_the_classifier_alone() -> None:
    """Spoofs of nearly one length between the humans': no single AUROC sees it, the squares do."""
    rng = np.random.default_rng(0)
    bonafide = np.arange(200) % 2 == 0
    seconds = np.where(bonafide, rng.normal(4, 1, 200), rng.normal(4, 0.1, 200))
    found = [
        Traits({**dict.fromkeys(NUMERIC, 1.0), "duration": float(s)}, {"codec": "x", "ending": ".wav"}, "")
        for s in seconds
    ]
    assert next(row.strength for row in single(found, bonafide) if row.feature == "duration") < 0.6
    trained = classifier(found, bonafide, {})
    assert trained is not None
    assert trained.auroc > 0.85
    assert trained.features == ("duration", "duration²")


def test_speakers_are_not_split_between_folds() -> None:
    """A speaker's own length must not help: grouped by speaker the classifier is at chance, by clips it is not."""
    rng = np.random.default_rng(1)
    speaker = np.repeat(np.arange(12), 20)
    bonafide = speaker % 2 == 0
    own = {name: rng.normal(0, 1, 12) for name in NUMERIC}
    found = [
        Traits(
            {name: float(own[name][s] + 0.05 * rng.normal()) for name in NUMERIC},
            {"codec": "x", "ending": "y"},
            "",
        )
        for s in speaker
    ]
    by_clip = classifier(found, bonafide, {})
    by_speaker = classifier(found, bonafide, {"speaker": list(speaker)})
    assert by_clip is not None
    assert by_speaker is not None
    assert (by_clip.grouped_by, by_speaker.grouped_by, by_speaker.groups) == ("", "speaker", 12)
    assert by_clip.auroc > 0.95
    assert by_speaker.auroc < 0.8


# ---- files


def test_missing_broken_and_cut_short_files_are_named(tmp_path: Path) -> None:
    trials = corpus(tmp_path, n=8)
    wav, empty, gone = trials[0].path, trials[1].path, trials[2].path
    wav.write_bytes(wav.read_bytes()[:4_000])
    empty.write_bytes(b"")
    gone.unlink()
    flac = tmp_path / "cut.flac"
    save_audio(noise(1.0), flac)
    flac.write_bytes(flac.read_bytes()[:9_000])
    trials.append(Trial("flac", flac, "spoof", attributes={}))
    seen: list[tuple[int, int]] = []
    found = audit(trials, progress=lambda done, total: seen.append((done, total)))
    assert found.missing_ids == ("t2",)
    causes = dict(found.unreadable_causes)
    assert set(causes) == {"t0", "t1", "flac"}
    assert "cut short" in causes["t0"]
    assert "0 bytes" in causes["t1"]
    assert "lost sync" in causes["flac"] or "Invalid" in causes["flac"]
    assert str(tmp_path) not in "".join(causes.values())
    assert seen == [(i, 16) for i in range(1, 17)]
    assert any("3 files cannot be read" in text for text in found.warnings)
    assert any("not measured" in text for text in found.warnings)


def test_an_mp3_cut_in_half_is_not_a_shorter_mp3(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    save_audio(noise(3.0), path)
    assert traits(path).numbers["duration"] == pytest.approx(3.0, abs=0.1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadAudio, match="cut short"):
        traits(path)


def test_the_same_sound_in_two_containers_is_a_duplicate(tmp_path: Path) -> None:
    trials = corpus(tmp_path, n=6)
    samples, _ = soundfile.read(trials[0].path, dtype="float32")
    soundfile.write(tmp_path / "copy.flac", samples, RATE)
    trials.append(replace(trials[1], id="copy", path=tmp_path / "copy.flac", part="dev"))
    found = audit(trials)
    assert found.same_sound == (("t0", "copy"),)
    assert any("as bona fide and as spoof" in text for text in found.warnings)
    assert any("in more than one part" in text for text in found.warnings)
    assert audit([*trials, trials[3]]).twice == ("t3",)


# ---- measurements of one clip


def test_silences_are_measured_in_seconds() -> None:
    x = noise(1.0).samples.copy()
    x[:4_000] = 0
    x[-1_600:] *= 1e-3
    assert silences(Clip(x, 16_000)) == pytest.approx((0.25, 0.1), abs=0.011)
    assert silences(Clip(np.zeros(800, np.float32), 16_000)) == (0.05, 0.05)


def test_bands_of_known_signals() -> None:
    assert bands(tone(1000)) == pytest.approx((1000, 1000), abs=100)
    width, rolloff = bands(noise(2.0))
    assert width == pytest.approx(8000, abs=20)
    assert rolloff == pytest.approx(0.95 * 8000, abs=80)
    limited = sosfilt(butter(20, 3_000, fs=16_000, output="sos"), noise(2.0).samples).astype(np.float32)
    assert 3_000 < bands(Clip(limited, 16_000))[0] < 4_500
    assert bands(Clip(np.zeros(100, np.float32), 16_000)) == (0.0, 0.0)
    assert bands(Clip(np.ones(1, np.float32), 16_000))[0] > 0


def test_levels_of_a_sine(tmp_path: Path) -> None:
    save_audio(tone(500, amplitude=0.5), tmp_path / "a.wav")
    numbers = traits(tmp_path / "a.wav").numbers
    assert numbers["peak"] == pytest.approx(-6.02, abs=0.02)
    assert numbers["loudness"] == pytest.approx(-9.03, abs=0.02)
    assert numbers["DC offset"] < 1e-4
    assert (numbers["sample rate"], numbers["channels"]) == (16_000, 1)


# ---- statistics against others' implementations and closed forms


def test_auroc_with_ties_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    bonafide, spoof = rng.integers(0, 5, 40).astype(float), rng.integers(1, 6, 70).astype(float)
    area, low, high = delong(bonafide, spoof)
    truth = np.r_[np.ones(40), np.zeros(70)]
    assert area == pytest.approx(roc_auc_score(truth, np.r_[bonafide, spoof]))
    assert low < area < high


def test_delong_interval_covers_the_truth() -> None:
    """Two Gaussians one standard deviation apart: AUROC Phi(1/sqrt 2) = 0.760; 95 % intervals hold it 95 % of the time."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        _, low, high = delong(rng.standard_normal(40) + 1, rng.standard_normal(60))
        held += low < 0.7602 < high
    assert 0.92 < held / 400 < 0.98


def test_delong_where_every_pair_agrees() -> None:
    area, low, high = delong(np.arange(10.0) + 100, np.arange(30.0))
    assert (area, high) == (1.0, 1.0)
    assert low == pytest.approx(0.7)


def test_ridge_logistic_regression_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((200, 4)) * [1, 10, 0.1, 5] + [0, 3, 1, -9]
    y = (x[:, 0] + 0.1 * x[:, 1] + rng.standard_normal(200)) > 0.3
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    oracle = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(z, y)
    np.testing.assert_allclose(_fit(x, y)(x), z @ oracle.coef_[0], rtol=1e-5, atol=1e-6)


def test_a_useless_rare_kind_is_not_telling() -> None:
    rng = np.random.default_rng(3)
    kinds = [str(k) for k in rng.integers(0, 30, 400)]
    bonafide = rng.random(400) < 0.3
    coded = _cross_fitted(kinds, bonafide, 0)
    assert abs(roc_auc_score(bonafide, coded) - 0.5) < 0.1


def test_folds_keep_groups_whole_and_classes_spread() -> None:
    rng = np.random.default_rng(4)
    groups = [f"g{i}" for i in rng.integers(0, 30, 300)]
    bonafide = rng.random(300) < 0.2
    folds = _folds(groups, bonafide, 0)
    assert all(len({f for f, g in zip(folds, groups, strict=True) if g == name}) == 1 for name in groups)
    counts = np.bincount(folds, weights=bonafide, minlength=5)
    assert counts.min() > 0.5 * counts.mean()


def test_explained_is_mutual_information_over_entropy() -> None:
    rng = np.random.default_rng(5)
    codes, labels = rng.integers(0, 4, 500), rng.integers(0, 2, 500)
    codes[labels == 1] = np.minimum(codes[labels == 1], 1)
    expected = normalized_mutual_info_score(
        labels, codes, average_method="min"
    )  # H(labels) is the smaller entropy
    assert entropy(np.bincount(labels) / 500) < entropy(np.bincount(codes) / 500)
    assert explained(codes, labels) == pytest.approx(expected)
    assert explained(labels, labels) == pytest.approx(1.0)


def trial(i: int, label: str, **fields: object) -> Trial:
    return replace(Trial(f"t{i}", Path(f"{i}.wav"), label, attributes={}), **fields)  # type: ignore[arg-type]


def test_language_and_room_that_give_the_label_away() -> None:
    trials = [
        trial(
            i,
            "bonafide" if i % 2 else "spoof",
            language="en" if i % 2 else ("de" if i % 4 else "en"),
            speaker=f"s{i}",
            source="a" if i % 3 else "b",
            attributes={"room": "x" if i % 2 else "y", "vocoder": "" if i % 2 else "v", "note": "z"},
        )
        for i in range(200)
    ]
    rows = {row.column: row for row in confounds(trials)}
    assert set(rows) == {
        "language",
        "speaker",
        "source",
        "room",
    }  # vocoder describes spoofs only, note is constant
    assert rows["room"].share == pytest.approx(1.0)
    assert rows["room"].flagged
    assert rows["language"].flagged
    assert not rows["source"].flagged
    assert rows["speaker"].share == pytest.approx(
        1.0
    )  # one speaker a clip explains everything, and by chance alone
    assert not rows["speaker"].flagged
    assert rows["speaker"].excess == pytest.approx(0.0)


# ---- leaks


def test_parts_that_share_a_speaker_are_refused() -> None:
    trials = [
        trial(0, "bonafide", part="train", speaker="ann", source="cv"),
        trial(1, "spoof", part="train", speaker="bob", attack="VITS", source="cv"),
        trial(2, "bonafide", part="eval", speaker="cyd", source="masc"),
        trial(3, "spoof", part="eval", speaker="dan", attack="XTTS", source="masc"),
    ]
    assert_disjoint(trials)
    assert parts_disjoint(trials, "speaker") == []
    leaky = [*trials, trial(4, "spoof", part="eval", speaker="ann", attack="VITS", source="masc")]
    (leak,) = parts_disjoint(leaky, "speaker")
    assert (leak.first, leak.second, leak.shared, leak.trials, leak.examples) == (
        "train",
        "eval",
        1,
        2,
        ("ann",),
    )
    with pytest.raises(
        BadCorpus, match=r"train and eval share 1 of speaker \(ann; 2 trials\); .* of attack \(VITS"
    ):
        assert_disjoint(leaky)
    assert_disjoint(leaky, by=("source",))
    with pytest.raises(UnknownName, match=r"unknown column 'speeker'.*speaker"):
        parts_disjoint(trials, "speeker")


def test_connected_groups_go_over_speakers_and_pairs() -> None:
    trials = [
        trial(0, "bonafide", speaker="a", pair="1"),
        trial(1, "spoof", pair="1"),
        trial(2, "bonafide", speaker="a", pair="2"),
        trial(3, "spoof", speaker="b"),
        trial(4, "spoof"),
    ]
    groups = connected(trials)
    assert groups[0] == groups[1] == groups[2]
    assert len(set(groups)) == 3
    assert len(set(connected(trials, ("pair",)))) == 4


# ---- the whole


def test_facts_are_plain_and_the_same_every_time(tmp_path: Path) -> None:
    trials = corpus(tmp_path, shorter, n=30)
    first, second = audit(trials, seed=3), audit(trials, seed=3)
    text = json.dumps(first.to_dict(), allow_nan=False, sort_keys=True)
    assert text == json.dumps(second.to_dict(), allow_nan=False, sort_keys=True)
    assert str(tmp_path) not in text
    for title, header, rows in tables(first):
        assert title
        assert rows
        assert all(len(row) == len(header) for row in rows)
        assert all(isinstance(cell, str) for row in rows for cell in row)


def test_plain_data_has_no_nan() -> None:
    assert _plain({"a": float("nan"), 1: (np.float64(2), np.bool_(True))}) == {"a": None, "1": [2.0, True]}


def test_a_sample_takes_both_classes_of_every_part(tmp_path: Path) -> None:
    touch(tmp_path / "x.wav")
    path = tmp_path / "x.wav"
    trials = [trial(i, "bonafide" if i % 50 == 0 else "spoof", path=path) for i in range(1000)]
    trials += [trial(2000 + i, "spoof", path=path, part="dev") for i in range(4)]
    seen: list[int] = []
    found = audit(trials, sample=60, progress=lambda done, total: seen.append(total))
    assert found.opened == 60
    assert set(seen) == {60}
    opened = {
        name for group in found.same_sound for name in group
    }  # one sound, so every opened trial is in it
    assert sum(t.id in opened and t.label == "bonafide" for t in trials) == 20
    assert sum(t.id in opened and t.part == "dev" for t in trials) == 4
    assert found.trials == 1004
    few = {name for group in audit(trials, sample=30).same_sound for name in group}
    assert (
        sum(t.id in few and t.label == "bonafide" for t in trials) == 13
    )  # dev has 4; the rest is shared evenly


def test_eval_is_judged_by_itself(tmp_path: Path) -> None:
    """A shortcut of the training part is none of the evaluation's."""
    clean = corpus(tmp_path / "eval", n=60)
    train = [replace(t, id=f"train-{t.id}", part="train") for t in corpus(tmp_path / "train", shorter, n=60)]
    found = audit([*clean, *train])  # type: ignore[list-item]
    assert found.scope == "eval"
    assert "duration" not in flagged(found)


def test_an_empty_corpus_and_one_class(tmp_path: Path) -> None:
    with pytest.raises(BadCorpus, match="no trials"):
        audit([])
    found = audit([t for t in corpus(tmp_path, n=12) if t.label == "spoof"])
    assert found.shortcuts == ()
    assert found.classifier is None
    assert tables(found)


@pytest.mark.data
def test_the_shared_data_is_audited(data: Path) -> None:
    from spoofproof.registry import read_corpus

    found = audit(read_corpus(f"manifest:{data}"), sample=200)
    assert found.unreadable == 0
    assert found.missing == 0
    assert {row.column for row in found.confounds if row.flagged} >= {"speaker", "source"}
    json.dumps(found.to_dict(), allow_nan=False)
