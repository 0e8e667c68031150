import contextlib
import io
import socket
from collections.abc import Callable, Generator, Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from serving_fakes import (
    SECOND_NS,
    FakeRuntime,
    latent,
    loop_status,
    observation,
    planning,
    point_arm,
    scene,
)

from agent.config import AgentConfig
from agent.graph_parts import Graph
from agent.http_app import MOST_LISTENERS, make_app
from agent.serve import open_port, serving
from agent.server_state import ServerState
from bridge.errors import ConfigError, PortInUseError, RobotBusyError
from bridge.messages import Goal, StopRequest, SubtaskState

GOAL = {"text": "open the drawer"}


@pytest.fixture
def run() -> FakeRuntime:
    """A run that has started."""
    runtime = FakeRuntime()
    runtime.start()
    return runtime


def door(run: FakeRuntime, config: AgentConfig) -> TestClient:
    """The HTTP interface of a run, as from this machine."""
    app = make_app(ServerState(run, config), config.serve)
    return TestClient(app, base_url="http://127.0.0.1:8642", client=("127.0.0.1", 5))


@pytest.fixture
def http(run: FakeRuntime) -> TestClient:
    """The HTTP interface of the scene robot."""
    return door(run, scene())


def test_a_goal_is_taken_with_an_id(http: TestClient, run: FakeRuntime) -> None:
    """What is posted reaches the planner, tidied, and is answered with the id to follow it by."""
    answer = http.post("/goals", json={"text": "  open   the drawer ", "source": "test"})
    assert answer.status_code == 202
    goal: Goal = run.read("goal")
    assert (goal.text, goal.id, goal.source) == ("open the drawer", answer.json()["id"], "test")
    assert goal.stamp_ns == SECOND_NS


def test_a_goal_outside_of_this_world_is_refused(http: TestClient, run: FakeRuntime) -> None:
    """Words that the robot's world does not have are named, with what it can do."""
    answer = http.post("/goals", json={"text": "bring me a banana"})
    assert answer.status_code == 422
    said = answer.json()
    assert said["error"] == "UnknownGoalError"
    assert "banana" in said["message"]
    assert "put the cube in the drawer" in said["message"]
    assert run.read("goal") is None


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "   "}, {"txt": "x"}, {"text": 5}])
def test_a_body_that_is_no_goal_is_refused(
    http: TestClient, run: FakeRuntime, body: dict[str, object]
) -> None:
    """Rubbish is answered in the form of every other error, and moves nothing."""
    answer = http.post("/goals", json=body)
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "message"}
    assert run.read("goal") is None


def test_a_remark_is_for_the_goal_under_way(http: TestClient, run: FakeRuntime) -> None:
    """Without a goal under way a remark is refused; with one, the planner gets the words."""
    remark = {"text": " no,  the other one ", "source": "test"}
    assert http.post("/remarks", json=remark).status_code == 409
    http.post("/goals", json=GOAL)
    run.publish("planning", planning(run.read("goal"), "acting", SubtaskState.ACTIVE))
    assert http.post("/remarks", json={"text": "  "}).status_code == 422
    assert http.post("/remarks", json=remark).status_code == 202
    said = run.read("remark")
    assert (said.text, said.source) == ("no, the other one", "test")
    run.publish("planning", planning(run.read("goal"), "goal_done", SubtaskState.DONE))
    answer = http.post("/remarks", json=remark)
    assert answer.status_code == 409
    assert "No goal is under way" in answer.json()["message"]


def test_another_robot_leaves_the_words_to_its_planner(run: FakeRuntime) -> None:
    """Only the scene's words are known beforehand."""
    assert door(run, point_arm()).post("/goals", json={"text": "reach Mars"}).status_code == 202


def test_the_status_joins_everything(http: TestClient, run: FakeRuntime) -> None:
    """One answer holds goal, subtasks, thoughts, loop, age, health and world, as strict JSON."""
    http.post("/goals", json=GOAL)
    run.publish("planning", planning(run.read("goal"), "acting", SubtaskState.ACTIVE))
    run.publish("loop_status", loop_status())
    run.publish("latent", latent(1.5, run))
    run.publish("observation", observation())
    status = http.get("/status").json()
    assert status["goal"]["text"] == "open the drawer"
    assert status["planning"]["subtasks"][0]["state"] == "active"
    assert status["loop"]["missed_ticks"] == 2
    assert status["loop"]["latent_age_s"] is None
    assert status["latent_age_s"] == 1.5
    assert status["health"]["control"]["age_s"] == 0
    assert status["cameras"] == ["front"]
    assert status["ended"] == ""


def test_a_status_before_anything_has_happened(http: TestClient) -> None:
    """What is not known yet is null, and nothing breaks."""
    status = http.get("/status").json()
    assert (status["goal"], status["planning"], status["loop"]) == (None, None, None)
    assert status["latent_age_s"] is None


