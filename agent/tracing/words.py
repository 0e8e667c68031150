"""What an event of a trace means, in words for a person."""

from collections.abc import Callable, Mapping
from typing import Any

from agent.recording.reading import RecordedEvent

# What somebody has to look into, in the order of how bad it is.
FAULTS = (
    "node.down", "watchdog.stopped", "observation.trouble", "policy.failed", "planner.failed",
    "monitor.failed", "trace.lost",
)  # fmt: skip
STOPS = ("stop", "watchdog_stop")
# Said once at the beginning, or of no interest to whoever reads what happened.
_QUIET = frozenset(
    {"goal", "safety.limits", "process.started", "watchdog.heard", "subtask.moved", "goal.moved"}
)
_LONGEST = 160


def is_telling(event: RecordedEvent) -> bool:
    """Whether it belongs into the story of a run, beside its goals and subtasks."""
    # The policy tells the ladder as well; the control loop's is the one that is obeyed.
    return event.kind not in _QUIET and (event.node, event.kind) != ("policy", "ladder.moved")


def describe(event: RecordedEvent) -> str:
    """One line about an event."""
    say = _WORDS.get(event.kind)
    try:
        words = f"{event.kind} {spelled(event.facts)}".rstrip() if say is None else say(event.facts)
    except (KeyError, TypeError):
        # Told by an agent that knew less, or by a node of somebody's own.
        words = f"{event.kind} {spelled(event.facts)}".rstrip()
    return shortened(words)


def spelled(facts: dict[str, Any]) -> str:
    """Facts as `name value`, in their order."""
    return ", ".join(f"{name} {_value(value)}" for name, value in facts.items())


def shortened(words: str) -> str:
    """The first line, at most 160 characters of it."""
    first = words.partition("\n")[0]
    return first if len(first) <= _LONGEST else f"{first[:_LONGEST]}…"


def _failed(facts: dict[str, Any]) -> str:
    return f"{facts.get('plugin', 'it')} failed: {facts['error']}"


def _stop(facts: dict[str, Any]) -> str:
    kind = "latched stop" if facts["latched"] else "stop"
    return f"{kind}: {facts['reason']} ({facts['source']})"


def _rung(facts: dict[str, Any]) -> str:
    cause = f", because of the {facts['cause']}" if facts.get("cause") else ""
    return f"ladder: {facts['before']} → {facts['rung']}{cause}"


def _with_how(facts: dict[str, Any]) -> str:
    reason = facts.get("reason") or ""
    how = facts.get("how") or ""
    return reason if how in reason else f"{how}, {reason}"


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_WORDS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "node.down": lambda facts: f"{facts['node']} fell: {_with_how(facts)}",
    "node.restarted": lambda facts: f"{facts['node']} was started again",
    "node.notice": lambda facts: f"{facts['node']}: {facts['text']}",
    "planner.failed": _failed,
    "policy.failed": lambda facts: f"the policy failed: {facts['error']}",
    "monitor.failed": _failed,
    "planner.remark": lambda facts: f"somebody said {facts['text']!r} ({facts['source']})",
    "planner.resumed": lambda _: "the planner goes on where the one before it had come to",
    "monitor.report": lambda facts: f"the monitors say {facts['state']}: {facts['reason']}",
    "ladder.moved": _rung,
    "robot.held": lambda facts: f"held: {facts['reason']}",
    "robot.released": lambda _: "commanded again",
    "pause": lambda facts: f"{facts['mode']}: {facts['reason']} ({facts['source']})",
    "stop": _stop,
    "watchdog_stop": _stop,
    "run.forked": lambda facts: f"forked from {facts['run']} at {facts['at_s']:.3f} s",
    "run.ending": lambda facts: f"the run ends: {facts['reason']}",
    "trace.lost": lambda facts: f"{sum(facts.values())} events of a node were not recorded",
}
