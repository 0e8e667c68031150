"""What each column of a demonstration is, in the words of LeRobot and of Hugging Face's readers."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.demos.dataset import ACTION_NAMES, CAMERAS, FPS, STATE_NAMES

_IMAGE_SHAPE = [96, 96, 3]


def feature(dtype: str, names: list[str] | None = None, shape: list[int] | None = None) -> Any:  # noqa: ANN401  # JSON.
    """A column as LeRobot describes it: one number or word a row, or as many as there are names."""
    return {"dtype": dtype, "shape": shape or [len(names) if names else 1], "names": names}


class DatasetForm(NamedTuple):
    """What all episodes of a folder have in common.

    `features` are LeRobot's descriptions of the columns, `fps` how many rows make a second [Hz],
    and `hugging_face` what Hugging Face's readers are told of columns that LeRobot's words do not
    describe.
    """

    features: Mapping[str, Any]
    fps: int
    robot_type: str
    hugging_face: Mapping[str, Any] = {}

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that statistics are made of."""
        return self._of("float32", "int64")

    @property
    def pictures(self) -> tuple[str, ...]:
        """The columns that hold pictures."""
        return self._of("image")

    def hugging_face_features(self) -> bytes:
        """What Hugging Face's readers look for to decode the pictures by themselves."""
        features = {
            name: self.hugging_face.get(name) or _hugging_face_feature(described)
            for name, described in self.features.items()
        }
        return json.dumps({"info": {"features": features}}).encode()

    def _of(self, *dtypes: str) -> tuple[str, ...]:
        return tuple(name for name, each in self.features.items() if each["dtype"] in dtypes)


_FEATURES: dict[str, Any] = {
    **{
        f"observation.images.{camera}": feature(
            "image", ["height", "width", "channels"], _IMAGE_SHAPE
        )
        for camera in CAMERAS
    },
    "observation.state": feature("float32", list(STATE_NAMES)),
    "action": feature("float32", list(ACTION_NAMES)),
    "timestamp": feature("float32"),
    **{name: feature("int64") for name in ("frame_index", "episode_index", "index", "task_index")},
    "subtask": feature("string"),
    "segment_index": feature("int64"),
    # The subtasks finished so far: a list that grows, which no fixed shape describes.
    "finished": feature("string", shape=[-1]),
    "is_subtask_done": feature("bool"),
    "is_hovering": feature("bool"),
    "disturbance": feature("string"),
    "facts": feature("string"),
}


def _hugging_face_feature(described: dict[str, Any]) -> dict[str, Any]:
    value = {"dtype": described["dtype"], "_type": "Value"}
    if described["dtype"] == "image":
        return {"_type": "Image"}
    if described["shape"] == [1]:
        return value
    return {"feature": value, "length": described["shape"][0], "_type": "List"}


SCENE_FORM = DatasetForm(features=_FEATURES, fps=FPS, robot_type="ur5e_robotiq_ogbench_scene")
