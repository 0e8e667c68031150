"""The pictures of a recorded run: which there are, when, and what is on them."""

from collections.abc import Iterator

from agent.recording.foxglove import read_picture
from agent.recording.observation_facts import OBSERVATION
from agent.recording.pictures import decode_picture
from agent.recording.redaction import REDACTED
from agent.tracing.runs import Part, Run
from agent.tracing.scanning import opened, read_chunk
from bridge.arrays import ImageArray
from bridge.errors import ConfigError, UnknownNameError


def cameras(run: Run) -> list[str]:
    """The cameras of which there are pictures, in order of their names."""
    return sorted({name for part in run.parts for name in part.index.cameras.values()})


def camera_frames(run: Run, camera: str) -> Iterator[tuple[int, str]]:
    """When a camera was looked at [ns], and what the picture is called, in order of time.

    A scene that stands still is called the same each time.

    Raises:
        UnknownNameError: There are no pictures of such a camera.
    """
    _check_camera(run, camera)
    for event in run.walk(OBSERVATION):
        name = event.facts["images"].get(camera, REDACTED)
        if name != REDACTED:
            yield event.stamp_ns, name


def newest_frame(run: Run, camera: str, stamp_ns: int) -> str | None:
    """What a camera's last picture at or before a moment [ns] is called; None before the first.

    Raises:
        UnknownNameError: There are no pictures of such a camera.
    """
    _check_camera(run, camera)
    event = run.newest(
        OBSERVATION, stamp_ns, lambda facts: facts["images"].get(camera, REDACTED) != REDACTED
    )
    return None if event is None else event.facts["images"][camera]


def picture_bytes(run: Run, name: str) -> tuple[bytes, str]:
    """A picture's file as it was recorded, and its format: "png" or "jpeg".

    Args:
        run: The run.
        name: What traces call the picture, such as "ab12ab12ab12ab12".

    Raises:
        ConfigError: It is not in the run, or damaged.
    """
    for part in run.parts:
        place = part.index.pictures.get(name)
        if place is not None:
            found = _pictures_at(part, *place).get(name)
            if found is not None:
                return found
    count = sum(len(part.index.pictures) for part in run.parts)
    raise ConfigError(
        f"Run {run.id} has no picture {name!r}, but {count} others: it was redacted, was older "
        "than what is kept, or its part of the file is damaged."
    )


def picture(run: Run, name: str) -> ImageArray:
    """A picture's pixels, uint8 [height, width, channels]; read-only.

    Raises:
        ConfigError: It is not in the run, or damaged.
    """
    data, _ = picture_bytes(run, name)
    try:
        return decode_picture(data)
    except ValueError as error:
        raise ConfigError(f"Picture {name} of run {run.id} is damaged: {error}.") from error


def _pictures_at(part: Part, offset: int, end: int) -> dict[str, tuple[bytes, str]]:
    with opened(part.file) as stream:
        found = read_chunk(stream, offset, end)
    wanted = (m.data for m in found.messages if m.channel_id in part.index.cameras)
    pictures = [read_picture(data) for data in wanted]
    return {each.message_id: (each.data, each.format) for each in pictures if each is not None}


def _check_camera(run: Run, camera: str) -> None:
    known = cameras(run)
    if camera not in known:
        raise UnknownNameError(kind="recorded camera", name=camera, known=known)
