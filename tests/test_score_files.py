"""The field's score files: every format in and out, every trap a clear sentence, polarity never guessed.

1. each format as its makers write it
2. written scores are read back to the last bit
3. keys and protocols: 2019, 2021 LA and DF with their subsets, ASVspoof 5, 0/1 labels
4. what must be refused, with file and line; what must be said loudly
5. a published score file gives the published figures
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from spoofproof.errors import BadScores, UnknownName
from spoofproof.score_files import FORMATS, evaluate_files, read_key, read_scores, write_scores
from spoofproof.types import Trial


def put(folder: Path, text: str, name: str = "scores.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# 1. formats


def test_asvspoof2019(tmp_path: Path) -> None:
    path = put(tmp_path, "LA_E_1 A11 spoof -8.750496864318848\nLA_E_2 - bonafide 2.5\n")
    found = read_scores(path, format="asvspoof2019")
    assert [(t.id, t.label, t.attack) for t in found.trials] == [
        ("LA_E_1", "spoof", "A11"),
        ("LA_E_2", "bonafide", ""),
    ]
    assert found.scores.tolist() == [-8.750496864318848, 2.5]


def test_asvspoof2021_with_its_key_and_subset(tmp_path: Path) -> None:
    scores = put(tmp_path, "LA_E_1 1.5\nLA_E_2 -1.5\nLA_E_3 9\n")
    key = put(
        tmp_path,
        "LA_0009 LA_E_1 alaw ita_tx bonafide bonafide notrim eval\n"
        "LA_0009 LA_E_2 alaw ita_tx A07 spoof notrim eval\n"
        "LA_0020 LA_E_3 opus sin_tx A07 spoof notrim progress\n"
        "LA_0020 LA_E_4 opus sin_tx A08 spoof notrim eval\n",
        "trial_metadata.txt",
    )
    found = read_scores(scores, format="asvspoof2021", key=key)
    assert [(t.id, t.label, t.speaker, t.attack) for t in found.trials] == [
        ("LA_E_1", "bonafide", "LA_0009", ""),
        ("LA_E_2", "spoof", "LA_0009", "A07"),
    ]
    text = " ".join(found.notes)
    assert "only the subset 'eval'" in text and "1 scored trials are not in" in text
    assert "coverage 66.67%" in text
    assert len(read_scores(scores, format="asvspoof2021", key=key, subset="").trials) == 3


def test_asvspoof5(tmp_path: Path) -> None:
    scores = put(tmp_path, "filename\tcm-score\nE_1\t0.25\nE_2\t-3e-2\n")
    key = put(tmp_path, "filename\tcm-label\nE_2\tspoof\nE_1\tbonafide\n", "key.tsv")
    found = read_scores(scores, format="asvspoof5", key=key)
    assert [(t.id, t.label) for t in found.trials] == [("E_1", "bonafide"), ("E_2", "spoof")]
    sasv = put(
        tmp_path, "spk\tfilename\tcm-score\tasv-score\tsasv-score\nD_1\tE_1\t0.5\t0\t0\nD_2\tE_2\t0\t1\t1\n"
    )
    assert read_scores(sasv, format="asvspoof5", key=key).scores.tolist() == [0.5, 0.0]


def test_superb_ids_may_hold_blanks(tmp_path: Path) -> None:
    path = put(tmp_path, "a clip - take 2.wav - bonafide 1.0\nplain - spoof -1\n")
    assert [t.id for t in read_scores(path, format="superb").trials] == ["a clip - take 2.wav", "plain"]


def test_antideepfake_scores_are_differences_of_logits(tmp_path: Path) -> None:
    """Both logits rise together here: the real one alone would rank the two the wrong way round."""
    path = put(tmp_path, 'ID,Score,Label\nx,"[4.0, 5.0]",1\ny,"[9.0, 6.0]",0\n')
    found = read_scores(path, format="antideepfake")
    assert found.scores.tolist() == [1.0, -3.0]
    assert [t.label for t in found.trials] == ["bonafide", "spoof"]


def test_lab260_labels_count_from_bona_fide(tmp_path: Path) -> None:
    path, key = put(tmp_path, "u1 0.900000\nu2 0.100000\n"), put(tmp_path, "u1 0\nu2 1\n", "labels.txt")
    assert [t.label for t in read_scores(path, format="lab260", key=key).trials] == ["bonafide", "spoof"]
    with pytest.raises(BadScores, match=r"labels.txt, line 1: the label is '0'"):
        read_scores(path, format="asvspoof2021", key=key)


def test_plain_csv_must_say_what_a_higher_score_means(tmp_path: Path) -> None:
    path = put(tmp_path, "file,label,score\na,bona-fide,0.1\nb,spoof,0.9\n")
    with pytest.raises(BadScores, match="does not say what a higher score means"):
        read_scores(path, format="csv")
    assert read_scores(path, format="csv", higher="spoof").scores.tolist() == [-0.1, -0.9]
    assert any("LOOKS INVERTED" in n for n in read_scores(path, format="csv", higher="bonafide").notes)


# 2. back and forth


@pytest.mark.parametrize("format", FORMATS)
def test_written_scores_come_back_to_the_last_bit(tmp_path: Path, format: str) -> None:
    trials = [
        Trial("a", Path("a"), "bonafide"),
        Trial("b", Path("b"), "spoof", attack="A01"),
        Trial("c", Path("c"), "spoof", attack="A02"),
    ]
    scores = np.array([0.1 + 0.2, 1e-300, -1 / 3])
    key = put(tmp_path, "a bonafide\nb spoof\nc spoof\n", "key.txt")
    path = tmp_path / "out"
    write_scores(path, format=format, trials=trials, scores=scores)
    found = read_scores(path, format=format, key=key, higher="bonafide")
    assert found.scores.tolist() == scores.tolist()
    assert [(t.id, t.label) for t in found.trials] == [(t.id, t.label) for t in trials]
    assert not list(tmp_path.glob("*.part"))


def test_awkward_ids_survive_or_are_refused(tmp_path: Path) -> None:
    trials = [Trial('say "hi", twice', Path("a"), "bonafide"), Trial("b", Path("b"), "spoof")]
    scores = np.array([1.0, 0.0])
    for format in ("csv", "antideepfake", "superb"):
        write_scores(tmp_path / format, format=format, trials=trials, scores=scores)
        found = read_scores(tmp_path / format, format=format, higher="bonafide")
        assert found.trials[0].id == 'say "hi", twice'
    with pytest.raises(BadScores, match="holds a blank"):
        write_scores(tmp_path / "x", format="asvspoof2019", trials=trials, scores=scores)
    with pytest.raises(BadScores, match="1 of them NaN"):
        write_scores(tmp_path / "x", format="csv", trials=trials, scores=np.array([1.0, np.nan]))
    assert not (tmp_path / "x").exists()


# 3. keys


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("LA_0069 LA_D_1 - - bonafide", ("LA_D_1", "bonafide", "", "LA_0069")),
        ("LA_0069 LA_D_2 - A04 spoof", ("LA_D_2", "spoof", "A04", "LA_0069")),
        (
            "LA_0043 DF_E_1 mp3m4a asvspoof A09 spoof notrim eval traditional_vocoder - - - -",
            ("DF_E_1", "spoof", "A09", "LA_0043"),
        ),
        ("D_4461 D_0000000169 F - - - AC1 A14 spoof -", ("D_0000000169", "spoof", "A14", "D_4461")),
    ],
)
def test_protocols_are_keys(tmp_path: Path, line: str, expected: tuple[str, ...]) -> None:
    row = next(iter(read_key(put(tmp_path, line + "\n")).values()))
    assert (row.id, row.label, row.attack, row.speaker) == expected


def test_a_key_that_contradicts_the_scores_is_refused(tmp_path: Path) -> None:
    scores = put(tmp_path, "a - bonafide 1\nb - bonafide 2\n")
    key = put(tmp_path, "a bonafide\nb spoof\n", "key.txt")
    with pytest.raises(BadScores, match=r"line 2: 'b' is bonafide, but spoof in"):
        read_scores(scores, format="superb", key=key)


# 4. refused, or said loudly


@pytest.mark.parametrize(
    ("format", "text", "match"),
    [
        ("asvspoof2019", "u A1 spoof 1\nu2 A1 spoof\n", "line 2: expected `utterance attack key score`"),
        ("asvspoof2019", "u A1 spof 1\n", "line 1: the label is 'spof'"),
        ("asvspoof2019", "\nu A1 spoof nan\n", "line 2: the score is nan; leave"),
        ("asvspoof2019", "u A1 spoof high\n", "line 1: 'high' is not a score"),
        (
            "asvspoof2019",
            "u A1 spoof 1\nv A1 spoof 2\nu A1 spoof 1\n",
            "line 3: 'u' stands in line 1 already",
        ),
        ("asvspoof2019", "u A1 spoof 1\n", "both classes are needed; the file holds 0 bona fide and 1"),
        ("asvspoof2019", "", "holds no scores"),
        ("asvspoof2021", "u 1\n", "no label is known for 'u'; give the key"),
        ("asvspoof5", "u\t1\n", "expected the header"),
        ("superb", "u bonafide 1\n", "expected `utterance - key score`"),
        ("antideepfake", "ID,Score,Label\nu,0.5,1\n", r"line 2: Score is '0.5'; expected \[fake logit"),
        ("antideepfake", "ID,Label\nu,1\n", "no column Score; found ID, Label"),
        ("csv", "id,score\nu,1,2\n", "line 2: not as many columns"),
    ],
)
def test_bad_files_are_refused_with_their_line(tmp_path: Path, format: str, text: str, match: str) -> None:
    path = put(tmp_path, text)
    with pytest.raises(BadScores, match=match) as caught:
        read_scores(path, format=format, higher="bonafide")
    assert str(path) in str(caught.value) or "both classes" in str(caught.value)


def test_missing_file_and_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(BadScores, match="cannot be read"):
        read_scores(tmp_path / "none.txt", format="superb")
    with pytest.raises(UnknownName, match="Did you mean superb"):
        read_scores(tmp_path / "none.txt", format="supreb")
    with pytest.raises(BadScores, match="bonafide or spoof"):
        read_scores(put(tmp_path, ""), format="csv", higher="fake")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BadScores, match="not UTF-8"):
        read_scores(tmp_path / "binary", format="superb")


def test_inverted_and_tied_scores_are_said_loudly(tmp_path: Path) -> None:
    rows = [f"b{i} - bonafide {i % 2}" for i in range(20)] + [f"s{i} - spoof 1" for i in range(20)]
    path = put(tmp_path, "\n".join(rows))
    found = evaluate_files(path, format="superb", resamples=20)
    assert any(n.startswith("LOOKS INVERTED: AUROC 0.25") for n in found.notes)
    assert any("only 2 different values" in n for n in found.notes)
    turned = evaluate_files(path, format="superb", higher="spoof", resamples=20)
    assert turned.metrics["auroc"].value == pytest.approx(0.75)
    assert not any("INVERTED" in n for n in turned.notes)


def test_a_threshold_gives_decisions(tmp_path: Path) -> None:
    path = put(tmp_path, "a - bonafide 2\nb - bonafide 0\nc - spoof 1\nd - spoof -1\n")
    found = evaluate_files(path, format="superb", threshold=1.0, resamples=20).metrics
    assert (found["miss_rate"].value, found["false_alarm_rate"].value) == (0.5, 0.5)


# 5. published figures


@pytest.mark.data
def test_a_published_score_file(data: Path, tmp_path: Path) -> None:
    plain = {}
    for name in ("rawgat-st/RawGAT_ST_mul.scores.txt", "protocols/ASVspoof2019.LA.cm.eval.trl.txt"):
        with gzip.open(data / "reference" / f"{name}.gz", "rt") as lines:
            plain[name] = put(tmp_path, lines.read(), Path(name).name)
    scores, key = plain.values()
    found = evaluate_files(scores, format="asvspoof2019", key=key, resamples=50)
    official = found.metrics["eer_asvspoof"]
    assert 100 * official.value == pytest.approx(1.060134752, abs=5e-8)
    assert (official.n_bonafide, official.n_spoof) == (7355, 63882)
    assert official.low < official.value < official.high
    assert any("67 bona fide speakers, 13 attacks, 48 spoof speakers" in n for n in found.notes)
