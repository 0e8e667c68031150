"""Why the robot did what it did at a moment: from what it was sent back to what a person wanted.

Each link says what the trace says, and from when that is. A link that the trace does not hold is
said to be missing; nothing is filled in.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from agent.recording.reading import RecordedEvent
from agent.tracing.causes import add_causes
from agent.tracing.links import Link, Links
from agent.tracing.runs import Run
from agent.tracing.ticks import Tick, tick_at
from agent.tracing.words import FAULTS, STOPS, describe, spelled

_NS_PER_S = 1_000_000_000
# A loop that has not ticked for so long was not running at that moment.
_TICK_IS_NEAR_NS = 200_000_000
# The policy tells of a chunk after it has handed it over.
_TOLD_AFTER_NS = 100_000_000
_TROUBLE_BEFORE_NS = 10 * _NS_PER_S
_TROUBLES_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What happened at a moment [s] of a run, and the reasons, each the cause of the one before."""

    run: str
    time_s: float
    links: list[Link] = field(default_factory=list[Link])
    notes: list[str] = field(default_factory=list[str])

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return asdict(self)


def why(run: Run, time_s: float) -> Answer:
    """Explain a moment of a run.

    Raises:
        ConfigError: The run was not recorded at that time.
    """
    return Answer(run=run.id, time_s=time_s, links=_Chain(run, time_s).links(), notes=run.notes)


