"""What browser tests share: the served arm as a program to start and stop, and a visitor of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from playwright.sync_api import Browser, ConsoleMessage, Page

from agent.server_guard import COOKIE

TOKEN, READ_ONLY = "secret", "look"
_PROGRAM = Path(__file__).parent / "served_arm.py"
_ROOT = Path(__file__).parents[2]
_START_LIMIT_S = 50
# What a page waits for at most [ms].
PATIENCE_MS = 45_000


class ServedArm:
    """The program `served_arm.py`, started with the block and ended with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def start(self) -> None:
        """Start it, on the port it had before if it had one."""
        port = self.address.rpartition(":")[2] or "0"
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), str(self.folder), port, TOKEN, READ_ONLY],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        if said[:1] != ["serving"]:
            self.end()
            raise AssertionError(f"the served arm said {said}; its errors stand above")
        self.address = said[1]

    def end(self) -> None:
        """End it, as by Ctrl-C."""
        process = self._process
        if process is None:
            return
        self._process = None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=_START_LIMIT_S)
        finally:
            process.kill()
            process.communicate()

    def hang_planner(self) -> None:
        """From now on its planner does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    def post(self, path: str, **body: Any) -> httpx.Response:
        """Ask for something, as a program."""
        known = {"authorization": f"Bearer {TOKEN}"}
        return httpx.post(f"{self.address}{path}", json=body, headers=known, timeout=20)

    def get(self, path: str) -> Any:
        """Look at something, as a program."""
        known = {"authorization": f"Bearer {TOKEN}"}
        return httpx.get(f"{self.address}{path}", headers=known, timeout=20).json()


class Visitor:
    """A browser of its own, with its cookies, that remembers what pages complained of."""

    def __init__(
        self, browser: Browser, *, size_px: tuple[int, int], dark: bool, may_complain: bool
    ) -> None:
        width, height = size_px
        self._context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        self._context.set_default_timeout(PATIENCE_MS)
        self._may_complain = may_complain
        self._complaints: list[str] = []

    def open(self, address: str, path: str, token: str) -> Page:
        """Open a page as somebody with this token, and wait until it is alive."""
        page = self._context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self._complaints.append(f"error: {error}"))
        # What opening the page with the token once leaves behind.
        if token:
            self._context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
        page.goto(f"{address}{path}")
        wait_until_alive(page)
        return page

    def close(self) -> list[str]:
        """End it; what pages complained of, unless they might."""
        self._context.close()
        return [] if self._may_complain else self._complaints

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(f"{message.type}: {message.text}")


def wait_until_alive(page: Page) -> None:
    """Until the page is drawn and its connection to the server stands."""
    page.locator("main").wait_for()
    page.wait_for_function("() => window.did_handshake")
