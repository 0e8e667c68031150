"""An observation as the facts of an event, its pictures by what they are called; and back."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bridge.arrays import AnyArray, ImageArray, picture_hash
from bridge.messages import Observation

# The kind of these events, told by the recorder for the mailbox that it looked into.
OBSERVATION = "observation"


def facts_of(observation: Observation) -> dict[str, Any]:
    """What is written of an observation, beside its stamp."""
    return {
        "sequence": observation.sequence,
        "episode_id": observation.episode_id,
        "proprioception": _written(observation.proprioception),
        "extra": _written(observation.extra),
        "images": {name: picture_hash(image) for name, image in observation.images.items()},
    }


def observation_from(
    stamp_ns: int, facts: Mapping[str, Any], read_picture: Callable[[str, str], ImageArray]
) -> Observation:
    """The observation that was written.

    Args:
        stamp_ns: When it was taken [ns].
        facts: As `facts_of` made them, and JSON kept them: what is not finite is None.
        read_picture: Finds a picture by its camera and what it is called.
    """
    images: Mapping[str, str] = facts["images"]
    return Observation(
        stamp_ns=stamp_ns,
        sequence=facts["sequence"],
        episode_id=facts["episode_id"],
        images={camera: read_picture(camera, name) for camera, name in images.items()},
        proprioception=_read(facts["proprioception"]),
        extra=_read(facts["extra"]),
    )


def _written(arrays: Mapping[str, AnyArray]) -> dict[str, Any]:
    return {
        name: {"dtype": str(a.dtype), "shape": list(a.shape), "values": a.ravel().tolist()}
        for name, a in arrays.items()
    }


def _read(written: Mapping[str, Any]) -> dict[str, AnyArray]:
    arrays: dict[str, AnyArray] = {}
    for name, told in written.items():
        dtype, values = np.dtype(told["dtype"]), told["values"]
        # JSON has no number for what is not finite.
        known = [np.nan if value is None else value for value in values]
        arrays[name] = np.array(known if dtype.kind == "f" else values, dtype).reshape(
            told["shape"]
        )
    return arrays
