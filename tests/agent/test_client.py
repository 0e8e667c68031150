import contextlib
import json
from collections.abc import Callable, Generator
from typing import Any

import httpx
import pytest
from serving_fakes import SECOND_NS, FakeRuntime, loop_status, planning, point_arm, scene

from agent.client import AgentClient
from agent.results import JobRecord, Outcome, Status, outcome_of, write_result
from agent.run_command import run_goal
from agent.serve import serving
from agent.server_state import ServerState
from bridge.clock import ManualClock
from bridge.errors import ConfigError, RuntimeStopped, TransportError
from bridge.messages import Goal, SubtaskState

PENDING, ACTIVE, DONE = SubtaskState.PENDING, SubtaskState.ACTIVE, SubtaskState.DONE


@contextlib.contextmanager
def connected(run: FakeRuntime, *overrides: str) -> Generator[AgentClient]:
    """A client of a real server before a run that a test plays."""
    config = point_arm(*overrides)
    with serving(config, make_runtime=lambda graph: run, with_page=False) as served:
        client = AgentClient(served.address, token=config.serve.token)
        with contextlib.closing(client):
            yield client


def answering(reply: Callable[[httpx.Request], httpx.Response]) -> AgentClient:
    """A client of a server that is only a function."""
    return AgentClient(transport=httpx.MockTransport(reply))


def test_a_goal_is_watched_to_its_end() -> None:
    """Running a goal returns how it went: success, reason, subtasks with times, the loop."""
    run = FakeRuntime()

    def play(goal: Goal) -> None:
        run.publish("loop_status", loop_status())
        run.publish("planning", planning(goal, "acting", ACTIVE, PENDING))

    run.on_goal = play
    shown: list[list[str]] = []

    def show(status: Status) -> None:
        states = [each["state"] for each in status["planning"]["subtasks"]]
        if states in shown:
            # The same once more: the server was faster than this.
            return
        shown.append(states)
        run.clock.advance_ns(SECOND_NS)
        goal = run.read("goal")
        if len(shown) == 1:
            run.publish("planning", planning(goal, "acting", DONE, ACTIVE))
        elif len(shown) == 2:
            run.publish("planning", planning(goal, "goal_done", DONE, DONE, reason="all is well"))

    with connected(run) as client:
        result, captions = run_goal(client, "tidy up", timeout_s=20, show=show)
    assert result["success"]
    assert result["reason"] == "all is well"
    assert [each["state"] for each in result["subtasks"]] == ["done", "done"]
    assert [each["took_s"] for each in result["subtasks"]] == [1.0, 1.0]
    assert result["plans_made"] == 3
    assert result["loop"]["missed_ticks"] == 2
    assert [text for _, text in captions] == ["tidy up", "open the drawer", "close the drawer"]
    stamps_ns = [stamp_ns for stamp_ns, _ in captions]
    assert stamps_ns == sorted(stamps_ns)


def test_a_goal_that_fails_says_why() -> None:
    """The planner's reason is the job's reason."""
    run = FakeRuntime()
    run.on_goal = lambda goal: run.publish(
        "planning", planning(goal, "goal_failed", reason="I cannot plan for that")
    )
    with connected(run) as client:
        result, _ = run_goal(client, "fly", timeout_s=20, show=lambda status: None)
    assert (result["success"], result["reason"]) == (False, "I cannot plan for that")


def test_a_goal_without_an_end_is_watched_for_so_long_only() -> None:
    """No end in time is a failure, and without a planner the reason says so."""
    run, clock = FakeRuntime(), ManualClock()
    with connected(run) as client:
        result, _ = run_goal(
            client,
            "tidy up",
            timeout_s=7,
            show=lambda status: clock.advance_ns(4 * SECOND_NS),
            clock=clock,
        )
    assert not result["success"]
    assert result["reason"].startswith("no end within 7 s: there is no planner")


def test_a_server_that_goes_away_is_told() -> None:
    """A connection that ends in the middle is no success and no traceback."""

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/goals":
            return httpx.Response(202, json={"id": "g", "text": "x"})
        return httpx.Response(200, content=b"")

    with pytest.raises(TransportError, match="ended the connection"):
        run_goal(answering(reply), "x", timeout_s=5, show=lambda status: None)


def test_nobody_there_is_told_with_the_command_that_helps() -> None:
    """Without a server the client says how to start one."""
    with serving(point_arm(), make_runtime=lambda graph: FakeRuntime(), with_page=False) as served:
        address = served.address
    client = AgentClient(address)
    # A client without a connection holds nothing that would have to be closed.
    with pytest.raises(ConfigError, match="Start one with: agent serve --preset demo"):
        client.submit("x")
    with pytest.raises(ConfigError, match="No agent answers"), client.events():
        pass


