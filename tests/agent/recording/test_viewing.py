import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from mcap.reader import make_reader
from PIL import Image

from agent.recording.config import RecordingConfig
from agent.recording.part import Part
from agent.recording.redaction import Redaction
from agent.recording.trace_file import Anchor
from bridge.arrays import picture_hash
from bridge.messages import Observation
from bridge.trace import TraceEvent

SECOND_NS = 1_000_000_000
WALL_NS = 10**18
PIXELS = np.arange(24 * 16 * 3, dtype=np.uint8).reshape(24, 16, 3)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of a picture with a pose, a plan with its thoughts, and a fall."""
    path = tmp_path_factory.mktemp("run") / "trace-001.mcap"
    anchor = Anchor(wall_ns=WALL_NS, monotonic_ns=SECOND_NS)
    part = Part(path, anchor, {}, RecordingConfig(), Redaction(()))
    pose = np.array([0.1, 0.2, 0.3, np.pi / 2, 0.9], np.float32)
    joints = np.zeros(6, np.float32)
    part.write_observation(
        Observation(
            stamp_ns=2 * SECOND_NS,
            sequence=1,
            images={"front": PIXELS},
            proprioception={"gripper_pose_in_base": pose, "joint_position_rad": joints},
        )
    )
    plan = {"plan_id": "p", "thoughts": ["PLAN: left first", "DONE: no"]}
    part.write("planner", TraceEvent(kind="planner.plan", stamp_ns=3 * SECOND_NS, facts=plan))
    fall = {"node": "planner", "how": "died", "reason": "signal 9"}
    part.write("supervisor", TraceEvent(kind="node.down", stamp_ns=4 * SECOND_NS, facts=fall))
    part.file.close()
    return path


def decoded(trace: Path, topic: str) -> list[Any]:
    """The messages of a topic, read by nothing but the schema that stands in the file."""
    messages: list[Any] = []
    with trace.open("rb") as stream:
        for schema, channel, message in make_reader(stream).iter_messages(topics=[topic]):
            assert schema is not None
            assert (schema.encoding, channel.message_encoding) == ("protobuf", "protobuf")
            pool = descriptor_pool.DescriptorPool()
            for file in descriptor_pb2.FileDescriptorSet.FromString(schema.data).file:
                pool.Add(file)
            found = message_factory.GetMessageClass(pool.FindMessageTypeByName(schema.name))
            messages.append(found.FromString(message.data))
    return messages


def test_a_picture_has_the_published_schema(trace: Path) -> None:
    """Any reader of Foxglove's schemas gets the picture, its camera and its time of day."""
    (message,) = decoded(trace, "/camera/front")
    assert message.DESCRIPTOR.full_name == "foxglove.CompressedImage"
    assert (message.frame_id, message.format) == ("front", "png")
    assert message.message_id == picture_hash(PIXELS)
    seconds = message.timestamp.seconds
    assert seconds * SECOND_NS + message.timestamp.nanos == WALL_NS + SECOND_NS
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(message.data))), PIXELS)


def test_a_pose_becomes_a_frame_in_its_parent(trace: Path) -> None:
    """What a robot calls <frame>_pose_in_<parent> is shown there, turned by its yaw."""
    (message,) = decoded(trace, "/tf")
    (transform,) = message.transforms
    assert (transform.parent_frame_id, transform.child_frame_id) == ("base", "gripper")
    place = [transform.translation.x, transform.translation.y, transform.translation.z]
    assert place == pytest.approx([0.1, 0.2, 0.3])
    assert transform.rotation.z == pytest.approx(np.sqrt(0.5))
    assert transform.rotation.w == pytest.approx(np.sqrt(0.5))


def test_thoughts_and_faults_become_lines(trace: Path) -> None:
    """A viewer's log shows each thought, and what fell as an error."""
    lines = [(line.level, line.name, line.message) for line in decoded(trace, "/log")]
    assert lines == [
        (2, "planner", "PLAN: left first"),
        (2, "planner", "DONE: no"),
        (4, "supervisor", "node.down: node planner, how died, reason signal 9"),
    ]


def test_a_pose_that_is_no_pose_is_not_shown(tmp_path: Path) -> None:
    """Numbers of another layout, or not finite, are never guessed to be a frame."""
    part = Part(
        tmp_path / "trace-001.mcap", Anchor(WALL_NS, 0), {}, RecordingConfig(), Redaction(())
    )
    for number, values in enumerate(([1.0, 2.0], [np.nan] * 5, [0.0] * 7)):
        measured = {"tool_pose_in_base": np.array(values, np.float32)}
        part.write_observation(
            Observation(stamp_ns=number, sequence=number, images={}, proprioception=measured)
        )
    part.file.close()
    assert decoded(part.file.path, "/tf") == []


def test_rerun_opens_a_trace_unchanged(trace: Path, tmp_path: Path) -> None:
    """Rerun's own importer finds nothing wrong, and shows picture, frame and lines as such."""
    pytest.importorskip("rerun")
    rerun = Path(sys.executable).with_name("rerun")
    told = run(rerun, "mcap", "check", "--full", str(trace))
    assert told.count("ok  ") == 6
    target = tmp_path / "run.rrd"
    run(rerun, "mcap", "convert", str(trace), "-o", str(target))
    shown = run(rerun, "rrd", "print", str(target))
    for what in ("EncodedImage:blob", "Transform3D:translation", "TextLog:text"):
        assert what in shown


def run(*command: str | Path) -> str:
    """What a program says that succeeds."""
    done = subprocess.run(command, check=True, capture_output=True, timeout=50, text=True)
    return done.stdout
