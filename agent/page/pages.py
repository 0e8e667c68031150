"""Puts the pages into a server's app: the live run, the list of recorded ones, and each of them."""

from typing import Annotated, cast

from fastapi import FastAPI, Query, Request, Response
from nicegui import ui

from agent.page.feed import Feed
from agent.page.frame import frame
from agent.page.live_page import LivePage
from agent.page.panels import panel
from agent.page.recorded_page import RecordedPage
from agent.page.runs_page import show_runs
from agent.page.shelf import Shelf, beside
from agent.page_hub import Hub
from agent.server_guard import Role
from agent.server_state import ServerState
from bridge.errors import TandemError

# Of a browser that cannot keep up; what it missed it gets by loading the page again.
_MOST_MESSAGES = 200
# A browser may be gone for so long and goes on where it was; also for how long one may be silent on
# a busy machine before its connection is taken for lost [s].
_LOST_FOR_S = 20.0
_IMAGE_CACHE = "private, max-age=31536000, immutable"


def add_page(app: FastAPI) -> None:
    """Show the pages of an app that `make_app` made; everything else stays as it is.

    Only once a process: the library has one set of pages, and cannot add to it once it is served.
    """
    state: ServerState = app.state.tandem
    hub: Hub = app.state.hub
    feed, shelf = Feed(state), Shelf(state.config.recording.folder)
    hub.tell(feed.take)
    _add_pictures(app, shelf)
    _add_live(state, hub, feed)
    _add_recorded(shelf)
    ui.run_with(  # pyright: ignore[reportUnknownMemberType]  # Typed in part by the library.
        app,
        title=f"Tandem · {state.config.robot.kind}",
        dark=None,
        language="en-US",
        reconnect_timeout=_LOST_FOR_S,
        message_history_length=_MOST_MESSAGES,
        show_welcome_message=False,
    )


def _add_live(state: ServerState, hub: Hub, feed: Feed) -> None:
    @ui.page("/")
    def show(request: Request) -> None:  # pyright: ignore[reportUnusedFunction]  # By the library.
        feed.take(hub.snapshot())
        LivePage(state, feed, _role(request))


def _add_recorded(shelf: Shelf) -> None:
    @ui.page("/runs", response_timeout=60.0)
    async def show_all(request: Request) -> None:  # pyright: ignore[reportUnusedFunction]  # As above.
        await show_runs(shelf, _role(request))

    @ui.page("/runs/{run_id}", response_timeout=60.0)
    async def show_one(  # pyright: ignore[reportUnusedFunction]  # As above.
        request: Request,
        run_id: str,
        t: Annotated[float, Query()] = 0.0,
        stamp_ns: Annotated[int | None, Query()] = None,
    ) -> None:
        role = _role(request)
        try:
            recording = await shelf.recording(run_id)
            time_s = t if stamp_ns is None else recording.time_of(stamp_ns)
        except TandemError as error:
            with frame(run_id, "/runs", role), panel("Run", "run"):
                ui.label(str(error)).classes("state-failed wrap").props('data-testid="trouble"')
            return
        RecordedPage(recording, role, time_s)


def _add_pictures(app: FastAPI, shelf: Shelf) -> None:
    @app.get("/runs/{run_id}/pictures/{name}")
    async def get_picture(run_id: str, name: str) -> Response:  # pyright: ignore[reportUnusedFunction]  # By the app.
        from agent.tracing.pictures import picture_bytes

        recording = await shelf.recording(run_id)
        data, form = await beside(picture_bytes, recording.run, name)
        return Response(data, media_type=f"image/{form}", headers={"Cache-Control": _IMAGE_CACHE})


def _role(request: Request) -> Role:
    """What the visitor may do, as the guard before the app has found out."""
    return cast("Role", request.state.role)
