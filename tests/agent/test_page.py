from collections.abc import Generator

import httpx
import pytest
from serving_fakes import FakeRuntime, latent, loop_status, observation, planning, point_arm

from agent.serve import serving
from bridge.messages import Goal, SubtaskState


@pytest.fixture(scope="module")
def address() -> Generator[str]:
    """A served page of a robot at work; one for all, since a process can show only one."""
    run = FakeRuntime()

    def play(goal: Goal) -> None:
        run.publish("planning", planning(goal, "acting", SubtaskState.DONE, SubtaskState.ACTIVE))

    run.on_goal = play
    run.publish("loop_status", loop_status())
    run.publish("latent", latent(1.25, run))
    run.publish("observation", observation())
    with serving(point_arm("serve.token=secret"), make_runtime=lambda graph: run) as served:
        yield served.address


def test_the_page_needs_the_token_like_everything_else(address: str) -> None:
    """Without the token not even the page's own files are shown; a browser opens it once."""
    assert httpx.get(f"{address}/").status_code == 401
    assert httpx.get(f"{address}/_nicegui/").status_code == 401
    with httpx.Client(follow_redirects=True) as browser:
        assert "Tandem · point_arm" in browser.get(f"{address}/?token=secret").text
        assert "Tandem · point_arm" in browser.get(f"{address}/").text


def test_one_port_answers_browsers_and_programs(address: str) -> None:
    """The page leaves the interface as it is."""
    known = {"authorization": "Bearer secret"}
    assert httpx.get(f"{address}/status", headers=known).json()["robot"] == "point_arm"
    assert "tandem_loop_ticks_total" in httpx.get(f"{address}/metrics", headers=known).text
    assert httpx.get(f"{address}/healthz").status_code == 200
