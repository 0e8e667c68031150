"""Messages of the schemas that Foxglove publishes, so that viewers know a picture for a picture.

A schema lies in `schemas/` as JSON Schema; the messages are JSON like all others of a trace.
"""

import base64
import enum
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal

_NS_PER_S = 1_000_000_000
SchemaName = Literal["CompressedImage", "FrameTransforms", "Log"]


class LogLevel(enum.IntEnum):
    """How much a line matters; numbers as published."""

    DEBUG = 1
    INFO = 2
    WARNING = 3
    ERROR = 4


@cache
def schema_text(name: SchemaName) -> bytes:
    """The JSON Schema of a message."""
    return (resources.files("agent.recording") / "schemas" / f"{name}.json").read_bytes()


def compressed_image(
    wall_ns: int, camera: str, data: bytes, image_format: str, picture: str
) -> dict[str, Any]:
    """A picture; `picture` is what traces call it, and `wall_ns` [ns since 1970] when it is of."""
    return {
        "timestamp": timestamp(wall_ns),
        "frame_id": camera,
        "data": base64.b64encode(data).decode(),
        "format": image_format,
        "hash": picture,
    }


def frame_transform(
    wall_ns: int,
    parent: str,
    child: str,
    translation_m: Sequence[float],
    rotation_xyzw: Sequence[float],
) -> dict[str, Any]:
    """Where `child` lies in `parent`: its origin [m] and how it is turned, a unit quaternion."""
    return {
        "timestamp": timestamp(wall_ns),
        "parent_frame_id": parent,
        "child_frame_id": child,
        "translation": dict(zip("xyz", map(float, translation_m), strict=True)),
        "rotation": dict(zip("xyzw", map(float, rotation_xyzw), strict=True)),
    }


def log_line(wall_ns: int, level: LogLevel, node: str, kind: str, words: str) -> dict[str, Any]:
    """A line for a person, made from an event of this kind of this node."""
    return {
        "timestamp": timestamp(wall_ns),
        "level": int(level),
        "message": words,
        "name": node,
        "file": kind,
        "line": 0,
    }


def timestamp(wall_ns: int) -> dict[str, int]:
    """A time of day [ns since 1970] as the schemas want it."""
    sec, nsec = divmod(wall_ns, _NS_PER_S)
    return {"sec": sec, "nsec": nsec}
