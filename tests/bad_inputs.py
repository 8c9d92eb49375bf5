"""Requests as nobody should send them, as bytes, for every route of every service. Does no I/O.

Three kinds: right in form but wrong in what they say (most), with credentials that are none, forged or good; bodies
that are not what they claim to be; and bytes that are no HTTP at all.
"""

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes

from telltale_shared.security.access import ACCESS

TEXTS: tuple[bytes, ...] = (
    b"", b" ", b"0", b"1", b"-1", b"1e309", b"-0.0", b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}", b"9" * 400,
    b"1.7976931348623157e308", b"0x10", b"1_000", b"+1", "١٢٣".encode(), b"9999-12-31T23:59:59.999999Z",
    b"0001-01-01T00:00:00+14:00", b"2026-02-30T00:00:00Z", b"2026-11-24T25:61:61Z", b"2026-11-24", b"P1D", b"-value",
    b"../../../etc/passwd", b"..%2f..%2f", b"\x00", b"a\x00b", b"\xff\xfe", b"\xed\xa0\x80", "é\u0301\u202e".encode(),
    "😀".encode() * 300, b"A" * 5_000, b"' OR 1=1 -- ", b'"; DROP TABLE users; -- ', b"1); SELECT SLEEP(9); -- ",
    b"%' ESCAPE '", b"\\", b"%", b"_", b"%zz", b"${jndi:ldap://127.0.0.1/x}", b"{{7*7}}", b"<script>alert(1)</script>",
    b"=cmd|' /C calc'!A0", b"x\r\nX-Injected: 1", b"W/\"0\"", b"*", b"csv", b"ADMIN", b"press-3", b"temperature",
    b"eyJvIjowfQ", b"bnVsbA==",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 10**400, 1e308, -0.0, "", " ", "x", "\x00", "\ud800", "A" * 3_000, "9999-12-31", [], {},
    [[]], [None], [1] * 500, {"": {}}, {"a": {"a": {"a": {}}}}, "' OR 1=1 -- ", "2026-11-24T00:00:00", "ADMIN",
)  # fmt: skip
BODIES: tuple[bytes, ...] = (
    b"", b"{", b"null", b"[]", b"0", b'"', b"\xff\xfe{\x00}\x00", b"{}" * 1_000, b"[" * 6_000, b'{"a":' * 3_000,
    b'{"value": NaN}', b'{"value": 1e999}', b'{"a": 1, "a": 2}', b"\x00" * 4_000, b"a=1&a=2&%=%&=", b"username=%ff%00",
    b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../x\"\r\n\r\n\x00\r\n--x--\r\n",
    b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nsource;value\n'=1;2\r\n--x--\r\n",
    b"source,category,observed_at,value\n=1+1,\x00,yesterday,1e999\n", b"PK\x03\x04" + b"\x00" * 200,
)  # fmt: skip
TYPES: tuple[bytes, ...] = (
    b"application/json", b"application/json; charset=utf-16", b"application/x-www-form-urlencoded", b"text/csv",
    b"multipart/form-data", b"multipart/form-data; boundary=x", b"multipart/form-data; boundary=" + b"x" * 300, b"",
    b"application/xml", b"application/octet-stream", b"\xff",
)  # fmt: skip
FORGED: tuple[bytes, ...] = (
    b"Bearer", b"Bearer ", b"Bearer x", b"Basic YWRtaW46YWRtaW4=", b"Bearer a.b.c", b"Bearer \xff", b"Session x",
    b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwicm9sZSI6IkFETUlOIn0.", b"Bearer tt_" + b"A" * 43, b"Bearer tt_x",
    b"Bearer eyJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLy4uIn0.e30.AAAA", b"Session " + b"A" * 300, b"Bearer " + b"A" * 7_000,
)  # fmt: skip
NO_HTTP: tuple[bytes, ...] = (
    b"\r\n\r\n", b"\x00\x01\x02\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"get / HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET " + b"/a" * 40_000,
    b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100_000, b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 20_000,
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/auth/token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\nabc",
    b"POST /api/v1/auth/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n{",
    b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http:// HTTP/1.1\r\n\r\n",
)  # fmt: skip

SIGNS_OUT = "DELETE /api/v1/auth/sessions"
"""Ends every session of whoever calls it: left to strangers but for one in fifty, or all good tokens would be spent."""

Names = tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """A route, and what its description says that one may send."""

    service: str
    method: str
    path: str
    parameters: Names
    fields: Names


