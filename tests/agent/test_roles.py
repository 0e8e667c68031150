"""Who may control, and who may only watch."""

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from serving_fakes import FakeRuntime, observation, scene

from agent.http_app import make_app
from agent.server_guard import check_exposure
from agent.server_state import ServerState
from bridge.errors import ConfigError

TOKENS = ("serve.token=secret", "serve.read_only_token=look")
VERBS = {
    "/goals": {"text": "open the drawer"},
    "/remarks": {"text": "faster"},
    "/stop": {},
    "/release": {"release": True},
    "/pause": {},
    "/hold": {},
    "/resume": {},
}


@pytest.fixture
def run() -> FakeRuntime:
    """A run that has started."""
    runtime = FakeRuntime()
    runtime.start()
    runtime.publish("observation", observation())
    return runtime


@pytest.fixture
def served(run: FakeRuntime) -> FastAPI:
    """An app with two tokens, which tells each what it may."""
    config = scene(*TOKENS)
    app = make_app(ServerState(run, config), config.serve)

    @app.get("/role")
    def tell(request: Request) -> str:  # pyright: ignore[reportUnusedFunction]  # Called by the app.
        return request.state.role

    return app


def browser(app: FastAPI, token: str = "") -> TestClient:
    """Somebody with this token, as from this machine."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return TestClient(app, base_url="http://127.0.0.1:8642", headers=headers)


@pytest.mark.parametrize("path", VERBS)
def test_whoever_may_watch_may_not_control(served: FastAPI, run: FakeRuntime, path: str) -> None:
    """Each verb is refused with a sentence that says what would help, and moves nothing."""
    answer = browser(served, "look").post(path, json=VERBS[path])
    assert answer.status_code == 403
    assert answer.json() == {
        "error": "Refused",
        "message": f"Your token may watch and not control, so POST {path} is refused. "
        "Whoever started the server has another one, serve.token.",
    }
    assert not {"goal", "remark", "stop", "pause"} & set(run.mail)


@pytest.mark.parametrize("path", ["/status", "/goals", "/camera/front.png", "/metrics", "/healthz"])
def test_whoever_may_watch_sees_everything(served: FastAPI, path: str) -> None:
    """Watching needs no more than the read-only token; without any there is nothing to see."""
    assert browser(served, "look").get(path).status_code == 200
    if path != "/healthz":
        assert browser(served).get(path).status_code == 401


@pytest.mark.parametrize(("token", "role"), [("look", "watch"), ("secret", "control")])
def test_the_page_is_told_what_its_visitor_may(served: FastAPI, token: str, role: str) -> None:
    """By header, and by the cookie that opening the page once leaves: each has their own."""
    assert browser(served, token).get("/role").json() == role
    visitor = browser(served)
    opened = visitor.get(f"/?token={token}", follow_redirects=False)
    assert opened.status_code == 303
    assert visitor.get("/role").json() == role
    assert visitor.post("/stop").status_code == (202 if role == "control" else 403)


def test_without_tokens_this_machine_may_control(run: FakeRuntime) -> None:
    """On loopback without a token whoever is on this machine may do everything."""
    app = make_app(ServerState(run, scene()), scene().serve)
    assert browser(app).post("/stop").status_code == 202


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("serve.read_only_token=look",), "could do more than who has one"),
        (("serve.token=x", "serve.read_only_token=x"), "whoever may watch could move the robot"),
    ],
)
def test_tokens_that_protect_nothing_are_refused(overrides: tuple[str, ...], said: str) -> None:
    """A second token that gives no less, or the only one that gives less, is a mistake."""
    with pytest.raises(ConfigError, match=said):
        check_exposure(scene(*overrides).serve)
