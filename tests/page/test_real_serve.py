"""The page before a real run: `agent serve` with a process for each node."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from visiting import Visitor

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(240)]

_ROOT = Path(__file__).parents[2]
_SETTINGS = ("fast_brain.policy=straight_line", "recording.enabled=false")


@pytest.fixture
def address() -> Generator[str]:
    """`agent serve` at work, ended as by Ctrl-C."""
    options = [word for setting in _SETTINGS for word in ("--set", setting)]
    with subprocess.Popen(
        [
            sys.executable, "-m", "agent.cli", "serve",
            "--preset", "point_arm", "--port", "0", *options,
        ],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as program:  # fmt: skip
        try:
            yield next(line.split()[-1] for line in program.stdout or () if "interface" in line)
        finally:
            program.send_signal(signal.SIGINT)
            program.communicate(timeout=60)


def test_the_button_stops_a_real_robot_whose_planner_is_stopped(
    address: str, browser: Browser
) -> None:
    """With the planner's process stopped the button holds the robot; then all goes on."""
    visitor = Visitor(browser, size_px=(1280, 800), dark=False, may_complain=False)
    page = visitor.open(address, "/", "")
    ask(page, "reach both")
    until(address, lambda status: status["loop"]["last_decision"] == "command")
    planner = httpx.get(f"{address}/status").json()["health"]["planner"]["pid"]
    os.kill(planner, signal.SIGSTOP)
    try:
        page.get_by_test_id("estop").click()
        expect(page.get_by_test_id("alarm")).to_contain_text("pressed the button")
        until(address, lambda status: status["loop"]["last_decision"] == "stopped")
        assert httpx.get(f"{address}/status").json()["stop"]["latched"]
    finally:
        os.kill(planner, signal.SIGCONT)
    page.get_by_test_id("release").click()
    expect(page.get_by_test_id("alarm")).to_be_hidden()
    ask(page, "reach right")
    expect(page.get_by_test_id("phase")).to_have_text("done")
    assert visitor.close() == []


def ask(page: Page, goal: str) -> None:
    """Give a goal through the page."""
    page.get_by_test_id("goal-input").fill(goal)
    page.get_by_test_id("goal-send").click()
    expect(page.get_by_test_id("goal-text")).to_have_text(goal)


def until(address: str, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Watch the statuses as they come until something holds; they say nothing for 20 s at most."""
    with httpx.stream("GET", f"{address}/events", timeout=20) as events:
        for line in events.iter_lines():
            if line.startswith("data: ") and holds(json.loads(line[6:])):
                return
    pytest.fail("the server has ended the connection")
