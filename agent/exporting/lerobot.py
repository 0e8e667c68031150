"""A run as a LeRobotDataset v3: an episode a goal, with what was thought in its language columns.

The same folder as demonstrations, and written by the same code.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from agent.demos.dataset import IMAGE_TYPE, write_episode
from agent.demos.features import DatasetForm, feature
from agent.demos.metadata import write_metadata, write_texts
from agent.exporting.frames import (
    Episode,
    Frame,
    Pictures,
    action_names,
    episodes_of,
    number_names,
    state_of,
)
from agent.exporting.language import ARROW_TYPES, EVENTS, HUGGING_FACE, PERSISTENT, language_of
from agent.exporting.stretch import OnProgress, Stretch, caption_at
from bridge.errors import ConfigError

_INDICES = ("frame_index", "episode_index", "index", "task_index", "subtask_index")
_LANGUAGE = {"dtype": "language", "shape": [1], "names": None}


def write_dataset(stretch: Stretch, path: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Write a folder that LeRobot 0.6 reads, with its language columns.

    Raises:
        ConfigError: The run lacks goals, observations or actions there.
    """
    return _write(stretch, path, on_progress, has_language=True)


def write_plain_dataset(stretch: Stretch, path: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Write a folder that LeRobot 0.4 reads, which knows no language columns.

    Raises:
        ConfigError: The run lacks goals, observations or actions there.
    """
    return _write(stretch, path, on_progress, has_language=False)


def _write(
    stretch: Stretch, path: Path, on_progress: OnProgress, *, has_language: bool
) -> dict[str, Any]:
    pictures = Pictures(stretch)
    subtasks: dict[str, int] = {}
    form: DatasetForm | None = None
    frames = number = 0
    for number, episode in enumerate(episodes_of(stretch, pictures), 1):
        if form is None:
            form = _form(stretch, episode, pictures, has_language=has_language)
        rows = list(_rows(stretch, episode, pictures, subtasks))
        for place, row in enumerate(rows):
            row |= {"episode_index": number - 1, "index": frames + place, "task_index": 0}
        write_episode(path, number - 1, rows, _info(episode), schema=_schema(form))
        frames += len(rows)
        on_progress(number, len(stretch.goals))
    if form is None:
        raise ConfigError(
            f"Run {stretch.run.id} was sent no action for any of its {len(stretch.goals)} goals "
            "there: there is nothing to learn from."
        )
    write_metadata(path, form)
    write_texts(subtasks, "subtask", path / "meta" / "subtasks.parquet")
    return {"episodes": number, "frames": frames, "frames_per_second": form.fps}


def _rows(
    stretch: Stretch, episode: Episode, pictures: Pictures, subtasks: dict[str, int]
) -> Iterator[dict[str, Any]]:
    persistent, events = language_of(stretch, episode)
    for place, frame in enumerate(episode.frames):
        caption = caption_at(stretch.story, stretch.run.seconds(frame.at_ns))
        yield {
            **_seen(frame, pictures),
            "observation.state": state_of(frame.sensed.numbers),
            "action": frame.action,
            "timestamp": float(episode.times_s[place]),
            "frame_index": place,
            "subtask_index": subtasks.setdefault(caption, len(subtasks)),
            "is_commanded": frame.is_commanded,
            PERSISTENT: persistent,
            EVENTS: events.get(place, []),
        }


def _seen(frame: Frame, pictures: Pictures) -> dict[str, Any]:
    return {
        _camera_column(camera): {"bytes": pictures.file(name)[0], "path": None}
        for camera, name in frame.sensed.pictures.items()
    }


def _form(
    stretch: Stretch, episode: Episode, pictures: Pictures, *, has_language: bool
) -> DatasetForm:
    first = episode.frames[0]
    actions = action_names(stretch, len(first.action))
    cameras = {
        _camera_column(camera): feature(
            "image", ["height", "width", "channels"], _shape(pictures.file(name)[0])
        )
        for camera, name in first.sensed.pictures.items()
    }
    names = number_names(first.sensed.numbers)
    # All may have been redacted.
    state = {"observation.state": feature("float32", names)} if names else {}
    numbers = {
        **state,
        "action": feature("float32", actions),
        "timestamp": feature("float32"),
        **{name: feature("int64") for name in _INDICES},
        "is_commanded": feature("bool"),
    }
    language = {name: dict(_LANGUAGE) for name in (PERSISTENT, EVENTS) if has_language}
    robot = stretch.run.settings.get("robot", {}).get("kind", "unknown")
    return DatasetForm(
        features={**cameras, **numbers, **language},
        fps=episode.rate_hz,
        robot_type=robot,
        hugging_face=HUGGING_FACE,
    )


def _schema(form: DatasetForm) -> pa.Schema:
    return pa.schema([(name, _arrow_type(name, each)) for name, each in form.features.items()])


def _arrow_type(name: str, described: dict[str, Any]) -> pa.DataType:
    if name in ARROW_TYPES:
        return ARROW_TYPES[name]
    if described["dtype"] == "image":
        return IMAGE_TYPE
    kind = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_()}[described["dtype"]]
    return kind if described["names"] is None else pa.list_(kind, described["shape"][0])


def _info(episode: Episode) -> dict[str, Any]:
    goal = episode.goal.story
    done = [each.text for each in goal.subtasks if each.state == "done"]
    return {
        "goal_text": goal.text,
        "goal_id": goal.id,
        "outcome": goal.outcome,
        "success": goal.outcome == "done",
        "subtasks": done,
    }


def _camera_column(camera: str) -> str:
    # LeRobot allows no slash in a name.
    return f"observation.images.{camera.replace('/', '_')}"


def _shape(data: bytes) -> list[int]:
    with Image.open(io.BytesIO(data)) as image:
        return [image.height, image.width, len(image.getbands())]
