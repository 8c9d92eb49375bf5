"""From the bytes of a file to its physical lines. Pure."""

import codecs
import io
from collections.abc import Iterable, Iterator

LINE_MAX = 1 << 20
"""Characters of one physical line at most: more is not a table of readings."""

_MARK = "\ufeff"
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


class FileRefused(Exception):
    """The file as a whole cannot be read: where, and what to do about it."""

    def __init__(self, line: int, reason: str, *, column: str | None = None, value: str | None = None) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.column = column
        self.value = value


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """The lines in ``pieces`` with their ends (LF, CRLF or CR).

    UTF-8 with or without a byte order mark, or UTF-16 with one. A byte that is not UTF-8 comes as a lone surrogate, so
    that the row that holds it can be named.

    Raises:
        FileRefused: another encoding, or a line longer than ``LINE_MAX``.
    """
    number, tail = 0, ""
    for text in _without_mark(_decoded(pieces)):
        tail += text
        # A CR at the very end may be half of a CRLF.
        cut = tail.rfind("\n") + 1 or tail.rfind("\r", 0, -1) + 1
        whole, tail = tail[:cut], tail[cut:]
        if len(tail) > LINE_MAX:
            number += whole.count("\n") + 1
            raise FileRefused(number, f"is longer than {LINE_MAX:,} characters: is this a CSV file?")
        number += whole.count("\n")
        yield from io.StringIO(whole, newline="")
    yield from io.StringIO(tail, newline="")


def first_line(lines: Iterable[str]) -> tuple[int, str]:
    """The first line that is not blank, with its number.

    Raises:
        FileRefused: there is none.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            return number, line
    raise FileRefused(1, "the file is empty: its first line names the columns")


def _decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder: codecs.IncrementalDecoder | None = None
    for piece in pieces:
        if decoder is None:
            decoder = _decoder_for(piece)
        try:
            yield decoder.decode(piece)
        except UnicodeDecodeError as error:
            raise FileRefused(1, "has a UTF-16 byte order mark but is not UTF-16: save it as UTF-8") from error
    if decoder is not None:
        try:
            yield decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise FileRefused(1, "ends within a UTF-16 character: it was cut off, or save it as UTF-8") from error


def _without_mark(texts: Iterator[str]) -> Iterator[str]:
    """``texts`` without a byte order mark."""
    # The codec that takes it away, utf-8-sig, loses the bytes of a file that is no more than the beginning of one.
    for text in texts:
        if text:
            yield text.removeprefix(_MARK)
            break
    yield from texts


def _decoder_for(piece: bytes) -> codecs.IncrementalDecoder:
    if piece.startswith(_UTF_32):
        raise FileRefused(1, "is UTF-32: save it as UTF-8")
    if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return codecs.getincrementaldecoder("utf-16")()
    if b"\0" in piece[:2]:
        raise FileRefused(1, "looks like UTF-16 without a byte order mark: save it as UTF-8 (in Excel: CSV UTF-8)")
    return codecs.getincrementaldecoder("utf-8")("surrogateescape")


def printable(text: str) -> str:
    """``text`` as it can be shown and stored: bytes that are not UTF-8, and NUL, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
