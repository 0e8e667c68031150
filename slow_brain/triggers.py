"""When to think again: which reasons count, how soon, how often, and when to give up. Pure.

A person is answered at once. What goes wrong costs a replan; replans of one subtask come ever
further apart, and there are only so many of one subtask and of one goal. No clock and no I/O:
times come in as arguments.
"""

from enum import StrEnum

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from bridge.clock import seconds_between
from bridge.messages import Observation

_NS_PER_S = 1_000_000_000


class TriggerKind(StrEnum):
    """Why the planner is asked, the most urgent first."""

    NEW_GOAL = "new goal"
    RESUMED = "planner restarted"
    REMARK = "remark"
    WENT_ON = "went on after a pause"
    DONE = "subtask done"
    FAILED = "subtask failed"
    REPAIR = "repair"
    STALLED = "stalled"
    SCENE_CHANGE = "scene change"
    PLAN_AGE = "plan age"


_URGENCY = {kind: number for number, kind in enumerate(TriggerKind)}
_COSTLY = frozenset(
    {TriggerKind.FAILED, TriggerKind.REPAIR, TriggerKind.STALLED, TriggerKind.SCENE_CHANGE}
)
_PERSONS = frozenset({TriggerKind.NEW_GOAL, TriggerKind.REMARK})


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to think, and the observation that caused it.

    `stamp_ns` is when it was noticed. Where nothing had been seen by then, as at a robot's start,
    the observation is the first that was seen afterwards; -1 while there is none.
    `subtask` is the text of the one under way, if there was one.
    """

    kind: TriggerKind
    reason: str
    stamp_ns: int
    observation_stamp_ns: int = 0
    observation_sequence: int = -1
    subtask: str = ""

    @property
    def words(self) -> str:
        """What the planner and the trace are told."""
        if not self.reason or self.reason.startswith(self.kind):
            return self.reason or str(self.kind)
        return f"{self.kind}: {self.reason}"


class TriggersConfig(BaseModel):
    """How soon and how often the planner is asked again.

    A plan older than `plan_age_s` [s] is renewed; None leaves that to the planner's `rate_hz`.
    When something went wrong the planner is asked at once, the next time at the earliest
    `cooldown_s` [s] later, and twice as long after each further time with the same subtask, up to
    `cooldown_max_s`. `replans_per_subtask` bounds how often, as does `slow_brain.replan_budget` for
    the whole goal; then the goal has failed. What is done, what a person says and plan age cost
    nothing, but a subtask that is done over and over does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan_age_s: float | None = Field(default=None, gt=0)
    cooldown_s: float = Field(default=0.5, ge=0)
    cooldown_max_s: float = Field(default=10.0, ge=0)
    replans_per_subtask: int = Field(default=10, ge=0)


