"""A page whose server goes away, or whose planner hangs."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from visiting import PATIENCE_MS, ServedArm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Visit = Callable[..., Page]


def test_a_lost_connection_is_told_and_regained(own_arm: ServedArm, visit: Visit) -> None:
    """The server goes and comes back: the page says so, and then goes on by itself."""
    # The browser itself complains of each address that does not answer.
    page = visit(own_arm, may_complain=True)
    own_arm.end()
    expect(page.locator("#popup")).to_be_visible()
    page.get_by_test_id("estop").click()
    expect(page.get_by_text("NOT stopped")).to_be_visible()
    own_arm.start()
    expect(page.locator("#popup")).to_be_hidden(timeout=2 * PATIENCE_MS)
    own_arm.post("/goals", text="reach left")
    expect(page.get_by_test_id("goal-text")).to_have_text("reach left")
    expect(page.get_by_test_id("phase")).to_have_text("done")


def test_the_button_works_beside_a_planner_that_hangs(own_arm: ServedArm, visit: Visit) -> None:
    """No planner is needed to stop: the button is answered, and the robot is held."""
    page = visit(own_arm)
    page.get_by_test_id("goal-input").fill("reach both")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("subtask-0")).to_have_attribute("data-state", "active")
    own_arm.hang_planner()
    page.get_by_test_id("estop").click()
    expect(page.get_by_test_id("alarm")).to_contain_text("pressed the button")
    expect(page.get_by_test_id("figures")).to_contain_text("stopped")
    assert own_arm.get("/status")["loop"]["last_decision"] == "stopped"
