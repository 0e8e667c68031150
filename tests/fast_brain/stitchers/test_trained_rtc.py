import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.testing import FakePolicy
from fast_brain.stitchers.conditioning import denoise
from fast_brain.stitchers.trained_rtc import TrainedRtcStitcher
from tests.fast_brain.stitchers.rig import MEMORY, STEP_NS, flow_policy, run_policy, seen_at


def test_the_first_rows_are_those_under_way() -> None:
    """A chunk begins with the rows that pass until it is out, to within rounding."""
    conditioner = TrainedRtcStitcher().conditioner(flow_policy())
    chunks = run_policy(conditioner, beats=4, every_ns=4 * STEP_NS, takes_ns=4 * STEP_NS)
    for old, new in itertools.pairwise(chunks):
        np.testing.assert_allclose(new.actions[:3], old.actions[4:7], atol=1e-5)
        assert np.abs(new.actions[3:6] - old.actions[7:10]).max() > 1e-3
    assert conditioner.facts["prefix_rows"] == 3


def test_a_delay_beyond_training_binds_what_was_trained() -> None:
    """Trained for two rows, seven late: two are bound, and both numbers are told."""
    conditioner = TrainedRtcStitcher().conditioner(flow_policy(longest_prefix_rows=2))
    run_policy(conditioner, beats=2, every_ns=STEP_NS, takes_ns=8 * STEP_NS)
    facts = conditioner.facts
    assert (facts["prefix_rows"], facts["delay_estimate_rows"]) == (2, 7)


@given(st.integers(0, 9))
def test_known_rows_are_at_flow_time_one_at_every_step(known: int) -> None:
    """For any prefix: the network sees its rows clean, at time 1, and all others at the step's."""
    policy = flow_policy()
    seen = policy.look(seen_at(0), MEMORY)
    prefix = np.full((known, 2), 0.7, np.float32)
    shown: list[tuple[np.ndarray, np.ndarray]] = []
    field = policy.velocity

    def look_at(rows: np.ndarray, time: np.ndarray, of: object) -> np.ndarray:
        shown.append((rows.copy(), time.copy()))
        return field(rows, time, of)  # pyright: ignore[reportArgumentType]

    policy.velocity = look_at  # pyright: ignore[reportAttributeAccessIssue]
    rows = denoise(policy, seen, prefix=prefix)
    assert len(shown) == policy.flow_steps
    for step, (given_rows, time) in enumerate(shown):
        assert (time[:known] == 1.0).all()
        np.testing.assert_allclose(time[known:], step / policy.flow_steps)
        np.testing.assert_array_equal(given_rows[0, :known], prefix)
    np.testing.assert_array_equal(rows[0, :known], prefix)


def test_untrained_weights_are_refused() -> None:
    """A policy that never learned from known rows is refused, with what to do."""
    with pytest.raises(ConfigError, match=r"trained with known first rows.*agent train policy"):
        TrainedRtcStitcher().conditioner(flow_policy(longest_prefix_rows=0))


def test_a_policy_without_a_flow_is_refused() -> None:
    """The sentence names the stitcher and the policy."""
    with pytest.raises(ConfigError, match=r"'trained_rtc'.*FakePolicy"):
        TrainedRtcStitcher().conditioner(FakePolicy())
