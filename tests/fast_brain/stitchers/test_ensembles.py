"""The two ensembles against references written out by hand, and their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ContractError
from bridge.messages import ActionChunk, Hold, HoldReason, PickedAction
from bridge.protocols import ChunkStitcher
from fast_brain.stitchers.adaptive_ensemble import AdaptiveEnsembleStitcher, agreement_weights
from fast_brain.stitchers.committed import action_at
from fast_brain.stitchers.temporal_ensemble import TemporalEnsembleStitcher, oldest_first_weights
from tests.fast_brain.stitchers.rig import MS_NS, STEP_NS, chunk_of, value

FORMS = ("window", "online")


@pytest.mark.parametrize("form", FORMS)
def test_act_weighs_the_oldest_most(form: str) -> None:
    """Three predictions of one instant, by hand: exp(-m·i) with i = 0 for the oldest."""
    stitcher = TemporalEnsembleStitcher(decay=0.5, form=form)  # pyright: ignore[reportArgumentType]
    for sequence, level in enumerate((0.0, 1.0, 4.0)):
        stitcher.push(chunk_of([level] * 4, start_ns=sequence * STEP_NS, sequence=sequence), 0)
    weights = [1.0, np.exp(-0.5), np.exp(-1.0)]
    wanted = (weights[1] * 1.0 + weights[2] * 4.0) / sum(weights)
    picked = stitcher.pick(2 * STEP_NS)
    assert value(picked) == pytest.approx(wanted)
    assert isinstance(picked, PickedAction)
    assert (picked.chunk_sequence, picked.chunk_index) == (2, 0)


def test_act_weights_are_the_published_ones() -> None:
    """With m = 0.01 they are 1, 0.990, 0.980 and so on, from the oldest."""
    np.testing.assert_allclose(oldest_first_weights(3, 0.01), [1.0, 0.99005, 0.98020], atol=1e-5)


PUSHES = st.lists(
    st.tuples(st.integers(0, 4), st.lists(st.floats(-1, 1, width=32), min_size=6, max_size=6)),
    min_size=1,
    max_size=8,
)


@given(PUSHES, st.floats(-0.5, 0.5))
def test_online_and_window_form_are_the_same(
    pushes: list[tuple[int, list[float]]], decay: float
) -> None:
    """For any chunks on one grid: the running mean is the mean of what was kept, row by row."""
    window = TemporalEnsembleStitcher(decay=decay, form="window")
    online = TemporalEnsembleStitcher(decay=decay, form="online")
    row = 0
    for sequence, (wait, rows) in enumerate(pushes):
        row += wait
        chunk = chunk_of(rows, start_ns=row * STEP_NS, sequence=sequence)
        for stitcher in (window, online):
            stitcher.push(chunk, row * STEP_NS)
        for ahead in range(7):
            at_ns = (row + ahead) * STEP_NS
            kept, running = window.pick(at_ns), online.pick(at_ns)
            assert isinstance(kept, Hold) == isinstance(running, Hold)
            if isinstance(kept, PickedAction):
                assert value(running) == pytest.approx(value(kept), abs=1e-5)


def test_until_a_later_chunk_begins_the_earlier_ones_go_on() -> None:
    """A chunk that begins two rows from now has no say before."""
    for form in FORMS:
        stitcher = TemporalEnsembleStitcher(form=form)  # pyright: ignore[reportArgumentType]
        stitcher.push(chunk_of([1.0] * 6), 0)
        stitcher.push(chunk_of([3.0] * 6, start_ns=2 * STEP_NS, sequence=1), 0)
        assert value(stitcher.pick(STEP_NS)) == pytest.approx(1.0)
        assert 1.9 < value(stitcher.pick(2 * STEP_NS)) < 2.1


def test_agreement_is_the_published_weight() -> None:
    """exp(α · cos): with the newest itself, at right angles to it, and against it."""
    vectors = np.array([[-2.0, 0.0], [0.0, 5.0], [1.0, 0.0]], np.float32)
    np.testing.assert_allclose(agreement_weights(vectors, 0.1), np.exp([-0.1, 0.0, 0.1]), rtol=1e-5)


def test_what_goes_the_other_way_weighs_less() -> None:
    """Of two absolute chunks the one that moves as the newest does is believed more."""
    stitcher = AdaptiveEnsembleStitcher(alpha=3.0)
    stitcher.push(chunk_of([[5.0], [4.0], [3.0]]), 0)
    stitcher.push(chunk_of([[1.0], [2.0], [3.0]], sequence=1), 0)
    stitcher.push(chunk_of([[0.0], [1.0], [2.0]], sequence=2), 0)
    weights = np.exp([-3.0, 3.0, 3.0])
    wanted = weights @ [4.0, 2.0, 1.0] / weights.sum()
    assert value(stitcher.pick(STEP_NS)) == pytest.approx(wanted, rel=1e-5)


def test_deltas_are_compared_as_they_are() -> None:
    """With `compared` "action" the cosine is of the actions themselves, as published."""
    stitcher = AdaptiveEnsembleStitcher(alpha=2.0, compared="action")
    stitcher.push(chunk_of([[-1.0]]), 0)
    stitcher.push(chunk_of([[1.0]], sequence=1), 0)
    weights = np.exp([-2.0, 2.0])
    wanted = (weights[1] - weights[0]) / weights.sum()
    assert value(stitcher.pick(0)) == pytest.approx(wanted, rel=1e-5)


def test_adaptive_window_bounds_who_has_a_say() -> None:
    """Only the newest `window` chunks count."""
    stitcher = AdaptiveEnsembleStitcher(window=1)
    stitcher.push(chunk_of([9.0, 9.0]), 0)
    stitcher.push(chunk_of([1.0, 1.0], sequence=1), 0)
    assert value(stitcher.pick(0)) == 1.0


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: TemporalEnsembleStitcher(form="both"), "form"),  # pyright: ignore[reportArgumentType]
        (lambda: AdaptiveEnsembleStitcher(window=0), "window"),
        (lambda: AdaptiveEnsembleStitcher(compared="pose"), "compared"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_options_that_make_no_sense_are_refused(make: type, named: str) -> None:
    """The error names the option."""
    with pytest.raises(ContractError, match=named):
        make()


def _makers() -> tuple[ChunkStitcher, ...]:
    return (
        TemporalEnsembleStitcher(),
        TemporalEnsembleStitcher(form="online"),
        TemporalEnsembleStitcher(decay=-0.3),
        AdaptiveEnsembleStitcher(),
    )


ARRIVALS = st.lists(
    st.tuples(
        st.integers(-200, 200),  # start against now [ms]
        st.lists(st.floats(-1, 1, width=32), min_size=5, max_size=5),
        st.integers(1, 30),  # ticks of 7 ms until the next chunk
    ),
    min_size=1,
    max_size=6,
)


@given(ARRIVALS)
def test_no_action_is_outside_the_hull_of_what_was_said(
    arrivals: list[tuple[int, list[float], int]],
) -> None:
    """For any arrival of chunks every action lies between the smallest and largest row so far."""
    for stitcher in _makers():
        said: list[float] = []
        now_ns = 10**9
        for sequence, (start_ms, rows, ticks) in enumerate(arrivals):
            said += rows
            start_ns = now_ns + start_ms * MS_NS
            stitcher.push(chunk_of(rows, start_ns=start_ns, sequence=sequence), now_ns)
            for _ in range(ticks):
                picked = stitcher.pick(now_ns)
                if isinstance(picked, PickedAction):
                    assert min(said) <= value(picked) <= max(said)
                now_ns += 7 * MS_NS


@given(ARRIVALS)
def test_a_new_chunk_never_moves_the_action_further_than_its_gap(
    arrivals: list[tuple[int, list[float], int]],
) -> None:
    """The action changes, on arrival, by no more than the chunks disagree at that instant."""
    for stitcher in (TemporalEnsembleStitcher(), AdaptiveEnsembleStitcher()):
        chunks: list[ActionChunk] = []
        now_ns = 10**9
        for sequence, (start_ms, rows, ticks) in enumerate(arrivals):
            before = stitcher.pick(now_ns)
            chunk = chunk_of(rows, start_ns=now_ns + start_ms * MS_NS, sequence=sequence)
            stitcher.push(chunk, now_ns)
            chunks.append(chunk)
            after = stitcher.pick(now_ns)
            if isinstance(before, PickedAction) and isinstance(after, PickedAction):
                said = [action_at(one, now_ns) for one in chunks]
                gap = np.ptp([one for one in said if one is not None])
                assert abs(value(after) - value(before)) <= gap + 1e-6
            now_ns += ticks * 7 * MS_NS


def test_after_the_last_row_of_all_it_holds() -> None:
    """When the newest chunk is over the answer is to hold, and says for how long it has been."""
    for stitcher in _makers():
        stitcher.push(chunk_of([1.0, 2.0]), 0)
        hold = stitcher.pick(4 * STEP_NS)
        assert isinstance(hold, Hold)
        assert hold.reason is HoldReason.CHUNK_EXPIRED
        assert hold.age_s == pytest.approx(0.15)


def test_chunks_of_another_shape_begin_anew() -> None:
    """After a policy with another horizon takes over, the old chunks have no say."""
    for stitcher in _makers():
        stitcher.push(chunk_of([1.0, 1.0, 1.0]), 0)
        stitcher.push(chunk_of([3.0, 3.0], sequence=1), 0)
        picked = stitcher.pick(0)
        assert isinstance(picked, PickedAction)
        assert picked.chunk_sequence == 1