def test_a_stop_is_latched_until_it_is_released(http: TestClient, run: FakeRuntime) -> None:
    """A stop reaches the robot at once, keeps goals out, and ends only by an express release."""
    assert http.post("/stop").status_code == 202
    request: StopRequest = run.read("stop")
    assert request.latched
    assert http.get("/status").json()["stop"]["reason"] == "a person asked for it"
    refused = http.post("/goals", json=GOAL)
    assert refused.status_code == 409
    assert "Release it first" in refused.json()["message"]
    assert http.post("/release", json={}).status_code == 422
    assert http.post("/release", json={"release": False}).status_code == 409
    run.clock.advance_ns(1)
    assert http.post("/release", json={"release": True}).status_code == 202
    assert not run.read("stop").latched
    assert http.get("/status").json()["stop"] is None
    assert http.post("/goals", json=GOAL).status_code == 202


def test_a_stop_says_why(http: TestClient, run: FakeRuntime) -> None:
    """The reason given is the reason kept."""
    http.post("/stop", json={"reason": "a hand is in the way"})
    assert run.read("stop").reason == "a hand is in the way"


def test_the_watchdogs_stop_is_shown_like_a_persons(http: TestClient, run: FakeRuntime) -> None:
    """Whoever stopped the robot, the status says so."""
    request = StopRequest(reason="silent loop", source="watchdog", latched=True, stamp_ns=5)
    run.publish("watchdog_stop", request)
    assert http.get("/status").json()["stop"]["source"] == "watchdog"


def test_a_run_that_has_ended_says_so(http: TestClient, run: FakeRuntime) -> None:
    """After the end there is a status, and nothing can be asked for."""
    run.stopped_because = "node 'robot' fell"
    assert http.get("/status").json()["ended"] == "node 'robot' fell"
    assert http.post("/goals", json=GOAL).status_code == 409
    assert http.get("/healthz").status_code == 503


def test_health_follows_the_nodes(http: TestClient, run: FakeRuntime) -> None:
    """A node that has gone silent makes the run unwell."""
    assert http.get("/healthz").status_code == 200
    run.clock.advance_ns(60 * SECOND_NS)
    assert http.get("/healthz").status_code == 503


@pytest.mark.parametrize(("kind", "name"), [("png", "PNG"), ("jpg", "JPEG")])
def test_a_camera_shows_its_newest_picture(
    http: TestClient, run: FakeRuntime, kind: str, name: str
) -> None:
    """The picture has the camera's size and colours, and is not kept by a cache."""
    run.publish("observation", observation())
    answer = http.get(f"/camera/front.{kind}")
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.format, picture.size) == (name, (6, 4))
    red, green, _ = picture.convert("RGB").getpixel((2, 2))  # pyright: ignore[reportGeneralTypeIssues]
    assert red > 240
    assert green < 20
    assert answer.headers["cache-control"] == "no-store"


def test_a_camera_that_is_not_there_answers_with_those_that_are(
    http: TestClient, run: FakeRuntime
) -> None:
    """A typing error in a camera's name is answered with what was meant."""
    run.publish("observation", observation())
    answer = http.get("/camera/frnt.png")
    assert answer.status_code == 404
    assert "Did you mean 'front'" in answer.json()["message"]
    assert http.get("/camera/front.bmp").status_code == 404


def test_metrics_are_those_of_the_run(http: TestClient, run: FakeRuntime) -> None:
    """Prometheus reads seconds and counts; what is not known yet is left out."""
    assert "tandem_loop_ticks" not in http.get("/metrics").text
    http.post("/goals", json=GOAL)
    run.publish("loop_status", loop_status())
    run.publish("latent", latent(0.25, run))
    run.publish("planning", planning(run.read("goal"), "acting"))
    text = http.get("/metrics").text
    assert "tandem_loop_missed_ticks_total 2.0" in text
    assert "tandem_loop_starved_ticks_total 7.0" in text
    assert 'tandem_loop_lateness_seconds{quantile="0.99"} 0.0015' in text
    assert "tandem_latent_age_seconds 0.25" in text
    assert "tandem_plan_latency_seconds 0.4" in text
    assert 'tandem_phase{phase="acting"} 1.0' in text


def test_a_body_that_is_too_large_is_refused(run: FakeRuntime) -> None:
    """Nobody fills the memory, whether the size is told beforehand or not."""
    http = door(run, scene("serve.max_request_bytes=100"))
    assert http.post("/goals", json={"text": "x" * 200}).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 20

    headers = {"content-type": "application/json"}
    answer = http.post("/goals", content=endless(), headers=headers)
    assert answer.status_code == 400
    assert run.read("goal") is None


