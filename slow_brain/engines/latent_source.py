"""Hidden states for a text that a server wrote: from a model that reads along, or another server.

Chat servers hand over no hidden states. The latents are then those of a second reading of the same
pictures, words and answer, and the planner's spec says by whom.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
import torch
from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field

from bridge.errors import ConfigError, ContractError, TransportError
from bridge.specs import LatentSpec
from slow_brain.decoding import pooled
from slow_brain.engines.engine import HiddenStates, Turn
from slow_brain.engines.openai_server import OpenAIServer
from slow_brain.engines.openai_settings import PictureFormat, ServerSettings
from slow_brain.engines.openai_wire import chat_messages
from slow_brain.engines.settings import checked

_WHERE = "engine_options.latents"
_CHECK_LIMIT_S = 10.0
_HOW_TO_START = (
    "python -m vllm.entrypoints.openai.api_server --model MODEL --runner pooling "
    """--pooler-config '{"task": "token_embed"}'"""
)


class LatentSource(Protocol):
    """Reads an answer once more, for its hidden states."""

    @property
    def spec(self) -> LatentSpec:
        """Their shape, and who reads. Constant."""
        ...

    def encode(self, turns: tuple[Turn, ...], answer: str, left_s: float) -> HiddenStates:
        """Return the hidden states of the chat with its answer, within `left_s` [s]."""
        ...

    def close(self) -> None:
        """Free the model or the connection."""
        ...


def make_latent_source(
    given: Mapping[str, Any] | None, server: ServerSettings
) -> LatentSource | None:
    """Make what the settings ask for; None if they ask for nothing.

    Raises:
        ConfigError: There is no such source, or it cannot be made.
    """
    if given is None:
        return None
    options = dict(given)
    match options.pop("source", None):
        case "local":
            return LocalReader(options)
        case "pooling":
            return PoolingReader(checked(PoolingSettings, options, _WHERE), server)
        case other:
            raise ConfigError(f"{_WHERE}.source is {other!r}; there are: local, pooling.")


class LocalReader:
    """A model in this process reads along.

    Args:
        options: Those of `TransformersEngine`.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        from slow_brain.engines.transformers_engine import TransformersEngine

        self._engine = TransformersEngine(**options)
        found = self._engine.info.latent
        if found is None:
            raise ConfigError(f"{_WHERE}: the local model gives no latents.")
        self._spec = replace(found, origin=f"read along by {self._engine.info.details['weights']}")

    @property
    def spec(self) -> LatentSpec:
        """Of the local model."""
        return self._spec

    def encode(self, turns: tuple[Turn, ...], answer: str, left_s: float) -> HiddenStates:  # noqa: ARG002  # One forward pass, which nothing can shorten.
        """Read the answer in one forward pass."""
        return self._engine.encode(turns, answer)

    def close(self) -> None:
        """Let the model go."""
        self._engine.close()


class PoolingSettings(BaseModel):
    """A pooling endpoint, as vLLM has one when it is started as `_HOW_TO_START` says.

    `base_url` is that of the server without `/v1`. It returns the states of every token ``[T,
    width]``, or one for all ``[width]``. The last is the cognitive latent, the others are averaged
    group by group to `perceptual_tokens`. `answer_end` is put behind the answer: the token that
    ended it, where its state is wanted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field(pattern=r"^https?://[^\s/]+")
    model: str = ""
    width: int = Field(gt=0)
    perceptual_tokens: int = Field(gt=0)
    task: Literal["token_embed", "embed", ""] = "token_embed"
    answer_end: str = ""


class PoolingReader:
    """A pooling endpoint reads along.

    Raises:
        ConfigError: It is not there, or pools in another way than it is asked to.
        ContractError: Its states have another width.
    """

    def __init__(self, settings: PoolingSettings, chat: ServerSettings) -> None:
        self._settings = settings
        self._format: PictureFormat = chat.picture_format
        url = f"{settings.base_url.rstrip('/')}/v1"
        self._server = OpenAIServer(
            chat.model_copy(update={"base_url": url, "model": settings.model})
        )
        self._check()

    def _check(self) -> None:
        """Ask it once, so that what is wrong is known before anything moves."""
        try:
            self.encode((Turn("user", ("?",)),), "!", _CHECK_LIMIT_S)
        except TransportError as error:
            self._server.close()
            raise ConfigError(
                f"{_WHERE}: the pooling endpoint at {self._settings.base_url} gives no hidden "
                f"states: {error} vLLM gives them when it is started as `{_HOW_TO_START}`."
            ) from error

    @property
    def spec(self) -> LatentSpec:
        """As set: the endpoint does not say beforehand."""
        return LatentSpec(
            perceptual_tokens=self._settings.perceptual_tokens,
            cognitive_tokens=1,
            width=self._settings.width,
            origin=f"pooled by {self._server.model} at {self._settings.base_url}",
        )

    def encode(self, turns: tuple[Turn, ...], answer: str, left_s: float) -> HiddenStates:
        """Send chat and answer.

        Raises:
            TransportError: The endpoint does not answer.
            ContractError: Its states have another width.
        """
        said = (*turns, Turn("assistant", (answer + self._settings.answer_end,)))
        body: dict[str, Any] = {
            "messages": chat_messages(said, self._format),
            "encoding_format": "float",
            # The answer is the end: no mark of the template comes after its last token.
            "add_generation_prompt": False,
            "continue_final_message": True,
            # States as they are; vLLM would scale each to length 1.
            "use_activation": False,
        }
        if self._settings.task:
            body["task"] = self._settings.task
        url = f"{self._settings.base_url.rstrip('/')}/pooling"
        return self._states(self._server.post(url, body, left_s))

    def _states(self, answer: Any) -> HiddenStates:  # noqa: ANN401  # JSON of somebody else's.
        try:
            states = np.atleast_2d(np.asarray(answer["data"][0]["data"], np.float32))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ContractError(
                leaf="pooling", expected="data[0].data, a list of numbers for each token", got=error
            ) from error
        is_right = states.ndim == 2 and states.shape[1] == self._settings.width  # noqa: PLR2004  # Tokens and width.
        if not is_right or not states.size or not np.isfinite(states).all():
            raise ContractError(
                leaf="pooling",
                expected=f"finite states of width {self._settings.width} ({_WHERE}.width)",
                got=f"{list(states.shape)}, of which {np.isfinite(states).sum()} are finite",
            )
        before = torch.from_numpy(states[:-1] if len(states) > 1 else states)
        return HiddenStates(pooled(before, self._settings.perceptual_tokens).numpy(), states[-1:])

    def close(self) -> None:
        """Close the connection."""
        self._server.close()
