"""What each column of a demonstration is, in the words of LeRobot and of Hugging Face's readers."""

import json
from typing import Any

from agent.demos.dataset import ACTION_NAMES, CAMERAS, STATE_NAMES

_IMAGE_SHAPE = [96, 96, 3]


def _feature(dtype: str, names: list[str] | None = None, shape: list[int] | None = None) -> Any:  # noqa: ANN401  # JSON.
    return {"dtype": dtype, "shape": shape or [len(names) if names else 1], "names": names}


FEATURES: dict[str, Any] = {
    **{
        f"observation.images.{camera}": _feature(
            "image", ["height", "width", "channels"], _IMAGE_SHAPE
        )
        for camera in CAMERAS
    },
    "observation.state": _feature("float32", list(STATE_NAMES)),
    "action": _feature("float32", list(ACTION_NAMES)),
    "timestamp": _feature("float32"),
    **{name: _feature("int64") for name in ("frame_index", "episode_index", "index", "task_index")},
    "subtask": _feature("string"),
    "segment_index": _feature("int64"),
    # The subtasks finished so far: a list that grows, which no fixed shape describes.
    "finished": _feature("string", shape=[-1]),
    "is_subtask_done": _feature("bool"),
    "is_hovering": _feature("bool"),
    "disturbance": _feature("string"),
    "facts": _feature("string"),
}


def _hugging_face_feature(feature: dict[str, Any]) -> dict[str, Any]:
    value = {"dtype": feature["dtype"], "_type": "Value"}
    if feature["dtype"] == "image":
        return {"_type": "Image"}
    if feature["shape"] == [1]:
        return value
    return {"feature": value, "length": feature["shape"][0], "_type": "List"}


# What Hugging Face's readers look for to decode the pictures by themselves.
HUGGING_FACE_FEATURES = json.dumps(
    {
        "info": {
            "features": {name: _hugging_face_feature(feature) for name, feature in FEATURES.items()}
        }
    }
).encode()
