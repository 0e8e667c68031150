"""A policy that asks for latents and stays where it is, found as `listening:ListeningPolicy`."""

from msgspec.structs import replace

from bridge.specs import LatentSpec, RobotSpec
from fast_brain.policies.hold import HoldPolicy

WIDTH = 8


class ListeningPolicy(HoldPolicy):
    """Holds as its parent does, and lets the memory between the brains be used."""

    def __init__(self, *, robot: RobotSpec) -> None:
        super().__init__(robot=robot)
        latent = LatentSpec(perceptual_tokens=1, cognitive_tokens=1, width=WIDTH)
        self._spec = replace(self._spec, latent=latent)
