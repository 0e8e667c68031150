import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ContractError
from bridge.specs import ActionSpec, ArraySpec, LatentSpec, ObservationSpec, PolicySpec, RobotSpec
from bridge.testing import (
    EXAMPLE_ACTION,
    EXAMPLE_LATENT,
    EXAMPLE_OBSERVATION,
    EXAMPLE_POLICY,
    example_latent,
    example_observation,
)

POSITION = ArraySpec(name="position", shape=(2,), unit="m", low=-1.0, high=1.0)


@given(
    shape=st.lists(st.integers(0, 4), max_size=3).map(tuple),
    dtype=st.sampled_from(["float32", "float64", "uint8", "int32", "bool"]),
)
def test_an_example_passes_its_own_spec(shape: tuple[int, ...], dtype: str) -> None:
    """Whatever the shape and dtype, the example is valid."""
    spec = ArraySpec(name="a", shape=shape, dtype=dtype)
    spec.validate(spec.example())


def test_an_example_lies_within_the_bounds() -> None:
    """Zero is moved to the nearest bound if it is outside."""
    spec = ArraySpec(name="temperature", shape=(1,), unit="K", low=250.0, high=350.0)
    assert spec.example()[0] == 250.0


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([0.0, 0.0], "got list"),
        (np.zeros(3, np.float32), r"got float32\[3\]"),
        (np.zeros(2), r"got float64\[2\]"),
        (np.array([0, np.nan], np.float32), "1 of 2 not finite"),
        (np.array([0, -2], np.float32), "expected ≥ -1.0 m, got -2"),
        (np.array([2, 0], np.float32), "expected ≤ 1.0 m, got 2"),
    ],
)
def test_a_bad_array_is_refused_with_leaf_expected_and_got(bad: object, says: str) -> None:
    """The error says which leaf, and what is wrong with it."""
    with pytest.raises(ContractError, match=says) as caught:
        POSITION.validate(bad)
    assert caught.value.leaf == "position"


def test_bounds_are_inclusive() -> None:
    """A value on the bound passes."""
    POSITION.validate(np.array([-1.0, 1.0], np.float32))


def test_an_observation_must_have_what_is_declared() -> None:
    """A missing camera is named, and so is what there is instead."""
    spec = ObservationSpec(images=(ArraySpec(name="wrist", shape=(8, 8, 3), dtype="uint8"),))
    with pytest.raises(ContractError, match=r"observation\.images\.wrist.*only \['front'\]"):
        spec.validate(example_observation())


def test_an_observation_may_have_more_than_is_declared() -> None:
    """A robot may show more than its reader asks for."""
    ObservationSpec(images=EXAMPLE_OBSERVATION.images).validate(example_observation())


@pytest.mark.parametrize(
    "change",
    [
        {"low": (0.0, 0.0)},
        {"low": (-math.inf, -1.0, 0.0)},
        {"high": (-1.0, 1.0, 1.0)},
        {"high": (math.nan, 1.0, 1.0)},
        {"max_speed": (0.0, 0.5, 2.0)},
        {"max_speed": (math.inf, 0.5, 2.0)},
        {"control_rate_hz": 0.0},
    ],
)
def test_an_action_without_finite_limits_is_refused(change: dict[str, object]) -> None:
    """A robot without limits does not get as far as moving."""
    with pytest.raises(ContractError, match="action"):
        msgspec.structs.replace(EXAMPLE_ACTION, **change)


def test_actions_are_checked_one_by_one_and_as_chunks() -> None:
    """Both [A] and [H, A] pass inside the bounds; the dimension outside them is named."""
    EXAMPLE_ACTION.validate(np.zeros(3, np.float32))
    EXAMPLE_ACTION.validate(np.zeros((5, 3), np.float32))
    with pytest.raises(ContractError, match=r"action\.gripper: expected ≤ 1.0 1, got 3"):
        EXAMPLE_ACTION.validate(np.array([0, 0, 3], np.float32))


@pytest.mark.parametrize(
    "action",
    [
        np.zeros(2, np.float32),
        np.zeros((1, 1, 3), np.float32),
        np.zeros(3),
        np.array([0, np.inf, 0], np.float32),
    ],
)
def test_a_malformed_action_is_refused(action: np.ndarray) -> None:
    """Wrong width, rank or dtype, and values that are not finite, never count as an action."""
    with pytest.raises(ContractError, match="action"):
        EXAMPLE_ACTION.validate(action)


def test_a_latent_of_another_width_is_refused() -> None:
    """Planner and policy that were made for different latents do not meet."""
    with pytest.raises(ContractError, match=r"latent\.perceptual.*\[4, 9\].*\[4, 8\]"):
        LatentSpec(perceptual_tokens=4, cognitive_tokens=2, width=9).validate(example_latent())
    EXAMPLE_LATENT.validate(example_latent())


def test_rates_and_horizons_are_positive() -> None:
    """A policy without a horizon and a robot without a rate are refused when declared."""
    with pytest.raises(ContractError, match="horizon"):
        msgspec.structs.replace(EXAMPLE_POLICY, horizon=0)
    with pytest.raises(ContractError, match="command_rate_hz"):
        RobotSpec(
            observation=EXAMPLE_OBSERVATION,
            action=EXAMPLE_ACTION,
            command_rate_hz=math.nan,
            hold="stays",
        )


@pytest.mark.parametrize("spec", [EXAMPLE_ACTION, EXAMPLE_POLICY, EXAMPLE_LATENT])
def test_specs_travel_as_bytes(spec: ActionSpec | PolicySpec | LatentSpec) -> None:
    """A spec can be compared with that of another process."""
    packed = msgspec.msgpack.encode(spec)
    assert msgspec.msgpack.decode(packed, type=type(spec)) == spec
