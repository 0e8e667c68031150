"""Writes a trace as MCAP, robotics' own log format: it opens in Foxglove, Rerun and `agent`.

A channel for each kind of event of each node, JSON with a schema; pictures, transforms and lines
for people are Protobuf of the schemas that Foxglove publishes. What was flushed survives a
`kill -9`: the file then lacks its index, and maybe its last chunk.
"""

import datetime as dt
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
from mcap.writer import CompressionType, Writer

from agent.recording.event_schemas import schema_of
from agent.recording.foxglove import SchemaName, compressed_image, schema_bytes
from bridge.trace import TraceEvent

_NS_PER_S = 1_000_000_000
# Chunks end with each flush; this only bounds one that is written very fast [bytes].
_CHUNK_BYTES = 1024 * 1024
RUN_RECORD = "tandem.run"
# In the metadata of a channel of pictures: whose.
CAMERA = "camera"
# Raised when a reader of the one before would misunderstand what is written.
# 2: not every channel is one of events.
TRACE_FORMAT = 2


class Anchor(NamedTuple):
    """One instant on two clocks, so that monotonic stamps can be shown as time of day.

    Read once per file: when the wall clock is set while it is written, the trace does not jump.
    """

    wall_ns: int
    monotonic_ns: int

    @classmethod
    def at(cls, monotonic_ns: int) -> Self:
        """Now, which is `monotonic_ns` [ns] on the run's clock."""
        wall = dt.datetime.now(tz=dt.UTC)
        return cls(round(wall.timestamp() * _NS_PER_S), monotonic_ns)

    def wall_of(self, stamp_ns: int) -> int:
        """The time of day of a stamp [ns since 1970]; never before 1970."""
        return max(0, self.wall_ns + stamp_ns - self.monotonic_ns)


class _Waiting(NamedTuple):
    """A message on its way into the file: its channel, its time of day and its bytes."""

    channel: int
    wall_ns: int
    data: bytes


