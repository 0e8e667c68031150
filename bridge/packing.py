"""Messages packed for shared memory: the arrays as they lie, then everything else as msgpack.

In the msgpack an array is an extension that says where its elements are among the packed bytes, so
they are copied once on the way in and once on the way out, however large they are. `bridge.codec`
is the form for wires: there everything stands in one stream, at the price of two more copies.
Whatever the bytes, unpacking ends in a message, a `TransportError` or a `ContractError`.
"""

import functools
import struct
from typing import Any, TypeVar, cast

import msgspec
import numpy as np

from bridge.arrays import AnyArray
from bridge.codec import array_at, as_written, check_size, decode_with, encode_with
from bridge.errors import TransportError

_PLACED_EXTENSION = 2
# Of the first element among the packed bytes; enough for every element type [bytes].
_ALIGNMENT = 16
# Where the elements begin [bytes], their type, the number of dimensions and the sizes; by that
# number, of which NumPy has at most 64.
_PLACES = [struct.Struct(f"<Q2sB{dimensions}Q") for dimensions in range(65)]
_DIMENSIONS_AT = _PLACES[0].size - 1
# Messages of one kind are alike, so the places of their arrays are mostly known already.
_KNOWN_PLACES = 256

T = TypeVar("T")


class Packed(msgspec.Struct, frozen=True):
    """What to write where [bytes]; the pieces are views of the message's own arrays.

    `rest_at` is where the msgpack begins, and `size` is how far everything reaches.
    """

    pieces: list[tuple[int, memoryview | bytes]]
    rest_at: int
    size: int


class Packer:
    """Lays out messages, one after the other; for one thread.

    A mailbox keeps one: made anew for every message it took a tenth of the hand-over.
    """

    def __init__(self) -> None:
        self._pieces: list[tuple[int, memoryview | bytes]] = []
        self._end = 0
        self._encoder = msgspec.msgpack.Encoder(enc_hook=self._place)

    def pack(self, message: object, *, max_bytes: int) -> Packed:
        """Lay out a message, or any msgspec Struct, without copying its arrays.

        Raises:
            ContractError: It holds something that is neither plain data nor a numeric array.
            TransportError: It takes more than `max_bytes`.
        """
        self._pieces, self._end = [], 0
        rest = encode_with(self._encoder, message)
        # What was laid out is the caller's from here on: a mailbox must keep no message alive.
        pieces, self._pieces = self._pieces, []
        pieces.append((self._end, rest))
        size = self._end + len(rest)
        check_size(size, max_bytes, "Encoding")
        return Packed(pieces, self._end, size)

    def _place(self, value: Any) -> object:  # noqa: ANN401  # msgspec hands over what it does not know.
        """Give an array its place, after the one before.

        Few steps on purpose: a planner hands over seldom, so each of them is read from cold memory.
        """
        if isinstance(value, np.generic):
            return cast("object", value.item())
        array, name = as_written(value)
        start, size, shape = self._end, array.nbytes, array.shape
        if size:
            self._pieces.append((start, array.data.cast("B")))
        self._end = start + size + -size % _ALIGNMENT
        return _place_of(start, name, shape)


def unpack(data: bytes, rest_at: int, kind: type[T]) -> T:
    """Read a packed message of the given type; its arrays are read-only views of `data`.

    Args:
        data: The packed bytes; not trusted.
        rest_at: Where the msgpack begins [bytes]; not trusted.
        kind: A message type.

    Raises:
        TransportError: Not msgpack, or an array that does not lie within `data`.
        ContractError: Well-formed, but not a message of this type.
    """
    return decode_with(_decoder(kind), memoryview(data)[rest_at:])


@functools.lru_cache(_KNOWN_PLACES)
def _place_of(start: int, name: bytes, shape: tuple[int, ...]) -> msgspec.msgpack.Ext:
    place = _PLACES[len(shape)].pack(start, name, len(shape), *shape)
    return msgspec.msgpack.Ext(_PLACED_EXTENSION, place)


@functools.lru_cache(_KNOWN_PLACES)
def _read_place(place: bytes) -> tuple[int, bytes, tuple[int, ...]]:
    start, name, _, *shape = _PLACES[place[_DIMENSIONS_AT]].unpack(place)
    return start, name, tuple(shape)


def _find_array(code: int, place: memoryview) -> AnyArray:
    """The array that an extension points at, among the bytes that the extension itself is from."""
    if code != _PLACED_EXTENSION:
        raise TransportError(f"Extension {code} is not known; placed arrays: {_PLACED_EXTENSION}.")
    try:
        start, name, shape = _read_place(bytes(place))
        return array_at(name, shape, cast("bytes", place.obj), start)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise TransportError(f"A broken place of an array: {error}") from error


@functools.cache
def _decoder(kind: Any) -> "msgspec.msgpack.Decoder[Any]":  # noqa: ANN401  # A type or a union.
    return msgspec.msgpack.Decoder(kind, ext_hook=_find_array)
