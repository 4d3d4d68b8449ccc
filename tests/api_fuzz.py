"""Requests made from an OpenAPI document, good and broken, and what their answers are held against."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import jsonschema

from spoofproof.web.guard import HEADERS

BOUNDARY = "fuzz"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
PROBLEM = "application/problem+json"
_ANY_METHOD = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """A path and a method of the document. body: schema of its form, None without one."""

    method: str
    path: str
    says: Mapping[str, Any]

    @property
    def body(self) -> dict[str, Any] | None:
        content = self.says.get("requestBody", {}).get("content", {})
        assert set(content) <= {"multipart/form-data"}, "the fuzzer knows no other kind of body: teach it"
        return content["multipart/form-data"]["schema"] if content else None

    @property
    def parameters(self) -> list[dict[str, Any]]:
        return list(self.says.get("parameters", []))

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


@dataclasses.dataclass(slots=True)
class Request:
    """What is sent. kind: what is odd about it. length: a Content-Length that is not that of the body."""

    kind: str
    method: str
    target: str
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    chunked: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line:
    """A connection to the service that sends what it is told, also what a client library would tidy up."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._open = http.client.HTTPConnection(self._host, timeout=60)

    def send(self, request: Request) -> Answer | None:
        """The answer, of status 0 where none comes; None where the request was left unfinished on purpose."""
        for last in (
            False,
            True,
        ):  # a line that was kept open may have been closed by now: once more on a new one
            try:
                return self._once(request)
            except (ConnectionError, http.client.HTTPException) as error:
                self._open.close()
                if last:
                    return Answer(0, {}, repr(error).encode())
        return None

    def _once(self, request: Request) -> Answer | None:
        headers = {"host": self._host} | request.headers
        if request.body or request.method == "POST":
            if request.chunked:
                headers["transfer-encoding"] = "chunked"
            else:
                headers["content-length"] = str(
                    len(request.body) if request.length is None else request.length
                )
        self._open.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            self._open.putheader(name, value.encode("latin-1"))
        self._open.endheaders()
        if request.length is not None and request.length > len(request.body):
            self._open.send(request.body)
            self._open.close()  # in the middle of what was promised
            return None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # answered before all was sent
            if request.chunked:
                for at in range(0, len(request.body), 3000):
                    part = request.body[at : at + 3000]
                    self._open.send(b"%x\r\n%s\r\n" % (len(part), part))
                self._open.send(b"0\r\n\r\n")
            elif request.body:
                self._open.send(request.body)
        got = self._open.getresponse()
        answer = Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        if answer.headers.get("connection") == "close":
            self._open.close()
        return answer

    def close(self) -> None:
        self._open.close()


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """All that the document has."""
    return [
        Operation(method, path, says)
        for path, item in document["paths"].items()
        for method, says in item.items()
        if method in _ANY_METHOD
    ]


# --- what is sent -------------------------------------------------------------------------------------------

