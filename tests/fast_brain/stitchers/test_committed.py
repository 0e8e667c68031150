import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_brain.stitchers.committed import CommittedActions, MeasuredDelay
from tests.fast_brain.stitchers.rig import MS_NS, STEP_NS, chunk_of


def test_delay_is_the_largest_of_the_last_ten() -> None:
    """One slow chunk counts while it is among the last ten, and not a chunk longer."""
    delay = MeasuredDelay()
    delay.note(0, 0.05, 6 * STEP_NS)
    for _ in range(9):
        delay.note(0, 0.05, 2 * STEP_NS)
        assert delay.rows == 6
    delay.note(0, 0.05, 2 * STEP_NS)
    assert delay.rows == 2


@pytest.mark.parametrize(
    ("published_ms", "rows"), [(-40, 0), (0, 0), (1, 1), (50, 1), (51, 2), (149, 3), (150, 3)]
)
def test_delay_counts_the_rows_whose_time_came_before(published_ms: int, rows: int) -> None:
    """Row 0 is lost once its time has passed at the publication, row 1 a step later, and so on."""
    delay = MeasuredDelay()
    delay.note(1000 * MS_NS, 0.05, (1000 + published_ms) * MS_NS)
    assert delay.rows == delay.newest_rows == rows


def test_nothing_is_under_way_at_first_nor_after_forgetting() -> None:
    """Without chunks there are no rows, whatever the time."""
    committed = CommittedActions()
    assert len(committed.rows(0, 0.05, 5)) == 0
    committed.published(chunk_of([1.0, 2.0]), 0)
    committed.forget()
    assert len(committed.rows(0, 0.05, 5)) == 0


def test_a_chunk_plays_from_its_publication_to_that_of_the_next() -> None:
    """Rows before the newest chunk was out are of the one before it."""
    committed = CommittedActions()
    committed.published(chunk_of([0.0] * 8), 0)
    committed.published(chunk_of([5.0] * 8, start_ns=2 * STEP_NS, sequence=1), 4 * STEP_NS)
    rows = committed.rows(2 * STEP_NS, 0.05, 20)
    np.testing.assert_array_equal(rows[:, 0], [0, 0, 5, 5, 5, 5, 5, 5])


def test_times_between_rows_are_on_the_straight_line() -> None:
    """A chunk that begins half a step off is met half-way between rows."""
    committed = CommittedActions()
    committed.published(chunk_of([0.0, 1.0, 3.0]), 0)
    rows = committed.rows(25 * MS_NS, 0.05, 5)
    np.testing.assert_allclose(rows[:, 0], [0.5, 2.0])


def test_a_chunk_that_begins_later_leaves_the_one_before_until_then() -> None:
    """A newer chunk that is out but not yet begun is no answer; the older one is."""
    committed = CommittedActions()
    committed.published(chunk_of([0.0] * 4), 0)
    committed.published(chunk_of([5.0] * 4, start_ns=2 * STEP_NS, sequence=1), 0)
    np.testing.assert_array_equal(committed.rows(0, 0.05, 4)[:, 0], [0, 0, 5, 5])


CHUNKS = st.lists(
    st.tuples(st.integers(0, 100), st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=6)),
    min_size=1,
    max_size=12,
)


@given(CHUNKS, st.integers(-100, 900))
def test_every_row_is_within_the_chunks_it_comes_from(
    chunks: list[tuple[int, list[float]]], start_ms: int
) -> None:
    """For any chunks and any time: at most as many rows as asked for, none outside the hull."""
    committed, now_ms = CommittedActions(), 0
    for sequence, (wait_ms, rows) in enumerate(chunks):
        now_ms += wait_ms
        chunk = chunk_of(rows, start_ns=now_ms * MS_NS, sequence=sequence)
        committed.published(chunk, now_ms * MS_NS)
    found = committed.rows(start_ms * MS_NS, 0.05, 16)
    assert len(found) <= 16
    everything = [number for _, rows in chunks for number in rows]
    if len(found):
        assert min(everything) <= found.min() <= found.max() <= max(everything)
