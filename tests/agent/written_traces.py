"""Traces as a run of a point arm would leave them, written event by event."""

from pathlib import Path
from typing import Any

import pytest

from agent.recording.trace_file import Anchor, TraceFile
from bridge.trace import TraceEvent

SECOND_NS = 1_000_000_000
START_NS = 5 * SECOND_NS
SETTINGS = '{"fast_brain": {"stitcher": "rtc"}}'


def ticks(at_s: float, count: int = 10, **facts: Any) -> dict[str, Any]:
    """A batch of ticks at 100 Hz that commanded one action of two values."""
    same = {
        "decisions": ["command"] * count,
        "verdicts": ["passed"] * count,
        "clipped_by": [0.0] * count,
        "chunk_sequences": [7] * count,
        "chunk_indices": list(range(count)),
    }
    sent = {"actions": [0.5, -0.25] * count, "has_action": [True] * count, "action_width": 2}
    times = {"at_us": [10_000.0 * tick for tick in range(count)], "late_us": [0.0] * count}
    return {"at_s": at_s, "told_by": "control", "kind": "control.ticks", "missed": 0} | (
        times | same | sent | facts
    )


def told(at_s: float, node: str, kind: str, /, **facts: Any) -> dict[str, Any]:
    """One event; the time is since the recording began [s]."""
    return {"at_s": at_s, "told_by": node, "kind": kind, **facts}


def story(end_s: float = 2.0) -> list[dict[str, Any]]:
    """A goal of one subtask, one plan, one latent, one chunk; ticks until the end, flushed early.

    At 1.6 s the subtask is done, and from then on the robot is held.
    """
    ids = {"plan_id": "g.plan1", "goal_id": "g", "trigger": "new goal"}
    seen = {"observation_sequence": 3, "observation_age_s": 0.1}
    move = {"goal_id": "g", "subtask_id": "g.1", "text": "reach left", "reason": ""}
    made = {
        "chunk_sequence": 7,
        "start_stamp_ns": START_NS + SECOND_NS // 2,
        "latent_sequence": 4,
        "latent_age_s": 0.3,
        "gate_mean": 0.75,
        "subtask_id": "g.1",
        "took_s": 0.05,
    }
    begins = {"before": "", "state": "active", "plan_id": "g.plan1", "trigger": "new goal"}
    ends = {"before": "active", "state": "done", "plan_id": "g.plan1", "trigger": "new goal"}
    held: dict[str, Any] = {
        "decisions": ["chunk_expired"] * 10,
        "verdicts": [""] * 10,
        "chunk_sequences": [-1] * 10,
        "chunk_indices": [-1] * 10,
        "actions": [],
        "has_action": [False] * 10,
    }
    return [
        told(0.0, "control", "safety.limits", names=["x", "y"]),
        told(0.1, "mailbox", "goal", text="tidy up", id="g", source="test"),
        told(0.2, "planner", "planner.asked", **ids, **seen, trigger_kind="new goal",
             images=["front=0123456789abcdef"]),
        told(
            0.4, "planner", "planner.plan", **ids, **seen,
            subtasks=["reach left: pending"], thoughts=["PLAN: left first"], goal_done=False,
        ),
        told(0.4, "planner", "subtask.moved", **move, **begins, thoughts=["PLAN: left first"]),
        told(0.4, "planner", "goal.moved", goal_id="g", before="", phase="acting", reason=""),
        told(0.45, "planner", "planner.latent", **ids, **seen, latent_sequence=4, subtask_id="g.1"),
        told(0.55, "policy", "policy.chunk", **made, **seen),
        told(
            0.55, "policy", "policy.memory", chunk_sequence=7, latent_sequence=4, now_s=0.45,
            times_s=[0.0, 0.4], ages_s=[0.45, 0.05], kept_by=["bank", "bank"],
            perceptual_attention=[0.2, 0.8], cognitive_attention=[0.4, 0.6],
            perceptual_gate_mean=0.75, cognitive_gate_mean=0.5,
        ),
        told(0.55, "policy", "chunk.stitched", chunk_sequence=7, delay_rows=2),
        *(ticks(0.5 + step / 10) for step in range(11) if step != 7),
        told(1.2, "control", "safety.verdict", verdict="clipped", reason="speed", clipped_by=0.01,
             speed_by=0.01),
        ticks(1.2, verdicts=["clipped"] * 10, clipped_by=[0.02] * 10),
        told(1.6, "planner", "subtask.moved", **move | {"reason": "as seen"}, **ends, thoughts=[]),
        told(1.6, "planner", "goal.moved", goal_id="g", before="acting", phase="goal_done",
             reason="all is as wanted"),
        told(1.6, "control", "robot.held", reason="chunk_expired", age_s=0.1),
        *(ticks(1.6 + step / 10, **held) for step in range(round((end_s - 1.6) * 10))),
    ]  # fmt: skip


def write_run(
    folder: Path, events: list[dict[str, Any]], *, trace_format: str = "2", **about: str
) -> Path:
    """Write a run's one file, an MCAP chunk for each half second, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trace-001.mcap"
    facts = {"run": folder.name, "part": "1", "settings": SETTINGS, **about}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.recording.trace_file.TRACE_FORMAT", trace_format)
        file = TraceFile(path, Anchor(wall_ns=10**18, monotonic_ns=START_NS), facts)
    flush_due_s = 0.5
    for event in events:
        rest = dict(event)
        at_s, node, kind = rest.pop("at_s"), rest.pop("told_by"), rest.pop("kind")
        if at_s >= flush_due_s:
            flush_due_s += 0.5
            file.flush()
        stamp_ns = START_NS + round(at_s * SECOND_NS)
        file.write(node, TraceEvent(kind=kind, stamp_ns=stamp_ns, facts=rest))
    file.close()
    return path
