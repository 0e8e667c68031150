"""The shipped policy: a small flow-matching network that acts on the planner's latents."""

import json
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from msgspec.structs import replace

from bridge.arrays import FloatArray
from bridge.errors import MissingWeightsError
from bridge.memory_use import MemoryUse
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import LatentSpec, PolicySpec
from bridge.steering import Pullback, Seen
from fast_brain.policies.flow_input import (
    CONTACT,
    POSE,
    arm_state,
    picture,
    proprioception_features,
    remembered,
)
from fast_brain.policies.flow_network import (
    ACTION_WIDTH,
    HORIZON,
    STEP_S,
    FlowNetwork,
    PolicyInput,
    bucket_words,
    fingerprint,
    load_weights,
)
from fast_brain.policies.gripper_action import gripper_action_spec

DEFAULT_WEIGHTS = Path(__file__).parent.parent / "weights" / "flow"
_CAMERAS = ("front", "wrist")
_PICTURE_PX = 96
_NANOSECONDS = 1_000_000_000


class FlowSeen(NamedTuple):
    """What the network made of one observation and memory; the `Seen` of this policy."""

    condition: torch.Tensor
    gate_mean: float
    state: FloatArray
    has_latent: bool
    observation: Observation
    memory: MemoryView

    @property
    def start_stamp_ns(self) -> int:
        """Row 0 is for one step after the picture."""
        return self.observation.stamp_ns + round(STEP_S * _NANOSECONDS)


