"""A2C2 at run time: what is corrected, by what, and what is refused."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import ConfigError, ContractError, MissingWeightsError
from bridge.messages import ActionChunk, Observation, PickedAction
from bridge.protocols import ConditioningStitcher, ObservingStitcher
from bridge.testing import FakePolicy
from fast_brain.stitchers.a2c2 import A2c2Stitcher
from fast_brain.stitchers.latest import LatestStitcher
from fast_brain.stitchers.residual_head import (
    ResidualHead,
    RowInput,
    load_head,
    pool_pictures,
    row_features,
)
from tests.fast_brain.stitchers.heads import write_head
from tests.fast_brain.stitchers.rig import MEMORY, MS_NS, SPEC, STEP_NS, flow_policy, seen_at

CAMERAS = ("front",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head for the toy policy: four features, two numbers of state, one camera."""
    return write_head(
        tmp_path_factory.mktemp("head"),
        SPEC.action,
        features=4,
        state=2,
        cameras=CAMERAS,
        proprioception=("position",),
    )


def _seen(stamp_ns: int, *, level: int = 100, at: float = 0.1) -> Observation:
    picture = np.full((12, 12, 3), level, np.uint8)
    return replace(seen_at(stamp_ns, at, at), images={"front": picture})


def _chunk(folder: Path) -> ActionChunk:
    conditioner = A2c2Stitcher(weights=str(folder)).conditioner(flow_policy())
    return conditioner.act(_seen(0), MEMORY, 0)


def _action(stitcher: A2c2Stitcher | LatestStitcher, now_ns: int) -> np.ndarray:
    picked = stitcher.pick(now_ns)
    assert isinstance(picked, PickedAction)
    return picked.action


def test_chunks_carry_the_policys_features(folder: Path) -> None:
    """The policy's half sends along what the head needs to know of the base's observation."""
    chunk = _chunk(folder)
    policy = flow_policy()
    np.testing.assert_array_equal(chunk.features, policy.features(policy.look(_seen(0), MEMORY)))


def test_without_an_observation_the_base_plays(folder: Path) -> None:
    """Nothing was seen yet: the base's action is not touched."""
    stitcher, base, chunk = A2c2Stitcher(weights=str(folder)), LatestStitcher(), _chunk(folder)
    for one in (stitcher, base):
        one.push(chunk, 0)
    np.testing.assert_array_equal(_action(stitcher, 2 * STEP_NS), _action(base, 2 * STEP_NS))


def test_the_correction_is_the_heads_word_for_word(folder: Path) -> None:
    """By hand: three layers on features, pooled picture, base action, index, times and state."""
    stitcher, base, chunk = A2c2Stitcher(weights=str(folder)), LatestStitcher(), _chunk(folder)
    seen, now_ns = _seen(3 * STEP_NS, level=30, at=0.3), 3 * STEP_NS + 20 * MS_NS
    for one in (stitcher, base):
        one.push(chunk, 0)
    stitcher.observe(seen)
    picked = _action(base, now_ns)

    w = load_head(folder)._weights
    row = np.concatenate([picked - 0.3, _place(2.4), [0.02, 0.15], np.array([0.3, 0.3])])
    picture = np.full(6 * 6 * 3, 30 / 127.5 - 1)
    first = _silu(
        row @ w["row"] + chunk.features @ w["base_features"] + picture @ w["pictures"] + w["bias"]
    )
    second = _silu(first @ w["hidden"] + w["hidden_bias"])
    wanted = picked + (second @ w["leave"] + w["leave_bias"]) * w["scale"]
    wanted = np.clip(wanted, w["low"], w["high"])
    np.testing.assert_allclose(_action(stitcher, now_ns), wanted, rtol=1e-4, atol=1e-5)


def _silu(x: np.ndarray) -> np.ndarray:
    return x / (1.0 + np.exp(-x))


def _place(row: float) -> np.ndarray:
    angle = 2 * np.pi * row / 10
    return np.array([row / 10, np.sin(angle), np.cos(angle)])


@pytest.mark.parametrize(
    "other", [_seen(STEP_NS, level=200), _seen(STEP_NS, at=0.9)], ids=["picture", "arm"]
)
def test_what_is_seen_now_changes_the_action(folder: Path, other: Observation) -> None:
    """Another picture, or the arm elsewhere, and the same base action is corrected otherwise."""
    actions = []
    for seen in (_seen(STEP_NS), other):
        stitcher = A2c2Stitcher(weights=str(folder))
        stitcher.push(_chunk(folder), 0)
        stitcher.observe(seen)
        actions.append(_action(stitcher, 2 * STEP_NS))
    assert np.abs(actions[0] - actions[1]).max() > 1e-3