def test_a_refused_goal_is_told_in_the_servers_words() -> None:
    """The server's sentence is what the person reads."""
    run = FakeRuntime()
    with (
        serving(scene(), make_runtime=lambda graph: run, with_page=False) as served,
        contextlib.closing(AgentClient(served.address)) as client,
        pytest.raises(ConfigError, match="banana"),
    ):
        client.submit("eat a banana")


def test_a_stopped_robot_takes_no_goals() -> None:
    """A goal for a robot that a person stopped is answered with how to release it."""
    run = FakeRuntime()
    with connected(run) as client:
        client.stop("a hand is in the way")
        with pytest.raises(ConfigError, match=r"stopped: a hand is in the way\. Release it first"):
            client.submit("tidy up")


def test_a_run_that_has_ended_takes_no_goals() -> None:
    """What the run ended of is what the client says."""
    run = FakeRuntime()
    with connected(run) as client:
        run.stopped_because = "robot fell"
        with pytest.raises(RuntimeStopped, match=r"^The run has stopped: robot fell$"):
            client.submit("tidy up")


def test_a_token_is_shown_to_the_server() -> None:
    """With the right token the client is let in, with another it is told."""
    run = FakeRuntime()
    with connected(run, "serve.token=secret") as client:
        assert client.status()["robot"] == "point_arm"
        stranger = AgentClient(client.url)
        with contextlib.closing(stranger), pytest.raises(ConfigError, match="A token is needed"):
            stranger.status()


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, text="<html>a web page</html>"),
        httpx.Response(404, text="<html>not here</html>"),
        httpx.Response(500, json={"detail": "boo"}),
    ],
)
def test_something_else_at_the_address_is_told(reply: httpx.Response) -> None:
    """Another program at the port is called what it is."""
    with pytest.raises(ConfigError, match="is not an agent"):
        answering(lambda request: reply).status()


def test_a_slow_server_has_a_limit() -> None:
    """Silence ends in a sentence."""

    def reply(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("nothing came", request=request)

    with pytest.raises(TransportError, match=r"Lost the agent at .*: nothing came"):
        answering(reply).status()


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://[::1"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    """What cannot be an address is a mistake of the operator."""
    with pytest.raises(ConfigError, match="not an address"):
        AgentClient(url).status()


def status_of(run: FakeRuntime, state: ServerState | None = None) -> Status:
    """What a server would say now."""
    return (state or ServerState(run, point_arm())).status()


def test_the_last_goals_end_is_not_taken_for_this_ones() -> None:
    """A planner that still talks about another goal has said nothing yet."""
    run = FakeRuntime()
    state = ServerState(run, point_arm())
    first = state.submit("one", "test")
    run.publish("planning", planning(first, "goal_done", DONE, DONE))
    second = state.submit("two", "test")
    assert outcome_of(status_of(run, state), second.id) is None
    record = JobRecord("two", second.id)
    record.note(status_of(run, state))
    assert record.result(Outcome(success=False, reason="x"))["subtasks"] == []


def test_a_goal_that_is_replaced_has_ended() -> None:
    """Who watches a goal that somebody else replaced is told by which."""
    run = FakeRuntime()
    state = ServerState(run, point_arm())
    first = state.submit("one", "test")
    state.submit("two", "test")
    outcome = outcome_of(status_of(run, state), first.id)
    assert outcome == Outcome(success=False, reason="replaced by 'two'")


def test_a_stop_ends_the_job_and_so_does_the_runs_end() -> None:
    """Whoever stops the robot, the job has not worked."""
    run = FakeRuntime()
    state = ServerState(run, point_arm())
    goal = state.submit("one", "test")
    state.stop("enough", "page")
    assert outcome_of(status_of(run, state), goal.id) == Outcome(
        success=False, reason="stopped by page: enough"
    )
    run.stopped_because = "robot fell"
    assert outcome_of(status_of(run, state), goal.id) == Outcome(
        success=False, reason="the run has stopped: robot fell"
    )


def test_a_result_is_strict_json(tmp_path: Any) -> None:
    """The file can be read by any program, and its folder is made."""
    path = tmp_path / "new" / "result.json"
    record = JobRecord("one", "id")
    record.note(status_of(FakeRuntime()))
    write_result(record.result(Outcome(success=True, reason="met")), path)
    assert json.loads(path.read_text())["success"] is True
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]
