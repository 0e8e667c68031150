"""Our descriptions of Foxglove's messages beside those that Foxglove ships."""

import importlib
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from agent.recording.foxglove import SchemaName, schema_bytes

# Fields of our own have numbers from here on, which a published reader skips.
_OURS_FROM = 100


def shapes(message: descriptor_pb2.DescriptorProto) -> set[tuple[Any, ...]]:
    """What readers go by: name, number, type and whether there are many."""
    return {
        (each.name, each.number, each.type, each.label, each.type_name)
        for each in message.field
        if each.number < _OURS_FROM
    }


def published(name: str) -> descriptor_pb2.DescriptorProto:
    """A message of Foxglove's own package."""
    module = importlib.import_module(f"foxglove_schemas_protobuf.{name}_pb2")
    found = descriptor_pb2.DescriptorProto()
    getattr(module, name).DESCRIPTOR.CopyToProto(found)
    return found


@pytest.mark.parametrize("name", ["CompressedImage", "FrameTransforms", "Log"])
def test_messages_are_those_that_foxglove_ships(name: SchemaName) -> None:
    """Every message in a trace's schema has the published fields, and every value of its enums."""
    files = descriptor_pb2.FileDescriptorSet.FromString(schema_bytes(name)).file
    messages = [
        message for file in files if file.package == "foxglove" for message in file.message_type
    ]
    assert name in [message.name for message in messages]
    for message in messages:
        theirs = published(message.name)
        assert shapes(message) == shapes(theirs), message.name
        for ours, wanted in zip(message.enum_type, theirs.enum_type, strict=True):
            assert {(v.name, v.number) for v in ours.value} == {
                (v.name, v.number) for v in wanted.value
            }
