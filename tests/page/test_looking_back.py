"""Looking back at a run that goes on: by keys, and from there into its recording."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from visiting import ServedArm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Visit = Callable[..., Page]


def test_a_moment_of_now_is_looked_up_in_the_recording(visit: Visit, arm: ServedArm) -> None:
    """Without a mouse: some seconds back, then to the pictures of then, and why that was done."""
    arm.post("/goals", text="reach both")
    page = visit(arm)
    expect(page.get_by_test_id("phase")).to_have_text("done")
    page.get_by_test_id("step-back").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("moment")).to_contain_text("Looking back")
    page.get_by_test_id("recorded-then").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("why")).to_contain_text("reach both")
    expect(page).to_have_url(re.compile(r"/runs/[\d-]+\?t=\d"))
    expect(page.get_by_test_id("camera-front").locator("img").first).to_be_visible()
    expect(page.get_by_test_id("asked")).to_contain_text(re.compile(r"at [\d.]+ s"))
    reasons = page.get_by_test_id("why").get_by_role("button")
    moment = page.get_by_test_id("moment").inner_text()
    reasons.last.click()
    expect(page.get_by_test_id("moment")).not_to_have_text(moment)
