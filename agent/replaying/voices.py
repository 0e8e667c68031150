"""What people said in a recorded run, and when: goals, remarks, stops, pauses."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from agent.recording.reading import RecordedEvent
from agent.recording.redaction import REDACTED
from agent.tracing.runs import Run
from bridge.errors import ConfigError
from bridge.messages import Goal, PauseRequest, Remark, StopRequest

Word = Goal | Remark | StopRequest | PauseRequest


class Said(NamedTuple):
    """One message from outside: when it was said [ns], into which mailbox, and what."""

    stamp_ns: int
    mailbox: str
    message: Word


def said_in(run: Run) -> list[Said]:
    """Everything that was said in a run, in order of time, each thing once.

    A remark is of the moment at which the planner heard it.
    """
    words = dict.fromkeys(_words(run))
    return sorted(words, key=lambda said: (said.stamp_ns, said.mailbox != "goal"))


def check_known(run: Run, words: Iterable[Said]) -> None:
    """Refuse words that cannot be said again.

    Raises:
        ConfigError: Their text was redacted.
    """
    for word in words:
        if isinstance(word.message, Goal | Remark) and word.message.text == REDACTED:
            raise ConfigError(
                f"The {word.mailbox} at {run.seconds(word.stamp_ns):.3f} s was redacted in run "
                f"{run.id}: nobody can be told it again. A fork with --goal needs it not."
            )


def newest(words: Iterable[Said], mailbox: str, before_ns: int) -> Said | None:
    """The last that was said in a mailbox before a moment [ns]."""
    found = [word for word in words if word.mailbox == mailbox and word.stamp_ns < before_ns]
    return max(found, key=lambda word: word.stamp_ns, default=None)


def _words(run: Run) -> Iterator[Said]:
    for event in run.kept:
        make = _MAKERS.get(event.kind)
        if make is not None:
            mailbox, message = make(event)
            yield Said(event.stamp_ns, mailbox, message)


def _remark(event: RecordedEvent) -> tuple[str, Word]:
    facts, stamp_ns = event.facts, event.stamp_ns
    return "remark", Remark(
        text=facts["text"], id=f"remark-{stamp_ns}", source=facts["source"], stamp_ns=stamp_ns
    )


def _same(kind: type[Word]) -> Callable[[RecordedEvent], tuple[str, Word]]:
    """The message that was in the mailbox of the event's own name."""

    def make(event: RecordedEvent) -> tuple[str, Word]:
        facts: dict[str, Any] = event.facts | {
            "stamp_ns": event.stamp_ns,
            "type": kind.__name__,
        }
        return event.kind, msgspec.convert(facts, kind)

    return make


_MAKERS: Mapping[str, Callable[[RecordedEvent], tuple[str, Word]]] = {
    "goal": _same(Goal),
    "stop": _same(StopRequest),
    "pause": _same(PauseRequest),
    "planner.remark": _remark,
}
