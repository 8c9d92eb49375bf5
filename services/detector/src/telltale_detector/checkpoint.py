"""The model and its place in the stream, on disk: written whole or not at all, and read back or not used."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import structlog

from telltale_shared.detection.model import VERSION
from telltale_shared.detection.sensitivity import known_limits
from telltale_shared.detection.state import BUCKETS, WIDTH, Columns, Series, Table

log = structlog.get_logger("telltale.detector")

FORMAT = 2
_COLUMNS = list(Columns.__annotations__)


class Position(msgspec.Struct, frozen=True):
    """The last message of the stream that was handled. Its fingerprint proves that the stream is still the same one."""

    offset: int
    fingerprint: int
    """CRC-32 of its body."""
    at: int
    """When it was published, µs since 1970-01-01 UTC."""


@dataclass(frozen=True)
class Checkpoint:
    """What a detector needs to go on as if it had never stopped."""

    position: Position
    table: Table


class _File(msgspec.Struct):
    format: int
    model: str
    columns: list[str]
    position: Position
    series: list[tuple[str, str, str | None]]
    limits: list[tuple[str, str, dict[str, float]]]
    block: bytes
    profile: bytes


class UnreadableCheckpoint(ValueError):
    """The file is no checkpoint of this version; the text says why."""


def encode(checkpoint: Checkpoint) -> bytes:
    """The bytes of ``checkpoint``, with their checksum in front."""
    table = checkpoint.table
    size = len(table)
    body = msgspec.msgpack.encode(
        _File(
            format=FORMAT,
            model=VERSION,
            columns=_COLUMNS,
            position=checkpoint.position,
            series=[(one.source, one.category, one.unit) for one in table.series],
            limits=[(*name, {kind.value: least for kind, least in own.items()}) for name, own in table.limits.items()],
            block=np.ascontiguousarray(table.block[:, :size], dtype="<f8").tobytes(),
            profile=np.ascontiguousarray(table.profile[:size], dtype="<f8").tobytes(),
        )
    )
    return zlib.crc32(body).to_bytes(4, "little") + body


def decode(content: bytes, *, capacity_limit: int) -> Checkpoint:
    """The checkpoint in ``content``.

    Raises:
        UnreadableCheckpoint: damaged, or of another version of the format or the model.
    """
    if zlib.crc32(content[4:]).to_bytes(4, "little") != content[:4]:
        raise UnreadableCheckpoint("its checksum is wrong")
    try:
        file = msgspec.msgpack.decode(content[4:], type=_File)
    except msgspec.DecodeError as error:
        raise UnreadableCheckpoint(f"it is malformed: {error}") from error
    if (file.format, file.model, file.columns) != (FORMAT, VERSION, _COLUMNS):
        raise UnreadableCheckpoint(f"it is of format {file.format} and model {file.model}")
    size = len(file.series)
    if (len(file.block), len(file.profile)) != (size * WIDTH * 8, size * BUCKETS * 8):
        raise UnreadableCheckpoint("its columns and its series do not match")
    table = Table(
        capacity_limit=capacity_limit,
        series=[Series(*one) for one in file.series],
        limits={(one[0], one[1]): known_limits(one[2]) for one in file.limits},
        block=np.frombuffer(file.block, dtype="<f8").reshape(WIDTH, size).astype(np.float64),
        profile=np.frombuffer(file.profile, dtype="<f8").reshape(size, BUCKETS).astype(np.float64),
    )
    return Checkpoint(file.position, table)


def save(path: Path, checkpoint: Checkpoint) -> int:
    """Replaces the file at ``path``; a crash leaves the old one or the new one. Returns its size in bytes."""
    content = encode(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return len(content)


def load(path: Path, *, capacity_limit: int) -> Checkpoint | None:
    """The checkpoint at ``path``; None when there is none, or none that can be used, which is logged."""
    try:
        return decode(path.read_bytes(), capacity_limit=capacity_limit)
    except FileNotFoundError:
        return None
    except (OSError, UnreadableCheckpoint) as error:
        log.warning("checkpoint not used: the detector learns anew from the stream", file=path.name, reason=str(error))
        return None
