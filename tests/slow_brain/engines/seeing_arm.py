"""A point arm whose pictures have the size that the shipped planner takes."""

import numpy as np
from msgspec.structs import replace

from bridge.messages import Observation
from bridge.specs import RobotSpec
from fast_brain.robots.point_arm import PointArm

SIZE_PX = 96


class SeeingArm(PointArm):
    """Shows its picture in a frame, and says nothing of what it can do."""

    @property
    def spec(self) -> RobotSpec:
        """The parent's, with larger pictures and without skills."""
        spec = super().spec
        images = tuple(
            replace(image, shape=(SIZE_PX, SIZE_PX, 3)) for image in spec.observation.images
        )
        return replace(spec, observation=replace(spec.observation, images=images), skills=())

    def observe(self, now_ns: int) -> Observation:
        """The parent's, framed."""
        seen = super().observe(now_ns)
        images = {name: _framed(image) for name, image in seen.images.items()}
        return replace(seen, images=images)


def _framed(image: np.ndarray) -> np.ndarray:
    border = (SIZE_PX - image.shape[0]) // 2
    return np.pad(image, ((border, border), (border, border), (0, 0)))
