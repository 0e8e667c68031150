"""The point arm with a camera that can go wrong."""

from collections.abc import Callable

import numpy as np
from msgspec.structs import replace

from agent.faults.orders import order_for
from bridge.arrays import ImageArray
from bridge.errors import RobotFault
from bridge.messages import Observation
from fast_brain.robots.point_arm import PointArm

_LATE_NS = 1_000_000_000


class FaultyArm(PointArm):
    """A point arm that shows what is ordered to be wrong with the node `robot`."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._shown: Observation | None = None

    def observe(self, now_ns: int) -> Observation:
        """What the camera shows, or what has become of it.

        Raises:
            RobotFault: It is not connected, or is ordered to be broken.
        """
        order, fresh = order_for("robot"), super().observe(now_ns)
        kind = "" if order is None else order.kind
        if kind in ("camera_frozen", "camera_dropped") and self._shown is not None:
            # Frozen: a new message with the old picture and stamp. Dropped: no new message at all.
            return replace(self._shown) if kind == "camera_frozen" else self._shown
        if kind == "camera_still" and self._shown is not None:
            return replace(fresh, images=dict(self._shown.images))
        if kind == "robot_fault":
            raise RobotFault("The arm reports a drill: its brake has failed.")
        self._shown = _changed(kind, fresh)
        return self._shown


def _changed(kind: str, fresh: Observation) -> Observation:
    if kind == "camera_late":
        return replace(fresh, stamp_ns=fresh.stamp_ns - _LATE_NS)
    if kind == "camera_black":
        return replace(fresh, images=_each_image(fresh, np.zeros_like))
    if kind == "camera_wrong_shape":
        return replace(fresh, images=_each_image(fresh, _upper_half))
    return fresh


def _each_image(
    observation: Observation, change: Callable[[ImageArray], ImageArray]
) -> dict[str, ImageArray]:
    return {name: change(image) for name, image in observation.images.items()}


def _upper_half(image: ImageArray) -> ImageArray:
    return image[: len(image) // 2]
