"""Tables of one's own: CSV in any shape, manifests with attributes, AntiDeepfake's protocols."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus_files import touch, write
from spoofproof.corpora.manifest import antideepfake, csv, manifest
from spoofproof.errors import BadCorpus
from spoofproof.registry import read_corpus


@pytest.mark.parametrize(
    "text",
    [
        "file,label\na.wav,bonafide\nb.wav,spoof\n",
        "label,file\nreal,a.wav\nfake,b.wav\n",
        "file_name;label\r\na.wav;bona-fide\r\nb.wav;spoof\r\n",
        "\ufeffpath\tlabel\na.wav\tbonafide\nb.wav\tspoof\n",
        "Label|File\nbonafide|a.wav\nspoof|b.wav\n",
        "is_fake,audio\n0,a.wav\n1,b.wav\n",
        "file,is_bonafide\na.wav,True\nb.wav,False\n",
    ],
)
def test_csv_in_any_shape(tmp_path: Path, text: str) -> None:
    touch(tmp_path / "a.wav", tmp_path / "b.wav")
    trials = csv(write(tmp_path / "list.csv", text))
    assert [(t.id, t.path, t.label, t.part) for t in trials] == [
        ("a.wav", tmp_path / "a.wav", "bonafide", "eval"),
        ("b.wav", tmp_path / "b.wav", "spoof", "eval"),
    ]
    assert csv(tmp_path) == trials  # the only CSV of the folder


def test_names_with_commas_quotes_blanks_and_tabs(tmp_path: Path) -> None:
    names = ['a, "b".wav', " c\td.wav", "é|ü.wav"]
    touch(*(tmp_path / name for name in names[:1]))
    body = f'"a, ""b"".wav",real\n{names[1]},fake\n{names[2]},fake\n'
    assert [t.id for t in csv(write(tmp_path / "l.csv", "file,label\n" + body))] == [
        'a, "b".wav', "c\td.wav", "é|ü.wav",
    ]  # fmt: skip


@pytest.mark.parametrize("mark", ["\t", "|"])
def test_a_stray_quote_swallows_no_rows_between_tabs_or_pipes(tmp_path: Path, mark: str) -> None:
    touch(tmp_path / "a.wav")
    rows = [
        ["file", "label", "text"],
        ["a.wav", "real", '"He said'],
        ["b.wav", "fake", 'a 5" nail'],
        ["c.wav", "fake", '"'],
    ]
    trials = csv(write(tmp_path / "list.tsv", "\n".join(mark.join(row) for row in rows)))
    assert [(t.id, t.attributes["text"]) for t in trials] == [
        ("a.wav", '"He said'),
        ("b.wav", 'a 5" nail'),
        ("c.wav", '"'),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,label\na.wav,1\n", r"line 2: the label is '1', and 0/1 mean opposite things"),
        ("file,label\na.wav,real\nb.wav,real,x\n", r"line 3: 3 columns, expected 2 \(file, label\)"),
        ('file,label\n"a.wav" x,real\n', r"line 2: .*quote"),
        ('file,label\n"a.wav,real\nb.wav,fake\n', r"line 2: .*quote"),
        ("file,label\na.wav,real\na.wav,real\n", r"line 3: the id 'a\.wav' was there before .*line 2"),
        ("file,file,label\na,a,real\n", "'file' occurs more than once"),
        ("name,label\na.wav,real\n", "no column for the path; found: name, label"),
        ("file,polarity\na.wav,real\n", "no column for the label"),
        ("just text\n", "no comma, tab"),
        ("file,label\n", "no trials"),
        ("", "is empty"),
        ("file,label\n,real\n", "line 2: the path is empty"),
        ('file,label,text\na.wav,real,"one\ntwo"\nb.wav,reel,\n', "line 4: unknown label 'reel'"),
        ("file,label\nnowhere.wav,real\n", "not one of the audio files is there.*nowhere"),
        ("file,label,part\na.wav,real,tset\n", "line 2: unknown part 'tset'"),
    ],
)
def test_bad_tables_say_file_line_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    touch(tmp_path / "a.wav")
    path = write(tmp_path / "list.csv", text)
    with pytest.raises(BadCorpus, match=said) as caught:
        csv(path)
    assert "list.csv" in str(caught.value)


def test_polarity_from_python(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav")
    path = write(tmp_path / "list.csv", "file,label\na.wav,1\nb.wav,0\n")
    assert [t.label for t in csv(path, one="bonafide")] == ["bonafide", "spoof"]
    assert [t.label for t in csv(path, one="spoof")] == ["spoof", "bonafide"]


MANIFEST = (
    "id,path,part,label,generator,speaker,language,pair,source,seconds,room\n"
    "x1,s/a.wav,test,bonafide,,ann,EN,p1,demo,4.5,\n"
    "x2,s/b.wav,dev,spoof,HiFi-GAN,ann,en,p1,demo,4.5,hall\n"
    "x3,s/c.wav,train,bonafide,human,,en,,demo,4.5,hall\n"
)


def test_manifest_columns(tmp_path: Path) -> None:
    touch(tmp_path / "s" / "a.wav")
    write(tmp_path / "manifest.csv", MANIFEST)
    first, second, third = manifest(tmp_path)
    assert (first.id, first.path, first.part) == ("x1", tmp_path / "s" / "a.wav", "eval")
    assert (first.speaker, first.language, first.pair, first.source) == ("ann", "en", "p1", "demo")
    assert first.attributes == {"seconds": "4.5"}
    assert (second.attack, second.part, second.attributes["room"]) == ("HiFi-GAN", "dev", "hall")
    assert (third.attack, third.attributes["attack"], third.part) == ("", "human", "train")
    assert read_corpus(f"manifest:{tmp_path / 'manifest.csv'}") == [first, second, third]


def test_parquet_and_csv_are_the_same(tmp_path: Path) -> None:
    touch(tmp_path / "s" / "a.wav")
    rows = [line.split(",") for line in MANIFEST.splitlines()]
    columns = {name: [row[i] or None for row in rows[1:]] for i, name in enumerate(rows[0])}
    columns["seconds"] = [4.5] * 3  # type: ignore[list-item]
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    write(tmp_path / "m.csv", MANIFEST)
    assert manifest(tmp_path / "m.parquet") == manifest(tmp_path / "m.csv")
    write(tmp_path / "broken.parquet", "not parquet")
    with pytest.raises(BadCorpus, match="cannot be read as Parquet"):
        manifest(tmp_path / "broken.parquet")


def test_antideepfake(tmp_path: Path) -> None:
    header = "ID,Label,Duration,SampleRate,Path,Attack,Speaker,Proportion,AudioChannel,AudioEncoding,AudioBitSample,Language"
    path = write(
        tmp_path / "ITW.csv",
        f"{header}\nI-0,real,2.1,16000,$ROOT/itw/0.wav,-,Ann,test,1,PCM_S,16,EN\n"
        "I-1,fake,2.1,16000,$ROOT/itw/1.wav,A1,Ann,-,1,PCM_S,16,EN\n",
    )
    touch(tmp_path / "itw" / "0.wav", tmp_path / "far" / "itw" / "0.wav")
    real, fake = antideepfake(path)
    assert (real.path, real.label, real.attack) == (tmp_path / "itw" / "0.wav", "bonafide", "")
    assert (fake.label, fake.attack, fake.part, fake.language) == ("spoof", "A1", "eval", "en")
    assert antideepfake(path, data=tmp_path / "far")[0].path == tmp_path / "far" / "itw" / "0.wav"
    assert antideepfake(tmp_path) == [real, fake]


@pytest.mark.data
def test_the_shared_manifest(data: Path) -> None:
    trials = read_corpus(f"manifest:{data}")
    assert Counter(t.label for t in trials).total() == 1948
    assert Counter((t.part, t.label) for t in trials)["eval", "spoof"] == 373
    assert all((t.attack != "") == (t.label == "spoof") for t in trials)
    assert all(t.path.exists() for t in trials)
    assert trials[0].attributes["original_codec"] == "pcm_s16le"
