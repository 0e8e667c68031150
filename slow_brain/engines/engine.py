"""What the planner asks of whatever runs its model, whether in this process or behind a server.

An engine turns a chat with pictures into pieces of text and, where it can, the hidden states of the
very same request. Which of them, from which layer, is declared once (`LatentTap`), because the
policy is checked against their shape before anything moves.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from bridge.arrays import FloatArray, ImageArray
from bridge.specs import LatentSpec

# From an answer as far as it is written to the same with its last words put right.
Mend = Callable[[str], str]
LAST_LAYER = -1
PROMPT_END = "prompt"
ANSWER_END = "answer"


class LatentTap(BaseModel):
    """Which hidden states become the latents.

    `layer` is the number of a decoder layer, whose output is taken, or -1 for the last one after
    the final norm. `cognitive` is the text of one token (decoding ends when the model writes it),
    or "answer" for the token that the end follows, or "prompt" for the last one of the prompt; the
    last is there before the first word. The image tokens are the perceptual latents, averaged
    group by group down to `perceptual_tokens`; 0 keeps as many as one picture has.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer: int = Field(default=LAST_LAYER, ge=LAST_LAYER)
    cognitive: str = Field(default=ANSWER_END, min_length=1)
    perceptual_tokens: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class Turn:
    """One turn of a chat: texts and pictures (uint8 ``[H, W, 3]``) in the order to be read."""

    role: Literal["system", "user", "assistant"]
    content: tuple[str | ImageArray, ...]

    @property
    def text(self) -> str:
        """The texts alone."""
        return "".join(part for part in self.content if isinstance(part, str))

    @property
    def pictures(self) -> tuple[ImageArray, ...]:
        """The pictures alone."""
        return tuple(part for part in self.content if not isinstance(part, str))


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """One question to the model.

    `schema` is a JSON schema; an engine that can holds the model to it, the others ignore it. Lower
    `priority` goes first where several ask one engine. At `temperature` 0 the likeliest token is
    taken each time; above it tokens are drawn, in this process the same ones for one `request_id`.
    `mend` is asked at every token: given the answer so far, that token included, it returns the
    text as it should read, which is what an engine in this process writes instead; the others
    ignore it.
    """

    turns: tuple[Turn, ...]
    max_tokens: int
    schema: Mapping[str, Any] | None = None
    priority: int = 0
    request_id: str = ""
    temperature: float = 0.0
    mend: Mend | None = None

    @property
    def pictures(self) -> tuple[ImageArray, ...]:
        """All pictures, in order."""
        return tuple(picture for turn in self.turns for picture in turn.pictures)


@dataclass(frozen=True)
class TextPiece:
    """A piece of text that is whole: no half letters of a multi-byte one.

    `is_reasoning` marks what a reasoning model writes to itself before the answer.
    """

    text: str
    is_reasoning: bool = False


@dataclass(frozen=True)
class HiddenStates:
    """States of the request: the image tokens ``[N, D]`` and the cognitive token ``[1, D]``."""

    perceptual: FloatArray
    cognitive: FloatArray


@dataclass(frozen=True)
class Finish:
    """The end of an answer: whether the model ended it or the limit did, and how long it was.

    `reused_tokens` is how much of the prompt was known from an earlier request; None if the engine
    cannot tell.
    """

    is_complete: bool
    tokens: int
    prompt_tokens: int = 0
    reused_tokens: int | None = None


EngineOutput = TextPiece | HiddenStates | Finish


@dataclass(frozen=True)
class EngineInfo:
    """What there is to know of an engine before it is asked.

    `latent` is None if it gives no hidden states. `picture_px` is the one size of square picture
    that the model was made for; 0 if it takes any. `context_tokens` is how long prompt and answer
    may be together; 0 if unknown.
    """

    name: str
    latent: LatentSpec | None = None
    picture_px: int = 0
    context_tokens: int = 0
    details: Mapping[str, str] = field(default_factory=dict[str, str])


@runtime_checkable
class Engine(Protocol):
    """Runs the planner's model; one request at a time unless it says otherwise."""

    @property
    def info(self) -> EngineInfo:
        """What it is and gives. Constant."""
        ...

    def generate(self, request: EngineRequest) -> Generator[EngineOutput]:
        """Yield text as it is written, hidden states once they are there, and one `Finish` last.

        Closing the generator between two pieces aborts the request and frees what it held.

        Raises:
            ContractError: The prompt is longer than the model can read.
            TransportError: Its server does not answer, in time or at all.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens the text is; an upper estimate where the engine cannot tell."""
        ...

    def close(self) -> None:
        """Free the model or the connection."""
        ...
