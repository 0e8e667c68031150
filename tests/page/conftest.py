"""A served arm in a process of its own, and a real browser to look at it with."""

import shutil
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from visiting import PATIENCE_MS, TOKEN, ServedArm, Visitor

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
_HEIGHTS_PX = {390: 844, 1280: 800, 1920: 1080}


@pytest.fixture(scope="session")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServedArm]:
    """An arm that all tests share; each leaves it released, going on, and with its goal met."""
    with ServedArm(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def own_arm(tmp_path: Path) -> Generator[ServedArm]:
    """An arm for a test that breaks it; named before `visit`, so that its visitors leave first."""
    with ServedArm(tmp_path) as served:
        yield served


# Of a module, not of the session: while it is open, no other test can have an event loop.
@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """Headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium, or .ci/browser")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser) -> Generator[Callable[..., Page]]:
    """Open a page as a new visitor; what the page complains of in its console fails the test."""
    visitors: list[Visitor] = []

    def open_page(
        served: ServedArm,
        path: str = "/",
        *,
        width_px: int = 1280,
        token: str = TOKEN,
        dark: bool = False,
        may_complain: bool = False,
    ) -> Page:
        visitor = Visitor(
            browser,
            size_px=(width_px, _HEIGHTS_PX.get(width_px, 800)),
            dark=dark,
            may_complain=may_complain,
        )
        visitors.append(visitor)
        return visitor.open(served.address, path, token)

    yield open_page
    complaints = [said for visitor in visitors for said in visitor.close()]
    assert not complaints
