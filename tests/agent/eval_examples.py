"""Episodes to test the evaluation with."""

from typing import Any

from agent.evaluation.records import EpisodeRecord


def example_record(**changes: Any) -> EpisodeRecord:
    """An episode that worked, but for what is asked."""
    success = bool(changes.get("success", True))
    values: dict[str, Any] = {
        "index": 0,
        "seed": 1,
        "settings_id": "abc",
        "goal": "reach left",
        "success": success,
        "reason": "met" if success else "not met within 120 s",
        "planner_said_done": success,
        "time_to_finish_s": 4.0 if success else None,
        "duration_s": 5.0,
        "subtasks": (),
        "plans_made": 3,
        "ticks": 500,
        "held_ticks": 5,
        "missed_ticks": 0,
        "phase": "goal_done",
        "facts": {"reach left": True},
    }
    return EpisodeRecord(**(values | changes))
