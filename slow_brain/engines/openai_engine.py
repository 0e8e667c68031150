"""Asks any OpenAI-compatible server: `vllm serve`, or somebody else's.

The robot waits for nobody: every request has a deadline, a server that stumbles is asked again a
few times with a growing and random pause, and what fails is one sentence. Nothing is asked again
once words have come, because they have been shown.
"""

import contextlib
import math
from collections.abc import Generator, Mapping
from typing import Any

from bridge.clock import SystemClock, seconds_between
from bridge.errors import TransportError
from bridge.protocols import Clock
from slow_brain.engines.backoff import Backoff
from slow_brain.engines.engine import EngineInfo, EngineOutput, EngineRequest, Finish, TextPiece
from slow_brain.engines.latent_source import LatentSource, make_latent_source
from slow_brain.engines.openai_server import OpenAIServer, SchemaRefusedError, ServerError
from slow_brain.engines.openai_settings import PictureFormat, SchemaUse, ServerSettings
from slow_brain.engines.openai_wire import chat_messages, read_chunks, response_format
from slow_brain.engines.settings import checked

_BYTES_PER_TOKEN = 3
_NS_PER_S = 1_000_000_000


class OpenAIEngine:
    """One model of an OpenAI-compatible server.

    Args:
        base_url: Where the server is, with its `/v1`.
        model: Which of its models; the only one it has if empty.
        api_key_variable: Environment variable that holds the key; none is sent if empty.
        deadline_s: Longest time from asking to the last word [s].
        silence_s: Longest time without a word [s].
        retries: How often a request that failed before its first word is made again.
        backoff_s: Pause before the first of them [s]; it doubles, and varies at random.
        schema: How the server is told the form of a JSON reply: "json_schema", "json_object",
            "never", or "auto", which tries the first until the server says that it cannot.
        picture_format: "jpeg", or "png" to lose nothing.
        extra_body: More fields for every request, such as `{"temperature": 0.2}`.
        latents: Where hidden states come from, since chat servers give none: `{"source": "local"}`
            with the options of the transformers engine reads along with a model in this process,
            `{"source": "pooling", "base_url": …}` asks a pooling endpoint. None for no latents.

    Raises:
        ConfigError: The client library is missing, no server answers, or it has no such model.
    """

    def __init__(
        self,
        *,
        base_url: str = "http://127.0.0.1:8000/v1",
        model: str = "",
        api_key_variable: str = "",
        deadline_s: float = 30.0,
        silence_s: float = 10.0,
        retries: int = 2,
        backoff_s: float = 0.25,
        schema: SchemaUse = "auto",
        picture_format: PictureFormat = "jpeg",
        extra_body: Mapping[str, Any] | None = None,
        latents: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
    ) -> None:
        given = {
            "base_url": base_url,
            "model": model,
            "api_key_variable": api_key_variable,
            "deadline_s": deadline_s,
            "silence_s": silence_s,
            "retries": retries,
            "backoff_s": backoff_s,
            "schema": schema,
            "picture_format": picture_format,
        }
        self._settings = checked(ServerSettings, given, "engine_options")
        self._clock = clock or SystemClock()
        self._extra_body = dict(extra_body or {})
        self._schema_use: SchemaUse = schema
        self._server = OpenAIServer(self._settings)
        self._latents: LatentSource | None = make_latent_source(latents, self._settings)
        self._info = EngineInfo(
            name="openai",
            latent=self._latents.spec if self._latents else None,
            details={"server": base_url, "model": self._server.model},
        )

    @property
    def info(self) -> EngineInfo:
        """Which model of which server; the spec of the latents says who reads them."""
        return self._info

    def generate(self, request: EngineRequest) -> Generator[EngineOutput]:
        """Stream the answer; closing it closes the connection, which ends the request there.

        Raises:
            ContractError: The server finds the prompt too long.
            TransportError: No answer, a late one, rubbish, or half of one.
        """
        deadline_ns = self._clock.now_ns() + round(self._settings.deadline_s * _NS_PER_S)
        text = ""
        with contextlib.closing(self._pieces(request, deadline_ns)) as pieces:
            for piece in pieces:
                if isinstance(piece, TextPiece) and not piece.is_reasoning:
                    text += piece.text
                if isinstance(piece, Finish) and self._latents is not None:
                    yield self._latents.encode(request.turns, text, self._left_s(deadline_ns))
                yield piece

    def _pieces(self, request: EngineRequest, deadline_ns: int) -> Generator[TextPiece | Finish]:
        """Ask until words come; from then on there is no second try."""
        backoff = Backoff(self._settings.retries, self._settings.backoff_s, self._clock)
        has_begun = False
        while True:
            chunks = self._server.stream(self._body(request), self._left_s(deadline_ns))
            try:
                with contextlib.closing(chunks):
                    for piece in read_chunks(chunks):
                        has_begun = True
                        self._left_s(deadline_ns)
                        yield piece
            except SchemaRefusedError:
                self._schema_use = "never"
            except ServerError as error:
                if has_begun or not error.may_pass or not backoff.wait(deadline_ns):
                    raise
            else:
                return

    def _body(self, request: EngineRequest) -> dict[str, Any]:
        return {
            "messages": chat_messages(request.turns, self._settings.picture_format),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            **response_format(request.schema, self._schema_use),
            "extra_body": self._extra_body,
        }

    def _left_s(self, deadline_ns: int) -> float:
        """Time left [s].

        Raises:
            TransportError: None is left.
        """
        left_s = seconds_between(self._clock.now_ns(), deadline_ns)
        if left_s <= 0:
            raise TransportError(
                f"The answer of {self._settings.base_url} was not complete after "
                f"{self._settings.deadline_s:g} s (engine_options.deadline_s)."
            )
        return left_s

    def count_tokens(self, text: str) -> int:
        """An estimate: a token for every three bytes, which few tokenizers need."""
        return math.ceil(len(text.encode()) / _BYTES_PER_TOKEN)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()
        if self._latents is not None:
            self._latents.close()