class FlowPolicy:
    """Chunks by flow matching from two pictures, the gripper's pose and fused memory.

    Beside `Policy` it meets `FlowSampler`, `RollForward` and `ShowsFeatures`, so that every
    stitcher can steer it.

    Args:
        weights: Folder with ``policy.safetensors``, or the name of a shipped one; the shipped
            policy's if empty.
        flow_steps: Euler steps a chunk; fewer is faster and rougher.
        noise_scale: Spread of the starting noise; below 1 the chunk is closer to the mean.
        text_after_s: A latent older than this [s] is not looked at; the subtask's words are.
        seed: Fixes the noise, so that a run can be repeated.
    """

    def __init__(
        self,
        *,
        weights: str = "",
        flow_steps: int = 6,
        noise_scale: float = 0.5,
        text_after_s: float = 4.0,
        seed: int = 0,
    ) -> None:
        folder = _folder(weights)
        self._network, described = _load(folder)
        self._fingerprint = fingerprint(folder / "policy.safetensors")
        self._flow_steps = flow_steps
        self._noise_scale = noise_scale
        self._text_after_s = text_after_s
        self._seed = seed
        self._noise = torch.Generator().manual_seed(seed)
        self._sequence = 0
        self._given: PolicyInput | None = None
        self._longest_prefix_rows = described.get("longest_prefix_rows", 0)
        self._longest_roll_rows = described.get("longest_roll_rows", 0)
        self._latent = LatentSpec(
            perceptual_tokens=described["perceptual_tokens"],
            cognitive_tokens=described["cognitive_tokens"],
            width=described["latent_width"],
        )
        self._spec = PolicySpec(
            action=gripper_action_spec(),
            horizon=HORIZON,
            step_s=STEP_S,
            cameras=_CAMERAS,
            picture_px=_PICTURE_PX,
            proprioception=(POSE, CONTACT),
            latent=self._latent,
        )

    @property
    def spec(self) -> PolicySpec:
        """Two 96 px cameras, gripper pose and contact in; 16 absolute targets 50 ms apart out."""
        return self._spec

    @property
    def flow_steps(self) -> int:
        """Euler steps a chunk."""
        return self._flow_steps

    @property
    def fingerprint(self) -> str:
        """A digest of the weights."""
        return self._fingerprint

    @property
    def longest_prefix_rows(self) -> int:
        """What the weights say they were trained for; 0 if they say nothing."""
        return self._longest_prefix_rows

    @property
    def longest_roll_rows(self) -> int:
        """What the weights say they were trained for; 0 if they say nothing."""
        return self._longest_roll_rows

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:  # noqa: ARG002 - rows count from the observation.
        """Return the next 0.8 s of absolute gripper targets in the base frame.

        Told by latents where they are fresh, else by the subtask's words, else by the goal's.

        Raises:
            ContractError: A picture or a measurement is missing or has the wrong shape.
        """
        seen = self.look(observation, memory)
        noise = torch.from_numpy(self.draw_noise(1))
        with torch.inference_mode():
            rows = self._network.flow(seen.condition, self._flow_steps, noise)
        return self.finish(rows[0].numpy(), seen)

    def reset(self) -> None:
        """Start the noise anew, so that an episode does not depend on those before it."""
        self._noise.manual_seed(self._seed)

    def look(self, observation: Observation, memory: MemoryView) -> FlowSeen:
        """Encode pictures, feelings and memory; most of the time a chunk takes.

        Raises:
            ContractError: A picture or a measurement is missing or has the wrong shape.
        """
        state = arm_state(observation)
        given, has_latent = self._input(observation, state, memory)
        self._given = given if has_latent else None
        # Not inference mode: guidance differentiates through what depends on this.
        with torch.no_grad():
            condition, gate = self._network.condition(given)
        return FlowSeen(condition, float(gate[0]), state, has_latent, observation, memory)

    def memory_use(self) -> MemoryUse | None:
        """How the memory was read at the newest look; worked out only when asked."""
        if self._given is None:
            return None
        with torch.inference_mode():
            return self._network.memory_use(self._given)

    def draw_noise(self, count: int) -> FloatArray:
        """Return normal noise ``[count, H, A]``, scaled by `noise_scale`."""
        noise = torch.randn(count, HORIZON, ACTION_WIDTH, generator=self._noise)
        return (noise * self._noise_scale).numpy()

    def velocity(self, rows: FloatArray, time: FloatArray, seen: Seen) -> FloatArray:
        """Return the velocity ``[N, H, A]`` of ``rows`` at their flow times ``[H]``."""
        with torch.inference_mode():
            return self._velocity(torch.from_numpy(rows), time, seen).numpy()

    def velocity_and_pullback(
        self, rows: FloatArray, time: FloatArray, seen: Seen
    ) -> tuple[FloatArray, Pullback]:
        """Return the velocity and its vector-Jacobian product, by autograd through the head."""
        x = torch.tensor(rows, requires_grad=True)
        velocity = self._velocity(x, time, seen)

        def pull_back(cotangent: FloatArray) -> FloatArray:
            gradient = torch.autograd.grad(velocity, x, torch.from_numpy(cotangent))
            return gradient[0].numpy()

        return velocity.detach().numpy(), pull_back

    def normalise(self, actions: FloatArray, seen: Seen) -> FloatArray:
        """Return absolute targets ``[H, A]`` relative to the gripper, as the network has them."""
        relative = actions.copy()
        relative[:, :4] -= cast("FlowSeen", seen).state[:4]
        mean, std = self._network.action_mean.numpy(), self._network.action_std.numpy()
        return ((relative - mean) / std).astype(np.float32)

    def finish(self, rows: FloatArray, seen: Seen) -> ActionChunk:
        """Return the chunk of normalised ``rows [H, A]``, absolute and inside the workspace."""
        it = cast("FlowSeen", seen)
        has, memory = it.has_latent, it.memory
        self._sequence += 1
        return ActionChunk(
            actions=self._absolute(rows, it.state),
            start_stamp_ns=it.start_stamp_ns,
            step_s=STEP_S,
            sequence=self._sequence,
            observation_sequence=it.observation.sequence,
            observation_stamp_ns=it.observation.stamp_ns,
            latent_sequence=memory.latent_sequence if has else -1,
            latent_age_s=memory.newest_age_s if has else float("inf"),
            subtask_id=memory.subtask_id,
            gate_mean=it.gate_mean if has else 0.0,
        )

    def roll_forward(
        self, observation: Observation, actions: FloatArray, response_s: float
    ) -> Observation:
        """Return the observation with the arm's pose after ``actions [K, A]``, fingers as they are.

        Whether the fingers will have closed depends on what is between them.

        Raises:
            ContractError: A measurement is missing or has the wrong shape.
        """
        pose = arm_state(observation)[:5]
        share = 1.0 if response_s <= 0 else 1.0 - np.exp(-STEP_S / response_s)
        for action in actions:
            pose[:4] += share * (action[:4] - pose[:4])
        return replace(observation, proprioception={**observation.proprioception, POSE: pose})

    def features(self, seen: Seen) -> FloatArray:
        """Return the condition of the flow head ``[F]``."""
        return cast("FlowSeen", seen).condition[0].numpy()

    def _velocity(self, rows: torch.Tensor, time: FloatArray, seen: Seen) -> torch.Tensor:
        condition = cast("FlowSeen", seen).condition.expand(len(rows), -1)
        times = torch.from_numpy(np.asarray(time, np.float32)).expand(len(rows), -1)
        return self._network.head(rows, times, condition)

    def _absolute(self, rows: FloatArray, state: FloatArray) -> FloatArray:
        mean, std = self._network.action_mean.numpy(), self._network.action_std.numpy()
        chunk = rows * std + mean
        chunk[:, :4] += state[:4]
        action = self._spec.action
        return np.clip(chunk, action.low, action.high).astype(np.float32)

    def _input(
        self, observation: Observation, state: FloatArray, memory: MemoryView
    ) -> tuple[PolicyInput, bool]:
        has_latent = not memory.is_empty and memory.newest_age_s <= self._text_after_s
        kept = remembered(memory, self._latent, has_latent=has_latent)
        words = bucket_words(memory.subtask_text or memory.goal_text)
        given = PolicyInput(
            picture(observation, "front"),
            picture(observation, "wrist"),
            torch.from_numpy(proprioception_features(state[None])),
            torch.tensor([words]),
            kept.perceptual,
            kept.cognitive,
            kept.elapsed_s,
            torch.ones(1, kept.elapsed_s.shape[1], dtype=torch.bool),
            torch.tensor([has_latent]),
            kept.cognitive_elapsed_s,
            kept.now_s,
        )
        return given, has_latent


def _folder(weights: str) -> Path:
    if not weights:
        return DEFAULT_WEIGHTS
    shipped = DEFAULT_WEIGHTS.parent / weights
    return shipped if "/" not in weights and shipped.is_dir() else Path(weights)


def _load(folder: Path) -> tuple[FlowNetwork, dict[str, int]]:
    path = folder / "policy.safetensors"
    if not path.is_file():
        raise MissingWeightsError(path=str(path), how_to_make="agent train policy")
    network = FlowNetwork()
    load_weights(network, path)
    # Guidance asks for gradients towards the rows, never towards the weights.
    return network.eval().requires_grad_(requires_grad=False), json.loads(
        (folder / "policy.json").read_text()
    )
