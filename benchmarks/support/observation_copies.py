"""How often an observation's pictures are copied on each way, by design and as measured."""

import os
import tracemalloc
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from benchmarks.support.observations import (
    CAMERAS,
    CAPACITY_BYTES,
    example_observation,
    plain_arrays,
    size_bytes,
)
from benchmarks.support.other_process import PATIENCE_S, other_process
from bridge.messages import Observation
from bridge.transports.shared_memory import SharedLatestValue

# How often the pictures are written anew, way by way.
_COPIES = {
    "mailbox": ("the robot's arrays into the slot", "the slot into the policy's message"),
    "queue": (
        "the arrays into bytes",
        "the bytes into the pickle",
        "the pickle into the pipe",
        "the pipe into pieces",
        "the pieces into one buffer",
        "the buffer into arrays",
    ),
    "ray": ("the arrays into the object store",),
}
# What is allocated beside the pictures: the message's objects, as a share of the whole.
_SLACK = 0.1


def count_copies() -> dict[str, dict[str, Any]]:
    """Of each way: the copies by design, and the messages' worth that each side allocates.

    Raises:
        RuntimeError: Our mailbox copies more often than it says.
    """
    allocated = {
        "mailbox": _per_message(_mailbox_allocates),
        "queue": _per_message(_pipe_allocates),
        "ray": _per_message(_ray_allocates),
    }
    sender, receiver = allocated["mailbox"]
    if sender > _SLACK or abs(receiver - 1) > _SLACK:
        raise RuntimeError(
            f"The mailbox allocated {sender:.2f} messages to send (wanted none) and "
            f"{receiver:.2f} to receive (wanted one): it copies more often than it says."
        )
    return {
        way: {
            "by_design": len(steps),
            "steps": list(steps),
            "sender_allocates": round(allocated[way][0], 2),
            "receiver_allocates": round(allocated[way][1], 2),
        }
        for way, steps in _COPIES.items()
    }


def _per_message(allocated: Callable[[int], tuple[int, int]]) -> tuple[float, float]:
    """What sender and receiver allocate for a message more, in messages; fixed buffers cancel."""
    once, twice = allocated(CAMERAS), allocated(2 * CAMERAS)
    more = size_bytes(example_observation(2 * CAMERAS)) - size_bytes(example_observation(CAMERAS))
    sender, receiver = ((second - first) / more for first, second in zip(once, twice, strict=True))
    return sender, receiver


def _mailbox_allocates(cameras: int) -> tuple[int, int]:
    observation = example_observation(cameras)
    with (
        SharedLatestValue.create(
            "copies", Observation, run_id=f"bench{os.getpid()}", capacity_bytes=CAPACITY_BYTES
        ) as box,
        SharedLatestValue(box.address, Observation) as reader,
    ):
        box.publish(observation)
        box.unlink()
        reader.read()
        return _allocated(lambda: box.publish(observation)), _allocated(reader.read)


def _pipe_allocates(cameras: int) -> tuple[int, int]:
    """What a queue does on either side, without the threads of a queue."""
    arrays = plain_arrays(example_observation(cameras), 0)
    sender = _allocated(lambda: ForkingPickler.dumps(arrays))
    with other_process(_send_one, cameras) as other:
        other.receive(PATIENCE_S)
        return sender, _allocated(lambda: other.receive(PATIENCE_S))


def _ray_allocates(cameras: int) -> tuple[int, int]:
    import ray

    arrays = plain_arrays(example_observation(cameras), 0)
    sender = _allocated(lambda: ray.put(arrays))
    reference = ray.put(arrays)
    return sender, _allocated(lambda: ray.get(reference, timeout=PATIENCE_S))


def _allocated(call: Callable[[], object]) -> int:
    """The most that this process allocated at once during a call [bytes]."""
    tracemalloc.start()
    try:
        kept = call()
        peak = tracemalloc.get_traced_memory()[1]
        del kept
        return peak
    finally:
        tracemalloc.stop()


def _send_one(connection: Connection, cameras: int) -> None:
    connection.send("ready")
    connection.send(plain_arrays(example_observation(cameras), 0))
