"""Policies that do not fit the point arm or its planner, found as `mismatched:WideLatents`."""

from msgspec.structs import replace

from bridge.specs import LatentSpec, RobotSpec
from fast_brain.policies.hold import HoldPolicy


class WideLatents(HoldPolicy):
    """Wants latents twice as wide as the scripted planner's."""

    def __init__(self, *, robot: RobotSpec) -> None:
        super().__init__(robot=robot)
        latent = LatentSpec(perceptual_tokens=1, cognitive_tokens=1, width=16)
        self._spec = replace(self._spec, latent=latent)


class WristCamera(HoldPolicy):
    """Wants a picture that the arm does not have."""

    def __init__(self, *, robot: RobotSpec) -> None:
        super().__init__(robot=robot)
        self._spec = replace(self._spec, cameras=("wrist",))


class SmallPictures(HoldPolicy):
    """Takes pictures of another size than the arm's."""

    def __init__(self, *, robot: RobotSpec) -> None:
        super().__init__(robot=robot)
        self._spec = replace(self._spec, cameras=("front",), picture_px=32)


class Millimetres(HoldPolicy):
    """Speaks in another unit than the arm."""

    def __init__(self, *, robot: RobotSpec) -> None:
        super().__init__(robot=robot)
        self._spec = replace(self._spec, action=replace(robot.action, units=("mm",) * 3))
