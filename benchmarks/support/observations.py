"""Observations as a robot with two cameras makes them, to be sent about."""

from typing import Any

import numpy as np

from bridge.messages import Observation

IMAGE_SHAPE = (224, 224, 3)
CAMERAS = 2
# Of a mailbox that they fit into, twice as many pictures too [bytes].
CAPACITY_BYTES = 4 * 1024 * 1024
_STATE = {"gripper_pose_in_base": 5, "gripper_contact": 1, "target_pose_in_base": 5}


def example_observation(cameras: int = CAMERAS, sequence: int = 0) -> Observation:
    """Noise in every picture, another for each sequence number."""
    random = np.random.default_rng(sequence)
    return Observation(
        stamp_ns=0,
        sequence=sequence,
        images={
            f"camera {number}": random.integers(0, 256, IMAGE_SHAPE, np.uint8)
            for number in range(cameras)
        },
        proprioception={
            name: random.normal(size=width).astype(np.float32) for name, width in _STATE.items()
        },
    )


def size_bytes(observation: Observation) -> int:
    """Of its arrays [bytes]."""
    arrays = (*observation.images.values(), *observation.proprioception.values())
    return sum(array.nbytes for array in arrays)


def plain_arrays(observation: Observation, stamp_ns: int) -> dict[str, Any]:
    """The same as a dict of arrays, so that nobody else pays for our messages."""
    return {"stamp_ns": stamp_ns, **observation.images, **observation.proprioception}
