"""Files as strangers send them: what they are instead of audio, and a way to read them that survives their headers."""

from __future__ import annotations

import os
from typing import BinaryIO

from .errors import BadAudio

_ENCRYPTED = (b"enca", b"encv", b"drms", b"pssh")  # boxes of ISO/IEC 23001-7 and of FairPlay
_FOREIGN = {
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it first",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"-----BEGIN PGP MESSAGE": "a message that is encrypted with PGP; decrypt it first",
    b"Salted__": "a file that is encrypted with OpenSSL; decrypt it first",
    b"age-encryption.org/": "a file that is encrypted with age; decrypt it first",
}
# RFC 4880, 4.2 and 5.1: a key packet of OpenPGP by its first byte → where its version, 3, stands
_PGP = {b"\x84": 2, b"\x85": 3}
_ISO = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"styp")  # boxes that such a file begins with


class Steady:
    """A file as the libraries see it: seeking before its beginning is refused without a word.

    An error that is raised inside of their calls has nowhere to go: it would be printed with its traceback.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell, self.read = file.tell, file.read
        self.readinto = file.readinto  # type: ignore[attr-defined]
        if isinstance(name := getattr(file, "name", None), str):
            self.name = name  # FFmpeg looks at its ending

    def __repr__(self) -> str:
        return "it"  # in messages of libsndfile

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1


def refuse_foreign(file: BinaryIO, shown: str) -> None:
    """Raises BadAudio for a file whose first bytes say that it is no audio; leaves others at their beginning.

    Before anyone decodes it: in the noise of an encrypted file some decoder finds frames of an MP3.
    """
    head = file.read(24)
    file.seek(0)
    for mark, kind in _FOREIGN.items():
        if head.startswith(mark):
            locked = mark == b"PK\x03\x04" and len(head) > 6 and head[6] & 1  # APPNOTE, 4.4.4
            kind = kind.replace("archive", "archive that is locked with a password") if locked else kind
            raise BadAudio(f"cannot read {shown} as audio: it is {kind}")


def refuse_locked(file: BinaryIO, shown: str) -> None:
    """Raises BadAudio for a file of MP4's family with a box of protected sound, once it was not decoded."""
    file.seek(0)
    if file.read(8)[4:] in _ISO and _holds(file, _ENCRYPTED):
        raise BadAudio(
            f"{shown} is encrypted (protected by digital rights management); "
            "give a copy that plays without a key"
        ) from None


def _holds(file: BinaryIO, marks: tuple[bytes, ...]) -> bool:
    file.seek(0)
    tail = b""
    while chunk := file.read(1 << 20):
        if any(mark in tail + chunk for mark in marks):
            return True
        tail = chunk[-8:]
    return False


def looks_like(file: BinaryIO) -> str:
    """What a file that could not be decoded seems to be, for the message."""
    file.seek(0)
    head = file.read(512)
    if head[:1] in _PGP and head[_PGP[head[:1]] :][:1] == b"\x03":
        return ": it looks like a file that is encrypted with PGP; decrypt it first"
    text = all(byte in b"\t\n\r\f" or (byte >= 32 and byte != 127) for byte in head)
    return (
        ": it looks like text"
        if text and len(head.decode("utf-8", "ignore").encode()) > len(head) - 4
        else ""
    )