class TraceFile:
    """One MCAP file being written. Unbuffered below a flush, so that no byte waits in Python."""

    def __init__(self, path: Path, anchor: Anchor, about: Mapping[str, str]) -> None:
        """Make the file.

        Args:
            path: Where; nothing may be there yet.
            anchor: How stamps become times of day.
            about: What is written about the run, besides the anchor.

        Raises:
            OSError: It cannot be made or written.
        """
        self.path = path
        self._anchor = anchor
        self._channels: dict[tuple[str, str], int] = {}
        self._published: dict[str, int] = {}
        # Pictures get chunks of their own, so that who looks for events need not read them, and
        # come first, so that no file that was cut off tells of a picture that it lacks.
        self._pictures: list[_Waiting] = []
        self._events: list[_Waiting] = []
        self._waiting_bytes = 0
        self._raw = FileIO(path, "xb")
        self._whole_bytes = 0
        self._writer = Writer(
            _WholeWrites(self._raw),  # pyright: ignore[reportArgumentType]  # All it needs is there.
            chunk_size=_CHUNK_BYTES,
            compression=CompressionType.ZSTD,
        )
        try:
            self._writer.start(profile="", library="tandem")
            stamps = {"wall_ns": str(anchor.wall_ns), "monotonic_ns": str(anchor.monotonic_ns)}
            made_as = {"format": str(TRACE_FORMAT)}
            self._writer.add_metadata(RUN_RECORD, {**about, **stamps, **made_as})
            self.flush()
        except OSError:
            self.abandon()
            raise

    @property
    def size_bytes(self) -> int:
        """How large the file is by now."""
        return self._whole_bytes

    def write(self, node: str, event: TraceEvent) -> None:
        """Add an event; it is on its way to the disk after the next flush.

        Raises:
            OSError: The disk refuses.
        """
        channel = self._channels.get((node, event.kind))
        if channel is None:
            channel = self._add_channel(node, event)
        wall_ns = self.wall_of(event.stamp_ns)
        data = msgspec.json.encode({"stamp_ns": event.stamp_ns, **event.facts})
        self._add(_Waiting(channel, wall_ns, data))

    def wall_of(self, stamp_ns: int) -> int:
        """The time of day of a stamp [ns since 1970], as this file shows it."""
        return self._anchor.wall_of(stamp_ns)

    def publish(self, topic: str, schema: SchemaName, stamp_ns: int, data: bytes) -> None:
        """Add a message of a published schema, as its bytes; it is no event.

        Raises:
            OSError: The disk refuses.
        """
        channel, wall_ns = self._published_channel(topic, schema), self.wall_of(stamp_ns)
        self._add(_Waiting(channel, wall_ns, data))

    def add_picture(
        self, camera: str, stamp_ns: int, data: bytes, image_format: str, picture: str
    ) -> None:
        """Add a picture; it is written with the next flush.

        Args:
            camera: Which one took it.
            stamp_ns: When it was first seen [ns].
            data: The bytes of the picture's file.
            image_format: "png" or "jpeg".
            picture: What traces call it.
        """
        about = {CAMERA: camera}
        channel = self._published_channel(f"/camera/{camera}", "CompressedImage", about)
        wall_ns = self.wall_of(stamp_ns)
        message = compressed_image(wall_ns, camera, data, image_format, picture)
        self._pictures.append(_Waiting(channel, wall_ns, message))

    def flush(self) -> None:
        """Hand everything to the system, which keeps it whatever happens to this process.

        Raises:
            OSError: The disk refuses.
        """
        self._write_out(self._pictures)
        self._write_out(self._events)
        self._waiting_bytes = 0
        self._whole_bytes = self._raw.tell()

    def close(self) -> None:
        """Write the index and let go of the file.

        Raises:
            OSError: The disk refuses.
        """
        try:
            self.flush()
            self._writer.finish()
            self._whole_bytes = self._raw.tell()
        finally:
            self._raw.close()

    def abandon(self) -> None:
        """Let go of a file that cannot be written any more; what was flushed stays."""
        if not self._raw.closed:
            # A chunk that reached the disk only in part is cut off again.
            self._raw.truncate(self._whole_bytes)
            self._raw.close()

    def _add(self, event: "_Waiting") -> None:
        self._events.append(event)
        self._waiting_bytes += len(event.data)
        if self._waiting_bytes >= _CHUNK_BYTES:
            self.flush()

    def _write_out(self, waiting: "list[_Waiting]") -> None:
        for channel, wall_ns, data in waiting:
            self._writer.add_message(channel, log_time=wall_ns, publish_time=wall_ns, data=data)
        waiting.clear()
        self._writer.flush()

    def _published_channel(
        self, topic: str, schema: SchemaName, about: Mapping[str, str] | None = None
    ) -> int:
        if topic not in self._published:
            number = self._writer.register_schema(
                f"foxglove.{schema}", encoding="protobuf", data=schema_bytes(schema)
            )
            self._published[topic] = self._writer.register_channel(
                topic=topic,
                message_encoding="protobuf",
                schema_id=number,
                metadata=dict(about or {}),
            )
        return self._published[topic]

    def _add_channel(self, node: str, event: TraceEvent) -> int:
        schema = self._writer.register_schema(
            event.kind, encoding="jsonschema", data=msgspec.json.encode(schema_of(event))
        )
        channel = self._writer.register_channel(
            topic=f"/{node}/{event.kind.replace('.', '/')}",
            message_encoding="json",
            schema_id=schema,
            metadata={"node": node, "kind": event.kind},
        )
        self._channels[node, event.kind] = channel
        return channel


class _WholeWrites:
    """A file as `mcap` needs it; a write that the disk took only in part goes on or fails."""

    def __init__(self, raw: FileIO) -> None:
        self._raw = raw

    def write(self, data: bytes) -> int:
        """Write all of it."""
        left = memoryview(data)
        while left:
            left = left[self._raw.write(left) :]
        return len(data)

    def tell(self) -> int:
        """How many bytes there are [bytes]."""
        return self._raw.tell()

    def flush(self) -> None:
        """Nothing waits here."""
