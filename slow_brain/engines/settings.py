"""What is set for an engine, read with one sentence for what is wrong."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bridge.errors import ConfigError

SettingsT = TypeVar("SettingsT", bound=BaseModel)


def checked(kind: type[SettingsT], given: Mapping[str, Any], where: str) -> SettingsT:
    """Return the settings as their type.

    Args:
        kind: The type.
        given: What was set.
        where: Path of the settings in a preset, for the error.

    Raises:
        ConfigError: Names the first setting that is wrong, and why.
    """
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join((where, *(str(part) for part in first["loc"])))
        known = ", ".join(field.alias or name for name, field in kind.model_fields.items())
        raise ConfigError(
            f"{path} is {first['input']!r}: {first['msg']}. There are: {known}."
        ) from error
