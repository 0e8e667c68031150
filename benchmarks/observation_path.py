"""What does an observation cost on its way from the robot to the policy?

Two pictures of 224 × 224 × 3 and the arm's state go from one process to another: through our
mailbox in shared memory; as a dict of arrays through a `multiprocessing.Queue` (pickle and a pipe);
and as the same dict by `ray.put` and `ray.get`. Times are from just before the sending to having
the arrays, on one clock that the processes share; the ways take turns in one run.

Copies are counted by design: how often the pictures' bytes are written anew. What a process
allocates at most is measured (tracemalloc), in multiples of the message, and has to agree: a
mailbox that allocated a message to send, or more than one to receive, would fail here.

    python -m benchmarks.observation_path --json observation_path.json
"""

import argparse
import itertools
import os
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from benchmarks.support.latencies import TABLE_HEAD, summarize_ns, table_row, write_json
from benchmarks.support.machine import describe_machine
from benchmarks.support.observation_copies import count_copies
from benchmarks.support.observations import (
    CAMERAS,
    CAPACITY_BYTES,
    example_observation,
    plain_arrays,
    size_bytes,
)
from benchmarks.support.other_process import PATIENCE_S, other_process
from benchmarks.support.ray_session import ray_session
from bridge.clock import SystemClock
from bridge.messages import Observation
from bridge.transports.shared_memory import SharedLatestValue

_OBSERVATIONS = 8
_PAUSE_S = 0.005
_WARM_UP = 5
_NS_PER_S = 1_000_000_000


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    parser.add_argument("--messages", type=int, default=3000, help="per way of sending")
    parser.add_argument("--rounds", type=int, default=3, help="turns that the ways take")
    arguments = parser.parse_args()
    report = measure(arguments.messages, arguments.rounds)
    print(TABLE_HEAD)
    for name, figures in report["ways"].items():
        print(table_row(name, figures))
    print(f"{'copies of the pictures':44}{'by design':>10}   allocated: sender, receiver")
    for name, copies in report["copies"].items():
        allocated = f"{copies['sender_allocates']:.2f}, {copies['receiver_allocates']:.2f}"
        print(f"{name:44}{copies['by_design']:10d}   {allocated}")
    if arguments.json is not None:
        write_json(report, arguments.json)


def measure(messages: int, rounds: int) -> dict[str, Any]:
    """Let the ways take turns, and put their figures side by side."""
    each = max(messages // rounds, 50)
    times: dict[str, list[int]] = {}
    with ray_session():
        import ray

        taker = ray.remote(num_cpus=0)(_Taker).remote()
        for _ in range(rounds):
            times.setdefault("mailbox", []).extend(through_mailbox(each)[_WARM_UP:])
            times.setdefault("queue", []).extend(through_queue(each)[_WARM_UP:])
            times.setdefault("ray", []).extend(through_ray(taker, each)[_WARM_UP:])
        copies = count_copies()
    ways = {way: summarize_ns(taken_ns) for way, taken_ns in times.items()}
    return {
        "benchmark": "observation_path",
        "message_bytes": size_bytes(example_observation()),
        "rounds": rounds,
        "ways": ways,
        "copies": copies,
        "p50_us": ways["mailbox"]["p50_us"],
        "p99_us": ways["mailbox"]["p99_us"],
        "copies_of_ours": copies["mailbox"]["by_design"],
        "p50_ratio_to_queue": ways["mailbox"]["p50_us"] / ways["queue"]["p50_us"],
        "p50_ratio_to_ray": ways["mailbox"]["p50_us"] / ways["ray"]["p50_us"],
        "machine": describe_machine(),
    }


def through_mailbox(messages: int) -> list[int]:
    """Publish here, read there without pause; times from publication to having it [ns]."""
    with (
        SharedLatestValue.create(
            "observation", Observation, run_id=f"bench{os.getpid()}", capacity_bytes=CAPACITY_BYTES
        ) as box,
        other_process(_read_mailbox, box.address, messages) as reader,
    ):
        try:
            reader.receive(PATIENCE_S)
            for observation in _paced(messages):
                box.publish(replace(observation, stamp_ns=time.perf_counter_ns()))
            return reader.receive(PATIENCE_S)
        finally:
            box.unlink()


def through_queue(messages: int) -> list[int]:
    """Put here, get there, through a queue of multiprocessing; times [ns]."""
    queue = get_context("spawn").Queue()
    with other_process(_read_queue, queue, messages) as reader:
        reader.receive(PATIENCE_S)
        for observation in _paced(messages):
            queue.put(plain_arrays(observation, time.perf_counter_ns()))
        found = reader.receive(PATIENCE_S)
    queue.close()
    queue.join_thread()
    return found


def through_ray(taker: Any, messages: int) -> list[int]:  # noqa: ANN401  # An actor's handle.
    """Put here, get in an actor that is handed the reference; times [ns]."""
    import ray

    found: list[int] = []
    for observation in _paced(messages):
        reference = ray.put(plain_arrays(observation, time.perf_counter_ns()))
        # In a list, so that the actor itself fetches it.
        found.append(ray.get(taker.take.remote([reference]), timeout=PATIENCE_S))
    return found


def _read_mailbox(connection: Connection, address: str, messages: int) -> None:
    clock = SystemClock()
    found: list[int] = []
    with SharedLatestValue(address, Observation) as box:
        connection.send("ready")
        seen, end_ns = 0, clock.now_ns() + round(PATIENCE_S * _NS_PER_S)
        while seen < messages and clock.now_ns() < end_ns:
            if box.version == seen:
                continue
            observation, seen = box.read(), box.version
            if observation is not None:
                found.append(clock.now_ns() - observation.stamp_ns)
    connection.send(found)


def _read_queue(connection: Connection, queue: Any, messages: int) -> None:  # noqa: ANN401  # A queue of multiprocessing.
    found: list[int] = []
    connection.send("ready")
    for _ in range(messages):
        arrays = queue.get(timeout=PATIENCE_S)
        found.append(time.perf_counter_ns() - arrays["stamp_ns"])
    connection.send(found)


class _Taker:
    """The actor at the other end."""

    def take(self, references: list[Any]) -> int:
        """How long an observation was under way through the object store [ns]."""
        import ray

        arrays = ray.get(references[0], timeout=PATIENCE_S)
        return time.perf_counter_ns() - arrays["stamp_ns"]


def _paced(messages: int) -> Iterator[Observation]:
    """Observations at the pace of a fast camera."""
    clock = SystemClock()
    due_ns = clock.now_ns()
    for observation in itertools.islice(_observations(), messages):
        clock.sleep_until_ns(due_ns)
        due_ns += round(_PAUSE_S * _NS_PER_S)
        yield observation


def _observations() -> Iterator[Observation]:
    """Some, in turn, because a camera fills a new array for each picture."""
    return itertools.cycle(
        [example_observation(CAMERAS, number) for number in range(_OBSERVATIONS)]
    )


if __name__ == "__main__":
    main()
