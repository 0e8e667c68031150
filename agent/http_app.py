"""The HTTP door: goals, pauses and stops in; status, events, pictures and metrics out."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, ConfigDict, Field

from agent.config import ServeConfig
from agent.metrics import RunCollector
from agent.page_hub import FORMATS, Hub
from agent.server_guard import ServerGuard
from agent.server_state import LONGEST_GOAL, ServerState
from bridge.errors import (
    ConfigError,
    RuntimeStopped,
    TandemError,
    UnknownGoalError,
    UnknownNameError,
)

MOST_LISTENERS = 32
_STATUS_CODES: tuple[tuple[type[TandemError], int], ...] = (
    (UnknownGoalError, 422),
    (UnknownNameError, 404),
    (ConfigError, 409),
    (RuntimeStopped, 409),
)


class GoalBody(BaseModel):
    """What is posted to `/goals`."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=LONGEST_GOAL)
    source: str = Field(default="http", max_length=40)


class RemarkBody(BaseModel):
    """What is posted to `/remarks`."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    text: str = Field(min_length=1, max_length=LONGEST_GOAL)
    source: str = Field(default="http", max_length=40)


class StopBody(BaseModel):
    """What may be posted to `/stop`."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="a person asked for it", max_length=200)


class WaitBody(BaseModel):
    """What may be posted to `/pause`, `/hold` and `/resume`."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=200)


class ReleaseBody(BaseModel):
    """What must be posted to `/release`: a stopped robot must not move by an empty request."""

    model_config = ConfigDict(extra="forbid")

    release: bool


def make_app(state: ServerState, settings: ServeConfig) -> FastAPI:
    """The app, without the page."""
    app = FastAPI(
        title="Tandem", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_beating
    )
    app.state.tandem = state
    app.state.hub = Hub(state)
    app.state.listeners = 0
    app.state.is_closing = False
    app.include_router(_ROUTES)
    app.add_exception_handler(TandemError, _tell)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_middleware(ServerGuard, settings=settings)
    return app


@contextlib.asynccontextmanager
async def _beating(app: FastAPI) -> AsyncGenerator[None]:
    """Keep the hub's beat for as long as the app is served."""
    async with asyncio.TaskGroup() as group:
        beat = group.create_task(app.state.hub.run(), name="agent.hub")
        yield
        beat.cancel()


def _state(request: Request) -> ServerState:
    return cast("ServerState", request.app.state.tandem)


def _hub(request: Request) -> Hub:
    return cast("Hub", request.app.state.hub)


State = Annotated[ServerState, Depends(_state)]
SharedHub = Annotated[Hub, Depends(_hub)]
_ROUTES = APIRouter()


@_ROUTES.post("/goals", status_code=202)
async def post_goal(body: GoalBody, state: State) -> dict[str, str]:
    """Take a goal, in place of the one there is."""
    goal = state.submit(body.text, body.source)
    return {"id": goal.id, "text": goal.text}


@_ROUTES.post("/remarks", status_code=202)
async def post_remark(body: RemarkBody, state: State) -> dict[str, str]:
    """Take a remark on the goal under way; what is done stays done."""
    remark = state.remark(body.text, body.source)
    return {"id": remark.id, "text": remark.text}


@_ROUTES.post("/stop", status_code=202)
async def post_stop(state: State, body: StopBody | None = None) -> dict[str, Any]:
    """Stop the robot until it is released."""
    request = state.stop((body or StopBody()).reason, "http")
    return {"stopped": True, "reason": request.reason}


@_ROUTES.post("/release", status_code=202)
async def post_release(body: ReleaseBody, state: State) -> dict[str, Any]:
    """Release a stop; only with `{"release": true}`."""
    if not body.release:
        raise ConfigError('Nothing was released: send {"release": true}.')
    state.release("http")
    return {"stopped": False}


@_ROUTES.post("/pause", status_code=202)
async def post_pause(state: State, body: WaitBody | None = None) -> dict[str, str]:
    """Let the robot wait where it is, and the planner with it."""
    return {"mode": state.pause("http", (body or WaitBody()).reason).mode}


@_ROUTES.post("/hold", status_code=202)
async def post_hold(state: State, body: WaitBody | None = None) -> dict[str, str]:
    """Let the robot wait where it is while the planner goes on thinking."""
    return {"mode": state.hold("http", (body or WaitBody()).reason).mode}


@_ROUTES.post("/resume", status_code=202)
async def post_resume(state: State, body: WaitBody | None = None) -> dict[str, str]:
    """Let the robot go on after a pause or a hold; releases no stop."""
    return {"mode": state.resume("http", (body or WaitBody()).reason).mode}


@_ROUTES.get("/goals")
async def get_goals(state: State) -> dict[str, Any]:
    """The goals of this run and what became of them, the newest first."""
    return {"goals": msgspec.to_builtins(state.goal_history())}


@_ROUTES.get("/status")
async def get_status(state: State) -> JSONResponse:
    """Everything at once."""
    return JSONResponse(state.status())


@_ROUTES.get("/healthz")
async def get_health(state: State) -> JSONResponse:
    """Whether all is well: 200, or 503."""
    is_well = state.is_well()
    return JSONResponse({"well": is_well}, status_code=200 if is_well else 503)


@_ROUTES.get("/camera/{name}.{kind}")
async def get_camera(name: str, kind: str, hub: SharedHub) -> Response:
    """The newest picture of a camera, as PNG or JPEG."""
    return Response(
        await hub.picture(name, kind),
        media_type=f"image/{FORMATS[kind].lower()}",
        headers={"Cache-Control": "no-store"},
    )


@_ROUTES.get("/metrics")
async def get_metrics(state: State) -> Response:
    """Figures for Prometheus."""
    registry = CollectorRegistry()
    registry.register(RunCollector(state))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@_ROUTES.get("/events")
async def get_events(request: Request, hub: SharedHub) -> Response:
    """The status several times a second, as server-sent events; at most 32 listeners."""
    if request.app.state.listeners >= MOST_LISTENERS:
        return JSONResponse(
            {"error": "Busy", "message": f"{MOST_LISTENERS} listen already."}, status_code=503
        )
    return StreamingResponse(
        _events(request, hub),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(request: Request, hub: Hub) -> AsyncIterator[bytes]:
    """The newest status at each beat: a slow listener misses some, and never gets old ones."""
    app = request.app.state
    app.listeners += 1
    try:
        async with contextlib.aclosing(hub.subscribe()) as snapshots:
            async for snapshot in snapshots:
                if app.is_closing:
                    return
                yield b"data: %b\n\n" % snapshot.encoded
    finally:
        app.listeners -= 1


async def _tell(request: Request, error: Exception) -> JSONResponse:
    """Our own errors in words, with a status code for programs."""
    del request
    code = next((code for kind, code in _STATUS_CODES if isinstance(error, kind)), 500)
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status_code=code)


async def _tell_invalid(request: Request, error: Exception) -> JSONResponse:
    """A body that is not as it should be, in the same form as our own errors."""
    del request
    found = cast("RequestValidationError", error).errors()
    where = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
    return JSONResponse({"error": "InvalidRequest", "message": where}, status_code=422)
