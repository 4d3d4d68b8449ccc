"""What a person may point at: files, folders, globs, - for standard input, and addresses where that is allowed."""

from __future__ import annotations

import glob
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from ..errors import BadAudio, BadPlan

ENDINGS = {
    ".wav", ".w64", ".flac", ".mp3", ".mp2", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".webm", ".mp4", ".m4v", ".mov", ".mkv", ".mka",
    ".avi", ".wma", ".wmv", ".amr", ".3gp", ".3g2", ".aif", ".aiff", ".au", ".caf", ".ac3", ".eac3", ".flv", ".ts", ".mts", ".mpg",
    ".mpeg", ".wv", ".ape", ".tta", ".gsm", ".voc", ".sph",
}  # fmt: skip
LARGEST = 4 << 30  # bytes that are taken from standard input or an address
_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 20


def expand(paths: Sequence[str], *, allow_url: bool = False) -> list[str]:
    """The recordings that ``paths`` name, each once, in order; those of a folder or a pattern sorted by name.

    Of a folder: every file below it with an ending of sound or video. What is named outright is kept, whatever its ending.
    Raises BadPlan for an address without ``allow_url``, a pattern or a folder that holds nothing, and "-" beside a second "-".
    """
    found: dict[str, None] = {}
    for text in paths:
        if is_url(text):
            if not allow_url:
                raise BadPlan(f"{text} is an address on a network; nothing is fetched without --allow-url")
            found[text] = None
        elif text == "-" or Path(text).is_file():
            found[text] = None
        elif Path(text).is_dir():
            inside = [
                str(p) for p in sorted(Path(text).rglob("*")) if p.suffix.lower() in ENDINGS and p.is_file()
            ]
            if not inside:
                raise BadPlan(
                    f"the folder {text} holds no file that ends like sound or video (.wav, .mp3, .mp4 …)"
                )
            found |= dict.fromkeys(inside)
        elif any(mark in text for mark in "*?["):
            matches = [name for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file()]  # noqa: PTH207
            if not matches:
                raise BadPlan(f"nothing matches {text}")
            found |= dict.fromkeys(matches)
        else:
            found[text] = None  # the reader says what is wrong with it
    return list(found)


def is_url(text: str) -> bool:
    """Whether it is an address rather than a file."""
    head, separator, _ = text.partition("://")
    return bool(separator) and head.isalpha()


@contextmanager
def opened_input(text: str) -> Iterator[Path | BinaryIO]:
    """A path as it is; standard input and addresses as a temporary file, which is gone afterwards.

    Raises BadAudio for an address that cannot be fetched, for anything but http and https, and beyond 4 GiB.
    """
    if text != "-" and not is_url(text):
        yield Path(text)
        return
    with tempfile.TemporaryFile(prefix="spoofproof-") as kept:
        if text == "-":
            _copy(sys.stdin.buffer, kept, "standard input")
        else:
            _fetch(text, kept)
        kept.seek(0)
        yield kept


def _fetch(url: str, into: IO[bytes]) -> None:
    import http.client
    import urllib.error
    import urllib.request

    if not url.lower().startswith(("http://", "https://")):
        raise BadAudio(f"{url}: only http and https addresses are fetched")
    opener = urllib.request.OpenerDirector()  # no file: and no ftp:, not by redirection either
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    try:
        with opener.open(
            urllib.request.Request(url, headers={"User-Agent": "spoofproof"}), timeout=_TIMEOUT
        ) as reply:
            promised = reply.headers.get("Content-Length")
            got = _copy(reply, into, url)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise BadAudio(f"cannot fetch {url}: {error}") from None
    if promised is not None and promised.isdigit() and got != int(promised):
        raise BadAudio(f"{url} was cut off: {got} of {promised} bytes came")


def _copy(source: IO[bytes], into: IO[bytes], shown: str) -> int:
    total = 0
    while chunk := source.read(_CHUNK):
        total += len(chunk)
        if total > LARGEST:
            raise BadAudio(f"{shown} is larger than {LARGEST >> 30} GiB; save it to a file and give its path")
        try:
            into.write(chunk)
        except OSError as error:
            free = shutil.disk_usage(tempfile.gettempdir()).free >> 20
            raise BadAudio(
                f"{shown} does not fit into the temporary folder ({error}; {free} MiB free)"
            ) from None
    return total
