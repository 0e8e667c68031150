"""Who may talk to the server, and what they may do: tokens, no foreign page, no endless bodies."""

import hmac
import ipaddress
from enum import StrEnum
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.config import ServeConfig
from bridge.errors import ConfigError

COOKIE = "tandem_token"
# By which a page that only watches talks to its browser; what it may ask is the page's business.
_PAGE_CHANNEL = "/_nicegui_ws/"
_WATCHING = frozenset({"GET", "HEAD"})
# Asked by load balancers and scripts that watch; says nothing but well or not.
_OPEN_PATHS = frozenset({"/healthz"})
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
_POLICY_VIOLATION = 1008


class Role(StrEnum):
    """What whoever asks may do; a request says it as `request.state.role`."""

    CONTROL = "control"
    WATCH = "watch"


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: ServeConfig) -> None:
    """Refuse to be reachable from other machines without a token.

    Raises:
        ConfigError: Says which two settings do not go together.
    """
    if not is_loopback(settings.host) and not settings.token:
        raise ConfigError(
            f"serve.host is {settings.host}, which other machines can reach, and serve.token is "
            "empty: anybody could move the robot. Set serve.token, or leave serve.host alone."
        )
    if settings.read_only_token and settings.read_only_token == settings.token:
        raise ConfigError(
            "serve.read_only_token is the same as serve.token: whoever may watch could move the "
            "robot. Make them two."
        )
    if settings.read_only_token and not settings.token:
        raise ConfigError(
            "serve.read_only_token is set and serve.token is empty: whoever comes without a token "
            "could do more than who has one. Set both."
        )


class ServerGuard:
    """Stands before the app, for HTTP and web sockets alike.

    With a token, a request needs `Authorization: Bearer TOKEN` or the cookie that opening
    `/?token=TOKEN` once sets. With the read-only token everything can be watched, and nothing asked
    for. On loopback without a token, only requests that name this machine are let in, so that a web
    page elsewhere cannot reach the robot through the browser.
    """

    def __init__(self, app: ASGIApp, *, settings: ServeConfig) -> None:
        self._app = app
        tokens = {settings.token: Role.CONTROL, settings.read_only_token: Role.WATCH}
        self._tokens = {token: role for token, role in tokens.items() if token}
        self._limit = settings.max_request_bytes
        self._is_local = is_loopback(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] not in _OPEN_PATHS:
            if offered := self._offered_token(scope):
                await _remember(offered)(scope, receive, send)
                return
            role = self._role(headers)
            refusal = self._refusal(headers, role) or _beyond(role, scope)
            if refusal:
                await _refuse(scope, receive, send, *refusal)
                return
            scope.setdefault("state", {})["role"] = role
        limited = receive if scope["type"] == "websocket" else _limit(receive, self._limit)
        await self._app(scope, limited, send)

    def _refusal(self, headers: Headers, role: Role | None) -> tuple[int, str] | None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if not self._tokens and self._is_local and host not in _LOCAL_NAMES:
            return 403, f"This server answers to this machine's own names, not to {host!r}."
        origin = headers.get("origin")
        if origin and urlsplit(origin).netloc != headers.get("host"):
            return 403, f"A page of {origin} may not talk to this robot."
        if role is None:
            return 401, "A token is needed: Authorization: Bearer TOKEN, or open /?token=TOKEN."
        if int(headers.get("content-length") or 0) > self._limit:
            return 413, f"The request is larger than {self._limit} bytes."
        return None

    def _role(self, headers: Headers) -> Role | None:
        """What the request's token allows; None for one that is missing or wrong."""
        if not self._tokens:
            return Role.CONTROL
        scheme, _, token = headers.get("authorization", "").partition(" ")
        role = self._role_of(token) if scheme.lower() == "bearer" else None
        if role is not None:
            return role
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return None
        return None if cookie is None else self._role_of(cookie.value)

    def _offered_token(self, scope: Scope) -> str:
        """The token in the address of the page, if it is one of ours."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            return ""
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return next((token for token in offered if self._role_of(token) is not None), "")

    def _role_of(self, offered: str) -> Role | None:
        # In constant time: how long it takes must not tell how much of it was right.
        roles = [
            role
            for token, role in self._tokens.items()
            if hmac.compare_digest(offered.encode(), token.encode())
        ]
        return roles[0] if roles else None


def _beyond(role: Role | None, scope: Scope) -> tuple[int, str] | None:
    """Refuse whoever may only watch what is not watching."""
    if role is not Role.WATCH or scope["type"] == "websocket" or scope["method"] in _WATCHING:
        return None
    if scope["path"].startswith(_PAGE_CHANNEL):
        return None
    return 403, (
        f"Your token may watch and not control, so {scope['method']} {scope['path']} is refused. "
        "Whoever started the server has another one, serve.token."
    )


def _remember(token: str) -> RedirectResponse:
    """Put the token into a cookie and out of the address, which browsers keep and show."""
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
    return response


async def _refuse(scope: Scope, receive: Receive, send: Send, code: int, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": why})
        return
    await JSONResponse({"error": "Refused", "message": why}, code)(scope, receive, send)


def _limit(receive: Receive, limit: int) -> Receive:
    """Cut a body that did not say how long it is: it then reads as if the caller had gone."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > limit else message

    return limited
