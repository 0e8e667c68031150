import json
import os
import pickle  # noqa: TID251  # What Ray does to a ring is what is tested.
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError, TransportError
from bridge.trace import TraceEvent, emit
from bridge.transports.ring import LocalRing, SharedRing

ROOT = Path(__file__).parents[3]


def event(number: int, text: str = "") -> TraceEvent:
    """One that can be told from the others."""
    return TraceEvent(kind="test", stamp_ns=number, facts={"text": text})


@pytest.fixture
def ring() -> Iterator[SharedRing[TraceEvent]]:
    """Room for some ten events; gone after the test."""
    made = SharedRing.create("ring", TraceEvent, run_id=f"test{os.getpid()}", capacity_bytes=640)
    yield made
    made.close()
    made.unlink()


@given(steps=st.lists(st.integers(0, 200) | st.none(), max_size=80))
def test_what_fits_arrives_in_order_and_the_rest_is_counted(steps: list[int | None]) -> None:
    """Of messages of any length, everything not counted as lost comes once, whole, in order."""
    made = SharedRing.create("law", TraceEvent, run_id="test", capacity_bytes=512)
    try:
        said, heard = 0, list[TraceEvent]()
        for length in steps:
            if length is None:
                heard += made.drain()
            else:
                made.publish(event(said, "x" * length))
                said += 1
        heard += made.drain()
        statistics = made.statistics()
    finally:
        made.close()
        made.unlink()
    numbers = [one.stamp_ns for one in heard]
    assert numbers == sorted(set(numbers))
    assert all(one.facts["text"] == "x" * len(str(one.facts["text"])) for one in heard)
    assert len(heard) + statistics.lost == said
    assert (statistics.published, statistics.waiting_bytes) == (len(heard), 0)


@given(st.lists(st.integers() | st.none(), max_size=60), st.integers(1, 5))
def test_a_ring_in_one_process_does_the_same(steps: list[int | None], capacity: int) -> None:
    """It behaves as a bounded list: in order, nothing twice, and every loss is counted."""
    made: LocalRing[int] = LocalRing(capacity)
    waiting: list[int] = []
    lost = 0
    for step in steps:
        if step is None:
            assert made.drain() == waiting
            waiting = []
            continue
        made.publish(step)
        if len(waiting) < capacity:
            waiting.append(step)
        else:
            lost += 1
    statistics = made.statistics()
    assert (statistics.waiting_bytes, statistics.lost) == (len(waiting), lost)


def test_a_full_ring_drops_and_the_reader_can_see_how_many(ring: SharedRing[TraceEvent]) -> None:
    """The writer goes on without an error; once there is room again, so does the trace."""
    for number in range(100):
        ring.publish(event(number))
    with SharedRingReader(ring) as reader:
        heard = reader.drain()
        assert reader.statistics().dropped == 100 - len(heard)
    assert [one.stamp_ns for one in heard] == list(range(len(heard)))
    ring.publish(event(7))
    assert [one.stamp_ns for one in ring.drain()] == [7]


class SharedRingReader:
    """Another end of the same ring, as another process has it."""

    def __init__(self, ring: SharedRing[TraceEvent]) -> None:
        self.end: SharedRing[TraceEvent] = pickle.loads(pickle.dumps(ring))  # noqa: S301  # Our own.

    def __enter__(self) -> SharedRing[TraceEvent]:
        return self.end

    def __exit__(self, *error: object) -> None:
        self.end.close()


def test_what_can_never_fit_is_refused_and_counted(ring: SharedRing[TraceEvent]) -> None:
    """A mistake of the writer's is counted apart, and the small events go on."""
    ring.publish(event(1, "x" * 10_000))
    ring.publish(TraceEvent(kind="test", stamp_ns=2, facts={"text": object()}))  # pyright: ignore[reportArgumentType]
    ring.publish(event(3))
    assert ring.statistics().refused == 2
    assert [one.stamp_ns for one in ring.drain()] == [3]


def test_only_one_writer_is_heard(ring: SharedRing[TraceEvent]) -> None:
    """What a second writer says is dropped, not an error; it is heard when the first has closed."""
    with SharedRingReader(ring) as first:
        first.publish(event(1))
        ring.publish(event(2))
    ring.publish(event(3))
    assert [one.stamp_ns for one in ring.drain()] == [1, 3]
    assert ring.statistics().dropped == 1


def test_rubbish_is_skipped_at_the_second_look(ring: SharedRing[TraceEvent]) -> None:
    """Bytes that are no record are counted as damage, and what follows is read again."""
    ring.publish(event(1))
    ring._circle[8:24] = bytes(16)
    assert ring.drain() == []
    assert ring.drain() == []
    assert ring.statistics().damaged == 1
    ring.publish(event(2))
    assert [one.stamp_ns for one in ring.drain()] == [2]


def test_a_drain_can_be_bounded(ring: SharedRing[TraceEvent]) -> None:
    """A reader takes no more than it asked for, and finds the rest later."""
    for number in range(4):
        ring.publish(event(number))
    assert [one.stamp_ns for one in ring.drain(most=3)] == [0, 1, 2]
    assert [one.stamp_ns for one in ring.drain(most=3)] == [3]


@pytest.mark.slow
def test_a_writer_killed_anywhere_tears_nothing() -> None:
    """Writers killed at each store of a write leave whole events only; the next goes on."""
    program = Path(__file__).with_name("ring_processes.py")
    done = subprocess.run(
        [sys.executable, str(program), "120"],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    seen = json.loads(done.stdout)
    assert seen["heard"] == seen["said"] > 0
    assert (seen["torn"], seen["damaged"], seen["dropped"]) == (0, 0, 0)


def test_wrong_ends_are_refused(ring: SharedRing[TraceEvent], tmp_path: Path) -> None:
    """What is no ring, and a ring that is closed, say so."""
    other = tmp_path / "other"
    other.write_bytes(bytes(256))
    with pytest.raises(TransportError, match="not a ring of layout"):
        SharedRing(other, TraceEvent)
    ring.close()
    with pytest.raises(TransportError, match="closed"):
        ring.publish(event(1))
    with pytest.raises(ConfigError, match="at least 1"):
        LocalRing(capacity=0)


def test_a_node_without_a_trace_emits_into_nothing() -> None:
    """Nobody listens, and that is no error; with a ring, the facts arrive as they were."""
    emit({}, "ladder.moved", 1, rung="hold")
    listening: LocalRing[TraceEvent] = LocalRing()
    emit({"trace": listening}, "ladder.moved", 2, rung="hold")  # pyright: ignore[reportArgumentType]
    assert [(one.kind, one.facts) for one in listening.drain()] == [
        ("ladder.moved", {"rung": "hold"})
    ]
