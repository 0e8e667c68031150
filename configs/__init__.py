"""Named presets: YAML files that state only what differs from the defaults. Data, never code."""

from importlib import resources
from pathlib import Path
from typing import Any, cast

import yaml

_SUFFIX = ".yaml"


def preset_names() -> tuple[str, ...]:
    """The presets that ship with Tandem, by name."""
    files = resources.files("configs").iterdir()
    return tuple(sorted(f.name.removesuffix(_SUFFIX) for f in files if f.name.endswith(_SUFFIX)))


def read_preset(name: str) -> dict[str, Any]:
    """Read a preset as plain data, not yet checked.

    Args:
        name: One of `preset_names()`, or the path of a YAML file of your own (with a `/` or a
            `.yaml`).

    Raises:
        FileNotFoundError: There is no such preset.
        ValueError: The file is not YAML, or not a mapping of settings.
    """
    return parse_settings(_read_text(name), name)


def parse_settings(text: str, where: str) -> dict[str, Any]:
    """Read YAML that must be a mapping; an empty text has no settings.

    Raises:
        ValueError: It is not YAML, or not a mapping.
    """
    try:
        data: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{where} is not YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        found = type(data).__name__
        raise ValueError(  # noqa: TRY004  # The value in the file is wrong, not our argument.
            f"{where} holds a {found}, not settings by name"
        )
    return cast("dict[str, Any]", data)


def _read_text(name: str) -> str:
    if "/" in name or name.endswith((_SUFFIX, ".yml")):
        return Path(name).read_text(encoding="utf-8")
    return (resources.files("configs") / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