@dataclass(frozen=True)
class Attempt:
    """One bad request."""

    service: str
    content: bytes
    is_http: bool
    """Whether an answer is owed: to what is no HTTP, closing the connection is one."""
    who: str
    """Whose good token it carries, or nobody's."""
    what: str
    """For whoever reads of a failure."""


def operations_of(service: str, document: Mapping[str, Any]) -> Iterator[Operation]:
    """The operations of one OpenAPI document."""
    models = document.get("components", {}).get("schemas", {})
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            parameters = tuple(one["name"] for one in described.get("parameters", ()) if one["in"] == "query")
            content = described.get("requestBody", {}).get("content", {})
            references = re.findall(r"#/components/schemas/(\w+)", json.dumps(content))
            fields = tuple(name for one in references for name in models.get(one, {}).get("properties", {}))
            yield Operation(service, method.upper(), path, parameters, fields)


def undescribed_operations(service: str) -> Iterator[Operation]:
    """The routes of a service that has no OpenAPI document."""
    for route in ACCESS[service]:
        method, path = route.split()
        yield Operation(service, method if method != "WEBSOCKET" else "GET", path, ("format", "source"), ())


class BadInputs:
    """An endless choice of bad requests, the same for the same seed.

    Args:
        operations: what is called.
        seed: of the choices.
    """

    def __init__(self, operations: list[Operation], seed: int) -> None:
        self._operations = operations
        self._random = random.Random(seed)

    def next(self, tokens: Mapping[str, str]) -> Attempt:
        """One more; ``tokens`` are good ones, by whose they are."""
        operation = self._random.choice(self._operations)
        if self._random.random() < 0.03:
            content = self._random.choice(NO_HTTP)
            return Attempt(operation.service, content, False, "", repr(content[:80]))
        who = self._random.choice(("", "", *tokens, *tokens))
        if f"{operation.method} {operation.path}" == SIGNS_OUT and self._random.random() < 0.98:
            who = ""
        credential = b"Bearer " + tokens[who].encode() if who else self._random.choice((b"", *FORGED))
        line = self._line(operation)
        headers = [b"Host: 127.0.0.1", *self._headers(credential)]
        body = self._body(operation) if operation.method != "GET" or self._random.random() < 0.05 else b""
        if body or operation.method != "GET":
            kind = TYPES[0] if self._random.random() < 0.7 else self._random.choice(TYPES)
            headers += [b"Content-Type: " + kind, b"Content-Length: %d" % len(body)]
        content = b"\r\n".join((line, *headers, b"", body))
        return Attempt(operation.service, content, True, who, f"{line[:300]!r} {body[:200]!r} as {who or 'a stranger'}")

    def _line(self, operation: Operation) -> bytes:
        path = re.sub(r"\{[^}]*\}", lambda _: self._escaped(safe=""), operation.path)
        how_many = self._random.choice((0, 1, 1, 2, 5))
        names = self._random.choices((*operation.parameters, "x"), k=how_many)
        query = "&".join(f"{name}={self._escaped(safe='-:')}" for name in names)
        method = (
            operation.method if self._random.random() < 0.95 else self._random.choice(("PUT", "HEAD", "TRACE", "X"))
        )
        return f"{method} {path}{'?' if query else ''}{query} HTTP/1.1".encode()

    def _escaped(self, *, safe: str) -> str:
        return quote_from_bytes(self._random.choice(TEXTS), safe)

    def _headers(self, credential: bytes) -> Iterator[bytes]:
        address = ".".join(str(self._random.randrange(256)) for _ in range(4))
        yield b"X-Forwarded-For: " + (address.encode() if self._random.random() < 0.98 else b"x" * 300)
        if credential:
            yield b"Authorization: " + credential
        yield b"Sec-Fetch-Site: same-origin"
        for name in (b"If-Match", b"If-None-Match", b"Range", b"Accept", b"Cookie", b"Origin", b"Accept-Encoding"):
            if self._random.random() < 0.05:
                value = self._random.choice(TEXTS)
                if not re.search(rb"[\x00-\x1f\x7f]", value):
                    yield name + b": " + (b"telltale_session=" + value if name == b"Cookie" else value)

    def _body(self, operation: Operation) -> bytes:
        if not operation.fields or self._random.random() < 0.3:
            return self._random.choice(BODIES)
        chosen = self._random.sample(operation.fields, self._random.randint(1, len(operation.fields)))
        body: Any = {name: self._random.choice(VALUES) for name in chosen}
        if self._random.random() < 0.1:
            body = self._random.choice((body, [body], {"body": body}, {**body, "x": 1}))
        return json.dumps(body).encode()
