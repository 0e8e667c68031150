"""Pause, hold and resume, through every door; what became of goals."""

import pytest
from fastapi.testclient import TestClient
from serving_fakes import SECOND_NS, FakeRuntime, planning, point_arm
from typer.testing import CliRunner

from agent.cli import app
from agent.http_app import make_app
from agent.serve import serving
from agent.server_state import ServerState
from bridge.errors import ConfigError, RuntimeStopped
from bridge.messages import PauseRequest, SubtaskState


@pytest.fixture
def run() -> FakeRuntime:
    """A run that has started."""
    runtime = FakeRuntime()
    runtime.start()
    return runtime


@pytest.fixture
def state(run: FakeRuntime) -> ServerState:
    """What the doors of this run share."""
    return ServerState(run, point_arm())


def agent(*words: str) -> tuple[int, str]:
    """Run the command line here."""
    result = CliRunner().invoke(app, [*words])
    return result.exit_code, result.output


def test_a_robot_can_be_made_to_wait_from_a_terminal(run: FakeRuntime) -> None:
    """`agent pause` pauses, with --keep-thinking it holds, and `agent resume` lets it go on."""
    with serving(point_arm(), make_runtime=lambda graph: run, with_page=False) as served:
        url = served.address
        code, said = agent("pause", "--url", url)
        assert code == 0
        assert f"agent resume --url {url}" in said
        assert run.read("pause").mode == "paused"
        assert agent("pause", "--keep-thinking", "--url", url)[0] == 0
        assert run.read("pause").mode == "held"
        assert agent("resume", "--url", url)[0] == 0
        assert run.read("pause").mode == "running"
        code, said = agent("resume", "--url", url)
    assert (code, said) == (2, "The robot is neither paused nor held.\n")


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_nobody_there_is_told(command: str) -> None:
    """Without a server the command fails with a sentence."""
    code, said = agent(command, "--url", "http://127.0.0.1:9")
    assert code == 2
    assert "No agent answers" in said


def test_a_pause_says_how_long_the_robot_has_waited(run: FakeRuntime, state: ServerState) -> None:
    """Each request carries the rest before it, so that who looks rarely misses no pause."""
    state.pause("test")
    run.clock.advance_ns(3 * SECOND_NS)
    state.hold("test")
    run.clock.advance_ns(2 * SECOND_NS)
    state.resume("test")
    run.clock.advance_ns(9 * SECOND_NS)
    state.pause("test")
    request: PauseRequest = run.read("pause")
    assert request.rested_ns == 5 * SECOND_NS
    run.clock.advance_ns(SECOND_NS)
    assert request.rested_until_ns(run.clock.now_ns()) == 6 * SECOND_NS


def test_the_status_says_who_made_the_robot_wait(run: FakeRuntime) -> None:
    """Over HTTP: what was asked, by whom and why; and null once it goes on."""
    http = TestClient(
        make_app(ServerState(run, point_arm()), point_arm().serve), base_url="http://127.0.0.1"
    )
    assert http.get("/status").json()["pause"] is None
    assert http.post("/resume").status_code == 409
    answer = http.post("/hold", json={"reason": "lunch"})
    assert (answer.status_code, answer.json()) == (202, {"mode": "held"})
    shown = http.get("/status").json()["pause"]
    assert (shown["mode"], shown["reason"], shown["source"]) == ("held", "lunch", "http")
    assert http.post("/pause").json() == {"mode": "paused"}
    assert http.post("/pause", json={"reson": "x"}).status_code == 422
    assert http.post("/resume").json() == {"mode": "running"}
    assert http.get("/status").json()["pause"] is None


def test_resume_never_releases_a_stop(run: FakeRuntime, state: ServerState) -> None:
    """A stopped robot stays stopped, and whoever tries to let it go on is told what helps."""
    state.stop("a hand", "test")
    with pytest.raises(ConfigError, match=r"neither paused nor held.*agent release"):
        state.resume("test")
    state.pause("test")
    state.resume("test")
    assert run.read("stop").latched
    state.release("test")
    assert not run.read("stop").latched


def test_a_run_that_has_ended_cannot_be_paused(run: FakeRuntime, state: ServerState) -> None:
    """A verb that did nothing leaves no trace in the status."""
    run.stopped_because = "it was asked to"
    with pytest.raises(RuntimeStopped):
        state.pause("test")
    assert state.status()["pause"] is None


def test_each_goal_has_its_outcome(run: FakeRuntime, state: ServerState) -> None:
    """Done, failed, replaced and under way: what a goal came to stays, with what was said."""
    first = state.submit("first", "test")
    run.publish("planning", planning(first, "acting", SubtaskState.ACTIVE))
    remark = state.remark("no, the other one", "test")
    run.publish("planning", planning(first, "goal_done", SubtaskState.DONE, reason="all is well"))
    # Nobody looks at the status in between.
    second = state.submit("second", "test")
    state.submit("third", "test")
    third = state.goal_history()[0].goal
    run.publish("planning", planning(third, "goal_failed", reason="no such thing"))
    state.status()
    state.submit("fourth", "test")
    fourth, failed, replaced, done = state.goal_history()
    assert (done.outcome, done.reason, done.remarks) == ("done", "all is well", (remark,))
    assert (replaced.goal.id, replaced.outcome) == (second.id, "replaced")
    assert (failed.outcome, failed.reason) == ("failed", "no such thing")
    assert (fourth.outcome, fourth.ended_stamp_ns) == ("under way", 0)


def test_the_history_is_bounded(state: ServerState) -> None:
    """Whoever gives goals all day does not fill the memory."""
    for number in range(60):
        state.submit(f"goal {number}", "test")
    history = state.goal_history()
    assert len(history) == 50
    assert history[0].goal.text == "goal 59"


def test_the_history_is_there_for_programs(run: FakeRuntime, state: ServerState) -> None:
    """`GET /goals` says what became of each, the newest first."""
    http = TestClient(make_app(state, point_arm().serve), base_url="http://127.0.0.1")
    http.post("/goals", json={"text": "tidy up"})
    http.post("/goals", json={"text": "reach left"})
    newest, oldest = http.get("/goals").json()["goals"]
    assert (newest["goal"]["text"], newest["outcome"]) == ("reach left", "under way")
    assert (oldest["outcome"], oldest["reason"]) == ("replaced", "by 'reach left'")
