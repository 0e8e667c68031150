"""How long from a latent's publication until another process has it?

A latent of 64 × 1024 float32 goes from one process to another: through the shared-memory mailbox,
by a call of a Ray actor, and by `ray.put` and `ray.get`. All stamps are of one monotonic clock that
both processes share, taken just before the sending, when the message is there, and just after the
receiving; the three take turns in one run, so that their ratios mean something on a noisy machine.
As a planner does, the sender makes each latent of its model's hidden states and tells its status
the same way just before; `after_sleep` is without both: its core has to wake, to find its code and
to fetch numbers that lay about for long. The mailbox is read in two ways: without pause, which is
the hand-over itself, and once a beat, as the policy reads it.

    python -m benchmarks.latent_handover --json latent_handover.json
"""

import argparse
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from benchmarks.support.latencies import TABLE_HEAD, summarize_ns, table_row, write_json
from benchmarks.support.machine import describe_machine
from benchmarks.support.other_process import PATIENCE_S, other_process
from benchmarks.support.ray_session import ray_session
from bridge.clock import SystemClock
from bridge.messages import Latent, PlanningStatus
from bridge.transports.shared_memory import SharedLatestValue

SHAPE = (64, 1024)
GOAL_RATIO, GOAL_P99_US = 1 / 50, 200.0
# Some, in turn, so that none is hot in every cache.
_LATENTS = 8
_CAPACITY_BYTES = 4 * 1024 * 1024
_STATUS = PlanningStatus(phase="thinking", stamp_ns=0)
# Sleep between two latents [s].
_PAUSE_S = 0.005
# The first ones load code [messages].
_WARM_UP = 5
_POLICY_RATE_HZ = 20.0
# A little off the beat, so that latents come at every phase of it [s].
_POLICY_PAUSE_S = 0.0837
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
    print(f"p50, mailbox / Ray call: 1/{1 / report['p50_ratio_to_ray_call']:.0f} (goal 1/50)")
    print(f"p99 of the mailbox: {report['p99_us']:.0f} µs (goal {GOAL_P99_US:.0f} µs)")
    if arguments.json is not None:
        write_json(report, arguments.json)


