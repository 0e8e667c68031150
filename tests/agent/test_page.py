import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from serving_fakes import FakeRuntime, latent, loop_status, observation, planning, point_arm

from agent.serve import serving
from bridge.messages import Goal, SubtaskState

_CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


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


@pytest.mark.slow
@pytest.mark.skipif(_CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_draws_what_the_robot_does(address: str, tmp_path: Path) -> None:
    """In a real browser: subtasks with states, thoughts, figures, a picture, and no markup."""
    known = {"authorization": "Bearer secret"}
    httpx.post(f"{address}/goals", json={"text": "tidy <b>up</b>"}, headers=known)
    drawn = _drawn(f"{address}/?token=secret", tmp_path)
    for wanted in ("close the drawer", "active", "open the drawer; close", "1.2 s", "100 Hz"):
        assert wanted in drawn
    assert "tidy &lt;b&gt;up&lt;/b&gt;" in drawn
    assert re.search(r"/camera/front\.jpg\?\d+", drawn)


def _drawn(address: str, profile: Path) -> str:
    """The page as a browser has made it, after some seconds."""
    assert _CHROMIUM is not None
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    where = [f"--user-data-dir={profile}", "--virtual-time-budget=6000", address]
    done = subprocess.run(
        [_CHROMIUM, *flags, *where], capture_output=True, text=True, check=True, timeout=50
    )
    return done.stdout
