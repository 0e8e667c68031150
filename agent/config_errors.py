"""What is wrong with a configuration, in words an operator can act on."""

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.errors import ConfigError, UnknownKeyError

# The unit a setting is in, by the end of its name; the longest end that fits wins.
_UNITS = {
    "_hz": "Hz",
    "_s": "s",
    "_ms": "ms",
    "_ns": "ns",
    "_m": "m",
    "_rad": "rad",
    "_bytes": "bytes",
    "_m_per_s": "m/s",
    "_rad_per_s": "rad/s",
}
_LONGEST_QUOTE = 80


def explain(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """Turn pydantic's report into our error: one line for each thing that is wrong.

    Args:
        error: What `model_validate` raised.
        model: The model that was validated; its fields are what exists.
    """
    found = [_explain_one(details, model) for details in error.errors(include_url=False)]
    return found[0] if len(found) == 1 else ConfigError("\n".join(map(str, found)))


def unit_of(setting: str) -> str:
    """The unit in a setting's name, or an empty text."""
    ends = [end for end in _UNITS if setting.endswith(end)]
    return _UNITS[max(ends, key=len)] if ends else ""


def _explain_one(details: ErrorDetails, model: type[BaseModel]) -> ConfigError:
    path = details["loc"]
    if details["type"] == "extra_forbidden":
        where = ".".join(map(str, path[:-1])) or "The configuration"
        return UnknownKeyError(key=str(path[-1]), where=where, known=_fields_at(model, path[:-1]))
    unit = unit_of(str(path[-1])) if path else ""
    expected = _expectation(details["msg"]) + (f" [{unit}]" if unit else "")
    if details["type"] == "missing":
        return ConfigError(f"{_joined(path)}: expected a value{f' [{unit}]' if unit else ''}")
    return ConfigError(f"{_joined(path)}: expected {expected}, got {_quote(details['input'])}")


def _expectation(message: str) -> str:
    """Pydantic's sentence without its opening words: "a number greater than 0"."""
    text = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return text.split(", unable to parse")[0]


def _joined(path: Sequence[int | str]) -> str:
    return ".".join(map(str, path)) or "The configuration"


def _fields_at(model: type[BaseModel], path: Sequence[int | str]) -> tuple[str, ...]:
    """The settings that exist at a path of the model."""
    here = model
    for key in path:
        field = here.model_fields.get(str(key))
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return ()
        here = inner
    return tuple(here.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401  # Any type expression.
    """The model that an annotation is, or that an optional one holds."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"
