"""One reason in an answer to "why", and the list that they are collected in."""

from dataclasses import dataclass

from agent.tracing.runs import Run


@dataclass(frozen=True, kw_only=True)
class Link:
    """One reason; `at_s` is since when it holds, since the recording began [s]."""

    what: str
    says: str
    at_s: float | None = None
    is_recorded: bool = True


class Links(list[Link]):
    """Reasons about a moment of a run, each the cause of the one before."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def say(self, what: str, says: str, stamp_ns: int | None = None) -> None:
        """What the trace says, and since when that is so [ns]."""
        at_s = None if stamp_ns is None else max(0.0, self._run.seconds(stamp_ns))
        self.append(Link(what=what, says=says, at_s=at_s))

    def miss(self, what: str, says: str) -> None:
        """What the trace does not say; nothing is guessed."""
        self.append(Link(what=what, says=f"not recorded: {says}", is_recorded=False))
