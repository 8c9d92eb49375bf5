"""Reading an upload as it comes: form fields first, then the file piece by piece, and never the whole of it."""

import asyncio
from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from telltale_shared.errors import FieldError, InvalidRequest, Problem

SILENCE_SECONDS = 60.0
"""After which a client that sends nothing is given up."""
FIELDS_MAX = 65_536
"""Bytes of all form fields together, and of the headers of a part."""
FIELD = "file"


class TooLarge(Problem):
    """The file is larger than this installation takes."""

    status, title = 413, "File too large"


class BrokenOff(Problem):
    """The upload stopped before its end."""

    status, title = 400, "Upload broken off"


class Upload:
    """One multipart request: :meth:`open` reads up to the file, :meth:`content` reads the file.

    Args:
        request: whose body nobody has read yet.
        max_bytes: of the file; a larger one is refused as soon as that shows.
        too_large: what is answered then.
    """

    def __init__(self, request: Request, max_bytes: int, too_large: str) -> None:
        self._stream = request.stream()
        self._max_bytes = max_bytes
        self._too_large = too_large
        self._parts = _Parts(request.headers.get("content-type", ""))
        self._ended = False
        self._trailing = 0
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > max_bytes + 2 * FIELDS_MAX:
            raise TooLarge(too_large)
        self.fields: dict[str, str] = {}
        self.file_name = ""

    async def open(self) -> None:
        """Read up to the beginning of the file; ``fields`` and ``file_name`` are known then.

        Raises:
            InvalidRequest: there is no file.
            BrokenOff: the client has stopped.
        """
        while self._parts.file_name is None:
            if not await self._more():
                message = f"must be a file, sent as multipart/form-data under the name {FIELD!r}"
                raise InvalidRequest(f"{FIELD} {message}", errors=[FieldError(field=FIELD, message=message)])
        name = "".join(character for character in self._parts.file_name if character.isprintable())
        self.file_name = name.replace("\\", "/").rsplit("/", 1)[-1].strip() or "unnamed.csv"
        self.fields = self._parts.fields

    async def content(self) -> AsyncIterator[bytes]:
        """The file, as it comes.

        Raises:
            TooLarge: it is.
            InvalidRequest: something follows the file, and would be lost.
            BrokenOff: the client has stopped.
        """
        received = 0
        while True:
            content = self._parts.take()
            received += len(content)
            if received > self._max_bytes:
                raise TooLarge(self._too_large)
            if content:
                yield content
            elif not await self._more():
                if not self._parts.complete:
                    raise BrokenOff("the file ends before its last boundary: send it again")
                return

    async def _more(self) -> bool:
        """Take in what comes next; False at the end."""
        if self._ended:
            return False
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                chunk = await anext(self._stream, None)
        except TimeoutError as error:
            raise BrokenOff(f"nothing came for {SILENCE_SECONDS:g} s: send the file again") from error
        except ClientDisconnect as error:
            raise BrokenOff("the connection was closed") from error
        if chunk is None:
            self._ended = True
            return False
        if self._parts.complete:
            self._trailing += len(chunk)
            if self._trailing > FIELDS_MAX:
                raise InvalidRequest("the body goes on after the file")
        self._parts.feed(chunk)
        return True


class _Parts:
    """The parts of a multipart body as the parser finds them."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise InvalidRequest(f"send the file as multipart/form-data, as the field {FIELD!r}")
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self.complete = False
        self._content = bytearray()
        self._header_name = b""
        self._header_value = b""
        self._disposition: dict[bytes, bytes] = {}
        self._value = bytearray()
        self._small = 0
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_part_end": self._end,
                },
            )
        except FormParserError as error:
            raise InvalidRequest(f"the boundary of the parts cannot be used: {error}") from error

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest(f"the body is not multipart/form-data: {error}") from error

    def take(self) -> bytes:
        """What has come of the file since the last call."""
        content, self._content = bytes(self._content), bytearray()
        return content

    @property
    def _in_file(self) -> bool:
        return self.file_name is not None and not self.complete

    def _count(self, size: int) -> None:
        self._small += size
        if self._small > FIELDS_MAX:
            raise InvalidRequest("the form fields are too long")

    def _begin(self) -> None:
        self._disposition, self._value = {}, bytearray()

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, self._disposition = parse_options_header(self._header_value)
        self._header_name = self._header_value = b""

    def _on_headers(self) -> None:
        name = self._disposition.get(b"name", b"").decode("utf-8", "replace")
        if self.complete:
            raise _late(name)
        if name == FIELD:
            self.file_name = self._disposition.get(b"filename", b"").decode("utf-8", "replace")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._content += data[start:end]
        elif not self.complete:
            self._count(end - start)
            self._value += data[start:end]

    def _end(self) -> None:
        if self._in_file:
            self.complete = True
        elif not self.complete and b"name" in self._disposition:
            self.fields[self._disposition[b"name"].decode("utf-8", "replace")] = self._value.decode("utf-8", "replace")


def _late(name: str) -> InvalidRequest:
    """What to say of a part after the file: nothing that somebody has asked for is passed over."""
    if name == FIELD:
        message = "must be one file: import each by itself"
    else:
        message = "must come before the file, as all options"
    return InvalidRequest(f"{name[:100]} {message}", errors=[FieldError(field=name[:100], message=message)])
