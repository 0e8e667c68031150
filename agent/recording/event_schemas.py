"""What the facts of an event look like, as JSON Schema, for viewers that show a trace."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from bridge.trace import TraceEvent

# A number that is not finite is written as null: JSON knows no infinity. `bool` is an `int`.
_TYPES: tuple[tuple[type, Mapping[str, Any]], ...] = (
    (bool, {"type": "boolean"}),
    (int, {"type": ["number", "null"]}),
    (float, {"type": ["number", "null"]}),
    (str, {"type": "string"}),
    (dict, {"type": "object"}),
)


def schema_of(event: TraceEvent) -> dict[str, Any]:
    """A JSON Schema for events of this kind, read off the first one: later ones may say more."""
    facts = {name: _type_of(value) for name, value in event.facts.items()}
    return {
        "title": event.kind,
        "type": "object",
        "properties": {"stamp_ns": {"type": "integer"}, **facts},
        "required": ["stamp_ns"],
        "additionalProperties": True,
    }


def _type_of(value: object) -> dict[str, Any]:
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return {"type": "array", "items": _type_of(items[0]) if items else {}}
    for kind, schema in _TYPES:
        if isinstance(value, kind):
            return dict(schema)
    return {}
