import struct
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codec import ARRAY_EXTENSION, decode, decode_message, encode
from bridge.errors import ContractError, TransportError
from bridge.messages import (
    Goal,
    Latent,
    Message,
    Observation,
    Plan,
    PlanRequest,
    Subtask,
    Thought,
    WorldReport,
)
from bridge.testing import (
    example_chunk,
    example_latent,
    example_memory,
    example_observation,
    example_request,
)

STAMPS = st.integers(0, 2**63 - 1)
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


def _observation(array: npt.NDArray[Any]) -> Observation:
    return Observation(stamp_ns=1, sequence=2, images={}, proprioception={}, extra={"a": array})


@given(arrays())
def test_arrays_come_back_as_they_were(array: npt.NDArray[Any]) -> None:
    """Shape, type and every bit survive, and what comes back is read-only and aligned."""
    back = decode(encode(_observation(array)), Observation).extra["a"]
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.astype(array.dtype).tobytes() == array.tobytes()
    assert not back.flags.writeable
    assert back.flags.aligned


@given(st.data())
def test_layout_in_memory_does_not_matter(data: st.DataObject) -> None:
    """A view with strides travels as the values it shows."""
    array = np.arange(24.0).reshape(2, 3, 4)
    view = array.transpose(data.draw(st.permutations(range(3))))[::-1, :, ::2]
    np.testing.assert_array_equal(
        decode(encode(_observation(view)), Observation).extra["a"],
        view,
    )


@pytest.mark.parametrize(
    "message",
    [example_observation(), example_latent(), example_chunk(), example_memory(), example_request()],
    ids=lambda message: type(message).__name__,
)
def test_every_kind_of_message_travels(message: Message) -> None:
    """A message decodes to its own type, and encodes to the same bytes again."""
    packed = encode(message)
    back = decode_message(packed)
    assert type(back) is type(message)
    assert encode(back) == packed


@given(
    st.builds(WorldReport, stamp_ns=STAMPS)
    | st.builds(Goal, stamp_ns=STAMPS)
    | st.builds(
        Plan,
        subtasks=st.lists(st.builds(Subtask), max_size=3).map(tuple),
        thoughts=st.lists(st.builds(Thought, stamp_ns=STAMPS), max_size=3).map(tuple),
        observation_stamp_ns=STAMPS,
        stamp_ns=STAMPS,
    )
)
def test_messages_without_arrays_come_back_equal(message: WorldReport | Goal | Plan) -> None:
    """Text of any alphabet, any number, nan among them, any nesting."""
    packed = encode(message)
    back = decode_message(packed)
    assert encode(back) == packed
    assert repr(back) == repr(message)


@given(st.binary(max_size=200))
def test_hostile_bytes_end_in_one_of_our_errors(data: bytes) -> None:
    """Whatever the bytes, decoding gives a message, a TransportError or a ContractError."""
    _decodes_or_refuses(data)


@given(st.data())
def test_damaged_messages_end_in_one_of_our_errors(data: st.DataObject) -> None:
    """A real message with bytes changed, cut or added does not break the reader."""
    packed = bytearray(encode(example_latent()))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    _decodes_or_refuses(bytes(packed[: data.draw(st.integers(0, len(packed)))]))
    _decodes_or_refuses(bytes(packed) + data.draw(st.binary(max_size=5)))


@given(
    header=st.binary(max_size=60),
    elements=st.binary(max_size=20),
    code=st.sampled_from([ARRAY_EXTENSION, ARRAY_EXTENSION, 0, 127]),
)
def test_hostile_arrays_end_in_one_of_our_errors(header: bytes, elements: bytes, code: int) -> None:
    """A broken array inside a good message is refused too."""
    _decodes_or_refuses(_with_array(header + elements, code))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (b"\x02f4\x01" + struct.pack("<Q", 2**62), "takes"),
        (b"\x02f4\x02" + struct.pack("<QQ", 2**63, 2**63), "takes"),
        (b"\x02f4\x02" + struct.pack("<QQ", 0, 2**63), "broken array"),
        (b"\x02O8\x01" + struct.pack("<Q", 1) + bytes(8), "O8"),
        (b"\x02f4\x09" + bytes(72), "9 dimensions"),
        (b"\x02b1\x01" + struct.pack("<Q", 1) + b"\x07", "bool"),
        (b"\x02f4\x01", "broken array"),
        (b"", "broken array"),
    ],
)
def test_arrays_that_lie_about_their_size_are_refused(array: bytes, says: str) -> None:
    """No memory is taken on the word of a header."""
    with pytest.raises(TransportError, match=says):
        decode(_with_array(array, ARRAY_EXTENSION), Observation)


def test_deep_nesting_is_refused() -> None:
    """A bomb of brackets is an error, not a crash."""
    bomb = encode(_observation(np.zeros(1)))[:-30] + b"\x91" * 100_000
    with pytest.raises((TransportError, ContractError)):
        decode(bomb, Observation)


def test_another_type_is_refused_by_name() -> None:
    """A reader of latents does not take a goal for one."""
    packed = encode(Goal(text="a", id="1", source="test", stamp_ns=0))
    with pytest.raises(ContractError, match="Goal"):
        decode(packed, Latent)


def test_wrong_leaf_is_named() -> None:
    """The error says which field of the message is wrong."""
    packed = msgspec.msgpack.encode(
        {"type": "Goal", "text": 7, "id": "1", "source": "", "stamp_ns": 0}
    )
    with pytest.raises(ContractError, match=r"\$\.text"):
        decode(packed, Goal)


def test_size_is_capped_both_ways() -> None:
    """A message over the limit is neither sent nor looked at."""
    packed = encode(example_latent())
    with pytest.raises(TransportError, match=f"Encoding {len(packed)} bytes"):
        encode(example_latent(), max_bytes=100)
    with pytest.raises(TransportError, match=f"Decoding {len(packed)} bytes"):
        decode(packed, Latent, max_bytes=100)
    with pytest.raises(TransportError, match="the limit here is 100 bytes"):
        decode_message(packed, max_bytes=100)


@pytest.mark.parametrize(
    "value", [np.array([object()]), np.zeros(1, np.complex64), object(), "\ud800", 2**64]
)
def test_what_cannot_travel_is_not_sent(value: Any) -> None:
    """Objects, complex numbers, broken text and huge integers are refused by the sender."""
    message = WorldReport(facts={"a": value}, success=None, stamp_ns=0)
    with pytest.raises(ContractError):
        encode(message)


def test_numpy_scalars_travel_as_numbers() -> None:
    """A plug-in may put a numpy number where a plain one is declared."""
    request = example_request()
    report = WorldReport(facts={"height_m": np.float32(0.5)}, success=None, stamp_ns=0)  # pyright: ignore[reportArgumentType]
    assert decode(encode(report), WorldReport).facts == {"height_m": 0.5}
    assert decode(encode(request), PlanRequest).plan_id == request.plan_id


def _with_array(data: bytes, code: int) -> bytes:
    return msgspec.msgpack.encode(
        {
            "type": "Observation",
            "stamp_ns": 0,
            "sequence": 0,
            "images": {},
            "proprioception": {"a": msgspec.msgpack.Ext(code, data)},
        }
    )


def _decodes_or_refuses(data: bytes) -> None:
    try:
        decode_message(data)
    except (TransportError, ContractError):
        return
