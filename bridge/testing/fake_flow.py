"""A flow policy for tests, in numpy: smooth, nonlinear, with a Jacobian that can be checked."""

from typing import NamedTuple, cast

import numpy as np
from msgspec.structs import replace

from bridge.arrays import FloatArray
from bridge.errors import ContractError
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import PolicySpec
from bridge.steering import Pullback, Seen
from bridge.testing.examples import EXAMPLE_POLICY

_NS_PER_S = 1_000_000_000


class FakeSeen(NamedTuple):
    """What the fake flow policy knows of an observation."""

    observation: Observation
    memory: MemoryView
    pose: FloatArray
    goal: FloatArray
    start_stamp_ns: int


class FakeFlowPolicy:
    """Flows from noise to a goal that depends on where the robot is; rows are relative to there.

    The field is `v = goal - x + 0.5 · tanh(x W) · (1 + time of each row)`; every row depends on
    every other. A chunk starts one step after its observation, as the shipped policy's does.

    Args:
        spec: What it declares; the state it is relative to is the first of its proprioception.
        seed: Fixes field and noise.
        longest_prefix_rows: As in `FlowSampler`.
        longest_roll_rows: As in `RollForward`.
    """

    def __init__(
        self,
        spec: PolicySpec = EXAMPLE_POLICY,
        *,
        seed: int = 0,
        longest_prefix_rows: int = 4,
        longest_roll_rows: int = 4,
    ) -> None:
        self.spec = spec
        self.flow_steps = 5
        self.longest_prefix_rows = longest_prefix_rows
        self.longest_roll_rows = longest_roll_rows
        self.fingerprint = f"fake-{seed}"
        self.looks: list[Observation] = []
        self._seed = seed
        size = spec.horizon * spec.action.width
        fixed = np.random.default_rng(seed)
        self.mixing = (fixed.standard_normal((size, size)) / np.sqrt(size)).astype(np.float32)
        self._random = np.random.default_rng(seed)
        self._sequence = 0

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """Flow without any steering."""
        del now_ns
        seen = self.look(observation, memory)
        rows = self.draw_noise(1)
        for step in range(self.flow_steps):
            time = np.full(self.spec.horizon, step / self.flow_steps, np.float32)
            rows = (rows + self.velocity(rows, time, seen) / self.flow_steps).astype(np.float32)
        return self.finish(rows[0], seen)

    def reset(self) -> None:
        """Begin the noise anew."""
        self._random = np.random.default_rng(self._seed)
        self.looks.clear()

    def look(self, observation: Observation, memory: MemoryView) -> FakeSeen:
        """Read the pose; the goal is a wave around it."""
        self.looks.append(observation)
        pose = self._pose(observation)
        row = np.arange(self.spec.horizon, dtype=np.float32)[:, None]
        goal = np.sin(0.3 * row + pose.sum()).repeat(self.spec.action.width, axis=1)
        start_ns = observation.stamp_ns + round(self.spec.step_s * _NS_PER_S)
        return FakeSeen(observation, memory, pose, goal.astype(np.float32), start_ns)

    def draw_noise(self, count: int) -> FloatArray:
        """Normal noise [count, H, A]."""
        shape = (count, self.spec.horizon, self.spec.action.width)
        return self._random.standard_normal(shape, dtype=np.float32)

    def velocity(self, rows: FloatArray, time: FloatArray, seen: Seen) -> FloatArray:
        """The field [N, H, A] at `rows` [N, H, A] and the rows' times [H]."""
        bent = np.tanh(rows.reshape(len(rows), -1) @ self.mixing).reshape(rows.shape)
        return (cast("FakeSeen", seen).goal - rows + self._share(time) * bent).astype(np.float32)

    def velocity_and_pullback(
        self, rows: FloatArray, time: FloatArray, seen: Seen
    ) -> tuple[FloatArray, Pullback]:
        """The field, and `e ↦ -e + (e · share · (1 - tanh²)) Wᵀ`."""
        flat = np.tanh(rows.reshape(len(rows), -1) @ self.mixing)

        def pull_back(cotangent: FloatArray) -> FloatArray:
            through = (cotangent * self._share(time)).reshape(flat.shape) * (1.0 - flat**2)
            back = (through @ self.mixing.T).reshape(cotangent.shape)
            return (back - cotangent).astype(np.float32)

        return self.velocity(rows, time, seen), pull_back

    def normalise(self, actions: FloatArray, seen: Seen) -> FloatArray:
        """Relative to the pose, and in units of a tenth."""
        return ((actions - cast("FakeSeen", seen).pose) * 10.0).astype(np.float32)

    def finish(self, rows: FloatArray, seen: Seen) -> ActionChunk:
        """The chunk, inside the bounds."""
        it, action = cast("FakeSeen", seen), self.spec.action
        self._sequence += 1
        actions = np.clip(rows / 10.0 + it.pose, action.low, action.high)
        return ActionChunk(
            actions=actions.astype(np.float32),
            start_stamp_ns=it.start_stamp_ns,
            step_s=self.spec.step_s,
            sequence=self._sequence,
            observation_sequence=it.observation.sequence,
            observation_stamp_ns=it.observation.stamp_ns,
            latent_sequence=it.memory.latent_sequence,
            latent_age_s=it.memory.newest_age_s,
            subtask_id=it.memory.subtask_id,
        )

    def roll_forward(
        self, observation: Observation, actions: FloatArray, response_s: float
    ) -> Observation:
        """The pose follows each action with a lag of `response_s`."""
        pose = self._pose(observation)
        share = 1.0 if response_s <= 0 else 1.0 - np.exp(-self.spec.step_s / response_s)
        for action in actions:
            pose = pose + share * (action - pose)
        name = self.spec.proprioception[0]
        return replace(observation, proprioception={**observation.proprioception, name: pose})

    def features(self, seen: Seen) -> FloatArray:
        """The pose and the goal's first row."""
        it = cast("FakeSeen", seen)
        return np.concatenate([it.pose, it.goal[0]])

    def _pose(self, observation: Observation) -> FloatArray:
        name = self.spec.proprioception[0]
        found = observation.proprioception.get(name)
        if found is None:
            raise ContractError(
                leaf=f"observation.proprioception.{name}", expected="an array", got="nothing"
            )
        pose = np.zeros(self.spec.action.width, np.float32)
        pose[: found.size] = np.ravel(found)[: pose.size]
        return pose

    @staticmethod
    def _share(time: FloatArray) -> FloatArray:
        return (0.5 * (1.0 + np.asarray(time, np.float32)))[:, None]
