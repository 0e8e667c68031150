"""What is set for an engine, read with one sentence for what is wrong."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bridge.errors import ConfigError
from slow_brain.engines.engine import LatentTap


def read_tap(settings: Mapping[str, Any]) -> LatentTap:
    """Return the tap that the settings describe.

    Raises:
        ConfigError: Names the first setting that is wrong, and why.
    """
    try:
        return LatentTap.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(LatentTap.model_fields)
        raise ConfigError(
            f"engine_options.tap.{where} is {first['input']!r}: {first['msg']}. A tap has: {known}."
        ) from error