class _Chain:
    """Goes back from one moment, link by link."""

    def __init__(self, run: Run, time_s: float) -> None:
        self._run = run
        self._now_ns = run.stamp(time_s)
        self._links = Links(run)

    def links(self) -> Links:
        tick = tick_at(self._run, self._now_ns)
        if tick is not None and self._now_ns - tick.stamp_ns > _TICK_IS_NEAR_NS:
            last_s = self._run.seconds(tick.stamp_ns)
            self._links.miss("tick", f"the last one before was at {last_s:.3f} s")
            tick = None
        elif tick is None:
            self._links.miss("tick", "no control loop told of any before")
        chunk = self._chunk(tick)
        if tick is not None and tick.is_command:
            self._command(tick, chunk)
        else:
            self._hold(tick, chunk)
        self._rung()
        add_causes(self._links, self._run, self._now_ns, chunk)
        return self._links

    def _chunk(self, tick: Tick | None) -> RecordedEvent | None:
        """The chunk that was played, or the newest when none was."""
        if tick is None or not tick.is_command:
            return self._run.newest("policy.chunk", self._now_ns)
        wanted = tick.chunk_sequence
        return self._run.newest(
            "policy.chunk",
            self._now_ns + _TOLD_AFTER_NS,
            lambda facts: facts["chunk_sequence"] == wanted,
        )

    def _command(self, tick: Tick, chunk: RecordedEvent | None) -> None:
        self._links.say("command", f"sent {self._action(tick)}", tick.stamp_ns)
        self._verdict(tick)
        self._stitched(tick)
        if chunk is None:
            self._links.miss("chunk", f"nothing is told of chunk {tick.chunk_sequence}")
        else:
            self._made(chunk)

    def _hold(self, tick: Tick | None, chunk: RecordedEvent | None) -> None:
        if tick is not None:
            held = self._run.newest("robot.held", tick.stamp_ns)
            is_it = held is not None and held.facts["reason"] == tick.decision
            since_ns = held.stamp_ns if held is not None and is_it else tick.stamp_ns
            meanwhile = f"; sent {self._action(tick)} meanwhile" if tick.action else ""
            self._links.say("hold", f"held: {tick.decision}{meanwhile}", since_ns)
            self._cause_of_hold(tick)
        self._troubles()
        if chunk is None:
            self._links.say("chunk", "none is recorded of the two minutes before")
        else:
            self._made(chunk)

    def _cause_of_hold(self, tick: Tick) -> None:
        if tick.decision == "vetoed":
            self._verdict(tick)
        elif tick.decision == "stopped":
            stops = [event for event in self._before() if event.kind in STOPS]
            if stops:
                self._links.say("stop", describe(stops[-1]), stops[-1].stamp_ns)
            else:
                self._links.miss("stop", "who asked for it is not told")

    def _troubles(self) -> None:
        """What went wrong shortly before: a hold has its cause there, more often than not."""
        since_ns = self._now_ns - _TROUBLE_BEFORE_NS
        troubles = [e for e in self._before() if e.kind in FAULTS and e.stamp_ns >= since_ns]
        for event in troubles[-_TROUBLES_SHOWN:]:
            self._links.say("trouble", describe(event), event.stamp_ns)

    def _verdict(self, tick: Tick) -> None:
        """The filter's word on this tick; its reason is told when it is another than before."""
        verdict = tick.verdict or "vetoed"
        told = self._run.newest("safety.verdict", tick.stamp_ns, node="control")
        is_first = told is None and verdict == "passed"
        if is_first or (told is not None and verdict == told.facts["verdict"] == "passed"):
            self._links.say("safety", "passed unchanged", told.stamp_ns if told else None)
        elif told is None or told.facts["verdict"] != verdict:
            self._links.miss("safety", f"{verdict} by {tick.clipped_by:.4g}, but not why")
        else:
            by = {n: v for n, v in told.facts.items() if n.endswith("_by") and n != "clipped_by"}
            changed = f" by {tick.clipped_by:.4g}" if verdict == "clipped" else ""
            filters = f" (when it began: {spelled(by)})" if by else ""
            words = f"{verdict}{changed}: {told.facts['reason']}{filters}"
            self._links.say("safety", words, told.stamp_ns)

    def _stitched(self, tick: Tick) -> None:
        name = self._run.settings.get("fast_brain", {}).get("stitcher", "")
        who = name or "its name is not recorded"
        played = f"row {tick.chunk_index} of chunk {tick.chunk_sequence} ({who})"
        told = self._run.newest(
            "chunk.stitched",
            self._now_ns + _TOLD_AFTER_NS,
            lambda facts: facts["chunk_sequence"] == tick.chunk_sequence,
        )
        if told is None:
            self._links.say("stitcher", f"{played}; it told nothing of how it joined the chunk")
            return
        facts = {n: value for n, value in told.facts.items() if n != "chunk_sequence"}
        self._links.say("stitcher", f"{played}: {spelled(facts)}", told.stamp_ns)

    def _made(self, chunk: RecordedEvent) -> None:
        facts = chunk.facts
        age_s = (self._now_ns - facts["start_stamp_ns"]) / _NS_PER_S
        self._links.say(
            "chunk",
            f"chunk {facts['chunk_sequence']} began {age_s:.3f} s before; made in "
            f"{facts['took_s']:.3f} s from observation {facts['observation_sequence']}, then "
            f"{facts['observation_age_s']:.3f} s old; gate {facts['gate_mean']:.2f}",
            chunk.stamp_ns,
        )

    def _rung(self) -> None:
        moves = [
            event
            for event in self._before()
            if event.kind == "ladder.moved" and event.node == "control"
        ]
        if moves:
            self._links.say("ladder", describe(moves[-1]), moves[-1].stamp_ns)
        elif self._run.is_whole:
            self._links.say("ladder", "ladder: fresh, it had not moved", self._run.start_ns)
        else:
            self._links.miss("ladder", "no move of it is in what is left of the recording")

    def _action(self, tick: Tick) -> str:
        if tick.action is None:
            return "nothing" if tick.is_action_recorded else "an action that is not recorded"
        limits = next((event for event in self._run.kept if event.kind == "safety.limits"), None)
        names: list[str] = limits.facts["names"] if limits else []
        if len(names) != len(tick.action):
            names = [f"action {number}" for number in range(len(tick.action))]
        return spelled(dict(zip(names, tick.action, strict=True)))

    def _before(self) -> list[RecordedEvent]:
        return [event for event in self._run.kept if event.stamp_ns <= self._now_ns]
