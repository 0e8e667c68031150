from pathlib import Path
from typing import Any

import pytest
from written_traces import story, told, write_run

from agent.tracing.runs import Run
from agent.tracing.story import story_of
from agent.tracing.why import why


def answer(folder: Path, time_s: float, events: list[dict[str, Any]] | None = None) -> list[str]:
    """The reasons of a moment, as `what: words`, with what is missing marked."""
    run = Run(write_run(folder / "a", story() if events is None else events))
    return [f"{link.what}: {link.says}" for link in why(run, time_s).links]


def test_a_command_is_traced_back_to_the_goal(tmp_path: Path) -> None:
    """Every link is there, with its numbers, in order from effect to cause."""
    assert answer(tmp_path, 1.234) == [
        "command: sent x 0.5, y -0.25",
        "safety: clipped by 0.02: speed (when it began: speed_by 0.01)",
        "stitcher: row 3 of chunk 7 (rtc): delay_rows 2",
        (
            "chunk: chunk 7 began 0.734 s before; made in 0.050 s from observation 3, "
            "then 0.100 s old; gate 0.75"
        ),
        "ladder: ladder: fresh, it had not moved",
        (
            "memory: 2 latents, 0.5 s to 0.1 s old, kept by bank; read most: 70% of 0.1 s ago, "
            "30% of 0.5 s ago; gate perceptual 0.75, cognitive 0.50"
        ),
        "latent: latent 4, 0.884 s old: of g.plan1, from observation 3",
        "subtask: 'reach left' (g.1), begun by g.plan1, asked because of: new goal",
        "plan: g.plan1: reach left: pending",
        "thought: PLAN: left first",
        "trigger: new goal; it was shown observation 3 (front=0123456789abcdef)",
        "goal: 'tidy up', from test",
    ]


def test_a_hold_is_traced_back_to_what_was_missing(tmp_path: Path) -> None:
    """After the goal's end the robot is held because its chunk is over, and that is said."""
    said = answer(tmp_path, 1.85)
    assert said[0] == "hold: held: chunk_expired"
    assert "subtask: it was over by then: done, by as seen" in said
    assert said[-1] == "goal: it was over by then: done, all is as wanted"


@pytest.mark.parametrize(
    ("left_out", "link"),
    [
        ("policy.chunk", "chunk: not recorded: nothing is told of chunk 7"),
        ("policy.memory", "memory: not recorded: what was remembered for chunk 7"),
        ("planner.latent", "latent: not recorded: nothing is told of latent 4"),
        ("planner.asked", "trigger: not recorded: why the planner was asked for g.plan1"),
        ("subtask.moved", "subtask: not recorded: the beginning of subtask g.1"),
        ("safety.verdict", "safety: not recorded: clipped by 0.02, but not why"),
        ("control.ticks", "tick: not recorded: no control loop told of any before"),
        (
            "planner.plan",
            "plan: not recorded: nothing is told of g.plan1 in the two minutes before",
        ),
    ],
)
def test_a_link_that_is_not_recorded_is_said_to_be_missing(
    tmp_path: Path, left_out: str, link: str
) -> None:
    """Whichever event is not there, its own link says so, and the others are not guessed."""
    # One that is told last keeps the length of the run.
    events = [event for event in story() if event["kind"] != left_out]
    assert link in answer(tmp_path, 1.234, [*events, told(2.0, "supervisor", "run.ending")])


def test_a_hold_names_the_stop_and_the_trouble_before_it(tmp_path: Path) -> None:
    """Who stopped the robot, and what fell shortly before, are reasons of a hold."""
    events = story()
    for event in events:
        if event["kind"] == "control.ticks" and event["at_s"] >= 1.6:
            event["decisions"] = ["stopped"] * 10
    events += [
        told(1.55, "mailbox", "stop", reason="a hand", source="cli", latched=True),
        told(1.5, "supervisor", "node.down", node="policy", how="died", reason="killed"),
        told(1.58, "control", "ladder.moved", before="fresh", rung="hold", cause="latent"),
    ]
    said = answer(tmp_path, 1.85, events)
    assert "stop: latched stop: a hand (cli)" in said
    assert "trouble: policy fell: died, killed" in said
    assert "ladder: ladder: fresh → hold, because of the latent" in said


def test_a_moment_without_ticks_is_told_as_such(tmp_path: Path) -> None:
    """A loop that was not running is not said to have commanded."""
    events = [*story(), told(4.0, "supervisor", "run.ending", reason="asked to")]
    assert answer(tmp_path, 3.5, events)[0] == (
        "tick: not recorded: the last one before was at 1.990 s"
    )


def test_the_story_of_a_run_says_what_became_of_each_goal(tmp_path: Path) -> None:
    """Outcome, times, causes and thoughts; a goal that another replaced was given up."""
    events = [
        *story(),
        told(2.1, "mailbox", "goal", text="more", id="h", source="test"),
        told(2.2, "planner", "goal.moved", goal_id="h", before="", phase="thinking", reason=""),
        told(2.3, "planner", "planner.failed", error="no answer", plugin="vlm"),
        told(2.5, "mailbox", "goal", text="last", id="i", source="test"),
    ]
    found = story_of(Run(write_run(tmp_path / "a", events)))
    assert [goal.outcome for goal in found.goals] == ["done", "given up for the next", "not judged"]
    assert found.outcome == "1 of 3 goals done"
    assert (found.subtasks, found.faults) == ((1, 1), {"planner.failed": 1})
    subtask = found.goals[0].subtasks[0]
    assert (subtask.began_s, subtask.ended_s) == (pytest.approx(0.4), pytest.approx(1.6))
    assert subtask.ended_because == "as seen"
    assert subtask.thoughts == ["PLAN: left first"]
    assert found.goals[1].events == [(2.3, "vlm failed: no answer")]
    assert found.length_s == pytest.approx(2.5)
