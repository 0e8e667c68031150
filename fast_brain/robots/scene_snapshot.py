"""A moment of the scene as bytes, from which exactly the same goes on.

MuJoCo's integration state is all that the next step is computed from: time, positions, speeds, the
solver's warm start, controls and mocap bodies (MuJoCo's documentation, "Simulation", "State").
"""

import json

import msgspec
import mujoco
import numpy as np

from bridge import ContractError

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_VERSION = 1


class PhysicsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The physics before its last beat of 10 ms and after it, each with the locks of then.

    States are float64 as bytes; `before` is empty if there was no beat yet. Locks are 1 where
    unlocked: (drawer, window). `target` is the last action; `random` is numpy's generator as JSON.
    """

    before: bytes
    locks_before: tuple[int, int]
    now: bytes
    locks_now: tuple[int, int]
    target: list[float]
    random: str


class SceneSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag="OgbenchScene"):
    """The whole robot: its physics, its lights, its times [ns] and its counts."""

    version: int = _VERSION
    physics: PhysicsSnapshot
    cues: list[tuple[float, str]]
    lit: str
    stop_reason: str
    next_beat_ns: int | None
    sequence: int
    episodes: int
    episode_id: str
    slipped_s: float

    def encode(self) -> bytes:
        """As bytes, some 5 KB."""
        return msgspec.msgpack.encode(self)


def decode_snapshot(data: bytes) -> SceneSnapshot:
    """Read a snapshot back.

    Raises:
        ContractError: The bytes are none of this robot.
    """
    try:
        scene = msgspec.msgpack.decode(data, type=SceneSnapshot)
    except msgspec.MsgspecError as error:
        raise ContractError(
            leaf="robot snapshot", expected="one of an ogbench_scene", got=f"{error}"
        ) from error
    if scene.version != _VERSION:
        raise ContractError(leaf="robot snapshot version", expected=_VERSION, got=scene.version)
    return scene


def write_random(random: np.random.Generator) -> str:
    """The state of a generator as JSON, which has integers of any size."""
    return json.dumps(random.bit_generator.state)


def read_random(text: str) -> np.random.Generator:
    """A generator in the state that was written.

    Raises:
        ContractError: The text is no such state.
    """
    random = np.random.default_rng(0)
    try:
        random.bit_generator.state = json.loads(text)
    except (ValueError, TypeError, KeyError) as error:
        raise ContractError(
            leaf="robot snapshot", expected="the state of a random generator", got=text[:80]
        ) from error
    return random


def read_state(model: mujoco.MjModel, data: mujoco.MjData) -> bytes:
    """All that the next step is computed from."""
    state = np.empty(mujoco.mj_stateSize(model, _STATE))
    mujoco.mj_getState(model, data, state, _STATE)
    return state.tobytes()


def write_state(model: mujoco.MjModel, data: mujoco.MjData, state: bytes) -> None:
    """Go back to a state; what follows from it is computed by the next step."""
    mujoco.mj_setState(model, data, np.frombuffer(state), _STATE)


def check_state(model: mujoco.MjModel, state: bytes) -> None:
    """Refuse a state that is none of this model.

    Raises:
        ContractError: It is of another, or not finite.
    """
    size = mujoco.mj_stateSize(model, _STATE)
    is_fit = len(state) == size * np.dtype(np.float64).itemsize
    if not is_fit or not np.isfinite(np.frombuffer(state)).all():
        raise ContractError(
            leaf="robot snapshot", expected=f"{size} finite numbers", got=f"{len(state)} bytes"
        )
