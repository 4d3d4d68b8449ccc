"""Readers of the field's protocols: published counts, and every trap of the formats as a test."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import pytest

import corpus_files as make
from corpus_files import touch, write
from spoofproof import registry
from spoofproof.corpora.asvspoof import asvspoof5, asvspoof2019_la, asvspoof2021_df, asvspoof2021_la
from spoofproof.corpora.folders import folders
from spoofproof.corpora.inthewild import in_the_wild
from spoofproof.corpora.mlaad import m_ailabs, mlaad
from spoofproof.corpora.sonics import sonics
from spoofproof.corpora.wavefake import part_of, wavefake
from spoofproof.corpora.words import to_label, to_part
from spoofproof.corpora.xmad import xmad_bench
from spoofproof.errors import BadCorpus
from spoofproof.registry import read_corpus


def test_every_reader_is_registered_and_described() -> None:
    names = set(registry.corpora.names())
    assert names >= {
        "asvspoof2019-la", "asvspoof2021-la", "asvspoof2021-df", "asvspoof5", "in-the-wild", "wavefake", "mlaad",
        "m-ailabs", "xmad-bench", "sonics", "csv", "manifest", "antideepfake", "folders",
    }  # fmt: skip
    assert all(len(spec.summary) > 30 for spec in registry.corpora)


# ---- words


@pytest.mark.parametrize("word", ["bonafide", "bona-fide", " Bona-Fide ", "REAL", "genuine"])
def test_bona_fide_words(word: str) -> None:
    assert to_label(word, "f, line 1") == "bonafide"


@pytest.mark.parametrize("word", ["spoof", "Fake", "spoofed"])
def test_spoof_words(word: str) -> None:
    assert to_label(word, "f, line 1") == "spoof"


def test_numbers_have_no_meaning_of_their_own() -> None:
    with pytest.raises(BadCorpus, match=r"f, line 7.*'1'.*is_fake"):
        to_label("1", "f, line 7")
    assert to_label("1", "w", "is_fake") == "spoof"
    assert to_label("0", "w", "is_fake") == "bonafide"
    assert to_label("1", "w", "is_bonafide") == "bonafide"
    assert to_label("False", "w", "is_real") == "spoof"
    assert to_label("1", "w", one="bonafide") == "bonafide"
    assert to_label("0", "w", one="bonafide") == "spoof"
    with pytest.raises(BadCorpus, match=r"unknown label 'x'.*bona-fide"):
        to_label("x", "w")


def test_part_words() -> None:
    assert [to_part(w, "w") for w in ("Test", "val", "train", "", "-")] == [
        "eval",
        "dev",
        "train",
        "eval",
        "eval",
    ]
    with pytest.raises(BadCorpus, match="unknown part 'tset'"):
        to_part("tset", "w")


# ---- ASVspoof 2019


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "part", "bonafide", "spoof", "attacks"),
    [
        ("eval.trl", "eval", 7_355, 63_882, 13),
        ("dev.trl", "dev", 2_548, 22_296, 6),
        ("train.trn", "train", 2_580, 22_800, 6),
    ],
)
def test_2019_la_counts_as_published(
    data: Path, name: str, part: str, bonafide: int, spoof: int, attacks: int
) -> None:
    path = data / "reference" / "protocols" / f"ASVspoof2019.LA.cm.{name}.txt.gz"
    trials = asvspoof2019_la(path, require_audio=False)
    assert Counter(t.label for t in trials) == {"bonafide": bonafide, "spoof": spoof}
    assert {t.part for t in trials} == {part}
    assert len({t.attack for t in trials if t.label == "spoof"}) == attacks
    assert {t.attack for t in trials if t.label == "bonafide"} == {""}


def test_2019_la_root(tmp_path: Path) -> None:
    trials = asvspoof2019_la(make.la19(tmp_path / "LA"))
    assert [t.part for t in trials] == ["train", "train", "dev", "dev", "eval", "eval"]
    assert trials[-1].path == tmp_path / "LA" / "ASVspoof2019_LA_eval" / "flac" / "LA_E_2.flac"
    assert (trials[-1].attack, trials[-1].speaker, trials[-1].label) == ("A07", "LA_0002", "spoof")
    assert asvspoof2019_la(tmp_path) == trials  # the folder around LA
    assert read_corpus(f"asvspoof2019-la:{tmp_path / 'LA'}") == trials
    pickle.dumps(trials)  # they travel to workers


def test_2019_la_with_one_part_only(tmp_path: Path) -> None:
    root = make.la19(tmp_path, ("train", "dev", "eval"), audio=False)
    touch(root / "ASVspoof2019_LA_eval" / "flac" / "LA_E_1.flac")
    assert {t.part for t in asvspoof2019_la(root)} == {"eval"}
    with pytest.raises(BadCorpus, match="not one of the audio files"):
        asvspoof2019_la(root, parts=("dev",))


def test_a_bare_protocol_file_finds_the_audio_beside_it(tmp_path: Path) -> None:
    root = make.la19(tmp_path)
    path = root / "ASVspoof2019_LA_cm_protocols" / "ASVspoof2019.LA.cm.dev.trl.txt"
    trials = asvspoof2019_la(path)
    assert [t.part for t in trials] == ["dev", "dev"]
    assert trials[0].path.exists()


def test_a_missing_file_stays_a_trial_and_no_file_at_all_is_refused(tmp_path: Path) -> None:
    trials = asvspoof2019_la(make.la19(tmp_path / "some"))
    assert [t.path.exists() for t in trials] == [True, False] * 3
    with pytest.raises(BadCorpus, match="ASVspoof2019_LA_eval"):
        asvspoof2019_la(make.la19(tmp_path / "none", audio=False))


def test_ids_with_blanks_and_windows_line_ends(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.eval.trl.txt",
        "\ufeffLA_1 my  clip (1) - A07 spoof\r\n\r\nLA_1\tclip\t-\t-\tbona-fide\r\n",
    )
    touch(tmp_path / "flac" / "clip.flac")
    trials = asvspoof2019_la(path)
    assert [(t.speaker, t.id, t.label, t.attack) for t in trials] == [
        ("LA_1", "my  clip (1)", "spoof", "A07"),
        ("LA_1", "clip", "bonafide", ""),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("LA_1 a - A07 spoof\nLA_1 b A07 spoof\n", r"line 2: 4 columns, expected 5 \(SPEAKER UTTERANCE"),
        ("LA_1 a - A07 spoof\n\nLA_1 b - A07 spof\n", r"line 3: unknown label 'spof'"),
        ("LA_1 a - A07 spoof\nLA_2 a - A08 spoof\n", r"line 2: the id 'a' was there before .*line 1"),
        ("LA_1 a alaw A07 spoof\n", r"line 1: the third column is 'alaw', expected '-'"),
        ("\n", "no trials"),
    ],
)
def test_2019_la_bad_lines(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "cm.eval.trl.txt", text)
    with pytest.raises(BadCorpus, match=said):
        asvspoof2019_la(path)


def test_nothing_there_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(BadCorpus, match="ASVspoof2019_LA_cm_protocols"):
        asvspoof2019_la(tmp_path)
    (tmp_path / "bad.eval.txt").write_bytes(b"LA_1 a - A07 spoof\n\xff\xfe")
    with pytest.raises(BadCorpus, match="line 2: not UTF-8"):
        asvspoof2019_la(tmp_path / "bad.eval.txt")


# ---- ASVspoof 2021 and 5

LA21 = (
    "LA_0009 LA_E_1 alaw ita_tx A07 spoof notrim eval\n"
    "LA_0009 LA_E_2 none - bonafide bonafide notrim eval\n"
    "LA_0009 LA_E_3 opus loc_tx A07 spoof only_speech hidden\n"
    "LA_0009 LA_E_4 opus loc_tx A08 spoof notrim progress\n"
)
DF21 = (
    "LA_0023 DF_E_11 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -\n"
    "TEF2 DF_E_13 low_m4a vcc2020 Task1-team20 spoof notrim eval neural_vocoder_nonautoregressive Task1 team20 FF E\n"
    "TEF2 DF_E_14 mp3m4a vcc2020 - bonafide notrim eval bonafide - - - -\n"
)


def test_2021_la_subsets_and_attributes(tmp_path: Path) -> None:
    write(tmp_path / "keys" / "LA" / "CM" / "trial_metadata.txt", LA21)
    touch(*(tmp_path / "ASVspoof2021_LA_eval" / "flac" / f"LA_E_{i}.flac" for i in (1, 3)))
    first, second = asvspoof2021_la(tmp_path)
    assert first.path.exists()
    assert (first.attack, second.attack, second.label) == ("A07", "", "bonafide")
    write(tmp_path / "keys" / "LA" / "CM" / "trial_metadata.txt", LA21.replace("\n", "\r\n"))
    assert asvspoof2021_la(tmp_path) == [first, second]
    assert first.attributes == {"codec": "alaw", "transmission": "ita_tx", "trim": "notrim", "subset": "eval"}
    assert [t.id for t in asvspoof2021_la(tmp_path, subset="hidden")] == ["LA_E_3"]
    whole = asvspoof2021_la(tmp_path / "keys" / "LA" / "CM" / "trial_metadata.txt", subset="all")
    assert len(whole) == 4
    assert whole[0] == first
    with pytest.raises(BadCorpus, match="no subset 'test'"):
        asvspoof2021_la(tmp_path, subset="test")


def test_2021_df_fields_and_its_four_folders(tmp_path: Path) -> None:
    write(tmp_path / "keys" / "DF" / "CM" / "trial_metadata.txt", DF21)
    parts = [tmp_path / f"ASVspoof2021_DF_eval_part0{i}" / "ASVspoof2021_DF_eval" / "flac" for i in (0, 1)]
    touch(parts[0] / "DF_E_14.flac", parts[1] / "DF_E_13.flac")
    spoof, bonafide = asvspoof2021_df(tmp_path)
    assert spoof.path == parts[1] / "DF_E_13.flac"
    assert bonafide.path == parts[0] / "DF_E_14.flac"
    assert (spoof.attack, spoof.source) == ("Task1-team20", "asvspoof2021-df-vcc2020")
    assert spoof.attributes["vocoder"] == "neural_vocoder_nonautoregressive"
    assert spoof.attributes["codec"] == "low_m4a"
    assert (bonafide.label, bonafide.attack) == ("bonafide", "")
    with pytest.raises(BadCorpus, match="line 1: 8 columns, expected 13"):
        asvspoof2021_df(write(tmp_path / "wrong.txt", LA21))


def test_asvspoof5_long_and_short(tmp_path: Path) -> None:
    write(
        tmp_path / "ASVspoof5.dev.track_1.tsv",
        "D_4461 D_01 F - - - AC1 A14 spoof -\nD_0461 D_02 M - - - - bonafide bonafide -\n",
    )
    write(tmp_path / "ASVspoof5.eval.track_1.tsv", "E_4608 E_01 M C11 4 E_09 AC1 A24 spoof -\n")
    touch(tmp_path / "flac_D" / "D_01.flac", tmp_path / "ASVspoof5_eval" / "flac_E_eval" / "E_01.flac")
    dev, real, test = asvspoof5(tmp_path)
    assert [(t.part, t.label, t.attack) for t in (dev, real, test)] == [
        ("dev", "spoof", "A14"),
        ("dev", "bonafide", ""),
        ("eval", "spoof", "A24"),
    ]
    assert dev.path.exists()
    assert test.path.exists()
    assert test.attributes == {
        "gender": "M", "codec": "C11", "codec_q": "4", "codec_seed": "E_09", "ac_tag": "AC1"
    }  # fmt: skip
    short = write(
        tmp_path / "old" / "ASVspoof5.train.metadata.txt", "T_1 T_01 F - A05 spoof\nT_1 T_02 F - - bonafide\n"
    )
    touch(tmp_path / "old" / "flac_T" / "T_01.flac")
    assert [(t.part, t.label, t.attack) for t in asvspoof5(short.parent)] == [
        ("train", "spoof", "A05"),
        ("train", "bonafide", ""),
    ]
    write(short, "T_1 T_01 F - A05 x spoof\n")
    with pytest.raises(BadCorpus, match=r"line 1: 7 columns, expected 10 .* or 6"):
        asvspoof5(short)


# ---- the others


def test_in_the_wild_has_a_hyphen(tmp_path: Path) -> None:
    root = tmp_path / "release_in_the_wild"
    write(root / "meta.csv", 'file,speaker,label\n0.wav,"King, Jr.",bona-fide\n1.wav,Ann B,spoof\n')
    touch(root / "0.wav")
    trials = in_the_wild(tmp_path)
    assert [(t.id, t.speaker, t.label) for t in trials] == [
        ("0.wav", "King, Jr.", "bonafide"),
        ("1.wav", "Ann B", "spoof"),
    ]
    write(root / "meta.csv", "file,speaker,label\n0.wav,King, Jr.,bona-fide\n")
    with pytest.raises(BadCorpus, match="line 2: 4 columns, expected 3"):
        in_the_wild(tmp_path)


def test_wavefake_parts_share_no_sentence(tmp_path: Path) -> None:
    trials = wavefake(make.wavefake(tmp_path))
    parts = {part: {t.pair for t in trials if t.part == part} for part in ("train", "dev", "eval")}
    assert all(parts.values())
    assert not parts["train"] & parts["eval"]
    assert not parts["dev"] & (parts["train"] | parts["eval"])
    by_pair = Counter(t.pair for t in trials)
    assert set(by_pair.values()) == {3}  # one real, two vocoders
    assert {t.attack for t in trials} == {"", "melgan", "hifiGAN"}
    assert all((t.attack == "") == (t.label == "bonafide") for t in trials)
    fewer = {t.id: t.part for t in wavefake(make.wavefake(tmp_path / "few", 10, ("melgan",)))}
    assert (
        fewer.items() <= {t.id: t.part for t in trials}.items()
    )  # a part does not depend on what else is there


def test_wavefake_shares_are_kept() -> None:
    counts = Counter(part_of(f"LJ{i:03d}-{j:04d}") for i in range(50) for j in range(262))
    total = counts.total()
    assert counts["train"] / total == pytest.approx(0.7, abs=0.02)
    assert counts["dev"] / total == pytest.approx(0.1, abs=0.02)
    assert part_of("LJ001-0001", seed=1) != part_of("LJ001-0001", seed=0) or part_of(
        "LJ001-0002", seed=1
    ) != part_of("LJ001-0002", seed=0)


def test_wavefake_without_ljspeech(tmp_path: Path) -> None:
    touch(tmp_path / "generated_audio" / "ljspeech_melgan" / "LJ001-0001_gen.wav")
    with pytest.raises(BadCorpus, match=r"LJSpeech-1\.1"):
        wavefake(tmp_path)


def test_mlaad_keeps_every_row_with_stray_quotes(tmp_path: Path) -> None:
    make.m_ailabs(make.mlaad(tmp_path) / "m-ailabs")
    trials = mlaad(tmp_path)
    spoofs = [t for t in trials if t.label == "spoof"]
    assert len(spoofs) == 3
    assert [t.path.exists() for t in spoofs] == [True, True, False]  # listed, not skipped
    assert {t.attack for t in spoofs} == {"OpenAI TTS-1 HD"}
    assert [t.attributes["is_original_language"] for t in spoofs] == ["true", "true", "false"]
    assert {t.language for t in trials} == {"en"}  # th has no bona fide, de no spoof
    real = next(t for t in trials if t.label == "bonafide")
    assert (real.speaker, real.pair) == ("en_US-mary_ann", spoofs[0].pair)
    everything = mlaad(tmp_path, languages="all", version="v9")
    assert {t.language for t in everything} == {"en", "th", "de"}
    assert all(t.attributes["version"] == "v9" for t in everything if t.label == "spoof")


def test_mlaad_alone_is_one_class(tmp_path: Path) -> None:
    with pytest.raises(BadCorpus, match="M-AILABS"):
        mlaad(make.mlaad(tmp_path))
    reals = make.m_ailabs(tmp_path / "elsewhere")
    assert len(mlaad(tmp_path, reals=reals)) == 5
    write(
        tmp_path / "fake" / "th" / "vits" / "meta.csv",
        f"{make.MLAAD_HEADER}\na.wav|b.wav|th|maybe|1|?|v|V|x\n",
    )
    with pytest.raises(BadCorpus, match="line 2: is_original_language is 'maybe'"):
        mlaad(tmp_path, reals=reals)


def test_m_ailabs_readers(tmp_path: Path) -> None:
    trials = m_ailabs(make.m_ailabs(tmp_path))
    assert {t.label for t in trials} == {"bonafide"}
    assert [(t.language, t.speaker) for t in trials] == [
        ("de", ""),
        ("en", "en_US-mary_ann"),
        ("en", "en_US-mary_ann"),
    ]
    assert m_ailabs(tmp_path / "en_US") == trials[1:]


def test_xmad_tabs_and_commas_are_the_same(tmp_path: Path) -> None:
    comma = xmad_bench(make.xmad(tmp_path / "c", "commonvoice-en", ("train", "val")))
    tab = xmad_bench(make.xmad(tmp_path / "t", "commonvoice-en", ("train", "val"), "\t"))
    assert [(t.id, t.label, t.part, t.pair) for t in comma] == [(t.id, t.label, t.part, t.pair) for t in tab]
    assert len(comma) == 4
    assert comma[0].path == tmp_path / "c" / "commonvoice-en" / "real" / "s 0.wav"
    assert (comma[0].label, comma[1].label) == ("bonafide", "spoof")
    assert comma[0].pair == comma[1].pair
    assert [t.part for t in comma] == ["train", "train", "eval", "eval"]


def test_xmad_freezes_in_domain_and_tests_across(tmp_path: Path) -> None:
    make.xmad(tmp_path, "commonvoice-ro", ("train", "val"))
    make.xmad(tmp_path, "voxpopuli-ro", ("val", "val"), "\t")
    trials = xmad_bench(tmp_path)
    assert {(t.source, t.part) for t in trials} == {
        ("commonvoice", "train"), ("commonvoice", "dev"), ("voxpopuli", "eval"),
    }  # fmt: skip
    assert {t.language for t in trials} == {"ro"}
    with pytest.raises(BadCorpus, match="no data set"):
        xmad_bench(tmp_path, across=("mailabs-ro",))


def test_sonics(tmp_path: Path) -> None:
    write(
        tmp_path / "fake_songs.csv",
        "id,filename,duration,algorithm,lyrics,label,target,split,no_vocal\n"
        '22147,fake_22147_suno_0,120,chirp-v3.5,"one\ntwo, ""three""",mostly fake,1,train,False\n'
        "22147,fake_22147_suno_1,20,chirp-v3.5,la,mostly fake,1,test,False\n"
        "3,fake_3_udio_0,99,udio-130,la,full fake,1,test,True\n"
        "4,fake_4_udio_0,99,udio-130,la,half fake,1,valid,False\n",
    )
    write(
        tmp_path / "real_songs.csv",
        "id,filename,artist,duration,label,target,split\n1,real_1,Queen,200,real,0,test\n",
    )
    touch(tmp_path / "fake_songs" / "fake_22147_suno_0.mp3", tmp_path / "real_songs" / "real_1.wav")
    trials = sonics(tmp_path)
    assert [(t.id, t.label, t.part, t.attack, t.speaker) for t in trials] == [
        ("real_1", "bonafide", "eval", "", "Queen"),
        ("fake_22147_suno_0", "spoof", "train", "chirp-v3.5", ""),
        ("fake_4_udio_0", "spoof", "dev", "udio-130", ""),
    ]
    assert [t.path.exists() for t in trials] == [True, True, False]
    assert trials[1].attributes["kind"] == "mostly fake"
    assert len(sonics(tmp_path, filtered=False)) == 5


