import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages import ActionChunk, Hold, HoldReason, PickedAction
from fast_brain.stitchers.latest import LatestStitcher

MS_NS = 1_000_000
STEP_NS = 50 * MS_NS


def _chunk(rows: list[float], *, start_ns: int = 0, sequence: int = 0) -> ActionChunk:
    return ActionChunk(
        actions=np.array(rows, np.float32)[:, None],
        start_stamp_ns=start_ns,
        step_s=0.05,
        sequence=sequence,
        observation_sequence=0,
        observation_stamp_ns=start_ns,
    )


def _value(picked: PickedAction | Hold) -> float:
    assert isinstance(picked, PickedAction), picked
    return float(picked.action[0])


def _reason(picked: PickedAction | Hold) -> HoldReason:
    assert isinstance(picked, Hold), picked
    return picked.reason


def test_between_rows_is_a_straight_line() -> None:
    """At 100 Hz the four ticks between two rows of 20 Hz are evenly spaced."""
    stitcher = LatestStitcher()
    stitcher.push(_chunk([0.0, 1.0, 3.0]), 0)
    values = [_value(stitcher.pick(tick * 10 * MS_NS)) for tick in range(11)]
    assert values == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.4, 1.8, 2.2, 2.6, 3.0])


def test_a_new_chunk_takes_over_without_a_jump() -> None:
    """From the last action the robot goes straight to the new chunk's next row."""
    stitcher = LatestStitcher()
    stitcher.push(_chunk([0.0, 0.0, 0.0]), 0)
    stitcher.pick(10 * MS_NS)
    stitcher.push(_chunk([9.0, 4.0, 4.0], sequence=1), 20 * MS_NS)
    values = [_value(stitcher.pick(tick * 10 * MS_NS)) for tick in range(2, 7)]
    assert values == pytest.approx([1.0, 2.0, 3.0, 4.0, 4.0])


def test_a_chunk_that_begins_later_is_approached() -> None:
    """Before the new chunk's first row the robot is on its way there from the last action."""
    stitcher = LatestStitcher()
    stitcher.push(_chunk([0.0, 0.0, 0.0]), 0)
    stitcher.pick(0)
    stitcher.push(_chunk([4.0, 4.0], start_ns=40 * MS_NS, sequence=1), 10 * MS_NS)
    picked = stitcher.pick(10 * MS_NS)
    assert _value(picked) == pytest.approx(1.0)
    assert isinstance(picked, PickedAction)
    assert (picked.chunk_sequence, picked.chunk_index) == (1, 0)


def test_a_chunk_of_the_future_waits_for_its_time() -> None:
    """Without a last action, or far ahead of its time, a chunk gives no action yet."""
    stitcher = LatestStitcher()
    stitcher.push(_chunk([4.0, 4.0], start_ns=10 * MS_NS), 0)
    assert _reason(stitcher.pick(0)) is HoldReason.NO_CHUNK
    assert _value(stitcher.pick(10 * MS_NS)) == 4.0
    stitcher.push(_chunk([5.0, 5.0], start_ns=10**15, sequence=1), 20 * MS_NS)
    assert _reason(stitcher.pick(20 * MS_NS)) is HoldReason.NO_CHUNK


def test_rows_of_the_past_are_skipped() -> None:
    """A chunk that took 120 ms to make begins with the rows of now."""
    stitcher = LatestStitcher()
    stitcher.push(_chunk([0.0, 1.0, 2.0, 3.0, 4.0]), 120 * MS_NS)
    picked = stitcher.pick(120 * MS_NS)
    assert _value(picked) == pytest.approx(2.4)
    assert isinstance(picked, PickedAction)
    assert picked.chunk_index == 2


def test_after_a_hold_the_next_chunk_starts_from_its_own_rows() -> None:
    """An action from before a pause is no place to start from."""
    stitcher = LatestStitcher()
    stitcher.push(_chunk([0.0, 0.0]), 0)
    stitcher.pick(0)
    assert _reason(stitcher.pick(1000 * MS_NS)) is HoldReason.CHUNK_EXPIRED
    stitcher.push(_chunk([8.0, 8.0], start_ns=990 * MS_NS, sequence=1), 1000 * MS_NS)
    assert _value(stitcher.pick(1000 * MS_NS)) == 8.0


def test_an_old_chunk_is_expired_at_once() -> None:
    """A chunk whose last row has passed gives nothing, and says how long ago that was."""
    stitcher = LatestStitcher()
    stitcher.push(_chunk([1.0, 2.0]), 1050 * MS_NS)
    hold = stitcher.pick(1050 * MS_NS)
    assert _reason(hold) is HoldReason.CHUNK_EXPIRED
    assert isinstance(hold, Hold)
    assert hold.age_s == pytest.approx(1.0)


def test_a_clock_set_back_does_no_harm() -> None:
    """When time jumps back, actions stay between the ends of their line, or are held."""
    stitcher = LatestStitcher()
    stitcher.push(_chunk([0.0, 1.0], start_ns=1000 * MS_NS), 1000 * MS_NS)
    stitcher.pick(1040 * MS_NS)
    stitcher.push(_chunk([5.0, 6.0], start_ns=10 * MS_NS, sequence=1), 0)
    picked = stitcher.pick(0)
    assert isinstance(picked, Hold) or 0.0 <= _value(picked) <= 6.0


CHUNKS = st.lists(
    st.tuples(
        st.integers(-200, 200),  # start against now [ms]
        st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=6),
        st.integers(1, 40),  # ticks of 7 ms until the next chunk
    ),
    min_size=1,
    max_size=6,
)


@given(CHUNKS)
def test_nothing_is_played_past_its_horizon(
    chunks: list[tuple[int, list[float], int]],
) -> None:
    """For any arrival of chunks: only the newest plays, only up to its last row, in order."""
    stitcher, now_ns = LatestStitcher(), 10**9
    for sequence, (start_ms, rows, ticks) in enumerate(chunks):
        chunk = _chunk(rows, start_ns=now_ns + start_ms * MS_NS, sequence=sequence)
        stitcher.push(chunk, now_ns)
        end_ns = chunk.start_stamp_ns + (len(rows) - 1) * STEP_NS
        last_index = 0
        for _ in range(ticks):
            picked = stitcher.pick(now_ns)
            if isinstance(picked, PickedAction):
                assert picked.chunk_sequence == sequence
                assert now_ns <= end_ns
                assert last_index <= picked.chunk_index < len(rows)
                assert -1.0 <= _value(picked) <= 1.0
                last_index = picked.chunk_index
            else:
                assert now_ns > end_ns or now_ns < chunk.start_stamp_ns
            now_ns += 7 * MS_NS
