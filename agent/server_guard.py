"""Who may talk to the server: a token off loopback, no foreign web page, no endless bodies."""

import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.config import ServeConfig
from bridge.errors import ConfigError

COOKIE = "tandem_token"
# Asked by load balancers and scripts that watch; says nothing but well or not.
_OPEN_PATHS = frozenset({"/healthz"})
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
_POLICY_VIOLATION = 1008


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


class ServerGuard:
    """Stands before the app, for HTTP and web sockets alike.

    With a token, a request needs `Authorization: Bearer TOKEN` or the cookie that opening
    `/?token=TOKEN` once sets. On loopback without one, only requests that name this machine are
    let in, so that a web page elsewhere cannot reach the robot through the browser.
    """

    def __init__(self, app: ASGIApp, *, settings: ServeConfig) -> None:
        self._app = app
        self._token = settings.token
        self._limit = settings.max_request_bytes
        self._is_local = is_loopback(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] not in _OPEN_PATHS:
            if self._token and self._offers_token(scope):
                await _remember(self._token)(scope, receive, send)
                return
            refusal = self._refusal(headers)
            if refusal:
                await _refuse(scope, receive, send, *refusal)
                return
        limited = receive if scope["type"] == "websocket" else _limit(receive, self._limit)
        await self._app(scope, limited, send)

    def _refusal(self, headers: Headers) -> tuple[int, str] | None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if not self._token and self._is_local and host not in _LOCAL_NAMES:
            return 403, f"This server answers to this machine's own names, not to {host!r}."
        origin = headers.get("origin")
        if origin and urlsplit(origin).netloc != headers.get("host"):
            return 403, f"A page of {origin} may not talk to this robot."
        if self._token and not self._knows_token(headers):
            return 401, "A token is needed: Authorization: Bearer TOKEN, or open /?token=TOKEN."
        if int(headers.get("content-length") or 0) > self._limit:
            return 413, f"The request is larger than {self._limit} bytes."
        return None

    def _knows_token(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(token):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _offers_token(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            return False
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return any(self._is_token(token) for token in offered)

    def _is_token(self, token: str) -> bool:
        # In constant time: how long it takes must not tell how much of it was right.
        return hmac.compare_digest(token.encode(), self._token.encode())


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
