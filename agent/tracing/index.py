"""The index beside a trace: what its rare events say, and where the many others lie.

`trace-001.mcap` gets a `trace-001.index`, made by whoever looks first. A file that has grown is
read on from where the index ends; another file is read anew. The trace is never written.
"""

import os
import zlib
from pathlib import Path

import msgspec
from mcap.records import Message, Metadata, Statistics

from agent.logs import get_logger
from agent.recording.folder import INDEX_SUFFIX
from agent.recording.foxglove import read_picture
from agent.recording.reading import RecordedEvent
from agent.recording.trace_file import CAMERA, RUN_RECORD, TRACE_FORMAT
from agent.tracing.scanning import MAGIC, Found, opened, scan
from bridge.errors import ConfigError

_VERSION = 4
_HEAD_BYTES = 256
_NS_PER_US = 1000
# Too many to be kept here: they are read from where they lie when somebody asks.
BULK = frozenset(
    {
        "control.ticks", "policy.chunk", "chunk.stitched", "planner.asked", "planner.plan",
        "planner.latent", "safety.verdict", "loop_status", "planning", "world", "observation",
        "planner.reply", "planner.thought", "policy.memory", "robot.state", "latent",
    }
)  # fmt: skip
# Of one kind; the rest is counted only.
_MOST_KEPT = 5000
_log = get_logger("trace")


class Span(msgspec.Struct, array_like=True):
    """A chunk of the file [bytes], and the run's time [ns] that its events are from."""

    offset: int
    end: int
    first_ns: int
    last_ns: int


class TraceIndex(msgspec.Struct, kw_only=True):
    """What is known of one file without reading it again."""

    version: int = _VERSION
    head_crc: int
    # As of when it was looked at; `end` is where its last whole record ends.
    size_bytes: int
    end: int = len(MAGIC)
    is_complete: bool = False
    # Chunks that cannot be read, and events that were written and are not found.
    damaged: int = 0
    missing: int = 0
    about: dict[str, str] = {}
    # Node and kind of each channel.
    channels: dict[int, tuple[str, str]] = {}
    # Cameras by the channels of their pictures; channels of neither kind are for viewers.
    cameras: dict[int, str] = {}
    # The chunk that holds a picture [bytes], by what the picture is called.
    pictures: dict[str, tuple[int, int]] = {}
    # Messages of channels that are not of events.
    published: int = 0
    spans: list[Span] = []
    kept: list[RecordedEvent] = []
    counts: dict[str, int] = {}
    ticks: int = 0
    missed: int = 0


class _Ticks(msgspec.Struct):
    """Of a batch of ticks, what a list of runs shows."""

    stamp_ns: int
    at_us: list[float]
    missed: int


def load_index(file: Path) -> TraceIndex:
    """What is known of a trace, brought up to date with the file; kept beside it.

    Raises:
        ConfigError: It is no trace, not one of ours, or from a newer agent.
    """
    size, head_crc = file.stat().st_size, _head_crc(file)
    index = _read(index_path(file))
    if index is None or index.head_crc != head_crc or index.end > size:
        index = TraceIndex(head_crc=head_crc, size_bytes=0)
    if index.size_bytes == size:
        return index
    for found in scan(file, index.end):
        _add(index, found, file)
    index.size_bytes = size
    _check(index, file)
    _write(index, index_path(file))
    return index


def index_path(file: Path) -> Path:
    """Where the index of a trace lies."""
    return file.with_suffix(INDEX_SUFFIX)


def _head_crc(file: Path) -> int:
    with opened(file) as stream:
        return zlib.crc32(stream.read(_HEAD_BYTES))


