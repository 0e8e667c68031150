"""Messages as msgpack bytes and back, arrays included; never pickle.

An array is a msgpack extension: one byte of dtype length, the dtype ("f4", "u1", …), one byte of
dimensions, their sizes as 64-bit integers, then the elements in C order, all little-endian.
Whatever the bytes, decoding ends in a message, a `TransportError` or a `ContractError`.
"""

import functools
import math
import struct
import sys
from typing import Any, TypeVar, cast

import msgspec
import numpy as np

from bridge.arrays import AnyArray
from bridge.errors import ContractError, TransportError
from bridge.messages import Message

ARRAY_EXTENSION = 1
MAX_BYTES = 64 * 1024 * 1024
_MAX_DIMENSIONS = 8
# Fixed sizes only: a long double differs between machines.
_DTYPES = frozenset(
    {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"},
)

T = TypeVar("T")


def encode(message: object, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Turn a message, or any msgspec Struct, into bytes.

    Raises:
        ContractError: It holds something that is neither plain data nor a numeric array.
        TransportError: It is larger than `max_bytes`.
    """
    try:
        data = _ENCODER.encode(message)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ContractError(
            leaf=type(message).__name__, expected="plain data and numeric arrays", got=error
        ) from error
    _check_size(len(data), max_bytes, "Encoding")
    return data


def decode(data: bytes | memoryview, kind: type[T], *, max_bytes: int = MAX_BYTES) -> T:
    """Read one message of the given type; its arrays are read-only.

    Arrays point into `data` where alignment permits, so `data` must never change afterwards.

    Args:
        data: Bytes from outside; not trusted.
        kind: A message type.
        max_bytes: Largest size that is looked at [bytes].

    Raises:
        TransportError: Not msgpack, a broken array, or larger than `max_bytes`.
        ContractError: Well-formed, but not a message of this type.
    """
    _check_size(len(data), max_bytes, "Decoding")
    return _decode(_decoder(kind), data)


def decode_message(data: bytes | memoryview, *, max_bytes: int = MAX_BYTES) -> Message:
    """Read a message of any type; the tag inside says which.

    Raises:
        TransportError: As for `decode`.
        ContractError: As for `decode`.
    """
    _check_size(len(data), max_bytes, "Decoding")
    return _decode(_decoder(Message), data)


def _decode(decoder: "msgspec.msgpack.Decoder[T]", data: bytes | memoryview) -> T:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        expected, _, leaf = str(error).partition(" - at ")
        raise ContractError(
            leaf=leaf or "message", expected="a message as declared", got=expected
        ) from error
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
        raise TransportError(f"{len(data)} bytes are not a message: {error}") from error


def _check_size(size: int, max_bytes: int, doing: str) -> None:
    if size > max_bytes:
        raise TransportError(
            f"{doing} {size} bytes is refused: the limit here is {max_bytes} bytes. "
            "Send smaller images or fewer of them, or raise the limit."
        )


def _encode_array(value: Any) -> object:  # noqa: ANN401  # msgspec hands over what it does not know.
    if isinstance(value, np.generic):
        return cast("object", value.item())
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a {type(value).__name__}")
    array = cast("AnyArray", value)
    dtype = f"{array.dtype.kind}{array.dtype.itemsize}"
    if dtype not in _DTYPES:
        raise ContractError(
            leaf="array", expected=f"dtype one of {sorted(_DTYPES)}", got=array.dtype
        )
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    name = dtype.encode("ascii")
    header = struct.pack(f"<B{len(name)}sB{array.ndim}Q", len(name), name, array.ndim, *array.shape)
    # One allocation: at 256 KB, `header + plain.tobytes()` took 300 µs of page faults, this 5 µs.
    return msgspec.msgpack.Ext(ARRAY_EXTENSION, b"".join((header, plain.data)))


def _decode_array(code: int, data: memoryview) -> AnyArray:
    if code != ARRAY_EXTENSION:
        raise TransportError(f"Extension {code} is not known; arrays are {ARRAY_EXTENSION}.")
    try:
        dtype, shape, elements = _split_array(data)
        array = np.frombuffer(elements, dtype=f"<{dtype}").reshape(shape)
    except (struct.error, IndexError, ValueError, OverflowError, UnicodeDecodeError) as error:
        raise TransportError(f"A broken array in {len(data)} bytes: {error}") from error
    if dtype == "b1" and array.size and int(array.view(np.uint8).max()) > 1:
        raise TransportError("A broken array: a bool is neither 0 nor 1.")
    return _aligned(array)


def _split_array(data: memoryview) -> tuple[str, tuple[int, ...], memoryview]:
    """Take dtype, shape and elements apart, and check that their sizes agree."""
    name_end = 1 + data[0]
    dtype = bytes(data[1:name_end]).decode("ascii")
    dimensions = data[name_end]
    if dtype not in _DTYPES or dimensions > _MAX_DIMENSIONS:
        raise ValueError(f"dtype {dtype!r} with {dimensions} dimensions")
    shape = struct.unpack_from(f"<{dimensions}Q", data, name_end + 1)
    elements = data[name_end + 1 + 8 * dimensions :]
    wanted = math.prod(shape) * int(dtype[1:])
    if wanted != len(elements):
        raise ValueError(f"{dtype}{list(shape)} takes {wanted} bytes, not {len(elements)}")
    return dtype, shape, elements


def _aligned(array: AnyArray) -> AnyArray:
    """Make the array fit for fast code: native byte order, aligned, read-only."""
    native = array if sys.byteorder == "little" else array.astype(array.dtype.newbyteorder("="))
    if not native.flags.aligned:
        native = native.copy()
    native.flags.writeable = False
    return native


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_array)


@functools.cache
def _decoder(kind: Any) -> "msgspec.msgpack.Decoder[Any]":  # noqa: ANN401  # A type or a union.
    return msgspec.msgpack.Decoder(kind, ext_hook=_decode_array)
