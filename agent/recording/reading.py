"""Reads a trace back, also one whose writer was killed."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, Footer, Message, Metadata
from mcap.stream_reader import StreamReader

from agent.recording.trace_file import RUN_RECORD
from bridge.errors import ConfigError

TRACE_FILES = "trace-*.mcap"
# What a file that ends in the middle of a record, or is damaged, makes the library raise.
_CUT_OFF = (McapError, struct.error, ValueError, EOFError, zstandard.ZstdError, OverflowError)
_LARGEST_RECORD_BYTES = 256 * 1024 * 1024


class RecordedEvent(NamedTuple):
    """One event as it was recorded; `facts` are as emitted, but numbers not finite are None."""

    node: str
    kind: str
    stamp_ns: int
    facts: dict[str, Any]


class Trace:
    """The recorded events of a run, in the order in which they were written: by node and moment.

    Pictures and what else was published for viewers are no events.

    Args:
        path: An MCAP file, or a run's folder, whose parts are read one after the other.

    Raises:
        ConfigError: There is no trace at the path.
    """

    def __init__(self, path: Path) -> None:
        self.files = _files_at(path)
        # Known once all events have been read: False for a run that was killed or still goes on.
        self.is_complete = True
        # What the recorder wrote about the run: its settings, when it began.
        self.about: dict[str, str] = {}

    def __iter__(self) -> Iterator[RecordedEvent]:
        self.is_complete = True
        for file in self.files:
            yield from self._read(file)

    def _read(self, file: Path) -> Iterator[RecordedEvent]:
        channels: dict[int, Channel] = {}
        has_end = False
        with file.open("rb") as stream:
            records = StreamReader(
                stream, validate_crcs=True, record_size_limit=_LARGEST_RECORD_BYTES
            ).records
            try:
                for record in records:
                    match record:
                        case Channel():
                            channels[record.id] = record
                        case Message() if "kind" in channels[record.channel_id].metadata:
                            yield _event(channels[record.channel_id], record.data)
                        case Metadata() if record.name == RUN_RECORD:
                            self.about = dict(record.metadata)
                        case Footer():
                            has_end = True
                        case _:
                            pass
            except _CUT_OFF as error:
                if not channels and not self.about:
                    raise ConfigError(
                        f"{file} is no trace: {str(error) or 'it ends at once'}."
                    ) from error
        self.is_complete &= has_end


def _event(channel: Channel, data: bytes) -> RecordedEvent:
    facts: dict[str, Any] = msgspec.json.decode(data)
    stamp_ns = int(facts.pop("stamp_ns"))
    node, kind = channel.metadata["node"], channel.metadata["kind"]
    return RecordedEvent(node=node, kind=kind, stamp_ns=stamp_ns, facts=facts)


def _files_at(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    files = tuple(sorted(path.glob(TRACE_FILES))) if path.is_dir() else ()
    if not files:
        raise ConfigError(
            f"There is no trace at {path}. Runs of `agent serve` and `agent demo` are recorded "
            "in runs/<time>/trace-001.mcap."
        )
    return files
