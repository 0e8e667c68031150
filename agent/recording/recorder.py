"""The recorder as a node: takes what the others emitted, samples what explains it, writes a trace.

It has a process of its own, yields to everybody, and nothing depends on it: when it dies it is
started anew and goes on in a new file; when the disk is full it says so once, and the run goes on.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict

from agent.logs import get_logger
from agent.recording.config import RecordingConfig
from agent.recording.folder import prune_traces
from agent.recording.trace_file import Anchor, TraceFile
from bridge.messages import LoopStatus, PlanningStatus, WorldReport
from bridge.nodes import Mailboxes
from bridge.protocols import Clock
from bridge.trace import TraceEvent

_NS_PER_S = 1_000_000_000
_FLUSH_PERIOD_NS = 500_000_000
_BYTES_PER_MEGABYTE = 1_000_000
# A run may use the whole allowance; in parts, so that its oldest can go when it is long.
_PARTS = 8
# Inputs whose name begins so are rings; the rest is the node's name.
RING_PREFIX = "trace."
# What changes with every message without saying anything new.
_RESTLESS = frozenset({"stamp_ns", "latent_age_s"})
_SAMPLE_PERIOD_NS: Mapping[Any, int] = {LoopStatus: _NS_PER_S, WorldReport: _NS_PER_S // 2}
_log = get_logger("recorder")


class RecorderConfig(BaseModel):
    """Where a run is recorded, how much may lie there, and what the run was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    recording: RecordingConfig
    settings_json: str = "{}"


class RecorderNode:
    """Reads every `trace.<node>` ring to its end and the newest of all else; writes a file."""

    def __init__(
        self, *, config: RecorderConfig, inputs: Mailboxes, outputs: Mailboxes, clock: Clock
    ) -> None:
        del outputs
        self._config = config
        # A ring is no latest-value mailbox: whoever made the graph gave each role its kind.
        self._rings: Mapping[str, Any] = {
            role.removeprefix(RING_PREFIX): ring
            for role, ring in inputs.items()
            if role.startswith(RING_PREFIX)
        }
        self._sampled = {r: box for r, box in inputs.items() if not r.startswith(RING_PREFIX)}
        self._clock = clock
        self._file: TraceFile | None = None
        self._flush_due_ns = 0
        self._lost: dict[str, int] = {}
        self._last_sample: dict[str, tuple[int, object]] = {}
        # Told once to a person, as what troubles a node is not.
        self.last_error = self.notice = ""

    def start(self) -> None:
        """Open the file; what keeps it from that is said, and the run goes on unrecorded."""
        try:
            self._open(self._clock.now_ns())
        except OSError as error:
            self._give_up(error)

    def step(self, now_ns: int) -> None:
        """Write what has happened since the last beat."""
        if self._file is None:
            return
        try:
            self._write(self._file, now_ns)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Write what is left, and the index."""
        if self._file is None:
            return
        try:
            self._write_events(self._file, self._clock.now_ns())
            self._file.close()
        except OSError as error:
            self._give_up(error)

    def _open(self, now_ns: int) -> None:
        folder = self._config.folder
        folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((_number_of(path) for path in folder.glob("trace-*.mcap")), default=0)
        about = {"run": folder.name, "part": str(number), "settings": self._config.settings_json}
        path = folder / f"trace-{number:03d}.mcap"
        self._file = TraceFile(path, Anchor.at(now_ns), about)
        prune_traces(folder.parent, self._config.recording, keep=path)

    def _write(self, file: TraceFile, now_ns: int) -> None:
        self._write_events(file, now_ns)
        if now_ns < self._flush_due_ns:
            return
        self._flush_due_ns = now_ns + _FLUSH_PERIOD_NS
        file.flush()
        part_bytes = self._config.recording.max_megabytes * _BYTES_PER_MEGABYTE // _PARTS
        if file.size_bytes >= part_bytes:
            file.close()
            self._open(now_ns)

    def _write_events(self, file: TraceFile, now_ns: int) -> None:
        for node, ring in self._rings.items():
            for event in ring.drain():
                file.write(node, event)
            for event in self._losses(node, ring, now_ns):
                file.write(node, event)
        for role, mailbox in self._sampled.items():
            event = self._sample(role, mailbox.read(), now_ns)
            if event is not None:
                file.write("mailbox", event)

    def _losses(self, node: str, ring: Any, now_ns: int) -> Iterator[TraceEvent]:  # noqa: ANN401  # Shared or local.
        """What of a node's events was lost, when that has changed."""
        counts = ring.statistics()
        if counts.lost != self._lost.get(node, 0):
            self._lost[node] = counts.lost
            facts = {
                "dropped": counts.dropped,
                "refused": counts.refused,
                "damaged": counts.damaged,
            }
            yield TraceEvent(kind="trace.lost", stamp_ns=now_ns, facts=facts)

    def _sample(
        self,
        role: str,
        message: Any,  # noqa: ANN401  # The mailbox's own type, or None.
        now_ns: int,
    ) -> TraceEvent | None:
        """The newest message as an event, if it says something new."""
        if message is None:
            return None
        sampled_ns, said = self._last_sample.get(role, (0, None))
        period_ns = _SAMPLE_PERIOD_NS.get(type(message), 0)
        if said is not None and now_ns - sampled_ns < period_ns:
            return None
        facts = _facts_of(message)
        saying = {name: value for name, value in facts.items() if name not in _RESTLESS}
        if saying == said:
            return None
        self._last_sample[role] = (now_ns, saying)
        return TraceEvent(kind=role, stamp_ns=message.stamp_ns, facts=facts)

    def _give_up(self, error: OSError) -> None:
        """Say it once, and leave the run alone from now on."""
        file, self._file = self._file, None
        self.last_error = self.notice = (
            f"recording stopped: {error.strerror or error} ({self._config.folder}); the run goes on"
        )
        _log.warning("recording_stopped", reason=error.strerror, folder=str(self._config.folder))
        if file is not None:
            try:
                file.abandon()
            except OSError as also:
                _log.warning("trace_not_cut", reason=also.strerror, file=str(file.path))


def _facts_of(message: msgspec.Struct) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(message)
    for name in ("stamp_ns", "type"):
        facts.pop(name, None)
    if isinstance(message, PlanningStatus) and facts.get("plan"):
        # The status already carries the subtasks and thoughts that the plan repeats.
        facts["plan"] = {key: facts["plan"][key] for key in ("id", "trigger")}
    return facts


def _number_of(path: Path) -> int:
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdigit() else 0