def _add(index: TraceIndex, found: Found, file: Path) -> None:
    index.end = found.end
    index.is_complete = found.is_last
    index.damaged += found.is_damaged
    match found.record:
        case Metadata() if found.record.name == RUN_RECORD:
            index.about = dict(found.record.metadata)
            _check(index, file)
        case Statistics():
            # Of a file that was closed: says how many events there were.
            known = index.published + sum(index.counts.values())
            index.missing = max(0, found.record.message_count - known)
        case _:
            pass
    for channel in found.channels:
        told = channel.metadata
        if "kind" in told:
            index.channels[channel.id] = (told.get("node", ""), told["kind"])
        elif CAMERA in told:
            index.cameras[channel.id] = told[CAMERA]
    _add_published(index, found)
    known = [message for message in found.messages if message.channel_id in index.channels]
    times = [_add_message(index, message) for message in known]
    if times:
        first_ns, last_ns = min(first for first, _ in times), max(last for _, last in times)
        index.spans.append(Span(found.offset, found.end, first_ns, last_ns))


def _add_published(index: TraceIndex, found: Found) -> None:
    """Count what is for viewers, and note where pictures lie."""
    for message in found.messages:
        index.published += message.channel_id not in index.channels
        if message.channel_id in index.cameras:
            picture = read_picture(message.data)
            # One that cannot be read is missed when somebody asks for it.
            if picture is not None:
                index.pictures.setdefault(picture.message_id, (found.offset, found.end))


def _add_message(index: TraceIndex, message: Message) -> tuple[int, int]:
    """Count it, keep it if its kind is rare, and return from when until when it tells [ns]."""
    node, kind = index.channels[message.channel_id]
    name = f"{node} {kind}"
    index.counts[name] = index.counts.get(name, 0) + 1
    if kind == "control.ticks":
        batch = msgspec.json.decode(message.data, type=_Ticks)
        index.ticks += len(batch.at_us)
        index.missed += batch.missed
        return batch.stamp_ns, batch.stamp_ns + round(batch.at_us[-1] * _NS_PER_US)
    if kind in BULK or index.counts[name] > _MOST_KEPT:
        stamp_ns = message.log_time - _wall_offset_ns(index)
        return stamp_ns, stamp_ns
    event = event_of(index, message)
    index.kept.append(event)
    return event.stamp_ns, event.stamp_ns


def event_of(index: TraceIndex, message: Message) -> RecordedEvent:
    """The event that a message holds."""
    node, kind = index.channels[message.channel_id]
    facts = msgspec.json.decode(message.data)
    stamp_ns = int(facts.pop("stamp_ns"))
    return RecordedEvent(node=node, kind=kind, stamp_ns=stamp_ns, facts=facts)


def _wall_offset_ns(index: TraceIndex) -> int:
    return int(index.about["wall_ns"]) - int(index.about["monotonic_ns"])


def _check(index: TraceIndex, file: Path) -> None:
    about = index.about
    if not about and not index.spans and not index.is_complete:
        raise ConfigError(f"{file} is no trace yet: it ends after {index.size_bytes} bytes.")
    if not {"wall_ns", "monotonic_ns"} <= set(about):
        raise ConfigError(
            f"{file} is MCAP, but no run of an agent: it has no record {RUN_RECORD!r}. "
            "Foxglove and Rerun open it."
        )
    if not all(about[name].isdigit() for name in ("wall_ns", "monotonic_ns")):
        raise ConfigError(f"{file} is damaged: it does not say when it was recorded.")
    written = about.get("format", str(TRACE_FORMAT))
    if not written.isdigit() or int(written) > TRACE_FORMAT:
        raise ConfigError(
            f"{file} is a trace of format {written}, and this agent reads up to format "
            f"{TRACE_FORMAT}: update tandem-agent, or open it in Foxglove."
        )


def _read(path: Path) -> TraceIndex | None:
    """An index that was kept; None if there is none that can be used."""
    try:
        index = msgspec.msgpack.decode(path.read_bytes(), type=TraceIndex)
    except (OSError, msgspec.MsgspecError):
        return None
    return index if index.version == _VERSION else None


def _write(index: TraceIndex, path: Path) -> None:
    """Keep it, whole or not at all; where that cannot be, the next one makes it again."""
    # Two who look at the same time each write their own.
    new = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        new.write_bytes(msgspec.msgpack.encode(index))
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        _log.warning("index_not_kept", file=str(path), reason=error.strerror)
