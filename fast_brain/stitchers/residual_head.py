"""The small network that corrects one action by what is seen at that moment; numpy, for the loop.

It stands in the control process, where no framework is loaded: at these sizes a tick costs some
tens of microseconds. It is trained by `fast_brain.training.residual`, with the same inputs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from bridge.arrays import AnyArray, FloatArray, ImageArray
from bridge.errors import ContractError, MissingWeightsError
from bridge.messages import Observation

FILE_NAME = "residual.safetensors"
# Each picture is averaged down to so many places in a row and as many rows.
PICTURE_PLACES = 6
# What the head is told of the row: where in the chunk, as a share and a wave, and two times [s].
PLACE_WIDTH = 5
_NAMES = (
    "base_features",
    "pictures",
    "row",
    "bias",
    "hidden",
    "hidden_bias",
    "leave",
    "leave_bias",
    "features_mean",
    "features_std",
    "row_mean",
    "row_std",
    "scale",
    "low",
    "high",
)


class RowInput(NamedTuple):
    """Which row of the base chunk is to be corrected, and when that is.

    `row` is its number, whole or between two; `lead_s` [s] how much later than the newest
    observation it is for, and `since_s` [s] how much older the base chunk's observation is than
    the newest.
    """

    action: FloatArray
    row: float
    lead_s: float
    since_s: float


class ResidualHead:
    """`a ← clip(a + scale · f(o, a, i, z))`, three layers.

    Source: Sendai et al., "Leave No Observation Behind: Real-Time Correction for VLA Action Chunks"
    (A2C2, arXiv 2509.23224): the head sees the newest observation o, the base action a, its index
    in the chunk i, and the base policy's features z; the base is frozen. Here o is pictures
    averaged to 6 × 6 places and proprioception, because a picture network has no place in the
    control loop.
    """

    def __init__(self, arrays: Mapping[str, AnyArray], names: Mapping[str, str]) -> None:
        self._weights = {name: np.asarray(arrays[name], np.float32) for name in _NAMES}
        self.fingerprint = names["base_fingerprint"]
        self.cameras = tuple(filter(None, names["cameras"].split(",")))
        self.proprioception = tuple(filter(None, names["proprioception"].split(",")))
        self._horizon = int(names["horizon"])

    @property
    def features_width(self) -> int:
        """How many features of the base policy it expects."""
        return self._weights["features_mean"].shape[0]

    def begin(self, features: FloatArray) -> FloatArray:
        """What a chunk's features contribute [W]; computed once a chunk.

        Raises:
            ContractError: They are of another policy.
        """
        w = self._weights
        if features.shape != w["features_mean"].shape:
            raise ContractError(
                leaf="chunk.features",
                expected=f"float32[{self.features_width}], as the residual head was trained with",
                got=list(features.shape),
            )
        standard = (features - w["features_mean"]) / w["features_std"]
        return (standard @ w["base_features"]).astype(np.float32, copy=False)

    def look(self, observation: Observation) -> FloatArray:
        """What an observation's pictures contribute [W]; computed once an observation.

        Raises:
            ContractError: A camera is missing.
        """
        if not self.cameras:
            return np.zeros_like(self._weights["bias"])
        images = [_camera(observation, camera) for camera in self.cameras]
        return pool_pictures(images) @ self._weights["pictures"]

    def correct(
        self, given: RowInput, state: FloatArray, from_chunk: FloatArray, from_pictures: FloatArray
    ) -> FloatArray:
        """The corrected action [A], inside the bounds; `state` is the newest proprioception."""
        w = self._weights
        row: FloatArray = row_features(given, state, self._horizon)
        row = ((row - w["row_mean"]) / w["row_std"]).astype(np.float32, copy=False)
        first = _silu(row @ w["row"] + from_chunk + from_pictures + w["bias"])
        second = _silu(first @ w["hidden"] + w["hidden_bias"])
        correction = (second @ w["leave"] + w["leave_bias"]) * w["scale"]
        return np.clip(given.action + correction, w["low"], w["high"]).astype(np.float32)

    def state(self, observation: Observation) -> FloatArray:
        """The proprioception that the head is told, in one vector.

        Raises:
            ContractError: One is missing, or not finite.
        """
        parts = []
        for name in self.proprioception:
            found = observation.proprioception.get(name)
            if found is None or not np.isfinite(found).all():
                raise ContractError(
                    leaf=f"observation.proprioception.{name}",
                    expected="finite numbers",
                    got="nothing" if found is None else found,
                )
            parts.append(np.ravel(found))
        return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


def row_features(given: RowInput, state: FloatArray, horizon: int) -> FloatArray:
    """What the head is told of a row: [A + `PLACE_WIDTH` + S].

    The action stands relative to the state as far as the two have the same first numbers (a pose
    and its target), so that a correction does not depend on where in the room it is.
    """
    relative = given.action.astype(np.float32)
    shared = min(len(relative), len(state))
    relative[:shared] -= state[:shared]
    share = given.row / horizon
    place = [share, np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)]
    return np.concatenate(
        [relative, [*place, given.lead_s, given.since_s], state], dtype=np.float32
    )


def pool_pictures(images: list[ImageArray]) -> FloatArray:
    """Pictures [H, W, 3] as the means of their places, in [-1, 1]: [cameras · 6 · 6 · 3]."""
    return np.concatenate([_pool(image) for image in images])


def _pool(image: ImageArray) -> FloatArray:
    high, wide = (size // PICTURE_PLACES for size in image.shape[:2])
    whole = image[: high * PICTURE_PLACES, : wide * PICTURE_PLACES]
    # First whole lines are added up, then places: both at once takes eight times as long.
    lines = whole.reshape(PICTURE_PLACES, high, -1).sum(axis=1, dtype=np.float32)
    places = lines.reshape(PICTURE_PLACES, PICTURE_PLACES, wide, -1).sum(axis=2)
    return (places / np.float32(127.5 * high * wide) - 1.0).ravel().astype(np.float32, copy=False)


def load_head(folder: Path) -> ResidualHead:
    """Read a head.

    Raises:
        MissingWeightsError: There is none; says how to make it.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise MissingWeightsError(path=str(path), how_to_make="agent train residual")
    with safe_open(path, "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping.
        return ResidualHead(arrays, file.metadata())


def save_head(folder: Path, arrays: Mapping[str, AnyArray], names: Mapping[str, str]) -> None:
    """Write a head's weights, and what they are for."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: np.ascontiguousarray(arrays[name], np.float32) for name in _NAMES}
    save_file(tensors, folder / FILE_NAME, dict(names))
    # Weights are shipped: whoever installed them, others run them.
    (folder / FILE_NAME).chmod(0o644)


def _silu(x: FloatArray) -> FloatArray:
    # x · sigmoid(x), by a function that does not overflow.
    return (0.5 * x * (1.0 + np.tanh(0.5 * x))).astype(np.float32, copy=False)


def _camera(observation: Observation, camera: str) -> ImageArray:
    image = observation.images.get(camera)
    if image is None:
        raise ContractError(
            leaf=f"observation.images.{camera}", expected="a picture", got="nothing"
        )
    return image