ODD = (
    "", " ", "0", "-1", "null", "true", "[]", "{}", "nan", "inf", "-inf", "1e400", "1e-400", "9" * 300,
    "0x10", "1_0", "\u0663", "..", "../..", "../../../../etc/passwd", "/etc/passwd", "..\\..\\x", "a/b", "*",
    "?", "[a-z]", "%2e%2e%2f", "%", "%zz", "'", '"', "' OR 1=1 --", "$(id)", "`id`", "{{7*7}}",
    "<script>alert(1)</script>", "a\nb", "a\r\nX-More: 1", "a\0b", "\x1b[31m", "\ufeff", "\u202e", "日本語",
    "ünï", "\U0001f600", "é" * 500, "A" * 1900, "a=b&c=d", "x;y", "file:///etc/passwd", "http://localhost/x",
)  # fmt: skip
FILE_NAMES = (
    "", " ", "a b.wav", '"quoted".wav', "it's.wav", "two\nlines.wav", "two\r\nX-More: 1\r\n.wav", "..",
    "../../etc/passwd", "C:\\x\\y.wav", "nul\0.wav", "日本語.wav", "привет.wav", "مرحبا.wav", "\U0001f3a4.wav",
    "%2e%2e%2f", "a;b=c.wav", "x" * 2500, "\\", "\\\"", "-", "~",
)  # fmt: skip
DISPOSITIONS = (
    "form-data", "", "attachment", "form-data; name", "form-data; name=", "form-data; name=file",
    "form-data; name*=file", "form-data; name*=utf-8''file", "form-data; name*=utf-8''%ff",
    "form-data; name*=nowhere''file", "form-data; name*0=fi; name*1=le", "form-data; name*=a; name*0=b",
    "form-data; name*0*=utf-8''fi; name*1*=le; name=x", "form-data; name=file; name=file",
    'form-data; name="file', 'form-data; name="fi\\le"', "form-data; name=\xe9",
    "form-data; name*99999999999999999999=x", ";;;=;",
)  # fmt: skip
FORM_TYPES = (
    "", "application/json", "application/x-www-form-urlencoded", "text/plain", "audio/wav",
    "multipart/mixed; boundary=fuzz", "multipart/form-data", "multipart/form-data; boundary=",
    'multipart/form-data; boundary=""', "multipart/form-data; boundary=other",
    'multipart/form-data; boundary="fu zz"', "multipart/form-data; boundary=" + "b" * 71,
    "multipart/form-data; boundary=\xe9", "multipart/form-data; boundary*=utf-8''fuzz",
    "multipart/form-data; boundary*=a; boundary*0=fuzz", "multipart/form-data boundary=fuzz",
    "multipart/form-data; boundary=fuzz; boundary=x", "MULTIPART/Form-Data; BOUNDARY=fuzz", ";",
    "multipart/form-data; boundary*0=fuzz",
)  # fmt: skip
PART_TYPES = (
    "", "audio/wav", "video/mp4", "application/octet-stream", "text/html", "audio/", "/", ";", "audio/\xe9",
    "multipart/mixed; boundary=x",
)  # fmt: skip
HEADERS_OF_STRANGERS: tuple[dict[str, str], ...] = (
    {"host": "evil.example"}, {"host": ""}, {"host": "["}, {"host": "[::1"}, {"host": "127.0.0.1:99999999"},
    {"host": "\xe9"}, {"host": "a@b:c@d"}, {"origin": "http://["}, {"origin": "http://[::1"},
    {"origin": "null"}, {"origin": ""}, {"origin": "\xe9"}, {"origin": "http://evil.example"},
    {"origin": "http://a]b"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "\xe9"},
    {"authorization": "Bearer"}, {"authorization": "Bearer \xe9"}, {"authorization": "Basic " + "x" * 3000},
    {"cookie": "spoofproof_session=\xe9"}, {"cookie": ";=;=\"\\"}, {"accept": "text/html"},
    {"content-encoding": "gzip"}, {"range": "bytes=-1"}, {"if-none-match": "\xe9"},
    {"if-modified-since": "never"}, {"range": "bytes=9-1,4-,x"}, {"if-range": '"'}, {"expect": "200-maybe"},
    {"x-forwarded-for": "::"},
)  # fmt: skip


def part(content: bytes, disposition: str | bytes, kind: str = "", boundary: str = BOUNDARY) -> bytes:
    """One part of a form."""
    said = disposition if isinstance(disposition, bytes) else disposition.encode("latin-1")
    head = b"--" + boundary.encode() + b"\r\nContent-Disposition: " + said
    more = b"\r\nContent-Type: " + kind.encode("latin-1") if kind else b""
    return head + more + b"\r\n\r\n" + content + b"\r\n"


def field(name: str, content: bytes) -> bytes:
    """A plain field."""
    return part(content, f'form-data; name="{name}"'.encode())


