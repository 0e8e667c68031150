"""Looks into mailboxes and makes events of what says something new."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from agent.recording.latent_facts import facts_of_latent
from bridge.messages import Latent, LoopStatus, PlanningStatus, WorldReport
from bridge.nodes import Mailboxes
from bridge.trace import TraceEvent

_NS_PER_S = 1_000_000_000
# What changes with every message without saying anything new.
_RESTLESS = frozenset({"stamp_ns", "latent_age_s"})
_PERIOD_NS: Mapping[Any, int] = {LoopStatus: _NS_PER_S, WorldReport: _NS_PER_S // 2}


class Sampler:
    """Samples latest-value mailboxes, each under the name of its role."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes
        self._last: dict[str, tuple[int, object]] = {}

    def sample(self, now_ns: int) -> Iterator[TraceEvent]:
        """The newest messages as events, of those that say something new."""
        for role, mailbox in self._mailboxes.items():
            event = self._sample(role, mailbox.read(), now_ns)
            if event is not None:
                yield event

    def _sample(
        self,
        role: str,
        message: Any,  # noqa: ANN401  # The mailbox's own type, or None.
        now_ns: int,
    ) -> TraceEvent | None:
        if message is None:
            return None
        sampled_ns, said = self._last.get(role, (0, None))
        period_ns = _PERIOD_NS.get(type(message), 0)
        if said is not None and now_ns - sampled_ns < period_ns:
            return None
        facts = _facts_of(message)
        saying = {name: value for name, value in facts.items() if name not in _RESTLESS}
        if saying == said:
            return None
        self._last[role] = (now_ns, saying)
        return TraceEvent(kind=role, stamp_ns=_stamp_of(message), facts=facts)


def _stamp_of(message: Any) -> int:  # noqa: ANN401  # The mailbox's own type.
    stamp_ns: int = message.ready_stamp_ns if isinstance(message, Latent) else message.stamp_ns
    return stamp_ns


def _facts_of(message: msgspec.Struct) -> dict[str, Any]:
    if isinstance(message, Latent):
        return facts_of_latent(message)
    facts: dict[str, Any] = msgspec.to_builtins(message)
    for name in ("stamp_ns", "type"):
        facts.pop(name, None)
    if isinstance(message, PlanningStatus) and facts.get("plan"):
        # The status already carries the subtasks and thoughts that the plan repeats.
        facts["plan"] = {key: facts["plan"][key] for key in ("id", "trigger")}
    return facts
