"""A small OpenAI-compatible server: real HTTP, and a model that follows the goal's own words."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


class ChatServer(ThreadingHTTPServer):
    """Answers chat completions; keeps what it was asked, and can be told to answer otherwise.

    `script` answers instead of the model: bytes for a body, a number for an error status.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.pictures: list[tuple[int, int]] = []
        self.keys: list[str] = []
        self.script: list[bytes | int] = []

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def answer(self, body: dict[str, Any]) -> str:
        """Steps of the goal at "then"; the one under way counts as done when it is asked again."""
        self.asked.append(body)
        image, words = body["messages"][-1]["content"]
        self.pictures.append(_size_of(image["image_url"]["url"]))
        told = dict(line.split(": ", 1) for line in words["text"].splitlines())
        done = [] if told["Done"] == "nothing" else told["Done"].split("; ")
        is_done = told["Under way"] != "nothing yet"
        left = told["Goal"].split(" then ")[len(done) + is_done :]
        return json.dumps(
            {
                "reasoning": f"left to do: {left}",
                "current_subtask_done": is_done,
                "goal_done": not left,
                "subtasks": left,
            }
        )


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        """One completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.append(self.headers.get("Authorization", ""))
        scripted = self.server.script.pop(0) if self.server.script else None
        if self.path != "/v1/chat/completions":
            scripted = 404
        if isinstance(scripted, int):
            self.send_error(scripted)
            return
        reply = {"choices": [{"message": {"content": self.server.answer(body)}}]}
        data = json.dumps(reply).encode() if scripted is None else scripted
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # The library's name.
        """Say nothing."""


def _size_of(url: str) -> tuple[int, int]:
    header, data = url.split(",", 1)
    assert header == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).size


@contextmanager
def serving_chat() -> Iterator[ChatServer]:
    """A server that answers until the end of the block."""
    with ChatServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(5)
