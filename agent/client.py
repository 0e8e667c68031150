"""Talks to a served run, for the command line and for scripts."""

import json
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Any

import httpx

from bridge.errors import ConfigError, RuntimeStopped, TandemError, TransportError

DEFAULT_URL = "http://127.0.0.1:8642"
_CONNECT_LIMIT_S = 5.0
# The server sends at least five events a second; a busy machine may be slow for a while.
_SILENCE_LIMIT_S = 20.0
_LONGEST_QUOTE = 200


class AgentClient:
    """A connection to one server. Every call has a time limit; for one thread.

    Args:
        url: The server's address.
        token: What the server asks for off loopback; "" for none.
        transport: Another way to reach it, for tests.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str = "",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(
                base_url=self.url,
                headers=headers,
                timeout=httpx.Timeout(_SILENCE_LIMIT_S, connect=_CONNECT_LIMIT_S),
                transport=transport,
                # The robot is on this machine or next to it: a proxy of the environment is not.
                trust_env=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise ConfigError(f"{url!r} is not an address: {error}") from error

    def submit(self, text: str, source: str = "cli") -> str:
        """Give the robot a goal; returns the goal's id.

        Raises:
            ConfigError: The goal is refused, or nobody serves at the address.
            RuntimeStopped: The run has ended or is stopped.
        """
        return str(self._post("/goals", {"text": text, "source": source})["id"])

    def remark(self, text: str, source: str = "cli") -> str:
        """Say something about the goal under way; returns the remark's id.

        Raises:
            ConfigError: No goal is under way, or nobody serves at the address.
            RuntimeStopped: The run has ended.
        """
        return str(self._post("/remarks", {"text": text, "source": source})["id"])

    def stop(self, reason: str) -> None:
        """Stop the robot.

        Raises:
            ConfigError: Nobody serves at the address.
        """
        self._post("/stop", {"reason": reason})

    def release(self) -> None:
        """Release a stop; the robot may move again.

        Raises:
            ConfigError: Nobody serves at the address.
        """
        self._post("/release", {"release": True})

    def pause(self, *, may_think: bool = False) -> None:
        """Let the robot come to rest and wait; the planner too, unless it `may_think`.

        Raises:
            ConfigError: Nobody serves at the address.
            RuntimeStopped: The run has ended.
        """
        self._post("/hold" if may_think else "/pause", {})

    def resume(self) -> None:
        """Let the robot go on where it was.

        Raises:
            ConfigError: It was not made to wait, or nobody serves at the address.
            RuntimeStopped: The run has ended.
        """
        self._post("/resume", {})

    def goals(self) -> list[dict[str, Any]]:
        """The goals of this run with what became of them, the newest first.

        Raises:
            ConfigError: Nobody serves at the address.
        """
        with self._telling():
            return _checked(self._http.get("/goals")).json()["goals"]

    def status(self) -> dict[str, Any]:
        """Everything at once.

        Raises:
            ConfigError: Nobody serves at the address.
        """
        with self._telling():
            return _checked(self._http.get("/status")).json()

    @contextmanager
    def events(self) -> Generator[Generator[dict[str, Any]]]:
        """The statuses as they come, several a second, for as long as the block lasts.

        Raises:
            ConfigError: Nobody serves at the address.
            TransportError: The connection broke, or nothing came for 20 s.
        """
        with self._telling(), self._http.stream("GET", "/events") as response:
            if response.is_error:
                response.read()
            _checked(response)
            with closing(_events(response)) as events:
                yield events
                return

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with self._telling():
            return _checked(self._http.post(path, json=body)).json()

    @contextmanager
    def _telling(self) -> Generator[None]:
        """Turn what the network says into what a person can act on."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ConfigError(
                f"No agent answers at {self.url}. Start one with: agent serve --preset demo"
            ) from error
        except httpx.UnsupportedProtocol as error:
            raise ConfigError(
                f"{self.url!r} is not an address. Write it as {DEFAULT_URL}"
            ) from error
        except httpx.HTTPError as error:
            raise TransportError(
                f"Lost the agent at {self.url}: {error or type(error).__name__}."
            ) from error
        except json.JSONDecodeError as error:
            raise ConfigError(f"What answers at {self.url} is not an agent.") from error


def _checked(response: httpx.Response) -> httpx.Response:
    """Pass a good answer, and raise what a bad one says."""
    if response.is_success:
        return response
    try:
        said = response.json()
        kind, message = str(said["error"]), str(said["message"])
    except (ValueError, KeyError, TypeError) as error:
        text = response.text[:_LONGEST_QUOTE]
        raise ConfigError(
            f"What answers at {response.url} is not an agent: {response.status_code} {text}"
        ) from error
    raise _error_of(kind, message)


def _error_of(kind: str, message: str) -> TandemError:
    if kind == RuntimeStopped.__name__:
        return RuntimeStopped(reason=message.removeprefix("The run has stopped: "))
    return ConfigError(message)


def _events(response: httpx.Response) -> Generator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
    raise TransportError("The agent has ended the connection.")
