from typing import Any

from bridge.messages import Goal, Plan, PlanningStatus, Subtask, SubtaskState, Thought
from bridge.transports.ring import LocalRing
from slow_brain.subtask_news import SubtaskNews


def status(*states: SubtaskState, goal: str = "g", phase: Any = "acting") -> PlanningStatus:
    """What the planner shows, with a plan of one thought."""
    subtasks = tuple(
        Subtask(id=f"{goal}.{number}", text=f"step {number}", state=state)
        for number, state in enumerate(states)
    )
    pieces = (("PLAN", "left"), ("PLAN", " first\n"), ("DONE", "no"))
    thoughts = tuple(
        Thought(field=field, text=text, plan_id="p1", stamp_ns=1) for field, text in pieces
    )
    other = Thought(field="PLAN", text="of another plan", plan_id="p2", stamp_ns=1)
    plan = Plan(
        id="p1",
        goal_id=goal,
        subtasks=subtasks,
        thoughts=(*thoughts, other),
        trigger="new goal",
        observation_stamp_ns=1,
        stamp_ns=1,
    )
    wanted = Goal(text="go", id=goal, source="test", stamp_ns=1)
    return PlanningStatus(
        phase=phase,
        stamp_ns=5,
        goal=wanted,
        plan=plan,
        subtasks=subtasks,
        thoughts=(other,),
        reason="as seen",
    )


def test_each_move_is_told_once_with_its_cause() -> None:
    """A subtask that begins or ends is told with plan, trigger, thoughts and reason; a plan not."""
    ring: Any = LocalRing[Any](20)
    news = SubtaskNews({"trace": ring})
    news.note(PlanningStatus(phase="idle", stamp_ns=1))
    for _ in range(3):
        news.note(status(SubtaskState.ACTIVE, SubtaskState.PENDING))
    news.note(status(SubtaskState.DONE, SubtaskState.ACTIVE))
    news.note(status(SubtaskState.ACTIVE, goal="h"))
    events = list(ring.drain())
    moves = [event.facts for event in events if event.kind == "subtask.moved"]
    assert [(move["subtask_id"], move["before"], move["state"]) for move in moves] == [
        ("g.0", "", "active"),
        ("g.0", "active", "done"),
        ("g.1", "pending", "active"),
        ("h.0", "", "active"),
    ]
    assert moves[0]["thoughts"] == ["PLAN: left first", "DONE: no"]
    assert (moves[1]["plan_id"], moves[1]["trigger"]) == ("p1", "new goal")
    assert moves[1]["reason"] == "as seen"
    assert [event.kind for event in events].count("goal.moved") == 2


def test_a_planner_that_was_restarted_tells_only_what_is_new() -> None:
    """What the one before had told is not told again."""
    ring: Any = LocalRing[Any](20)
    news = SubtaskNews({"trace": ring})
    news.resume(status(SubtaskState.DONE, SubtaskState.ACTIVE))
    news.note(status(SubtaskState.DONE, SubtaskState.DONE))
    assert [event.facts["subtask_id"] for event in ring.drain()] == ["g.1"]