@given(
    st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=2),
    st.floats(0, 9),
    st.floats(-1, 5),
)
def test_no_action_leaves_the_bounds(action: list[float], row: float, lead_s: float) -> None:
    """For any base action and any time: finite, and inside the policy's bounds."""
    stitcher = _random_head()
    given_row = RowInput(np.array(action, np.float32), row, lead_s, 0.2)
    zero = np.zeros(8, np.float32)
    corrected = stitcher.correct(given_row, np.array([0.5, -0.5], np.float32), zero, zero)
    SPEC.action.validate(corrected)


@cache
def _random_head() -> ResidualHead:
    with tempfile.TemporaryDirectory() as folder:
        return load_head(write_head(Path(folder), SPEC.action, state=2, size=100.0))


def test_features_of_another_width_are_refused(folder: Path) -> None:
    """A chunk of a policy that the head does not know is no chunk to correct."""
    stitcher = A2c2Stitcher(weights=str(folder))
    with pytest.raises(ContractError, match=r"chunk\.features"):
        stitcher.push(replace(_chunk(folder), features=np.zeros(3, np.float32)), 0)


def test_an_observation_without_what_the_head_needs_is_refused(folder: Path) -> None:
    """A camera that is missing, or a state that is not finite, is named."""
    stitcher = A2c2Stitcher(weights=str(folder))
    with pytest.raises(ContractError, match=r"images\.front"):
        stitcher.observe(seen_at(0))
    with pytest.raises(ContractError, match=r"proprioception\.position"):
        stitcher.observe(_seen(0, at=float("nan")))


def test_a_head_of_another_policy_is_refused(folder: Path) -> None:
    """After a new training of the policy the head is out of date, and the sentence says so."""
    with pytest.raises(ConfigError, match=r"fake-0.*fake-3.*agent train residual"):
        A2c2Stitcher(weights=str(folder)).conditioner(flow_policy(seed=3))


def test_a_policy_without_features_and_a_missing_head_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    """One sentence each, before anything moves."""
    with pytest.raises(ConfigError, match=r"'a2c2'.*FakePolicy.*ShowsFeatures"):
        A2c2Stitcher(weights=str(folder)).conditioner(FakePolicy())
    with pytest.raises(MissingWeightsError, match="agent train residual"):
        A2c2Stitcher(weights=str(tmp_path))


def test_it_has_both_halves_and_looks(folder: Path) -> None:
    """The plug-in observes in the control loop, and makes its other half beside the policy."""
    stitcher = A2c2Stitcher(weights=str(folder))
    assert isinstance(stitcher, ObservingStitcher)
    assert isinstance(stitcher, ConditioningStitcher)


def test_a_reset_forgets_what_was_seen(folder: Path) -> None:
    """In a new episode the first action is the base's again."""
    stitcher, base, chunk = A2c2Stitcher(weights=str(folder)), LatestStitcher(), _chunk(folder)
    stitcher.push(chunk, 0)
    stitcher.observe(_seen(0))
    stitcher.reset()
    for one in (stitcher, base):
        one.push(chunk, 0)
    np.testing.assert_array_equal(_action(stitcher, STEP_NS), _action(base, STEP_NS))


def test_pictures_are_averaged_by_places() -> None:
    """Six by six means, in [-1, 1]; what does not fill a place is left out."""
    picture = np.zeros((13, 12, 3), np.uint8)
    picture[:2, :2] = 255
    pooled = pool_pictures([picture]).reshape(6, 6, 3)
    assert (pooled[0, 0] == 1.0).all()
    assert (pooled.reshape(-1, 3)[1:] == -1.0).all()


def test_row_features_are_relative_to_the_state() -> None:
    """Where action and state share their first numbers, only the difference is told."""
    given_row = RowInput(np.array([1.0, 2.0], np.float32), 0.0, 0.1, 0.2)
    features = row_features(given_row, np.array([0.25], np.float32), 10)
    np.testing.assert_allclose(features, [0.75, 2.0, 0.0, 0.0, 1.0, 0.1, 0.2, 0.25])