def test_a_foreign_page_cannot_reach_the_robot(http: TestClient, run: FakeRuntime) -> None:
    """A web page elsewhere is refused, by its origin and by a name that was bent to us."""
    foreign = {"origin": "https://evil.example"}
    assert http.post("/stop", headers=foreign).status_code == 403
    assert http.get("/status", headers={"host": "evil.example:8642"}).status_code == 403
    own = {"origin": "http://127.0.0.1:8642"}
    assert http.post("/goals", json=GOAL, headers=own).status_code == 202


def test_off_loopback_a_token_is_demanded(run: FakeRuntime) -> None:
    """Without the token nothing but well or not is told; with it, everything works."""
    http = door(run, scene("serve.host=0.0.0.0", "serve.token=secret"))
    assert http.get("/status").status_code == 401
    assert http.post("/goals", json=GOAL).status_code == 401
    assert http.get("/status", headers={"authorization": "Bearer secre"}).status_code == 401
    assert http.get("/healthz").status_code == 200
    known = {"authorization": "Bearer secret"}
    assert http.post("/goals", json=GOAL, headers=known).status_code == 202


def test_a_browser_shows_its_token_once(run: FakeRuntime) -> None:
    """Opening the page with the token puts it into a cookie, and out of the address."""
    http = door(run, scene("serve.host=0.0.0.0", "serve.token=secret"))
    answer = http.get("/?token=secret", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert http.get("/status").status_code == 200
    other = door(run, scene("serve.host=0.0.0.0", "serve.token=secret"))
    assert other.get("/?token=wrong", follow_redirects=False).status_code == 401


def test_a_server_for_other_machines_without_a_token_is_refused() -> None:
    """Nothing is started where anybody could move the robot."""
    started: list[Graph] = []

    def make(graph: Graph) -> FakeRuntime:
        started.append(graph)
        return FakeRuntime(graph)

    config = point_arm("serve.host=0.0.0.0")
    with pytest.raises(ConfigError, match=r"anybody could move the robot"), _served(config, make):
        pass
    assert not started


def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    """The robot is not touched when nobody could reach it."""
    started: list[Graph] = []

    def make(graph: Graph) -> FakeRuntime:
        started.append(graph)
        return FakeRuntime(graph)

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        config = point_arm(f"serve.port={other.getsockname()[1]}")
        with pytest.raises(PortInUseError, match="is in use"), _served(config, make):
            pass
    assert not started


def test_an_address_of_another_machine_is_refused() -> None:
    """What cannot be listened on is told with the setting to change."""
    config = point_arm("serve.host=192.0.2.1", "serve.token=x")
    with pytest.raises(ConfigError, match=r"Cannot listen on 192\.0\.2\.1:0"):
        open_port(config.serve)


def test_a_robot_that_is_busy_leaves_nothing_behind() -> None:
    """A run that does not start frees the port again, and its error comes through."""
    runtimes: list[FakeRuntime] = []

    class Busy(FakeRuntime):
        def start(self) -> None:
            raise RobotBusyError(robot="arm", pid=42)

    def make(graph: Graph) -> FakeRuntime:
        runtimes.append(Busy(graph))
        return runtimes[0]

    with open_port(point_arm().serve) as free:
        port = free.getsockname()[1]
    config = point_arm(f"serve.port={port}")
    with pytest.raises(RobotBusyError, match="is driven by process 42"), _served(config, make):
        pass
    assert runtimes[0].stopped_because
    with open_port(config.serve):
        pass


def test_a_served_run_answers_over_a_real_socket_and_ends_with_the_block() -> None:
    """While the block lasts events come several times a second; after it, the port is free."""
    runtime = FakeRuntime()
    with _served(point_arm(), lambda graph: runtime) as address:
        with httpx.stream("GET", f"{address}/events", timeout=5) as events:
            lines = events.iter_lines()
            first = [next(lines) for _ in range(6)]
        assert [line[:16] for line in first[::2]] == ['data: {"stamp_ns'] * 3
        assert not runtime.stopped_because
    assert runtime.stopped_because
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/status")


def test_listeners_are_bounded_and_leave_room_when_they_go() -> None:
    """The server does not drown in listeners, and forgets those that hang up."""
    app = make_app(ServerState(FakeRuntime(), point_arm()), point_arm().serve)
    app.state.listeners = MOST_LISTENERS
    http = TestClient(app, base_url="http://127.0.0.1")
    assert http.get("/events").status_code == 503
    _end_events_at_once(app)
    app.state.listeners = MOST_LISTENERS - 1
    assert http.get("/events").status_code == 200
    assert app.state.listeners == MOST_LISTENERS - 1


def _end_events_at_once(app: FastAPI) -> None:
    app.state.is_closing = True


@contextlib.contextmanager
def _served(config: AgentConfig, make: Callable[[Graph], FakeRuntime]) -> Generator[str]:
    with serving(config, make_runtime=make, with_page=False) as served:
        yield served.address
