"""Uploads: a multipart body, written to the private folder as it comes, counted, and cut at the limit.

The framework's own reader would take a whole body before anyone could say that it is too large. Names that the client
gives to files are not read at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from starlette.requests import ClientDisconnect

from .problems import Problem

_FIELD_BYTES = 4_000  # of one plain field
_FIELDS = 20
_HEADER_BYTES = 3_000
_TYPES = ("audio/", "video/")
_ANY = {"", "application/octet-stream", "application/ogg"}


@dataclass(slots=True)
class Form:
    """What came: the number of files, and the plain fields."""

    files: int = 0
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Part:
    name: str = ""
    size: int = 0
    text: bytearray = field(default_factory=bytearray)
    out: BinaryIO | None = None


async def receive(
    content_type: str,
    body: AsyncIterator[bytes],
    place: Callable[[int], Path],
    *,
    max_bytes: int,
    max_files: int,
    fields: frozenset[str],
    seconds: float,
) -> Form:
    """Write the files of a body to ``place(0)``, ``place(1)``, …; each is whole when this returns.

    fields: names of the plain fields that may come beside ``file``. max_bytes: of one file. seconds: for all of it.

    Raises Problem: 415 for anything but multipart/form-data with audio, video or plain bytes in it, 413 beyond a
    limit, 400 for a body that is cut off or damaged, 408 when it takes too long, 422 without a file. The files of a
    body that is refused are removed.
    """
    reader = _Reader(_boundary(content_type), place, max_bytes, max_files, fields)
    whole = False
    try:
        async with asyncio.timeout(seconds):
            async for chunk in body:
                reader.feed(chunk)
        reader.close()
        whole = True
    except TimeoutError:
        raise Problem(408, f"the upload took longer than {seconds:g} s; send a smaller file") from None
    except ClientDisconnect:
        raise Problem(408, "the upload stopped before its end; send it again") from None
    finally:
        if not whole:
            reader.remove()
    return reader.form


class _Reader:
    def __init__(
        self,
        boundary: bytes,
        place: Callable[[int], Path],
        max_bytes: int,
        max_files: int,
        fields: frozenset[str],
    ) -> None:
        self.form = Form()
        self._place = place
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._fields = fields
        self._part = _Part()
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._all,
            },
        )

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise Problem(
                400, "the multipart body is damaged; send multipart/form-data as RFC 7578 has it"
            ) from None

    def close(self) -> None:
        if not self._ended:
            raise Problem(400, "the upload was cut off before its end; send it again")
        if not self.form.files:
            raise Problem(
                422, "there is no file in the request; expected a part named 'file' that holds the recording"
            )

    def remove(self) -> None:
        if self._part.out is not None:
            self._part.out.close()
        for n in range(self.form.files + 1):
            self._place(n).unlink(missing_ok=True)

    def _begin(self) -> None:
        self._part, self._headers = _Part(), {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._too_long()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._too_long()

    def _too_long(self) -> None:
        if len(self._name) + len(self._value) > _HEADER_BYTES:
            raise Problem(
                413, f"a part has a header of more than {_HEADER_BYTES} bytes; give the file a shorter name"
            )

    def _header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name, self._value = bytearray(), bytearray()

    def _headers_end(self) -> None:
        self._part.name = _field_name(self._headers)
        if self._part.name == "file":
            self._open_file()
        elif self._part.name not in self._fields:
            expected = ", ".join(["file", *sorted(self._fields)])
            raise Problem(422, f"the form has an unknown field {self._part.name[:40]!r}; expected {expected}")
        elif len(self.form.fields) >= _FIELDS:
            raise Problem(413, f"the form has more than {_FIELDS} fields")

    def _open_file(self) -> None:
        kind = self._headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _ANY and not kind.startswith(_TYPES):
            raise Problem(
                415,
                f"the file says that it is {kind[:60]!r}; expected audio/…, video/… or application/octet-stream",
            )
        if self.form.files >= self._max_files:
            raise Problem(413, f"at most {self._max_files} file{'s' * (self._max_files > 1)} in one request")
        self._part.out = self._place(self.form.files).open("xb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        part.size += end - start
        if part.out is None:
            part.text += data[start:end]
            if part.size > _FIELD_BYTES:
                raise Problem(413, f"the field {part.name!r} is longer than {_FIELD_BYTES} bytes")
            return
        if part.size > self._max_bytes:
            raise Problem(
                413, f"the file is larger than {self._max_bytes / 1e6:g} MB, the most that is taken here"
            )
        part.out.write(data[start:end])

    def _end(self) -> None:
        part = self._part
        if part.out is None:
            try:
                self.form.fields[part.name] = part.text.decode("utf-8")
            except UnicodeDecodeError:
                raise Problem(422, f"the field {part.name!r} is not UTF-8") from None
            return
        part.out.close()
        self.form.files += 1
        self._part = _Part()

    def _all(self) -> None:
        self._ended = True


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["content-type"] = content_type
    boundary = _parameter("content-type", content_type, "boundary")
    if message.get_content_type() != "multipart/form-data" or not 0 < len(boundary) <= 70:
        raise Problem(
            415,
            "expected multipart/form-data with the recording in a part named 'file'",
            {"Accept": "multipart/form-data"},
        )
    return boundary.encode("latin-1", "replace")


def _field_name(headers: Mapping[str, str]) -> str:
    return _parameter("content-disposition", headers.get("content-disposition", ""), "name")


def _parameter(header: str, value: str, name: str) -> str:
    """A parameter of a header; "" where there is none, or none that can be read."""
    message = Message()
    message[header] = value
    try:
        found = message.get_param(name, header=header)
    except (TypeError, ValueError):  # the library stumbles over pieces (RFC 2231) that are not of one
        return ""
    return found if isinstance(found, str) else ""
