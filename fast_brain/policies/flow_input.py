"""How the policy sees: pictures to pixels, feelings to features. Training and run time share it."""

import numpy as np
import torch


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
