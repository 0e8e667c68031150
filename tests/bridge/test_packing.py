import struct
import sys
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codec import encode
from bridge.errors import ContractError, TransportError
from bridge.messages import Goal, Latent, Message, Observation
from bridge.packing import Packed, Packer, unpack
from bridge.testing import (
    example_chunk,
    example_latent,
    example_memory,
    example_observation,
    example_request,
)

LIMIT = 1 << 20
DTYPES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">f4", ">i8"]


@st.composite
def arrays(draw: st.DrawFn) -> npt.NDArray[Any]:
    """An array of any allowed dtype and small shape, nan and inf included."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    size = int(np.prod(shape)) * dtype.itemsize
    raw = draw(st.binary(min_size=size, max_size=size))
    if dtype.kind == "b":
        raw = bytes(byte % 2 for byte in raw)
    return np.frombuffer(raw, dtype).reshape(shape)


def written(packed: Packed) -> bytes:
    """The packed bytes as a mailbox writes them, with rubbish in the gaps."""
    data = bytearray(b"\xa5" * packed.size)
    for place, piece in packed.pieces:
        data[place : place + len(piece)] = piece
    return bytes(data)


def there_and_back(message: Any) -> Any:
    """What a reader gets of a message."""
    packed = Packer().pack(message, max_bytes=LIMIT)
    return unpack(written(packed), packed.rest_at, type(message))


@given(st.dictionaries(st.text(max_size=3), arrays(), max_size=4))
def test_arrays_come_back_as_they_were(extra: dict[str, npt.NDArray[Any]]) -> None:
    """Shape, type and every bit of each array survive; they are read-only and aligned."""
    back = there_and_back(
        Observation(stamp_ns=1, sequence=2, images={}, proprioception={}, extra=extra)
    ).extra
    assert list(back) == list(extra)
    for name, array in extra.items():
        assert back[name].shape == array.shape
        assert back[name].dtype == array.dtype.newbyteorder("=")
        assert back[name].astype(array.dtype).tobytes() == array.tobytes()
        assert not back[name].flags.writeable
        assert back[name].flags.aligned


@pytest.mark.parametrize(
    "message",
    [example_observation(), example_latent(), example_chunk(), example_memory(), example_request()],
    ids=lambda message: type(message).__name__,
)
def test_every_kind_of_message_travels(message: Message) -> None:
    """A message that was packed is the one that went in, to the last bit of its wire form."""
    assert encode(there_and_back(message)) == encode(message)


def test_arrays_are_handed_over_without_a_copy() -> None:
    """What is to be written is the message's own memory; what is read is a view of the bytes."""
    latent = example_latent()
    packed = Packer().pack(latent, max_bytes=LIMIT)
    first = np.frombuffer(packed.pieces[0][1], np.float32)
    assert np.shares_memory(first, latent.perceptual)
    data = written(packed)
    read = unpack(data, packed.rest_at, Latent)
    assert np.shares_memory(read.perceptual, np.frombuffer(data, np.uint8))


def test_what_does_not_fit_is_refused_before_anything_is_written() -> None:
    """The error says both sizes."""
    with pytest.raises(TransportError, match="the limit here is 100 bytes"):
        Packer().pack(example_latent(), max_bytes=100)


def test_a_refused_message_leaves_nothing_behind() -> None:
    """The packer that refused one packs the next as if nothing had been, and keeps neither."""
    packer = Packer()
    with pytest.raises(ContractError):
        packer.pack({"a": np.zeros(3), "b": object()}, max_bytes=LIMIT)
    latent = example_latent()
    packed = packer.pack(latent, max_bytes=LIMIT)
    assert written(packed) == written(Packer().pack(latent, max_bytes=LIMIT))
    with_packed = sys.getrefcount(latent.perceptual)
    del packed
    without = sys.getrefcount(latent.perceptual)
    assert without < with_packed


def test_what_is_no_data_is_refused() -> None:
    """An object that only this process knows does not travel, and the error says what does."""
    with pytest.raises(ContractError, match="plain data and numeric arrays"):
        Packer().pack({"a": object()}, max_bytes=LIMIT)


def test_a_message_of_another_type_is_refused() -> None:
    """A reader that expects something else is told so."""
    packed = Packer().pack(example_latent(), max_bytes=LIMIT)
    with pytest.raises(ContractError):
        unpack(written(packed), packed.rest_at, Goal)


@given(st.binary(max_size=100), st.integers(0, 2**64 - 1))
def test_hostile_bytes_end_in_one_of_our_errors(data: bytes, rest_at: int) -> None:
    """Whatever the bytes, and wherever the message is said to begin, an error is one of ours."""
    with pytest.raises((TransportError, ContractError)):
        unpack(data, min(rest_at, 2**62), Latent)


@given(
    start=st.integers(0, 2**64 - 1),
    name=st.sampled_from([b"f4", b"u1", b"b1", b"x9", b"\xff\xff", b"f-"]),
    shape=st.lists(st.integers(0, 2**64 - 1), max_size=10),
    cut=st.integers(0, 20),
)
def test_a_hostile_place_never_reaches_past_the_bytes(
    start: int, name: bytes, shape: list[int], cut: int
) -> None:
    """An array that claims to lie elsewhere, or to be huge, is refused and never followed."""
    place = struct.pack(f"<Q2sB{len(shape)}Q", start, name, len(shape), *shape)
    rest = msgspec.msgpack.encode(msgspec.msgpack.Ext(2, place[: len(place) - cut]))
    data = b"\x01" * 16 + rest
    try:
        array = unpack(data, 16, np.ndarray)
    except TransportError:
        return
    assert array.size == 0 or np.shares_memory(array, np.frombuffer(data, np.uint8))


def test_an_extension_of_another_kind_is_refused() -> None:
    """An array in the form for wires is not looked for among the bytes."""
    with pytest.raises(TransportError, match="Extension 1 is not known"):
        unpack(msgspec.msgpack.encode(msgspec.msgpack.Ext(1, b"abc")), 0, np.ndarray)
