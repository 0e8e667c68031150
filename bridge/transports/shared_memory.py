"""The newest message between processes: one writer, many readers, nobody ever waits.

Layout, in 64-bit words: magic, layout version, capacity, head, then two slots of (version, length,
where the msgpack begins, checksum, payload). The writer fills the slot that the head does *not*
point to, marked as void meanwhile, and then moves the head. So a writer killed at any point leaves
the previous message complete, and a reader that is overtaken sees another version.

That needs stores that become visible in their order, and loads done in theirs, which x86 promises
and other processors do not: there the checksum, which is of the msgpack alone on x86, is of the
arrays as well. It took 12 of the 45 µs in which 256 KB went over.
Arrays are copied once by the writer, into the slot, and once by the reader, out of it.
"""

import fcntl
import os
import platform
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from bridge.errors import TransportError
from bridge.packing import Packer, unpack
from bridge.transports.segments import (
    CAPACITY_AT,
    LAYOUT_AT,
    MAGIC_AT,
    create_laid_out_segment,
    map_segment,
)

T = TypeVar("T")
Sent = TypeVar("Sent")

_MAGIC = 0x4D45444E4154  # "TANDEM"
_LAYOUT = 2
_WORD = 8
_HEAD_AT = CAPACITY_AT + 1
_HEADER_WORDS = 8
_VERSION, _LENGTH, _REST_AT, _CHECKSUM, _PAYLOAD = range(5)
_VOID = 0
# A reader is overtaken only when the writer publishes twice during one copy.
_TRIES = 8
_STORES_ARE_ORDERED = platform.machine() in ("x86_64", "AMD64")
# A prime number, so that no pattern in an image repeats with it [words].
_FOLD_WORDS = 509


class MailboxStatistics(NamedTuple):
    """`published` since the mailbox was made; `overtaken` reads that this reader had to repeat."""

    published: int
    overtaken: int
    capacity_bytes: int


