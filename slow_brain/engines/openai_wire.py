"""Chats and answers as they look on the wire of an OpenAI-compatible server."""

import base64
import io
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from PIL import Image

from bridge.arrays import ImageArray
from slow_brain.engines.engine import Finish, TextPiece, Turn
from slow_brain.engines.openai_server import ServerError
from slow_brain.engines.openai_settings import PictureFormat, SchemaUse

_JPEG_QUALITY = 90
# Names that servers give to what a model writes to itself; vLLM has used both.
_REASONING = ("reasoning", "reasoning_content")


def chat_messages(turns: Iterable[Turn], picture_format: PictureFormat) -> list[dict[str, Any]]:
    """Return the chat as messages; pictures become data URLs."""
    return [{"role": turn.role, "content": _content(turn, picture_format)} for turn in turns]


def _content(turn: Turn, picture_format: PictureFormat) -> str | list[dict[str, Any]]:
    if not turn.pictures:
        return turn.text
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": picture_url(part, picture_format)}}
        for part in turn.content
    ]


def picture_url(picture: ImageArray, picture_format: PictureFormat) -> str:
    """Return a picture (uint8 ``[H, W, 3]``) as a data URL."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=picture_format, quality=_JPEG_QUALITY)
    return f"data:image/{picture_format};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def response_format(schema: Mapping[str, Any] | None, use: SchemaUse) -> dict[str, Any]:
    """Return the field that tells the server the form of the reply, if it is to be told."""
    if schema is None or use == "never":
        return {}
    if use == "json_object":
        return {"response_format": {"type": "json_object"}}
    named = {"name": "plan", "schema": dict(schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def read_chunks(chunks: Iterable[Any]) -> Generator[TextPiece | Finish]:
    """Yield the text of a stream's chunks, and how it ended.

    Raises:
        ServerError: The stream ended before the answer did.
    """
    reason, pieces, usage = None, 0, None
    for chunk in chunks:
        usage = getattr(chunk, "usage", None) or usage
        for choice in getattr(chunk, "choices", None) or ():
            for piece in _texts(choice.delta):
                pieces += 1
                yield piece
            reason = choice.finish_reason or reason
    if reason is None:
        raise ServerError(
            f"The server's answer broke off after {pieces} pieces: the connection was cut, or what "
            "answered is no OpenAI-compatible server.",
            may_pass=True,
        )
    yield Finish(
        is_complete=reason == "stop",
        tokens=getattr(usage, "completion_tokens", None) or pieces,
        prompt_tokens=getattr(usage, "prompt_tokens", None) or 0,
        reused_tokens=_reused(usage),
    )


def _texts(delta: Any) -> Generator[TextPiece]:  # noqa: ANN401  # Of a library that may be missing.
    if delta is None:
        return
    for name in _REASONING:
        reasoning = getattr(delta, name, None)
        if reasoning:
            yield TextPiece(reasoning, is_reasoning=True)
            break
    if delta.content:
        yield TextPiece(delta.content)


def _reused(usage: Any) -> int | None:  # noqa: ANN401  # As above.
    details = getattr(usage, "prompt_tokens_details", None)
    return getattr(details, "cached_tokens", None)
