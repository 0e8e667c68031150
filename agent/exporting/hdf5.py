"""A run as HDF5 in robomimic's layout: an episode a goal, as `data/demo_<n>`.

Layout: https://robomimic.github.io/docs/datasets/overview.html. What robomimic has no place for,
such as the subtask of each row, stands beside it, where its readers do not look.
"""

import io
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from agent.exporting.frames import Episode, Pictures, action_names, episodes_of
from agent.exporting.language import language_of
from agent.exporting.stretch import OnProgress, Stretch, caption_at
from bridge.arrays import ImageArray
from bridge.errors import ConfigError

_COMPRESSION: dict[str, Any] = {"compression": "gzip", "compression_opts": 4}
_TEXT = h5py.string_dtype()


def write_hdf5(stretch: Stretch, path: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Write the file.

    Raises:
        ConfigError: The run lacks goals, observations or actions there, or a camera changes the
            size of its pictures.
    """
    pictures = Pictures(stretch)
    episodes = list[Episode]()
    # In memory: on a disk that takes no more the library crashes.
    with h5py.File(path, "w", driver="core", backing_store=False) as file:
        for number, episode in enumerate(episodes_of(stretch, pictures)):
            _write_demo(stretch, episode, pictures, file.create_group(f"data/demo_{number}"))
            episodes.append(episode)
            on_progress(number + 1, len(stretch.goals))
        _write_about(stretch, episodes, file)
        file.flush()
        path.write_bytes(file.id.get_file_image())
    count, rate_hz = sum(len(each.frames) for each in episodes), episodes[0].rate_hz
    return {"episodes": len(episodes), "frames": count, "frames_per_second": rate_hz}


def _write_about(stretch: Stretch, episodes: list[Episode], file: h5py.File) -> None:
    """What robomimic reads first: how much there is, and where it is from."""
    if not episodes:
        raise ConfigError(
            f"Run {stretch.run.id} was sent no action for any of its {len(stretch.goals)} "
            "goals there: there is nothing to learn from."
        )
    robot: dict[str, Any] = stretch.run.settings.get("robot", {})
    about = {"options": robot.get("options", {}), "frames_per_second": episodes[0].rate_hz}
    # robomimic makes an environment from this; this one it can only name.
    environment = {"env_name": robot.get("kind", "unknown"), "type": "tandem-agent"}
    file["data"].attrs["total"] = sum(len(each.frames) for each in episodes)
    file["data"].attrs["env_args"] = json.dumps(environment | {"env_kwargs": about})
    names = [f"demo_{number}" for number in range(len(episodes))]
    file.create_dataset("mask/train", data=np.array(names, dtype="S"))


def _write_demo(stretch: Stretch, episode: Episode, pictures: Pictures, demo: h5py.Group) -> None:
    frames, goal = episode.frames, episode.goal.story
    actions = np.stack([frame.action for frame in frames])
    demo["actions"] = actions
    is_last = np.arange(len(frames)) == len(frames) - 1
    demo["dones"] = is_last.astype(np.int64)
    # What the planner judged; robomimic wants a reward, and there is no other.
    demo["rewards"] = (is_last & (goal.outcome == "done")).astype(np.float64)
    demo["is_commanded"] = np.array([frame.is_commanded for frame in frames])
    demo["times_s"] = episode.times_s
    for name in frames[0].sensed.numbers:
        demo[f"obs/{name}"] = np.stack([frame.sensed.numbers[name] for frame in frames])
    for camera in frames[0].sensed.pictures:
        _write_pictures(demo, camera, episode, pictures)
    _write_words(stretch, episode, demo)
    demo.attrs["num_samples"] = len(frames)
    demo.attrs["action_names"] = action_names(stretch, actions.shape[1])
    for name in ("id", "text", "source", "outcome", "reason"):
        demo.attrs[f"goal_{name}"] = getattr(goal, name)


def _write_words(stretch: Stretch, episode: Episode, demo: h5py.Group) -> None:
    """What was wanted at each row, and what was thought and said, as JSON."""
    seconds = (stretch.run.seconds(frame.at_ns) for frame in episode.frames)
    captions = [caption_at(stretch.story, at_s) for at_s in seconds]
    demo.create_dataset("subtasks", data=captions, dtype=_TEXT)
    persistent, events = language_of(stretch, episode)
    heard = [
        row | {"timestamp": float(episode.times_s[frame])}
        for frame, rows in events.items()
        for row in rows
    ]
    demo.create_dataset("language", data=json.dumps([*persistent, *heard]), dtype=_TEXT)


def _write_pictures(demo: h5py.Group, camera: str, episode: Episode, pictures: Pictures) -> None:
    names = [frame.sensed.pictures[camera] for frame in episode.frames]
    first = _pixels(pictures, names[0])
    images = demo.create_dataset(
        f"obs/{camera.replace('/', '_')}_image",
        shape=(len(names), *first.shape),
        dtype=np.uint8,
        chunks=(1, *first.shape),
        **_COMPRESSION,
    )
    shown, pixels = names[0], first
    for place, name in enumerate(names):
        if name != shown:
            shown, pixels = name, _pixels(pictures, name)
        if pixels.shape != first.shape:
            raise ConfigError(
                f"Camera {camera!r} changed the size of its pictures within a goal, from "
                f"{list(first.shape)} to {list(pixels.shape)} [px, px, channels]: export the part "
                "before or after with --until or --from."
            )
        images[place] = pixels


def _pixels(pictures: Pictures, name: str) -> ImageArray:
    with Image.open(io.BytesIO(pictures.file(name)[0])) as image:
        return np.asarray(image.convert("RGB"))
