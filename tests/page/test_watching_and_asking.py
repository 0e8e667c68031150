"""A person at the page of a robot at work, in a real browser."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from visiting import READ_ONLY, ServedArm, wait_until_alive

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Visit = Callable[..., Page]
NUMBER = re.compile(r"[\d.]+")


def ask(page: Page, goal: str) -> None:
    """Give a goal through the page."""
    page.get_by_test_id("goal-input").fill(goal)
    page.get_by_test_id("goal-send").click()
    expect(page.get_by_test_id("goal-text")).to_have_text(goal)


def phase(page: Page) -> Any:
    """What the robot is doing, for `expect`."""
    return expect(page.get_by_test_id("phase"))


def test_a_goal_is_given_watched_to_its_end_and_looked_back_at(
    visit: Visit, arm: ServedArm
) -> None:
    """Subtasks, thoughts and the picture follow; afterwards a click into the timeline goes back."""
    page = visit(arm)
    ask(page, "reach both")
    expect(page.get_by_test_id("subtask-0")).to_have_attribute("data-state", "active")
    expect(page.get_by_test_id("caption")).to_contain_text("reach left")
    expect(page.get_by_test_id("thoughts")).to_contain_text("reach left")
    picture = page.get_by_test_id("camera-front").locator("img").first
    first = picture.get_attribute("src")
    expect(picture).not_to_have_attribute("src", str(first))
    phase(page).to_have_text("done")
    for number in range(3):
        expect(page.get_by_test_id(f"subtask-{number}")).to_have_attribute("data-state", "done")
    timeline = page.get_by_test_id("timeline-chart")
    expect(timeline.locator("svg")).to_be_visible()
    width = (timeline.bounding_box() or {"width": 0})["width"]
    timeline.click(position={"x": width * 0.6, "y": 30})
    expect(page.get_by_test_id("moment")).to_contain_text("Looking back")
    page.get_by_test_id("back-to-now").click()
    expect(page.get_by_test_id("moment")).to_contain_text("Now.")
    page.get_by_text("Goals before").click()
    expect(page.get_by_test_id("goal-history")).to_contain_text("reach both – done")


def test_a_goal_that_nobody_knows_is_told(visit: Visit, arm: ServedArm) -> None:
    """What the planner cannot plan for stands on the page with what it can."""
    page = visit(arm)
    ask(page, "reach <b>Mars</b>")
    phase(page).to_have_text("failed")
    expect(page.get_by_test_id("goal")).to_contain_text("reach left")


def test_a_robot_waits_and_goes_on(visit: Visit, arm: ServedArm) -> None:
    """Pause, hold and resume by their buttons; what is of no use is disabled, and the goal met."""
    page = visit(arm)
    buttons = {name: page.get_by_test_id(name) for name in ("pause", "hold", "resume")}
    ask(page, "reach right")
    expect(page.get_by_test_id("subtask-0")).to_have_attribute("data-state", "active")
    expect(buttons["resume"]).to_be_disabled()
    for name, mode in (("pause", "paused"), ("hold", "held")):
        buttons[name].click()
        expect(buttons["resume"]).to_be_enabled()
        expect(buttons["hold"]).to_be_disabled()
        assert arm.get("/status")["pause"]["mode"] == mode
        page.get_by_test_id("remark-input").fill(f"{mode}, mind the cup")
        page.get_by_test_id("remark-send").click()
        expect(page.get_by_test_id("remark-input")).to_have_value("")
        buttons["resume"].click()
        expect(buttons["resume"]).to_be_disabled()
        assert arm.get("/status")["pause"] is None
    phase(page).to_have_text("done")
    remarks = arm.get("/goals")["goals"][0]["remarks"]
    assert [each["text"] for each in remarks] == ["paused, mind the cup", "held, mind the cup"]


def test_the_button_stops_the_robot_until_it_is_released(visit: Visit, arm: ServedArm) -> None:
    """Stopped it says so on every open page and takes no goal; released it takes one."""
    page, other = visit(arm), visit(arm, width_px=390)
    ask(page, "reach both")
    page.get_by_test_id("estop").click()
    for each in (page, other):
        expect(each.get_by_test_id("alarm")).to_contain_text("pressed the button")
    assert arm.get("/status")["stop"]["latched"]
    page.get_by_test_id("goal-input").fill("reach left")
    page.get_by_test_id("goal-send").click()
    expect(page.get_by_test_id("goal")).to_contain_text("Release it first")
    other.get_by_test_id("release").click()
    expect(page.get_by_test_id("alarm")).to_be_hidden()
    ask(page, "reach left")
    phase(page).to_have_text("done")


def test_a_page_that_is_loaded_again_in_the_middle_shows_where_the_robot_is(
    visit: Visit, arm: ServedArm
) -> None:
    """The goal, its subtasks and the timeline of before are there again, and go on."""
    page = visit(arm)
    ask(page, "reach both")
    expect(page.get_by_test_id("subtask-0")).to_have_attribute("data-state", "done")
    page.reload()
    wait_until_alive(page)
    expect(page.get_by_test_id("goal-text")).to_have_text("reach both")
    expect(page.get_by_test_id("subtask-0")).to_have_attribute("data-state", "done")
    phase(page).to_have_text("done")


def test_whoever_may_only_watch_has_no_controls(visit: Visit, arm: ServedArm) -> None:
    """With the read-only token everything is shown and nothing can be asked for."""
    page = visit(arm, token=READ_ONLY)
    expect(page.get_by_test_id("watching")).to_contain_text("may not control")
    controls = ("estop", "goal-input", "goal-send", "remark-input", "pause", "hold", "resume")
    for name in controls:
        expect(page.get_by_test_id(name)).to_have_count(0)
    arm.post("/goals", text="reach left")
    expect(page.get_by_test_id("goal-text")).to_have_text("reach left")
    phase(page).to_have_text("done")
    arm.post("/stop", reason="a hand")
    expect(page.get_by_test_id("alarm")).to_contain_text("a hand")
    expect(page.get_by_test_id("release")).to_be_hidden()
    refused = page.request.post(f"{arm.address}/release", data={"release": True})
    assert refused.status == 403
    arm.post("/release", release=True)
    expect(page.get_by_test_id("alarm")).to_be_hidden()


def test_a_finished_run_is_scrubbed_through(visit: Visit, arm: ServedArm) -> None:
    """From the list to the run; by slider, keys and the timeline, each moment shows what was."""
    page = visit(arm, "/runs")
    recorded = page.locator("[data-testid^=run-]").filter(has_text="reach both").last
    recorded.get_by_role("link").click()
    page.wait_for_url("**/runs/2*")
    moment = page.get_by_test_id("moment")
    expect(moment).to_contain_text("/ ")
    page.get_by_test_id("scrubber").focus()
    page.keyboard.press("End")
    expect(page.get_by_test_id("subtask-2")).to_have_attribute("data-state", "done")
    page.keyboard.press("Home")
    expect(moment).to_contain_text("0.00 /")
    timeline = page.get_by_test_id("timeline-chart")
    width = (timeline.bounding_box() or {"width": 0})["width"]
    timeline.click(position={"x": width * 0.5, "y": 30})
    expect(page.get_by_test_id("subtask-0")).to_have_attribute("data-state", "done")
    expect(page.get_by_test_id("subtask-1")).to_have_attribute("data-state", "active")
    expect(page.get_by_test_id("why")).to_contain_text("reach both")
    found = NUMBER.search(moment.inner_text())
    assert found is not None
    expect(page).to_have_url(re.compile(rf"\?t={int(float(found.group()))}"))
    before = moment.inner_text()
    page.get_by_test_id("step-forward").click()
    expect(moment).not_to_have_text(before)


def test_a_run_that_is_not_there_is_told(visit: Visit, arm: ServedArm) -> None:
    """A wrong address is answered with a sentence, not with an error page."""
    page = visit(arm, "/runs")
    page.goto(f"{arm.address}/runs/20200101-000000")
    expect(page.get_by_test_id("trouble")).to_contain_text("20200101-000000")
