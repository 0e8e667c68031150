import pytest
from serving_fakes import FakeRuntime, latent, loop_status, planning, point_arm

from agent.page.run_view import Step, run_view
from agent.results import Status
from agent.server_state import ServerState
from bridge.messages import SubtaskState

DONE, ACTIVE = SubtaskState.DONE, SubtaskState.ACTIVE


@pytest.fixture
def run() -> FakeRuntime:
    """A run in which a loop turns."""
    run = FakeRuntime()
    run.publish("loop_status", loop_status(rung="stale_latent"))
    run.publish("latent", latent(1.25, run))
    return run


@pytest.fixture
def status(run: FakeRuntime) -> Status:
    """The first subtask of a goal is done, the second under way."""
    state = ServerState(run, point_arm())
    run.publish("planning", planning(state.submit("tidy up", "test"), "acting", DONE, ACTIVE))
    return state.status()


def test_a_view_says_what_is_done_and_why(status: Status) -> None:
    """Goal, phase, subtasks, thoughts and figures come from one status."""
    view = run_view(status, 3.0)
    assert (view.goal, view.phase, view.caption) == ("tidy up", "acting", "close the drawer")
    assert [(step.text, step.state) for step in view.steps] == [
        ("open the drawer", "done"),
        ("close the drawer", "active"),
    ]
    assert view.thoughts == (("PLAN", "open the drawer; close"), ("DONE", "no"))
    assert (view.figures["latent age"], view.figures["ladder"]) == ("1.2 s", "stale latent")
    assert (view.alarm, view.waiting) == ("", "")


def test_what_was_noted_of_a_subtask_is_newer_than_the_status(status: Status) -> None:
    """Times, causes and thoughts are added, and a recorded status may lag behind a move."""
    noted = Step(id="s1", text="close the drawer", state="failed", cause="it fell", began_s=1.0)
    view = run_view(status, 3.0, known={"s1": noted})
    assert view.steps[1] == noted
    assert view.caption == "tidy up: acting"


def test_old_thoughts_stay_until_there_are_new_ones(status: Status) -> None:
    """Between two plans there is something to read."""
    old = (("PLAN", "left first"),)
    assert run_view(status, 3.0, thoughts=old).thoughts != old
    status["planning"]["thoughts"] = []
    assert run_view(status, 3.0, thoughts=old).thoughts == old


def test_before_anything_is_known_nothing_is_claimed() -> None:
    """A run without planner, loop and goal is shown with dashes."""
    view = run_view(ServerState(FakeRuntime(), point_arm()).status(), 0.0)
    assert (view.phase, view.caption, view.steps) == ("no planner", "no goal", ())
    assert set(view.figures.values()) == {"–"}


def test_a_goal_that_the_planner_has_not_seen_waits(run: FakeRuntime) -> None:
    """The subtasks of the goal before are not shown as those of the new one."""
    state = ServerState(run, point_arm())
    run.publish("planning", planning(state.submit("tidy up", "test"), "acting", DONE, ACTIVE))
    state.submit("another", "test")
    view = run_view(state.status(), 0.0)
    assert (view.goal, view.phase, view.steps) == ("another", "waiting", ())


def test_who_stopped_or_paused_the_robot_is_named(run: FakeRuntime) -> None:
    """A stop is an alarm, a pause is none, and the end of the run outdoes both."""
    state = ServerState(run, point_arm())
    state.pause("page")
    assert run_view(state.status(), 0.0).waiting == "Paused by page: a person asked for a pause"
    state.stop("a hand is in the way", "http")
    view = run_view(state.status(), 0.0)
    assert (view.alarm, view.is_stopped) == ("Stopped by http: a hand is in the way", True)
    run.stopped_because = "the robot fell"
    view = run_view(state.status(), 0.0)
    assert (view.alarm, view.has_ended) == ("The run has ended: the robot fell", True)
