"""A client that sends bytes as they are, over connections that it keeps as long as the server does."""

import asyncio
import re
from dataclasses import dataclass

CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 120.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int | None
    """None: the server closed the connection without a word."""


class Connection:
    """One connection to one server at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, content: bytes, *, is_http: bool = True) -> Answer:
        """Send ``content`` and read the answer. What is no HTTP is also the last that is sent on the connection.

        Raises:
            TimeoutError: no answer in two minutes.
        """
        for turn in range(2):
            fresh = self._streams is None
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await self._exchange(content, is_http=is_http)
            except TimeoutError:
                raise
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                answer = Answer(None)
            if answer.status is not None or fresh or turn:
                break  # a kept connection may have been closed meanwhile: once more on a new one
        return answer

    def close(self) -> None:
        """Give the connection up."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _exchange(self, content: bytes, *, is_http: bool) -> Answer:
        if self._streams is None:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(content)
        if not is_http:
            writer.write_eof()
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if not is_http or re.search(rb"connection: close", head, re.IGNORECASE) or status == 101:
            self.close()
        else:
            await self._read_body(reader, head, is_head=content.startswith(b"HEAD"))
        return Answer(status)

    async def _read_body(self, reader: asyncio.StreamReader, head: bytes, *, is_head: bool) -> None:
        if is_head or head.split(b" ", 2)[1] in (b"204", b"304"):
            return
        if length := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
            await reader.readexactly(int(length[1]))
            return
        size = -1
        while size:  # chunked
            size = int(await reader.readuntil(b"\r\n"), 16)
            await reader.readexactly(size + 2)