class TriggerPolicy:
    """Collects reasons, and says which one to think about, and when. For one thread.

    Args:
        config: Times, and the budget of a subtask.
        plan_age_s: How old a plan may grow where the settings do not say [s].
        replans_per_goal: The budget of a goal.
    """

    def __init__(self, config: TriggersConfig, *, plan_age_s: float, replans_per_goal: int) -> None:
        self._config = config
        self._replans_per_goal = replans_per_goal
        self._plan_age_s = config.plan_age_s or plan_age_s
        self._waiting: dict[TriggerKind, Trigger] = {}
        self._subtask = ""
        self._done_texts: set[str] = set()
        self._spent_on: dict[str, int] = {}
        self._spent = 0
        self._in_a_row = 0
        self._asked_ns: int | None = None
        self._costly_ns: int | None = None
        self._gave_up = ""

    @property
    def gave_up(self) -> str:
        """Why no more is tried for this goal; empty while it is tried."""
        return self._gave_up

    @property
    def replans(self) -> int:
        """How many replans this goal has cost."""
        return self._spent

    @property
    def has_word_of_a_person(self) -> bool:
        """Whether somebody waits to be answered: thinking about anything else may be cut short."""
        return not _PERSONS.isdisjoint(self._waiting)

    def follow_goal(self, reason: str, seen: Observation | None, now_ns: int) -> None:
        """A new goal: forget the old one and all its reasons; the planner is asked at once."""
        self._waiting.clear()
        self._subtask, self._gave_up = "", ""
        self._done_texts.clear()
        self._spent_on.clear()
        self._spent = self._in_a_row = 0
        self._costly_ns = None
        self._wait_with(TriggerKind.NEW_GOAL, reason, seen, now_ns)

    def resume_goal(self, replans: int, now_ns: int) -> None:
        """Go on with a goal after a restart, with what it has cost so far; asked about at once."""
        self.follow_goal("", None, now_ns)
        self._waiting.clear()
        self._wait_with(TriggerKind.RESUMED, "", None, now_ns)
        self._spent = replans

    def begin_subtask(self, text: str) -> None:
        """Another subtask is under way; reasons from now on are about it. "" for none."""
        if text != self._subtask:
            self._subtask, self._in_a_row = text, 0

    def note(self, kind: TriggerKind, reason: str, seen: Observation | None, now_ns: int) -> None:
        """A reason to think again. One that waits already, or is of the goal before, is no other.

        Args:
            kind: What happened.
            reason: In words, for people and for the trace.
            seen: The observation that caused it; None if nothing has been seen yet.
            now_ns: When it was noticed [ns].
        """
        if self._gave_up or kind in self._waiting or TriggerKind.NEW_GOAL in self._waiting:
            return
        if kind is TriggerKind.REMARK:
            # The person has changed what is asked, so that it is worth trying anew.
            self._spent_on.clear()
            self._in_a_row = 0
        if not self._costs(kind) or self.spend(reason):
            self._wait_with(kind, reason, seen, now_ns)

    def spend(self, reason: str) -> bool:
        """Take one replan from both budgets; False if there was none left, and the goal is over."""
        here, allowed_here = self._subtask, self._config.replans_per_subtask
        if self._spent >= self._replans_per_goal:
            self._give_up(f"{reason}; all {self._replans_per_goal} replans are spent")
        elif self._spent_on.get(here, 0) >= allowed_here:
            self._give_up(f"{reason}; all {allowed_here} replans of {here!r} are spent")
        else:
            self._spent += 1
            self._in_a_row += 1
            self._spent_on[here] = self._spent_on.get(here, 0) + 1
        return not self._gave_up

    def _give_up(self, reason: str) -> None:
        self._gave_up = reason
        self._waiting.clear()

    def next(self, seen: Observation, now_ns: int) -> Trigger | None:
        """The most urgent reason that may be acted on now; thinking answers all that may.

        Args:
            seen: The newest observation, which the planner will be shown.
            now_ns: The time [ns].
        """
        if self._gave_up:
            return None
        self._note_age(seen, now_ns)
        ready = [kind for kind in self._waiting if self._may_ask(kind, now_ns)]
        if not ready:
            return None
        due = self._waiting[min(ready, key=lambda kind: _URGENCY[kind])]
        for kind in ready:
            del self._waiting[kind]
        if due.observation_sequence < 0:
            due = msgspec.structs.replace(
                due, observation_stamp_ns=seen.stamp_ns, observation_sequence=seen.sequence
            )
        self._asked_ns = now_ns
        if due.kind in _COSTLY:
            self._costly_ns = now_ns
        return due

    def _note_age(self, seen: Observation, now_ns: int) -> None:
        if self._asked_ns is None:
            return
        age_s = seconds_between(self._asked_ns, now_ns)
        if age_s >= self._plan_age_s:
            self.note(TriggerKind.PLAN_AGE, "", seen, now_ns)

    def _may_ask(self, kind: TriggerKind, now_ns: int) -> bool:
        if kind is TriggerKind.PLAN_AGE and TriggerKind.REPAIR in self._waiting:
            # A planner that has just failed is left alone; one that is merely asked about a stall
            # again and again still looks at its own rate.
            return False
        if kind not in _COSTLY or self._costly_ns is None:
            return True
        return seconds_between(self._costly_ns, now_ns) >= self._cooldown_s()

    def _cooldown_s(self) -> float:
        """Twice as long each time with the same subtask."""
        doublings = min(max(self._in_a_row - 2, 0), 30)
        return min(self._config.cooldown_s * 2**doublings, self._config.cooldown_max_s)

    def _costs(self, kind: TriggerKind) -> bool:
        if kind is not TriggerKind.DONE:
            return kind in _COSTLY
        is_repeated = self._subtask in self._done_texts
        self._done_texts.add(self._subtask)
        return is_repeated

    def _wait_with(
        self, kind: TriggerKind, reason: str, seen: Observation | None, now_ns: int
    ) -> None:
        self._waiting[kind] = Trigger(
            kind=kind,
            reason=reason,
            stamp_ns=now_ns,
            observation_stamp_ns=0 if seen is None else seen.stamp_ns,
            observation_sequence=-1 if seen is None else seen.sequence,
            subtask=self._subtask,
        )
