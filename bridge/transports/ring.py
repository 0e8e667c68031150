"""A bounded log of messages that never makes its writer wait: what does not fit is dropped.

`SharedRing` lies between two processes, `LocalRing` inside one. One writer, one reader each.

Layout, in 64-bit words: magic, layout version, capacity, written, read, counts, then a circle of
bytes. A record is one word (length, and above it the checksum) and its payload, padded to words.
`written` and `read` count bytes since the beginning and are stored last, so a writer killed at any
point leaves nothing but whole records, and the next writer goes on where they end.
"""

import fcntl
import os
import zlib
from collections import deque
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from bridge.codec import decode, encode
from bridge.errors import ConfigError, ContractError, TransportError
from bridge.transports.segments import (
    CAPACITY_AT,
    LAYOUT_AT,
    MAGIC_AT,
    create_laid_out_segment,
    map_segment,
)

T = TypeVar("T")
Sent = TypeVar("Sent")

_MAGIC = 0x474E4952  # "RING"
_LAYOUT = 1
_WORD = 8
_WRITTEN_AT, _READ_AT = range(CAPACITY_AT + 1, 5)
(_PUBLISHED_AT, _DROPPED_AT, _REFUSED_AT, _DAMAGED_AT) = range(5, 9)
_HEADER_WORDS = 16
_LENGTH_MASK = 0xFFFFFFFF


class RingStatistics(NamedTuple):
    """Counts since the ring was made; `waiting` is what the reader has not taken yet.

    `dropped` found no room. `refused` could not be encoded, or would not fit in an empty ring: a
    mistake of its writer's. `damaged` are the times when the reader had to skip what was there.
    """

    published: int
    dropped: int
    refused: int
    damaged: int
    waiting_bytes: int
    capacity_bytes: int

    @property
    def lost(self) -> int:
        """How many messages, at least, the reader will never see."""
        return self.dropped + self.refused + self.damaged


