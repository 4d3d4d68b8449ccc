"""Tiny corpora in the formats of the field, written by the tests that read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile


def touch(*paths: Path) -> None:
    """Short audio files: readers only look whether they are there."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = {".mp3": "MP3", ".flac": "FLAC"}.get(path.suffix, "WAV")
        soundfile.write(path, np.full(160, 0.1, dtype=np.float32), 16_000, format=kind)


def write(path: Path, text: str) -> Path:
    """A text file with its folders; LF as given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return path


def la19(root: Path, parts: tuple[str, ...] = ("train", "dev", "eval"), audio: bool = True) -> Path:
    """A 2019 LA root with two trials a part."""
    for part in parts:
        end = "trn" if part == "train" else "trl"
        letter = part[0].upper()
        write(
            root / "ASVspoof2019_LA_cm_protocols" / f"ASVspoof2019.LA.cm.{part}.{end}.txt",
            f"LA_0001 LA_{letter}_1 - - bonafide\nLA_0002 LA_{letter}_2 - A07 spoof\n",
        )
        if audio:
            touch(root / f"ASVspoof2019_LA_{part}" / "flac" / f"LA_{letter}_1.flac")
    return root


def wavefake(root: Path, sentences: int = 40, systems: tuple[str, ...] = ("melgan", "hifiGAN")) -> Path:
    """LJSpeech and vocoded copies of it."""
    names = [f"LJ001-{i:04d}" for i in range(sentences)]
    touch(*(root / "LJSpeech-1.1" / "wavs" / f"{name}.wav" for name in names))
    for system in systems:
        touch(*(root / "generated_audio" / f"ljspeech_{system}" / f"{name}_gen.wav" for name in names))
    return root


MLAAD_HEADER = "path|original_file|language|is_original_language|duration|training_data|model_name|architecture|transcript"


def mlaad(root: Path) -> Path:
    """Two languages with M-AILABS beside them for one; a folder with blanks, a transcript with a stray quote."""
    rows = [
        "./fake/en/OpenAI TTS-1 HD/book_01_f000001.wav|./en_US/by_book/female/mary_ann/book/wavs/book_01_f000001.wav"
        '|en|True|2.1|?|TTS-1|unknown|"He said',
        "./fake/en/OpenAI TTS-1 HD/book_01_f000002.wav|./en_US/by_book/female/mary_ann/book/wavs/book_01_f000002.wav"
        "|en|1|2.1|?|TTS-1|unknown|and left",
        './fake/en/OpenAI TTS-1 HD/book_01_f000003.wav|x/book_01_f000003.wav|en|False|2.1|?|TTS-1|unknown|5" nails',
    ]
    folder = root / "fake" / "en" / "OpenAI TTS-1 HD"
    write(folder / "meta.csv", "\r\n".join([MLAAD_HEADER, *rows]) + "\r\n")
    touch(folder / "book_01_f000001.wav", folder / "book_01_f000002.wav")
    thai = root / "fake" / "th" / "vits"
    write(thai / "meta.csv", f"{MLAAD_HEADER}\n./fake/th/vits/a.wav|b.wav|th|0|1|?|vits|VITS|x\n")
    touch(thai / "a.wav")
    return root


def m_ailabs(root: Path) -> Path:
    """One book by a named reader, one by several, in two languages."""
    book = root / "en_US" / "by_book" / "female" / "mary_ann" / "book"
    write(book / "metadata.csv", 'book_01_f000001|"He said|"He said\nbook_01_f000002|and left|and left\n')
    touch(book / "wavs" / "book_01_f000001.wav", book / "wavs" / "book_01_f000002.wav")
    touch(root / "de_DE" / "by_book" / "mix" / "buch" / "wavs" / "buch_01_f000001.wav")
    return root


def xmad(root: Path, name: str, splits: tuple[str, ...], mark: str = ",") -> Path:
    """One data set of XMAD-Bench: each name as real and as fake."""
    lines = [mark.join(["sample_name", "is_fake", "split"])]
    for i, split in enumerate(splits):
        for fake in (0, 1):
            lines.append(mark.join([f"s {i}.wav", str(fake), split]))
            touch(root / name / ("fake" if fake else "real") / f"s {i}.wav")
    write(root / name / "meta.csv", "\n".join(lines) + "\n")
    return root
