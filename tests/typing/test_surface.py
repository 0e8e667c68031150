"""What a type checker sees of the public surface: basedpyright checks these, pytest runs them."""

from typing import assert_type

import numpy as np
import numpy.typing as npt

from bridge import (
    ChunkStitcher,
    Clock,
    Command,
    Decision,
    Fusion,
    Goal,
    Hold,
    Latent,
    LatestValue,
    ManualClock,
    Memory,
    PickedAction,
    Planner,
    Policy,
    Robot,
    SystemClock,
)
from bridge.codec import decode, decode_message, encode
from bridge.fusion.latest import LatestFusion
from bridge.memories.bank import BankMemory
from bridge.messages import Message
from bridge.testing import EXAMPLE_LATENT, FakePlanner, FakePolicy, FakeRobot, example_latent
from bridge.transports.in_process import InProcessLatestValue
from bridge.transports.shared_memory import SharedLatestValue


def test_messages_keep_their_types_through_the_codec() -> None:
    """`decode` gives the type that was asked for, and `decode_message` the union."""
    packed = encode(example_latent())
    assert_type(packed, bytes)
    assert_type(decode(packed, Latent), Latent)
    assert_type(decode_message(packed), Message)
    assert_type(decode(packed, Latent).perceptual, npt.NDArray[np.float32])


def test_mailboxes_are_typed_by_their_message() -> None:
    """Reading a mailbox of goals gives a goal or None."""
    mailbox: LatestValue[Goal] = InProcessLatestValue[Goal]()
    assert_type(mailbox.read(), Goal | None)
    shared = SharedLatestValue.create("typing", Goal, run_id="typing", capacity_bytes=64)
    with shared:
        shared.unlink()
        assert_type(shared, SharedLatestValue[Goal])
        assert_type(shared.read(), Goal | None)


def test_shipped_classes_meet_their_protocols() -> None:
    """The checker accepts each shipped class where its protocol is asked for."""
    planner: Planner = FakePlanner()
    policy: Policy = FakePolicy()
    robot: Robot = FakeRobot()
    memory: Memory = BankMemory(latent=EXAMPLE_LATENT)
    fusion: Fusion = LatestFusion()
    clocks: tuple[Clock, ...] = (SystemClock(), ManualClock())
    assert all((planner, policy, robot, memory, fusion, clocks))


def test_a_decision_is_a_command_or_a_hold() -> None:
    """Nothing else can come out of the control loop."""

    def narrow(decision: Decision) -> str:
        if isinstance(decision, Hold):
            return decision.reason
        assert_type(decision, Command)
        return "command"

    def pick(stitcher: ChunkStitcher) -> None:
        assert_type(stitcher.pick(0), PickedAction | Hold)

    assert narrow.__name__ != pick.__name__
