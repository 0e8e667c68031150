"""The recorder as a node: takes what the others emitted, samples what explains it, writes a trace.

It has a process of its own, yields to everybody, and nothing depends on it: when it dies it is
started anew and goes on in a new file; when the disk is full it says so once, and the run goes on.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent.logs import get_logger
from agent.recording.config import RecordingConfig
from agent.recording.folder import prune_traces
from agent.recording.part import Part
from agent.recording.redaction import Redaction
from agent.recording.run_record import about_run
from agent.recording.sampling import Sampler
from agent.recording.trace_file import Anchor
from bridge.messages import Observation
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
# What the robot sensed, and what of it the planner was shown; more than an event can hold.
SENSED, SHOWN = "observation", "shown"
# A beat that comes a little early counts as in time.
_ALMOST_NS = 20_000_000
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
        self._inputs = inputs
        # A ring is no latest-value mailbox: whoever made the graph gave each role its kind.
        self._rings: Mapping[str, Any] = {
            role.removeprefix(RING_PREFIX): ring
            for role, ring in inputs.items()
            if role.startswith(RING_PREFIX)
        }
        told = {role for role in inputs if not role.startswith(RING_PREFIX)} - {SENSED, SHOWN}
        self._sampler = Sampler({role: inputs[role] for role in inputs if role in told})
        self._redaction = Redaction(config.recording.redact)
        self._clock = clock
        self._part: Part | None = None
        self._flush_due_ns = self._sense_due_ns = 0
        self._lost: dict[str, int] = {}
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
        if self._part is None:
            return
        try:
            self._write(self._part, now_ns)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Write what is left, and the index."""
        if self._part is None:
            return
        try:
            self._write_events(self._part, self._clock.now_ns())
            self._part.file.close()
        except OSError as error:
            self._give_up(error)
        unmet = self._redaction.unmet
        if unmet:
            _log.warning("nothing_to_redact", names=unmet, why="nothing so called was recorded")

    def _open(self, now_ns: int) -> None:
        folder = self._config.folder
        folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((_number_of(path) for path in folder.glob("trace-*.mcap")), default=0)
        settings = self._redaction.clean_settings(self._config.settings_json)
        about = {"run": folder.name, "part": str(number), **about_run(settings)}
        path = folder / f"trace-{number:03d}.mcap"
        self._part = Part(path, Anchor.at(now_ns), about, self._config.recording, self._redaction)
        prune_traces(folder.parent, self._config.recording, keep=path)

    def _write(self, part: Part, now_ns: int) -> None:
        self._write_events(part, now_ns)
        if now_ns < self._flush_due_ns:
            return
        self._flush_due_ns = now_ns + _FLUSH_PERIOD_NS
        part.file.flush()
        part_bytes = self._config.recording.max_megabytes * _BYTES_PER_MEGABYTE // _PARTS
        if part.file.size_bytes >= part_bytes:
            part.file.close()
            self._open(now_ns)

    def _write_events(self, part: Part, now_ns: int) -> None:
        # Taken before the mailboxes are looked into, written after: what is to be redacted is
        # known from the goal before it is repeated elsewhere.
        told = [(node, event) for node, ring in self._rings.items() for event in ring.drain()]
        for event in self._sampler.sample(now_ns):
            part.write("mailbox", event)
        for node, event in told:
            part.write(node, event)
        for node, ring in self._rings.items():
            for event in self._losses(node, ring, now_ns):
                part.write(node, event)
        for observation in self._sensed(now_ns):
            part.write_observation(observation)

    def _sensed(self, now_ns: int) -> Iterator[Observation]:
        """What the planner was shown, always; what the robot sensed, as often as is wanted."""
        rate_hz = self._config.recording.observation_rate_hz
        if rate_hz <= 0:
            return
        roles = [SHOWN] if SHOWN in self._inputs else []
        if SENSED in self._inputs and now_ns >= self._sense_due_ns - _ALMOST_NS:
            self._sense_due_ns = max(self._sense_due_ns, now_ns) + round(_NS_PER_S / rate_hz)
            roles.append(SENSED)
        for role in roles:
            observation: Observation | None = self._inputs[role].read()
            if observation is not None:
                yield observation

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

    def _give_up(self, error: OSError) -> None:
        """Say it once, and leave the run alone from now on."""
        part, self._part = self._part, None
        self.last_error = self.notice = (
            f"recording stopped: {error.strerror or error} ({self._config.folder}); the run goes on"
        )
        _log.warning("recording_stopped", reason=error.strerror, folder=str(self._config.folder))
        if part is not None:
            try:
                part.file.abandon()
            except OSError as also:
                _log.warning("trace_not_cut", reason=also.strerror, file=str(part.file.path))


def _number_of(path: Path) -> int:
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdigit() else 0