def measure(messages: int, rounds: int) -> dict[str, Any]:
    """Let the ways take turns, and put their figures side by side."""
    each = max(messages // rounds, 100)
    times: dict[str, list[int]] = {}
    with ray_session(), _ray_taker() as taker:
        for _ in range(rounds):
            found = through_mailbox(each, _PAUSE_S, 0.0) | through_ray(taker, each)
            found |= through_mailbox(max(each // 10, 50), _POLICY_PAUSE_S, _POLICY_RATE_HZ)
            slept = through_mailbox(each, _PAUSE_S, 0.0, thinks=False)
            slept |= through_ray(taker, each, thinks=False)
            found |= {f"{way}_after_sleep": taken_ns for way, taken_ns in slept.items()}
            for way, taken_ns in found.items():
                times.setdefault(way, []).extend(taken_ns[_WARM_UP:])
    ways = {way: summarize_ns(taken_ns) for way, taken_ns in times.items()}
    mailbox = ways["mailbox"]
    return {
        "benchmark": "latent_handover",
        "shape": list(SHAPE),
        "rounds": rounds,
        "policy_rate_hz": _POLICY_RATE_HZ,
        "overwritten_before_read": rounds * (each - _WARM_UP) - mailbox["n"],
        "ways": ways,
        "p50_us": mailbox["p50_us"],
        "p99_us": mailbox["p99_us"],
        "p999_us": mailbox["p999_us"],
        "p50_ratio_to_ray_call": mailbox["p50_us"] / ways["ray_call"]["p50_us"],
        "p50_ratio_to_ray_call_after_sleep": (
            ways["mailbox_after_sleep"]["p50_us"] / ways["ray_call_after_sleep"]["p50_us"]
        ),
        "p50_ratio_to_ray_round_trip": mailbox["p50_us"] / ways["ray_round_trip"]["p50_us"],
        "p50_ratio_to_ray_put_get": mailbox["p50_us"] / ways["ray_put_get"]["p50_us"],
        "p99_ratio_to_ray_call": mailbox["p99_us"] / ways["ray_call"]["p99_us"],
        "goals": {
            "p50_ratio_to_ray_call": {"at_most": GOAL_RATIO},
            "p99_us": {"at_most": GOAL_P99_US},
        },
        "machine": describe_machine(),
    }


def through_mailbox(
    messages: int, pause_s: float, beat_hz: float, *, thinks: bool = True
) -> dict[str, list[int]]:
    """Publish from one process and read in another.

    Args:
        messages: How many.
        pause_s: Between two of them [s].
        beat_hz: How often the reader looks; 0 reads without pause.
        thinks: Whether, just before, the latent is made and a status goes through another mailbox.

    Returns:
        Times [ns] by way: `mailbox` without pause; else `policy_beat`, from publication until the
        beat that has it, and `policy_read`, which is how long the reading took at that beat.
    """
    run_id = f"bench{os.getpid()}"
    with (
        SharedLatestValue.create(
            "latent", Latent, run_id=run_id, capacity_bytes=_CAPACITY_BYTES
        ) as box,
        SharedLatestValue.create(
            "planning", PlanningStatus, run_id=run_id, capacity_bytes=_CAPACITY_BYTES
        ) as status,
        other_process(_read, box.address, messages, beat_hz) as reader,
    ):
        try:
            reader.receive(PATIENCE_S)
            told = status.address if thinks else ""
            with other_process(_publish, box.address, told, messages, pause_s) as publisher:
                arrived, read_ns = reader.receive(messages * pause_s + PATIENCE_S)
                sent_ns = publisher.receive(PATIENCE_S)
        finally:
            box.unlink()
            status.unlink()
    # The first message is version 1.
    since_ns = [arrived_ns - sent_ns[version - 1] for version, arrived_ns in arrived]
    return {"policy_beat": since_ns, "policy_read": read_ns} if beat_hz else {"mailbox": since_ns}


def _publish(
    connection: Connection, address: str, status_address: str, messages: int, pause_s: float
) -> None:
    clock = SystemClock()
    sent_ns: list[int] = []
    with (
        SharedLatestValue(address, Latent) as box,
        SharedLatestValue(status_address or address, PlanningStatus) as status,
    ):
        due_ns = clock.now_ns()
        for ready in itertools.islice(_latents(), messages):
            clock.sleep_until_ns(due_ns)
            due_ns += round(pause_s * _NS_PER_S)
            latent = ready
            if status_address:
                latent = _made_anew(ready)
                status.publish(_STATUS)
            sent_ns.append(clock.now_ns())
            box.publish(latent)
    connection.send(sent_ns)


def _read(connection: Connection, address: str, messages: int, beat_hz: float) -> None:
    clock = SystemClock()
    arrived: list[tuple[int, int]] = []
    read_ns: list[int] = []
    with SharedLatestValue(address, Latent) as box:
        connection.send("ready")
        due_ns, seen = clock.now_ns(), 0
        end_ns = due_ns + round(PATIENCE_S * _NS_PER_S)
        while seen < messages and clock.now_ns() < end_ns:
            if beat_hz:
                due_ns += round(_NS_PER_S / beat_hz)
                clock.sleep_until_ns(due_ns)
            if box.version == seen:
                continue
            began_ns = clock.now_ns()
            latent, version = box.read(), box.version
            now_ns = clock.now_ns()
            if latent is not None:
                seen = version
                arrived.append((version, now_ns))
                read_ns.append(now_ns - began_ns)
    connection.send((arrived, read_ns))


def through_ray(
    taker: Any,  # noqa: ANN401  # An actor's handle.
    messages: int,
    *,
    thinks: bool = True,
) -> dict[str, list[int]]:
    """Send latents to an actor, by call and by the object store; times [ns] by way."""
    import ray

    def next_of(ready: Latent) -> Latent:
        time.sleep(_PAUSE_S)
        if not thinks:
            return ready
        latent = _made_anew(ready)
        # Waited for, so that the latent does not queue behind it.
        ray.get(taker.hear.remote(_STATUS), timeout=PATIENCE_S)
        return latent

    calls, round_trips, stored = [], [], []
    for ready in itertools.islice(_latents(), messages):
        latent = next_of(ready)
        sent_ns = time.perf_counter_ns()
        calls.append(ray.get(taker.take.remote(latent, sent_ns), timeout=PATIENCE_S))
        round_trips.append(time.perf_counter_ns() - sent_ns)
        latent = next_of(ready)
        sent_ns = time.perf_counter_ns()
        # In a list, so that the actor itself fetches it.
        reply = taker.fetch.remote([ray.put(latent)], sent_ns)
        stored.append(ray.get(reply, timeout=PATIENCE_S))
    return {"ray_call": calls, "ray_round_trip": round_trips, "ray_put_get": stored}


@contextmanager
def _ray_taker() -> Iterator[Any]:
    import ray

    yield ray.remote(num_cpus=0)(_Taker).remote()


class _Taker:
    """The actor at the other end."""

    def hear(self, status: PlanningStatus) -> None:
        """What the planner tells before a latent."""

    def take(self, latent: Latent, sent_ns: int) -> int:
        """How long the latent was under way as an argument [ns]."""
        arrived_ns = time.perf_counter_ns()
        _look_at(latent)
        return arrived_ns - sent_ns

    def fetch(self, references: list[Any], sent_ns: int) -> int:
        """How long it was under way through the object store [ns]."""
        import ray

        latent: Any = ray.get(references[0], timeout=PATIENCE_S)
        arrived_ns = time.perf_counter_ns()
        _look_at(latent)
        return arrived_ns - sent_ns


def _look_at(latent: Latent) -> None:
    if latent.perceptual.shape != SHAPE:
        raise ValueError(f"a latent of {latent.perceptual.shape} arrived, not {SHAPE}")


def _made_anew(latent: Latent) -> Latent:
    """The same numbers in new arrays, as an engine hands them over."""
    return replace(latent, perceptual=latent.perceptual.copy(), cognitive=latent.cognitive.copy())


def _latents() -> Iterator[Latent]:
    random = np.random.default_rng(0)
    made = [
        Latent(
            perceptual=random.normal(size=SHAPE).astype(np.float32),
            cognitive=random.normal(size=(1, SHAPE[1])).astype(np.float32),
            observation_stamp_ns=0,
            ready_stamp_ns=0,
            sequence=number,
        )
        for number in range(_LATENTS)
    ]
    return itertools.cycle(made)


if __name__ == "__main__":
    main()