class SharedRing(Generic[T]):
    """A ring in shared memory; pickling one hands over its address, and attaches there.

    The process that calls `create` owns it and unlinks it. Whoever publishes first becomes the
    writer and stays it until it closes or dies.
    """

    def __init__(self, address: str | Path, kind: type[T]) -> None:
        """Attach to a ring.

        Args:
            address: As `address` of the one that was created.
            kind: The type of its messages; anything else in it counts as damaged.

        Raises:
            TransportError: There is no ring of this layout at the address.
        """
        self._path = Path(address)
        self._kind = kind
        self._memory = map_segment(self._path)
        self._bytes = memoryview(self._memory)
        self._words = self._bytes[: len(self._bytes) // _WORD * _WORD].cast("Q")
        self._lock_file: int | None = None
        self._capacity = self._check_layout()
        self._circle = self._bytes[_HEADER_WORDS * _WORD :]
        # Where the reader met a record that was not whole: once may be the other core's delay.
        self._doubtful_at: int | None = None

    @staticmethod
    def create(
        name: str, kind: type[Sent], *, run_id: str, capacity_bytes: int
    ) -> "SharedRing[Sent]":
        """Make a ring of `capacity_bytes`, rounded up to whole words.

        Raises:
            ConfigError: The name or the run id is not letters, digits and underscores.
            TransportError: It exists already, or there is not enough memory.
        """
        capacity = -(-max(capacity_bytes, 2 * _WORD) // _WORD) * _WORD
        size = _HEADER_WORDS * _WORD + capacity
        path = create_laid_out_segment(
            name, run_id, size, magic=_MAGIC, layout=_LAYOUT, capacity=capacity
        )
        return SharedRing(path, kind)

    @property
    def address(self) -> str:
        """What another process on this machine attaches to."""
        return str(self._path)

    def publish(self, message: T) -> None:
        """Add a message, or drop and count it; never waits.

        What has no room is dropped, and so is everything while another process is the writer: to
        be told what happened is not worth a node's life.

        Raises:
            TransportError: The ring is closed.
        """
        self._check_open()
        words = self._words
        if self._lock_file is None and not self._became_writer():
            words[_DROPPED_AT] += 1
            return
        try:
            payload = encode(message, max_bytes=self._capacity - _WORD)
        except (ContractError, TransportError):
            words[_REFUSED_AT] += 1
            return
        written, needed = words[_WRITTEN_AT], _WORD + _padded(len(payload))
        if needed > self._capacity - (written - words[_READ_AT]):
            words[_DROPPED_AT] += 1
            return
        self._put(written + _WORD, payload)
        words[self._word_at(written)] = len(payload) | _checksum(payload, written) << 32
        words[_WRITTEN_AT] = written + needed
        words[_PUBLISHED_AT] += 1

    def drain(self, most: int | None = None) -> list[T]:
        """Take what waits, oldest first, up to `most` messages; whole messages only.

        Raises:
            TransportError: The ring is closed.
        """
        self._check_open()
        words, taken = self._words, list[T]()
        at, end = words[_READ_AT], words[_WRITTEN_AT]
        while at < end and (most is None or len(taken) < most):
            payload = self._get(at, end)
            if payload is None:
                at = self._skip(at, end)
                break
            at += _WORD + _padded(len(payload))
            try:
                taken.append(decode(payload, self._kind))
            except (ContractError, TransportError):
                words[_DAMAGED_AT] += 1
        words[_READ_AT] = at
        return taken

    def statistics(self) -> RingStatistics:
        """Counts, for the reader as well."""
        self._check_open()
        words = self._words
        return RingStatistics(
            published=words[_PUBLISHED_AT],
            dropped=words[_DROPPED_AT],
            refused=words[_REFUSED_AT],
            damaged=words[_DAMAGED_AT],
            waiting_bytes=words[_WRITTEN_AT] - words[_READ_AT],
            capacity_bytes=self._capacity,
        )

    def close(self) -> None:
        """Let go of the memory and of the writer's role. Callable any number of times."""
        self._circle.release()
        self._words.release()
        self._bytes.release()
        self._memory.close()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def unlink(self) -> None:
        """Remove the ring's name: nobody can attach any more. For its owner, at the end."""
        self._path.unlink(missing_ok=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.address, self._kind)

    def _check_layout(self) -> int:
        words = self._words
        fits = len(words) >= _HEADER_WORDS and words[MAGIC_AT] == _MAGIC
        if fits and words[LAYOUT_AT] == _LAYOUT:
            capacity = words[CAPACITY_AT]
            if _HEADER_WORDS * _WORD + capacity == len(self._bytes):
                return capacity
        self._words.release()
        self._bytes.release()
        self._memory.close()
        raise TransportError(f"{self._path} is not a ring of layout {_LAYOUT}.")

    def _check_open(self) -> None:
        if self._memory.closed:
            raise TransportError(f"Ring {self._path.name} is closed.")

    def _became_writer(self) -> bool:
        """Try to take the writer's lock, which the kernel lets go when this process dies."""
        try:
            file = os.open(self._path, os.O_RDWR)
        except OSError:
            # The ring's name is gone, so its owner has ended: nobody will read.
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._lock_file = file
        return True

    def _word_at(self, count: int) -> int:
        """The word that a count of bytes falls on."""
        return _HEADER_WORDS + count % self._capacity // _WORD

    def _put(self, count: int, payload: bytes) -> None:
        """Copy bytes in, around the end of the circle where they reach it."""
        start = count % self._capacity
        first = min(len(payload), self._capacity - start)
        self._circle[start : start + first] = payload[:first]
        self._circle[0 : len(payload) - first] = payload[first:]

    def _get(self, at: int, end: int) -> bytes | None:
        """Copy the payload of the record at `at` out; None if it is not whole."""
        word = self._words[self._word_at(at)]
        length = word & _LENGTH_MASK
        if at + _WORD + _padded(length) > end:
            return None
        start = (at + _WORD) % self._capacity
        first = min(length, self._capacity - start)
        payload = bytes(self._circle[start : start + first]) + self._circle[: length - first]
        return payload if _checksum(payload, at) == word >> 32 else None

    def _skip(self, at: int, end: int) -> int:
        """Look again next time; give up what is there if it is no better then."""
        if self._doubtful_at != at:
            self._doubtful_at = at
            return at
        self._words[_DAMAGED_AT] += 1
        self._doubtful_at = None
        return end


class LocalRing(Generic[T]):
    """The same inside one process: one writer thread, one reader thread, no lock."""

    def __init__(self, capacity: int = 4096) -> None:
        """Make a ring for up to `capacity` messages.

        Raises:
            ConfigError: The capacity is below 1.
        """
        if capacity < 1:
            raise ConfigError(f"A ring needs room for at least 1 message, not {capacity}.")
        self._capacity = capacity
        # deque.append and popleft are atomic, which is all that one writer and one reader need.
        self._waiting: deque[T] = deque()
        self._published = self._dropped = 0

    def publish(self, message: T) -> None:
        """Add a message, or drop and count it when there is no room."""
        if len(self._waiting) >= self._capacity:
            self._dropped += 1
            return
        self._waiting.append(message)
        self._published += 1

    def drain(self, most: int | None = None) -> list[T]:
        """Take what waits now, oldest first, up to `most` messages."""
        count = len(self._waiting) if most is None else min(most, len(self._waiting))
        return [self._waiting.popleft() for _ in range(count)]

    def statistics(self) -> RingStatistics:
        """Counts since it was made; its sizes are in messages, not bytes."""
        return RingStatistics(
            published=self._published,
            dropped=self._dropped,
            refused=0,
            damaged=0,
            waiting_bytes=len(self._waiting),
            capacity_bytes=self._capacity,
        )


def _padded(length: int) -> int:
    return -(-length // _WORD) * _WORD


def _checksum(payload: bytes, at: int) -> int:
    """CRC of a payload, tied to its place: an old record there does not pass for the new one."""
    return zlib.crc32(payload, at & 0xFFFFFFFF)
