"""What pages look like: nothing overlaps, everything has a name, and the keyboard is enough."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect
from visiting import ServedArm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Visit = Callable[..., Page]
WIDTHS_PX = (390, 1280, 1920)
PLACES = ("/", "/runs", "run")
# Roles of what can be operated and of pictures, as a screen reader is told of them.
NAMED = {
    "button", "textbox", "slider", "link", "checkbox", "combobox", "DisclosureTriangle", "switch",
    "image", "img",
}  # fmt: skip
_BOXES = """(selector) => [...document.querySelectorAll(selector)]
  .filter((element) => element.checkVisibility({visibilityProperty: true}))
  .map((element) => [element, element.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && box.height > 0)
  .map(([element, box]) => ({
    name: element.dataset.testid || element.getAttribute('aria-label') || element.innerText,
    left: box.left, right: box.right, top: box.top + scrollY, bottom: box.bottom + scrollY}))"""
_BUTTONS = "button, input:not([type=range]), a, .q-slider, [role=button]"


def open_place(visit: Visit, arm: ServedArm, place: str, **options: Any) -> Page:
    """A page with something on it: a goal under way, a list, or a moment of a run."""
    if place == "/":
        arm.post("/goals", text="reach both")
    page = visit(arm, "/runs" if place == "run" else place, **options)
    if place == "/":
        expect(page.get_by_test_id("subtask-0")).to_be_visible()
        expect(page.get_by_test_id("timeline-chart").locator("svg")).to_be_visible()
    if place == "run":
        recorded = page.locator("[data-testid^=run-]").filter(has_text="reach both").last
        run_id = str(recorded.get_attribute("data-testid")).removeprefix("run-")
        page.goto(f"{arm.address}/runs/{run_id}?t=6")
        expect(page.get_by_test_id("subtask-0")).to_have_attribute("data-state", "done")
        expect(page.get_by_test_id("why")).to_contain_text("reach both")
    return page


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_nothing_overlaps(
    visit: Visit, arm: ServedArm, tmp_path: Path, width_px: int, place: str
) -> None:
    """Panels and what can be pressed have their own room, and nothing is cut off at the side."""
    page = open_place(visit, arm, place, width_px=width_px, dark=width_px == 1280)
    page.screenshot(path=tmp_path / f"{place.strip('/') or 'live'}_{width_px}.png", full_page=True)
    for selector in (".panel", _BUTTONS):
        boxes = page.evaluate(_BOXES, selector)
        assert boxes
        assert overlapping(boxes) == []
        assert [box["name"] for box in boxes if box["right"] > width_px + 0.5] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px


@pytest.mark.parametrize("place", PLACES)
def test_everything_that_can_be_operated_has_a_name(
    visit: Visit, arm: ServedArm, place: str
) -> None:
    """A screen reader says what each button, line and slider is for, and each picture shows."""
    page = open_place(visit, arm, place)
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    told = [node for node in nodes if _role(node) in NAMED and not node["ignored"]]
    assert len(told) > 3
    pictures = {node["nodeId"] for node in nodes if _role(node) in ("img", "image") and _name(node)}
    # What a named picture is made of is not told apart.
    nameless = [node for node in told if not _name(node) and not pictures & _ancestors(node, nodes)]
    assert [_markup(session, node) for node in nameless] == []
    assert page.locator("main").count() == 1
    assert page.locator("h1, h2").count() > 0


@pytest.mark.parametrize("place", PLACES)
def test_the_keyboard_reaches_the_stop(visit: Visit, arm: ServedArm, place: str) -> None:
    """From the top of each page a few presses of Tab lead to the stop, and Enter presses it."""
    page = open_place(visit, arm, place)
    passed: list[str] = []
    while (here := _focused(page)) != "estop":
        passed.append(here)
        assert len(passed) < 8, passed
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("async () => (await (await fetch('/status')).json()).stop !== null")
    assert arm.post("/release", release=True).status_code == 202


def overlapping(boxes: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """The pairs of which neither contains the other, but that share more than a pixel."""
    return [
        (one["name"], other["name"])
        for one, other in combinations(boxes, 2)
        if _shares(one, other) and not (_contains(one, other) or _contains(other, one))
    ]


def _shares(one: dict[str, Any], other: dict[str, Any]) -> bool:
    width = min(one["right"], other["right"]) - max(one["left"], other["left"])
    height = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return width > 1 and height > 1


def _contains(outer: dict[str, Any], inner: dict[str, Any]) -> bool:
    is_wide = outer["left"] <= inner["left"] + 1 and inner["right"] <= outer["right"] + 1
    return is_wide and outer["top"] <= inner["top"] + 1 and inner["bottom"] <= outer["bottom"] + 1


def _role(node: dict[str, Any]) -> str:
    return node.get("role", {}).get("value", "")


def _name(node: dict[str, Any]) -> str:
    return node.get("name", {}).get("value", "").strip()


def _ancestors(node: dict[str, Any], nodes: list[dict[str, Any]]) -> set[str]:
    parents = {each["nodeId"]: each.get("parentId", "") for each in nodes}
    found: set[str] = set()
    here = parents[node["nodeId"]]
    while here:
        found.add(here)
        here = parents[here]
    return found


def _markup(session: CDPSession, node: dict[str, Any]) -> str:
    """Where a node comes from, for whoever has to mend it."""
    found = session.send("DOM.getOuterHTML", {"backendNodeId": node["backendDOMNodeId"]})
    return found["outerHTML"][:200]


def _focused(page: Page) -> str:
    return page.evaluate("document.activeElement.dataset.testid || document.activeElement.tagName")
