"""Walks the records of a trace from any byte on, knowing where each lies.

The MCAP library's own reader gives up at the first record that is not whole, and does not say where
it was. Here a damaged chunk is one chunk lost, and what a killed writer left is read to its end.
"""

import struct
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Message, Metadata, Statistics
from mcap.stream_reader import breakup_chunk

from bridge.errors import ConfigError

MAGIC = b"\x89MCAP0\r\n"
# A record begins with what it is, and how long its content is [bytes].
_HEAD = struct.Struct("<BQ")
_BROKEN = (
    McapError, struct.error, ValueError, EOFError, zstandard.ZstdError, KeyError, OverflowError,
)  # fmt: skip


class Found(NamedTuple):
    """One record that was looked at; `record` is None for what is of no use here or damaged."""

    offset: int
    end: int
    record: Metadata | Statistics | None = None
    messages: tuple[Message, ...] = ()
    channels: tuple[Channel, ...] = ()
    is_damaged: bool = False
    is_last: bool = False


def scan(file: Path, begin: int = len(MAGIC)) -> Iterator[Found]:
    """Walk the whole records of a file from one byte on.

    Args:
        file: An MCAP file, also one that is still being written.
        begin: Where a record begins [bytes].

    Raises:
        ConfigError: It does not begin as MCAP does, or cannot be read.
    """
    with opened(file) as stream:
        size, offset = file.stat().st_size, begin
        while offset + _HEAD.size <= size:
            stream.seek(offset)
            opcode, length = _HEAD.unpack(stream.read(_HEAD.size))
            end = offset + _HEAD.size + length
            if end > size:
                return
            found = _parse(stream, opcode, offset, end)
            yield found
            if found.is_last:
                return
            offset = end


def read_chunk(stream: BufferedReader, offset: int, end: int) -> Found:
    """Read the one chunk that was found here before."""
    stream.seek(offset + _HEAD.size)
    return _parse(stream, Opcode.CHUNK, offset, end)


def opened(file: Path) -> BufferedReader:
    """Open what must be MCAP.

    Raises:
        ConfigError: It is not, or cannot be read.
    """
    try:
        stream = file.open("rb")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from error
    begins = stream.read(len(MAGIC))
    if begins == MAGIC:
        return stream
    stream.close()
    what = "it is empty" if not begins else "it does not begin as an MCAP file does"
    raise ConfigError(
        f"{file} is no trace: {what}. Runs are recorded as runs/<time>/trace-001.mcap; "
        "`agent trace ls` shows them."
    )


def _parse(stream: BufferedReader, opcode: int, offset: int, end: int) -> Found:
    if opcode == Opcode.FOOTER:
        return Found(offset, end, is_last=True)
    if opcode not in (Opcode.CHUNK, Opcode.METADATA, Opcode.STATISTICS):
        return Found(offset, end)
    content = ReadDataStream(BytesIO(stream.read(end - offset - _HEAD.size)))
    try:
        if opcode == Opcode.METADATA:
            return Found(offset, end, record=Metadata.read(content))
        if opcode == Opcode.STATISTICS:
            return Found(offset, end, record=Statistics.read(content))
        records: list[Any] = list(breakup_chunk(Chunk.read(content), validate_crc=True))
    except _BROKEN:
        return Found(offset, end, is_damaged=True)
    return Found(
        offset,
        end,
        messages=tuple(each for each in records if isinstance(each, Message)),
        channels=tuple(each for each in records if isinstance(each, Channel)),
    )
