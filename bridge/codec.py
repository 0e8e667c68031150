"""Messages as msgpack bytes and back, arrays included; never pickle.

An array is a msgpack extension: one byte of dtype length, the dtype ("f4", "u1", …), one byte of
dimensions, their sizes as 64-bit integers, then the elements in C order, all little-endian.
Whatever the bytes, decoding ends in a message, a `TransportError` or a `ContractError`.
"""

import functools
import math
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec
import numpy as np

from bridge.arrays import AnyArray
from bridge.errors import ContractError, TransportError
from bridge.messages import Message

ARRAY_EXTENSION = 1
MAX_BYTES = 64 * 1024 * 1024
_MAX_DIMENSIONS = 8
# What is written is little-endian.
_IS_FOREIGN = sys.byteorder != "little"
# Fixed sizes only: a long double differs between machines.
_NAMES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
_DTYPES: Mapping[bytes, np.dtype[Any]] = {name.encode(): np.dtype(f"<{name}") for name in _NAMES}
# Looked up, because NumPy takes a microsecond to spell a dtype.
_WIRE_NAMES: Mapping[np.dtype[Any], bytes] = {dtype: name for name, dtype in _DTYPES.items()}

T = TypeVar("T")


def encode(message: object, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Turn a message, or any msgspec Struct, into bytes.

    Raises:
        ContractError: It holds something that is neither plain data nor a numeric array.
        TransportError: It is larger than `max_bytes`.
    """
    data = encode_with(_ENCODER, message)
    check_size(len(data), max_bytes, "Encoding")
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
    check_size(len(data), max_bytes, "Decoding")
    return decode_with(_decoder(kind), data)


def decode_message(data: bytes | memoryview, *, max_bytes: int = MAX_BYTES) -> Message:
    """Read a message of any type; the tag inside says which.

    Raises:
        TransportError: As for `decode`.
        ContractError: As for `decode`.
    """
    check_size(len(data), max_bytes, "Decoding")
    return decode_with(_decoder(Message), data)


def encode_with(encoder: msgspec.msgpack.Encoder, message: object) -> bytes:
    """Encode, and let what goes wrong be one of our errors.

    Raises:
        ContractError: As for `encode`.
    """
    try:
        return encoder.encode(message)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ContractError(
            leaf=type(message).__name__, expected="plain data and numeric arrays", got=error
        ) from error


def decode_with(decoder: "msgspec.msgpack.Decoder[T]", data: bytes | memoryview) -> T:
    """Decode, and let what goes wrong be one of our errors.

    Raises:
        TransportError: As for `decode`.
        ContractError: As for `decode`.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        expected, _, leaf = str(error).partition(" - at ")
        raise ContractError(
            leaf=leaf or "message", expected="a message as declared", got=expected
        ) from error
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
        raise TransportError(f"{len(data)} bytes are not a message: {error}") from error


def check_size(size: int, max_bytes: int, doing: str) -> None:
    """Refuse what is larger than it may be.

    Raises:
        TransportError: It is.
    """
    if size > max_bytes:
        raise TransportError(
            f"{doing} {size} bytes is refused: the limit here is {max_bytes} bytes. "
            "Send smaller images or fewer of them, or raise the limit."
        )


def as_written(value: object) -> tuple[AnyArray, bytes]:
    """An array as its elements are written, C order and little-endian, and their type, as b"f4".

    Raises:
        TypeError: It is no array.
        ContractError: Its elements are of a type that is not the same everywhere.
    """
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a {type(value).__name__}")
    array: AnyArray = value  # pyright: ignore[reportUnknownVariableType]
    name = _WIRE_NAMES.get(array.dtype)
    if name is not None and array.flags.c_contiguous:
        return array, name
    return _rewritten(array)


def _rewritten(array: AnyArray) -> tuple[AnyArray, bytes]:
    name = array.dtype.str[1:].encode("ascii")
    wanted = _DTYPES.get(name)
    if wanted is None:
        raise ContractError(leaf="array", expected=f"dtype one of {list(_NAMES)}", got=array.dtype)
    plain = np.ascontiguousarray(array, dtype=wanted)
    # That makes a number of no dimensions into a list of one.
    return (plain if array.ndim else plain.reshape(())), name


def _encode_array(value: Any) -> object:  # noqa: ANN401  # msgspec hands over what it does not know.
    if isinstance(value, np.generic):
        return cast("object", value.item())
    plain, name = as_written(value)
    header = struct.pack(f"<B{len(name)}sB{plain.ndim}Q", len(name), name, plain.ndim, *plain.shape)
    # One allocation: at 256 KB, `header + plain.tobytes()` took 300 µs of page faults, this 5 µs.
    return msgspec.msgpack.Ext(ARRAY_EXTENSION, b"".join((header, plain.data)))


def _decode_array(code: int, data: memoryview) -> AnyArray:
    if code != ARRAY_EXTENSION:
        raise TransportError(f"Extension {code} is not known; arrays are {ARRAY_EXTENSION}.")
    try:
        return array_at(*_split_array(data), start=0)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise TransportError(f"A broken array in {len(data)} bytes: {error}") from error


def array_at(dtype: bytes, shape: Sequence[int], data: bytes | memoryview, start: int) -> AnyArray:
    """Look at some bytes as an array: read-only, aligned, and in native byte order.

    Args:
        dtype: Kind and size, as b"f4"; not trusted.
        shape: Not trusted.
        data: Holds the elements, little-endian, in C order; copied only if they are not aligned.
        start: Where they begin [bytes]; not trusted.

    Raises:
        ValueError: The type is not one that is sent, or they are not all inside `data`.
        TransportError: A bool is neither 0 nor 1.
    """
    wanted = _DTYPES.get(dtype)
    if wanted is None or len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"dtype {dtype!r} with {len(shape)} dimensions")
    try:
        array: AnyArray = np.ndarray(shape, wanted, data, start)
    except TypeError as error:
        raise ValueError(f"{dtype!r}{list(shape)} at {start} of {len(data)} bytes") from error
    if dtype == b"b1" and array.size and int(array.view(np.uint8).max()) > 1:
        raise TransportError("A broken array: a bool is neither 0 nor 1.")
    if _IS_FOREIGN or not array.flags.aligned:
        array = array.astype(wanted.newbyteorder("="))
    if array.flags.writeable:
        array.flags.writeable = False
    return array


def _split_array(data: memoryview) -> tuple[bytes, tuple[int, ...], memoryview]:
    """Take dtype, shape and elements apart, and check that their sizes agree."""
    name_end = 1 + data[0]
    dtype = bytes(data[1:name_end])
    dimensions = data[name_end]
    shape = struct.unpack_from(f"<{dimensions}Q", data, name_end + 1)
    elements = data[name_end + 1 + 8 * dimensions :]
    wanted = math.prod(shape) * int(dtype[1:])
    if wanted != len(elements):
        raise ValueError(f"{dtype!r}{list(shape)} takes {wanted} bytes, not {len(elements)}")
    return dtype, shape, elements


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_array)


@functools.cache
def _decoder(kind: Any) -> "msgspec.msgpack.Decoder[Any]":  # noqa: ANN401  # A type or a union.
    return msgspec.msgpack.Decoder(kind, ext_hook=_decode_array)