class SharedLatestValue(Generic[T]):
    """A mailbox in shared memory; pickling one hands over its address, and attaches there.

    The process that calls `create` owns the mailbox and unlinks it. Whoever publishes first becomes
    the writer and stays it until it closes or dies; a restarted writer goes on from the last
    version. A reader gets the same object again until something new was published.
    """

    def __init__(self, address: str | Path, kind: type[T]) -> None:
        """Attach to a mailbox.

        Args:
            address: As `address` of the one that was created.
            kind: The type of its messages; anything else in it is refused.

        Raises:
            TransportError: There is no mailbox of this layout at the address.
        """
        self._path = Path(address)
        self._kind = kind
        self._memory = map_segment(self._path)
        self._bytes = memoryview(self._memory)
        self._words = self._bytes[: len(self._bytes) // _WORD * _WORD].cast("Q")
        self._lock_file: int | None = None
        self._capacity = self._check_layout()
        self._held: tuple[int, T | None] = (0, None)
        self._overtaken = 0
        self._packer = Packer()

    @staticmethod
    def create(
        name: str, kind: type[Sent], *, run_id: str, capacity_bytes: int
    ) -> "SharedLatestValue[Sent]":
        """Make a mailbox for messages of up to `capacity_bytes` when encoded.

        Raises:
            ConfigError: The name or the run id is not letters, digits and underscores.
            TransportError: It exists already, or there is not enough memory.
        """
        capacity = -(-capacity_bytes // _WORD) * _WORD
        size = (_HEADER_WORDS + 2 * _PAYLOAD) * _WORD + 2 * capacity
        path = create_laid_out_segment(
            name, run_id, size, magic=_MAGIC, layout=_LAYOUT, capacity=capacity
        )
        return SharedLatestValue(path, kind)

    @property
    def address(self) -> str:
        """What another process on this machine attaches to."""
        return str(self._path)

    @property
    def version(self) -> int:
        """How many messages were published so far."""
        self._check_open()
        return self._words[_HEAD_AT]

    def publish(self, message: T) -> None:
        """Replace the value.

        Raises:
            TransportError: Too large for the mailbox, closed, or another process is its writer.
            ContractError: The message cannot be encoded.
        """
        self._check_open()
        if self._lock_file is None:
            self._become_writer()
        packed = self._packer.pack(message, max_bytes=self._capacity)
        version = self._words[_HEAD_AT] + 1
        slot = self._slot(version)
        start = (slot + _PAYLOAD) * _WORD
        self._words[slot + _VERSION] = _VOID
        for place, piece in packed.pieces:
            self._bytes[start + place : start + place + len(piece)] = piece
        written = self._bytes[start : start + packed.size]
        self._words[slot + _LENGTH] = packed.size
        self._words[slot + _REST_AT] = packed.rest_at
        self._words[slot + _CHECKSUM] = _checksum(written, version, packed.rest_at)
        self._words[slot + _VERSION] = version
        self._words[_HEAD_AT] = version

    def read(self) -> T | None:
        """The newest complete message, or None before the first; bounded time, never torn.

        Raises:
            TransportError: The mailbox is closed.
            ContractError: It holds a message of another type.
        """
        self._check_open()
        for _ in range(_TRIES):
            version = self._words[_HEAD_AT]
            if version == self._held[0]:
                break
            copied = self._copy(version)
            if copied is not None:
                self._held = (version, unpack(*copied, self._kind))
                break
            self._overtaken += 1
        return self._held[1]

    def statistics(self) -> MailboxStatistics:
        """Counts for the metrics."""
        return MailboxStatistics(self.version, self._overtaken, self._capacity)

    def close(self) -> None:
        """Let go of the memory and of the writer's role. Callable any number of times."""
        self._words.release()
        self._bytes.release()
        self._memory.close()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def unlink(self) -> None:
        """Remove the mailbox's name: nobody can attach any more. For its owner, at the end."""
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.address, self._kind)

    def _check_layout(self) -> int:
        words = self._words
        fits = len(words) >= _HEADER_WORDS and words[MAGIC_AT] == _MAGIC
        if fits and words[LAYOUT_AT] == _LAYOUT:
            capacity = words[CAPACITY_AT]
            if (_HEADER_WORDS + 2 * _PAYLOAD) * _WORD + 2 * capacity == len(self._bytes):
                return capacity
        self.close()
        raise TransportError(f"{self._path} is not a mailbox of layout {_LAYOUT}.")

    def _check_open(self) -> None:
        if self._memory.closed:
            raise TransportError(f"Mailbox {self._path.name} is closed.")

    def _become_writer(self) -> None:
        """Take the writer's lock, which the kernel lets go when this process dies."""
        try:
            file = os.open(self._path, os.O_RDWR)
        except OSError as error:
            raise TransportError(f"Mailbox {self._path.name} is gone: {error}.") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise TransportError(
                f"Mailbox {self._path.name} has a writer already, and can have only one."
            ) from error
        self._lock_file = file

    def _slot(self, version: int) -> int:
        """Where the slot of a version begins [words]."""
        return _HEADER_WORDS + (version % 2) * (_PAYLOAD + self._capacity // _WORD)

    def _copy(self, version: int) -> tuple[bytes, int] | None:
        """Copy a version out, with where its msgpack begins; None if the writer was faster."""
        slot = self._slot(version)
        length, checksum = self._words[slot + _LENGTH], self._words[slot + _CHECKSUM]
        rest_at = self._words[slot + _REST_AT]
        if self._words[slot + _VERSION] != version or length > self._capacity:
            return None
        start = (slot + _PAYLOAD) * _WORD
        payload = bytes(self._bytes[start : start + length])
        intact = _checksum(memoryview(payload), version, rest_at) == checksum
        if not intact or self._words[slot + _VERSION] != version:
            return None
        return payload, rest_at


def _checksum(payload: memoryview, version: int, rest_at: int) -> int:
    """A checksum of what a slot holds, or of its msgpack alone where that is enough.

    What is long is folded first: rows of words, added up column by column; 6 µs for 256 KB where
    CRC alone took 35. It notices reads that were overtaken, and is no protection from an enemy.
    """
    # An odd factor, so that no two neighbouring versions begin alike.
    seed = (version * 0x9E3779B1 + rest_at) & 0xFFFFFFFF
    if _STORES_ARE_ORDERED:
        return zlib.crc32(payload[rest_at:], seed)
    rows = len(payload) // (_FOLD_WORDS * _WORD)
    if rows < 2:  # noqa: PLR2004  # One row folds into itself.
        return zlib.crc32(payload, seed)
    words = np.frombuffer(payload, np.uint64, rows * _FOLD_WORDS).reshape(rows, _FOLD_WORDS)
    tail = zlib.crc32(payload[rows * _FOLD_WORDS * _WORD :], seed)
    return zlib.crc32(np.add.reduce(words, axis=0), tail)
