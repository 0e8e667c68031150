"""What is never written: fields that a person named, and their words wherever they are repeated.

A name such as `goal.text` or `thoughts` is the end of a path: the kind of an event, then the names
of its facts, one in another, joined by dots. `goal.text` meets the text of event `goal` and the
text of the goal inside event `planning`. Pictures are `images` or `images.<camera>`, measurements
`proprioception.<name>`. Of all else only words are hidden, never numbers.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from msgspec.structs import replace

from agent.recording.observation_facts import OBSERVATION
from bridge.trace import TraceEvent

REDACTED = "(redacted)"
_PICTURES = "images"
# The same words elsewhere, in pieces or as the model wrote them.
_ALSO = {"thoughts": ("planner.thought.text", "planner.reply.text")}
# Shorter words are not looked for in other texts: they would be found everywhere.
_SHORTEST = 4
# How many words are remembered, the newest; a run may have many goals.
_MOST_WORDS = 500


class Redaction:
    """Replaces what was named by "(redacted)", and remembers what it was to find it elsewhere.

    Args:
        names: What to leave out.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = {
            name: [tuple(path.split(".")) for path in (name, *_ALSO.get(name, ()))]
            for name in names
        }
        self._words: dict[str, None] = {}
        self._met: set[str] = set()

    @property
    def unmet(self) -> list[str]:
        """The names that nothing was called so far: maybe misspelt."""
        return [name for name in self._names if name not in self._met]

    def hides(self, *path: str) -> bool:
        """Whether what lies at this path, or one of the things it lies in, is left out."""
        found = False
        for name, paths in self._names.items():
            if any(_is_within(path, parts) for parts in paths):
                self._met.add(name)
                found = True
        return found

    def apply(self, event: TraceEvent) -> TraceEvent:
        """The event without what was named."""
        if not self._names:
            return event
        path = tuple(event.kind.split("."))
        return replace(event, facts=self.clean(path, event.facts))

    def clean_settings(self, settings_json: str) -> str:
        """A configuration without what was named; its names begin with `settings`."""
        if not self._names:
            return settings_json
        return json.dumps(self.clean(("settings",), json.loads(settings_json)))

    def clean(self, path: tuple[str, ...], facts: Mapping[str, Any]) -> dict[str, Any]:
        """Facts at a path without what was named."""
        if not self._names:
            return dict(facts)
        return {name: self._cleaned((*path, name), value) for name, value in facts.items()}

    def _cleaned(self, path: tuple[str, ...], value: object) -> Any:  # noqa: ANN401  # JSON.
        if self.hides(*path):
            return self._hidden(value, keeps_numbers=path[0] != OBSERVATION)
        match value:
            case str():
                return self._without_words(value)
            case dict():
                return self.clean(path, cast("dict[str, Any]", value))
            case list() | tuple():
                items = cast("Sequence[object]", value)
                if path[-1] == _PICTURES:
                    return [self._without_picture(item) for item in items]
                # Numbers are most of a trace, and hold no words.
                has_words = bool(items) and isinstance(items[0], str | dict)
                return [self._cleaned(path, item) for item in items] if has_words else items
            case _:
                return value

    def _without_picture(self, item: object) -> object:
        """`front=<what a picture is called>`, as it is or without what it is called."""
        camera, is_named, _ = str(item).partition("=")
        hidden = is_named and self.hides(_PICTURES, camera)
        return f"{camera}={REDACTED}" if hidden else item

    def _hidden(self, value: object, *, keeps_numbers: bool) -> Any:  # noqa: ANN401  # JSON.
        """In place of a value: as many things, so that it still reads as what it was.

        Numbers stay, for a trace is read by them; but not what the robot sensed.
        """
        match value:
            case str():
                # What a measurement is made of, such as its type, is not found elsewhere.
                if keeps_numbers:
                    self._remember(value)
                return REDACTED
            case dict():
                facts = cast("dict[str, object]", value)
                return {
                    name: self._hidden(each, keeps_numbers=keeps_numbers)
                    for name, each in facts.items()
                }
            case list() | tuple():
                items = cast("Sequence[object]", value)
                return [self._hidden(item, keeps_numbers=keeps_numbers) for item in items]
            case _:
                return value if keeps_numbers else None

    def _remember(self, words: str) -> None:
        if len(words) < _SHORTEST:
            return
        self._words.pop(words, None)
        self._words[words] = None
        if len(self._words) > _MOST_WORDS:
            del self._words[next(iter(self._words))]

    def _without_words(self, text: str) -> str:
        for words in self._words:
            if words in text:
                text = text.replace(words, REDACTED)
        return text


def _is_within(path: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether the path, or the beginning of it, ends in these parts."""
    ends = range(len(parts), len(path) + 1)
    return any(path[end - len(parts) : end] == parts for end in ends)
