"""How the policy sees: pictures to pixels, feelings to features. Training and run time share it."""

from typing import NamedTuple

import numpy as np
import torch

from bridge.arrays import FloatArray
from bridge.errors import ContractError
from bridge.messages import MemoryView, Observation
from bridge.specs import LatentSpec

POSE, CONTACT = "gripper_pose_in_base", "gripper_contact"


def to_pixels(images: np.ndarray) -> torch.Tensor:
    """Return uint8 ``[B, H, W, 3]`` as float32 ``[B, 3, H, W]`` in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def proprioception_features(state: np.ndarray) -> np.ndarray:
    """Return ``[B, 7]`` features of ``[B, >= 6]`` gripper pose (m, rad, closing) and contact.

    Positions are centred on the workspace and scaled to about one.
    """
    position = (state[:, :3] - np.array([0.42, 0.0, 0.2], np.float32)) * 5.0
    yaw = state[:, 3:4]
    return np.concatenate([position, np.sin(yaw), np.cos(yaw), state[:, 4:6]], 1).astype(np.float32)


class Remembered(NamedTuple):
    """Perceptual and cognitive latents [1, L, tokens, D], each stream's ages [1, L] [s], and now.

    `now_s` [1] is the time of the episode [s].
    """

    perceptual: torch.Tensor
    cognitive: torch.Tensor
    elapsed_s: torch.Tensor
    cognitive_elapsed_s: torch.Tensor
    now_s: torch.Tensor


def remembered(memory: MemoryView, spec: LatentSpec, *, has_latent: bool) -> Remembered:
    """Return what is remembered, a batch of one; without a latent that counts, one blank entry."""
    if not has_latent:
        return Remembered(
            torch.zeros(1, 1, spec.perceptual_tokens, spec.width),
            torch.zeros(1, 1, spec.cognitive_tokens, spec.width),
            torch.zeros(1, 1),
            torch.zeros(1, 1),
            torch.zeros(1),
        )
    times_s = memory.time_s if memory.cognitive_time_s is None else memory.cognitive_time_s
    return Remembered(
        torch.from_numpy(memory.perceptual.copy()).unsqueeze(0),
        torch.from_numpy(memory.cognitive.copy()).unsqueeze(0),
        _elapsed_s(memory, memory.time_s),
        _elapsed_s(memory, times_s),
        torch.tensor([memory.now_s]),
    )


def _elapsed_s(memory: MemoryView, time_s: FloatArray) -> torch.Tensor:
    elapsed_s = np.maximum(memory.now_s - time_s, 0).astype(np.float32)
    elapsed_s[-1] = memory.newest_age_s
    return torch.from_numpy(elapsed_s).unsqueeze(0)


def picture(observation: Observation, camera: str) -> torch.Tensor:
    """Return a camera's picture as float32 ``[1, 3, 96, 96]``.

    Raises:
        ContractError: It is missing, or has another size.
    """
    image = observation.images.get(camera)
    if image is None or image.shape != (96, 96, 3):
        got = "nothing" if image is None else f"{image.dtype}{list(image.shape)}"
        raise ContractError(
            leaf=f"observation.images.{camera}", expected="uint8[96, 96, 3]", got=got
        )
    return to_pixels(np.array(image)[None])


def arm_state(observation: Observation) -> FloatArray:
    """Return the gripper's pose (m, rad, closing) and contact ``[6]``.

    Raises:
        ContractError: One is missing, or not finite.
    """
    parts = []
    for name in (POSE, CONTACT):
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
