"""What is installed, and what each plug-in takes and declares: for people, and as JSON."""

import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from agent.catalog_notes import CatalogNotes
from agent.spec_words import in_words
from bridge.errors import TandemError
from bridge.nodes import blaming
from bridge.plugins import PluginInfo, PluginKind, list_plugins, load_plugin, make_plugin

# What whoever runs a plug-in fills in, and no preset can.
_FILLED_IN = ("robot", "latent", "clock")
_DECLARING: tuple[PluginKind, ...] = ("planner", "policy", "robot")
_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {6,}.*)*)", re.MULTILINE)
_SUMMARY_END = re.compile(r"\n\s*\n")


class PluginEntry(BaseModel):
    """One plug-in as `agent list --json` tells it.

    `options` is the JSON schema of what a preset may set; `filled_in` are the arguments that come
    from whoever runs it. `declares` is its spec, and `declares_in_words` its sense; None and empty
    if that is known only once it is made. `trouble` says why it does not load.
    """

    model_config = ConfigDict(frozen=True)

    kind: PluginKind
    name: str
    target: str
    distribution: str
    version: str
    what: str = ""
    options: dict[str, Any] = Field(default_factory=dict[str, Any])
    filled_in: tuple[str, ...] = ()
    declares: dict[str, Any] | None = None
    declares_in_words: str = ""
    trouble: str = ""


def read_catalog(
    *, make: bool = False, notes: CatalogNotes | None = None
) -> tuple[PluginEntry, ...]:
    """Describe every installed plug-in; none can break the list.

    A plug-in is imported if it has changed since it was described last.

    Args:
        make: Also make those that need nothing, to learn what they declare; takes seconds.
        notes: What was learned the last time; the user's own if left out.
    """
    known = CatalogNotes() if notes is None else notes
    kinds: tuple[PluginKind, ...] = get_args(PluginKind)
    found = [_entry(kind, info, known) for kind in kinds for info in list_plugins(kind)]
    known.save()
    return tuple(_made(entry) if make else entry for entry in found)


def plural(kind: str) -> str:
    """Several of a kind, in words."""
    return f"{kind.removesuffix('y')}ies" if kind.endswith("y") else f"{kind}s"


def _entry(kind: PluginKind, info: PluginInfo, notes: CatalogNotes) -> PluginEntry:
    """What there is to say without making it: noted before, or found out now."""
    said = notes.find(info)
    if said is not None:
        with suppress(ValidationError):
            return PluginEntry.model_validate(said)
    entry = _describe(kind, info)
    if not entry.trouble:
        notes.note(info, entry.model_dump())
    return entry


def _describe(kind: PluginKind, info: PluginInfo) -> PluginEntry:
    entry = PluginEntry(
        kind=kind,
        name=info.name,
        target=info.target,
        distribution=info.distribution,
        version=_version(info.distribution),
    )
    try:
        factory = load_plugin(kind, info.name)
    except TandemError as error:
        return entry.model_copy(update={"trouble": str(error)})
    parameters = _parameters(factory)
    return entry.model_copy(
        update={
            "what": _first_sentence(factory),
            "options": options_schema(factory),
            "filled_in": tuple(name for name in _FILLED_IN if name in parameters),
            **_told_of(getattr(factory, "spec", None)),
        }
    )


def _made(entry: PluginEntry) -> PluginEntry:
    """The same, with what it declares if it can be made without anything."""
    needs = {*entry.filled_in, *entry.options.get("required", ())} - {"clock"}
    if entry.trouble or entry.declares is not None or entry.kind not in _DECLARING or needs:
        return entry
    return entry.model_copy(update=_made_to_tell(entry.kind, entry.name))


def _made_to_tell(kind: PluginKind, name: str) -> dict[str, object]:
    """What one declares that says so only once it is made."""
    try:
        plugin = make_plugin(kind, name)
        with blaming(name, "spec"):
            told = _told_of(plugin.spec)
        with blaming(name, "close"):
            getattr(plugin, "close", lambda: None)()
    except TandemError as error:
        return {"trouble": str(error)}
    return told


def options_schema(factory: Callable[..., Any]) -> dict[str, Any]:
    """The JSON schema of a plug-in's options, from its signature and its docstring's `Args`."""
    said = _said_of_arguments(factory)
    fields: dict[str, Any] = {}
    for name, parameter in _parameters(factory).items():
        if name in _FILLED_IN or parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        kind = Any if parameter.annotation is parameter.empty else parameter.annotation
        # By alias: an option may have the name of one of pydantic's own methods, "schema".
        fields[f"option_{name}"] = (
            _plain(kind),
            Field(default, alias=name, title=name, description=said.get(name)),
        )
    model = create_model("Options", __config__=ConfigDict(extra="forbid"), **fields)
    schema = model.model_json_schema()
    schema.pop("title")
    return schema


def _plain(kind: Any) -> Any:  # noqa: ANN401  # Any annotation, also one that is a text.
    """The annotation, or `Any` for what has no JSON schema."""
    try:
        create_model("Probe", probe=(kind, ...)).model_json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError, NameError):
        return Any
    return kind


def _parameters(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(factory).parameters


def _said_of_arguments(factory: Callable[..., Any]) -> dict[str, str]:
    """What the docstring's `Args` say, by argument, each on one line."""
    _, _, arguments = (inspect.getdoc(factory) or "").partition("Args:\n")
    return {name: " ".join(text.split()) for name, text in _ARGUMENT.findall(arguments)}


def _first_sentence(factory: Callable[..., Any]) -> str:
    return " ".join(_SUMMARY_END.split(inspect.getdoc(factory) or "")[0].split())


def _told_of(spec: object) -> dict[str, object]:
    """A spec as data and in words; nothing for what is no spec."""
    if not isinstance(spec, msgspec.Struct):
        return {}
    return {"declares": msgspec.to_builtins(spec), "declares_in_words": in_words(spec)}


def _version(distribution: str) -> str:
    try:
        return version(distribution) if distribution else ""
    except PackageNotFoundError:
        return ""
