"""Messages packed for shared memory: the arrays as they lie, then everything else as msgpack.

In the msgpack an array is an extension that says where its elements are among the packed bytes, so
they are copied once on the way in and once on the way out, however large they are. `bridge.codec`
is the form for wires: there everything stands in one stream, at the price of two more copies.
Whatever the bytes, unpacking ends in a message, a `TransportError` or a `ContractError`.
"""

import functools
import struct
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
import numpy as np

from bridge.arrays import AnyArray
from bridge.codec import array_at, check_size, decode_with, encode_with, plain_array, wire_name
from bridge.errors import TransportError

_PLACED_EXTENSION = 2
# Of the first element among the packed bytes; enough for every element type [bytes].
_ALIGNMENT = 16
# Where the elements begin [bytes], their type, the number of dimensions and the sizes; by that
# number, of which NumPy has at most 64.
_PLACES = [struct.Struct(f"<Q2sB{dimensions}Q") for dimensions in range(65)]
_DIMENSIONS_AT = _PLACES[0].size - 1

T = TypeVar("T")


class Packed(NamedTuple):
    """What to write where [bytes]; the pieces are views of the message's own arrays.

    `rest_at` is where the msgpack begins, and `size` is how far everything reaches.
    """

    pieces: list[tuple[int, memoryview]]
    rest_at: int
    size: int


class Packer:
    """Lays out messages, one after the other; for one thread.

    A mailbox keeps one: made anew for every message it took a tenth of the hand-over.
    """

    def __init__(self) -> None:
        self._pieces: list[tuple[int, memoryview]] = []
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
        pieces.append((self._end, memoryview(rest)))
        size = self._end + len(rest)
        check_size(size, max_bytes, "Encoding")
        return Packed(pieces, self._end, size)

    def _place(self, value: Any) -> object:  # noqa: ANN401  # msgspec hands over what it does not know.
        """Give an array its place, after the one before.

        Few steps on purpose: a planner hands over seldom, so each of them is read from cold memory.
        """
        if isinstance(value, np.generic):
            return cast("object", value.item())
        array, start = plain_array(value), self._end
        shape, size = array.shape, array.nbytes
        if size:
            self._pieces.append((start, array.data.cast("B")))
        self._end = start + (size + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
        dimensions = len(shape)
        place = _PLACES[dimensions].pack(start, wire_name(array), dimensions, *shape)
        return msgspec.msgpack.Ext(_PLACED_EXTENSION, place)


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


def _find_array(code: int, place: memoryview) -> AnyArray:
    """The array that an extension points at, among the bytes that the extension itself is from."""
    if code != _PLACED_EXTENSION:
        raise TransportError(f"Extension {code} is not known; placed arrays: {_PLACED_EXTENSION}.")
    try:
        dimensions = place[_DIMENSIONS_AT]
        start, name, _, *shape = _PLACES[dimensions].unpack_from(place)
        return array_at(name.decode("ascii"), tuple(shape), cast("bytes", place.obj), start)
    except (struct.error, IndexError, ValueError, OverflowError, UnicodeDecodeError) as error:
        raise TransportError(f"A broken place of an array: {error}") from error


@functools.cache
def _decoder(kind: Any) -> "msgspec.msgpack.Decoder[Any]":  # noqa: ANN401  # A type or a union.
    return msgspec.msgpack.Decoder(kind, ext_hook=_find_array)
