"""Messages of the schemas that Foxglove publishes, so that viewers know a picture for a picture.

As Protobuf, which Rerun understands as well. A schema in a trace is the description of its messages
and of those inside them, which is all that a reader needs.

Source: https://docs.foxglove.dev/docs/sdk/schemas, names and numbers of the fields.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.message import DecodeError

_NS_PER_S = 1_000_000_000
_PACKAGE = "foxglove"
_TIME = ".google.protobuf.Timestamp"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "fixed32": _Field.TYPE_FIXED32,
    "string": _Field.TYPE_STRING,
}
# Number, type and name of each field; those that nothing here fills in are left out.
_FIELDS: Mapping[str, Sequence[tuple[int, str, str]]] = {
    "Vector3": ((1, "double", "x"), (2, "double", "y"), (3, "double", "z")),
    "Quaternion": (
        (1, "double", "x"), (2, "double", "y"), (3, "double", "z"), (4, "double", "w"),
    ),
    "FrameTransform": (
        (1, _TIME, "timestamp"), (2, "string", "parent_frame_id"), (3, "string", "child_frame_id"),
        (4, "Vector3", "translation"), (5, "Quaternion", "rotation"),
    ),
    "FrameTransforms": ((1, "repeated FrameTransform", "transforms"),),
    "CompressedImage": (
        (1, _TIME, "timestamp"), (2, "bytes", "data"), (3, "string", "format"),
        (4, "string", "frame_id"), (100, "string", "message_id"),
    ),
    "Log": (
        (1, _TIME, "timestamp"), (2, "enum Level", "level"), (3, "string", "message"),
        (4, "string", "name"), (5, "string", "file"), (6, "fixed32", "line"),
    ),
}  # fmt: skip
SchemaName = Literal["CompressedImage", "FrameTransforms", "Log"]


class LogLevel(enum.IntEnum):
    """How much a line matters; numbers as published."""

    UNKNOWN = 0
    DEBUG = 1
    INFO = 2
    WARNING = 3
    ERROR = 4
    FATAL = 5


def compressed_image(
    wall_ns: int, camera: str, data: bytes, image_format: str, picture: str
) -> bytes:
    """A picture; `picture` is what traces call it, and `wall_ns` [ns since 1970] when it is of."""
    return _made(
        "CompressedImage",
        timestamp=_timestamp(wall_ns),
        frame_id=camera,
        data=data,
        format=image_format,
        message_id=picture,
    )


def frame_transforms(
    wall_ns: int, poses: Sequence[tuple[str, str, Sequence[float], Sequence[float]]]
) -> bytes:
    """Where frames lie at a moment [ns since 1970].

    Args:
        wall_ns: The moment.
        poses: Of each frame its parent, its own name, where its origin lies in the parent [m], and
            how it is turned there: a unit quaternion, x y z w.
    """
    transforms = [
        {
            "timestamp": _timestamp(wall_ns),
            "parent_frame_id": parent,
            "child_frame_id": child,
            "translation": dict(zip("xyz", translation_m, strict=True)),
            "rotation": dict(zip("xyzw", rotation, strict=True)),
        }
        for parent, child, translation_m, rotation in poses
    ]
    return _made("FrameTransforms", transforms=transforms)


def log_line(wall_ns: int, level: LogLevel, node: str, kind: str, words: str) -> bytes:
    """A line for a person, made from an event of this kind of this node."""
    return _made(
        "Log",
        timestamp=_timestamp(wall_ns),
        level=int(level),
        message=words,
        name=node,
        file=kind,
    )


def read_picture(data: bytes) -> Any | None:  # noqa: ANN401  # Made at run time.
    """A picture's message; None if these are not its bytes, of a damaged or an older trace."""
    try:
        return read_message("CompressedImage", data)
    except DecodeError:
        return None


def read_message(name: SchemaName, data: bytes) -> Any:  # noqa: ANN401  # Made at run time.
    """A message from its bytes, with the fields as published.

    Raises:
        DecodeError: These are not its bytes.
    """
    return _class_of(name).FromString(data)


@cache
def schema_bytes(name: SchemaName) -> bytes:
    """The description of a message, as the schema of an MCAP channel: a file descriptor set."""
    timestamps = descriptor_pb2.FileDescriptorProto.FromString(
        timestamp_pb2.DESCRIPTOR.serialized_pb
    )
    files = descriptor_pb2.FileDescriptorSet(file=[timestamps, _description((name,))])
    schema: bytes = files.SerializeToString(deterministic=True)
    return schema


def _made(schema: SchemaName, /, **fields: Any) -> bytes:  # noqa: ANN401  # As it wants them.
    message: bytes = _class_of(schema)(**fields).SerializeToString()
    return message


@cache
def _class_of(name: SchemaName) -> Any:  # noqa: ANN401  # Made at run time.
    # A pool of its own, so that another library may describe the same messages in the same process.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(_description((name,)).SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


def _description(names: Sequence[str]) -> descriptor_pb2.FileDescriptorProto:
    described = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}/{names[0]}.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[timestamp_pb2.DESCRIPTOR.name],
    )
    for name in dict.fromkeys(_with_those_inside(names)):
        described.message_type.append(_message(name))
    return described


def _with_those_inside(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        inside = [kind.split()[-1] for _, kind, _ in _FIELDS[name]]
        yield from _with_those_inside([kind for kind in inside if kind in _FIELDS])
        yield name


def _message(name: str) -> descriptor_pb2.DescriptorProto:
    message = descriptor_pb2.DescriptorProto(name=name)
    for number, kind, field in _FIELDS[name]:
        *form, kind_name = kind.split()
        added = message.field.add(name=field, number=number, json_name=field)
        added.label = _Field.LABEL_REPEATED if "repeated" in form else _Field.LABEL_OPTIONAL
        if "enum" in form:
            message.enum_type.append(_levels(kind_name))
            added.type, added.type_name = _Field.TYPE_ENUM, f".{_PACKAGE}.{name}.{kind_name}"
        elif kind_name in _SCALARS:
            added.type = _SCALARS[kind_name]
        else:
            is_ours = kind_name in _FIELDS
            added.type = _Field.TYPE_MESSAGE
            added.type_name = f".{_PACKAGE}.{kind_name}" if is_ours else kind_name
    return message


def _levels(name: str) -> descriptor_pb2.EnumDescriptorProto:
    levels = descriptor_pb2.EnumDescriptorProto(name=name)
    for level in LogLevel:
        levels.value.add(name=level.name, number=int(level))
    return levels


def _timestamp(wall_ns: int) -> dict[str, int]:
    seconds, nanos = divmod(wall_ns, _NS_PER_S)
    return {"seconds": seconds, "nanos": nanos}
