"""A small real HTTP server that speaks the OpenAI protocol, well or badly, as a test wants it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LIMIT_S = 10.0
Behaviour = Callable[["Answering"], None]


class Answering(BaseHTTPRequestHandler):
    """Does what the test told the server to do with this request."""

    protocol_version = "HTTP/1.1"
    server: "ChatServer"  # pyright: ignore[reportIncompatibleVariableOverride]  # Only it makes these.

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # The library's name.
        """Say nothing."""

    def do_GET(self) -> None:
        """List the models."""
        if self.server.models is None:
            self.send_error(404)
            return
        self.reply({"data": [{"id": name, "object": "model"} for name in self.server.models]})

    def do_POST(self) -> None:
        """Take the request down, then behave."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
        behaviours = self.server.behaviours
        behave = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        try:
            behave(self)
        except OSError:
            self.server.was_left.set()

    def reply(self, answer: object, code: int = 200) -> None:
        """Answer with one JSON object."""
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(data)

    def begin_stream(self) -> None:
        """Open a stream of events, as long as the connection lasts."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, data: object) -> None:
        """Send one event."""
        text = data if isinstance(data, str) else json.dumps(data)
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()


class ChatServer(ThreadingHTTPServer):
    """Keeps what it was asked; behaves as told, the last behaviour again and again."""

    daemon_threads = True

    def __init__(self, behaviours: list[Behaviour], models: list[str] | None, port: int) -> None:
        super().__init__(("127.0.0.1", port), Answering)
        self.behaviours, self.models = behaviours, models
        self.asked: list[dict[str, Any]] = []
        self.was_left = threading.Event()
        self.is_ending = threading.Event()

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""


@contextmanager
def serving(
    *behaviours: Behaviour, models: list[str] | None = None, port: int = 0
) -> Iterator[ChatServer]:
    """Run a server for the length of a test; port 0 takes any that is free."""
    server = ChatServer(list(behaviours), ["tiny"] if models is None else models, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.is_ending.set()
        server.shutdown()
        server.server_close()
        thread.join(LIMIT_S)


def chunk(reason: str | None = None, **delta: str) -> dict[str, Any]:
    """One piece of a streamed answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "tiny",
        "choices": [choice],
    }


def writes(text: str, *, reasoning: str = "", reason: str = "stop") -> Behaviour:
    """Stream this answer, a few letters at a time."""

    def behave(answering: Answering) -> None:
        answering.begin_stream()
        if reasoning:
            answering.event(chunk(reasoning=reasoning))
        for start in range(0, len(text), 5):
            answering.event(chunk(content=text[start : start + 5]))
        answering.event(chunk(reason))
        usage = {"completion_tokens": 7, "prompt_tokens": 30, "total_tokens": 37}
        details = {"prompt_tokens_details": {"cached_tokens": 16}}
        answering.event({**chunk(), "choices": [], "usage": {**usage, **details}})
        answering.event("[DONE]")

    return behave


def fails(code: int, message: str = "out of order") -> Behaviour:
    """Answer with an HTTP status."""
    return lambda answering: answering.reply({"error": {"message": message}}, code)


def sends(data: bytes, content_type: str = "text/event-stream") -> Behaviour:
    """Answer 200 with these bytes, whatever they are."""

    def behave(answering: Answering) -> None:
        answering.send_response(200)
        answering.send_header("Content-Type", content_type)
        answering.send_header("Content-Length", str(len(data)))
        answering.end_headers()
        answering.wfile.write(data)

    return behave


def breaks_off(answering: Answering) -> None:
    """Begin an answer, and close the connection in the middle."""
    answering.send_response(200)
    answering.send_header("Content-Type", "text/event-stream")
    answering.send_header("Content-Length", "100000")
    answering.end_headers()
    answering.event(chunk(content="done:"))
    answering.close_connection = True


def ends_early(answering: Answering) -> None:
    """End the stream in good order, but without an end of the answer."""
    answering.begin_stream()
    answering.event(chunk(content="1. open"))


def says_nothing(answering: Answering) -> None:
    """Take the request, and never answer."""
    answering.server.is_ending.wait(LIMIT_S)


def writes_until_left(answering: Answering) -> None:
    """Write without end, until the client goes away."""
    answering.begin_stream()
    while not answering.server.is_ending.is_set():
        answering.event(chunk(content="again " * 1000))