def test_folders(tmp_path: Path) -> None:
    touch(
        tmp_path / "real" / "b.wav",
        tmp_path / "real" / "deep" / "a.wav",
        tmp_path / "Fake" / "hifigan" / "a.wav",
        tmp_path / "dev" / "bona-fide" / "a.wav",
        tmp_path / "val" / "spoof" / "a.wav",
        tmp_path / "other" / "x.wav",
    )
    write(tmp_path / "real" / "notes.txt", "no audio")
    assert [(t.id, t.label, t.part, t.attack) for t in folders(tmp_path)] == [
        ("Fake/hifigan/a.wav", "spoof", "eval", "hifigan"),
        ("real/b.wav", "bonafide", "eval", ""),
        ("real/deep/a.wav", "bonafide", "eval", ""),
        ("dev/bona-fide/a.wav", "bonafide", "dev", ""),
        ("val/spoof/a.wav", "spoof", "dev", ""),
    ]


def test_folders_need_both_classes(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "bonafide" / "x.wav")
    with pytest.raises(BadCorpus, match="none of them is spoof"):
        folders(tmp_path / "a")
    with pytest.raises(BadCorpus, match="no folder named bonafide or spoof"):
        folders(tmp_path)
    with pytest.raises(BadCorpus, match="no such folder"):
        folders(tmp_path / "nowhere")
