"""When an episode is over and how it went: decided from reports and times, with no run at hand."""

from agent.evaluation.episodes import Episode, Facts
from agent.evaluation.records import SubtaskRecord
from bridge.clock import seconds_between
from bridge.messages import PlanningStatus, WorldReport

# Facts that stay true this long count as reached without anybody saying so [s]; a planner that sees
# them takes about half as long to say so, twice.
SETTLED_S = 5.0
# The world gets this long to come to rest after the planner has given its verdict [s].
VERDICT_GRACE_S = 1.0


class Judge:
    """Watches one episode; a success is a world that meets the goal, whoever says what.

    It is over when the goal is met and the planner agrees, when it stays met for `SETTLED_S`, when
    something happened after which it cannot be met, when the planner has ended the goal and the
    world does not follow, or when time is up.
    """

    def __init__(self, episode: Episode, start_ns: int, limit_s: float) -> None:
        self._episode = episode
        self._start_ns = start_ns
        self.limit_s = limit_s
        self._chain: _Chain | None = None
        self._met_since_ns: int | None = None
        self._verdict_ns: int | None = None
        self.facts: Facts = {}
        self.reason = ""
        self.success = False
        self.planner_said_done = False

    @property
    def is_over(self) -> bool:
        """Whether there is a verdict."""
        return bool(self.reason)

    @property
    def time_to_finish_s(self) -> float | None:
        """When the goal was met, for good [s since the start]; None without success."""
        if not self.success or self._met_since_ns is None:
            return None
        return seconds_between(self._start_ns, self._met_since_ns)

    @property
    def subtasks(self) -> tuple[SubtaskRecord, ...]:
        """What the goal needed from its start, and what of it was reached."""
        return self._chain.records if self._chain else ()

    def duration_s(self, now_ns: int) -> float:
        """How long the episode has lasted [s]."""
        return seconds_between(self._start_ns, now_ns)

    def give_up(self, reason: str) -> None:
        """End the episode without success, if it has not ended yet."""
        self._end(reason, success=False)

    def look(self, world: WorldReport | None, planning: PlanningStatus | None, now_ns: int) -> None:
        """Take in what is true and what is said at this moment."""
        if world is None or self.is_over:
            return
        self.facts = world.facts
        if self._chain is None:
            self._chain = _Chain(self._episode, self.facts, self._start_ns)
        self._chain.look(self.facts, now_ns)
        if not self._episode.is_met(self.facts):
            self._met_since_ns = None
        elif self._met_since_ns is None:
            self._met_since_ns = now_ns
        self._decide(planning, now_ns)

    def _decide(self, planning: PlanningStatus | None, now_ns: int) -> None:
        phase = planning.phase if planning else "acting"
        self.planner_said_done = phase == "goal_done"
        if phase in ("goal_done", "goal_failed") and self._verdict_ns is None:
            self._verdict_ns = now_ns
        met_s = 0.0 if self._met_since_ns is None else seconds_between(self._met_since_ns, now_ns)
        is_met = self._met_since_ns is not None
        if what := self._episode.spoiled(self.facts):
            self._end(f"spoiled: {what}", success=False)
        if is_met and (self.planner_said_done or met_s >= SETTLED_S):
            self._end("met", success=True)
        elif not is_met and self._is_overdue(now_ns):
            self._end(_wrong_verdict(phase), success=False)
        if seconds_between(self._start_ns, now_ns) >= self.limit_s:
            self._end(f"not met within {self.limit_s:g} s", success=False)

    def _is_overdue(self, now_ns: int) -> bool:
        """Whether the world had its time to follow the planner's verdict."""
        verdict_ns = self._verdict_ns
        return verdict_ns is not None and seconds_between(verdict_ns, now_ns) >= VERDICT_GRACE_S

    def _end(self, reason: str, *, success: bool) -> None:
        if not self.is_over:
            self.reason, self.success = reason, success


class _Chain:
    """Subtasks in their turn: the second counts only once the first has been reached."""

    def __init__(self, episode: Episode, facts: Facts, start_ns: int) -> None:
        self._episode = episode
        self._texts = episode.needed(facts)
        self._took_s: list[float] = []
        self._since_ns = start_ns

    @property
    def records(self) -> tuple[SubtaskRecord, ...]:
        open_ended = [*self._took_s, *[None] * (len(self._texts) - len(self._took_s))]
        return tuple(
            SubtaskRecord(text=text, took_s=took_s)
            for text, took_s in zip(self._texts, open_ended, strict=True)
        )

    def look(self, facts: Facts, now_ns: int) -> None:
        while len(self._took_s) < len(self._texts):
            if not self._episode.is_reached(self._texts[len(self._took_s)], facts):
                return
            self._took_s.append(seconds_between(self._since_ns, now_ns))
            self._since_ns = now_ns


def _wrong_verdict(phase: str) -> str:
    if phase == "goal_done":
        return "the planner says done, the world does not"
    return "the planner gave up"