def file(content: bytes, name: str = "a.wav", kind: str = "audio/wav", field_name: str = "file") -> bytes:
    """A file whose name is sent as it is, without any care."""
    return part(content, f'form-data; name="{field_name}"; filename="{name}"'.encode(), kind)


END = f"--{BOUNDARY}--\r\n".encode()


def edges(schema: Mapping[str, Any], rng: random.Random) -> Iterator[str]:
    """Values at the edge of a schema and beyond it, as text."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if schema.get("type") in {"number", "integer"}:
        for edge in (low, high):
            if edge is not None:
                yield from (str(edge), str(edge - 1), str(edge + 1), f"{edge:.1f}", f"{edge}e0")
        yield from ("0.5", "-0", "+1", " 1 ", "1e308", "59.99", "60", "61")
    for word in schema.get("enum", ()):
        yield from (str(word), str(word).upper())
    longest = schema.get("maxLength")
    if longest is not None:
        yield from ("a" * longest, "a" * (longest + 1))
    yield from ODD
    yield "".join(chr(rng.randrange(1, 0x3000)) for _ in range(30))


class Maker:
    """Makes the requests of one document. known: parameter or field → a value that is good at this moment.

    sound: a good recording; damaged: one that is not.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        known: Mapping[str, Callable[[random.Random], str]],
        sound: Callable[[random.Random], bytes],
        damaged: Callable[[random.Random], bytes],
    ) -> None:
        self.operations = operations(document)
        self._known, self._sound, self._damaged = known, sound, damaged

    def directed(self, operation: Operation) -> Iterator[Request]:
        """Every kind of request to an operation, each once."""
        rng = random.Random(str(operation))
        yield self.good(operation, rng)
        for headers in HEADERS_OF_STRANGERS:
            made = self.good(operation, rng)
            yield dataclasses.replace(made, kind=f"headers {headers}", headers=made.headers | headers)
        for query in ("?", "?x=1", "?" + "&".join(f"{k}=%00" for k in "abc"), "?%ff=%zz", "?" + "x" * 3000):
            made = self.good(operation, rng)
            yield dataclasses.replace(made, kind=f"query {query[:20]}", target=made.target + query)
        for one in operation.parameters:
            for value in edges(one.get("schema", {}), rng):
                yield self.good(operation, rng, {one["name"]: value})
        if operation.body is None:
            for kind, body in (("application/json", b"{"), ("", b"\xff" * 999), (MULTIPART, END)):
                made = self.good(operation, rng)
                yield dataclasses.replace(made, kind="a body", headers={"content-type": kind}, body=body)
            return
        yield from self._forms(operation, rng)

    def _forms(self, operation: Operation, rng: random.Random) -> Iterator[Request]:
        assert operation.body is not None
        many = operation.body["properties"]["file"].get("type") == "array"
        rest = self._fields(operation, rng)
        whole = self._sound(rng)

        def form(kind: str, body: bytes, content_type: str = MULTIPART, **more: Any) -> Request:
            made = self.good(operation, rng)
            return dataclasses.replace(
                made, kind=kind, body=body, headers={"content-type": content_type}, **more
            )

        for name in FILE_NAMES:
            yield form(f"file name {name[:30]!r}", file(whole, name) + rest + END)
        for said in DISPOSITIONS:
            yield form(f"disposition {said}", part(whole, said, "audio/wav") + rest + END)
            yield form(f"disposition {said} beside a file", file(whole) + part(b"1", said) + rest + END)
        for kind in FORM_TYPES:
            yield form(f"content type {kind[:60]}", file(whole) + rest + END, kind)
        for kind in PART_TYPES:
            yield form(f"part of type {kind}", file(whole, kind=kind) + rest + END)
        good = file(whole) + rest + END
        for size in (0, 1, 9, 40, 60, 200, len(good) // 2, len(good) - len(END), len(good) - 3):
            yield form(f"cut to {size}", good[:size])
        yield form("less than promised", good[: len(good) // 2], length=len(good))
        yield form("nothing of what was promised", b"", length=len(good))
        yield form("in chunks", good, chunked=True)
        yield form("chunks of nothing", b"", chunked=True)
        yield form("more behind the end", good + good)
        yield form("no file", rest + END)
        yield form("an empty file", file(b"") + rest + END)
        yield form("text for sound", file(b"Dear Sir or Madam,\n" * 30) + rest + END)
        yield form("noise for sound", file(rng.randbytes(3000)) + rest + END)
        yield form("too large", file(b"\0" * 400_001) + rest + END)
        yield form("two files", file(whole) * 2 + rest + END)
        yield form("many files", file(b"x") * 300 + rest + END)
        yield form(
            "many fields", file(whole) + b"".join(field(f"f{n}", b"x") for n in range(30)) + rest + END
        )
        yield form("line ends without returns", good.replace(b"\r\n", b"\n"))
        yield form("a preamble", b"hello\r\n" + good)
        yield form("a part without headers", b"--fuzz\r\n\r\nx\r\n" + good)
        yield form("a part with a thousand headers", b"--fuzz\r\n" + b"X: y\r\n" * 1000 + b"\r\nx\r\n" + good)
        yield form("JSON", json.dumps({"file": "x", "url": "http://localhost"}).encode(), "application/json")
        if many:
            yield form("a good one among bad ones", file(b"x") + file(whole) + file(b"") + END)
        for name, schema in operation.body["properties"].items():
            if name == "file":
                continue
            others = self._fields(operation, rng, without=name)
            yield form(f"without {name}", file(whole) + others + END)
            yield form(f"{name} twice", file(whole) + 2 * field(name, b"1") + others + END)
            yield form(f"{name} as a file", file(whole) + file(b"1", "x", "", name) + others + END)
            yield form(f"{name} not UTF-8", file(whole) + field(name, b"\xff\xfe\x00") + others + END)
            yield form(f"{name} too long", file(whole) + field(name, b"m" * 5000) + others + END)
            for value in edges(schema, rng):
                yield form(f"{name} {value[:40]!r}", file(whole) + field(name, value.encode()) + others + END)

    def chance(self, operation: Operation, rng: random.Random) -> Request:
        """A request that chance makes: damaged sound, damaged forms, values put together from pieces."""
        made = self.good(operation, rng)
        if operation.body is None:
            values = {one["name"]: self._pieces(one["name"], rng) for one in operation.parameters}
            return self.good(operation, rng, values)
        if rng.random() < 0.5:
            content = self._damaged(rng)
            return dataclasses.replace(
                made, kind="damaged sound", body=file(content) + self._fields(operation, rng) + END
            )
        if rng.random() < 0.5:
            body = bytearray(made.body)
            for _ in range(rng.choice((1, 3, 30))):
                body[rng.randrange(min(len(body), 300)) if rng.random() < 0.7 else -rng.randrange(1, 120)] = (
                    rng.randrange(256)
                )
            return dataclasses.replace(made, kind="a damaged form", body=bytes(body))
        fields = [
            field(name, self._pieces(name, rng).encode("utf-8", "replace"))
            for name in operation.body["properties"]
            if name != "file"
        ]
        return dataclasses.replace(
            made, kind="fields of pieces", body=file(self._sound(rng)) + b"".join(fields) + END
        )

    def good(
        self, operation: Operation, rng: random.Random, values: Mapping[str, str] | None = None
    ) -> Request:
        """A request that keeps to the document, but for ``values`` of its parameters."""
        target, query = operation.path, []
        for one in operation.parameters:
            name = one["name"]
            value = (values or {}).get(name) if values and name in values else self._value(name, rng)
            assert value is not None
            if one["in"] == "path":
                target = target.replace(f"{{{name}}}", quote(value, safe="" if rng.random() < 0.7 else "/.%"))
            else:
                assert one["in"] == "query", f"the fuzzer knows no parameters in the {one['in']}: teach it"
                query.append(f"{quote(name)}={quote(value)}")
        target = re.sub(r"[\x00-\x20\x7f-\uffff]", "", target) + ("?" + "&".join(query) if query else "")
        made = Request(f"values {dict(values)}" if values else "good", operation.method.upper(), target)
        if operation.body is not None:
            made.headers = {"content-type": MULTIPART}
            made.body = file(self._sound(rng)) + self._fields(operation, rng) + END
        return made

    def _fields(self, operation: Operation, rng: random.Random, without: str = "") -> bytes:
        assert operation.body is not None
        names = [name for name in operation.body["properties"] if name not in {"file", without}]
        return b"".join(field(name, self._value(name, rng).encode()) for name in names)

    def _value(self, name: str, rng: random.Random) -> str:
        assert name in self._known, f"the fuzzer knows no good value of {name!r}: teach it"
        return self._known[name](rng)

    def _pieces(self, name: str, rng: random.Random) -> str:
        good = self._value(name, rng)
        more = ("@", "+", ".", ":", "-", "/", "1e9", "0", "", rng.choice(ODD), good)
        pieces = [*re.findall(r"\w+|\W", good), *more]
        return "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 8)))[:3000]


# --- what comes back ----------------------------------------------------------------------------------------


def faults(
    operation: Operation, document: Mapping[str, Any], answer: Answer, secrets: tuple[str, ...]
) -> list[str]:
    """Everything that is wrong with an answer. secrets: what no body may hold, such as paths of a machine."""
    found = []
    documented = operation.says["responses"].get(str(answer.status))
    if documented is None:
        return [f"the document does not know the status {answer.status}"]
    kind = answer.headers.get("content-type", "").partition(";")[0]
    content = documented.get("content", {})
    if answer.status == 204:
        found += ["a body without content"] * bool(answer.body)
    elif kind not in content:
        found.append(f"of type {kind!r}, where the document has {sorted(content)}")
    elif kind.endswith("json"):
        found += _against(content[kind]["schema"], document, answer)
    for name, value in HEADERS.items():
        if name == "content-security-policy":
            found += ["no policy"] * ("default-src 'none'" not in answer.headers.get(name, ""))
        elif answer.headers.get(name) != value:
            found.append(f"header {name}: {answer.headers.get(name)}")
    found += ["it may be kept by caches"] * (answer.headers.get("cache-control") != "no-store")
    found += ["it names its server"] * ("server" in answer.headers)
    found += ["429 without a time"] * (
        answer.status == 429 and not answer.headers.get("retry-after", "").isdigit()
    )
    text = answer.body.decode("latin-1")
    found += [f"it tells {word!r}" for word in secrets if word in text]
    return found


def _against(schema: Mapping[str, Any], document: Mapping[str, Any], answer: Answer) -> list[str]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return ["no JSON"]
    checker = jsonschema.Draft202012Validator(
        {**strict(schema), "components": strict(document["components"])}
    )
    found = [f"{error.json_path}: {error.message[:200]}" for error in checker.iter_errors(body)]
    if answer.headers["content-type"].startswith(PROBLEM) and not found:
        detail = body["detail"]
        found += ["another status in the body"] * (body["status"] != answer.status)
        found += [f"no sentence: {detail!r}"] * (len(detail) < 10 or not detail.isprintable())
    return found


def strict(schema: Any) -> Any:
    """The schema, in which what an object may hold is all that it may hold."""
    if isinstance(schema, Mapping):
        made = {key: strict(value) for key, value in schema.items()}
        if isinstance(made.get("properties"), dict) and made.get("type") == "object":
            made.setdefault("additionalProperties", False)
        return made
    return [strict(each) for each in schema] if isinstance(schema, list) else schema
