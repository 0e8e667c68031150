"""Gives a served robot a goal and watches it to its end."""

from collections.abc import Callable
from typing import Any

from agent.client import AgentClient
from agent.results import JobRecord, Outcome, Status, outcome_of, part_of
from bridge.clock import SystemClock
from bridge.protocols import Clock

_NS_PER_S = 1_000_000_000
_SILENCE = Outcome(success=False, reason="the server said nothing more")


def run_goal(
    client: AgentClient,
    text: str,
    *,
    timeout_s: float,
    show: Callable[[Status], None],
    clock: Clock | None = None,
) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """Ask for a goal, and watch until it ends or the time is up.

    Args:
        client: Where to ask.
        text: The goal.
        timeout_s: How long to watch [s]; the robot goes on afterwards.
        show: Called with each status.
        clock: What the time limit is measured with.

    Returns:
        The result as for JSON, and the captions of a film: (stamp [ns], text).

    Raises:
        ConfigError: The goal is refused, or nobody serves at the address.
        TransportError: The connection broke.
        RuntimeStopped: The run has ended or is stopped.
    """
    watching = clock or SystemClock()
    # Listen first: what happens between the asking and the listening would be missed.
    with client.events() as events:
        goal_id = client.submit(text)
        record = JobRecord(text, goal_id)
        end_ns = watching.now_ns() + round(timeout_s * _NS_PER_S)
        outcome: Outcome | None = None
        for status in events:
            # Statuses from before the server took the goal are of no interest.
            if not record.is_empty or part_of(status, "goal").get("id") == goal_id:
                record.note(status)
                show(status)
                outcome = outcome_of(status, goal_id)
            if outcome is None and watching.now_ns() >= end_ns:
                outcome = Outcome(success=False, reason=_no_end(status, timeout_s))
            if outcome is not None:
                break
    return record.result(outcome or _SILENCE), record.captions


def _no_end(status: Status, timeout_s: float) -> str:
    why = "" if status["planning"] else ": there is no planner to say when the goal is met"
    return f"no end within {timeout_s:g} s{why}"
