"""The shipped policy: a small flow-matching network that acts on the planner's latents."""

import json
from pathlib import Path

import numpy as np
import torch

from bridge.arrays import FloatArray
from bridge.errors import ContractError, MissingWeightsError
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import LatentSpec, PolicySpec
from fast_brain.policies.flow_input import proprioception_features, to_pixels
from fast_brain.policies.flow_network import (
    ACTION_WIDTH,
    HORIZON,
    STEP_S,
    FlowNetwork,
    PolicyInput,
    bucket_words,
    load_weights,
)
from fast_brain.policies.gripper_action import gripper_action_spec

DEFAULT_WEIGHTS = Path(__file__).parent.parent / "weights" / "flow"
_CAMERAS = ("front", "wrist")
_PROPRIOCEPTION = ("gripper_pose_in_base", "gripper_contact")
_NANOSECONDS = 1_000_000_000


class FlowPolicy:
    """Chunks by flow matching from two pictures, the gripper's pose and fused memory.

    Args:
        weights: Folder with ``policy.safetensors``; the shipped one if empty.
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
        folder = Path(weights) if weights else DEFAULT_WEIGHTS
        self._network, described = _load(folder)
        self._flow_steps = flow_steps
        self._noise_scale = noise_scale
        self._text_after_s = text_after_s
        self._seed = seed
        self._noise = torch.Generator().manual_seed(seed)
        self._sequence = 0
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
            proprioception=_PROPRIOCEPTION,
            latent=self._latent,
        )

    @property
    def spec(self) -> PolicySpec:
        """Two 96 px cameras, gripper pose and contact in; 16 absolute targets 50 ms apart out."""
        return self._spec

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:  # noqa: ARG002 - rows count from the observation.
        """Return the next 0.8 s of absolute gripper targets in the base frame.

        Told by latents where they are fresh, else by the subtask's words, else by the goal's.

        Raises:
            ContractError: A picture or a measurement is missing or has the wrong shape.
        """
        state = _state(observation)
        given, has_latent = self._input(observation, state, memory)
        noise = torch.randn(1, HORIZON, ACTION_WIDTH, generator=self._noise) * self._noise_scale
        with torch.inference_mode():
            relative, gate = self._network.sample(given, self._flow_steps, noise)
        self._sequence += 1
        return ActionChunk(
            actions=self._absolute(relative[0].numpy(), state),
            start_stamp_ns=observation.stamp_ns + round(STEP_S * _NANOSECONDS),
            step_s=STEP_S,
            sequence=self._sequence,
            observation_sequence=observation.sequence,
            observation_stamp_ns=observation.stamp_ns,
            latent_sequence=memory.latent_sequence if has_latent else -1,
            latent_age_s=memory.newest_age_s if has_latent else float("inf"),
            subtask_id=memory.subtask_id,
            gate_mean=float(gate[0]) if has_latent else 0.0,
        )

    def reset(self) -> None:
        """Start the noise anew, so that an episode does not depend on those before it."""
        self._noise.manual_seed(self._seed)

    def _absolute(self, relative: FloatArray, state: FloatArray) -> FloatArray:
        chunk = relative.copy()
        chunk[:, :4] += state[:4]
        action = self._spec.action
        return np.clip(chunk, np.array(action.low, np.float32), np.array(action.high, np.float32))

    def _input(
        self, observation: Observation, state: FloatArray, memory: MemoryView
    ) -> tuple[PolicyInput, bool]:
        has_latent = not memory.is_empty and memory.newest_age_s <= self._text_after_s
        perceptual, cognitive, elapsed_s = _remembered(memory, self._latent, has_latent=has_latent)
        words = bucket_words(memory.subtask_text or memory.goal_text)
        given = PolicyInput(
            _picture(observation, "front"),
            _picture(observation, "wrist"),
            torch.from_numpy(proprioception_features(state[None])),
            torch.tensor([words]),
            perceptual,
            cognitive,
            elapsed_s,
            torch.ones(1, elapsed_s.shape[1], dtype=torch.bool),
            torch.tensor([has_latent]),
        )
        return given, has_latent


def _remembered(
    memory: MemoryView, spec: LatentSpec, *, has_latent: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    if not has_latent:
        return (
            torch.zeros(1, 1, spec.perceptual_tokens, spec.width),
            torch.zeros(1, 1, spec.cognitive_tokens, spec.width),
            torch.zeros(1, 1),
        )
    elapsed_s = np.maximum(memory.now_s - memory.time_s, 0).astype(np.float32)
    elapsed_s[-1] = memory.newest_age_s
    return (
        torch.from_numpy(memory.perceptual.copy()).unsqueeze(0),
        torch.from_numpy(memory.cognitive.copy()).unsqueeze(0),
        torch.from_numpy(elapsed_s).unsqueeze(0),
    )


def _picture(observation: Observation, camera: str) -> torch.Tensor:
    image = observation.images.get(camera)
    if image is None or image.shape != (96, 96, 3):
        got = "nothing" if image is None else f"{image.dtype}{list(image.shape)}"
        raise ContractError(
            leaf=f"observation.images.{camera}", expected="uint8[96, 96, 3]", got=got
        )
    return to_pixels(np.array(image)[None])


def _state(observation: Observation) -> FloatArray:
    parts = []
    for name in _PROPRIOCEPTION:
        if name not in observation.proprioception:
            known = sorted(observation.proprioception)
            raise ContractError(
                leaf=f"observation.proprioception.{name}", expected="an array", got=f"only {known}"
            )
        parts.append(np.asarray(observation.proprioception[name], np.float32))
    state = np.concatenate(parts)
    if not np.isfinite(state).all():
        raise ContractError(
            leaf="observation.proprioception", expected="finite values", got=state.tolist()
        )
    return state


def _load(folder: Path) -> tuple[FlowNetwork, dict[str, int]]:
    path = folder / "policy.safetensors"
    if not path.is_file():
        raise MissingWeightsError(path=str(path), how_to_make="agent train policy")
    network = FlowNetwork()
    load_weights(network, path)
    return network.eval(), json.loads((folder / "policy.json").read_text())
